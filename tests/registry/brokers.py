"""Real brokers and real workers for the tests, each in a folder of its own and gone at the end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from django.conf import settings
from django.db import connection

from tests.conftest import need_program


def wait_for(what: Callable[[], object], seconds: float, told: Callable[[], str] = lambda: "") -> None:
    """Look until `what()` is true; after so many seconds the test fails."""
    deadline = time.monotonic() + seconds
    while not what():
        if time.monotonic() > deadline:
            raise AssertionError(f"Waited {seconds} s in vain. {told()}")
        time.sleep(0.1)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def redis_server(folder: Path) -> Iterator[str]:
    """A Redis that keeps nothing; yields its address."""
    program, port = need_program("redis-server", "valkey-server"), free_port()
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
    with _server(command, port, folder / "redis.log", {}):
        yield f"redis://127.0.0.1:{port}/0"


@contextmanager
def rabbitmq_server(folder: Path) -> Iterator[str]:
    """A RabbitMQ node with its own port mapper, so that ending the test ends both; yields its address."""
    program, epmd = need_program("rabbitmq-server"), need_program("epmd")
    real = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")  # Debian's wrapper changes the user
    port, mapper, distribution = free_port(), free_port(), free_port()
    (folder / "rabbitmq.conf").write_text(f"listeners.tcp.1 = 127.0.0.1:{port}\nheartbeat = 3\n")
    (folder / "enabled_plugins").write_text("[].\n")
    environment = {
        "HOME": str(folder),  # the Erlang cookie
        "RABBITMQ_NODENAME": f"kura{port}@localhost",
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_LOG_BASE": str(folder),
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_DIST_PORT": str(distribution),
        "ERL_EPMD_PORT": str(mapper),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
    }
    own_mapper = subprocess.Popen(
        [epmd, "-port", str(mapper), "-address", "127.0.0.1"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        with _server([real if real.exists() else program], port, folder / "rabbitmq.log", environment, 90):
            yield f"amqp://guest:guest@127.0.0.1:{port}//"
    finally:
        own_mapper.terminate()
        own_mapper.wait(10)


@contextmanager
def _server(
    command: list[str | Path], port: int, log: Path, environment: dict[str, str], seconds: float = 20
) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=os.environ | environment,
            start_new_session=True,
        )
    try:
        wait_for(lambda: _listens(port), seconds, lambda: log.read_text(errors="replace")[-2000:])
        yield
    finally:
        end(process, signal.SIGTERM)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def end(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Send the signal to the whole process group; if it has not gone after 20 s, kill it."""
    for attempt in (number, signal.SIGKILL):
        if process.poll() is not None:
            return
        os.killpg(process.pid, attempt)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            continue


def environment(broker: str, folder: Path) -> dict[str, str]:
    """What a Kura process needs to use the database of this test and the broker."""
    host, name = connection.get_connection_params()["host"], connection.settings_dict["NAME"]
    return os.environ | {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DATABASE_URL": f"postgresql://kura@/{name}?host={quote(str(host), safe='')}",
        "CELERY_BROKER_URL": broker,
        "VAR_DIR": str(folder),
        "JOB_LEASE_SECONDS": "60",
        "JOB_REAP_SECONDS": "1",
        "PYTHONWARNINGS": "default",
    }


@contextmanager
def worker(broker: str, folder: Path, *, queue: str = "cpu") -> Iterator[subprocess.Popen[bytes]]:
    """A Celery worker started as the Procfile starts it."""
    options = [
        "-P",
        "solo",
        "--without-gossip",
        "--without-mingle",
        "-l",
        "INFO",
        "-I",
        "tests.registry.worker_jobs",
    ]
    with _python(
        ["-m", "celery", "-A", "config", "worker", "-Q", queue, *options], broker, folder
    ) as process:
        yield process


@contextmanager
def reaper(broker: str, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`manage.py reaper`, looking every second."""
    with _python(["manage.py", "reaper"], broker, folder) as process:
        yield process


@contextmanager
def _python(arguments: list[str], broker: str, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / "processes.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=settings.BASE_DIR,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment(broker, folder),
            start_new_session=True,
        )
    try:
        yield process
    finally:
        end(process, signal.SIGTERM)
