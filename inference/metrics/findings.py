"""Findings: what a ladder of weights tells, each with its numbers, its threshold and a plain sentence."""

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
    """One thing a sheet tells. `threshold` is the limit that `numbers` passed, in the same unit; `where` the
    name of the column that it tells of, as it stands on the sheet, where it tells of one.
    """

    code: str
    severity: Severity
    message: str
    numbers: Numbers
    threshold: float | None = None
    where: str = ""

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
    # Of an adapter that tears everything apart in the end, the colors and the words say nothing there.
    whole = [at for at in metrics.weights if damage(at, limits) is None]
    judged = whole[-1] if whole else strongest
    found = [*_collapse(metrics, limits), *_colors(judged, limits)]
    found += _trigger(judged, metrics.weights[0], limits) if whole else []
    found += _recommendation(metrics, limits)
    return found


def wrong_base(code: str, message: str, *, misfits: int = 0, modules: int = 0) -> list[Finding]:
    """What a refusal before the first picture tells (`inference.errors`): the file is for another base.

    `misfits` of `modules` modules have no place in the base, or another shape there; 0 and left out of the
    numbers where it was not counted. No finding for any other refusal.
    """
    if code not in ("wrong_base", "nothing_matched", "unmatched_modules"):
        return []
    counted = {"misfits": misfits, "modules": modules}
    numbers = {name: float(count) for name, count in counted.items() if count}
    return [Finding("wrong_base", Severity.ERROR, message, numbers, 0)]


def not_renderable(message: str, *, known: bool, bases: int, recipes: int, modules: int) -> Finding:
    """What planning tells where no sheet can be made of a sound file, for want of something here.

    `known`: whether the family of its `modules` modules is; `bases`: base models of it with weights here;
    `recipes`: 1 where its pictures have recipes. Nothing is wrong with the file, so it is no warning.
    """
    numbers = {
        "family_known": float(known), "bases": float(bases), "recipes": float(recipes),
        "modules": float(modules),
    }  # fmt: skip
    return Finding("not_renderable", Severity.INFO, message, numbers)


def faulty(at: WeightMetrics, limits: Thresholds) -> bool:
    """Whether pictures at this weight show what nobody wants from an adapter."""
    return memorized(at, limits) or deaf(at, limits) or damage(at, limits) is not None


def memorized(at: WeightMetrics, limits: Thresholds) -> bool:
    """All cells show one picture, whatever their prompt and seed: it was learned by heart."""
    return at.variety is not None and at.variety < limits.overfit


def deaf(at: WeightMetrics, limits: Thresholds) -> bool:
    """The prompt hardly matters, or less than the seed does."""
    return (at.prompt_response is not None and at.prompt_response < limits.ignores_prompt) or _gripless(
        at, limits
    )


def _gripless(at: WeightMetrics, limits: Thresholds) -> bool:
    """Whether the adapter took the prompt's grip; a base that follows no prompt has none to lose."""
    if at.prompt_grip is None or at.prompt_grip >= limits.prompt_grip:
        return False
    return at.base_grip is None or at.prompt_grip < limits.grip_kept * at.base_grip


def damage(at: WeightMetrics, limits: Thresholds) -> tuple[str, float, float] | None:
    """The measure that says the pictures fell apart, its value and its limit; None where none does."""
    if at.noise > limits.noise:
        return "noise", at.noise, limits.noise
    if at.clipped > limits.clipped_most:
        return "clipped", at.clipped, limits.clipped_most
    if at.ssim < limits.ssim_loose:
        if at.clipped > limits.clipped:
            return "clipped", at.clipped, limits.clipped
        if at.sharpness < limits.sharpness:
            return "sharpness", at.sharpness, limits.sharpness
    # Another picture has nothing of the base's structure either, and may be a sound one.
    if at.ssim < limits.ssim and not memorized(at, limits) and not deaf(at, limits):
        return "ssim", at.ssim, limits.ssim
    return None


def _black(count: int) -> Finding:
    message = f"{count} pictures are black, flat or not finite."
    return Finding("black_images", Severity.ERROR, message, {"pictures": count}, 0)


def _no_effect(at: WeightMetrics, limits: Thresholds) -> Finding:
    message = f"The adapter changes nothing that can be seen, even at weight {at.weight:g}."
    return Finding(
        "no_effect", Severity.ERROR, message, {"weight": at.weight, "effect": at.effect}, limits.no_effect
    )


