"""A home for the processes that tests of the wiring start."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from tests.config.processes import alive


@pytest.fixture
def home() -> Iterator[Path]:
    """A VAR_DIR of its own, open for the user that runs the database server."""
    folder = settings.TEST_RUN_DIR / f"serve-{os.getpid()}"
    folder.mkdir(mode=0o755)
    yield folder
    for pid in alive(folder):
        os.kill(pid, signal.SIGKILL)
    shutil.rmtree(folder)
