"""Words learned with an adapter: their vectors for each text encoder of a base, and those that prompts may
use at the moment.

Textual inversion: Gal et al. 2022 (arXiv:2208.01618). A word is used at its full strength whenever its
adapter is, whatever the adapter's weight: AUTOMATIC1111 and ComfyUI do not scale embeddings by it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from inference.errors import NonFiniteAdapter, UnsupportedAdapter, WrongBase
from registry.weights.embeddings import CLIP_FORMS, OUTPUT, T5_FORMS
from registry.weights.tensors import Array

Learned = Mapping[str, Mapping[str, Array]]
"""word -> name of a tensor -> vectors [n, width], as `registry.weights.loading.load_adapter` gives them."""

# The form of SD 1 and 2, which have one text encoder; a word that is a tensor's whole name is of it, too.
_ONLY = ("emb_params", "string_to_param.")


@dataclass(frozen=True, slots=True)
class _Encoder:
    width: int
    is_t5: bool


@dataclass(frozen=True, slots=True, eq=False)
class Word:
    """A learned word as one text encoder reads it: `inputs` [n, width] in place of n tokens' embeddings, and
    `outputs` [n, width] in place of what the encoder makes of them, or None.
    """

    inputs: Tensor
    outputs: Tensor | None = None

    def __len__(self) -> int:
        return len(self.inputs)

    def same(self, other: Word) -> bool:
        """Whether it has the other's vectors."""
        if (self.outputs is None) != (other.outputs is None) or not self.inputs.equal(other.inputs):
            return False
        return self.outputs is None or other.outputs is None or self.outputs.equal(other.outputs)


Words = Mapping[str, Mapping[str, Word]]
"""component (text_encoder, text_encoder_2 ...) -> word -> its vectors there."""
Vocabulary = dict[str, dict[str, Word]]
"""The same of the words that may be used now; each component's dictionary is what its embedder looks into."""


def fit_words(learned: Learned, base: Mapping[str, Mapping[str, nn.Module]]) -> Words:
    """Find the text encoder that each word's vectors are for, in a base's components and their modules.

    A text encoder that a word has no vectors for reads it as any other text. Raises WrongBase where the base
    has no such encoder or another width (SD3 without T5 does without T5's vectors), UnsupportedAdapter for
    vectors of an unknown encoder, and NonFiniteAdapter.
    """
    encoders = _encoders(base)
    found: Vocabulary = {}
    for word, tensors in learned.items():
        by_encoder: dict[str, dict[bool, Tensor]] = {}
        for name, values in tensors.items():
            last = name.removeprefix(f"bundle_emb.{word}.")
            stem = last.removesuffix(OUTPUT)
            component = _component(word, word if name == word else stem, encoders)
            if component is None and stem in T5_FORMS and "transformer" in base:
                # SD3 is often kept without T5, and then nothing of a prompt goes there.
                continue
            if component is None:
                raise WrongBase(f"The word {word[:80]!r} has vectors for {stem[:40]}, which this base lacks.")
            vectors = torch.from_numpy(values.copy()).to(torch.float32)
            _check(word, vectors, encoders[component].width)
            by_encoder.setdefault(component, {})[stem != last] = vectors
        for component, sides in by_encoder.items():
            _take({word: _word(word, sides)}, found.setdefault(component, {}))
    return found


def allow(adapters: Sequence[Words], vocabulary: Vocabulary) -> None:
    """Let prompts use the words of these adapters. Raises UnsupportedAdapter when two mean different things
    by one word.
    """
    for words in adapters:
        for component, known in words.items():
            _take(known, vocabulary.setdefault(component, {}))


def forbid(vocabulary: Vocabulary) -> None:
    """Make every word plain text again."""
    for known in vocabulary.values():
        known.clear()


def _take(words: Mapping[str, Word], known: dict[str, Word]) -> None:
    for word, vectors in words.items():
        # As prompts are read: CLIP knows no capitals.
        before = next((own for own in known if own.casefold() == word.casefold()), None)
        if before is None:
            known[word] = vectors
        elif not known[before].same(vectors):
            raise UnsupportedAdapter(
                f"The word {word[:80]!r} was learned twice with different vectors; in one prompt it can mean"
                " one thing only.",
                next_step="Show the adapters that bring it on sheets of their own.",
            )


def _encoders(base: Mapping[str, Mapping[str, nn.Module]]) -> dict[str, _Encoder]:
    """The text encoders of the base in the order of the pipeline; T5 calls its embeddings `shared`."""
    found: dict[str, _Encoder] = {}
    for component in sorted(name for name in base if name.startswith("text_encoder")):
        for path, module in base[component].items():
            last = path.rpartition(".")[2]
            if isinstance(module, nn.Embedding) and last in ("token_embedding", "shared"):
                found[component] = _Encoder(module.embedding_dim, last == "shared")
                break
    return found


def _component(word: str, name: str, encoders: Mapping[str, _Encoder]) -> str | None:
    """The text encoder that the vectors called `name` are for; None where the base has none of the kind."""
    of_kind = [component for component, encoder in encoders.items() if encoder.is_t5 == (name in T5_FORMS)]
    place = CLIP_FORMS.get(name, 0)
    if name not in T5_FORMS and name not in CLIP_FORMS and not name.startswith(_ONLY) and name != word:
        raise UnsupportedAdapter(
            f"It is not known which text encoder the {name[:40]!r} of {word[:80]!r} is for."
        )
    return of_kind[place] if place < len(of_kind) else None


def _check(word: str, vectors: Tensor, width: int) -> None:
    if not len(vectors):
        raise UnsupportedAdapter(f"The word {word[:80]!r} has no vectors.")
    if vectors.shape[1] != width:
        raise WrongBase(
            f"The word {word[:80]!r} has vectors of {vectors.shape[1]} numbers; the base's text encoder takes"
            f" {width}."
        )
    if not bool(torch.isfinite(vectors).all()):
        raise NonFiniteAdapter(f"The word {word[:80]!r} holds NaN or infinity.")


def _word(word: str, sides: Mapping[bool, Tensor]) -> Word:
    outputs = sides.get(True)
    # OneTrainer gives the encoder zeros where only its output was learned.
    inputs = sides[False] if False in sides else torch.zeros_like(sides[True])
    if outputs is not None and outputs.shape != inputs.shape:
        raise UnsupportedAdapter(f"The word {word[:80]!r} has unlike vectors before and behind its encoder.")
    return Word(inputs, outputs)
