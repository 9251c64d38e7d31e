"""Runs the processes of the Procfile on this machine, and ends every one of them again.

python -m config.serve         serve until Ctrl-C
python -m config.serve stop    end what runs, and the embedded database
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

from django.conf import settings

from config.command_line import report
from config.env import env_int, env_str
from config.postgres.configured import configured_cluster
from registry.errors import KuraError

# honcho kills after 5 s what did not end by itself.
PATIENCE = 20.0


class AlreadyServing(KuraError):
    """This folder's processes run already, or somebody else has the port."""

    code = "already_serving"
    next_step = "Run `make stop`, or choose another port: make up PORT=8001"


def main(arguments: list[str]) -> int:
    """Serve, or stop serving; the exit code."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    return stop() if arguments == ["stop"] else serve()


def serve() -> int:
    """Start honcho and wait for its end; Ctrl-C, SIGTERM or the end of any process ends them all."""
    note = _note()
    other = _serving(note)
    if other:
        raise AlreadyServing(f"Kura is being served from here already (process {other}).")
    host, port = env_str("BIND", "127.0.0.1"), env_int("PORT", 8000, minimum=1, maximum=65535)
    if _taken(host, port):
        raise AlreadyServing(f"Something already listens on {host}:{port}.")
    cluster = configured_cluster()
    had_server = cluster is None or cluster.is_running()
    note.parent.mkdir(parents=True, exist_ok=True)
    note.write_text(str(os.getpid()), encoding="utf-8")
    try:
        return _run_honcho(port)
    finally:
        note.unlink(missing_ok=True)
        if cluster and not had_server:
            cluster.stop()


def stop() -> int:
    """End the serving process of this folder, wait until it has, and stop the embedded database."""
    pid = _serving(_note())
    if pid:
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + PATIENCE
        while _serving(_note()) and time.monotonic() < deadline:
            time.sleep(0.1)
    cluster = configured_cluster()
    if cluster:
        cluster.stop()
    return 0


def _run_honcho(port: int) -> int:
    bin = Path(sys.executable).parent
    environment = os.environ | {"PORT": str(port), "PATH": f"{bin}{os.pathsep}{os.environ.get('PATH', '')}"}
    # A session of its own: Ctrl-C in the terminal then reaches only us, and each process is told once.
    honcho = subprocess.Popen(
        [sys.executable, "-m", "honcho", "start", "--procfile", settings.BASE_DIR / "Procfile"],
        cwd=settings.BASE_DIR,
        env=environment,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )

    asked = False

    def tell(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        asked = True
        honcho.terminate()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, tell)
    status = honcho.wait()
    return 0 if asked else status


def _note() -> Path:
    return Path(settings.VAR_DIR) / "serve.pid"


def _serving(note: Path) -> int | None:
    """The process that serves from this folder, if it lives and is what the note says."""
    try:
        pid = int(note.read_text(encoding="utf-8"))
        command = Path("/proc", str(pid), "cmdline")
        if command.parent.parent.joinpath("self").exists():
            return pid if b"config.serve" in command.read_bytes() else None
        os.kill(pid, 0)
    except (OSError, ValueError):
        return None
    return pid


def _taken(host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return True
    return False


if __name__ == "__main__":
    sys.exit(report(lambda: main(sys.argv[1:])))
