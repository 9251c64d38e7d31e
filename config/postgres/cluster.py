"""Makes, starts and stops the embedded PostgreSQL cluster; safe to call from many processes at once."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from psycopg.conninfo import make_conninfo
from psycopg.pq import PGconn, Ping

from config.postgres.account import Account, server_account
from config.postgres.binaries import Programs, find_programs, reachable
from config.postgres.errors import PostgresFolderUnusable, PostgresStartFailed
from config.postgres.postmaster import forget_dead_server, is_our_server, server_pid

PORT = 5432
USER = "kura"
# sizeof(sun_path) is 108 on Linux and 104 on macOS, one byte of it is the closing zero.
LONGEST_SOCKET = 103
# How long children of a killed server may take to notice and leave.
PATIENCE = 15.0
# What root uses when `nobody` cannot reach the chosen folder.
SHELF = Path("/var/lib/kura")


@dataclass(frozen=True)
class Cluster:
    """One data folder with its server; `folder` holds data/, log, lock and, if the path is short, socket/."""

    folder: Path
    socket: Path
    account: Account
    bin_setting: str
    durable: bool

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def log(self) -> Path:
        return self.folder / "log"

    @property
    def address(self) -> dict[str, str]:
        """What libpq needs to find the server."""
        return {"host": str(self.socket), "port": str(PORT), "user": USER}

    def conninfo(self, database: str) -> str:
        """The same as one string, for one of its databases."""
        return make_conninfo(dbname=database, **self.address)

    def is_running(self) -> bool:
        """Whether a living server owns the data folder."""
        pid = server_pid(self.data)
        return pid is not None and is_our_server(pid, self.data)

    def start(self) -> None:
        """Make the cluster if there is none and start its server unless it runs; then it can be used."""
        for folder in {self.folder, self.socket}:
            self._check_owner(folder)
            self.account.own(folder)
        with self._lock():
            if self._answers():
                return
            programs = reachable(find_programs(self.bin_setting), self.account, SHELF)
            self._make(programs)
            self._write_settings()
            self._start_server(programs)

    def stop(self, *, mode: str = "fast") -> bool:
        """Stop the server; False when none was running."""
        if not self.data.exists() or not self.is_running():
            return False
        with self._lock():
            programs = reachable(find_programs(self.bin_setting), self.account, SHELF)
            command: list[str | Path] = [programs.pg_ctl, "stop", "-D", self.data, "-m", mode, "-w"]
            if self.account.run(command, self.log, timeout=90) and self.is_running():
                raise PostgresStartFailed(f"The database server did not stop; its log is {self.log}.")
        return True

    def destroy(self) -> None:
        """Stop the server at once and delete everything it kept."""
        self.stop(mode="immediate")
        for folder in {self.folder, self.socket}:
            shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def _lock(self) -> Iterator[None]:
        with (self.folder / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _check_owner(self, folder: Path) -> None:
        # The socket may stand in a folder that all users share; one prepared by somebody else is a trap.
        owners = {os.geteuid(), self.account.uid}
        if folder.is_symlink() or (folder.exists() and folder.stat().st_uid not in owners):
            raise PostgresFolderUnusable(f"{folder} belongs to another user.")

    def _make(self, programs: Programs) -> None:
        if (self.data / "PG_VERSION").exists():
            made_by = (self.data / "PG_VERSION").read_text().strip()
            if made_by != str(programs.major):
                raise PostgresFolderUnusable(
                    f"{self.data} is of PostgreSQL {made_by}, the programs found are of {programs.major}.",
                    next_step="Set POSTGRES_BIN to the old release, dump, and load into a new VAR_DIR.",
                )
            return
        unfinished = self.folder / "data.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        command: list[str | Path] = [programs.initdb, "-D", unfinished, "-U", USER, "-A", "trust"]
        command += ["-E", "UTF8", "--locale=C.UTF-8", "--no-instructions"]
        if programs.major >= 17:
            # The wheel is built without ICU; the built-in provider sorts the same on every system.
            command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        if not self.durable:
            command += ["--no-sync"]
        if self.account.run(command, self.log, timeout=120):
            raise PostgresStartFailed(f"Making the database in {self.folder} failed: {self._last_words()}")
        with (unfinished / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write("\ninclude = 'kura.conf'\n")
        unfinished.rename(self.data)

    def _write_settings(self) -> None:
        """kura.conf: reached only through the socket, whose folder only we may enter; hence no passwords."""
        lines = {
            "listen_addresses": "''",
            "port": str(PORT),
            "unix_socket_directories": _quoted('"' + str(self.socket) + '"'),
            "unix_socket_permissions": "0700",
            "max_connections": "100",
            "shared_buffers": "'128MB'",
            "log_min_messages": "warning",
        }
        if not self.durable:
            lines |= {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
        path = self.data / "kura.conf"
        path.write_text("".join(f"{name} = {value}\n" for name, value in lines.items()), encoding="utf-8")
        path.chmod(0o644)
        if self.log.exists() and self.log.stat().st_size > 10_000_000:
            self.log.replace(self.log.with_suffix(".old"))

    def _start_server(self, programs: Programs) -> None:
        command: list[str | Path] = [programs.pg_ctl, "start", "-D", self.data, "-l", self.log, "-w", "-s"]
        deadline = time.monotonic() + PATIENCE
        while True:
            # One that was killed a moment ago may still be there; one that is coming up answers soon.
            if self.is_running():
                if self._answers():
                    return
                time.sleep(0.1)
                if time.monotonic() < deadline:
                    continue
            forget_dead_server(self.data)
            self.log.touch()
            if self.account.switch:
                os.chown(self.log, self.account.uid, self.account.gid)
            if self.account.run(command, self.log, timeout=90) == 0:
                return
            if time.monotonic() > deadline:
                raise PostgresStartFailed(f"The server did not start: {self._last_words()} Log: {self.log}.")
            time.sleep(0.5)

    def _answers(self) -> bool:
        return PGconn.ping(f"{self.conninfo('postgres')} connect_timeout=5".encode()) == Ping.OK

    def _last_words(self) -> str:
        try:
            lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return ""
        # The last line often says only that something above it was wrong.
        telling = [line for line in lines[-8:] if re.search(r"\b(LOG|ERROR|FATAL|PANIC|error):", line)]
        return " / ".join(telling[-2:] or lines[-1:])


def embedded_cluster(folder: Path, bin_setting: str = "", *, durable: bool = True) -> Cluster:
    """The cluster that belongs to `folder`, at a place its server can use."""
    account = server_account()
    label = hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
    if account.switch and not account.can_reach(folder):
        folder = SHELF / label
    socket = folder / "socket"
    # libpq takes a comma for the end of one host.
    if len(os.fsencode(socket / f".s.PGSQL.{PORT}")) > LONGEST_SOCKET or "," in str(socket):
        base = SHELF if account.switch else Path(os.environ.get("XDG_RUNTIME_DIR") or "/tmp")
        socket = base / f"kura-{label}"
    return Cluster(folder, socket, account, bin_setting, durable)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
