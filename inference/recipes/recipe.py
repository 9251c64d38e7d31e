"""The Recipe: prompts, seeds, weights and sampling of a sheet, with canonical JSON and a digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

AUTHORS = "{author}"
"""As a value of the axis `negative`: what the adapter's author recommends."""
AXIS_FIELDS = ("weight", "sampler", "cfg", "steps", "seed", "negative", "hires", "clip_skip", "true_cfg")
"""What can be changed one at a time; a value of `seed` is added to every seed of the sheet."""


class Layout(StrEnum):
    """How the columns of a sheet follow from its recipe (`inference.recipes.columns`)."""

    LADDER = "ladder"
    AXES = "axes"
    BLOCKS = "blocks"
    STACK = "stack"
    VERSION = "version"


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
    `before` is what else goes before the prompt: the words of the styles that a character is stacked with.
    """

    words: str = ""
    names_subject: bool = False
    before: str = ""

    @property
    def calls(self) -> bool:
        """Whether there is any word in it."""
        return bool(_tidy(self.words) or _tidy(self.before))

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values; what is not used is left out, so that older plans read the same."""
        values: dict[str, Any] = {"words": self.words, "names_subject": self.names_subject}
        return values | ({"before": self.before} if self.before else {})


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt of a recipe. `{subject}` in `template` is where `subject`, or the name of a character,
    stands. `seeds` replace the recipe's for this prompt; `group` is what its rows are there for.
    """

    template: str
    subject: str = ""
    takes_trigger: bool = False
    seeds: tuple[int, ...] = ()
    group: str = ""

    def __post_init__(self) -> None:
        if ("{subject}" in self.template) != bool(self.subject):
            raise ValueError(f"Prompt {self.template!r} needs both a subject and its place, or neither.")
        if self.takes_trigger and not self.subject:
            raise ValueError(f"Prompt {self.template!r} takes trigger words and so needs a subject.")
        if len(set(self.seeds)) != len(self.seeds):
            raise ValueError(f"Prompt {self.template!r} has a seed twice.")

    def text(self, trigger: Trigger) -> str:
        """The prompt as it is rendered, for the base and for the adapter alike."""
        plain = self.template.replace("{subject}", self.subject)
        if not self.takes_trigger:
            return plain
        words, before = _tidy(trigger.words), _tidy(trigger.before)
        if words and trigger.names_subject:
            called = self.template.replace("{subject}", words)
        else:
            called = f"{words}, {plain}" if words else plain
        return f"{before}, {called}" if before else called

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values; seeds and group only where the prompt has its own."""
        values: dict[str, Any] = {
            "template": self.template,
            "subject": self.subject,
            "takes_trigger": self.takes_trigger,
        }
        values |= {"seeds": list(self.seeds)} if self.seeds else {}
        return values | ({"group": self.group} if self.group else {})


@dataclass(frozen=True, slots=True)
class Hires:
    """A second pass at `scale` times the size: the last `strength` of `steps` steps of the sampler."""

    scale: float
    steps: int
    strength: float

    def __post_init__(self) -> None:
        if not (1 < self.scale <= 4 and self.steps >= 1 and 0 < self.strength <= 1):
            raise ValueError("A hires pass of a recipe enlarges up to 4 times, at a strength up to 1.")

    def __str__(self) -> str:
        return f"{self.scale:g}x, {self.steps} steps at {self.strength:g}"


Value = str | int | float | Hires | None
Override = tuple[tuple[str, Value], ...]
"""(field, value) of what a column samples in another way than its recipe says, in the order of the fields."""


@dataclass(frozen=True, slots=True)
class Axis:
    """One field and the values it takes one after the other, while all others stay as they are."""

    field: str
    values: tuple[Value, ...]

    def __post_init__(self) -> None:
        if self.field not in AXIS_FIELDS:
            raise ValueError(f"A recipe has no axis {self.field!r}; there are: {', '.join(AXIS_FIELDS)}.")
        if not self.values or len(set(self.values)) != len(self.values):
            raise ValueError(f"The axis {self.field} of a recipe needs values, each once.")
        kinds = _AXIS_TYPES[self.field]
        if not all(isinstance(value, kinds) and not isinstance(value, bool) for value in self.values):
            raise ValueError(f"The axis {self.field} of a recipe has a value of another kind.")

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"field": self.field, "values": [plain_value(value) for value in self.values]}


