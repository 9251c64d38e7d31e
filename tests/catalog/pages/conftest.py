"""What tests of the pages start from: a vetted adapter, and a reviewer at the desk."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

from registry.models import Version
from tests.catalog.pages.rows import OPEN_FLAGS, make_adapter, make_reviewer


@pytest.fixture
def version(db: None) -> Version:
    """A vetted adapter for SDXL whose author ticked everything."""
    return make_adapter("Ink Lines", flags=OPEN_FLAGS)


@pytest.fixture
def reviewer(db: None) -> User:
    return make_reviewer()


@pytest.fixture
def desk(client: Client, reviewer: User) -> Client:
    """A client that is signed in as a reviewer."""
    client.force_login(reviewer)
    return client
