"""Adapters that share weights with the one shown: how they are related, and whose terms are looser."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from catalog.pages import weight_words
from catalog.pages.numbers import decimal
from registry.lineage import COPIES, Kin, kin_of
from registry.lineage_checks import looser_acts
from registry.models import TermsProfile, Version
from registry.verdicts import Basis, current_basis, verdict_of_profile

MOST = 12


@dataclass(frozen=True)
class Relative:
    """One related version. `looser`: acts that the version shown grants and this one does not; `stricter`:
    the other way round. Both only for copies.
    """

    version: Version
    relation: str
    closeness: str
    cosine: str
    copy: bool
    outcome: str
    looser: list[str]
    stricter: list[str]


@dataclass(frozen=True)
class Similar:
    """The nearest relatives, and how many there are in all."""

    nearest: list[Relative]
    count: int


def read_similar(version: Version, act: str, facts: Mapping[str, Any]) -> Similar:
    """The relatives in the order of `kin_of`, each with its verdict for the act; no query beside its own."""
    kin, basis = kin_of(version), current_basis()
    return Similar([_relative(version, each, act, facts, basis) for each in kin[:MOST]], len(kin))


def _relative(shown: Version, kin: Kin, act: str, facts: Mapping[str, Any], basis: Basis) -> Relative:
    mine, theirs = shown.terms_profile, kin.version.terms_profile
    copy = kin.relation in COPIES
    compared = copy and mine is not None and theirs is not None
    return Relative(
        version=kin.version,
        relation=kin.relation,
        closeness=weight_words.closeness(kin.cosine),
        cosine=decimal(kin.cosine, 2),
        copy=copy,
        outcome=_outcome(theirs, act, facts, basis),
        looser=_acts(theirs, mine, basis) if compared else [],
        stricter=_acts(mine, theirs, basis) if compared else [],
    )


def _acts(strict: TermsProfile | None, free: TermsProfile | None, basis: Basis) -> list[str]:
    return [change.act for change in looser_acts(strict, free, basis)] if strict and free else []


def _outcome(profile: TermsProfile | None, act: str, facts: Mapping[str, Any], basis: Basis) -> str:
    return verdict_of_profile(profile, act, facts, basis).outcome if profile is not None else "unknown"