def _collapse(metrics: SheetMetrics, limits: Thresholds) -> Iterator[Finding]:
    """The first weight at which each kind of fault shows."""
    learned = next((at for at in metrics.weights if memorized(at, limits)), None)
    alike = next((at for at in metrics.weights if _alike(at, limits)), None)
    if learned is not None:
        yield _overfit(learned, limits)
    elif alike is not None:
        yield _little_variety(alike, limits)
    for at in metrics.weights:
        if deaf(at, limits):
            yield _ignores_prompt(at, limits)
            break
    for at in metrics.weights:
        found = damage(at, limits)
        if found is not None:
            name, value, limit = found
            message = f"Pictures fall apart from weight {at.weight:g} on ({_DAMAGE[name]})."
            yield Finding(
                "collapses_at", Severity.WARNING, message, {"weight": at.weight, name: value}, limit
            )
            break


def _alike(at: WeightMetrics, limits: Thresholds) -> bool:
    return at.seed_diversity is not None and at.seed_diversity < limits.little_variety


def _overfit(at: WeightMetrics, limits: Thresholds) -> Finding:
    message = f"From weight {at.weight:g} on different prompts and seeds give nearly the same picture."
    numbers = {"weight": at.weight, "variety": at.variety or 0.0}
    return Finding("overfit", Severity.WARNING, message, numbers, limits.overfit)


def _little_variety(at: WeightMetrics, limits: Thresholds) -> Finding:
    message = (
        f"From weight {at.weight:g} on different seeds give nearly the same picture, "
        "though the prompt still decides what it shows."
    )
    numbers = {"weight": at.weight, "seed_diversity": at.seed_diversity or 0.0}
    return Finding("little_variety", Severity.INFO, message, numbers, limits.little_variety)


def _ignores_prompt(at: WeightMetrics, limits: Thresholds) -> Finding:
    response, grip = at.prompt_response, at.prompt_grip or 0.0
    if response is not None and response < limits.ignores_prompt:
        message = f"From weight {at.weight:g} on the prompt hardly matters: different prompts look alike."
        numbers, limit = {"weight": at.weight, "prompt_response": response}, limits.ignores_prompt
    else:
        message = f"From weight {at.weight:g} on the seed decides more of the picture than the prompt does."
        numbers, limit = {"weight": at.weight, "prompt_grip": grip}, limits.prompt_grip
    return Finding("ignores_prompt", Severity.WARNING, message, numbers, limit)


_DAMAGE = {
    "noise": "much noise is added",
    "clipped": "large parts are burnt out",
    "sharpness": "everything blurs",
    "ssim": "nothing of the base's structure is left",
}


def _colors(at: WeightMetrics, limits: Thresholds) -> Iterator[Finding]:
    if at.cast > limits.color:
        message = f"Colors shift at weight {at.weight:g}, {direction(at.direction)}."
        lightness, green_red, blue_yellow = at.direction
        numbers = {
            "weight": at.weight, "ciede2000": at.cast,
            "lightness": lightness, "green_red": green_red, "blue_yellow": blue_yellow,
        }  # fmt: skip
        yield Finding("colour_shift", Severity.INFO, message, numbers, limits.color)
    message = f"The background changes with the adapter at weight {at.weight:g}."
    if at.scene is not None and at.scene > limits.scene:
        numbers = {"weight": at.weight, "ciede2000": at.scene}
        yield Finding("background_drift", Severity.INFO, message, numbers, limits.scene)
    elif at.border > limits.border:
        numbers = {"weight": at.weight, "ciede2000": at.border}
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


def _trigger(at: WeightMetrics, lowest: WeightMetrics, limits: Thresholds) -> Iterator[Finding]:
    """What the adapter does without its words has to grow with its weight.

    A picture that jumps at the slightest touch of the weights and then stays was moved by the sampler.
    """
    if at.selectivity is None or at.selectivity >= limits.selectivity:
        return
    ladder = lowest.weight < at.weight and at.neutral is not None and lowest.neutral is not None
    if ladder and (at.neutral or 0.0) < limits.growth * (lowest.neutral or 0.0):
        return
    message = "The adapter acts as much without its trigger words as with them."
    numbers = {"weight": at.weight, "selectivity": at.selectivity}
    yield Finding("trigger_not_needed", Severity.INFO, message, numbers, limits.selectivity)


def _recommendation(metrics: SheetMetrics, limits: Thresholds) -> Iterator[Finding]:
    """From the first weight at which the adapter is seen to the last before anything goes wrong.

    What lies beyond the first faulty weight is not recommended, even where it measures well again.
    """
    good: list[WeightMetrics] = []
    for at in metrics.weights:
        if faulty(at, limits):
            break
        if at.effect >= limits.no_effect:
            good.append(at)
    if good:
        low, high = good[0].weight, good[-1].weight
        span = f"weight {high:g}" if low == high else f"weights {low:g} to {high:g}"
        message = f"Recommended: {span}."
        yield Finding("recommended_weight", Severity.INFO, message, {"low": low, "high": high})
