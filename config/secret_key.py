"""The signing key of the site: from the settings, or made once and kept in a private file."""

from __future__ import annotations

import os
import secrets
import tempfile
from pathlib import Path

from config.env import ConfigError

SHORTEST = 32


def load_secret_key(given: str, path: Path) -> str:
    """The given key, else the one kept in `path`, which is made at the first start.

    Several processes may start at once: each writes its own temporary file, the first hard link wins and all
    read that one. Where nothing can be written (a read-only checkout used only for `inspect` or `decide`) the
    key lives as long as the process.
    """
    if given:
        if len(given) < SHORTEST:
            raise ConfigError(f"SECRET_KEY must have at least {SHORTEST} characters.")
        return given
    kept = _read(path)
    if kept:
        return kept
    made = secrets.token_urlsafe(50)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".secret_key-")
    except OSError:
        return made
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(made)
        path.hardlink_to(temporary)
    except FileExistsError:
        return _read(path) or made
    finally:
        temporary.unlink()
    return made


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:
        raise ConfigError(
            f"Cannot read {path} ({error.strerror}); it must belong to the user that runs Kura."
        ) from None
