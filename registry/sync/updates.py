"""Updates that are updates: newer, for the same base, not ignored, and not held under another name."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import transaction
from django.db.models import Exists, OuterRef, Prefetch, QuerySet

from registry.history import differences
from registry.ledger import audit
from registry.models import (
    Availability,
    BaseModel,
    Blob,
    File,
    FileState,
    IgnoredUpdate,
    OfferedFile,
    ProfileOutcomes,
    Version,
)
from registry.offers import PICTURE, WEIGHTS, announced

# What the upstream no longer gives is nothing that could be updated to.
_OFFERED: Final = (Availability.PRESENT, Availability.EARLY_ACCESS, Availability.GATED)
_HELD_FILES: Final = (FileState.STORED, FileState.QUARANTINED)
# Fine-tunes whose adapters do not fit their parent's, though the layers are the same: an adapter made for one
# is no newer edition of one made for another (Civitai's base model names; registry/weights/sub_families.py).
_LINES: Final = tuple(
    (name, re.compile(pattern, re.IGNORECASE))
    for name, pattern in (
        ("pony", r"\bpony"),
        ("noobai", r"noob"),
        ("illustrious", r"illustrious"),
        ("animagine", r"animagine"),
        ("lightning", r"lightning|turbo|hyper|lcm|distill"),
        ("schnell", r"schnell"),
        ("kontext", r"kontext"),
        ("krea", r"krea"),
        ("edit", r"\bedit\b"),
        ("i2v", r"i2v|image[ -]?to[ -]?video"),
    )
)


@dataclass(frozen=True, slots=True)
class Update:
    """A line of the list of updates: what is held here, and what the upstream offers instead.

    `size_delta`: bytes of the offered weights beyond those held, None where the upstream tells no size;
    `about`: the size is the upstream's rounded one. `rights`: every act that comes out differently, as
    `Difference.as_dict()`; `compared`: the terms of both are decided, so that no difference means none.
    `also`: newer versions of the same base that this one is newer than. `diff`: the two versions' ids, for a
    page that puts their sheets side by side.
    """

    adapter: int
    adapter_name: str
    base: str
    held: int
    held_name: str
    offered: int
    offered_name: str
    published: datetime | None
    availability: str
    size_delta: int | None
    about: bool
    rights: tuple[dict[str, Any], ...]
    compared: bool
    also: tuple[int, ...]

    @property
    def diff(self) -> tuple[int, int]:
        """The versions whose sheets and terms are compared: held, offered."""
        return self.held, self.offered

    @property
    def line(self) -> str:
        """The update in one line, held -> offered."""
        return f"{self.adapter_name}: {self.held_name} -> {self.offered_name}"

    def as_dict(self) -> dict[str, Any]:
        named = {name: getattr(self, name) for name in self.__slots__}
        published = self.published.isoformat() if self.published else None
        rights, also = list(self.rights), list(self.also)
        return named | {"published": published, "rights": rights, "also": also, "line": self.line}


def updates(adapters: Iterable[int] | None = None) -> list[Update]:
    """Every update there is for what is held, by adapter; of these adapters only, where they are named.

    An update is the newest version of an adapter that is newer than every version held for the same base, is
    not ignored, still offered upstream, and whose announced weights are not stored here already.
    """
    rows = _versions(adapters)
    groups: dict[tuple[int, str], list[Version]] = defaultdict(list)
    for version in rows:
        groups[version.adapter_id, base_line(version)].append(version)
    pairs: list[tuple[Version, list[Version], str]] = []
    for (_, line), versions in groups.items():
        held = [version for version in versions if version.is_held]  # type: ignore[attr-defined]
        if not held or line == _UNKNOWN:
            continue
        newest = max(held, key=_age)
        newer = [version for version in versions if _newer(version, newest)]
        if newer:
            pairs.append((newest, newer, line))
    known = _stored_hashes([each for _, newer, _ in pairs for each in newer])
    chosen: list[tuple[Version, list[Version], str]] = []
    for newest, newer, line in pairs:
        wanted = sorted((each for each in newer if not _stored_here(each, known)), key=_age, reverse=True)
        if wanted:
            chosen.append((newest, wanted, line))
    rights = _outcomes([version for held, wanted, _ in chosen for version in (held, wanted[0])])
    found = [_update(held, wanted[0], line, wanted[1:], rights) for held, wanted, line in chosen]
    return sorted(found, key=lambda each: (each.adapter_name.casefold(), each.adapter, each.offered))


@transaction.atomic
def ignore(version: Version, *, actor: str, reason: str = "") -> IgnoredUpdate:
    """Never tell this version as an update again, until `heed`."""
    row, made = IgnoredUpdate.objects.get_or_create(
        version=version, defaults={"by": actor[:150], "reason": reason[:300]}
    )
    if made:
        audit(actor, "ignore_update", f"version:{version.pk}", reason=reason[:300])
    return row


@transaction.atomic
def heed(version: Version, *, actor: str) -> bool:
    """Tell the version again where it is an update; whether it was ignored."""
    gone, _ = IgnoredUpdate.objects.filter(version=version).delete()
    if gone:
        audit(actor, "heed_update", f"version:{version.pk}")
    return bool(gone)


_UNKNOWN: Final = ""


def base_line(version: Version) -> str:
    """What a version has to share with another to be its older or newer edition; empty where nobody knows.

    The family of its base (or of its weights) with the fine-tune that the base's name tells.
    """
    base: BaseModel | None = version.base_decided or version.base_declared
    family = base.family if base else version.detected_family
    name = base.name if base else version.declared_base
    if family == "unknown":
        # In no table: what the author wrote is all that there is to compare.
        return " ".join(version.declared_base.casefold().split())
    tune = next((line for line, pattern in _LINES if name and pattern.search(name)), "")
    return f"{family} {tune}".strip()


def _versions(adapters: Iterable[int] | None) -> QuerySet[Version]:
    held = File.objects.filter(version=OuterRef("pk"), state__in=_HELD_FILES)
    beside = File.objects.filter(version__adapter=OuterRef("adapter"), state__in=_HELD_FILES)
    rows = (
        Version.objects.annotate(is_held=Exists(held))
        .filter(Exists(beside))
        .select_related("adapter", "base_declared", "base_decided", "ignored_update")
        .prefetch_related(
            Prefetch("offers", OfferedFile.objects.exclude(role=PICTURE)),
            Prefetch("files", File.objects.filter(state__in=_HELD_FILES).select_related("blob")),
        )
        .order_by("adapter_id", "id")
    )
    return rows if adapters is None else rows.filter(adapter__in=list(adapters))


def _age(version: Version) -> tuple[float, int]:
    """Newer is larger. A version without a date is as old as its row: an upstream's ids grow with time."""
    moment = version.published or version.created
    return moment.timestamp(), version.pk


