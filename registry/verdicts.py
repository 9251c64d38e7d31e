"""What may be done with a version, and why: its terms profile and its verdicts with their evidence.

Many versions share few distinct terms (registry/terms.py). A profile is the canonical JSON of one such set of
terms; a search decides each profile once (registry/profiles.py) and then filters by profile id.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace

from django.db import transaction

from registry.basis import Basis, current_basis
from registry.history import move
from registry.ledger import note_change
from registry.licensing.verdict import Verdict
from registry.models import TermsProfile, Version
from registry.profiles import outcomes_by_profile, question_of, verdict_of_profile, verdict_of_terms
from registry.review_items import keep_items
from registry.terms import UNRECOGNIZED, canonical, evidence_of, licensing_base, terms_of

__all__ = [
    "UNRECOGNIZED",
    "Basis",
    "canonical",
    "current_basis",
    "evidence_of",
    "licensing_base",
    "outcomes_by_profile",
    "profile_of",
    "question_of",
    "refresh",
    "settle",
    "terms_of",
    "verdict_for",
    "verdict_of_profile",
    "verdict_of_terms",
]


def profile_of(version: Version) -> TermsProfile:
    """The terms profile of the version as its claims stand now, made if it is a new one. Nothing is saved on
    the version."""
    terms = terms_of(version)
    digest = hashlib.sha256(canonical(terms).encode()).hexdigest()
    profile, _ = TermsProfile.objects.get_or_create(digest=digest, defaults={"terms": terms})
    return profile


def settle(version: Version) -> bool:
    """Bring the version's profile up to date and keep on record what that changed; whether it did.

    For whoever writes the change log itself; everybody else calls `refresh`.
    """
    with transaction.atomic():
        # Held before its claims are read: whoever writes one settles the version too, before this or after,
        # and what was read first must not be saved last. NO KEY, since rows that point to it may come in.
        held = Version.objects.select_for_update(no_key=True, of=("self",)).select_related("adapter")
        row = held.get(pk=version.pk)
        profile = profile_of(row)
        if profile.pk == row.terms_profile_id:
            version.terms_profile = profile
            return False
        move(version, profile)
        keep_items(version)
    return True


@transaction.atomic
def refresh(versions: Iterable[Version]) -> int:
    """Bring the profiles of these versions up to date, each noted in the change log; how many changed.

    For whoever changes what terms rest on: a base model's license or family, a decided claim.
    """
    changed = [version for version in sorted(versions, key=lambda version: version.pk) if settle(version)]
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
