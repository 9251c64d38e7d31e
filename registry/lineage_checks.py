"""Writes what lineage means for vetting: a version's kin, and copies with looser terms than their twin."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from registry.basis import Basis
from registry.checks import Result, keep_each
from registry.claim_conflicts import claim_conflicts
from registry.ledger import audit
from registry.lineage import COPIES, Kin, kin_of_each
from registry.models import Check, CheckOutcome, TermsProfile, Version
from registry.verdicts import UNRECOGNIZED, profile_of
from registry.version_diff import ActChange, compare_profiles

LICENSE_CONFLICT: Final = "license_conflict"
LINEAGE: Final = "lineage"
_SHOWN: Final = 20
_MOST_ASSESSED: Final = 50
# Under whose license the bases of two copies are put when neither is known: one that forbids nothing.
_NEUTRAL: Final[dict[str, Any]] = {"base_model": None, "base_license": "CC0-1.0", "components": []}


def assess_lineage(version: Version) -> None:
    """Look at the kin of the version and keep what follows as checks; none where nothing was ever found."""
    _assess([version], kin_of_each([version]))


def assess_with_kin(version: Version) -> None:
    """Assess the version and its kin: the looser of two copies is at fault, whichever came first.

    The number of kin that are looked at, and of queries, is the same however many copies there are.
    """
    kin = kin_of_each([version])
    _assess([version], kin)
    nearest = [each.version for each in kin[version.pk][:_MOST_ASSESSED]]
    if nearest:
        _assess(nearest, kin_of_each(nearest, limit=_MOST_ASSESSED))


def _assess(versions: Sequence[Version], kin: Mapping[int, Sequence[Kin]]) -> None:
    checks = Check.objects.filter(version__in=versions, code__in=[LINEAGE, LICENSE_CONFLICT])
    held = {(check.version_id, check.code): check for check in checks}
    compare, stated = _Comparison(), claim_conflicts(versions)
    results: list[tuple[Version, Result]] = []
    fresh: list[tuple[Version, Result]] = []
    for version in versions:
        if kin[version.pk] or (version.pk, LINEAGE) in held:
            results.append((version, _lineage(kin[version.pk])))
        conflict = _license_conflict(version, kin[version.pk], compare, stated[version.pk])
        before = held.get((version.pk, LICENSE_CONFLICT))
        if conflict.outcome != CheckOutcome.OK or before is not None:
            results.append((version, conflict))
        if conflict.outcome == CheckOutcome.FAIL and (before is None or before.outcome != CheckOutcome.FAIL):
            fresh.append((version, conflict))
    keep_each(results, held)
    for version, conflict in fresh:
        conflicts = conflict.evidence["conflicts"]
        twins = [each["version"] for each in conflicts if "version" in each]
        claims = [each["kind"] for each in conflicts if "version" not in each]
        audit("system", LICENSE_CONFLICT, f"version:{version.pk}", twins=twins, claims=claims)


class _Comparison:
    """`looser_acts` of profiles, each two compared once: many copies share few profiles."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], list[ActChange]] = {}

    def looser_acts(self, theirs: TermsProfile, mine: TermsProfile) -> list[ActChange]:
        pair = theirs.pk, mine.pk
        if pair not in self._known:
            self._known[pair] = looser_acts(theirs, mine)
        return self._known[pair]


def _lineage(kin: Sequence[Kin]) -> Result:
    if not kin:
        return Result(LINEAGE, CheckOutcome.OK, "No other adapter here shares its weights.")
    shown = [f"{each.relation} of {each.version} ({each.cosine:.2f})" for each in kin[:3]]
    more = f" and {len(kin) - 3} more" if len(kin) > 3 else ""
    evidence = {
        "kin": [
            {
                "version": each.version.pk,
                "adapter": each.version.adapter_id,
                "relation": each.relation,
                "cosine": round(each.cosine, 4),
                "share": round(each.share, 4),
            }
            for each in kin[:_SHOWN]
        ]
    }
    return Result(LINEAGE, CheckOutcome.OK, f"Shares weights: {'; '.join(shown)}{more}.", evidence)


def _license_conflict(
    version: Version, kin: Sequence[Kin], compare: _Comparison, own: list[dict[str, Any]]
) -> Result:
    """Fails when claims contradict each other or the base (`own`), or when a copy by somebody else states
    stricter terms: they are not this uploader's to loosen."""
    mine = _profile(version)
    found: list[tuple[Kin, list[ActChange]]] = []
    for twin in kin:
        if twin.relation not in COPIES or _one_author(version, twin.version):
            continue
        if looser := compare.looser_acts(_profile(twin.version), mine):
            found.append((twin, looser))
    if not found and not own:
        return Result(
            LICENSE_CONFLICT, CheckOutcome.OK, "The stated terms agree with each other and with copies."
        )
    if not found:
        return Result(LICENSE_CONFLICT, CheckOutcome.FAIL, own[0]["summary"], {"conflicts": own})
    twin, acts = found[0]
    text = (
        f"{twin.relation} of {twin.version} (version {twin.version.pk}, cosine {twin.cosine:.2f}), "
        f"with looser terms for {', '.join(change.act for change in acts)}."
    )
    evidence = {
        "conflicts": [
            {
                "version": twin.version.pk,
                "adapter": twin.version.adapter_id,
                "relation": twin.relation,
                "cosine": round(twin.cosine, 4),
                "terms": {"ours": _stated(mine), "theirs": _stated(_profile(twin.version))},
                "acts": [
                    {"act": change.act, "ours": change.after.as_dict(), "theirs": change.before.as_dict()}
                    for change in acts
                ],
            }
            for twin, acts in found[:_SHOWN]
        ]
        + own
    }
    return Result(LICENSE_CONFLICT, CheckOutcome.FAIL, text, evidence)


def looser_acts(theirs: TermsProfile, mine: TermsProfile, basis: Basis | None = None) -> list[ActChange]:
    """Acts that `mine` grants and `theirs` does not, or with fewer conditions, each on the same base.

    Only what the two adapters' own terms say is compared. Terms that state nothing, or are silent on an act,
    contradict nothing; stated terms that could not be recognized may.
    """
    if not _states(theirs) or not _states(mine):
        return []
    base = next((profile.terms for profile in (theirs, mine) if profile.terms["base_license"]), _NEUTRAL)
    same = {key: base[key] for key in _NEUTRAL} | {"base_conflict": None, "rights": "cleared", "overlays": []}
    unread = UNRECOGNIZED in re.findall(r"[^\s()]+", theirs.terms["license"] or "")
    one, other = (
        TermsProfile(terms=same | {key: profile.terms[key] for key in ("license", "civitai")})
        for profile in (theirs, mine)
    )
    return [
        change
        for change in compare_profiles(one, other, {}, basis)
        if change.direction == "looser"
        and change.after.outcome in ("allowed", "conditional")
        and (change.before.outcome != "unknown" or unread)
    ]


def _profile(version: Version) -> TermsProfile:
    return version.terms_profile or profile_of(version)


def _states(profile: TermsProfile) -> bool:
    return profile.terms["license"] is not None or profile.terms["civitai"] is not None


def _stated(profile: TermsProfile) -> dict[str, Any]:
    return {key: profile.terms[key] for key in ("license", "civitai")}


def _one_author(one: Version, other: Version) -> bool:
    creator = one.adapter.creator_id
    return creator is not None and creator == other.adapter.creator_id
