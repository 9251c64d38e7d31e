"""Processes of a site that a test starts: their environment, their answers, and which of them still live."""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from pathlib import Path


def environment_of(home: Path, port: int) -> dict[str, str]:
    """The environment of a site with its data in `home`, on real settings."""
    return os.environ | {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "VAR_DIR": str(home),
        "PORT": str(port),
        "PYTHONUNBUFFERED": "1",
    }


def alive(home: Path) -> list[int]:
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


def get(port: int, path: str) -> tuple[int, bytes]:
    """Status and body of a page; 0 while nobody answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()
    except OSError:
        return 0, b""