_AXIS_TYPES: dict[str, tuple[type, ...]] = {
    "weight": (int, float), "sampler": (str,), "cfg": (int, float), "steps": (int,), "seed": (int,),
    "negative": (str,), "hires": (Hires,), "clip_skip": (int,), "true_cfg": (int, float),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that a sheet of one family has in common, whichever adapter it shows.

    `batch_prompts` prompts x all seeds make one batch in one column: every batch has the same shape, so that
    a base cell, its control and its adapter cells are computed alike. `weights` ascend: the columns of a
    ladder, elsewhere the weights that the other columns are rendered at. `cfg` is the guidance; where that is
    distilled into the model (FLUX.1), `true_cfg` above 1 is the one by the negative prompt. `each_once` omits
    a row that asks for the text and seed of one before it, as prompts with and without the trigger words
    do for an adapter that has none.
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
    layout: Layout = Layout.LADDER
    axes: tuple[Axis, ...] = ()
    clip_skip: int = 1
    hires: Hires | None = None
    true_cfg: float = 1.0
    each_once: bool = False

    def __post_init__(self) -> None:
        if not (self.prompts and self.seeds and self.weights):
            raise ValueError("A recipe needs prompts, seeds and weights.")
        if self.batch_prompts < 1 or self.rows % self.batch_size:
            raise ValueError("The prompts of a recipe must fill whole batches.")
        if any(a >= b for a, b in zip(self.weights, self.weights[1:], strict=False)) or self.weights[0] <= 0:
            raise ValueError(
                "The weights of a recipe ascend and are above 0; base and control are always there."
            )
        if len(set(self.seeds)) != len(self.seeds):
            raise ValueError("The seeds of a recipe differ.")
        if min(self.steps, self.width, self.height, self.clip_skip) < 1:
            raise ValueError("Steps, sides and clip skip of a recipe are at least 1.")
        if self.true_cfg < 1:
            raise ValueError("The true guidance of a recipe is at least 1.")
        if bool(self.axes) != (self.layout is Layout.AXES):
            raise ValueError("A recipe has axes when they are its layout, and only then.")
        if len({axis.field for axis in self.axes}) != len(self.axes):
            raise ValueError("A recipe changes each of its axes once.")

    @property
    def batch_size(self) -> int:
        """Pictures in one batch."""
        return self.batch_prompts * len(self.seeds)

    @property
    def rows(self) -> int:
        """Prompts, each with all its seeds."""
        return sum(len(prompt.seeds or self.seeds) for prompt in self.prompts)

    @property
    def adapters(self) -> tuple[int, int]:
        """How many adapters a sheet shows, at least and at most."""
        return {Layout.STACK: (2, 3), Layout.VERSION: (2, 2)}.get(self.layout, (1, 1))

    @property
    def wants_authors_negative(self) -> bool:
        """Whether it renders with the negative prompt that the adapter's author recommends."""
        return any(AUTHORS in axis.values for axis in self.axes)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values; `recipe_from_dict` reads them back.

        Fields of later editions are left out while they say nothing: an older recipe keeps its digest.
        """
        values = asdict(self)
        values["prompts"] = [prompt.as_dict() for prompt in self.prompts]
        values["axes"] = [axis.as_dict() for axis in self.axes]
        for name, nothing in _LATER.items():
            if values[name] == nothing:
                del values[name]
        return json.loads(json.dumps(values))  # type: ignore[no-any-return]

    def digest(self) -> str:
        """Identity of the recipe: changes with every value in it."""
        return digest(self.as_dict())


_LATER: dict[str, Any] = {
    "layout": "ladder", "axes": [], "clip_skip": 1, "hires": None, "true_cfg": 1.0,
    "each_once": False,
}  # fmt: skip


def recipe_from_dict(data: Mapping[str, Any]) -> Recipe:
    """The recipe that `as_dict` described. Raises KeyError, TypeError or ValueError for anything else."""
    values = dict(data)
    values["prompts"] = tuple(
        Prompt(**{**prompt, "seeds": tuple(prompt.get("seeds", ()))}) for prompt in values["prompts"]
    )
    values["seeds"] = tuple(values["seeds"])
    values["weights"] = tuple(float(weight) for weight in values["weights"])
    values["layout"] = Layout(values.get("layout", Layout.LADDER))
    values["axes"] = tuple(
        Axis(axis["field"], tuple(map(_value, axis["values"]))) for axis in values.get("axes", ())
    )
    values["hires"] = _value(values.get("hires"))
    return Recipe(**values)


def plain_value(value: Value) -> Any:
    """The value of a field as JSON has it."""
    return asdict(value) if isinstance(value, Hires) else value


def _value(value: Any) -> Value:
    if isinstance(value, Mapping):
        return Hires(**value)
    if value is None or isinstance(value, str | int | float):
        return value
    raise TypeError(f"{value!r} is no value of a recipe.")


def _tidy(words: str) -> str:
    return " ".join(words.split()).strip(" ,")
