"""A comparison sheet as rows and columns of pictures, and the pair that stands for it on a card."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from catalog.crops import SMALL_PICTURE
from catalog.pages.finding_words import finding_sentence
from catalog.pages.reading.heads import Head, Span, column_label, read_heads, row_caption, spans
from catalog.recommended import USUAL_WEIGHT
from inference.models import Sheet, SheetCell

# A recipe has few rows and columns; a broken one must not fill the page.
MOST_PLACES = 600
# More pictures than this in one row of the adapter page are too small to see anything.
MOST_IN_STRIP = 8


@dataclass(frozen=True)
class Picture:
    """One cell at its place. `weight` is None for the base; `parameters` is what makes it again.

    `twin` is the column that it is compared with, `name` its column in words, `own` whether the sheet's own
    adapter is the first one in it.
    """

    key: str
    row: int
    column: int
    role: str
    weight: float | None
    prompt: str
    seed: str
    pixel: bool
    effect: float | None = None
    parameters: str = ""
    twin: int = 0
    name: str = ""
    own: bool = True

    @property
    def label(self) -> str:
        """Its column in words that stand alone."""
        return self.name or column_label(self.role, self.weight)

    @property
    def alt(self) -> str:
        """The picture in words, for those who do not see it."""
        return f"{self.label}: {self.prompt}" if self.prompt else self.label

    @property
    def anchor(self) -> str:
        """Its id on the sheet's page, so that one cell can be linked to."""
        return f"cell-{self.row}-{self.column}"

    @property
    def partner(self) -> str:
        """The id of the picture that it is compared with."""
        return f"cell-{self.row}-{self.twin}"


@dataclass(frozen=True)
class GridRow:
    """One prompt at one seed; `pictures` has one entry per column, None where no picture exists. `caption` is
    the heading of the group of rows that begins with it, "" for none.
    """

    number: int
    prompt: str
    seed: str
    triggered: bool
    pictures: list[Picture | None]
    heads: list[Head] = field(default_factory=list)
    caption: str = ""

    @property
    def places(self) -> list[tuple[Head, Picture | None]]:
        """Each picture with the head of its column."""
        return list(zip(self.heads, self.pictures, strict=True))

    @property
    def effect(self) -> float:
        """The largest effect of the row, 0 where nothing was measured."""
        return max((p.effect for p in self.pictures if p is not None and p.effect is not None), default=0.0)


@dataclass(frozen=True)
class Grid:
    """A whole sheet: the heads of its columns and its rows, and the negative prompts of its columns."""

    sheet: Sheet
    heads: list[Head]
    rows: list[GridRow]
    negatives: list[str] = field(default_factory=list)

    @property
    def columns(self) -> list[str]:
        """The labels of its columns."""
        return [head.label for head in self.heads]

    @property
    def groups(self) -> list[Span]:
        """The headings over its columns, none where they are weights only."""
        return spans(self.heads)

    @property
    def captions(self) -> bool:
        """Whether any rows stand under a heading."""
        return any(row.caption for row in self.rows)

    @property
    def done(self) -> int:
        """How many pictures there are so far."""
        return sum(picture is not None for row in self.rows for picture in row.pictures)

    def strip(self, rows: int = 1) -> list[list[Picture]]:
        """Typical rows of different prompts: the base and what is compared with it, the control left out.

        The adapter page opens with them. One with the trigger words comes first; a small screen shows no
        other.
        """
        middle = _median(row.effect for row in self.rows)
        order: dict[str, GridRow] = {}
        for row in sorted(self.rows, key=lambda row: abs(row.effect - middle)):
            order.setdefault(row.prompt, row)
        return [
            _strip(row)
            for row in sorted(list(order.values())[:rows], key=lambda row: (not row.triggered, row.number))
        ]


@dataclass(frozen=True)
class Pair:
    """Base and adapter picture of one row: a card slides from one to the other."""

    base: Picture
    strong: Picture


