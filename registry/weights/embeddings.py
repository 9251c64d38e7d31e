"""Embeddings: learned vectors of a text encoder, alone in a file or bundled with an adapter."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from .header import TensorInfo

# How the trainers of embeddings call the vectors of each text encoder.
_EMBEDDING_KEY = re.compile(
    r"emb_params|(?:clip_[lgh]|t5(?:xxl)?|llama|gemma|qwen\w*)(?:_out)?|text_encoders_\d|string_to_param\..*|"
    r"bundle_emb\..*",
    re.DOTALL,
)
_TEXT_WIDTHS = frozenset({64, 768, 1024, 1280, 2048, 2304, 2560, 3584, 4096, 5120})
_MOST_TOKENS = 64
_MOST_VECTORS = 512
# Anchored: tried wherever a long name repeats the word, it would take the square of the time.
_ENCODER = re.compile(r"\Abundle_emb\..*\.(?=clip_|t5)", re.DOTALL)
# diffusers' pivotal tuning keeps all tokens in one tensor for each text encoder; the first row is `<s0>`'s.
_PIVOTAL = frozenset({"clip_l", "clip_g", "t5", "text_encoders_0", "text_encoders_1"})
CLIP_FORMS = {"clip_l": 0, "text_encoders_0": 0, "clip_g": 1, "text_encoders_1": 1}
"""How trainers call the vectors of a CLIP -> which of a base's CLIPs it is."""
T5_FORMS = frozenset({"t5", "t5xxl"})
OUTPUT = "_out"
"""Ends the name of vectors that OneTrainer puts in place of an encoder's output, at the word's places."""
_SD3 = ("sd3_medium", "sd35_medium", "sd35_large")


def is_embedding(tensors: Mapping[str, TensorInfo]) -> bool:
    """Learned vectors only: under the trainers' fixed names, or under the tokens that they stand for."""
    if not tensors or len(tensors) > _MOST_TOKENS:
        return False
    if any(len(t.shape) not in (1, 2) for t in tensors.values()):
        return False
    if all(_EMBEDDING_KEY.fullmatch(name) for name in tensors):
        return True
    return all(
        _is_token(name)
        and tensor.shape[-1] in _TEXT_WIDTHS
        and (len(tensor.shape) == 1 or tensor.shape[0] < _MOST_VECTORS)
        for name, tensor in tensors.items()
    )


def _is_token(name: str) -> bool:
    """A token may be any text, but no parameter of a layer."""
    return name.startswith("<") or not re.search(r"(?:^|\.)(?:weight|bias|\d+)(?:\.|$)|_[ab]_\d+$", name)


def embedding_families(tensors: Mapping[str, TensorInfo]) -> list[str]:
    """The families that the vectors of an embedding fit, by their trainer's form and their widths.

    `emb_params` and `string_to_param` are the form of SD 1 and 2 (AUTOMATIC1111, sd-scripts); of later models
    each text encoder has a key of its own. A bare token tells the width only: diffusers writes one such file
    for each of SDXL's two text encoders.
    """
    widths = {name.removesuffix("_out"): tensor.shape[-1] for name, tensor in tensors.items() if tensor.shape}
    widths = {_ENCODER.sub("", name): width for name, width in widths.items()}
    if {"clip_l", "clip_g"} <= widths.keys():
        return list(_SD3) if widths.keys() & {"t5", "t5xxl"} else ["sdxl"]
    if "clip_l" in widths:
        return ["flux1"] if widths.keys() & {"t5", "t5xxl"} else ["sdxl", "flux1", *_SD3]
    if "clip_g" in widths:
        return ["sdxl", *_SD3]
    if widths.keys() & {"t5", "t5xxl"}:
        return ["flux1", *_SD3]
    fixed = all(name == "emb_params" or name.startswith("string_to_param.") for name in tensors)
    by_width = {768: ["sd1"] if fixed else ["sd1", "sdxl"], 1024: ["sd2"], 1280: ["sdxl"], 64: ["toybox"]}
    found = [by_width.get(width, []) for width in set(widths.values())]
    return found[0] if len(found) == 1 else []


def learned_tokens(tensors: Mapping[str, TensorInfo], rest: Iterable[str]) -> dict[str, list[str]]:
    """Token -> the tensors that hold its vectors: `bundle_emb.<token>.<encoder>`, PTI's `<token>`, and of an
    adapter the tensors of pivotal tuning, of which `rows_of` tells a token's part.

    The token may hold dots, so only the ends of the name are read. `rest` are the tensors that belong to no
    module of an adapter.
    """
    found: dict[str, list[str]] = {}
    left = list(rest)
    for name in left:
        shape = tensors[name].shape
        # Of an embedding's own file its name is the token.
        if name in _PIVOTAL and len(left) < len(tensors) and len(shape) == 2 and shape[0] <= _MOST_TOKENS:
            for row in range(shape[0]):
                found.setdefault(f"<s{row}>", []).append(name)
            continue
        token = None
        if name.startswith("bundle_emb."):
            inner = name.removeprefix("bundle_emb.")
            token = inner.rpartition(".string_to_param.")[0] or inner.rpartition(".")[0] or inner
        elif name.startswith("<") and name.endswith(">") and len(tensors[name].shape) in (1, 2):
            token = name
        if token:
            found.setdefault(token, []).append(name)
    return found


def rows_of(token: str, name: str) -> slice:
    """The rows of the tensor `name` that are the token's vectors."""
    if name not in _PIVOTAL:
        return slice(None)
    row = int(token.removeprefix("<s").removesuffix(">"))
    return slice(row, row + 1)
