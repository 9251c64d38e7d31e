"""One part of a base from a diffusers folder: its module or its tokenizer, and what is said where one lacks
something.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

# Before the libraries: this one keeps them off the network.
from inference.engine import base as _base  # noqa: F401  # isort: skip

import torch

from inference.engine.memory import ran_out
from inference.errors import BaseNotRenderable
from inference.layouts import first_line

BROKEN = (
    OSError,
    ValueError,
    RuntimeError,
    KeyError,
    TypeError,
    IndexError,
    AttributeError,
    NotImplementedError,
)
"""What diffusers and transformers raise where a folder or file is not what they expect."""


def read_config(folder: Path, name: str) -> dict[str, Any]:
    """The JSON object in a file of a pipeline's folder. Raises BaseNotRenderable."""
    try:
        found = json.loads((folder / name).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BaseNotRenderable(f"{folder.name} is no diffusers pipeline folder ({error}).") from None
    if not isinstance(found, dict):
        raise BaseNotRenderable(f"{folder.name} is no diffusers pipeline folder ({name} is no object).")
    return found


def load_part(cls: Any, folder: Path, part: str, dtype: torch.dtype) -> Any:
    """The part's module, in main memory. One that lacks weights would be filled with random numbers: it is
    refused. Raises BaseNotRenderable, and what says that memory did not suffice.
    """
    where = folder / part
    options: dict[str, Any] = {"torch_dtype": dtype, "local_files_only": True, "use_safetensors": True}
    if (variant := _variant(where)) is not None:
        options["variant"] = variant
    try:
        made, info = cls.from_pretrained(where, output_loading_info=True, **options)
    except BROKEN as error:
        raise broken(part or folder.name, error) from None
    refuse_missing(part or folder.name, info["missing_keys"])
    return made


def load_tokenizer(cls: Any, folder: Path, part: str) -> Any:
    """The part's tokenizer. Raises BaseNotRenderable."""
    try:
        return cls.from_pretrained(folder / part, local_files_only=True)
    except (*BROKEN, ImportError) as error:
        raise broken(part, error) from None


def broken(part: str, error: Exception) -> Exception:
    """What is raised for a part that does not load: lack of memory stays what it is."""
    if ran_out(error):
        return error
    return BaseNotRenderable(f"{part} does not load: {first_line(error)}")


def refuse_missing(part: str, names: Iterable[str]) -> None:
    """Raise BaseNotRenderable where any of the part's weights are missing."""
    if missing := sorted(names):
        raise BaseNotRenderable(f"{part} lacks {len(missing)} of its weights, first {missing[0]}.")


def _variant(where: Path) -> str | None:
    """`fp16` where the weights are there in that precision only."""
    names = [path.name for path in where.glob("*.safetensors")]
    return "fp16" if names and all(".fp16" in name for name in names) else None
