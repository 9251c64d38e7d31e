"""The conflicts among the claims of versions, as entries of their `license_conflict` checks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from registry.basis import current_basis
from registry.licensing.claims.conflicts import Conflict, Said, find_conflicts
from registry.licensing.errors import LicensingError
from registry.licensing.table import LICENSES, Table
from registry.models import ClaimKind, Standing, TermsClaim, Version

_KINDS: Final = (ClaimKind.LICENSE, ClaimKind.CIVITAI_FLAGS, ClaimKind.TEXT_TERMS)
_MOST_CLAIMS: Final = 24
_SHOWN: Final = 20


def claim_conflicts(versions: Sequence[Version]) -> dict[int, list[dict[str, Any]]]:
    """By version id: `[{kind, summary, claims: {looser, stricter}, acts: [{act, ours, theirs}]}]`.

    Empty where all claims agree. The number of queries does not depend on how many versions are asked about.
    `ours` is the looser side, `theirs` the stricter: each `{outcome, conditions, clause}`. A claim is
    `{id, said, value, url, sha256, fetched}`, None for the base's license, which `summary` names. What a
    reviewer decided is settled: claims of a kind with a decision are left out.
    """
    current = TermsClaim.objects.filter(version__in=versions, superseded=False, kind__in=_KINDS)
    stated: dict[int, list[TermsClaim]] = {version.pk: [] for version in versions}
    for claim in current.select_related("snapshot").defer("snapshot__body").order_by("id"):
        stated[claim.version_id].append(claim)
    claiming = [pk for pk, claims in stated.items() if claims]
    bases = Version.objects.filter(pk__in=claiming).select_related(
        "base_declared__license", "base_decided__license"
    )
    table = current_basis().table if claiming else LICENSES
    found = {version.pk: _conflicts(version, stated[version.pk], table) for version in bases}
    return {pk: found.get(pk, []) for pk in stated}


def _conflicts(version: Version, stated: Sequence[TermsClaim], table: Table) -> list[dict[str, Any]]:
    settled = {row.kind for row in stated if row.standing == Standing.DECIDED}
    claims = {row.pk: row for row in stated[:_MOST_CLAIMS] if row.kind not in settled}
    base = version.base_decided or version.base_declared
    base_license = base.license.license_id if base and base.license else None
    said = [
        Said(row.pk, row.kind, row.value, row.snapshot.url if row.snapshot else "stated by a person")
        for row in claims.values()
    ]
    try:
        found = find_conflicts(said, base_license, table)
    except LicensingError:
        # A claim that the engine cannot read is another check's matter; without it the rest still counts.
        readable = [each for each in said if _readable(each, table)]
        found = find_conflicts(readable, base_license if base_license in table else None, table)
    name = f"{base.name} ({base_license})" if base else ""
    return [_entry(conflict, claims, name) for conflict in found[:_SHOWN]]


def _readable(said: Said, table: Table) -> bool:
    try:
        find_conflicts([said, Said(0, said.kind, said.value, "itself")], table=table)
    except LicensingError:
        return False
    return True


def _entry(conflict: Conflict, claims: Mapping[int, TermsClaim], base: str) -> dict[str, Any]:
    looser = claims[conflict.looser.key]
    stricter = claims[conflict.stricter.key] if conflict.stricter else None
    return {
        "kind": conflict.kind,
        "summary": _summary(conflict, looser, stricter, base),
        "claims": {"looser": _claim(looser), "stricter": _claim(stricter) if stricter else None},
        "acts": [
            {"act": clash.act, "ours": clash.looser.as_dict(), "theirs": clash.stricter.as_dict()}
            for clash in conflict.clashes
        ],
    }


def _summary(conflict: Conflict, looser: TermsClaim, stricter: TermsClaim | None, base: str) -> str:
    acts = ", ".join(clash.act for clash in conflict.clashes)
    if stricter is None:
        first = conflict.clashes[0]
        ours, theirs = first.looser.clause, first.stricter.clause
        return f"{_told(looser)} grants {acts} ({ours}), which the base {base} forbids ({theirs})."
    if not conflict.clashes:
        return f"{_told(looser)} and {_told(stricter)} are different licenses."
    by_words = conflict.kind == "text"
    clauses = [
        side.clause for side in (conflict.clashes[0].looser, conflict.clashes[0].stricter) if side.clause
    ]
    told = f" ({'; '.join(clauses)})" if clauses else ""
    if by_words:
        return f"{_told(looser)} grants {acts}{told}, which the author's words forbid: {_quoted(stricter)}."
    return f"{_told(looser)} grants {acts}{told}, which {_told(stricter)} refuses."


def _told(claim: TermsClaim) -> str:
    if claim.kind == ClaimKind.LICENSE:
        return f"The license {claim.value} ({claim.standing})"
    return "The Civitai permissions" if claim.kind == ClaimKind.CIVITAI_FLAGS else "The author's words"


def _quoted(claim: TermsClaim) -> str:
    first = next(iter(_lines(claim.wording)), "")
    return f"\u201c{first[:160]}\u201d"


def _lines(text: str) -> Iterable[str]:
    return (line for line in text.splitlines() if line.strip())


def _claim(claim: TermsClaim) -> dict[str, Any]:
    snapshot = claim.snapshot
    return {
        "id": claim.pk,
        "said": claim.wording[:500],
        "value": claim.value,
        "url": snapshot.url if snapshot else None,
        "sha256": snapshot.sha256 if snapshot else None,
        "fetched": snapshot.fetched.isoformat() if snapshot else None,
    }
