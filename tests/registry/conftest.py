"""What the registry's tests share: a blob storage of their own, and seeded tables."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from registry.seed import seed
from tests.registry.remote_source import Shelf, Upstream, install
from tests.registry.weight_files import write_lora


@pytest.fixture
def blobs(tmp_path: Path, settings: Settings) -> Iterator[Path]:
    """An empty blob storage; its folder."""
    folder = tmp_path / "blobs"
    stores = {name: dict(store) for name, store in settings.STORAGES.items()}
    stores["blobs"] = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": folder},
    }
    settings.STORAGES = stores
    yield folder


@pytest.fixture
def seeded(db: None) -> None:
    """Licenses and base models as shipped."""
    seed()


@pytest.fixture
def lineage_folder(tmp_path: Path, settings: Settings) -> Path:
    """Where this test's own index of lineage sketches is."""
    settings.VAR_DIR = tmp_path / "var"
    return tmp_path / "var" / "lineage"


@pytest.fixture
def shelf(settings: Settings, tmp_path: Path) -> Iterator[Shelf]:
    """Files on a server on loopback that may be asked."""
    with Shelf() as server:
        settings.UPSTREAM_PRIVATE_HOSTS = [server.host]
        settings.VAR_DIR = tmp_path / "var"
        settings.UPSTREAM_REMEMBER_REFUSALS_SECONDS = 0
        yield server


@pytest.fixture
def upstream(monkeypatch: pytest.MonkeyPatch) -> Upstream:
    """What SOURCE `test:` offers."""
    found = Upstream()
    install(monkeypatch, found)
    return found


@pytest.fixture
def lora(tmp_path: Path) -> bytes:
    """The bytes of a small LoRA for Stable Diffusion 1.5."""
    return write_lora(tmp_path / "made" / "ink.safetensors").read_bytes()
