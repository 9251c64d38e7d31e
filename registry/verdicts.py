"""From a version's claims to its terms profile and its verdicts: what may be done with it, and why.

Many versions share few distinct terms. A profile is the canonical JSON of one such set of terms; a search
decides each profile once and then filters by profile id.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache, lru_cache
from typing import Any

from django.db import transaction

from registry.bases import read_base
from registry.checks import family_candidates, latest_inspections
from registry.ledger import note_change
from registry.licensing.base_models import BASE_MODELS, find_base_model
from registry.licensing.civitai import COMMERCIAL_USES
from registry.licensing.claims.binding import in_words
from registry.licensing.question import AdapterTerms, BaseConflict, Component, Question
from registry.licensing.table import LICENSES
from registry.licensing.verdict import Verdict, decide
from registry.models import BaseModel, ClaimKind, FileState, Standing, TermsClaim, TermsProfile, Version

# The row of the license table for terms that were stated and could not be recognized: silent on every act.
UNRECOGNIZED = "unknown"
_RIGHTS_BY_STRICTNESS = ("refused", "uncleared", "unknown", "cleared")
_MOST_ANSWERS = 20_000


def profile_of(version: Version) -> TermsProfile:
    """The terms profile of the version as its claims stand now, made if it is a new one. Nothing is saved on
    the version."""
    terms = terms_of(version)
    text = canonical(terms)
    digest = hashlib.sha256(text.encode()).hexdigest()
    profile, _ = TermsProfile.objects.get_or_create(digest=digest, defaults={"terms": terms})
    return profile


@transaction.atomic
def refresh(versions: Iterable[Version]) -> int:
    """Bring the profiles of these versions up to date, each noted in the change log; how many changed.

    For whoever changes what terms rest on: a base model's license or family, a decided claim.
    """
    changed = []
    for version in sorted(versions, key=lambda version: version.pk):
        profile = profile_of(version)
        if profile.pk != version.terms_profile_id:
            version.terms_profile = profile
            version.save(update_fields=["terms_profile", "updated"])
            changed.append(version)
    # Only now: whoever holds the log's lock must not wait for a row that somebody else has locked.
    for version in changed:
        note_change(version, "version_updated")
    return len(changed)


def verdict_for(version: Version, act: str, facts: Mapping[str, object]) -> Verdict:
    """What may be done with the version, by its current terms, citing the snapshots they were read from.

    Raises LicensingError for an act or fact that cannot be read.
    """
    profile = version.terms_profile or profile_of(version)
    verdict = verdict_of_profile(profile, act, facts)
    evidence = evidence_of(version)
    return replace(
        verdict,
        reasons=tuple(
            replace(reason, evidence="; ".join(part for part in (reason.evidence, cited) if part))
            if (cited := evidence.get(reason.layer.partition(":")[0], ""))
            else reason
            for reason in verdict.reasons
        ),
        id=version.pk,
    )


def verdict_of_profile(profile: TermsProfile, act: str, facts: Mapping[str, object]) -> Verdict:
    """What these terms say, without the evidence of any one version. Raises LicensingError."""
    return _answer(profile.digest, canonical(profile.terms), act, canonical(dict(facts)), table_revision())


def outcomes_by_profile(act: str, facts: Mapping[str, object]) -> dict[int, str]:
    """Outcome (allowed, conditional, unknown, forbidden) of every profile in use, by its id.

    Each distinct profile is decided once for each act and facts, then remembered by this process.
    """
    asked, revision = canonical(dict(facts)), table_revision()
    return {
        pk: _answer(digest, canonical(terms), act, asked, revision).outcome
        for pk, digest, terms in TermsProfile.objects.values_list("pk", "digest", "terms")
    }


def evidence_of(version: Version) -> dict[str, str]:
    """Layer -> where its terms were read: snapshot id, address and SHA256 of the exact bytes."""
    cited: dict[str, list[str]] = {"adapter": [], "base": [], "rights": []}
    layers = {
        ClaimKind.LICENSE: "adapter",
        ClaimKind.CIVITAI_FLAGS: "adapter",
        ClaimKind.BASE: "base",
        ClaimKind.RIGHTS: "rights",
        ClaimKind.TEXT_TERMS: "adapter",
    }
    for claim in _current(version):
        layer = layers.get(ClaimKind(claim.kind))
        if layer is None:
            continue
        if claim.snapshot:
            source = f"snapshot {claim.snapshot_id}: {claim.snapshot.url} sha256:{claim.snapshot.sha256}"
        else:
            source = f"claim {claim.pk}, {claim.standing} by a person"
        if source not in cited[layer]:
            cited[layer].append(source)
    return {layer: "; ".join(sources) for layer, sources in cited.items()}


# --- Terms --------------------------------------------------------------------------------------------------


def terms_of(version: Version) -> dict[str, Any]:
    """`{base_model, base_license, components, base_conflict, license, civitai, extra, rights, overlays}`.

    For each kind of claim a decided one stands alone; otherwise all current ones bind together, the strictest
    on every point. What was stated and not recognized stays in as `unknown`: it can never become a yes.
    """
    files = version.files.exclude(state=FileState.WITHDRAWN)
    reading = read_base(version, family_candidates(latest_inspections(list(files))))
    known = licensing_base(reading.base)
    licenses = reading.base.license.license_id if reading.base and reading.base.license else None
    claims = _current(version)
    stated = _binding(claims, ClaimKind.LICENSE)
    flags = _binding(claims, ClaimKind.CIVITAI_FLAGS)
    said = in_words(claim.value for claim in _binding(claims, ClaimKind.TEXT_TERMS))
    names = {claim.value if isinstance(claim.value, str) else UNRECOGNIZED for claim in stated}
    if not any(claim.standing == Standing.DECIDED for claim in stated):
        names.update(said.licenses)
    if any(not isinstance(claim.value, dict) for claim in flags):
        names.add(UNRECOGNIZED)
    joined = _strictest_flags([claim.value for claim in flags if isinstance(claim.value, dict)])
    return {
        "base_model": known,
        "base_license": licenses,
        "components": list(BASE_MODELS[known].components) if known else [],
        "base_conflict": {"declared": reading.base.slug, "detected": reading.detected_family}
        if reading.base and reading.conflict
        else None,
        "license": _together(names),
        "civitai": said.on_flags(joined),
        "extra": said.cells(license_stated=bool(names)),
        "rights": _strictest_rights(_binding(claims, ClaimKind.RIGHTS)),
        "overlays": [],
    }


def licensing_base(base: BaseModel | None) -> str | None:
    """The id of the base in the license engine's table, found by its slug or any of its names."""
    while base is not None:
        for name in (base.slug, base.name, *base.aliases.values_list("name", flat=True)):
            if found := find_base_model(name):
                return found.id
        base = base.parent
    return None


