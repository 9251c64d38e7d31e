"""Real servers on Unix sockets for the tests of downloads: gunicorn with the site, and nginx."""

from __future__ import annotations

import http.client
import os
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from django.conf import settings

from tests.catalog.outside import outside_environment
from tests.conftest import need_program
from tests.running import running


@contextmanager
def gunicorn(folder: Path, **environment: str) -> Iterator[Path]:
    """The site on the test's own database; gives its socket. The test must be transactional."""
    path = folder / "web"
    command = [sys.executable, "-m", "gunicorn", "config.wsgi", "--bind", f"unix:{path}", "--threads", "2"]
    command.append("--no-control-socket")
    environment = outside_environment() | environment
    with running(command, partial(_answers, path), cwd=settings.BASE_DIR, env=environment):
        yield path


@contextmanager
def nginx(folder: Path, locations: str) -> Iterator[Path]:
    """A real nginx with these locations; gives its socket."""
    program = need_program("nginx")
    path = folder / "nginx"
    # Only root may name another user; its workers would otherwise not get into a private folder.
    user = "user root;" if os.geteuid() == 0 else ""
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"{user} daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/log; events {{}}"
        f" http {{ access_log off; {temporary} server {{ listen unix:{path}; {locations} }} }}"
    )
    command = [str(program), "-e", f"{folder}/log", "-p", str(folder), "-c", "nginx.conf"]
    with running(command, partial(_answers, path)):
        yield path


def get(path: Path, address: str, headers: Mapping[str, str]) -> tuple[http.client.HTTPResponse, bytes]:
    """The answer of the server on that socket, and its body."""
    connection = http.client.HTTPConnection("localhost")
    connection.sock = socket.socket(socket.AF_UNIX)
    try:
        connection.sock.connect(str(path))
        connection.request("GET", address, headers=dict(headers))
        answer = connection.getresponse()
        return answer, answer.read()
    finally:
        connection.close()


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return path.exists() and probe.connect_ex(str(path)) == 0
