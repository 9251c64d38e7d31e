"""What the metadata inside a weights file says about its license: read on taking in, as a claim of the bytes.

Keys: `modelspec.license` (Stability-AI/ModelSpec, free text) and SPDX tags ("SPDX-License-Identifier: MIT")
in any value, and prose about terms in descriptions and comments (ss_training_comment). Whoever saved the file
last wrote them, so they are detected, not declared.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from registry.licensing.claims.statement import Statement, all_of, bounded
from registry.licensing.claims.words import read_words
from registry.licensing.identify import identify

KEYS: Final = ("modelspec.license", "license")
PROSE: Final = (
    "modelspec.description",
    "modelspec.usage_hint",
    "ss_training_comment",
    # As an inspection's training facts name them.
    "description",
    "usage_hint",
    "comment",
)
_PLACEHOLDERS: Final = frozenset({"", "none", "null", "n/a", "na", "unknown", "unspecified", "-"})
_SPDX: Final = re.compile(r"SPDX-License-Identifier:[ \t]*([A-Za-z0-9.+() -]{1,200})")


def read_metadata(metadata: Mapping[str, str]) -> list[Statement]:
    """The license that is named and the terms that are worded, each if there is one."""
    found = [_license(metadata), _words(metadata)]
    return [statement for statement in found if statement is not None]


def _words(metadata: Mapping[str, str]) -> Statement | None:
    prose = "\n".join(value for key in PROSE if isinstance(value := metadata.get(key), str))
    found = read_words(prose)
    # Doubtful sentences in a trainer's notes are not worth a reviewer's time.
    return None if found is None or found.value is None else replace(found, standing="detected")


def _license(metadata: Mapping[str, str]) -> Statement | None:
    """None where no license is named; free text that is no known name is stated and unread."""
    names = {key: metadata[key].strip() for key in KEYS if isinstance(metadata.get(key), str)}
    for key, value in metadata.items():
        if isinstance(value, str) and (tag := _SPDX.search(value[:10_000])):
            names[f"{key} (SPDX)"] = tag[1].strip()
    names = {key: name for key, name in names.items() if name.casefold() not in _PLACEHOLDERS}
    if not names:
        return None
    read = {key: identify(name) for key, name in names.items()}
    unread = tuple(names[key] for key, found in read.items() if found.license is None)
    known = sorted({found.license for found in read.values() if found.license})
    license_id = None if unread else all_of(known)
    hints: dict[str, object] = {"keys": sorted(names)}
    if ambiguous := [names[key] for key, found in read.items() if found.ambiguous]:
        hints["ambiguous"] = ambiguous
    wording = "; ".join(f"{key}: {name}" for key, name in names.items())
    return Statement("license", license_id, bounded(wording), standing="detected", unread=unread, hints=hints)
