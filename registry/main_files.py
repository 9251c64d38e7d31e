"""Which of a version's files stands for it: the one that is measured, compared and shown first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from django.db.models import Q

from registry.models import File, FileState, Version

_CONTAINER: Final = "safetensors"
# `measurable` as a query.
MEASURABLE: Final = Q(state=FileState.STORED, blob__container=_CONTAINER)


def measurable(file: File) -> bool:
    """Whether the file's weights may be read: it is stored, and its bytes are safetensors."""
    return file.state == FileState.STORED and file.blob.container == _CONTAINER


def main_file(version: Version) -> File | None:
    """The file that a version is measured by: the first that is measurable."""
    return main_files([version]).get(version.pk)


def main_files(versions: Sequence[Version]) -> dict[int, File]:
    """`main_file` of several versions by their ids, in one query; without those that have none."""
    files = File.objects.filter(MEASURABLE, version__in=versions).order_by("version_id", "pk")
    return {file.version_id: file for file in files.distinct("version_id").select_related("blob")}


def shown_file(files: Iterable[File]) -> File | None:
    """The file that stands for a version to people: its main one, else the first stored, else the first."""
    at_hand = list(files)
    stored = (file for file in at_hand if file.state == FileState.STORED)
    return first_measurable(at_hand) or next(stored, None) or next(iter(at_hand), None)


def first_measurable(files: Iterable[File]) -> File | None:
    """`main_file` among files that are at hand with their blobs, in the order of their ids."""
    return next((file for file in files if measurable(file)), None)
