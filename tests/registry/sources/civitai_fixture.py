"""A Civitai server for tests, and settings that ask it and nobody else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_django import Settings

from tests.upstreams.asking import ask_only
from tests.upstreams.civitai import CivitaiServer
from tests.upstreams.civitai_catalog import Catalog


@pytest.fixture
def civitai(settings: Settings) -> Iterator[CivitaiServer]:
    """The server with an empty catalog; whatever is added to `server.catalog` is there."""
    with CivitaiServer(Catalog()) as server:
        ask_civitai(settings, server)
        yield server


def ask_civitai(settings: Settings, server: CivitaiServer) -> None:
    """Point the settings at the server."""
    settings.CIVITAI_API = server.api
    ask_only(settings, server.host)
