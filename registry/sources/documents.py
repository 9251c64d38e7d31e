"""Reads sidecar files within limits: raw bytes first, then JSON or YAML that cannot harm the reader."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from registry.sources.errors import SidecarTooLarge, SidecarUnreadable
from registry.sources.listing import RawDocument
from registry.sources.text import file_name

LARGEST = 8 * 1024 * 1024
LARGEST_FRONT_MATTER = 256 * 1024


def read_document(path: Path, media_type: str) -> RawDocument:
    """The sidecar's bytes as they are. Raises SidecarUnreadable, SidecarTooLarge."""
    name = file_name(path)
    try:
        # To open a named pipe would wait for its writer.
        if not path.is_file():
            raise SidecarUnreadable(f"{name} is not a plain file.")
        with path.open("rb") as file:
            body = file.read(LARGEST + 1)
    except OSError as error:
        raise SidecarUnreadable(f"{name}: {error.strerror or 'it could not be read'}.") from None
    if len(body) > LARGEST:
        raise SidecarTooLarge(f"{name} is larger than {LARGEST // 2**20} MiB.")
    return RawDocument(url=f"file:{name}", body=body, media_type=media_type)


def json_object(document: RawDocument) -> dict[str, Any]:
    """The JSON object in the document; a byte order mark is accepted. Raises SidecarUnreadable."""
    try:
        value = json.loads(document.body.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise SidecarUnreadable(f"{document.url.removeprefix('file:')} is not JSON.") from None
    if not isinstance(value, dict):
        raise SidecarUnreadable(f"{document.url.removeprefix('file:')} is JSON, but not an object.")
    return value


def front_matter(document: RawDocument) -> tuple[dict[str, Any] | None, str]:
    """The YAML between the first two `---` lines (None when there is none), and the text below it.

    Every scalar stays text: `no`, `1.0` and `2024-13-45` are what the author typed. Raises SidecarUnreadable.
    """
    content = document.body.decode("utf-8-sig", errors="replace").replace("\r\n", "\n")
    head, _, rest = content.partition("\n")
    if head.rstrip() != "---":
        return None, content
    rows = rest.split("\n")
    end = next((number for number, row in enumerate(rows) if row.rstrip() == "---"), None)
    if end is None:
        return None, content
    source, body = "\n".join(rows[:end]), "\n".join(rows[end + 1 :])
    if len(source) > LARGEST_FRONT_MATTER:
        raise SidecarTooLarge(f"The front matter is larger than {LARGEST_FRONT_MATTER // 1024} KiB.")
    try:
        value = yaml.load(source, Loader=yaml.BaseLoader)
    except (yaml.YAMLError, ValueError, TypeError, RecursionError):
        name = document.url.removeprefix("file:")
        raise SidecarUnreadable(f"{name}: the front matter is not YAML.") from None
    return (value if isinstance(value, dict) else {}), body
