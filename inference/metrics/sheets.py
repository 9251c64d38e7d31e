"""The sheet as a whole: dose response, diversity of seeds and prompts, selectivity of the trigger, burn."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from statistics import fmean
from typing import Any

import numpy as np
from scipy.stats import rankdata

from inference.metrics.cells import CellMetrics
from inference.metrics.pictures import Floats, distance


@dataclass(frozen=True)
class Shot:
    """One cell as the sheet's measures need it. `weight` is null for the base; the base has no metrics."""

    prompt: int
    seed: int
    triggered: bool
    weight: float | None
    descriptor: Floats
    metrics: CellMetrics | None
    usable: bool = True


@dataclass(frozen=True, slots=True)
class WeightMetrics:
    """Means over all rows at one weight; the ratios compare with the base's own rows.

    seed_diversity: distance between seeds of one prompt with the adapter / without; near 0 all seeds look
    alike.
    prompt_response: distance between prompts at one seed with / without; near 0 the prompt no longer matters.
    prompt_grip: prompt_response / seed_diversity; near 0 the seed decides the picture instead of the prompt.
    selectivity: (E_trigger - E_neutral) / (E_trigger + E_neutral), each effect against its own twin.
    """

    weight: float
    effect: float
    color: float
    border: float
    ssim: float
    noise: float
    clipped: float
    chroma: float
    sharpness: float
    seed_diversity: float | None
    prompt_response: float | None
    prompt_grip: float | None
    selectivity: float | None


@dataclass(frozen=True, slots=True)
class SheetMetrics:
    """Everything measured on a sheet.

    `dose_response` is Spearman's rank correlation of weight and effect within a row, the mean over all rows.
    """

    weights: tuple[WeightMetrics, ...]
    dose_response: float | None
    color_direction: tuple[float, float, float]
    unusable: int

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values, rounded."""
        return _rounded(asdict(self))  # type: ignore[no-any-return]


def measure(shots: Sequence[Shot]) -> SheetMetrics:
    """Measure a sheet. `shots` are its base and adapter cells, without the control."""
    base = [shot for shot in shots if shot.weight is None]
    ladder: dict[float, list[Shot]] = defaultdict(list)
    for shot in shots:
        if shot.weight is not None:
            ladder[shot.weight].append(shot)
    weights = tuple(_at_weight(weight, ladder[weight], base) for weight in sorted(ladder))
    return SheetMetrics(
        weights=weights,
        dose_response=_dose_response(shots),
        color_direction=_direction(ladder[max(ladder)]) if ladder else (0.0, 0.0, 0.0),
        unusable=sum(not shot.usable for shot in shots),
    )


def spearman(a: Sequence[float], b: Sequence[float]) -> float | None:
    """Rank correlation, or None where it is not defined: fewer than three values, or all equal."""
    if len(a) < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return None
    return float(np.corrcoef(rankdata(a), rankdata(b))[0, 1])


def _dose_response(shots: Sequence[Shot]) -> float | None:
    rows: dict[tuple[int, int], list[tuple[float, float]]] = defaultdict(list)
    for shot in shots:
        if shot.weight is not None and shot.metrics is not None:
            rows[shot.prompt, shot.seed].append((shot.weight, shot.metrics.effect))
    found = [spearman([w for w, _ in row], [effect for _, effect in row]) for row in rows.values()]
    defined = [value for value in found if value is not None]
    return fmean(defined) if defined else None


def _at_weight(weight: float, shots: Sequence[Shot], base: Sequence[Shot]) -> WeightMetrics:
    metrics = [shot.metrics for shot in shots if shot.metrics is not None]

    def mean(value: Callable[[CellMetrics], float]) -> float:
        return fmean(map(value, metrics)) if metrics else 0.0

    seeds = _spread_ratio(shots, base, lambda shot: shot.prompt)
    prompts = _spread_ratio(shots, base, lambda shot: shot.seed)
    return WeightMetrics(
        weight=weight,
        effect=mean(lambda m: m.effect),
        color=mean(lambda m: m.color_mean),
        border=mean(lambda m: m.border),
        ssim=mean(lambda m: m.ssim),
        noise=mean(lambda m: m.noise),
        clipped=mean(lambda m: m.clipped),
        chroma=mean(lambda m: m.chroma),
        sharpness=mean(lambda m: m.sharpness),
        seed_diversity=seeds,
        prompt_response=prompts,
        # Where all seeds give one picture the ratio says nothing: that is what seed_diversity is for.
        prompt_grip=prompts / seeds if seeds and prompts is not None else None,
        selectivity=_selectivity(shots),
    )


def _spread_ratio(shots: Sequence[Shot], base: Sequence[Shot], group: Callable[[Shot], int]) -> float | None:
    with_adapter, without = _spread(shots, group), _spread(base, group)
    # A base whose own rows look alike says nothing about what the adapter took away.
    if with_adapter is None or without is None or without < 1e-3:
        return None
    return with_adapter / without


def _spread(shots: Iterable[Shot], group: Callable[[Shot], int]) -> float | None:
    """Mean distance of all pairs within each group."""
    groups: dict[int, list[Floats]] = defaultdict(list)
    for shot in shots:
        groups[group(shot)].append(shot.descriptor)
    found = [distance(a, b) for members in groups.values() for a, b in combinations(members, 2)]
    return fmean(found) if found else None


def _selectivity(shots: Sequence[Shot]) -> float | None:
    effects: dict[bool, list[float]] = {True: [], False: []}
    for shot in shots:
        if shot.metrics is not None:
            effects[shot.triggered].append(shot.metrics.effect)
    if not (effects[True] and effects[False]):
        return None
    with_trigger, neutral = fmean(effects[True]), fmean(effects[False])
    total = with_trigger + neutral
    return (with_trigger - neutral) / total if total > 1e-6 else None


def _direction(shots: Sequence[Shot]) -> tuple[float, float, float]:
    metrics = [shot.metrics for shot in shots if shot.metrics is not None]
    if not metrics:
        return (0.0, 0.0, 0.0)
    return (
        fmean(m.lightness for m in metrics),
        fmean(m.green_red for m in metrics),
        fmean(m.blue_yellow for m in metrics),
    )


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 5)
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return value
