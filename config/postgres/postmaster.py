"""Reads `postmaster.pid` and tells whether its server lives; a zombie or another program is not it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def server_pid(data: Path) -> int | None:
    """The number in postmaster.pid, or None when there is no such file or it is cut short."""
    try:
        first = (data / "postmaster.pid").read_text(encoding="utf-8", errors="replace").partition("\n")[0]
        return int(first)
    except (OSError, ValueError):
        return None


def is_our_server(pid: int, data: Path) -> bool:
    """Whether the process is a living postmaster of this data folder.

    A killed postmaster can stay a zombie for as long as PID 1 does not reap it, and after a restart of a
    container its number often belongs to something else. PostgreSQL takes both for a running server.
    """
    state, command = _process(pid)
    return state not in {"", "Z", "X"} and "postgres" in command and str(data) in command


def forget_dead_server(data: Path) -> None:
    """Put the number of a process that has ended into postmaster.pid.

    Deleting the file would also delete PostgreSQL's own guard: the file names the shared memory of the dead
    server, by which a new one notices that children of the old one still write to the data folder.
    """
    path = data / "postmaster.pid"
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
    except FileNotFoundError:
        return
    if len(lines) < 2:  # empty or cut short: PostgreSQL itself refuses such a file for ever
        path.unlink(missing_ok=True)
        return
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    # In place: the file keeps its owner.
    with path.open("r+", encoding="utf-8") as file:
        file.write(f"{ended.pid}\n" + "".join(lines[1:]))
        file.truncate()


def _process(pid: int) -> tuple[str, str]:
    """One letter for the state ('' when there is no such process) and the command line."""
    proc = Path("/proc", str(pid))
    if Path("/proc/self/stat").exists():
        try:
            # The name in brackets may hold anything, so count from the last bracket.
            state = (proc / "stat").read_bytes().rpartition(b")")[2].split()[0].decode()
            command = (proc / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (OSError, IndexError):
            return "", ""
        return state, command
    answer = subprocess.run(
        ["ps", "-o", "stat=,command=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.strip()
    state, _, command = answer.partition(" ")
    return state[:1], command
