"""Downloads by real programs: curl resumes from a real server, and nginx agrees on every range."""

from __future__ import annotations

import http.client
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as site
from django.test import RequestFactory
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog import access
from catalog.downloads import BLOCK, entity_tag, send_blob
from catalog.errors import RangeNotSatisfiable
from catalog.models import Download
from registry.models import Blob, Vetting
from registry.storage import store_bytes
from tests.catalog import build
from tests.catalog.outside import outside_environment
from tests.conftest import need_program

pytestmark = [pytest.mark.database]


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A folder whose path leaves room for a socket's name (107 bytes)."""
    folder = Path(tempfile.mkdtemp(prefix="kura-"))
    yield folder
    shutil.rmtree(folder)


def wait_for(path: Path, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        with socket.socket(socket.AF_UNIX) as probe:
            if path.exists() and probe.connect_ex(str(path)) == 0:
                return
        assert process.poll() is None, "the server ended"
        time.sleep(0.05)
    raise AssertionError("the server did not answer")


def end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=20)
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def server(transactional_db: None, short_folder: Path) -> Iterator[Path]:
    """gunicorn with the site on the test's own database; its socket."""
    path = short_folder / "web"
    command = [sys.executable, "-m", "gunicorn", "config.wsgi", "--bind", f"unix:{path}", "--threads", "2"]
    command.append("--no-control-socket")
    process = subprocess.Popen(command, cwd=site.BASE_DIR, env=outside_environment())
    try:
        wait_for(path, process)
        yield path
    finally:
        end(process)


@pytest.mark.slow
def test_curl_goes_on_where_it_was_cut_off(server: Path, short_folder: Path) -> None:
    curl = need_program("curl")
    data = random.Random(1).randbytes(6 * BLOCK + 123)
    blob = store_bytes(data)
    build.version("Ink", blob=blob, vetting=Vetting.APPROVED, terms=build.APACHE)
    _row, token = access.create(build.user(), "laptop")
    target = short_folder / "ink.safetensors"
    config = short_folder / "curlrc"
    config.write_text(f'header = "Authorization: Bearer {token}"\n')

    def command(*options: str) -> list[str]:
        return [
            str(curl), "--silent", "--show-error", "--unix-socket", str(server), "--config", str(config),
            "--write-out", "%{http_code}", "--output", str(target), *options,
            f"http://localhost/api/v1/files/{blob.sha256}/content",
        ]  # fmt: skip

    def fetch(*options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command(*options), capture_output=True, text=True, check=False)

    with subprocess.Popen(command("--limit-rate", "500K"), stdout=subprocess.DEVNULL) as cut:
        until = time.monotonic() + 60
        while time.monotonic() < until and not (target.exists() and target.stat().st_size):
            time.sleep(0.05)
        cut.kill()
    assert 0 < target.stat().st_size < len(data)
    resumed = fetch("--continue-at", "-")
    assert (resumed.returncode, resumed.stdout) == (0, "206"), resumed.stderr
    assert target.read_bytes() == data
    assert Download.objects.count() == 1

    fresh = fetch("--fail-with-body", "--range", f"{len(data)}-")
    assert fresh.stdout == "416"
    config.write_text("")
    assert fetch().stdout == "401"
    assert "token_missing" in target.read_text()


# --- nginx as the oracle ------------------------------------------------------------------------------------

SIZE = 1000
DATA = random.Random(2).randbytes(SIZE)
Answer = tuple[int, str | None, str | None, bytes]
Nginx = Callable[[dict[str, str]], tuple[Answer, str | None]]


@pytest.fixture
def nginx(short_folder: Path) -> Iterator[Nginx]:
    """Asks a real nginx for the same bytes as a static file."""
    program = need_program("nginx")
    (short_folder / "file").write_bytes(DATA)
    user = "user root;" if os.geteuid() == 0 else ""
    temporary = "".join(
        f"{kind}_temp_path {short_folder}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    path = short_folder / "nginx"
    (short_folder / "nginx.conf").write_text(
        f"{user} daemon off; worker_processes 1; pid {short_folder}/pid; error_log {short_folder}/log;"
        f"events {{}} http {{ access_log off; {temporary}"
        f"server {{ listen unix:{path}; root {short_folder}; }} }}"
    )
    command = [str(program), "-e", f"{short_folder}/log", "-p", str(short_folder), "-c", "nginx.conf"]
    process = subprocess.Popen(command)

    def ask(headers: dict[str, str]) -> tuple[Answer, str | None]:
        connection = http.client.HTTPConnection("localhost")
        connection.sock = socket.socket(socket.AF_UNIX)
        try:
            connection.sock.connect(str(path))
            connection.request("GET", "/file", headers=headers)
            answer = connection.getresponse()
            body = answer.read() if answer.status < 400 else b""
            length = answer.getheader("Content-Length") if answer.status < 400 else None
            return (answer.status, answer.getheader("Content-Range"), length, body), answer.getheader("ETag")
        finally:
            connection.close()

    try:
        wait_for(path, process)
        yield ask
    finally:
        end(process)


def ours(blob: Blob, headers: dict[str, str]) -> Answer:
    request = RequestFactory().get("/x", headers=headers)
    try:
        response: Any = send_blob(request, blob, name="file")
    except RangeNotSatisfiable as error:
        return 416, error.headers["Content-Range"], None, b""
    body = b"".join(response) if response.streaming else response.content
    return response.status_code, response.headers.get("Content-Range"), response["Content-Length"], body


@pytest.mark.django_db
def test_nginx_answers_every_single_range_alike(nginx: Nginx) -> None:
    blob = store_bytes(DATA)
    edges = st.integers(0, SIZE + 3) | st.sampled_from([0, 1, SIZE - 1, SIZE, SIZE + 1, 2**31, 2**62])
    closed = (
        st.tuples(edges, edges)
        .filter(lambda pair: pair[0] <= pair[1])
        .map(lambda pair: f"bytes={pair[0]}-{pair[1]}")
    )
    headers = closed | edges.map("bytes={}-".format) | edges.map("bytes=-{}".format)

    @settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(headers)
    def compare(header: str) -> None:
        expected, _tag = nginx({"Range": header})
        assert ours(blob, {"Range": header}) == expected

    compare()


@pytest.mark.django_db
def test_nginx_resumes_under_the_same_conditions(nginx: Nginx) -> None:
    _answer, tag = nginx({})
    assert tag is not None
    blob = store_bytes(DATA)
    own = entity_tag(blob.sha256)
    cases = ["{}", "W/{}", '"other"', "Thu, 01 Jan 1970 00:00:00 GMT", ""]
    for case in cases:
        expected, _tag = nginx({"Range": "bytes=900-", "If-Range": case.format(tag)})
        assert ours(blob, {"Range": "bytes=900-", "If-Range": case.format(own)}) == expected, case
