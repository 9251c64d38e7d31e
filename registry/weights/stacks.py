"""Which weights to begin with when several adapters are used together."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import PurePath
from typing import Any

from .pairs import SOME, Pair, compare_files

# What practitioners begin with when a style, a character and a pose are used together.
STARTING_WEIGHTS: dict[str, float] = {"style": 0.5, "character": 0.4, "pose": 0.3}
ROLES = tuple(STARTING_WEIGHTS)
# The lowest that a weight falls to is half of its start; below, an adapter is hardly seen.
_DROP = 0.5
_STEP = 0.05


@dataclass(frozen=True, slots=True)
class StackMember:
    """One adapter of a stack. `weight` = `start` * (1 - interference / 2), to the next 0.05; `interference`
    is the highest that it has with any other member, and `with_` names that member.
    """

    name: str
    role: str
    start: float
    weight: float
    interference: float
    with_: str | None

    @property
    def why(self) -> str:
        if self.with_ is None or self.interference < SOME:
            return f"{self.start:g} is where users begin with a {self.role}; nothing here is in its way."
        return (
            f"{self.start:g} is where users begin with a {self.role}; lowered, since it interferes with "
            f"{PurePath(self.with_).name} ({self.interference:.2f} of 1)."
        )

    def as_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "role": self.role,
            "start": self.start,
            "weight": self.weight,
            "interference": round(self.interference, 4),
            "with": self.with_,
            "why": self.why,
        }


@dataclass(frozen=True, slots=True)
class Stack:
    """Suggested weights, and the pairs they were drawn from."""

    members: list[StackMember]
    pairs: list[Pair]

    def as_dict(self) -> dict[str, Any]:
        return {
            "weights": [member.as_dict() for member in self.members],
            "pairs": [pair.as_dict() for pair in self.pairs],
        }


def stack_files(paths: Sequence[str | os.PathLike[str]], roles: Sequence[str] = ROLES) -> Stack:
    """Compare every two of `paths` and suggest a weight for each, in the role at its place in `roles`.

    Raises what `compare_files` raises; ValueError when there are more files than roles or a role is unknown.
    """
    names = [os.fspath(path) for path in paths]
    if len(roles) < len(names) or not set(roles) <= set(ROLES):
        raise ValueError(f"{len(names)} files need as many roles of {', '.join(ROLES)}")
    pairs = [compare_files(first, second) for first, second in combinations(names, 2)]
    return Stack(advise(names, roles, pairs), pairs)


def advise(names: Sequence[str], roles: Sequence[str], pairs: Sequence[Pair]) -> list[StackMember]:
    """Weights from the interference of the pairs, which name the members by `names`."""
    members = []
    for name, role in zip(names, roles, strict=False):
        worst, other = 0.0, None
        for pair in pairs:
            if name in (pair.first, pair.second) and pair.interference > worst:
                worst, other = pair.interference, pair.second if pair.first == name else pair.first
        start = STARTING_WEIGHTS[role]
        members.append(StackMember(name, role, start, weight_for(start, worst), worst, other))
    return members


def weight_for(start: float, interference: float) -> float:
    """`start`, lowered by up to half as interference goes from 0 to 1, in steps of 0.05."""
    return round(round(start * (1 - _DROP * interference) / _STEP) * _STEP, 2)