@dataclass(frozen=True)
class Finding:
    """One thing the pictures tell, with its numbers. `tone` is ok, note, warn or fail."""

    code: str
    tone: str
    message: str
    numbers: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class _Plan:
    """What the pages need of a sheet's stored plan; an empty plan gives empty words."""

    rows: list[dict[str, Any]]
    columns: list[dict[str, Any]]
    recipe: dict[str, Any]

    @classmethod
    def of(cls, sheet: Sheet) -> _Plan:
        plan: dict[str, Any] = sheet.plan if isinstance(sheet.plan, dict) else {}
        return cls(plan.get("rows") or [], plan.get("columns") or [], plan.get("recipe") or {})

    def row(self, number: int) -> dict[str, Any]:
        return self.rows[number] if number < len(self.rows) else {}

    def group(self, number: int) -> str:
        """What the row is there for."""
        return str(self.row(number).get("group") or "")

    def heads(self, roles: dict[int, str]) -> dict[int, Head]:
        known = {number: str(column.get("role", "")) for number, column in enumerate(self.columns)}
        return {head.number: head for head in read_heads(self.columns, roles | known)}

    def negatives(self, heads: Iterable[Head]) -> list[str]:
        """Those that some column has, each once."""
        told = (head.override.get("negative", self.recipe.get("negative")) for head in heads)
        return list(dict.fromkeys(str(text) for text in told if text))

    def picture(self, place: SheetCell, head: Head, parameters: str = "") -> Picture:
        row = self.row(place.row)
        width = self.recipe.get("width")
        return Picture(
            key=place.cell_id,
            row=place.row,
            column=place.column,
            role=place.role,
            weight=head.weight,
            prompt=str(row.get("text", "")),
            seed=_seed(row, head),
            pixel=isinstance(width, int) and width < SMALL_PICTURE,
            effect=_number(place.metrics, "effect"),
            parameters=parameters or self._parameters(row, head),
            twin=head.twin,
            name=head.name,
            own=head.own,
        )

    def _parameters(self, row: dict[str, Any], head: Head) -> str:
        """The parameters while the sheet grows and has no manifest yet; only what the plan really holds."""
        recipe = self.recipe | {name: value for name, value in head.override.items() if name != "seed"}
        negative = recipe.get("negative")
        names = ("steps", "sampler", "cfg", "true_cfg")
        told = [f"{name}: {recipe[name]}" for name in names if name in recipe]
        if "seed" in row:
            told.append(f"seed: {_seed(row, head)}")
        if "width" in recipe and "height" in recipe:
            told.append(f"size: {recipe['width']}x{recipe['height']}")
        if recipe.get("clip_skip", 1) != 1:
            told.append(f"clip skip: {recipe['clip_skip']}")
        if isinstance(second := recipe.get("hires"), dict):
            told.append(
                f"second pass: {second['scale']:g}x, {second['steps']} steps at {second['strength']:g}"
            )
        if head.weight is not None:
            told.append(f"adapter weight: {head.weights or f'{head.weight:g}'}")
        lines = str(row.get("text", "")), f"Negative prompt: {negative}" if negative else "", ", ".join(told)
        return "\n".join(line for line in lines if line)


def read_grid(sheet: Sheet) -> Grid:
    """All pictures of one sheet in one query; a sheet that still grows has gaps."""
    plan = _Plan.of(sheet)
    places = list(SheetCell.objects.filter(sheet=sheet).order_by("row", "column")[:MOST_PLACES])
    heads = plan.heads({place.column: place.role for place in places})
    told = _told_parameters(sheet)
    found: dict[int, dict[int, Picture]] = defaultdict(dict)
    for place in places:
        parameters = told.get((place.row, place.column), "")
        found[place.row][place.column] = plan.picture(place, heads[place.column], parameters)
    numbers = sorted({*range(len(plan.rows)), *found}) if found else []
    return Grid(
        sheet=sheet,
        heads=list(heads.values()),
        negatives=plan.negatives(heads.values()),
        rows=[
            GridRow(
                number=number,
                prompt=str(plan.row(number).get("text", "")),
                seed=str(plan.row(number).get("seed", "")),
                triggered=bool(plan.row(number).get("triggered")),
                pictures=[found[number].get(column) for column in heads],
                heads=list(heads.values()),
                caption=row_caption(plan.group(number), plan.group(number - 1) if number else ""),
            )
            for number in numbers
        ],
    )


