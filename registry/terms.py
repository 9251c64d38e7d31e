"""From a version's claims to its terms, in the one spelling that profiles are made of, with the evidence."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from registry.bases import BaseReading, read_base, with_ancestors
from registry.checks import family_candidates, latest_inspections
from registry.licensing.base_models import BASE_MODELS, find_base_model
from registry.licensing.civitai import COMMERCIAL_USES, UNSTATED
from registry.licensing.claims.binding import in_words
from registry.models import (
    AuthorAnswer,
    BaseModel,
    ClaimKind,
    FileState,
    Standing,
    TermsClaim,
    Version,
)
from registry.policies import named_by_tags
from registry.settled import answers_cited, counting_answers, rights_of, settled

# The row of the license table for terms that were stated and could not be recognized: silent on every act.
UNRECOGNIZED = "unknown"
# Claim kind -> the layer of the ledger that rests on it.
LAYERS: dict[str, str] = {
    ClaimKind.LICENSE: "adapter",
    ClaimKind.CIVITAI_FLAGS: "adapter",
    ClaimKind.TEXT_TERMS: "adapter",
    ClaimKind.CONCLUSION: "adapter",
    ClaimKind.BASE: "base",
    ClaimKind.RIGHTS: "rights",
}


@dataclass(frozen=True, slots=True)
class Citation:
    """Where a layer's terms were read: a claim, and the exact bytes behind it unless a person decided it."""

    layer: str
    claim: int
    kind: str
    standing: str
    snapshot: int | None
    url: str | None
    sha256: str | None
    at: str

    def __str__(self) -> str:
        if self.snapshot is None:
            return f"claim {self.claim}, {self.standing} by a person"
        return f"snapshot {self.snapshot}: {self.url} sha256:{self.sha256}"

    def as_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


def terms_of(version: Version) -> dict[str, Any]:
    """`{base_model, base_license, components, base_conflict, license, civitai, extra, rights, overlays}`, and
    `concluded` and `author_replies` where something was settled (registry/settled.py).

    For each kind of claim a decided one stands alone; otherwise all current ones bind together, the strictest
    on every point. What was stated and not recognized stays in as `unknown`: it can never become a yes. Where
    a source states another license than when this copy was taken in, `license` is the one of then and
    `license_now` the one of now: the engine decides what the earlier grant is still worth. `overlays` names
    the rules that the adapter's tags bring in; what they say is looked up when asked.
    """
    return _terms(version, current_claims(version), counting_answers(version))


def stated_terms(version: Version) -> dict[str, Any]:
    """The same from what sources state alone, without conclusions and answers."""
    claims = [claim for claim in current_claims(version) if claim.standing != Standing.DECIDED]
    return _terms(version, claims, [])


def _terms(version: Version, claims: list[TermsClaim], answers: Sequence[AuthorAnswer]) -> dict[str, Any]:
    files = list(version.files.exclude(state=FileState.WITHDRAWN))
    reading = read_base(version, family_candidates(latest_inspections(files)))
    beyond = settled(claims, answers)
    stated = _binding(claims, ClaimKind.LICENSE)
    flags = _binding(claims, ClaimKind.CIVITAI_FLAGS)
    said = beyond.on_words(in_words(claim.value for claim in _binding(claims, ClaimKind.TEXT_TERMS)))
    earlier = first_readings(version, stated)
    beside = set() if any(claim.standing == Standing.DECIDED for claim in stated) else set(said.licenses)
    if any(not isinstance(claim.value, dict) for claim in flags):
        beside.add(UNRECOGNIZED)
    names = beside.union(map(_named, stated))
    then = _together(beside.union(_named(earlier.get(claim.pk, claim)) for claim in stated))
    now = _together(names)
    joined = strictest_flags([claim.value for claim in flags if isinstance(claim.value, dict)])
    return base_terms(reading.base) | {
        "base_conflict": _conflict(reading),
        "license": then,
        **({} if then == now else {"license_now": now}),
        "civitai": beyond.on_flags(said.on_flags(joined)),
        "extra": said.cells(license_stated=bool(names), flags_stated=joined is not None),
        "rights": rights_of(claims),
        "overlays": named_by_tags([*version.adapter.tags, *version.trigger_words]),
        **beyond.as_terms(),
    }


def base_terms(base: BaseModel | None) -> dict[str, Any]:
    """What a base brings in: `{base_model, base_license, components}`."""
    known = licensing_base(base)
    return {
        "base_model": known,
        "base_license": base.license.license_id if base and base.license else None,
        "components": list(BASE_MODELS[known].components) if known else [],
    }


def licensing_base(base: BaseModel | None) -> str | None:
    """The id of the base in the license engine's table, found by its slug or any of its names."""
    for each in with_ancestors(base):
        for name in (each.slug, each.name, *(alias.name for alias in each.aliases.all())):
            if found := find_base_model(name):
                return found.id
    return None


