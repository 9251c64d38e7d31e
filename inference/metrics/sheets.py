"""The sheet as a whole: dose response, diversity of seeds and prompts, selectivity of the trigger, burn."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from inference.metrics.cells import CellMetrics
from inference.metrics.dose import dose_response, knee
from inference.metrics.pictures import Floats
from inference.metrics.spreads import nothing_shared, ratio, same_prompt, same_seed, spread


@dataclass(frozen=True)
class Shot:
    """One cell as the sheet's measures need it. `weight` is null for the base; the base has no metrics.

    `column` is the sheet's column, for recipes whose columns differ in more than the weight. `scene` marks a
    prompt without a subject. `pair` joins prompts that ask for the same thing, one with trigger words and one
    without.
    """

    prompt: int
    seed: int
    triggered: bool
    weight: float | None
    descriptor: Floats
    metrics: CellMetrics | None
    usable: bool = True
    column: int = 0
    scene: bool = False
    pair: int | None = None


@dataclass(frozen=True, slots=True)
class WeightMetrics:
    """Means over all rows at one weight.

    cast: CIEDE2000 of the whole picture or of its border band, whichever is less: a color over everything.
    direction: mean change of L*, a*, b*.
    scene: CIEDE2000 of the prompts without a subject; null where the sheet has none.
    seed_diversity: distance between seeds of one prompt with the adapter / without; near 0 all seeds look
    alike.
    prompt_response: distance between prompts at one seed with / without; near 0 the prompt no longer matters.
    prompt_grip: distance between prompts at one seed / between seeds of one prompt; below 1 the seed decides
    more than the prompt. base_grip: the same without the adapter.
    variety: distance between cells of other prompts and other seeds with / without; near 0 all cells show one
    picture.
    selectivity: see `_selectivity`. neutral: effect on the prompt without trigger words that changes least.
    """

    weight: float
    effect: float
    color: float
    border: float
    cast: float
    direction: tuple[float, float, float]
    scene: float | None
    ssim: float
    gmsd: float
    noise: float
    clipped: float
    chroma: float
    sharpness: float
    seed_diversity: float | None
    prompt_response: float | None
    prompt_grip: float | None
    base_grip: float | None
    variety: float | None
    selectivity: float | None
    neutral: float | None


@dataclass(frozen=True, slots=True)
class SheetMetrics:
    """Everything measured on a sheet.

    `dose_response` is Spearman's rank correlation of weight and effect within a row, the mean over all rows;
    `knee` the weight from which on more of it adds little (`dose.knee`).
    """

    weights: tuple[WeightMetrics, ...]
    dose_response: float | None
    knee: float | None
    color_direction: tuple[float, float, float]
    unusable: int

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values, rounded."""
        return rounded(asdict(self))  # type: ignore[no-any-return]


def measure(shots: Sequence[Shot]) -> SheetMetrics:
    """Measure a sheet. `shots` are its base and adapter cells, without the control."""
    base = [shot for shot in shots if shot.weight is None]
    ladder: dict[float, list[Shot]] = defaultdict(list)
    for shot in shots:
        if shot.weight is not None:
            ladder[shot.weight].append(shot)
    weights = tuple(at_weight(weight, ladder[weight], base) for weight in sorted(ladder))
    return SheetMetrics(
        weights=weights,
        dose_response=dose_response(_rows(shots)),
        knee=knee([(at.weight, at.effect) for at in weights]),
        color_direction=weights[-1].direction if weights else (0.0, 0.0, 0.0),
        unusable=sum(not shot.usable for shot in shots),
    )


def _rows(shots: Sequence[Shot]) -> list[list[tuple[float, float]]]:
    rows: dict[tuple[int, int], list[tuple[float, float]]] = defaultdict(list)
    for shot in shots:
        if shot.weight is not None and shot.metrics is not None:
            rows[shot.prompt, shot.seed].append((shot.weight, shot.metrics.effect))
    return list(rows.values())


