"""Finds the base model that a name stands for, and says whether it agrees with what the weights show."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.db.models import Q, QuerySet

from registry.models import BaseModel, BaseModelAlias, Version


def find_base(name: str, host: str = "") -> BaseModel | None:
    """The base model an upstream's name stands for, whatever its case; None when it is not in the table.

    The asking host's own names come first: two hosts may use one word for different models.
    """
    wanted = name.strip()
    if not wanted:
        return None
    aliases = BaseModelAlias.objects.filter(name__iexact=wanted).select_related("base_model")
    if host:
        own = aliases.filter(host=host).first()
        if own:
            return own.base_model
    bases = {alias.base_model_id: alias.base_model for alias in aliases[:5]}
    if len(bases) == 1:
        return next(iter(bases.values()))
    if bases:
        return None
    by_name = BaseModel.objects.filter(slug=wanted.lower()).first()
    return by_name or BaseModel.objects.filter(name__iexact=wanted).order_by("parent_id", "id").first()


def with_ancestors(base: BaseModel | None) -> Iterator[BaseModel]:
    """The base model, its parent and so on up to the family; each once, whatever the rows say."""
    met: set[int] = set()
    while base is not None and base.pk not in met:
        met.add(base.pk)
        yield base
        base = base.parent


def versions_on(bases: Iterable[BaseModel]) -> QuerySet[Version]:
    """Versions whose declared or decided base is one of these."""
    wanted = [base.pk for base in bases]
    return Version.objects.filter(Q(base_declared__in=wanted) | Q(base_decided__in=wanted))


def recognize_declared() -> list[Version]:
    """Look the declared bases up again that were in no table; the versions whose base is known by now."""
    found = []
    for version in Version.objects.filter(base_declared=None).exclude(declared_base=""):
        version.base_declared = find_base(version.declared_base)
        if version.base_declared:
            version.save(update_fields=["base_declared", "updated"])
            found.append(version)
    return found


@dataclass(frozen=True, slots=True)
class BaseReading:
    """The three readings of a version's base, and what follows.

    `base` is the decided one, else the declared one, else None. `conflict` says in words how the weights
    contradict it, empty when they do not. `confirmed`: the weights show the base's own family.
    """

    base: BaseModel | None
    decided: bool
    detected_family: str
    conflict: str
    confirmed: bool


def read_base(version: Version, family_candidates: Iterable[str] = ()) -> BaseReading:
    """Weigh what was declared and decided against what the weights show.

    `family_candidates`: families the weights allow when they do not settle on one.
    """
    base = version.base_decided or version.base_declared
    detected = version.detected_family
    candidates = sorted(set(family_candidates))
    conflict = ""
    if base is not None and detected != "unknown" and base.family != detected:
        conflict = f"{base.name} is of family {base.family}, the weights are of family {detected}."
    elif base is not None and detected == "unknown" and candidates and base.family not in candidates:
        conflict = f"{base.name} is of family {base.family}, the weights allow only {', '.join(candidates)}."
    return BaseReading(
        base=base,
        decided=version.base_decided is not None,
        detected_family=detected,
        conflict=conflict,
        confirmed=base is not None and base.family == detected,
    )
