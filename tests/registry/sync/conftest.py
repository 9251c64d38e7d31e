"""What the tests of syncing share: an upstream in memory in Civitai's place, and a subscription to it."""

from __future__ import annotations

import pytest

from registry.models import Source, Subscription, SubscriptionKind
from registry.seed import seed
from registry.sync import clients
from registry.sync.clients import Client
from registry.sync.subscriptions import subscribe
from tests.registry.sync.shelf import Shelf


@pytest.fixture
def shelf(db: None, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    seed()
    upstream = Shelf()
    kinds = frozenset({str(each) for each in SubscriptionKind})
    monkeypatch.setitem(clients.CLIENTS, Source.CIVITAI, Client(upstream.pages, kinds))
    return upstream


@pytest.fixture
def following(shelf: Shelf) -> Subscription:
    return subscribe(Source.CIVITAI, SubscriptionKind.CREATOR, "librarian", actor="test")
