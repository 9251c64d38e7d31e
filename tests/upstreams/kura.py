"""A second Kura on loopback: the same release with a database, a storage and a web server of its own."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import textwrap
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import psycopg
from django.conf import settings
from django.db import connection, connections
from psycopg import sql

from tests.running import running

_SETUP = "import django, json, sys; django.setup()\n"


class Kura:
    """What a test may do with the other Kura. `host` is what UPSTREAM_PRIVATE_HOSTS must name."""

    def __init__(self, folder: Path, database: str, port: int) -> None:
        self.folder = folder
        self.host = f"127.0.0.1:{port}"
        self.url = f"http://{self.host}"
        found = connection.get_connection_params()
        address = {name: str(found[name]) for name in ("host", "port") if found.get(name)}
        self.environment = os.environ | {
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "DATABASE_URL": f"postgresql://{found['user']}@/{database}?{urlencode(address)}",
            "VAR_DIR": str(folder / "var"),
            "BLOBS_DIR": str(folder / "blobs"),
            "SECRET_KEY": f"only-for-tests-{database}",
            "DATABASE_CONN_MAX_AGE": "0",
        }

    def run(self, code: str, **values: Any) -> Any:
        """Run Python there, with `values` as names; what the code leaves in `result`."""
        given = "".join(
            f"{name} = json.loads({json.dumps(json.dumps(value))})\n" for name, value in values.items()
        )
        script = f"{_SETUP}result = None\n{given}{textwrap.dedent(code)}\nprint(json.dumps(result))"
        return json.loads(self._process("-c", script))

    def ingest(self, source: str, **environment: str) -> dict[str, Any]:
        """`manage.py ingest SOURCE --json` there."""
        told: dict[str, Any] = json.loads(
            self._process("manage.py", "ingest", source, "--json", check=False, **environment)
        )
        return told

    def review(
        self, action: str, reason: str = "It is as it should be.", version: int | None = None
    ) -> list[int]:
        """Take a decision on every version there, or on one; the ids of those it was taken on."""
        found: list[int] = self.run(
            """
            from django.contrib.auth.models import User
            from registry.models import Version
            from registry.vetting import TRANSITIONS, review
            reviewer, _ = User.objects.get_or_create(username="reviewer")
            result = []
            wanted = Version.objects.filter(vetting__in=TRANSITIONS[action][0]).order_by("pk")
            for each in wanted.filter(pk=version) if version else wanted:
                review(each, reviewer, action, reason)
                result.append(each.pk)
            """,
            action=action,
            reason=reason,
            version=version,
        )
        return found

    def token(self) -> str:
        """A token with the scope download."""
        made: str = self.run(
            """
            from django.contrib.auth.models import User
            from catalog import access
            user, _ = User.objects.get_or_create(username="peer")
            result = access.create(user, "another Kura")[1]
            """
        )
        return made

    def get(self, path: str) -> Any:
        """What anybody is answered at /api/v1/PATH."""
        asking = http.client.HTTPConnection(self.host, timeout=20)
        try:
            asking.request("GET", f"/api/v1/{path}")
            return json.loads(asking.getresponse().read())
        finally:
            asking.close()

    def _process(self, *command: str, check: bool = True, **environment: str) -> str:
        done = subprocess.run(
            [sys.executable, *command],
            cwd=settings.BASE_DIR,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0 or not check, done.stderr
        return done.stdout


@contextmanager
def kura(folder: Path, **environment: str) -> Iterator[Kura]:
    """Start it with an empty, seeded catalog: a copy of the test's database before anything is in it.

    Nobody may be connected to the test's database meanwhile, so call it from a fixture of module scope.
    """
    database = f"kura_peer_{uuid.uuid4().hex[:12]}"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    connections.close_all()
    parameters = connection.get_connection_params()
    address = {name: parameters[name] for name in ("host", "port", "user") if parameters.get(name)}
    with psycopg.connect(**address, dbname="postgres", autocommit=True) as server:
        made, copied = sql.Identifier(database), sql.Identifier(str(parameters["dbname"]))
        server.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(made, copied))
        try:
            peer = Kura(folder, database, port)
            peer.environment |= environment
            peer._process("manage.py", "seed")
            command = [sys.executable, "-m", "gunicorn", "config.wsgi", "--bind", peer.host, "--threads", "4"]
            command.append("--no-control-socket")
            answers, log = partial(_answers, peer.url), folder / "log"
            with running(command, answers, cwd=settings.BASE_DIR, env=peer.environment, log=log):
                yield peer
        finally:
            server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(made))


def _answers(url: str) -> bool:
    parts = urlsplit(url)
    with socket.socket() as probe:
        return probe.connect_ex((parts.hostname or "", parts.port or 80)) == 0
