"""A base model's weights on this machine: where the folder is, and the digest of what lies in it."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from django.conf import settings

from inference.errors import BaseNotRenderable, NoBaseWeights
from inference.recipes import digest
from registry.models import BaseModel

_SUFFIXES = {".safetensors", ".json", ".txt"}
_BLOCK = 1 << 20


def base_folder(base: BaseModel) -> Path:
    """The folder of the base's weights; a relative one counts from the project's root.

    Raises NoBaseWeights when none is set and BaseNotRenderable when it is not on this machine.
    """
    if not base.weights:
        raise NoBaseWeights(f"{base.name} has no weights to render with.")
    folder = Path(settings.BASE_DIR) / base.weights
    if not folder.is_dir():
        raise BaseNotRenderable(f"The weights of {base.name} are not on this machine ({base.weights}).")
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
