"""Which upstreams can be followed, what of each, and by which client."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from registry.models import Source, SubscriptionKind
from registry.sources import civitai_client, huggingface, kura
from registry.sources.pages import Pages
from registry.sync.errors import BadSubscription


@dataclass(frozen=True, slots=True)
class Client:
    """Who lists an upstream, and the kinds of subscription that it has."""

    pages: Pages
    kinds: Collection[str]


CLIENTS: dict[str, Client] = {
    Source.CIVITAI: Client(civitai_client.pages, civitai_client.KINDS),
    Source.HUGGINGFACE: Client(huggingface.pages, huggingface.KINDS),
    Source.KURA: Client(kura.pages, frozenset(str(kind) for kind in kura.KINDS)),
}
# A folder has no pages: it is scanned, and knows itself what has not changed (registry/sources/rescans.py).
FOLDER_KINDS = frozenset({str(SubscriptionKind.FOLDER)})


def client_of(source: str) -> Client:
    """The client of an upstream. Raises BadSubscription."""
    try:
        return CLIENTS[source]
    except KeyError:
        raise BadSubscription(f"{source!r} is no upstream with a list to follow.") from None


def kinds_of(source: str) -> Collection[str]:
    """What of this upstream can be followed. Raises BadSubscription."""
    return FOLDER_KINDS if source == Source.FOLDER else client_of(source).kinds
