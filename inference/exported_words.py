"""How other programs get the words that an adapter's file brings: read by themselves, from a file of their
own, or not at all.

AUTOMATIC1111: `load_network` of extensions-builtin/Lora/networks.py, `create_embedding_from_data` of
modules/textual_inversion/textual_inversion.py. Forge's networks.py reads none. ComfyUI: comfy/lora.py reads
none (OneTrainer's issue 485), comfy/sd1_clip.py reads `embedding:name`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from inference.prompt_words import cut
from registry.checks import latest_inspection
from registry.storage import local_path
from registry.weights.container import read_header
from registry.weights.embeddings import CLIP_FORMS, OUTPUT, T5_FORMS, learned_tokens, rows_of
from registry.weights.modules import group_modules

_BRINGS_WORDS = "bundled_embeddings"
_BOTH_CLIPS = frozenset({"clip_l", "clip_g"})
# What AUTOMATIC1111 finds words for in a LoRA file: its SD 3 takes no embeddings, and it has no FLUX.1.
_A1111_ONE, _A1111_TWO = frozenset({"toybox", "sd1", "sd2"}), frozenset({"sdxl", "ssd1b"})
# The names by which ComfyUI's text encoders find their vectors in a file, by what diffusers calls them.
_SD3 = {"": "clip_l", "_2": "clip_g", "_3": "t5xxl"}
_COMFYUI_NAMES = {
    "sdxl": {"": "clip_l", "_2": "clip_g"}, "ssd1b": {"": "clip_l", "_2": "clip_g"},
    "flux1": {"": "clip_l", "_2": "t5xxl"}, "sd3_medium": _SD3, "sd35_medium": _SD3, "sd35_large": _SD3,
}  # fmt: skip
TWO_ENCODERS = frozenset({"sdxl", "ssd1b", "flux1"})
"""Families whose diffusers pipeline takes a `prompt_2`."""
# Families whose diffusers pipeline has no load_textual_inversion.
_NO_INVERSION = frozenset({"sd3_medium", "sd35_medium", "sd35_large"})


@dataclass(frozen=True, slots=True)
class LearnedWord:
    """A word and the names of the tensors in its adapter's file that hold its vectors."""

    word: str
    file: str
    tensors: tuple[str, ...]

    @property
    def forms(self) -> tuple[str, ...]:
        """The tensors' names without the word: `clip_l`, `clip_g_out`, `string_to_param.*` ..."""
        return tuple(name.removeprefix(f"bundle_emb.{self.word}.") for name in self.tensors)

    @property
    def bundled(self) -> bool:
        """Whether the vectors lie under `bundle_emb.`."""
        return all(name.startswith("bundle_emb.") for name in self.tensors)

    @property
    def has_outputs(self) -> bool:
        """Whether some vectors take the place of what a text encoder gives (OneTrainer)."""
        return any(form.endswith(OUTPUT) for form in self.forms)

    def inputs(self, family: str) -> dict[str, tuple[str, str]]:
        """What a text encoder of the family is called by ("", "_2", "_3" in diffusers) -> the tensor of the
        vectors before it, and which one of its rows they are ("" for all).
        """
        found = {}
        for name, form in zip(self.tensors, self.forms, strict=True):
            if not form.endswith(OUTPUT):
                rows = rows_of(self.word, name)
                at = "" if rows.start is None else f"[{rows.start}:{rows.stop}]"
                found[_encoder(form, family)] = (name, at)
        return found


def _encoder(form: str, family: str) -> str:
    if form in T5_FORMS:
        return "_2" if family == "flux1" else "_3"
    return "_2" if CLIP_FORMS.get(form) == 1 else ""


def words_of(sha256: str, file: str) -> tuple[LearnedWord, ...]:
    """The words that a stored adapter file brings; its header is read where its inspection found any.

    Raises what `local_path` and `read_header` raise.
    """
    reading = latest_inspection(sha256)
    findings = reading.data.get("findings") if reading is not None else None
    if not any(finding["code"] == _BRINGS_WORDS for finding in findings or ()):
        return ()
    header = read_header(local_path(sha256))
    _, rest = group_modules(header)
    found = learned_tokens(header.tensors, rest)
    return tuple(LearnedWord(word, file, tuple(names)) for word, names in found.items())


def said(words: Sequence[LearnedWord], *texts: str) -> list[LearnedWord]:
    """Those of the words that stand in one of the texts, each spelling once."""
    once = {word.word.casefold(): word for word in reversed(words)}
    known = [word for word in words if once[word.word.casefold()] is word]
    spelled = [word.word for word in known]
    there = {number for text in texts for _, number in cut(text, spelled)}
    return [word for number, word in enumerate(known) if number in there]


def respelled(text: str, words: Sequence[LearnedWord], spell: Callable[[int, str], str]) -> str:
    """The text with each of the words as `spell` writes it, given its number and how it stands there."""
    parts = cut(text, [word.word for word in words]) if words else [(text, None)]
    written = "".join(part if number is None else spell(number, part) for part, number in parts)
    return re.sub(" {2,}", " ", written).strip() if words else text


# --- AUTOMATIC1111 ------------------------------------------------------------------------------------------