def read_pairs(sheets: Iterable[Sheet]) -> dict[int, Pair]:
    """Sheet id -> base and 0.8 picture of its typical row, for all cards of a page in one query.

    The row of median effect is shown, of those with the trigger words where there are any: a card should
    neither flatter nor hide.
    """
    plans = {sheet.pk: _Plan.of(sheet) for sheet in sheets}
    if not plans:
        return {}
    places = SheetCell.objects.filter(sheet_id__in=plans, role__in=["base", "adapter"])
    listed = list(places.order_by("sheet_id", "row", "column")[: MOST_PLACES * len(plans)])
    roles: dict[int, dict[int, str]] = defaultdict(dict)
    for place in listed:
        roles[place.sheet_id][place.column] = place.role
    heads = {sheet_id: plans[sheet_id].heads(columns) for sheet_id, columns in roles.items()}
    found: dict[int, dict[int, list[Picture]]] = defaultdict(lambda: defaultdict(list))
    for place in listed:
        picture = plans[place.sheet_id].picture(place, heads[place.sheet_id][place.column])
        found[place.sheet_id][place.row].append(picture)
    pairs = {}
    for sheet_id, rows in found.items():
        plan = plans[sheet_id]
        triggered = {number: row for number, row in rows.items() if plan.row(number).get("triggered")}
        shown = (triggered or rows).values()
        candidates = [pair for pictures in shown if (pair := _pair(pictures)) is not None]
        if candidates:
            middle = _median(pair.strong.effect or 0.0 for pair in candidates)
            pairs[sheet_id] = min(candidates, key=lambda pair: abs((pair.strong.effect or 0.0) - middle))
    return pairs


def effect_of(sheet: Sheet | None) -> float | None:
    """How much the adapter changes the pictures of a sheet at the usual weight, where it was measured."""
    weights = sheet.metrics.get("weights") if sheet is not None and isinstance(sheet.metrics, dict) else None
    if not weights:
        return None
    nearest = min(weights, key=lambda each: abs(float(each.get("weight", 0)) - USUAL_WEIGHT))
    return _number(nearest, "effect")


def findings_of(sheet: Sheet) -> list[Finding]:
    """The sheet's findings, the loud ones first."""
    return read_findings(sheet.findings)


def read_findings(told: Any) -> list[Finding]:
    """Findings as the worker or the planning wrote them, the loud ones first."""
    listed = told if isinstance(told, list) else []
    found = [_finding(raw) for raw in listed if isinstance(raw, dict)]
    return sorted(found, key=lambda finding: ("fail", "warn", "note", "ok").index(finding.tone))


def _finding(raw: dict[str, Any]) -> Finding:
    code, numbers = str(raw.get("code", "")), raw.get("numbers") or {}
    tones = {"warning": "warn", "error": "fail"}
    return Finding(
        code=code,
        # Only a recommendation is good news; the other remarks are worth knowing, no more.
        tone="ok" if code == "recommended_weight" else tones.get(str(raw.get("severity")), "note"),
        message=finding_sentence(code, numbers, str(raw.get("message") or code), str(raw.get("where") or "")),
        numbers=numbers,
    )


def _pair(pictures: list[Picture]) -> Pair | None:
    base = next((picture for picture in pictures if picture.role == "base"), None)
    if base is None:
        return None
    # Of this adapter and sampled as the base is: the earlier version or another sampler would tell of itself.
    beside = [p for p in pictures if p.role == "adapter" and p.twin == base.column]
    strong = [picture for picture in beside if picture.own] or beside
    if not strong:
        return None
    return Pair(base, min(strong, key=lambda picture: abs((picture.weight or 0.0) - USUAL_WEIGHT)))


def _strip(row: GridRow) -> list[Picture]:
    """The base and the pictures that are compared with it, each once."""
    pictures = [picture for picture in row.pictures if picture is not None and picture.role != "control"]
    first = next((picture.column for picture in pictures if picture.role == "base"), 0)
    once = {picture.key: picture for picture in reversed(pictures) if picture.twin == first}
    return sorted(once.values(), key=lambda picture: picture.column)[:MOST_IN_STRIP]


def _seed(row: dict[str, Any], head: Head) -> str:
    """The seed of a cell: its row's, with what its column adds."""
    seed, added = row.get("seed", ""), head.override.get("seed", 0)
    return str(seed + added if isinstance(seed, int) and isinstance(added, int) else seed)


def _told_parameters(sheet: Sheet) -> dict[tuple[int, int], str]:
    """(row, column) -> the parameters that the manifest of a finished sheet tells."""
    cells = sheet.manifest.get("cells") if isinstance(sheet.manifest, dict) else None
    return {
        (cell["row"], cell["column"]): str(cell["parameters"]) for cell in cells or () if "parameters" in cell
    }


def _number(values: Any, name: str) -> float | None:
    value = values.get(name) if isinstance(values, dict) else None
    return float(value) if isinstance(value, (int, float)) else None


def _median(values: Iterable[float]) -> float:
    ordered = sorted(values)
    return ordered[len(ordered) // 2] if ordered else 0.0
