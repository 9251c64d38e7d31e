"""Finds the kin of an adapter by its weights: copies in any disguise, resized ones, merges and parents."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from django.db import connection, transaction
from django.db.models import Window
from django.db.models.functions import RowNumber

from registry import lineage_index
from registry.checks import latest_inspection
from registry.errors import KuraError
from registry.main_files import MEASURABLE
from registry.models import Blob, File, Inspection, Kinship, Relation, Version
from registry.models import Sketch as SketchRow
from registry.storage import local_path
from registry.weights.family_table import SUB_FAMILIES
from registry.weights.inspection import inspect_file
from registry.weights.kinship import PARENT, SAME, Alike, Composition, alike, composition
from registry.weights.sketch import EDITION, Sketch, sketch_file

# A version with more weight files than this is a dump of a folder; the first ones are looked at.
MOST_FILES: Final = 8
# Adapters are far below; what is above is not read at ingest.
MOST_BYTES: Final = 8 * 2**30
# The whole of such kin is in the version: a copy, so that their terms bind it too.
COPIES: Final = frozenset({Relation.SAME_WEIGHTS, Relation.RE_UPLOAD, Relation.RESIZED})
_CANDIDATES: Final = 50
_MOST_KIN: Final = 200
# Of how many older kin the composition is looked at anew, and among how many of their own kin each.
_COMPLETED: Final = 8
_COMPLETED_AMONG: Final = 16
_MIXED: Final = frozenset({Relation.PART_OF, Relation.SIMILAR})
# An ingredient of little weight counts where all ingredients together explain this much.
_EXPLAINED: Final = 0.5
# Any fixed number will do: it names the lock that makes ids of sketches appear in their order.
_ORDER_LOCK: Final = 0x736B6574
_CLOSEST_FIRST: Final = {relation: place for place, relation in enumerate(Relation.values)}


Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Kin:
    """A version related to another by its weights, as seen from that other.

    `relation`: same_weights, re_upload, resized, part_of (one was merged from the other) or similar.
    `cosine` of the two whole changes; `share` of the energy of the other's change that this one explains.
    """

    version: Version
    relation: str
    cosine: float
    share: float


@dataclass(frozen=True, slots=True)
class Made:
    """Of which stored adapters a file is made.

    `copies`: (blob, cosine) of what it is itself, under whatever name. `ingredients`: (blob, weight it was
    merged at, share of the energy, cosine). `residual`: the share that nothing known explains.
    """

    family: str
    modules: int
    copies: tuple[tuple[str, float], ...]
    ingredients: tuple[tuple[str, float, float, float], ...]
    residual: float


# --- Asking -------------------------------------------------------------------------------------------------


def kin_of(version: Version, *, same_adapter: bool = False) -> list[Kin]:
    """Versions whose weights are related to those of `version`, the closest first; in three queries.

    Versions of the same adapter are left out unless `same_adapter`.
    """
    return kin_of_each([version], same_adapter=same_adapter)[version.pk]


def kin_of_each(
    versions: Sequence[Version], *, same_adapter: bool = False, limit: int = _MOST_KIN
) -> dict[int, list[Kin]]:
    """`kin_of` several versions, by their ids, in the same three queries; of each the `limit` closest."""
    blobs: dict[int, dict[str, tuple[str, float, float]]] = {version.pk: {} for version in versions}
    asked: dict[str, list[int]] = {}
    for pk, blob in File.objects.filter(version__in=blobs).values_list("version", "blob"):
        blobs[pk][blob] = (Relation.SAME_WEIGHTS, 1.0, 1.0)
        asked.setdefault(blob, []).append(pk)
    place = Window(RowNumber(), partition_by="blob", order_by="-cosine")
    rows = Kinship.objects.filter(blob__in=list(asked)).annotate(place=place).filter(place__lte=limit)
    for link in rows.order_by("-cosine"):
        for pk in asked[link.blob_id]:
            known = blobs[pk].get(link.other_id)
            if known is None or _CLOSEST_FIRST[link.relation] < _CLOSEST_FIRST[known[0]]:
                blobs[pk][link.other_id] = (link.relation, link.cosine, link.share)
    holders = _holders({blob for found in blobs.values() for blob in found}, limit)
    return {
        version.pk: _closest(version, blobs[version.pk], holders, same_adapter, limit) for version in versions
    }


def _holders(blobs: set[str], limit: int) -> dict[str, list[Version]]:
    """The versions that have each of these blobs, at most `limit` of each."""
    place = Window(RowNumber(), partition_by="blob", order_by="id")
    files = File.objects.filter(blob__in=blobs).annotate(place=place).filter(place__lte=limit)
    found: dict[str, list[Version]] = {}
    for file in files.select_related("version__adapter__creator", "version__terms_profile").order_by("id"):
        found.setdefault(file.blob_id, []).append(file.version)
    return found


def _closest(
    version: Version,
    blobs: dict[str, tuple[str, float, float]],
    holders: dict[str, list[Version]],
    same_adapter: bool,
    limit: int,
) -> list[Kin]:
    closest: dict[int, Kin] = {}
    for blob, seen in blobs.items():
        for other in holders.get(blob, []):
            if other.pk == version.pk or (not same_adapter and other.adapter_id == version.adapter_id):
                continue
            kin = Kin(other, *seen)
            known = closest.get(other.pk)
            if known is None or _order(kin) < _order(known):
                closest[other.pk] = kin
    return sorted(closest.values(), key=_order)[:limit]


def _order(kin: Kin) -> tuple[int, float, int]:
    return (_CLOSEST_FIRST[kin.relation], -kin.cosine, kin.version.pk)


def made_of(path: Path) -> Made:
    """Of which stored adapters the file `path` is made. Raises a WeightsError when it cannot be sketched."""
    reading = inspect_file(path, hashes=False)
    sketch = sketch_file(path, reading.family)
    family = SUB_FAMILIES.get(reading.family, reading.family)
    rows = _candidates(sketch, _partitions(family, reading.family_candidates), not_blob="")
    return _made(sketch, family, rows)


def made_of_blob(row: SketchRow) -> Made:
    """Of which other stored adapters a stored one is made."""
    sketch = Sketch.from_bytes(row.data)
    return _made(sketch, row.family, _candidates(sketch, _partitions_of(row), not_blob=row.blob_id))


def _made(sketch: Sketch, family: str, rows: Sequence[tuple[str, Sketch]]) -> Made:
    table = alike([sketch, *(other for _, other in rows)])
    found = [table.likeness(0, place) for place in range(1, len(rows) + 1)]
    copies = [
        (rows[at][0], each.cosine) for at, each in enumerate(found) if each.cosine >= SAME and each.certain
    ]
    others, composed = _composed(table)
    return Made(
        family,
        len(sketch.keys),
        tuple(sorted(copies, key=lambda copy: -copy[1])),
        tuple(
            (rows[others[part.index] - 1][0], part.weight, part.share, part.cosine)
            for part in composed.ingredients
        ),
        composed.residual,
    )


# --- Keeping ------------------------------------------------------------------------------------------------


def relate(version: Version) -> bool:
    """Sketch the version's files that have no sketch, and note their kin; whether anything was new.

    A file that cannot be sketched gets an empty row, so that it is not tried again. Safe to run twice and in
    several processes at once. Must not run inside a transaction that takes long: whoever relates another
    version waits for it. Raises LineageIndexUnusable; what was not noted is tried again by the next run.
    """
    files = version.files.filter(MEASURABLE, blob__sketch=None)
    blobs = list(Blob.objects.filter(files__in=files).distinct().order_by("sha256")[:MOST_FILES])
    for blob in blobs:
        _take_up(blob)
    return bool(blobs)


def _take_up(blob: Blob) -> None:
    """Sketch one blob, and note it with its kin in one step."""
    reading = latest_inspection(blob.pk)
    family = reading.family if reading else "unknown"
    values: dict[str, Any] = {"edition": EDITION, "family": SUB_FAMILIES.get(family, family)}
    try:
        sketch = sketch_file(local_path(blob), family) if blob.size <= MOST_BYTES else None
    except KuraError:
        sketch = None
    if sketch is None:
        values |= {"data": b"", "signature": b"", "norm": 0.0, "modules": 0, "skipped": 0}
    else:
        values |= {
            "data": sketch.to_bytes(),
            "signature": sketch.signature().tobytes(),
            "norm": sketch.norm,
            "modules": len(sketch.keys),
            "skipped": sketch.skipped,
        }
    with transaction.atomic():
        # Ids are given out before commits; the index follows them and must never see 8 before 7. And of two
        # copies that are taken in at once, the second must see the first.
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_ORDER_LOCK])
        row, created = SketchRow.objects.get_or_create(blob=blob, defaults=values)
        if created:
            note_kin(row)


def reindex(progress: Progress = lambda done, total: None) -> tuple[int, dict[str, int]]:
    """Sketch and relate every version with a file that has no sketch of this edition; build the index anew.

    Kinships of blobs without a sketch of this edition are forgotten first. Returns how many blobs were
    sketched and the size of each partition.
    """
    current = SketchRow.objects.filter(edition=EDITION)
    # What two sketches told of each other goes with either of them: an edition may not find it again.
    with transaction.atomic():
        SketchRow.objects.exclude(edition=EDITION).delete()
        Kinship.objects.exclude(blob__sketch__edition=EDITION, other__sketch__edition=EDITION).delete()
    before = current.count()
    files = File.objects.filter(MEASURABLE, blob__sketch=None).order_by()
    versions = list(files.values_list("version_id", flat=True).distinct())
    for done, pk in enumerate(sorted(versions)):
        progress(done, len(versions))
        relate(Version.objects.get(pk=pk))
    families = current.filter(modules__gt=0).order_by("family").values_list("family", flat=True).distinct()
    partitions = {family: lineage_index.refresh(family, rebuild=True).count for family in families}
    return current.count() - before, partitions


def sketches_of(version: Version) -> list[SketchRow]:
    """The sketches of the version's files, in their order."""
    rows = SketchRow.objects.filter(blob__files__version=version, edition=EDITION, modules__gt=0)
    return list(rows.order_by("blob__files__id").distinct())


