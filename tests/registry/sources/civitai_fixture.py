"""A Civitai server for tests, and settings that ask it and nobody else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_django import Settings

from tests.upstreams.civitai import CivitaiServer
from tests.upstreams.civitai_catalog import Catalog


@pytest.fixture
def civitai(settings: Settings) -> Iterator[CivitaiServer]:
    """The server with an empty catalog; whatever is added to `server.catalog` is there."""
    with CivitaiServer(Catalog()) as server:
        ask_only(settings, server)
        yield server


def ask_only(settings: Settings, server: CivitaiServer) -> None:
    """Point the settings at the server: no other host, no waiting, no memory of refusals."""
    settings.CIVITAI_API = server.api
    settings.UPSTREAM_PRIVATE_HOSTS = [server.host]
    settings.UPSTREAM_HOSTS = []
    settings.UPSTREAM_FILE_HOSTS = []
    settings.UPSTREAM_TOKENS = {}
    settings.UPSTREAM_SHARED_BUDGETS = False
    settings.UPSTREAM_BACKOFF_SECONDS = 0.01
    settings.UPSTREAM_REMEMBER_REFUSALS_SECONDS = 0
