"""The limits that turn measures into findings, in one table."""

from __future__ import annotations

from dataclasses import dataclass

EDITION = 3
"""Stored with every sheet's findings, so that old ones can be told from new ones."""
PRELIMINARY = True
"""Calibrated on the toybox and tried there on adapters they were not set on (`benchmarks findings`); not yet
tried on a base of another family.
"""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Each limit with its unit; what lies beyond it is said.

    Each lies between what the good and the faulty adapters of the first set measure
    (`benchmarks/finding_cases.py`; `python -m benchmarks.findings calibrate` prints both sides).

    no_effect: descriptor distance at the largest weight below which nothing is seen; also the smallest weight
    worth recommending is the first above it.
    overfit: variety ratio; little_variety: seed diversity ratio.
    ignores_prompt: prompt response ratio; prompt_grip: distance of prompts to distance of seeds, said only
    where it fell below grip_kept of the base's own.
    noise: added gray levels; clipped: added share of pixels; sharpness: ratio; ssim: structure left. The two
    in the middle are damage only where the structure is below ssim_loose as well: flat colors and soft focus
    may be what a style is. Above clipped_most a picture is burnt whatever its structure.
    color, border, scene: CIEDE2000. selectivity: below it the adapter acts as much without its trigger words;
    growth: what it does without them must rise by this factor from the lowest weight to count.
    keeps: share of an adapter's own change that must be left of it beside others; alike: descriptor distance
    below which two versions draw the same; carries: share of the whole effect worth naming a block for.
    """

    no_effect: float = 0.03
    overfit: float = 0.4
    little_variety: float = 0.5
    ignores_prompt: float = 0.5
    prompt_grip: float = 1.2
    grip_kept: float = 0.6
    noise: float = 6.0
    clipped: float = 0.25
    clipped_most: float = 0.7
    sharpness: float = 0.25
    ssim: float = 0.28
    ssim_loose: float = 0.45
    color: float = 10.0
    border: float = 15.0
    scene: float = 12.0
    selectivity: float = 0.29
    growth: float = 1.25
    keeps: float = 0.4
    alike: float = 0.03
    carries: float = 0.25
