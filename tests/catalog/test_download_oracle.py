"""Every single range and every condition on it is answered as a real nginx answers it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import RequestFactory
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.downloads import entity_tag, send_blob
from catalog.errors import RangeNotSatisfiable
from registry.models import Blob
from registry.storage import store_bytes
from tests.catalog.servers import get, nginx

pytestmark = [pytest.mark.database, pytest.mark.django_db]

SIZE = 1000
DATA = random.Random(2).randbytes(SIZE)
Answer = tuple[int, str | None, str | None, bytes]
Nginx = Callable[[dict[str, str]], tuple[Answer, str | None]]


@pytest.fixture
def static(short_folder: Path) -> Iterator[Nginx]:
    """Asks a real nginx for the same bytes as a static file: its answer, and its entity tag."""
    (short_folder / "file").write_bytes(DATA)
    with nginx(short_folder, f"root {short_folder};") as path:

        def ask(headers: dict[str, str]) -> tuple[Answer, str | None]:
            answer, body = get(path, "/file", headers)
            if answer.status >= 400:
                return (answer.status, answer.getheader("Content-Range"), None, b""), None
            length = answer.getheader("Content-Length")
            return (answer.status, answer.getheader("Content-Range"), length, body), answer.getheader("ETag")

        yield ask


def ours(blob: Blob, headers: dict[str, str]) -> Answer:
    request = RequestFactory().get("/x", headers=headers)
    try:
        response: Any = send_blob(request, blob, name="file")
    except RangeNotSatisfiable as error:
        return 416, error.headers["Content-Range"], None, b""
    body = b"".join(response) if response.streaming else response.content
    return response.status_code, response.headers.get("Content-Range"), response["Content-Length"], body


def test_nginx_answers_every_single_range_alike(static: Nginx) -> None:
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
        expected, _tag = static({"Range": header})
        assert ours(blob, {"Range": header}) == expected

    compare()


def test_nginx_resumes_under_the_same_conditions(static: Nginx) -> None:
    _answer, tag = static({})
    assert tag is not None
    blob = store_bytes(DATA)
    own = entity_tag(blob.sha256)
    cases = ["{}", "W/{}", '"other"', "Thu, 01 Jan 1970 00:00:00 GMT", ""]
    for case in cases:
        expected, _tag = static({"Range": "bytes=900-", "If-Range": case.format(tag)})
        assert ours(blob, {"Range": "bytes=900-", "If-Range": case.format(own)}) == expected, case
