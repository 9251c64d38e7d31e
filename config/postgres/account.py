"""Who runs the server: ourselves, or `nobody` when we are root, which PostgreSQL refuses."""

from __future__ import annotations

import os
import pwd
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from config.postgres.errors import PostgresFolderUnusable


@dataclass(frozen=True)
class Account:
    """The uid and gid of the server process; `switch` when they are not our own."""

    uid: int
    gid: int
    switch: bool

    def run(self, command: list[str | Path], log: Path, *, timeout: float) -> int:
        """Run a short program as this account and append all it says to `log`; return its exit code.

        The output goes to a file because a server started by the program inherits it: with a pipe the caller
        would wait for the end of the server. The working folder is / because the account may be unable to
        look into ours.
        """
        with log.open("ab") as output:
            return subprocess.run(
                [os.fspath(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd="/",
                env=self._environment(),
                timeout=timeout,
                check=False,
                **self._identity(),
            ).returncode

    def can_execute(self, program: Path) -> bool:
        """Whether the account really can start the program, asked of the system by trying."""
        try:
            subprocess.run(
                [program, "--version"],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                cwd="/",
                env=self._environment(),
                timeout=30,
                check=True,
                **self._identity(),
            )
        except (OSError, subprocess.SubprocessError):
            return False
        return True

    def can_reach(self, folder: Path) -> bool:
        """Whether every folder above and including the first existing one may be entered."""
        existing = folder
        while not existing.exists():
            existing = existing.parent
        return all(self._may_enter(step.stat()) for step in (existing, *existing.parents))

    def own(self, folder: Path) -> None:
        """Make the folder, private to the account."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if folder.stat().st_uid != self.uid:
                os.chown(folder, self.uid, self.gid)
            folder.chmod(0o700)
        except OSError as error:
            raise PostgresFolderUnusable(f"{folder}: {error.strerror}.") from None

    def _may_enter(self, status: os.stat_result) -> bool:
        if status.st_uid == self.uid:
            return bool(status.st_mode & stat.S_IXUSR)
        if status.st_gid == self.gid:
            return bool(status.st_mode & stat.S_IXGRP)
        return bool(status.st_mode & stat.S_IXOTH)

    def _identity(self) -> dict[str, Any]:
        return {"user": self.uid, "group": self.gid, "extra_groups": []} if self.switch else {}

    @staticmethod
    def _environment() -> dict[str, str]:
        # PGDATA, PGPORT, PGHOST and their like of the caller must not leak into our server.
        return {name: value for name, value in os.environ.items() if not name.startswith("PG")}


def server_account() -> Account:
    """The account for this process: its own, or `nobody` for root."""
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid(), switch=False)
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        raise PostgresFolderUnusable(
            "PostgreSQL refuses to run as root and this machine has no user 'nobody'.",
            next_step="Run Kura as an ordinary user, or set DATABASE_URL.",
        ) from None
    return Account(entry.pw_uid, entry.pw_gid, switch=True)
