"""`make demo`: up with the catalog filled, up again without repeating work, and gone after Ctrl-C."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from django.conf import settings

from tests.config.processes import alive, environment_of, get
from tests.registry.brokers import end, free_port, wait_for

pytestmark = [pytest.mark.database, pytest.mark.engine, pytest.mark.slow]


def _started(home: Path, port: int, output: Path) -> subprocess.Popen[bytes]:
    with output.open("wb") as file:
        return subprocess.Popen(
            [sys.executable, "-m", "config.demo"],
            cwd=settings.BASE_DIR,
            env=environment_of(home, port),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _until_up(home: Path, port: int, number: int) -> tuple[subprocess.Popen[bytes], str]:
    """Start the demo, wait until it tells how to get in; the process and what it said."""
    output = home / f"demo{number}.out"
    demo = _started(home, port, output)
    wait_for(lambda: "Ctrl-C" in output.read_text() or demo.poll() is not None, 120, output.read_text)
    return demo, output.read_text()


def _rows(port: int, path: str) -> list[dict[str, object]]:
    results: list[dict[str, object]] = json.loads(get(port, path)[1])["results"]
    return results


def test_the_demo_comes_up_twice_repeats_nothing_and_leaves_no_process(home: Path) -> None:
    port = free_port()
    demo, said = _until_up(home, port, 1)
    try:
        assert f"http://127.0.0.1:{port}/" in said, said
        assert "reviewer / " in said
        adapters = _rows(port, "api/v1/adapters/?limit=100")
        assert len(adapters) >= 8
        vettings = {str(row["vetting"]) for row in _rows(port, "api/v1/versions/?limit=100")}
        assert vettings == {"waiting", "approved", "rejected", "quarantined", "withdrawn"}
        line = re.search(r'Bearer (\S+)" (\S+)', said)
        assert line is not None, said
        request = urllib.request.Request(line[2], headers={"Authorization": f"Bearer {line[1]}"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert int(answer.headers["Content-Length"]) == len(answer.read())
        os.kill(demo.pid, signal.SIGINT)
        assert demo.wait(60) == 0
        assert alive(home) == []

        demo, again = _until_up(home, port, 2)
        assert "0 versions new" in again
        assert re.findall(r"reviewer / .*|kura_\S+", again) == re.findall(r"reviewer / .*|kura_\S+", said)
        assert len(_rows(port, "api/v1/adapters/?limit=100")) == len(adapters)
        os.kill(demo.pid, signal.SIGTERM)
        assert demo.wait(60) == 0
    finally:
        end(demo, signal.SIGKILL)
    assert alive(home) == []
