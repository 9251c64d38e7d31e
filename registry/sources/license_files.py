"""Reads LICENSE files that lie beside adapter files: the texts under which they were handed over."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from registry.licensing.claims.hub import Linked
from registry.licensing.claims.texts import read_license_text
from registry.sources.documents import read_document
from registry.sources.errors import SourceError
from registry.sources.listing import RawDocument, Reading, listed
from registry.sources.text import file_name

# LICENSE, LICENSE.md, LICENCE.txt, COPYING, MODEL_LICENSE, LICENSE-SDXL1.0 ...; never code or weights.
_NAME = re.compile(
    r"(?:model[_-])?(?:licen[sc]e|copying)(?:[-_ ][\w.+-]{1,60})?(?:\.(?:md|txt|rst))?", re.IGNORECASE
)
MEDIA = {".md": "text/markdown", ".rst": "text/x-rst"}


def license_files(present: Mapping[str, Path]) -> list[Path]:
    """The license files among the files of a folder (`present`: name -> path), in order of name."""
    return [path for name, path in sorted(present.items()) if _NAME.fullmatch(name)]


def is_license_file(path: str) -> bool:
    """Whether a path within a repository names a license file at its top."""
    return _NAME.fullmatch(path) is not None


def read_license_file(path: Path) -> tuple[RawDocument, Reading | None]:
    """The file's bytes and the license they are, None where it holds no word. Raises SourceError."""
    document = read_document(path, MEDIA.get(path.suffix.lower(), "text/plain"))
    statement = read_license_text(_text(document), file_name(path))
    return document, Reading(document, claims=[listed(statement, document)]) if statement else None


def linked_from(folder: Path) -> Linked:
    """Reads the file of a card's relative link: only inside the card's folder, None when it is not there."""

    def read(link: str) -> str | None:
        try:
            target = (folder / link).resolve()
            inside = target.is_relative_to(folder.resolve()) and target.is_file()
            return _text(read_document(target, "text/plain")) if inside else None
        except (SourceError, OSError, ValueError):
            # A link is the card's word; one that leads nowhere states nothing.
            return None

    return read


def _text(document: RawDocument) -> str:
    return document.body.decode("utf-8-sig", errors="replace")