def at_weight(weight: float, shots: Sequence[Shot], base: Sequence[Shot]) -> WeightMetrics:
    """What the cells of one column, all at `weight`, come to against the base's cells of the same rows."""
    metrics = [shot.metrics for shot in shots if shot.metrics is not None]

    def mean(value: Callable[[CellMetrics], float]) -> float:
        return fmean(map(value, metrics)) if metrics else 0.0

    prompts, seeds = spread(shots, same_seed), spread(shots, same_prompt)
    base_prompts, base_seeds = spread(base, same_seed), spread(base, same_prompt)
    scenes = [shot.metrics.color_mean for shot in shots if shot.scene and shot.metrics is not None]
    return WeightMetrics(
        weight=weight,
        effect=mean(lambda m: m.effect),
        color=mean(lambda m: m.color_mean),
        border=mean(lambda m: m.border),
        cast=mean(lambda m: min(m.color_mean, m.border)),
        direction=(mean(lambda m: m.lightness), mean(lambda m: m.green_red), mean(lambda m: m.blue_yellow)),
        scene=fmean(scenes) if scenes else None,
        ssim=mean(lambda m: m.ssim),
        gmsd=mean(lambda m: m.gmsd),
        noise=mean(lambda m: m.noise),
        clipped=mean(lambda m: m.clipped),
        chroma=mean(lambda m: m.chroma),
        sharpness=mean(lambda m: m.sharpness),
        seed_diversity=ratio(seeds, base_seeds),
        prompt_response=ratio(prompts, base_prompts),
        # Where all seeds give one picture this says nothing: that is what seed_diversity is for.
        prompt_grip=ratio(prompts, seeds),
        base_grip=ratio(base_prompts, base_seeds),
        variety=ratio(spread(shots, nothing_shared), spread(base, nothing_shared)),
        selectivity=_selectivity(shots),
        neutral=_least(_effects(shots)[False]),
    )


Effects = dict[int, list[float]]


def _effects(shots: Sequence[Shot]) -> dict[bool, Effects]:
    """Triggered or not -> prompt -> effects."""
    found: dict[bool, Effects] = {True: defaultdict(list), False: defaultdict(list)}
    for shot in shots:
        if shot.metrics is not None:
            found[shot.triggered][shot.prompt].append(shot.metrics.effect)
    return found


def _least(effects: Effects) -> float | None:
    return min(map(fmean, effects.values())) if effects else None


def _selectivity(shots: Sequence[Shot]) -> float | None:
    """(E_trigger - E_neutral) / (E_trigger + E_neutral), each effect against its own twin.

    Where the sheet asks for the same things with and without the words, each pair is compared with itself.
    Elsewhere prompts differ in more than the words, and some are touchier than others: E_trigger is then the
    prompt with the words that changes most and E_neutral the one without them that changes least, for a
    selective adapter leaves at least one of those nearly alone.
    """
    paired: dict[bool, Effects] = {True: defaultdict(list), False: defaultdict(list)}
    for shot in shots:
        if shot.metrics is not None and shot.pair is not None:
            paired[shot.triggered][shot.pair].append(shot.metrics.effect)
    both = paired[True].keys() & paired[False].keys()
    if both:
        found = [_contrast(fmean(paired[True][pair]), fmean(paired[False][pair])) for pair in sorted(both)]
        defined = [value for value in found if value is not None]
        return fmean(defined) if defined else None
    effects = _effects(shots)
    neutral = _least(effects[False])
    if not effects[True] or neutral is None:
        return None
    return _contrast(max(map(fmean, effects[True].values())), neutral)


def _contrast(with_trigger: float, neutral: float) -> float | None:
    total = with_trigger + neutral
    return (with_trigger - neutral) / total if total > 1e-6 else None


def rounded(value: Any) -> Any:
    """The value with every float in it at five places: plain JSON from `asdict`."""
    if isinstance(value, float):
        return round(value, 5)
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(item) for item in value]
    return value
