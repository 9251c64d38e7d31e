"""Tells which files of a folder would be taken in as they were the last time, so that a scan passes them by.

What a version is made of is told by a mark, a digest of the stat of everything that was read for it under one
edition of readers and tables, and by the state of its rows. Only while both are the same is it left alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final

from django.db import transaction

from registry import storage
from registry.basis import current_basis
from registry.errors import error_class
from registry.models import BaseModel, BaseModelAlias, File, Inspection, Sample, ScannedPath, TermsClaim
from registry.scans import STEP_NS, key_in
from registry.sources.listing import Mark
from registry.sources.text import json_value, shown
from registry.sources.walk import Candidate, Failure

_BATCH: Final = 500
_REGISTRY: Final = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Edition:
    """What is read the same way has the same digests: `reader` of the weights, `whole` of everything."""

    reader: str
    whole: str


@dataclass(frozen=True, slots=True)
class Unchanged:
    """A file that would be taken in as it was: the ids of adapter and version, its blob and listing."""

    candidate: Candidate
    adapter: int
    version: int
    sha256: str
    listing: str


@dataclass(slots=True)
class Sorted:
    """Files told apart: left alone, refused again, and those that have to be read.

    `touched`: the listings that a file which has to be read was part of the last time.
    """

    unchanged: list[Unchanged] = field(default_factory=list)
    refused: list[Failure] = field(default_factory=list)
    others: list[Candidate] = field(default_factory=list)
    touched: set[str] = field(default_factory=set)

    def rejoining(self, listings: set[str]) -> list[Candidate]:
        """Take out the unchanged files that share one of these listings, or one touched, with a file that is
        read: what is put together is read together.
        """
        shared = listings | self.touched
        joining = [each.candidate for each in self.unchanged if each.listing in shared]
        self.unchanged = [each for each in self.unchanged if each.listing not in shared]
        return joining


def current_edition(reader: str, *options: object) -> Edition:
    """The edition of the readers and of the tables they look names up in.

    `reader`: the stated edition; `options`: whatever else a reading depends on. Two queries and a third for
    the licenses.
    """
    bases = [
        list(BaseModel.objects.order_by("pk").values_list()),
        list(BaseModelAlias.objects.order_by("pk").values_list()),
    ]
    own = _digest([reader, _code()])
    return Edition(own, _digest([own, current_basis().table.revision, bases, options]))


def listing_digest(name: Sequence[str]) -> str:
    """What `Mark.listing` holds for the files that are put together under `name`."""
    return _digest(list(name))


def mark_of(candidate: Candidate, listing: str, asked: Iterable[str], edition: Edition, began: int) -> Mark:
    """The mark of a file, from its folder's stats; an empty digest where one is too young to trust.

    `began`: when the reading began, nanoseconds since 1970.
    """
    names = tuple(asked)
    seen = _seen(candidate, names)
    young = any(stat is not None and stat[2] >= began - STEP_NS for _, stat in seen)
    # A name that the database cannot hold would never be found again.
    trusted = not young and json_value(list(names)) == list(names)
    return Mark(_key(candidate), _digest([edition.whole, seen]) if trusted else "", listing, names)


@dataclass(frozen=True, slots=True)
class State:
    """Digest of the rows that a reading writes and compares with, and the blobs of the pictures."""

    digest: str
    pictures: tuple[str, ...]


class Memory:
    """What earlier scans knew, in batches; and what this one leaves for the next."""

    def __init__(self, edition: Edition) -> None:
        self.edition = edition
        self._kept: list[tuple[Mark, int]] = []
        self._held: dict[str, bool] = {}

    def sort(self, candidates: Sequence[Candidate]) -> Sorted:
        """Tell the files apart; opens none."""
        found = Sorted()
        for start in range(0, len(candidates), _BATCH):
            self._sort(candidates[start : start + _BATCH], found)
        return found

    def _sort(self, batch: Sequence[Candidate], found: Sorted) -> None:
        keys = [_key(candidate) for candidate in batch]
        held = ScannedPath.objects.filter(key__in=keys).select_related("version")
        rows = {row.key: row for row in held.defer("version__notes", "version__trigger_words")}
        known = [(candidate, rows.get(key)) for candidate, key in zip(batch, keys, strict=True)]
        states = states_of({row.version_id for _, row in known if row and row.version_id is not None})
        for candidate, row in known:
            if row is None:
                found.others.append(candidate)
            elif failure := self._refusal(candidate, row):
                found.refused.append(failure)
            elif row.version is not None and self._stands(candidate, row, states):
                ids = row.version.adapter_id, row.version.pk, str(row.blob_id)
                found.unchanged.append(Unchanged(candidate, *ids, row.listing))
            else:
                found.others.append(candidate)
                if row.listing:
                    found.touched.add(row.listing)

    def _stands(self, candidate: Candidate, row: ScannedPath, states: dict[int, State]) -> bool:
        state = states.get(row.version_id or 0)
        if row.blob_id is None or state is None or row.state != state.digest:
            return False
        if row.mark != _digest([self.edition.whole, _seen(candidate, row.asked)]):
            return False
        return all(self._holds(blob) for blob in (row.blob_id, *state.pictures))

    def _holds(self, sha256: str) -> bool:
        if sha256 not in self._held:
            self._held[sha256] = storage.holds(sha256)
        return self._held[sha256]

    def _refusal(self, candidate: Candidate, row: ScannedPath) -> Failure | None:
        if not row.refusal or row.refused_by != self.edition.reader:
            return None
        if candidate.folder.stat(candidate.path.name) != (int(row.inode), row.size, row.mtime_ns):
            return None
        cause = error_class(str(row.refusal["code"]))
        if cause is None:
            return None
        error = cause(row.refusal["message"], next_step=row.refusal["next_step"])
        return Failure(shown(candidate.path), error)

    def keep(self, mark: Mark | None, version: int) -> None:
        """Remember that the file is the version's, whole and without anything left to be tried again."""
        if mark is not None and mark.digest:
            self._kept.append((mark, version))
        if len(self._kept) >= _BATCH:
            self.flush()

    def flush(self) -> None:
        """Write down what was kept."""
        states = states_of({version for _, version in self._kept})
        rows = [
            ScannedPath(
                key=mark.key,
                version_id=version,
                listing=mark.listing,
                asked=list(mark.asked),
                mark=mark.digest,
                state=states[version].digest,
            )
            for mark, version in self._kept
            if version in states
        ]
        with transaction.atomic():
            # Two scans of one folder take the rows in the same order. Files that are not trusted have no row.
            held = ScannedPath.objects.filter(key__in=[row.key for row in rows]).order_by("key")
            list(held.select_for_update().values_list("key"))
            ScannedPath.objects.bulk_update(rows, ["version", "listing", "asked", "mark", "state"], _BATCH)
        self._kept.clear()


