"""What a result shows as a card or a line: the hit of a search with its pictures, size and algorithm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Max

from catalog.pages import words
from catalog.pages.reading.grid import Pair, effect_of, read_pairs
from catalog.search import SearchHit
from inference.models import Sheet
from registry.models import Adapter, File, Sample, Version


@dataclass(frozen=True)
class Card:
    """One adapter in a list. `pair` is None without a finished sheet; then `sample` may be a picture."""

    adapter: Adapter
    version: Version
    outcome: str | None
    conditions: list[str]
    base_label: str
    kind: str
    size: int | None
    sheet: Sheet | None
    pair: Pair | None
    sample: int | None
    effect: float | None


def read_cards(hits: Sequence[SearchHit]) -> list[Card]:
    """Cards for the hits of one page: three queries, however many hits."""
    pairs = read_pairs([hit.sheet for hit in hits if hit.sheet is not None])
    versions = [hit.version.pk for hit in hits]
    sizes = dict(
        File.objects.filter(version_id__in=versions)
        .values_list("version_id")
        .annotate(size=Max("blob__size"))
        .order_by("version_id")
    )
    samples = dict(
        Sample.objects.filter(version_id__in=versions)
        .order_by("version_id", "position", "id")
        .distinct("version_id")
        .values_list("version_id", "id")
    )
    return [
        Card(
            adapter=hit.adapter,
            version=hit.version,
            outcome=hit.outcome,
            conditions=hit.conditions,
            base_label=words.family(hit.base_label) if hit.base_label else words.family("unknown"),
            kind=kind_of(hit.inspection.algorithm, hit.inspection.rank_max) if hit.inspection else "",
            size=sizes.get(hit.version.pk),
            sheet=hit.sheet,
            pair=pairs.get(hit.sheet.pk) if hit.sheet else None,
            sample=samples.get(hit.version.pk),
            effect=effect_of(hit.sheet),
        )
        for hit in hits
    ]


def kind_of(algorithm: str, rank: int | None) -> str:
    """`LoRA r32`: the algorithm with its largest rank; empty where neither is known."""
    name = words.algorithm(algorithm) if algorithm else ""
    return f"{name} r{rank}" if name and rank else name
