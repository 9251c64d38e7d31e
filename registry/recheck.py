"""Decides terms anew after a license, a rule or a base has changed: what would change, and making it so.

Two things can be out of date: a version's profile (its claims, base or tags say something else now), and how
a profile was decided (licenses, rules or the engine have changed). Each profile and each batch of versions is
a step of its own, so work that was cut off goes on where it stopped, and done again it changes nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import Count, Q, QuerySet
from django.db.models.expressions import RawSQL

from registry import jobs
from registry.basis import Basis, current_basis, described
from registry.change_reasons import licenses_in, why_basis, why_terms, why_time
from registry.errors import VersionNotFound
from registry.history import Difference, differences, follow_basis
from registry.licensing.table import find_license, folded_id
from registry.models import Job, ProfileOutcomes, TermsProfile, Version
from registry.profiles import outcomes_of
from registry.terms import canonical, terms_of
from registry.verdicts import refresh

RECHECK_JOB: Final = "registry.recheck"
# More versions than this are left to a worker, so that no page waits for them.
INLINE: Final = 200
_BATCH: Final = 100
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Row:
    """Verdicts that would change: those of one version whose terms are read anew (`version` is set), or those
    of all versions of a profile. `why`: `[{kind, id, before, after}]`.
    """

    profile: int
    version: int | None
    versions: int
    changes: tuple[Difference, ...]
    why: tuple[dict[str, Any], ...]

    def as_dict(self) -> dict[str, Any]:
        return {
            "profile": self.profile,
            "version": self.version,
            "versions": self.versions,
            "changes": [each.as_dict() for each in self.changes],
            "why": list(self.why),
        }


@dataclass(frozen=True, slots=True)
class Plan:
    """What a recheck would change, and how many versions and profiles were looked at."""

    rows: tuple[Row, ...]
    versions: int
    profiles: int

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """act -> direction -> number of versions."""
        found: dict[str, dict[str, int]] = {}
        for row in self.rows:
            for each in row.changes:
                of_act = found.setdefault(each.act, {})
                of_act[str(each.direction)] = of_act.get(str(each.direction), 0) + row.versions
        return found

    def as_dict(self) -> dict[str, Any]:
        return {
            "versions": self.versions,
            "profiles": self.profiles,
            "counts": self.counts,
            "rows": [row.as_dict() for row in self.rows],
        }


@dataclass(frozen=True, slots=True)
class Scope:
    """Which profiles and versions are looked at; all of them unless narrowed."""

    profiles: QuerySet[TermsProfile]
    versions: QuerySet[Version]


def scope_of(license_id: str = "", version_id: int | None = None) -> Scope:
    """What concerns a license, or one version and what shares its profile.

    Raises UnknownLicense and VersionNotFound.
    """
    profiles, versions = TermsProfile.objects.order_by("pk"), Version.objects.order_by("pk")
    if license_id:
        wanted = folded_id(find_license(license_id, current_basis().table).id)
        rows = TermsProfile.objects.values_list("pk", "terms")
        keys = [pk for pk, terms in rows if wanted in licenses_in(terms)]
        profiles, versions = profiles.filter(pk__in=keys), versions.filter(terms_profile__in=keys)
    if version_id is not None:
        if not Version.objects.filter(pk=version_id).exists():
            raise VersionNotFound(f"There is no version {version_id}.")
        profiles, versions = profiles.filter(versions=version_id), versions.filter(pk=version_id)
    return Scope(profiles, versions)


def plan(scope: Scope, progress: Progress | None = None) -> Plan:
    """What `apply` would change; changes nothing itself."""
    basis = current_basis()
    rows, seen, moved = [], 0, dict[int, int]()
    total = scope.versions.count()
    for version, terms in _read_anew(scope.versions):
        seen += 1
        if progress:
            progress(seen, total)
        if version.terms_profile is None or version.terms_profile.digest == _digest(terms):
            continue
        profile = version.terms_profile
        moved[profile.pk] = moved.get(profile.pk, 0) + 1
        changed = differences(_decided_last(profile, basis), outcomes_of(terms, basis))
        if changed:
            why = why_terms(profile.terms, terms)
            rows.append(Row(profile.pk, version.pk, 1, tuple(changed), tuple(each.as_dict() for each in why)))
    looked_at = 0
    for profile in _stale(scope.profiles, basis).annotate(held=Count("versions")):
        looked_at += 1
        last: ProfileOutcomes | None = getattr(profile, "decided", None)
        held = profile.held - moved.get(profile.pk, 0)
        if last is not None and held:
            changed = differences(last.outcomes, outcomes_of(profile.terms, basis))
            if changed:
                reasons = why_basis(last.basis, described(basis), profile.terms) or why_time(profile.terms)
                why_dicts = tuple(each.as_dict() for each in reasons)
                rows.append(Row(profile.pk, None, held, tuple(changed), why_dicts))
    return Plan(tuple(rows), seen, looked_at)


def apply(
    scope: Scope, progress: Progress | None = None, pause: Callable[[], None] = lambda: None
) -> tuple[int, int]:
    """Read the claims of the versions anew and decide the profiles by what holds now.

    How many versions have other terms, and how many were told of other verdicts by their profile. `pause` is
    called between steps and may raise to stop; done again it goes on.
    """
    moved, seen, total = 0, 0, scope.versions.count()
    for batch in _batches(scope.versions):
        pause()
        moved += refresh(batch)
        seen += len(batch)
        if progress:
            progress(seen, total)
    return moved, follow_all(scope.profiles, pause=pause)


def follow_all(
    profiles: QuerySet[TermsProfile] | None = None,
    progress: Progress | None = None,
    pause: Callable[[], None] = lambda: None,
) -> int:
    """Decide anew every profile that was decided by another basis; how many versions were told of changes."""
    told, basis = 0, current_basis()
    stale = list(_stale(TermsProfile.objects.order_by("pk") if profiles is None else profiles, basis))
    for number, profile in enumerate(stale, 1):
        pause()
        told += follow_basis(profile, basis)
        if progress:
            progress(number, len(stale))
    return told


# --- After something has changed ----------------------------------------------------------------------------


def follow(*, bases: Sequence[int] = (), tags: Sequence[str] = ()) -> Job | None:
    """Bring verdicts up to date after a license or rule has changed, at once where it concerns few versions.

    `bases`: ids of base models whose license or family changed; `tags`: tags a rule speaks for now or no
    longer does. The job that does it where there are many; None where it is done or nothing was to do.
    """
    payload = {"bases": sorted(bases), "tags": sorted(tags)}
    stale = _stale(TermsProfile.objects.order_by("pk"), current_basis())
    concerned = _named(payload).count() + Version.objects.filter(terms_profile__in=stale.values("pk")).count()
    if concerned > INLINE:
        key = hashlib.sha256(canonical([current_basis().digest, payload]).encode()).hexdigest()
        return jobs.enqueue(RECHECK_JOB, key, payload=payload, again=True)
    run(payload)
    return None


def run(
    payload: dict[str, Any], progress: Progress | None = None, pause: Callable[[], None] = lambda: None
) -> None:
    """The work of `follow`: the versions it names, then every profile."""
    for batch in _batches(_named(payload)):
        pause()
        refresh(batch)
    follow_all(progress=progress, pause=pause)


_TAGGED: Final = """
SELECT v.id FROM registry_version v JOIN registry_adapter a ON a.id = v.adapter_id
WHERE EXISTS (SELECT 1 FROM unnest(a.tags || v.trigger_words) word WHERE lower(word) = ANY(%s))
"""


def _named(payload: dict[str, Any]) -> QuerySet[Version]:
    bases, tags = payload.get("bases") or [], payload.get("tags") or []
    wanted = Q(base_declared__in=bases) | Q(base_decided__in=bases)
    if tags:
        # A rule that no longer speaks for a tag is still named in the terms of those it spoke for.
        wanted |= Q(pk__in=RawSQL(_TAGGED, [[tag.casefold() for tag in tags]]))
        wanted |= ~Q(terms_profile__terms__overlays=[])
    return Version.objects.filter(wanted).order_by("pk")


def _stale(profiles: QuerySet[TermsProfile], basis: Basis) -> QuerySet[TermsProfile]:
    """Profiles decided by another basis or never, which get a first reading without a change; and those with
    an author's answer, which may have ended since.
    """
    other = ~Q(decided__basis__digest=basis.digest) | Q(terms__has_key="author_replies")
    return profiles.filter(other).select_related("decided__basis")


def _batches(versions: QuerySet[Version]) -> Iterator[list[Version]]:
    """Batches by id, each read when its turn comes: the work may take long and must not hold a cursor."""
    last = 0
    while True:
        rows = versions.filter(pk__gt=last).select_related("adapter", "terms_profile")
        batch = list(rows.order_by("pk")[:_BATCH])
        if not batch:
            return
        yield batch
        last = batch[-1].pk


def _read_anew(versions: QuerySet[Version]) -> Iterator[tuple[Version, dict[str, Any]]]:
    for batch in _batches(versions):
        for version in batch:
            yield version, terms_of(version)


def _digest(terms: dict[str, Any]) -> str:
    return hashlib.sha256(canonical(terms).encode()).hexdigest()


def _decided_last(profile: TermsProfile, basis: Basis) -> dict[str, list[Any]]:
    row = ProfileOutcomes.objects.filter(profile=profile).first()
    return dict(row.outcomes) if row else outcomes_of(profile.terms, basis)