def current_claims(version: Version) -> list[TermsClaim]:
    """The claims that bind now, each with its snapshot but without the bytes of it."""
    claims = version.claims.filter(superseded=False).select_related("snapshot").defer("snapshot__body")
    return list(claims.order_by("id"))


def first_readings(version: Version, claims: Sequence[TermsClaim]) -> dict[int, TermsClaim]:
    """What the sources of these license claims said when the version was taken in, by the id of each claim
    for which that is something else; in the reading of the newest reader of those bytes.
    """
    sources = {claim.pk: claim.snapshot.url for claim in claims if claim.snapshot}
    if not sources:
        return {}
    rows = version.claims.filter(superseded=True, kind=ClaimKind.LICENSE, snapshot__url__in=sources.values())
    by_source: dict[tuple[str, str], dict[int, TermsClaim]] = {}
    for row in rows.select_related("snapshot").defer("snapshot__body").order_by("id"):
        if row.snapshot:
            by_source.setdefault((row.standing, row.snapshot.url), {})[row.snapshot.pk] = row
    found = {}
    for claim in claims:
        readings = by_source.get((claim.standing, sources.get(claim.pk, "")), {})
        before = [row for snapshot, row in readings.items() if snapshot != claim.snapshot_id]
        first = min(
            before, key=lambda row: (row.snapshot.fetched, row.pk) if row.snapshot else (), default=None
        )
        if first is not None and _named(first) != _named(claim):
            found[claim.pk] = first
    return found


def citations_of(version: Version) -> list[Citation]:
    """Where the terms of each layer were read: current claims, and what they said before where it counts."""
    claims = current_claims(version)
    terms = version.terms_profile.terms if version.terms_profile else {}
    if "license_now" in terms:
        claims += first_readings(version, _binding(claims, ClaimKind.LICENSE)).values()
    return citations(claims)


def citations(claims: Iterable[TermsClaim]) -> list[Citation]:
    """The same for claims at hand; kinds that no layer rests on are left out."""
    found = []
    for claim in claims:
        layer, snapshot = LAYERS.get(claim.kind), claim.snapshot
        if layer is None:
            continue
        found.append(
            Citation(
                layer=layer,
                claim=claim.pk,
                kind=claim.kind,
                standing=claim.standing,
                snapshot=snapshot.pk if snapshot else None,
                url=snapshot.url if snapshot else None,
                sha256=snapshot.sha256 if snapshot else None,
                at=(snapshot.fetched if snapshot else claim.created).isoformat(),
            )
        )
    return found


def evidence_of(version: Version) -> dict[str, str]:
    """Layer (adapter, base, rights, evidence) -> where its terms were read: snapshot, address and SHA256."""
    cited: dict[str, list[str]] = {"adapter": [], "base": [], "rights": []}
    for citation in citations_of(version):
        if str(citation) not in cited[citation.layer]:
            cited[citation.layer].append(str(citation))
    cited["evidence"] = answers_cited(counting_answers(version))
    return {layer: "; ".join(sources) for layer, sources in cited.items()}


def canonical(value: Any) -> str:
    """JSON with one spelling: sorted keys, no blanks, text as it is."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def strictest_flags(readings: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Several readings of one model's flags as one: any refusal refuses, silence adds nothing."""
    if not readings:
        return None
    uses = [reading for reading in readings if reading.get("allowCommercialUse") is not None]
    named = [set(reading["allowCommercialUse"]) for reading in uses]
    # A table written by hand may have no line for a use: that neither grants nor refuses it.
    unstated = [set(reading.get(UNSTATED) or ()) for reading in uses]
    open_uses = set.intersection(*unstated) if unstated else set()
    refused = {use for on, off in zip(named, unstated, strict=True) for use in {*COMMERCIAL_USES} - on - off}
    granted = set().union(*named) - refused
    joined: dict[str, Any] = {
        "allowCommercialUse": [use for use in COMMERCIAL_USES if use in granted] if uses else None
    }
    if open_uses:
        joined[UNSTATED] = [use for use in COMMERCIAL_USES if use in open_uses]
    for name in ("allowNoCredit", "allowDerivatives", "allowDifferentLicense"):
        stated = [reading[name] for reading in readings if reading.get(name) is not None]
        joined[name] = all(stated) if stated else None
    return joined


def _conflict(reading: BaseReading) -> dict[str, str] | None:
    if reading.base is None or not reading.conflict:
        return None
    return {"declared": reading.base.slug, "detected": reading.detected_family}


def _named(claim: TermsClaim) -> str:
    return claim.value if isinstance(claim.value, str) else UNRECOGNIZED


def _binding(claims: Iterable[TermsClaim], kind: str) -> list[TermsClaim]:
    own = [claim for claim in claims if claim.kind == kind]
    return [claim for claim in own if claim.standing == Standing.DECIDED] or own


def _together(names: Iterable[str]) -> str | None:
    """One expression under which all of the licenses bind at once."""
    ordered = sorted(set(names))
    if len(ordered) < 2:
        return ordered[0] if ordered else None
    return " AND ".join(f"({name})" if " " in name else name for name in ordered)
