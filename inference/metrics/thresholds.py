"""The limits that turn measures into findings, in one table."""

from __future__ import annotations

from dataclasses import dataclass

EDITION = 2
"""Stored with every sheet's findings, so that old ones can be told from new ones."""
PRELIMINARY = True
"""Set on the demo's adapters, whose faults are known; not yet tried on others."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Each limit with its unit; what lies beyond it is said.

    no_effect: descriptor distance at the largest weight below which nothing is seen; also the smallest weight
    worth recommending is the first above it.
    overfit: seed diversity ratio; with it, memorized: prompt response ratio below which a picture was learned
    by heart.
    ignores_prompt: prompt response ratio; prompt_grip: prompt response to seed diversity.
    noise: added gray levels; clipped: added share of pixels; ssim: structure left. color, border: CIEDE2000.
    selectivity: below it the adapter acts as much without its trigger words.
    """

    no_effect: float = 0.03
    overfit: float = 0.5
    memorized: float = 0.8
    ignores_prompt: float = 0.5
    prompt_grip: float = 0.4
    noise: float = 6.0
    clipped: float = 0.25
    ssim: float = 0.1
    color: float = 12.0
    border: float = 15.0
    selectivity: float = 0.1