def states_of(versions: set[int]) -> dict[int, State]:
    """The states of these versions, in four queries."""
    rows: dict[int, list[object]] = {version: [] for version in versions}
    pictures: dict[int, list[str]] = {version: [] for version in versions}
    blobs: dict[str, list[int]] = {}
    claims = TermsClaim.objects.filter(version__in=versions, superseded=False).order_by("pk")
    told = ("pk", "kind", "standing", "value", "wording", "snapshot")
    for version, *claim in claims.values_list("version", *told):
        rows[version].append(claim)
    files = File.objects.filter(version__in=versions).order_by("pk")
    for version, blob in files.values_list("version", "blob"):
        rows[version].append(blob)
        blobs.setdefault(blob, []).append(version)
    samples = Sample.objects.filter(version__in=versions).order_by("pk")
    for version, blob in samples.values_list("version", "blob"):
        rows[version].append(blob)
        pictures[version].append(blob)
    readings = Inspection.objects.filter(blob__in=list(blobs)).order_by("pk")
    for blob, reading in readings.values_list("blob", "pk"):
        for version in blobs[blob]:
            rows[version].append(reading)
    return {version: State(_digest(rows[version]), tuple(pictures[version])) for version in versions}


def _key(candidate: Candidate) -> str:
    return key_in(candidate.folder.real, candidate.path.name)


def _seen(candidate: Candidate, asked: Iterable[str]) -> list[tuple[str, tuple[int, int, int] | None]]:
    """Every file that has a say, by name, with its stat."""
    folder, path = candidate.folder, candidate.path
    names = dict.fromkeys([path.name, *folder.beside(path), *asked])
    return [(name, folder.stat(name)) for name in names]


@cache
def _code() -> str:
    """Digest of all code that reads: a release that reads another way is noticed, with no number to raise."""
    files = (
        path
        for part in ("sources", "licensing", "weights")
        for path in sorted((_REGISTRY / part).rglob("*"))
        if path.suffix in {".py", ".toml", ".json"}
    )
    return _digest(
        [(str(path.relative_to(_REGISTRY)), hashlib.sha256(path.read_bytes()).hexdigest()) for path in files]
    )


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()
