"""The recipe `blocks`: how much of the adapter's effect each block carries alone, and of what kind it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from inference.metrics.columns import Heads, black, measure_columns
from inference.metrics.findings import Finding, Severity
from inference.metrics.sheets import Shot, rounded
from inference.metrics.thresholds import Thresholds

_TOLD = 3
"""Of how many blocks a finding tells; the measures have them all."""


@dataclass(frozen=True, slots=True)
class BlockMetrics:
    """One block alone. `share` is its effect / that of the whole adapter; shares need not add up to 1, for
    what blocks do together is not the sum of what they do alone.
    """

    column: int
    block: str
    effect: float
    share: float
    color: float
    border: float
    structure: float


def measure_blocks(shots: Sequence[Shot], heads: Heads) -> list[BlockMetrics]:
    """Each block column against the whole (group `all`), the strongest first. Empty without a whole."""
    found = measure_columns(shots, heads)
    whole = next((at for number, at in found.items() if heads[number].group == "all"), None)
    if whole is None or whole.effect <= 1e-6:
        return []
    blocks = [
        BlockMetrics(
            number, heads[number].label, at.effect, at.effect / whole.effect, at.color, at.border, 1 - at.ssim
        )
        for number, at in found.items()
        if heads[number].group == "block"
    ]
    return sorted(blocks, key=lambda block: -block.share)


def find_blocks(
    shots: Sequence[Shot], heads: Heads, limits: Thresholds | None = None
) -> tuple[dict[str, Any], list[Finding]]:
    """The measures as plain JSON, and a finding for each of the strongest that carries much of the effect."""
    limits = limits or Thresholds()
    blocks = measure_blocks(shots, heads)
    findings = black(shots)
    for block in blocks[:_TOLD]:
        if block.share >= limits.carries and block.effect >= limits.no_effect:
            message = f"Block {block.block} alone makes {block.share:.0%} of the effect."
            numbers = {"column": float(block.column), "share": block.share, "effect": block.effect}
            found = Finding("block_carries", Severity.INFO, message, numbers, limits.carries, block.block)
            findings.append(found)
    return {"blocks": rounded([asdict(block) for block in blocks])}, findings
