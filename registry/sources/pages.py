"""Page: one page of what an upstream lists, with the cursor from which to go on after it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from registry.sources.listing import Listing
from registry.sources.walk import Failure


@dataclass(frozen=True, slots=True)
class Page:
    """Adapters as an upstream lists them, in its order; each listing has its `fingerprint` filled in.

    `cursor`: where to go on once this page is kept, None after the last one; opaque to everybody but the
    client that made it. `failures`: items of the page that could not be read; the others are in `listings`.
    `notes`: what a person should know of the page, such as a filter that the upstream ignored. `total`:
    how many items the upstream announces in all, None where it does not tell.
    """

    listings: list[Listing]
    cursor: str | None
    failures: list[Failure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    total: int | None = None


class Pages(Protocol):
    """A client of one kind of upstream.

    `kind`: a registry.models.SubscriptionKind (`creator`, `tag`, `query`, `collection`, `adapter`, ...);
    `target`: what is subscribed to, as a person writes it; `adapter` with an adapter's `source_key` gives one
    page with that adapter alone. `cursor`: None from the beginning, else that of the last page kept.

    A page is asked for when its turn comes, so whoever stops reading stops asking. Raises UpstreamError
    (registry/sources/upstream_errors.py) when a page cannot be had after the door's own attempts: asking
    again later with the same cursor goes on there.
    """

    def __call__(self, kind: str, target: str, cursor: str | None) -> Iterator[Page]: ...
