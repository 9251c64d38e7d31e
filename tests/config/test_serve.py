"""Serving on one machine: everything comes up, and everything is gone again."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from tests.registry.brokers import end, free_port, wait_for

pytestmark = [pytest.mark.database, pytest.mark.slow]


@pytest.fixture
def home() -> Iterator[Path]:
    """A VAR_DIR of its own, open for the user that runs the database server."""
    folder = settings.TEST_RUN_DIR / f"serve-{os.getpid()}"
    folder.mkdir(mode=0o755)
    yield folder
    for pid in _alive(folder):
        os.kill(pid, signal.SIGKILL)
    shutil.rmtree(folder)


def _environment(home: Path, port: int) -> dict[str, str]:
    return os.environ | {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "VAR_DIR": str(home),
        "PORT": str(port),
        "PYTHONUNBUFFERED": "1",
    }


def _alive(home: Path) -> list[int]:
    """Every process that was started with this VAR_DIR, however deep down."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            state = (entry / "stat").read_bytes().rpartition(b")")[2].split()[0]
            if state != b"Z" and f"VAR_DIR={home}".encode() in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def _get(port: int, path: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()
    except OSError:
        return 0, b""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "make stop"])
def test_everything_comes_up_and_is_gone_after_the_signal(home: Path, number: signal.Signals) -> None:
    port = free_port()
    environment = _environment(home, port)
    log = home / "serve.log"

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=settings.BASE_DIR,
            env=environment,
            capture_output=True,
            text=True,
        )

    assert run("manage.py", "migrate", "--verbosity", "0").returncode == 0
    run("-m", "config.postgres", "stop")
    with log.open("wb") as output:
        serving = subprocess.Popen(
            [sys.executable, "-m", "config.serve"],
            cwd=settings.BASE_DIR,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_for(lambda: _get(port, "readyz")[0] == 200, 60, lambda: log.read_text()[-2000:])
        assert json.loads(_get(port, "healthz")[1]) == {"status": "alive"}
        second = run("-m", "config.serve")
        assert second.returncode == 1
        assert second.stderr.startswith("already_serving: ") and "make stop" in second.stderr
        if number == signal.SIGTERM:
            assert run("-m", "config.serve", "stop").returncode == 0
        else:
            os.kill(serving.pid, number)
        assert serving.wait(40) == 0, log.read_text()[-2000:]
    finally:
        end(serving, signal.SIGKILL)
    assert _alive(home) == [], log.read_text()[-2000:]
    assert not (home / "serve.pid").exists()


def test_a_taken_port_is_named(home: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        answer = subprocess.run(
            [sys.executable, "-m", "config.serve"],
            cwd=settings.BASE_DIR,
            env=_environment(home, port),
            capture_output=True,
            text=True,
        )
    assert answer.returncode == 1
    assert answer.stderr.startswith(f"already_serving: Something already listens on 127.0.0.1:{port}.")
