"""What the registry's tests share: a blob storage of their own, and seeded tables."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from registry.seed import seed


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
