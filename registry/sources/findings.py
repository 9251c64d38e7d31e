"""Findings: what a source holds, as every reader answers it. Plain data, no database."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from registry.sources.listing import Listing
from registry.sources.rescans import Unchanged
from registry.sources.walk import Failure


@dataclass(slots=True)
class Findings:
    """What a source holds: files that nothing is new about, adapters to take in, and what cannot be.

    Each listing is read when its turn comes, which may add to `failures`. `total` counts all files; a reader
    that cannot tell before it has read gives 0.
    """

    unchanged: list[Unchanged] = field(default_factory=list)
    listings: Iterator[Listing] = field(default_factory=lambda: iter(()))
    failures: list[Failure] = field(default_factory=list)
    total: int = 0
