"""Two versions of an adapter side by side: what became of the terms, the weights and the metadata."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from catalog.pages import training_words, weight_words
from catalog.pages.numbers import amount, counted, decimal, list_of, mapping, number, percent, rows_of
from catalog.pages.reading.facts import claim_text
from catalog.pages.reading.training import fact_text
from registry.analysis import measured_diff
from registry.main_files import main_files
from registry.models import ClaimKind, File, Inspection, Standing, TermsClaim, Version
from registry.version_diff import ActChange, ClaimChange, Side, diff_terms, moment
from registry.weights.versions import diff_metadata

# Metadata lines in view; the API has them all.
MOST_LINES = 40
# Blocks whose direction changed most are named in a sentence.
NAMED = 3


@dataclass(frozen=True)
class ActLine:
    """One act whose verdict or conditions changed."""

    act: str
    direction: str
    before: Side
    after: Side
    gained: list[str]
    lost: list[str]


@dataclass(frozen=True)
class Said:
    """A claim in words, with the day it was read or made and where."""

    text: str
    at: datetime
    source: str


@dataclass(frozen=True)
class ClaimLine:
    """Claims of one kind and standing, before and after."""

    kind: str
    standing: str
    before: list[Said]
    after: list[Said]


@dataclass(frozen=True)
class BlockLine:
    """One block: how far its direction stayed (`width` as SVG writes it) and how its size changed."""

    name: str
    direction: str
    width: str
    size: str
    old: str
    new: str


@dataclass(frozen=True)
class WeightChange:
    """How the weights differ. `state` as in `registry.analysis.Measured`, or `same` or `no_file`."""

    state: str
    code: str = ""
    message: str = ""
    sentence: str = ""
    most_changed: str = ""
    direction: str = ""
    size: str = ""
    ranks: str = ""
    added: list[str] = field(default_factory=list)
    added_count: int = 0
    removed: list[str] = field(default_factory=list)
    removed_count: int = 0
    rank_changed: int = 0
    left_out: int = 0
    blocks: list[BlockLine] = field(default_factory=list)


@dataclass(frozen=True)
class MetadataLine:
    """One statement that differs."""

    label: str
    before: str
    after: str


@dataclass(frozen=True)
class Comparison:
    """Everything that differs; `old` was published (or taken in) before `new`."""

    old: Version
    new: Version
    acts: list[ActLine]
    claims: list[ClaimLine]
    weights: WeightChange
    metadata: list[MetadataLine]


def read_comparison(one: Version, other: Version, facts: Mapping[str, Any]) -> Comparison:
    """The two versions compared, the older first, in four queries."""
    old, new = sorted((one, other), key=moment)
    files = main_files((old, new))
    terms = diff_terms(old, new, facts)
    before, after = (files.get(each.pk) for each in (old, new))
    return Comparison(
        old=old,
        new=new,
        acts=[_act(change) for change in terms.acts],
        claims=[_claim(change) for change in terms.claims],
        weights=_weights(old, new, before, after),
        metadata=_metadata(before, after),
    )


def _act(change: ActChange) -> ActLine:
    before, after = set(change.before.conditions), set(change.after.conditions)
    return ActLine(
        change.act,
        change.direction,
        change.before,
        change.after,
        [each for each in change.after.conditions if each not in before],
        [each for each in change.before.conditions if each not in after],
    )


def _claim(change: ClaimChange) -> ClaimLine:
    return ClaimLine(
        str(ClaimKind(change.kind).label),
        str(Standing(change.standing).label),
        [_said(claim) for claim in change.before],
        [_said(claim) for claim in change.after],
    )


def _said(claim: TermsClaim) -> Said:
    snapshot = claim.snapshot
    return Said(
        claim_text(claim)[:300],
        snapshot.fetched if snapshot else claim.created,
        snapshot.url if snapshot else _("decided by a person"),
    )


# --- Weights ------------------------------------------------------------------------------------------------


def _weights(old: Version, new: Version, before: File | None, after: File | None) -> WeightChange:
    if before is None or after is None:
        return WeightChange("no_file")
    if before.blob_id == after.blob_id:
        return WeightChange("same")
    found = measured_diff(old, new, before.blob_id, after.blob_id)
    if found.data is None:
        return WeightChange(found.state, code=found.code, message=found.message)
    return weight_change(found.data)


def weight_change(data: Mapping[str, Any]) -> WeightChange:
    """The stored difference of two files in words and numbers."""
    blocks = rows_of(data.get("blocks"))
    change = number(data.get("norm_change"))
    return WeightChange(
        state="done",
        sentence=weight_words.change(
            same=bool(data.get("same_weights")),
            shared=int(number(data.get("shared")) or 0),
            cosine=number(data.get("cosine")),
            change=change,
        ),
        most_changed=_most_changed(blocks),
        direction=_cosine(data.get("cosine")),
        size=_grown(change),
        ranks=_ranks(mapping(data.get("rank"))),
        added=[str(each) for each in list_of(data.get("added"))],
        added_count=counted(data, "added"),
        removed=[str(each) for each in list_of(data.get("removed"))],
        removed_count=counted(data, "removed"),
        rank_changed=counted(data, "rank_changed"),
        left_out=counted(data, "left_out"),
        blocks=[_block(block) for block in blocks],
    )


def _block(block: Mapping[str, Any]) -> BlockLine:
    cosine = number(block.get("cosine"))
    return BlockLine(
        name=str(block.get("name", "")),
        direction=_cosine(cosine),
        width=f"{100 * min(max(cosine or 0.0, 0.0), 1.0):.1f}%",
        size=_grown(number(block.get("norm_change"))),
        old=amount(block.get("old")),
        new=amount(block.get("new")),
    )


def _most_changed(blocks: Iterable[Mapping[str, Any]]) -> str:
    known = [(cosine, block) for block in blocks if (cosine := number(block.get("cosine"))) is not None]
    moved = sorted((each for each in known if each[0] < 0.99), key=lambda each: each[0])[:NAMED]
    if len(known) < 2 or not moved:
        return ""
    named = _(", ").join(str(block.get("name")) for _value, block in moved)
    return _("Changed most: %(blocks)s.") % {"blocks": named}


def _cosine(value: Any) -> str:
    cosine = number(value)
    return "–" if cosine is None else decimal(cosine, 2)


def _grown(change: float | None) -> str:
    """`+12 %`: how much larger the new norm is than the old."""
    if change is None:
        return "–"
    if abs(change - 1) < 0.005:
        return _("unchanged")
    return f"{'+' if change > 1 else '−'}{percent(abs(change - 1))}"


def _ranks(rank: Mapping[str, Any]) -> str:
    old, new = (number(mapping(rank.get(side)).get("median")) for side in ("old", "new"))
    if old is None or new is None or old == new:
        return ""
    return f"{old:g} → {new:g}"


# --- Metadata -----------------------------------------------------------------------------------------------


def _metadata(old: File | None, new: File | None) -> list[MetadataLine]:
    files = [file for file in (old, new) if file is not None]
    rows = Inspection.objects.filter(blob__in=[file.blob_id for file in files]).order_by("created", "id")
    readings = {row.blob_id: row.data for row in rows}
    if len(files) < 2 or not all(file.blob_id in readings for file in files):
        return []
    return metadata_lines(*(readings[file.blob_id] for file in files))


def metadata_lines(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[MetadataLine]:
    """What two inspections state differently, in words; hashes always differ and are left out."""
    diff = diff_metadata(old, new)
    found = {key: (before, after) for key, (before, after) in diff.changed.items()}
    found |= {key: (None, value) for key, value in diff.added.items()}
    found |= {key: (value, None) for key, value in diff.removed.items()}
    lines = []
    if diff.words_added or diff.words_removed:
        words = _(", ").join(diff.words_removed), _(", ").join(diff.words_added)
        lines.append(MetadataLine(_("Trigger words found in the file"), *words))
    for key in sorted(found, key=_place):
        part, _dot, name = key.rpartition(".")
        if part != "hashes" and name not in training_words.SHOWN_ELSEWHERE:
            before, after = (fact_text(name, value) for value in found[key])
            lines.append(MetadataLine(training_words.fact(name), before, after))
    return lines[:MOST_LINES]


def _place(key: str) -> tuple[int, str]:
    return training_words.order(key.rpartition(".")[2]), key
