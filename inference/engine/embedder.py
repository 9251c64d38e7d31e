"""Texts to embeddings by one text encoder: chunks of its length, emphasis, the layer a family wants."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from inference.engine.emphasis import parse_emphasis
from inference.engine.words import Word
from inference.prompt_words import cut

CLIP_TOKENS = 77
"""Positions of CLIP, its start and end token among them."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """`states` [batch, length * chunks, width]; `pooled` [batch, width] of the first chunk, None for T5."""

    states: Tensor
    pooled: Tensor | None


@dataclass(frozen=True, slots=True)
class Token:
    """One position of a text: a token of the encoder's own, or the vector number `at` of a learned word."""

    id: int
    weight: float
    word: Word | None = None
    at: int = 0


class TextEncoder:
    """One text encoder of a base with its tokenizer.

    Texts longer than `length` tokens take more chunks, each with a start (CLIP only) and an end token of its
    own, as AUTOMATIC1111 does. `words` are the learned words that texts may use at the moment; each takes as
    many positions as it has vectors, and stays in one chunk. Nothing is cached: an adapter may have changed
    the encoder, and encoding is a hundredth of a render.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        *,
        length: int = CLIP_TOKENS,
        words: Mapping[str, Word] = MappingProxyType({}),
    ) -> None:
        self._model, self._tokenizer, self._words = model, tokenizer, words
        # T5 begins without a token of its own.
        is_clip = "clip" in model.config.model_type
        self._start = [tokenizer.bos_token_id] if is_clip else []
        self._room = length - 1 - len(self._start)
        self._table = model.get_input_embeddings() if is_clip else model.encoder.get_input_embeddings()
        # What stands for a learned word until its vectors are put in: any token that no encoder looks for.
        taken = {tokenizer.bos_token_id, tokenizer.eos_token_id}
        self._stand_in = next(token for token in range(3) if token not in taken)

    def chunks(self, texts: Sequence[str]) -> int:
        """Chunks that the longest of the texts takes, at least one."""
        return max(1, *(len(self._lines(text)) for text in texts))

    def encode(self, texts: Sequence[str], chunks: int, *, layer: int = 1, normed: bool = False) -> Encoded:
        """The first `chunks` chunks of every text; shorter ones are padded with empty chunks.

        `layer` counts from the end, 1 is the encoder's own output; another one passes through the encoder's
        final norm only when `normed`.
        """
        lines = [self._lines(text) for text in texts]
        found = [
            self._chunk([line[n] if n < len(line) else [] for line in lines], layer, normed)
            for n in range(chunks)
        ]
        return Encoded(torch.cat([chunk.states for chunk in found], dim=1), found[0].pooled)

    def _lines(self, text: str) -> list[list[Token]]:
        """The text in chunks. A learned word that a chunk has no room for begins the next one."""
        lines: list[list[Token]] = [[]]
        for token in self._tokens(text):
            length = len(token.word) if token.word is not None and token.at == 0 else 1
            if len(lines[-1]) + min(length, self._room) > self._room:
                lines.append([])
            lines[-1].append(token)
        return lines

    def _tokens(self, text: str) -> Iterator[Token]:
        words = list(self._words)
        for piece in parse_emphasis(text):
            for part, number in cut(piece.text, words):
                if number is None:
                    ids = self._tokenizer(
                        part, add_special_tokens=False, truncation=False, verbose=False
                    ).input_ids
                    yield from (Token(token, piece.weight) for token in ids)
                else:
                    word = self._words[words[number]]
                    yield from (Token(self._stand_in, piece.weight, word, at) for at in range(len(word)))

    def _chunk(self, lines: Sequence[Sequence[Token]], layer: int, normed: bool) -> Encoded:
        """One chunk of every text."""
        end, pad = self._tokenizer.eos_token_id, self._tokenizer.pad_token_id
        ids, weights = [], []
        for line in lines:
            fill = self._room - len(line)
            # The end token follows the text and the padding follows it, so that a short prompt looks as in
            # training.
            ids.append([*self._start, *(token.id for token in line), end, *[pad] * fill])
            weights.append(
                [*(1.0 for _ in self._start), *(token.weight for token in line), *[1.0] * (1 + fill)]
            )
        first = len(self._start)
        learned = [
            (row, first + place, token.word, token.at)
            for row, line in enumerate(lines)
            for place, token in enumerate(line)
            if token.word is not None
        ]
        with _put_in(self._table, learned):
            output = self._model(
                torch.tensor(ids, device=self._model.device), output_hidden_states=layer != 1
            )
        states = self._states(output, layer, normed)
        if any(word.outputs is not None for _, _, word, _ in learned):
            states = states.clone()
            for row, place, word, at in learned:
                if word.outputs is not None:
                    states[row, place] = word.outputs[at].to(states)
        factors = torch.tensor(weights, device=states.device, dtype=torch.float32)
        if not bool((factors == 1).all()):
            states = _emphasize(states, factors)
        return Encoded(states, _pooled(output))

    def _states(self, output: Any, layer: int, normed: bool) -> Tensor:
        if layer == 1:
            own: Tensor = output.last_hidden_state
            return own
        # The list begins with the embeddings, before any layer.
        states: Tensor = output.hidden_states[-min(layer, len(output.hidden_states) - 1)]
        if normed:
            norm = getattr(self._model, "text_model", self._model).final_layer_norm
            states = norm(states)
        return states


@contextmanager
def _put_in(table: Any, learned: Sequence[tuple[int, int, Word, int]]) -> Iterator[None]:
    """Within the block `table` gives the vectors of learned words at their rows and places, instead of the
    embeddings of what stands there. The table itself stays as it is.
    """
    if not learned:
        yield
        return
    asked = 0

    def put(module: Any, inputs: Any, embedded: Tensor) -> Tensor:
        nonlocal asked
        asked += 1
        embedded = embedded.clone()
        for row, place, word, at in learned:
            embedded[row, place] = word.inputs[at].to(embedded)
        return embedded

    hook = table.register_forward_hook(put)
    try:
        yield
    finally:
        hook.remove()
    if not asked:
        raise RuntimeError("The text encoder did not ask its embeddings for the learned words.")


def _pooled(output: Any) -> Tensor | None:
    """What CLIP says of the whole text: projected where the model has a projection."""
    pooled: Tensor | None = getattr(output, "text_embeds", None)
    return getattr(output, "pooler_output", None) if pooled is None else pooled


def _emphasize(states: Tensor, factors: Tensor) -> Tensor:
    """Weigh each token and keep each chunk's mean, as AUTOMATIC1111 does.

    Rows without emphasis stay untouched. A layer norm's mean can be zero; then it is left alone, not divided
    by.
    """
    wide = states.to(torch.float32)
    weighed = wide * factors[..., None]
    before, after = wide.mean(dim=(1, 2)), weighed.mean(dim=(1, 2))
    usable = (after.abs() > 1e-6) & (before.abs() > 1e-6)
    ratio = torch.where(
        usable, before / torch.where(usable, after, torch.ones_like(after)), torch.ones_like(after)
    )
    weighed = weighed * ratio[:, None, None]
    plain = (factors == 1).all(dim=1)[:, None, None]
    return torch.where(plain, wide, weighed).to(states.dtype)