def a1111_text(text: str, words: Sequence[LearnedWord]) -> str:
    """The prompt with words of signs apart from their neighbors: by its tokens AUTOMATIC1111 takes `<s1>,`
    and `<s1><s2>` for others.
    """
    return respelled(text, words, _apart)


def a1111_notes(family: str, brought: Sequence[LearnedWord], used: Sequence[LearnedWord]) -> list[str]:
    """What AUTOMATIC1111 does in another way than the engine: with the `used` words, and with files that any
    of the `brought` ones keeps it from loading.
    """
    refused = [word for word in brought if family in _A1111_ONE | _A1111_TWO and _a1111_refuses(word)]
    told = dict.fromkeys(refused, "the file is not loaded because of the form of this word")
    told |= {word: _a1111_differs(family, word) for word in used if word not in told}
    return [f"{word.word} in {word.file}: {differs}" for word, differs in told.items() if differs]


def _apart(_: int, part: str) -> str:
    return part if part[0].isalnum() and part[-1].isalnum() else f" {part} "


def _a1111_refuses(word: LearnedWord) -> bool:
    """Whether the word stops the loading of its file: a name alone, or several tensors of no known form."""
    named = f"bundle_emb.{word.word}" in word.tensors
    known = any(form.startswith("string_to_param.") for form in word.forms) or {*word.forms} >= _BOTH_CLIPS
    return word.bundled and (named or (len(word.forms) > 1 and not known))


def _a1111_differs(family: str, word: LearnedWord) -> str:
    if not word.bundled:
        return "plain text here, only bundle_emb is read"
    if family not in _A1111_ONE | _A1111_TWO:
        return "plain text here, no word is read for this model"
    if "." in word.word:
        return "plain text here, names are read up to a dot"
    if family in _A1111_TWO and not {*word.forms} >= _BOTH_CLIPS:
        return "plain text here, vectors for both text encoders are needed"
    return "vectors behind the text encoder are not read as such" if word.has_outputs else ""


# --- ComfyUI ------------------------------------------------------------------------------------------------


def comfyui_text(text: str, family: str, words: Sequence[LearnedWord]) -> str:
    """The prompt with `embedding:name` in place of each word, which ComfyUI finds between blanks."""
    words = [word for word in words if word.inputs(family)]
    return respelled(text, words, lambda number, _: f" embedding:{_file_name(words[number])} ")


def comfyui_notes(family: str, words: Sequence[LearnedWord]) -> list[str]:
    """Which file to make of which tensors, so that prompts mean what they do here, and where they do not."""
    notes = []
    for word in words:
        told = [f"ComfyUI does not read {word.word} from {word.file}."]
        inputs = word.inputs(family)
        if inputs:
            names = _COMFYUI_NAMES.get(family, {})
            kept = ", ".join(
                f"{name}{at} as {names.get(end, 'clip_l')}" for end, (name, at) in inputs.items()
            )
            told.append(f"Save {kept} in models/embeddings/{_file_name(word)}.safetensors.")
            if len(inputs) < len(names):
                told.append("A text encoder without vectors leaves the word out there, and reads it here.")
        if word.has_outputs:
            told.append("Vectors behind a text encoder (_out) have no place there.")
        notes.append(" ".join(told))
    return notes


def _file_name(word: LearnedWord) -> str:
    """A name without blanks and signs, of the adapter's file and the word: others have an <s1>, too."""
    stem = word.file.rpartition("/")[2].removesuffix(".safetensors")
    return re.sub(r"[^\w-]+", "-", f"{stem}-{word.word}").strip("-") or "word"


# --- diffusers ----------------------------------------------------------------------------------------------


def diffusers_text(text: str, family: str, words: Sequence[LearnedWord], encoder: str = "") -> str:
    """The prompt for a text encoder, with a token of signs for each word that it has vectors for: diffusers
    would find "ink" in "pink".
    """
    if family in _NO_INVERSION:
        return text
    return respelled(
        text, words, lambda number, part: f"<w{number}>" if encoder in words[number].inputs(family) else part
    )


def diffusers_lines(
    file: str, source: str, family: str, brought: Sequence[LearnedWord], used: Sequence[LearnedWord]
) -> list[str]:
    """Lines of a script that loads the `used` ones of the words that `source` has `brought`, as the tokens of
    `diffusers_text`, and leaves its layers in `file`: beside words diffusers refuses them.
    """
    names = sorted({name for word in brought for name in word.tensors})
    lines = [
        f"with safe_open({source!r}, 'pt') as file:  # diffusers takes words and layers apart",
        "    tensors = {name: file.get_tensor(name) for name in file.keys()}",
        f"    words = {{name: tensors.pop(name) for name in {names!r}}}",
        f"    save_file(tensors, {file!r}, file.metadata())",
    ]
    for number, word in enumerate(used):
        if word not in brought:
            continue
        if family in _NO_INVERSION:
            lines.append(f"# diffusers reads no learned words for this model: {word.word!r} is text there.")
            continue
        if word.has_outputs:
            lines.append(f"# {word.word!r} has vectors behind a text encoder, which diffusers does not read.")
        lines += [
            f"pipe.load_textual_inversion(words[{name!r}]{at}, token='<w{number}>',"
            f" tokenizer=pipe.tokenizer{end}, text_encoder=pipe.text_encoder{end})  # {word.word!r}"
            for end, (name, at) in word.inputs(family).items()
        ]
    return lines
