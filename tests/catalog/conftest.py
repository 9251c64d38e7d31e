"""What several tests of the catalog need."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A folder whose path leaves room for a socket's name (107 bytes)."""
    folder = Path(tempfile.mkdtemp(prefix="kura-"))
    yield folder
    shutil.rmtree(folder)
