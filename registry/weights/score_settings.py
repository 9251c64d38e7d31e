"""The scorecard's lines about the settings: steps, learning rates, rank, base checkpoint.

Ranges and their sources stand in docs/scorecard.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .metadata_values import number_of
from .score_line import ScoreLine, Standing, line, not_stated, within

_FEWEST_STEPS, _MOST_STEPS = 1500, 3000
_LOW_RANK = 32
# Optimizers that estimate the rate: prodigyopt and dadaptation are run with 1.
_ADAPTIVE = re.compile(r"prodigy|d-?adapt", re.IGNORECASE)
_SELF_TUNED = re.compile(r"adafactor", re.IGNORECASE)
_LION = re.compile(r"lion", re.IGNORECASE)
_ADAM = re.compile(r"adam|came|^$", re.IGNORECASE)
_ADAM_RATES, _LION_RATES = (1e-4, 5e-4), (1e-5, 1e-4)
# Where presets of the trainers start lower than elsewhere.
_LOWER_RATES = {
    "sdxl": 4e-5,
    "flux2_dev": 3e-5,
    "flux2_klein_4b": 3e-5,
    "flux2_klein_9b": 3e-5,
    "anima": 3e-5,
    "ideogram4": 5e-5,
}
_ALPHA_ONE_RATE = 1e-3
_HIGH_RANK, _FEW_IMAGES = 64, 30
# LyCORIS states so large a rank where it keeps a full matrix.
_LARGEST_RANK = 10_000


def steps(training: Mapping[str, Any], rank: int | None) -> ScoreLine:
    higher = rank is not None and rank > _LOW_RANK
    key = "steps_higher_rank" if higher else "steps"
    numbers: dict[str, int | float] = {"rank": rank} if rank is not None and higher else {}
    count = number_of(training.get("steps")) or number_of(training.get("steps_planned"))
    if not count or count < 0:
        return not_stated("steps", key, **numbers)
    batch = number_of(training.get("batch_size")) or number_of(training.get("batch_size_per_device")) or 1
    standing: Standing = "noted" if higher else within(count, _FEWEST_STEPS, _MOST_STEPS)
    if standing == "low" and count * batch >= _FEWEST_STEPS:
        # A larger batch sees as many images in fewer steps.
        standing = "noted"
    return line(
        "steps",
        standing,
        "steps_of_batch" if batch > 1 else "steps",
        key,
        steps=count,
        batch=batch,
        **numbers,
    )


def learning_rate(training: Mapping[str, Any], family: str) -> ScoreLine:
    rate = _denoiser_rate(training)
    optimizer = str(training.get("optimizer_name") or "")
    value = "rate_with" if optimizer else "rate"
    if _ADAPTIVE.search(optimizer):
        if rate is None:
            return not_stated("learning_rate", "rate_adaptive")
        standing = within(rate, 0.5, 1.0)
        return line("learning_rate", standing, value, "rate_adaptive", rate=f"{rate:g}", optimizer=optimizer)
    low, high = _LION_RATES if _LION.search(optimizer) else _rates(training, family)
    if rate is None:
        return not_stated("learning_rate", "rate", low=f"{low:g}", high=f"{high:g}")
    numbers = {"rate": f"{rate:g}", "optimizer": optimizer}
    if _SELF_TUNED.search(optimizer):
        return line("learning_rate", "noted", value, "rate_self", **numbers)
    known = bool(_LION.search(optimizer) or _ADAM.search(optimizer))
    # A rate near 1 without a named optimizer is one of an adaptive optimizer.
    if not known or (not optimizer and rate >= 0.1):
        return line("learning_rate", "noted", value, None, **numbers)
    standing = within(rate, low, high)
    return line("learning_rate", standing, value, "rate", low=f"{low:g}", high=f"{high:g}", **numbers)


def text_encoder_learning_rate(training: Mapping[str, Any]) -> ScoreLine:
    code, key = "text_encoder_learning_rate", "rate_encoder"
    denoiser = _denoiser_rate(training)
    rate = number_of(training.get(code))
    numbers = {"rate": f"{denoiser:g}"} if denoiser else {}
    range_ = key if denoiser else None
    if rate is None:
        return not_stated(code, range_, **numbers)
    if rate == 0:
        return line(code, "noted", "not_trained", range_, **numbers)
    standing: Standing = "noted" if not denoiser else "high" if rate > denoiser else "good"
    return line(code, standing, "encoder_rate", range_, encoder_rate=f"{rate:g}", **numbers)


def rank_and_data(training: Mapping[str, Any], rank: int | None) -> ScoreLine:
    images = number_of(training.get("distinct_images"))
    if rank is None or not images:
        return not_stated("rank_and_data", "rank_and_images")
    standing: Standing = "high" if rank > _HIGH_RANK and images < _FEW_IMAGES else "good"
    return line("rank_and_data", standing, "rank_and_images", "rank_and_images", rank=rank, images=images)


def base_checkpoint(training: Mapping[str, Any]) -> ScoreLine:
    name = str(training.get("base_checkpoint") or "")
    hashed = bool(training.get("base_checkpoint_sha256") or training.get("base_checkpoint_autov1"))
    if name and hashed:
        return line("base_checkpoint", "good", "checkpoint", "checkpoint", name=name[:200])
    if name:
        return line("base_checkpoint", "noted", "checkpoint_name", "checkpoint", name=name[:200])
    if hashed:
        return line("base_checkpoint", "noted", "checkpoint_hash", "checkpoint")
    return not_stated("base_checkpoint", "checkpoint")


def working_rank(training: Mapping[str, Any], rank: Mapping[str, int] | None) -> int | None:
    """The rank of most modules, else the one that the trainer states."""
    median = rank.get("median") if rank else None
    stated = number_of(training.get("network_dim"))
    found = median if median else int(stated) if stated else None
    return found if found is not None and 0 < found < _LARGEST_RANK else None


def _denoiser_rate(training: Mapping[str, Any]) -> float | None:
    rate = number_of(training.get("unet_learning_rate"))
    return number_of(training.get("learning_rate")) if rate is None else rate


def _rates(training: Mapping[str, Any], family: str) -> tuple[float, float]:
    low, high = _ADAM_RATES
    rank, alpha = number_of(training.get("network_dim")), number_of(training.get("network_alpha"))
    if alpha == 1 and rank is not None and rank > 1:
        # Alpha 1 scales the change down by the rank; sd-scripts then advises up to 1e-3.
        high = _ALPHA_ONE_RATE
    return min(low, _LOWER_RATES.get(family, low)), high
