"""A base model's weights on this machine: where the folder is, and the digest of what lies in it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from django.conf import settings

from inference.errors import BaseNotRenderable, NoBaseWeights
from inference.recipes import digest
from registry.models import BaseModel

_SUFFIXES = {".safetensors", ".json", ".txt", ".model"}
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class BaseFiles:
    """What a base is rendered with: its folder, another VAE's folder or None, and the precision, "" for what
    suits the device. `digest` says which bytes these are, and is part of every cell's key.
    """

    folder: Path
    vae: Path | None
    dtype: str
    digest: str

    @property
    def size(self) -> int:
        """Bytes of the weights on the disk."""
        return sum(
            path.stat().st_size
            for folder in (self.folder, self.vae)
            if folder is not None
            for path in folder.rglob("*.safetensors")
        )


def base_files(base: BaseModel) -> BaseFiles:
    """What the base's row says it is rendered with, checked to be here.

    Raises NoBaseWeights and BaseNotRenderable.
    """
    folder = base_folder(base)
    vae = _local(base.vae, f"The files of the VAE of {base.name}") if base.vae else None
    found = base_digest(folder)
    if vae is not None:
        found = digest([found, base_digest(vae)])
    return BaseFiles(folder, vae, base.weights_dtype, found)


def base_folder(base: BaseModel) -> Path:
    """The folder of the base's weights; a relative one counts from the project's root.

    Raises NoBaseWeights when none is set and BaseNotRenderable when it is not on this machine.
    """
    if not base.weights:
        raise NoBaseWeights(f"{base.name} has no weights to render with.")
    return _local(base.weights, f"The weights of {base.name}")


def _local(path: str, what: str) -> Path:
    folder = Path(settings.BASE_DIR) / path
    if not folder.is_dir():
        raise BaseNotRenderable(f"{what} are not on this machine ({path}).")
    return folder


def base_digest(folder: Path) -> str:
    """SHA256 over names and contents of the weights and configuration files.

    Read again only when they change.
    """
    paths = sorted(path for path in folder.rglob("*") if path.suffix in _SUFFIXES and path.is_file())
    stamps = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in paths]
    return digest(
        [[str(path.relative_to(folder)), _sha256(*stamp)] for path, stamp in zip(paths, stamps, strict=True)]
    )


@lru_cache(maxsize=4096)
def _sha256(path: str, size: int, modified: int) -> str:
    # Size and time are part of the cache's key only: another stamp means another file.
    found = hashlib.sha256()
    with Path(path).open("rb") as file:
        while block := file.read(_BLOCK):
            found.update(block)
    return found.hexdigest()
