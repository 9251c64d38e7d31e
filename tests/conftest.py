"""What every test gets: a database cluster that lives as long as the run, and honest skips."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from django.conf import settings
from django.utils import translation
from hypothesis import settings as property_settings

from config.postgres.cluster import embedded_cluster
from registry.sources.transport import budgets, refusals
from tests.append_only import empty_append_only_tables_after_transactional_tests

__all__ = ["empty_append_only_tables_after_transactional_tests"]

# Hypothesis' deadline is a timing assert: it fails on a loaded machine and says nothing about the code.
property_settings.register_profile("kura", deadline=None)
property_settings.load_profile("kura")


def pytest_configure(config: pytest.Config) -> None:
    """Clean up after runs that were killed: end their servers and delete their folders."""
    if hasattr(config, "workerinput"):
        return
    for folder in settings.TEST_RUN_DIR.parent.glob("kura-test-*"):
        pid = folder.name.split("-")[2]
        if pid.isdigit() and int(pid) != os.getpid() and not Path("/proc", pid).exists():
            embedded_cluster(folder / "postgres", durable=False).destroy()
            shutil.rmtree(folder, ignore_errors=True)


def pytest_unconfigure(config: pytest.Config) -> None:
    """The first process of the run, not its xdist workers, ends the server and deletes the folder."""
    if hasattr(config, "workerinput") or not settings.configured:
        return
    cluster = settings.DATABASES["default"]["CLUSTER"]
    embedded_cluster(cluster["folder"], cluster["bin"], durable=False).destroy()
    shutil.rmtree(settings.TEST_RUN_DIR, ignore_errors=True)


def pytest_runtest_setup() -> None:
    """A page asked for in Japanese leaves its language behind in the thread; every test starts without.

    Nor does one know what upstreams told the one before.
    """
    translation.deactivate()
    budgets.forget_process()
    refusals.forget_process()


def skip_or_fail(reason: str) -> None:
    """Skip a test whose program is missing; with REQUIRE_ALL=1 fail, so that nothing is left out unseen."""
    if os.environ.get("REQUIRE_ALL", "") in {"", "0"}:
        pytest.skip(reason)
    pytest.fail(f"REQUIRE_ALL is set, but {reason}")


def need_program(*names: str) -> Path:
    """The path of the first of these programs that is installed; else skip or fail."""
    for name in names:
        found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/lib/rabbitmq/bin")
        if found:
            return Path(found)
    skip_or_fail(f"{names[0]} is not installed")
    raise AssertionError("not reached")