def note_kin(row: SketchRow) -> list[Kinship]:
    """Find the kin of one sketched blob and note it from both sides."""
    if not row.modules:
        return []
    sketch = Sketch.from_bytes(row.data)
    rows = _candidates(sketch, _partitions_of(row), not_blob=row.blob_id)
    noted = _noted(row.blob_id, sketch, rows)
    # A parent that comes after its merge completes what the merge is known to be made of.
    mixed = [
        (blob, other)
        for blob, other in rows
        if (row.blob_id, blob) in noted and noted[row.blob_id, blob].relation in _MIXED
    ]
    for blob, other in mixed[:_COMPLETED]:
        known = Kinship.objects.filter(blob=blob).exclude(other=row.blob_id).order_by("-cosine")
        near = [row.blob_id, *known.values_list("other_id", flat=True)[:_COMPLETED_AMONG]]
        noted |= _noted(blob, other, _sketches(near))
    Kinship.objects.bulk_create(
        noted.values(),
        update_conflicts=True,
        unique_fields=["blob", "other"],
        update_fields=["relation", "cosine", "share"],
    )
    return [link for (blob, _), link in noted.items() if blob == row.blob_id]


def _noted(blob: str, sketch: Sketch, rows: Sequence[tuple[str, Sketch]]) -> dict[tuple[str, str], Kinship]:
    """Rows of kinship between `blob` and each of `rows` that is certain, from both sides."""
    table = alike([sketch, *(other for _, other in rows)])
    others, composed = _composed(table)
    parts = {rows[others[part.index] - 1][0]: part.share for part in composed.ingredients}
    ranks = _ranks([blob, *(name for name, _ in rows)])
    digests = dict(Blob.objects.filter(pk__in=[blob, *(n for n, _ in rows)]).values_list("sha256", "autov3"))
    noted: dict[tuple[str, str], Kinship] = {}
    for place, (name, _) in enumerate(rows, 1):
        found = table.likeness(0, place)
        if not found.certain:
            continue
        explained = name in parts and 1.0 - composed.residual >= _EXPLAINED
        if found.cosine >= SAME:
            same = digests[blob] and digests[blob] == digests[name]
            resized = None not in (ranks.get(blob), ranks.get(name)) and ranks[blob] != ranks[name]
            relation = Relation.SAME_WEIGHTS if same else Relation.RESIZED if resized else Relation.RE_UPLOAD
        elif found.cosine >= PARENT or explained:
            relation = Relation.PART_OF
        else:
            relation = Relation.SIMILAR
        whole = found.cosine**2
        for one, other, share in ((blob, name, parts.get(name, whole)), (name, blob, whole)):
            noted[one, other] = Kinship(
                blob_id=one, other_id=other, relation=relation, cosine=found.cosine, share=share
            )
    return noted


