"""A base model's weights on this machine: where they are, and the digest of what they are loaded from."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from django.conf import settings

from inference.base_checkpoints import open_checkpoint
from inference.base_errors import BaseLacksParts, NoBaseLayout
from inference.errors import BaseNotRenderable, NoBaseWeights
from inference.recipes import digest
from registry.bases import with_ancestors
from registry.models import BaseModel

_WEIGHTS = ".safetensors"
_CONFIGURATION = {".json", ".txt", ".model"}
_INDEX = "model_index.json"
# SD3 is offered without it.
_SPARED = "text_encoder_3"
# `model.fp16.safetensors`, `model.non_ema-00001-of-00002.safetensors` (diffusers, `variant`).
_VARIANT = re.compile(r".+\.[a-z0-9_]+(?:-\d{5}-of-\d{5})?\.safetensors")
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class BaseFiles:
    """What a base is rendered with: its folder or single file, another VAE's folder or file or None, and the
    precision, "" for what suits the device. `digest` says which bytes these are, and is part of every cell's
    key. `layout` is the folder that a single file is configured by and takes `lacking` parts from;
    `prediction` what the row says that it predicts, "" for what it says itself.
    """

    weights: Path
    vae: Path | None
    dtype: str
    digest: str
    layout: Path | None = None
    prediction: str = ""
    lacking: tuple[str, ...] = ()

    @property
    def paths(self) -> tuple[Path, ...]:
        """The safetensors files that loading reads."""
        own = [self.weights] if self.weights.is_file() else _parts_in(self.weights)
        if self.vae is not None:
            own = [*(part for part in own if part != self.weights / "vae"), self.vae]
        if self.layout is not None:
            own += [self.layout / part for part in self.lacking]
        return tuple(path for each in own for path in _safetensors(each))

    @property
    def size(self) -> int:
        """Bytes of the weights on the disk."""
        return sum(path.stat().st_size for path in self.paths)


def base_files(base: BaseModel) -> BaseFiles:
    """What the base's row says it is rendered with, checked to be here.

    Raises NoBaseWeights, and BaseNotRenderable or one of its kind.
    """
    weights = base_weights(base)
    vae = _here(base.vae, f"The files of the VAE of {base.name}") if base.vae else None
    layout, lacking = _single_file(base, weights, vae) if weights.is_file() else (None, ())
    if layout is None:
        found = base_digest(weights)
    else:
        found = digest([_stamped(weights), _digest_of(layout, _files_of_layout(layout, lacking))])
    if vae is not None:
        found = digest([found, base_digest(vae)])
    if base.weights_prediction:
        found = digest([found, base.weights_prediction])
    return BaseFiles(weights, vae, base.weights_dtype, found, layout, base.weights_prediction, lacking)


def base_weights(base: BaseModel) -> Path:
    """The folder or file of the base's weights; a relative one counts from the project's root.

    Raises NoBaseWeights when none is set and BaseNotRenderable when it is not on this machine.
    """
    if not base.weights:
        raise NoBaseWeights(f"{base.name} has no weights to render with.")
    return _here(base.weights, f"The weights of {base.name}")


def base_layout(base: BaseModel) -> Path:
    """The diffusers folder that the base's single file is configured by: its own, else that of the nearest
    ancestor that has one or is a folder itself. Raises NoBaseLayout.
    """
    for each in with_ancestors(base):
        if each.weights_layout:
            found = Path(settings.BASE_DIR) / each.weights_layout
            if not (found / _INDEX).is_file():
                raise NoBaseLayout(
                    f"The layout of {each.name} is no diffusers folder ({each.weights_layout})."
                )
            return found
        if each.weights and (Path(settings.BASE_DIR) / each.weights / _INDEX).is_file():
            return Path(settings.BASE_DIR) / each.weights
    raise NoBaseLayout(
        f"The weights of {base.name} are a single file, and neither it nor a parent has a layout."
    )


def base_digest(weights: Path) -> str:
    """SHA256 over names and contents of a folder's weights and configuration files, or the file's own.

    Read again only when they change.
    """
    if weights.is_file():
        return _stamped(weights)
    paths = (path for path in weights.rglob("*") if path.suffix in {_WEIGHTS, *_CONFIGURATION})
    return _digest_of(weights, paths)


def _single_file(base: BaseModel, weights: Path, vae: Path | None) -> tuple[Path, tuple[str, ...]]:
    """The layout of a single file, and the parts that it takes from there with their weights."""
    # What the file is comes first: a pickle needs no layout.
    held = open_checkpoint(weights).parts
    layout = base_layout(base)
    lacking = []
    for part in _parts_of(layout):
        if part in held or (part == "vae" and vae is not None):
            continue
        if any(_safetensors(layout / part)):
            lacking.append(part)
        elif part != _SPARED:
            raise BaseLacksParts(
                f"{weights.name} has no {part}, and its layout {layout.name} has none either."
            )
    return layout, tuple(lacking)


def _parts_in(folder: Path) -> list[Path]:
    """The parts of a pipeline's folder; all of a folder whose index cannot be read. Beside them may lie what
    is never loaded: the same weights as a single file, or a safety checker.
    """
    try:
        return [folder / part for part in _parts_of(folder)] or [folder]
    except NoBaseLayout:
        return [folder]


def _parts_of(layout: Path) -> list[str]:
    """The parts with weights that the layout's index names."""
    try:
        index = json.loads((layout / _INDEX).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise NoBaseLayout(f"The layout {layout.name} is no diffusers folder ({error}).") from None
    named = index.items() if isinstance(index, dict) else ()
    kinds = ("unet", "transformer", "vae", "text_encoder")
    return [
        name
        for name, value in named
        if name.startswith(kinds) and isinstance(value, list) and value and all(value)
    ]


def _files_of_layout(layout: Path, lacking: Iterable[str]) -> Iterator[Path]:
    """All configuration and tokenizers, but weights only of parts that are taken from there."""
    yield from (path for path in layout.rglob("*") if path.suffix in _CONFIGURATION)
    for part in lacking:
        yield from _safetensors(layout / part)


def _safetensors(where: Path) -> list[Path]:
    """Those that are loaded: of another precision, or training's own copy, beside the whole one, none."""
    if where.is_file():
        return [where]
    every = sorted(where.rglob(f"*{_WEIGHTS}"))
    whole = {path.parent for path in every if not _VARIANT.fullmatch(path.name)}
    return [path for path in every if not _VARIANT.fullmatch(path.name) or path.parent not in whole]


def _here(path: str, what: str) -> Path:
    found = Path(settings.BASE_DIR) / path
    if not (found.is_dir() or found.is_file()):
        raise BaseNotRenderable(f"{what} are not on this machine ({path}).")
    return found


def _digest_of(folder: Path, paths: Iterable[Path]) -> str:
    files = sorted(path for path in paths if path.is_file())
    return digest([[str(path.relative_to(folder)), _stamped(path)] for path in files])


def _stamped(path: Path) -> str:
    status = path.stat()
    return _sha256(str(path), status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=4096)
def _sha256(path: str, size: int, modified: int) -> str:
    # Size and time are part of the cache's key only: another stamp means another file.
    found = hashlib.sha256()
    with Path(path).open("rb") as file:
        while block := file.read(_BLOCK):
            found.update(block)
    return found.hexdigest()
