"""The hands of a sheet for programs: who looked for them, and each crop with its picture and the base's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.urls import reverse
from rest_framework import serializers

from inference.models import Sheet, SheetState

_SIDES = ("left", "top", "right", "bottom")


class BoxSerializer(serializers.Serializer[Any]):
    """A part of a cell in its pixels, right and bottom exclusive; both addresses show that part, enlarged."""

    left = serializers.IntegerField()
    top = serializers.IntegerField()
    right = serializers.IntegerField()
    bottom = serializers.IntegerField()
    image_url = serializers.URLField()
    base_image_url = serializers.URLField(allow_null=True)


class HandsCellSerializer(serializers.Serializer[Any]):
    """A picture with something to look at."""

    row = serializers.IntegerField()
    column = serializers.IntegerField()
    boxes = BoxSerializer(many=True)


class HandsSerializer(serializers.Serializer[Any]):
    """What a reviewer looks at. Without a detector the boxes are guesses: busy places, whatever they show."""

    detector = serializers.CharField(
        allow_blank=True, help_text="file name and SHA256; empty: nobody looked for hands"
    )
    code = serializers.CharField(allow_blank=True, help_text="why the detector set up here was not used")
    reason = serializers.CharField(allow_blank=True)
    looked = serializers.IntegerField(help_text="pictures that were looked at")
    cells = HandsCellSerializer(many=True)


def hands_of(sheet: Sheet, absolute: Callable[[str], str]) -> dict[str, Any] | None:
    """The hands of a sheet whose places came with it, as they were kept when it was finished.

    None where there is nothing to judge; `absolute` makes whole addresses of paths.
    """
    told = sheet.metrics.get("hands")
    if not told or sheet.state != SheetState.DONE:
        # While it is rendered anew its metrics are still those of the pictures before.
        return None
    keys = {(place.row, place.column): place.cell_id for place in sheet.places.all()}
    columns = sheet.plan.get("columns") or []

    def crop(row: int, column: int, box: Mapping[str, int]) -> str | None:
        key = keys.get((row, column))
        corners = [box[side] for side in _SIDES]
        return absolute(reverse("images:crop", args=[key, *corners])) if key else None

    cells = []
    for cell in told["cells"]:
        row, column = cell["row"], cell["column"]
        twin = columns[column]["twin"] if column < len(columns) else 0
        boxes = [
            {**box, "image_url": crop(row, column, box), "base_image_url": crop(row, twin, box)}
            for box in cell["boxes"]
        ]
        cells.append({"row": row, "column": column, "boxes": [box for box in boxes if box["image_url"]]})
    return {**told, "cells": [cell for cell in cells if cell["boxes"]]}
