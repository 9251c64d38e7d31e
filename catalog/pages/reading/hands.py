"""The hands of a sheet as a reviewer looks at them: enlarged crops beside the same place of the base."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from catalog.pages.numbers import mapping, number, rows_of
from catalog.pages.reading.grid import Grid, Picture

# A sheet has at most twelve pictures of four crops; a broken one must not fill the page.
MOST_CROPS = 48


@dataclass(frozen=True)
class Crop:
    """A place of a picture, in its pixels, and of the base that it is compared with."""

    picture: Picture
    base: Picture
    left: int
    top: int
    right: int
    bottom: int


@dataclass(frozen=True)
class Hands:
    """What is to be looked at. `detector` is "" where nobody looked for hands; `code` and `reason` then tell
    why the detector that is set up was not used, and are "" where none is.
    """

    detector: str
    code: str
    reason: str
    looked: int
    pictures: int
    crops: list[Crop] = field(default_factory=list)


def read_hands(grid: Grid | None) -> Hands | None:
    """The hands of a finished sheet; None where there is nothing to judge. No query."""
    told = mapping(mapping(grid.sheet.metrics).get("hands")) if grid is not None else {}
    if grid is None or not told:
        return None
    crops = list(_crops(grid, told))[:MOST_CROPS]
    detector = str(told.get("detector") or "")
    if not crops and not detector:
        return None
    return Hands(
        detector=detector,
        code=str(told.get("code") or ""),
        reason=str(told.get("reason") or ""),
        looked=int(number(told.get("looked")) or 0),
        pictures=len({crop.picture.anchor for crop in crops}),
        crops=crops,
    )


def _crops(grid: Grid, told: Mapping[str, Any]) -> Iterator[Crop]:
    pictures = {
        (picture.row, picture.column): picture
        for row in grid.rows
        for picture in row.pictures
        if picture is not None
    }
    for cell in rows_of(told.get("cells")):
        picture = pictures.get((cell.get("row", -1), cell.get("column", -1)))
        base = pictures.get((picture.row, picture.twin)) if picture is not None else None
        if picture is None or base is None:
            # The sheet is being rendered anew.
            continue
        for box in rows_of(cell.get("boxes")):
            sides = [number(box.get(side)) for side in ("left", "top", "right", "bottom")]
            if all(side is not None and side >= 0 for side in sides):
                yield Crop(picture, base, *(int(side or 0) for side in sides))
