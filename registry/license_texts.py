"""Copies of license texts that we hold: snapshots kept as evidence, and texts that installed packages ship.

A text counts as a copy of a license only when it is that license word for word, as
registry/licensing/claims/texts.py compares them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, files
from typing import Final

from django.db.models import Q
from django.db.models.functions import Length

from registry.licensing.claims.texts import match_text
from registry.licensing.outputs.notice import LicenseText
from registry.licensing.table import Table
from registry.models import ClaimKind, Snapshot

_LONGEST: Final = 400_000
_MOST_SNAPSHOTS: Final = 64
# Package -> the license files it ships that are texts of licenses themselves, and not only its own.
_SHIPPED: Final[Mapping[str, tuple[str, ...]]] = {
    "license-expression": ("cc-by-4.0.LICENSE", "apache-2.0.LICENSE"),
}


def license_texts(licenses: Collection[str], versions: Iterable[int], table: Table) -> dict[str, LicenseText]:
    """License id -> the copy we hold, of those asked for. One query.

    `versions`: ids of the versions whose evidence is looked through; texts fetched from a license's own
    address are used for any stack.
    """
    wanted = set(licenses)
    found = {name: text for name, text in _shipped().items() if name in wanted}
    addresses = [row.url for name in wanted if name in table and (row := table[name]).url]
    snapshots = (
        Snapshot.objects.filter(
            Q(url__in=addresses)
            | Q(claims__version__in=list(versions), claims__kind=ClaimKind.LICENSE, claims__superseded=False)
        )
        .annotate(size=Length("body"))
        .filter(size__lte=_LONGEST)
        .distinct()
        .order_by("-fetched", "-id")
    )
    for snapshot in snapshots[:_MOST_SNAPSHOTS] if wanted - set(found) else ():
        text = _decoded(bytes(snapshot.body))
        name = match_text(text).license if text else None
        if name in wanted and name not in found:
            found[name] = LicenseText(name, text, f"{snapshot.url} sha256:{snapshot.sha256}")
    return found


@cache
def _shipped() -> Mapping[str, LicenseText]:
    found: dict[str, LicenseText] = {}
    for package, names in _SHIPPED.items():
        try:
            listed = files(package) or []
        except PackageNotFoundError:
            continue
        for path in listed:
            if path.name not in names:
                continue
            text = path.read_text(encoding="utf-8")
            # These files may carry a data block of the package's before the text.
            body = text.split("\n---\n", 1)[1] if text.startswith("---\n") and "\n---\n" in text else text
            name = match_text(body).license
            if name is not None:
                found[name] = LicenseText(name, body.lstrip("\n"), f"Python package {package}, {path}")
    return found


def _decoded(body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        return ""
