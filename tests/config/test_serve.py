"""Serving on one machine: everything comes up, and everything is gone again."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

from tests.config.processes import alive, environment_of, get
from tests.registry.brokers import end, free_port, wait_for

pytestmark = [pytest.mark.database, pytest.mark.slow]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "make stop"])
def test_everything_comes_up_and_is_gone_after_the_signal(home: Path, number: signal.Signals) -> None:
    port = free_port()
    environment = environment_of(home, port)
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
        wait_for(lambda: get(port, "readyz")[0] == 200, 60, lambda: log.read_text()[-2000:])
        assert json.loads(get(port, "healthz")[1]) == {"status": "alive"}
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
    assert alive(home) == [], log.read_text()[-2000:]
    assert not (home / "serve.pid").exists()


def test_a_taken_port_is_named(home: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        answer = subprocess.run(
            [sys.executable, "-m", "config.serve"],
            cwd=settings.BASE_DIR,
            env=environment_of(home, port),
            capture_output=True,
            text=True,
        )
    assert answer.returncode == 1
    assert answer.stderr.startswith(f"already_serving: Something already listens on 127.0.0.1:{port}.")
