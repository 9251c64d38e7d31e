"""Page: one page of what an upstream lists, with the cursor from which to go on after it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from registry.sources.listing import Listing
from registry.sources.walk import Failure


@dataclass(frozen=True, slots=True)
class Unread:
    """An adapter of a page that is read only if its fingerprint is a new one: most of a second sync is not.

    `fingerprint` as in Listing: a digest of all that the source says of it except volatile numbers. `read`
    gives the listing, with the same source, source_key and fingerprint; it may raise KuraError. `identity` as
    in Listing, where the list tells it.
    """

    source: str
    source_key: str
    fingerprint: str
    read: Callable[[], Listing]
    identity: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """Adapters as an upstream lists them, in its order; each listing has its `fingerprint` filled in.

    `listings` may mix those read already with those that are read when needed. `cursor`: where to go on once
    this page is kept, None after the last one; opaque to everybody but the client that made it. `failures`:
    items of the page that could not be read at all. `notes`: what a person should know of the page, such as
    a filter that the upstream ignored. `total`: how many items the upstream announces in all, where it does.
    `resume`, on the last page of a list that is a log of changes: the cursor with which a later walk lists
    only what has changed since; whatever it leaves out then is as it was.
    """

    listings: Sequence[Listing | Unread]
    cursor: str | None
    failures: Sequence[Failure] = ()
    notes: Sequence[str] = ()
    total: int | None = None
    resume: str | None = None


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