def _composed(table: Alike) -> tuple[list[int], Composition]:
    """The places in `table` of what is no copy of the first sketch nor of another, and what that is made of
    among them.
    """
    others: list[int] = []
    for place in range(1, len(table.norms)):
        found = table.likeness(0, place)
        if not found.certain or found.cosine >= SAME:
            continue
        if all(table.cosines[place, kept] < SAME for kept in others):
            others.append(place)
    return others, composition(table, 0, others)


def _candidates(sketch: Sketch, families: Iterable[str], not_blob: str) -> list[tuple[str, Sketch]]:
    ids = lineage_index.nearest(sketch.signature(), families, _CANDIDATES + 1)
    rows = SketchRow.objects.filter(pk__in=ids, edition=EDITION).exclude(blob=not_blob)
    found = {
        pk: (blob, Sketch.from_bytes(data)) for pk, blob, data in rows.values_list("pk", "blob_id", "data")
    }
    return [found[pk] for pk in ids if pk in found]


def _sketches(blobs: Sequence[str]) -> list[tuple[str, Sketch]]:
    rows = SketchRow.objects.filter(blob__in=blobs, edition=EDITION, modules__gt=0).order_by("id")
    return [(blob, Sketch.from_bytes(data)) for blob, data in rows.values_list("blob_id", "data")]


def _partitions(family: str, candidates: Iterable[str]) -> list[str]:
    """Where kin may be: a file whose family is undecided may be of any of its candidates."""
    if family != "unknown":
        return [family, "unknown"]
    return ["unknown", *sorted({SUB_FAMILIES.get(each, each) for each in candidates})]


def _partitions_of(row: SketchRow) -> list[str]:
    if row.family != "unknown":
        return _partitions(row.family, ())
    reading = latest_inspection(row.blob_id)
    return _partitions(row.family, (reading.data.get("family_candidates") or ()) if reading else ())


def _ranks(blobs: Sequence[str]) -> dict[str, int | None]:
    """The largest rank in each blob, by its newest inspection."""
    rows = Inspection.objects.filter(blob__in=blobs).order_by("created", "id")
    return dict(rows.values_list("blob_id", "rank_max"))