def question_of(terms: Mapping[str, Any], act: str, facts: Mapping[str, object]) -> Question:
    """The license engine's question for one profile."""
    conflict = terms["base_conflict"]
    return Question(
        act=act,
        base_license=terms["base_license"],
        base_model=terms["base_model"],
        components=[Component(license=part, name=part) for part in terms["components"]],
        base_conflict=BaseConflict(conflict["declared"], conflict["detected"], "weights")
        if conflict
        else None,
        adapters=[
            AdapterTerms(
                license=terms["license"],
                civitai=terms["civitai"],
                extra=terms.get("extra", ()),
                rights=terms["rights"],
                snapshot=True,
            )
        ],
        facts=facts,
    )


def canonical(value: Any) -> str:
    """JSON with one spelling: sorted keys, no blanks, text as it is."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


@cache
def table_revision() -> str:
    """Digest of the whole license table; verdicts remembered under an older one are never used again."""
    rows = "\n".join(f"{name} {LICENSES[name].revision} {LICENSES[name].sha256}" for name in sorted(LICENSES))
    return hashlib.sha256(rows.encode()).hexdigest()


@lru_cache(maxsize=_MOST_ANSWERS)
def _answer(digest: str, terms: str, act: str, facts: str, revision: str) -> Verdict:
    return decide(question_of(json.loads(terms), act, json.loads(facts)))


def _current(version: Version) -> list[TermsClaim]:
    return list(version.claims.filter(superseded=False).select_related("snapshot").order_by("id"))


def _binding(claims: Iterable[TermsClaim], kind: str) -> list[TermsClaim]:
    own = [claim for claim in claims if claim.kind == kind]
    return [claim for claim in own if claim.standing == Standing.DECIDED] or own


def _together(names: Iterable[str]) -> str | None:
    """One expression under which all of the licenses bind at once."""
    ordered = sorted(set(names))
    if len(ordered) < 2:
        return ordered[0] if ordered else None
    return " AND ".join(f"({name})" if " " in name else name for name in ordered)


def _strictest_flags(readings: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Several readings of one model's flags as one: any refusal refuses, silence adds nothing."""
    if not readings:
        return None
    uses = [set(stated) for reading in readings if (stated := reading.get("allowCommercialUse")) is not None]
    granted = set.intersection(*uses) if uses else set()
    joined: dict[str, Any] = {
        "allowCommercialUse": [use for use in COMMERCIAL_USES if use in granted] if uses else None
    }
    for name in ("allowNoCredit", "allowDerivatives", "allowDifferentLicense"):
        stated = [reading[name] for reading in readings if reading.get(name) is not None]
        joined[name] = all(stated) if stated else None
    return joined


def _strictest_rights(claims: Sequence[TermsClaim]) -> str | None:
    states = {claim.value.get("state") if isinstance(claim.value, dict) else "unknown" for claim in claims}
    return next((state for state in _RIGHTS_BY_STRICTNESS if state in states), "unknown" if states else None)
