"""Findings: what a sheet's measures mean, each with its numbers, its threshold and a plain sentence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from inference.metrics.sheets import SheetMetrics, WeightMetrics
from inference.metrics.thresholds import Thresholds

Numbers = dict[str, float]


class Severity(StrEnum):
    """info: worth knowing; warning: a reviewer should look; error: do not rely on the adapter or the
    sheet.
    """

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing a sheet tells. `threshold` is the limit that `numbers` passed, in the same unit."""

    code: str
    severity: Severity
    message: str
    numbers: Numbers
    threshold: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        data = asdict(self)
        data["severity"] = str(self.severity)
        data["numbers"] = {name: round(value, 4) for name, value in self.numbers.items()}
        return data


def find(metrics: SheetMetrics, limits: Thresholds | None = None) -> list[Finding]:
    """All findings of a sheet, the recommended weight last."""
    limits = limits or Thresholds()
    if metrics.unusable:
        return [_black(metrics.unusable)]
    if not metrics.weights:
        return []
    strongest = metrics.weights[-1]
    if strongest.effect < limits.no_effect:
        return [_no_effect(strongest, limits)]
    found = [*_collapse(metrics, limits), *_colors(metrics, limits), *_trigger(strongest, limits)]
    found += _recommendation(metrics, limits)
    return found


def _black(count: int) -> Finding:
    message = f"{count} pictures are black, flat or not finite."
    return Finding("black_images", Severity.ERROR, message, {"pictures": count}, 0)


def _no_effect(at: WeightMetrics, limits: Thresholds) -> Finding:
    message = f"The adapter changes nothing that can be seen, even at weight {at.weight:g}."
    return Finding(
        "no_effect", Severity.ERROR, message, {"weight": at.weight, "effect": at.effect}, limits.no_effect
    )


def _collapse(metrics: SheetMetrics, limits: Thresholds) -> Iterator[Finding]:
    """The first weight at which each kind of damage shows."""
    for at in metrics.weights:
        if _alike(at, limits):
            yield _same_pictures(at, limits)
            break
    for at in metrics.weights:
        if _deaf(at, limits):
            yield _ignores_prompt(at, limits)
            break
    for at in metrics.weights:
        damage = _damage(at, limits)
        if damage is not None:
            name, value, limit = damage
            message = f"Pictures fall apart from weight {at.weight:g} on ({_DAMAGE[name]})."
            yield Finding(
                "collapses_at", Severity.WARNING, message, {"weight": at.weight, name: value}, limit
            )
            break


def _alike(at: WeightMetrics, limits: Thresholds) -> bool:
    return at.seed_diversity is not None and at.seed_diversity < limits.overfit


def _memorized(at: WeightMetrics, limits: Thresholds) -> bool:
    """Seeds look alike, and so do prompts: a picture that was learned by heart.

    Where prompts still differ, the adapter only fixes its subject, as a character should.
    """
    return _alike(at, limits) and at.prompt_response is not None and at.prompt_response < limits.memorized


def _deaf(at: WeightMetrics, limits: Thresholds) -> bool:
    return (at.prompt_response is not None and at.prompt_response < limits.ignores_prompt) or (
        at.prompt_grip is not None and at.prompt_grip < limits.prompt_grip
    )


def _same_pictures(at: WeightMetrics, limits: Thresholds) -> Finding:
    message = f"From weight {at.weight:g} on different seeds give nearly the same picture"
    numbers = {"weight": at.weight, "seed_diversity": at.seed_diversity or 0.0}
    if not _memorized(at, limits):
        message += ", though the prompt still decides what it shows."
        return Finding("little_variety", Severity.INFO, message, numbers, limits.overfit)
    numbers["prompt_response"] = at.prompt_response or 0.0
    return Finding("overfit", Severity.WARNING, f"{message}.", numbers, limits.overfit)


def _ignores_prompt(at: WeightMetrics, limits: Thresholds) -> Finding:
    response, grip = at.prompt_response or 0.0, at.prompt_grip or 0.0
    if response < limits.ignores_prompt:
        message = f"From weight {at.weight:g} on the prompt hardly matters: different prompts look alike."
        numbers, limit = {"weight": at.weight, "prompt_response": response}, limits.ignores_prompt
    else:
        message = f"From weight {at.weight:g} on the seed decides more of the picture than the prompt does."
        numbers, limit = {"weight": at.weight, "prompt_grip": grip}, limits.prompt_grip
    return Finding("ignores_prompt", Severity.WARNING, message, numbers, limit)


_DAMAGE = {
    "noise": "much noise is added",
    "clipped": "large parts are burnt out",
    "ssim": "nothing of the base's structure is left",
}


def _damage(at: WeightMetrics, limits: Thresholds) -> tuple[str, float, float] | None:
    if at.noise > limits.noise:
        return "noise", at.noise, limits.noise
    if at.clipped > limits.clipped:
        return "clipped", at.clipped, limits.clipped
    if at.ssim < limits.ssim:
        return "ssim", at.ssim, limits.ssim
    return None


def _colors(metrics: SheetMetrics, limits: Thresholds) -> Iterator[Finding]:
    strongest = metrics.weights[-1]
    if strongest.color > limits.color:
        towards = direction(metrics.color_direction)
        message = f"Colors shift at weight {strongest.weight:g}, {towards}."
        lightness, green_red, blue_yellow = metrics.color_direction
        numbers = {
            "weight": strongest.weight, "ciede2000": strongest.color,
            "lightness": lightness, "green_red": green_red, "blue_yellow": blue_yellow,
        }  # fmt: skip
        yield Finding("colour_shift", Severity.INFO, message, numbers, limits.color)
    if strongest.border > limits.border:
        message = f"The background changes with the adapter at weight {strongest.weight:g}."
        numbers = {"weight": strongest.weight, "ciede2000": strongest.border}
        yield Finding("background_drift", Severity.INFO, message, numbers, limits.border)


def direction(shift: tuple[float, float, float]) -> str:
    """The mean Lab shift in words; a shift below 3 in every direction has none."""
    lightness, green_red, blue_yellow = shift
    words = [
        word
        for value, below, above in (
            (lightness, "darker", "lighter"), (green_red, "greener", "redder"),
            (blue_yellow, "bluer", "yellower"),
        )
        for word in ([above] if value > 3 else [below] if value < -3 else [])
    ]  # fmt: skip
    return "towards " + " and ".join(words) if words else "in no common direction"


def _trigger(at: WeightMetrics, limits: Thresholds) -> Iterator[Finding]:
    if at.selectivity is not None and at.selectivity < limits.selectivity:
        message = "The adapter acts as much without its trigger words as with them."
        numbers = {"weight": at.weight, "selectivity": at.selectivity}
        yield Finding("trigger_not_needed", Severity.INFO, message, numbers, limits.selectivity)


def _recommendation(metrics: SheetMetrics, limits: Thresholds) -> Iterator[Finding]:
    """The largest weight at which the adapter is seen and nothing has collapsed, with the range that leads
    to it.
    """
    good = [at for at in metrics.weights if at.effect >= limits.no_effect and not _faulty(at, limits)]
    if good:
        low, high = good[0].weight, good[-1].weight
        span = f"weight {high:g}" if low == high else f"weights {low:g} to {high:g}"
        message = f"Recommended: {span}."
        yield Finding("recommended_weight", Severity.INFO, message, {"low": low, "high": high})


def _faulty(at: WeightMetrics, limits: Thresholds) -> bool:
    return _memorized(at, limits) or _deaf(at, limits) or _damage(at, limits) is not None
