"""The Recipe: prompts, seeds, weights and sampling of a sheet, with canonical JSON and a digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no blanks: equal values give equal text.

    NaN and infinity raise ValueError.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(value: Any) -> str:
    """SHA256 of the canonical JSON, 64 lower-case hexadecimal digits."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Trigger:
    """The words that call an adapter, and whether they name the thing in the picture (a character, a person).

    A name takes the place of the prompt's subject ("momo on a hill"); anything else - a style, an unknown
    kind - goes before the prompt, as practitioners write it ("sketch style, a yellow star on a hill").
    """

    words: str = ""
    names_subject: bool = False


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt of a recipe. `{subject}` in `template` is where `subject`, or the name of a character,
    stands.
    """

    template: str
    subject: str = ""
    takes_trigger: bool = False

    def __post_init__(self) -> None:
        if ("{subject}" in self.template) != bool(self.subject):
            raise ValueError(f"Prompt {self.template!r} needs both a subject and its place, or neither.")
        if self.takes_trigger and not self.subject:
            raise ValueError(f"Prompt {self.template!r} takes trigger words and so needs a subject.")

    def text(self, trigger: Trigger) -> str:
        """The prompt as it is rendered, for the base and for the adapter alike."""
        words = " ".join(trigger.words.split()).strip(" ,")
        if not (self.takes_trigger and words):
            return self.template.replace("{subject}", self.subject)
        if trigger.names_subject:
            return self.template.replace("{subject}", words)
        return f"{words}, {self.template.replace('{subject}', self.subject)}"


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that a sheet of one family has in common, whichever adapter it shows.

    `batch_prompts` prompts x all seeds make one batch at one weight: every batch has the same shape, so that
    a base cell, its control and its adapter cells are computed alike. `weights` are the adapter columns,
    ascending.
    """

    name: str
    version: int
    family: str
    prompts: tuple[Prompt, ...]
    seeds: tuple[int, ...]
    weights: tuple[float, ...]
    steps: int
    cfg: float
    width: int
    height: int
    sampler: str
    negative: str
    batch_prompts: int

    def __post_init__(self) -> None:
        if not (self.prompts and self.seeds and self.weights):
            raise ValueError("A recipe needs prompts, seeds and weights.")
        if self.batch_prompts < 1 or len(self.prompts) % self.batch_prompts:
            raise ValueError("The prompts of a recipe must fill whole batches.")
        if any(a >= b for a, b in zip(self.weights, self.weights[1:], strict=False)) or self.weights[0] <= 0:
            raise ValueError(
                "The weights of a recipe ascend and are above 0; base and control are always there."
            )
        if len(set(self.seeds)) != len(self.seeds):
            raise ValueError("The seeds of a recipe differ.")

    @property
    def batch_size(self) -> int:
        """Pictures in one batch."""
        return self.batch_prompts * len(self.seeds)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values; `recipe_from_dict` reads them back."""
        return json.loads(json.dumps(asdict(self)))  # type: ignore[no-any-return]

    def digest(self) -> str:
        """Identity of the recipe: changes with every value in it."""
        return digest(self.as_dict())


def recipe_from_dict(data: Mapping[str, Any]) -> Recipe:
    """The recipe that `as_dict` described. Raises TypeError or ValueError for anything else."""
    values = dict(data)
    values["prompts"] = tuple(Prompt(**prompt) for prompt in values["prompts"])
    values["seeds"] = tuple(values["seeds"])
    values["weights"] = tuple(float(weight) for weight in values["weights"])
    return Recipe(**values)
