"""Writes data/texts.json: `python -m registry.licensing.claims.known_texts LICENSE SOURCE < text`.

Only digests are written, so that texts which may not be copied can be recognized too. SOURCE says where the
text was read, with its commit. A text that is there already under the same license is left as it is.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from registry.licensing.claims.texts import KNOWN, Fingerprint, fingerprint
from registry.licensing.table import find_license


def add(rows: list[dict[str, Any]], license_id: str, source: str, text: str) -> bool:
    """Add a text of a license to the rows; False when it is there. Raises UnknownLicense."""
    name = find_license(license_id).id
    found = fingerprint(text)
    if any(row["whole"] == found.whole for row in rows):
        return False
    rows.append({"license": name, "source": source, **_digests(found)})
    rows.sort(key=lambda row: (row["license"].casefold(), row["source"]))
    return True


def _digests(found: Fingerprint) -> dict[str, Any]:
    return {
        "words": found.words,
        "whole": found.whole,
        "sketch": " ".join(found.sketch),
        "sentences": " ".join(sorted(found.sentences)),
    }


def read_rows() -> list[dict[str, Any]]:
    """The rows as they are written, none where the file is not there yet."""
    if not KNOWN.exists():
        return []
    rows: list[dict[str, Any]] = json.loads(KNOWN.read_text(encoding="utf-8"))["texts"]
    return rows


def write_rows(rows: list[dict[str, Any]]) -> None:
    """Write the file anew."""
    note = "Digests of published license texts, no text. See registry/licensing/claims/texts.py."
    KNOWN.write_text(json.dumps({"note": note, "texts": rows}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    present = read_rows()
    if add(present, sys.argv[1], sys.argv[2], sys.stdin.read()):
        write_rows(present)
