"""What a remote weights file is, by its header alone: a few ranges of bytes before anything is fetched."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from registry.sources.text import json_value
from registry.weights.container import read_container
from registry.weights.inspection import Inspection, inspect_header

Ranges = Callable[[int, int], bytes]
"""The bytes of a file from one place up to another, the latter not included."""

# One request is enough for most headers: those of adapters are 35 kB to 600 kB, of PEFT's and kohya's small
# ones a few kB. What is left of a longer one takes a second request.
_FIRST = 64 * 1024
# What of the metadata is worth keeping with an offer: not the lists of captions, which are megabytes.
_LONGEST_VALUE = 1000


@dataclass(frozen=True, slots=True)
class Triage:
    """What the header of a remote file tells. `size`: of the whole file in bytes; `read`: what this cost.

    `inspection` is that of `manage.py inspect` without what only the rest of the bytes tell (alphas, digests,
    NaN); its `container` says what a file is that is no safetensors at all, its `error` why.
    """

    inspection: Inspection
    metadata: dict[str, str]
    size: int
    read: int

    def as_dict(self) -> dict[str, Any]:
        """JSON for OfferedFile.triage: the inspect contract's object, with `metadata`, `size` and `read`."""
        told = self.inspection.as_dict()
        del told["path"], told["hashes"]
        short = {name: value for name, value in self.metadata.items() if len(value) <= _LONGEST_VALUE}
        kept: dict[str, Any] = json_value(told | {"metadata": short, "size": self.size, "read": self.read})
        return kept


def triage(ranges: Ranges, name: str, size: int) -> Triage:
    """Read the header of a file of `size` bytes, called `name`, through `ranges`; raises what that raises.

    Never raises for what the file holds. Costs one request, or two where the header is longer than 64 KiB; a
    header over the limit of registry.weights.container is not read.
    """
    window = _Window(ranges, size)
    container = read_container(window.read, size)
    metadata = container.header.metadata if container.header else {}
    return Triage(inspect_header(name, container), metadata, size, window.cost)


class _Window:
    """The beginning of a file as far as it was read, in few and large pieces."""

    def __init__(self, ranges: Ranges, size: int) -> None:
        self._ranges = ranges
        self._size = size
        self._held = b""
        self.cost = 0

    def read(self, start: int, end: int) -> bytes:
        end = min(end, self._size)
        if end > len(self._held):
            upto = min(max(end, _FIRST), self._size)
            more = self._ranges(len(self._held), upto)
            self.cost += len(more)
            self._held += more
        return self._held[start:end]