def _newer(version: Version, held: Version) -> bool:
    return (
        not version.is_held  # type: ignore[attr-defined]
        and not hasattr(version, "ignored_update")
        and version.availability in _OFFERED
        and _age(version) > _age(held)
    )


def _weights(version: Version) -> list[OfferedFile]:
    """The files that a person would fetch; what else lies beside them is no reason for an update."""
    offers = list(version.offers.all())
    return [offer for offer in offers if offer.role == WEIGHTS] or offers


def _stored_hashes(versions: Sequence[Version]) -> set[str]:
    """SHA256 of the announced weights that are stored here, under whatever name."""
    told = {digest for version in versions for digest in _announced(version)}
    return set(Blob.objects.filter(pk__in=told, files__state__in=_HELD_FILES).values_list("pk", flat=True))


def _announced(version: Version) -> set[str]:
    digests = (announced(offer).get("sha256", "") for offer in _weights(version))
    return {digest.lower() for digest in digests if digest}


def _stored_here(version: Version, known: set[str]) -> bool:
    return not _announced(version).isdisjoint(known)


def _update(held: Version, offered: Version, line: str, also: Sequence[Version], rights: Outcomes) -> Update:
    size, about = _offered_size(offered)
    base = offered.base_decided or offered.base_declared
    return Update(
        adapter=held.adapter_id,
        adapter_name=held.adapter.name,
        base=base.name if base else offered.declared_base or line,
        held=held.pk,
        held_name=held.name,
        offered=offered.pk,
        offered_name=offered.name,
        published=offered.published,
        availability=offered.availability,
        size_delta=None if size is None else size - _held_size(held),
        about=about,
        rights=tuple(_rights(held, offered, rights)),
        compared=_compared(held, offered, rights),
        also=tuple(version.pk for version in also),
    )


def _offered_size(version: Version) -> tuple[int | None, bool]:
    """Bytes of the offered main file, and whether that is the upstream's rounded figure."""
    weights = _weights(version)
    main = next((offer for offer in weights if offer.primary), weights[0] if weights else None)
    if main is None:
        return None, False
    return (main.size, False) if main.size is not None else (main.about, main.about is not None)


def _held_size(version: Version) -> int:
    return max((file.blob.size for file in version.files.all()), default=0)


Outcomes = Mapping[int, dict[str, list[Any]]]
"""Terms profile -> what may be done under it, of those that have been decided."""


def _outcomes(versions: Sequence[Version]) -> Outcomes:
    """In one query, however many versions there are."""
    profiles = {version.terms_profile_id for version in versions}
    return dict(ProfileOutcomes.objects.filter(pk__in=profiles).values_list("pk", "outcomes"))


def _compared(held: Version, offered: Version, rows: Outcomes) -> bool:
    before, after = held.terms_profile_id, offered.terms_profile_id
    return before is not None and (before == after or (before in rows and after in rows))


def _rights(held: Version, offered: Version, rows: Outcomes) -> list[dict[str, Any]]:
    """What may be done with the offered version that may not with the held one, and the other way round."""
    before, after = held.terms_profile_id, offered.terms_profile_id
    if before is None or after is None or before == after or not _compared(held, offered, rows):
        return []
    return [each.as_dict() for each in differences(rows[before], rows[after])]
