"""How the pictures of a batch share memory: all at once, or on a rung below when that is too much."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class BatchLayout:
    """`at_once` pictures go through the denoiser together, 0 means all of the batch.

    With `slice_vae` they are decoded one by one; with `offload` only the part of the base that works is on
    the device. All cells of a sheet are made in one layout: the last bits of a picture depend on it.
    """

    at_once: int = 0
    slice_vae: bool = False
    offload: bool = False

    def narrower(self, pictures: int) -> BatchLayout | None:
        """The next rung for a batch of so many pictures; None when there is none.

        First what costs no time, then smaller batches down to one picture, then what costs most.
        """
        at_once = min(self.at_once or pictures, pictures)
        if at_once > 1 and not self.slice_vae:
            return replace(self, slice_vae=True)
        if at_once > 1:
            return replace(self, at_once=at_once // 2)
        return None if self.offload else replace(self, at_once=at_once, offload=True)

    def parts(self, pictures: int) -> Iterator[slice]:
        """The pieces that a batch of so many pictures is rendered in."""
        length = self.at_once or max(pictures, 1)
        for start in range(0, pictures, length):
            yield slice(start, min(start + length, pictures))

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values; nothing for the usual layout, so that it adds nothing to a cell's key."""
        values = {"at_once": self.at_once, "slice_vae": self.slice_vae, "offload": self.offload}
        return {name: value for name, value in values.items() if value}


_LONGEST_REASON = 200


def first_line(error: Exception) -> str:
    """The first line of what an error says, short enough for a row: torch writes pages."""
    lines = str(error).strip().splitlines()
    return lines[0][:_LONGEST_REASON] if lines else type(error).__name__


WHOLE = BatchLayout()
"""The usual layout: the whole batch at once, everything on the device."""
