"""Fetching files: whatever breaks, what arrives is the file or nothing, and no byte is fetched twice."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from pytest_django import Settings

from registry.sources.http import Credentials, download
from registry.sources.transport.partial import Partial
from registry.sources.upstream_errors import (
    AnswerTooLarge,
    DownloadFolderUnusable,
    DownloadRunning,
    DownloadStopped,
    HashMismatch,
    HtmlInsteadOfFile,
    NotEnoughDisk,
    SizeMismatch,
    UnexpectedAnswer,
    UpstreamError,
    UpstreamUnavailable,
)
from registry.weights.digests import digest_file
from tests.upstreams.faults import (
    Broken,
    Chunked,
    Corrupt,
    Cut,
    Drip,
    Fault,
    FaultyServer,
    Gzip,
    Hangup,
    Html,
    NoRanges,
    RedirectTo,
    Status,
    TooMany,
    Truncated,
    WrongLength,
    WrongType,
)
from tests.upstreams.replies import Reply, Request

BYTES = hashlib.shake_256(b"a file").digest(3_000_001)
SHA256 = hashlib.sha256(BYTES).hexdigest()


class Storage(FaultyServer):
    """One file under every address, with the validators that a test gives it."""

    body = BYTES
    etag = '"first"'
    modified: float | None = None

    def answer(self, request: Request) -> Reply:
        return Reply.of_file(self.body, self.etag, modified=self.modified)

    @property
    def ranges(self) -> list[str]:
        return [each.headers.get("range", "") for each in self.requests]


@pytest.fixture
def storage(settings: Settings) -> Iterator[Storage]:
    with Storage() as server:
        settings.UPSTREAM_PRIVATE_HOSTS = [server.host]
        yield server


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def test_a_file_arrives_with_all_its_digests(storage: Storage, tmp_path: Path) -> None:
    told: list[tuple[int, int | None]] = []
    to = tmp_path / "new" / "a.safetensors"
    found = download(
        f"{storage.url}/a", to, size=len(BYTES), sha256=SHA256.upper(), progress=lambda *at: told.append(at)
    )
    assert to.read_bytes() == BYTES
    assert found == digest_file(to)
    assert found.sha256.lower() == SHA256
    assert told[-1] == (len(BYTES), len(BYTES)) and told == sorted(told)
    assert names(to.parent) == ["a.safetensors"]
    assert storage.requests[0].headers["accept-encoding"] == "identity"


def test_a_file_that_is_there_is_not_fetched_again(storage: Storage, tmp_path: Path) -> None:
    to = tmp_path / "a.safetensors"
    first = download(f"{storage.url}/a", to, sha256=SHA256)
    assert download(f"{storage.url}/a", to, sha256=SHA256) == first
    assert len(storage.requests) == 1


@pytest.mark.parametrize("at", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("sha256", [SHA256, ""])
def test_a_cut_connection_costs_no_byte(storage: Storage, tmp_path: Path, at: float, sha256: str) -> None:
    storage.plan(Cut(at))
    assert download(f"{storage.url}/a", tmp_path / "a.safetensors", sha256=sha256).sha256.lower() == SHA256
    cut = round(len(BYTES) * at)
    assert storage.ranges == ["", f"bytes={cut}-"]
    assert storage.requests[1].headers["if-range"] == '"first"'
    assert storage.sent == len(BYTES)


def test_a_connection_that_is_cut_again_and_again_still_ends(storage: Storage, tmp_path: Path) -> None:
    # More often than a request is tried: each one made headway.
    storage.plan(Cut(0.3), times=12)
    download(f"{storage.url}/a", tmp_path / "a.safetensors", sha256=SHA256)
    assert len(storage.requests) == 13 and storage.sent == len(BYTES)


@pytest.mark.parametrize(
    "fault",
    [
        Hangup(),
        Broken(503),
        TooMany("0"),
        NoRanges(),
        Chunked(),
        Gzip(),
        WrongLength(5),
        WrongType("text/plain"),
    ],
)
@pytest.mark.parametrize("before", [None, Cut(0.5)])
def test_the_file_arrives_whatever_happens_on_the_way(
    storage: Storage, tmp_path: Path, fault: Fault, before: Fault | None
) -> None:
    if before:
        storage.plan(before)
    storage.plan(fault)
    to = tmp_path / "a.safetensors"
    assert download(f"{storage.url}/a", to, size=len(BYTES), sha256=SHA256).size == len(BYTES)
    assert to.read_bytes() == BYTES and names(tmp_path) == ["a.safetensors"]


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Html(), HtmlInsteadOfFile),
        (Html(media_type="application/octet-stream"), HtmlInsteadOfFile),
        (lambda request, reply: Reply.of_bytes(b"<?xml version='1.0'?><Error/>"), HtmlInsteadOfFile),
        (Status(200, {"error": "try later"}), UnexpectedAnswer),
        (Truncated(), SizeMismatch),
        (WrongLength(-5), SizeMismatch),
        (Corrupt(1000), HashMismatch),
    ],
)
def test_what_is_not_the_file_leaves_nothing_behind(
    storage: Storage, tmp_path: Path, fault: Fault, error: type[UpstreamError]
) -> None:
    storage.plan(fault, times=None)
    with pytest.raises(error) as refused:
        download(f"{storage.url}/a", tmp_path / "a.safetensors", size=len(BYTES), sha256=SHA256)
    assert names(tmp_path) == []
    assert refused.value.next_step
    # Without size and digest a page is still no file.
    if error is HtmlInsteadOfFile:
        with pytest.raises(HtmlInsteadOfFile):
            download(f"{storage.url}/a", tmp_path / "b.safetensors")


def test_a_file_without_a_known_digest_and_a_length_that_lies_is_noticed_where_it_can_be(
    storage: Storage, tmp_path: Path
) -> None:
    storage.plan(WrongLength(5))
    assert download(f"{storage.url}/a", tmp_path / "a").size == len(BYTES)


def test_a_later_call_goes_on_where_an_earlier_one_stopped(storage: Storage, tmp_path: Path) -> None:
    to = tmp_path / "a.safetensors"
    storage.plan(Drip(256 * 1024, 0.05))
    with pytest.raises(DownloadStopped):
        download(f"{storage.url}/a", to, should_stop=lambda: storage.sent > 2**20)
    part = to.with_name("a.safetensors.part").stat().st_size
    assert 0 < part < len(BYTES) and not to.exists()
    storage.sent = 0
    assert download(f"{storage.url}/a", to).sha256.lower() == SHA256
    assert storage.ranges[-1] == f"bytes={part}-" and storage.sent == len(BYTES) - part


@pytest.mark.parametrize("etag", ['"second"', 'W/"first"', ""])
@pytest.mark.parametrize("sha256", [True, False])
def test_a_file_that_was_replaced_meanwhile_is_fetched_anew(
    storage: Storage, tmp_path: Path, etag: str, sha256: bool, settings: Settings
) -> None:
    to = tmp_path / "a.safetensors"
    settings.UPSTREAM_TRIES = 1
    storage.plan(Cut(0.5))
    with pytest.raises(UpstreamUnavailable):
        download(f"{storage.url}/a", to)
    settings.UPSTREAM_TRIES = 3
    storage.body, storage.etag = BYTES[::-1], etag
    wanted = hashlib.sha256(BYTES[::-1]).hexdigest()
    found = download(f"{storage.url}/a", to, sha256=wanted if sha256 else "")
    assert found.sha256.lower() == wanted and to.read_bytes() == BYTES[::-1]


def test_a_date_serves_where_there_is_no_strong_etag(storage: Storage, tmp_path: Path) -> None:
    storage.etag, storage.modified = 'W/"weak"', 1_700_000_000
    storage.plan(Cut(0.5))
    download(f"{storage.url}/a", tmp_path / "a")
    assert storage.requests[1].headers["if-range"] == "Tue, 14 Nov 2023 22:13:20 GMT"
    assert storage.sent == len(BYTES)


def test_without_any_validator_only_a_known_digest_lets_it_go_on(storage: Storage, tmp_path: Path) -> None:
    storage.etag = ""
    storage.plan(Cut(0.5))
    download(f"{storage.url}/a", tmp_path / "a")
    assert storage.ranges == ["", ""]
    storage.plan(Cut(0.5))
    download(f"{storage.url}/b", tmp_path / "b", sha256=SHA256)
    assert storage.ranges[2:] == ["", f"bytes={round(len(BYTES) * 0.5)}-"]


def test_another_mirror_goes_on_with_a_file_of_the_same_digest(
    storage: Storage, tmp_path: Path, settings: Settings
) -> None:
    settings.UPSTREAM_TRIES = 1
    storage.plan(Cut(0.5))
    with pytest.raises(UpstreamUnavailable):
        download(f"{storage.url}/a", tmp_path / "a", sha256=SHA256)
    with Storage() as mirror:
        settings.UPSTREAM_PRIVATE_HOSTS = [mirror.host]
        assert download(f"{mirror.url}/z", tmp_path / "a", sha256=SHA256).sha256.lower() == SHA256
        assert "if-range" not in mirror.requests[0].headers
        assert mirror.sent + storage.sent == len(BYTES)


def test_a_part_that_went_bad_is_thrown_away_and_the_file_fetched_once_more(
    storage: Storage, tmp_path: Path, settings: Settings
) -> None:
    settings.UPSTREAM_TRIES = 1
    storage.plan(Cut(0.5))
    with pytest.raises(UpstreamUnavailable):
        download(f"{storage.url}/a", tmp_path / "a", sha256=SHA256)
    part = tmp_path / "a.part"
    part.write_bytes(bytes(part.stat().st_size))
    assert download(f"{storage.url}/a", tmp_path / "a", sha256=SHA256).sha256.lower() == SHA256
    assert storage.ranges[1:] == [f"bytes={round(len(BYTES) * 0.5)}-", ""]


def test_the_way_to_the_bytes_may_lead_to_another_host(
    storage: Storage, tmp_path: Path, settings: Settings
) -> None:
    with Storage() as upstream:
        settings.UPSTREAM_PRIVATE_HOSTS = [storage.host, upstream.host]
        upstream.plan(RedirectTo(f"{storage.url}/signed?sig=1"), times=None)
        storage.plan(Cut(0.5))
        account = Credentials((upstream.host, storage.host), "token")
        download(f"{upstream.url}/a", tmp_path / "a", credentials=account)
        # A signed address is not kept: each request asks for a new one.
        assert len(upstream.requests) == 2 and storage.sent == len(BYTES)
        assert all("authorization" in each.headers for each in upstream.requests)
        assert not any("authorization" in each.headers for each in storage.requests)
    assert b"sig" not in b"".join(each.read_bytes() for each in tmp_path.glob("*.json"))


def test_two_workers_do_not_write_one_file(storage: Storage, tmp_path: Path) -> None:
    to = tmp_path / "a"
    with Partial(to) as held:
        held.append(b"x")
        with pytest.raises(DownloadRunning):
            download(f"{storage.url}/a", to)
    assert storage.requests == []


def test_room_is_looked_for_before_a_byte_is_asked_for(
    storage: Storage, tmp_path: Path, settings: Settings
) -> None:
    settings.UPSTREAM_FILE_GB = 2**30
    with pytest.raises(NotEnoughDisk):
        download(f"{storage.url}/a", tmp_path / "a", size=2**59)
    assert storage.requests == [] and names(tmp_path) == []
    # The record may not tell the size; the answer's head does.
    storage.plan(WrongLength(2**59))
    with pytest.raises(NotEnoughDisk):
        download(f"{storage.url}/a", tmp_path / "a")
    assert names(tmp_path) == []


def test_a_file_has_a_largest_size(storage: Storage, tmp_path: Path, settings: Settings) -> None:
    with pytest.raises(AnswerTooLarge):
        download(f"{storage.url}/a", tmp_path / "a", size=21 * 2**30)
    assert storage.requests == []
    storage.plan(WrongLength(21 * 2**30))
    with pytest.raises(AnswerTooLarge):
        download(f"{storage.url}/a", tmp_path / "a")


def test_a_file_that_goes_on_beyond_its_size_is_left(storage: Storage, tmp_path: Path) -> None:
    storage.plan(Chunked(), times=None)
    with pytest.raises(SizeMismatch):
        download(f"{storage.url}/a", tmp_path / "a", size=len(BYTES) - 1)
    assert names(tmp_path) == []


def test_a_slow_drip_is_left_and_gone_on_with(storage: Storage, tmp_path: Path, settings: Settings) -> None:
    settings.UPSTREAM_READ_SECONDS = 0.2
    settings.UPSTREAM_LEAST_KB_PER_SECOND = 1024
    storage.plan(Drip(1000, 0.02))
    assert download(f"{storage.url}/a", tmp_path / "a").sha256.lower() == SHA256
    assert storage.ranges[1].startswith("bytes=")


def test_a_folder_that_is_a_file_is_one_clear_error(storage: Storage, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DownloadFolderUnusable):
        download(f"{storage.url}/a", tmp_path / "file" / "a")


def test_notes_that_cannot_be_read_cost_the_part_and_nothing_else(storage: Storage, tmp_path: Path) -> None:
    (tmp_path / "a.part").write_bytes(b"anything")
    (tmp_path / "a.part.json").write_bytes(b'{"address": 5')
    assert download(f"{storage.url}/a", tmp_path / "a").sha256.lower() == SHA256


@examples(max_examples=25)
@given(cuts=st.lists(st.floats(0, 1), max_size=6), sizes=st.integers(0, 3_000_000))
def test_any_cuts_of_any_file_give_its_bytes(
    cuts: list[float], sizes: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("cuts")
    with Storage() as server, pytest.MonkeyPatch.context() as patch:
        patch.setattr("django.conf.settings.UPSTREAM_PRIVATE_HOSTS", [server.host])
        patch.setattr("django.conf.settings.UPSTREAM_TRIES", 20)
        server.body = BYTES[:sizes]
        for cut in cuts:
            server.plan(Cut(cut))
        found = download(f"{server.url}/a", folder / "a")
        assert found.sha256.lower() == hashlib.sha256(BYTES[:sizes]).hexdigest()
        assert server.sent == sizes
