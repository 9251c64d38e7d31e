"""Asking an upstream: what goes out, what comes back, and what each way of failing is called."""

from __future__ import annotations

import gzip
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from pytest_django import Settings

from registry.sources.http import (
    ANY,
    JSON,
    TEXT,
    Credentials,
    get,
    get_range,
    post_json,
    recorded_connections,
)
from registry.sources.upstream_errors import (
    AccessRefused,
    AnswerTooLarge,
    EarlyAccess,
    GatedUpstream,
    GoneUpstream,
    HostNotAllowed,
    HtmlInsteadOfFile,
    LoginRequired,
    NotFoundUpstream,
    RateLimited,
    RequestRefused,
    TooManyRedirects,
    UnexpectedAnswer,
    UpstreamError,
    UpstreamUnavailable,
    UpstreamUnreachable,
)
from tests.upstreams.faults import (
    Broken,
    Chunked,
    Cut,
    Drip,
    Fault,
    FaultyServer,
    Gzip,
    Hang,
    Hangup,
    Html,
    NoRanges,
    Quota,
    RedirectTo,
    Status,
    TooMany,
    Truncated,
)
from tests.upstreams.replies import Reply, Request

FILE = bytes(range(256)) * 40


class Upstream(FaultyServer):
    """Echoes what it was asked as JSON; /file is a file, /page/... a text."""

    def answer(self, request: Request) -> Reply:
        if request.path == "/file":
            return Reply.of_file(FILE, '"strong"')
        if request.path == "/text":
            return Reply.of_bytes("Lizenz für alle".encode(), "text/plain; charset=utf-8")
        body = request.body.decode() if request.body else ""
        return Reply.of_json({"path": request.path, "query": dict(request.query), "body": body})


@pytest.fixture
def upstream(settings: Settings) -> Iterator[Upstream]:
    with Upstream() as server:
        settings.UPSTREAM_PRIVATE_HOSTS = [server.host]
        yield server


def test_an_answer_is_kept_as_it_came_with_its_time_and_address(upstream: Upstream) -> None:
    answer = get(f"{upstream.url}/models?a=1&token=pasted", params={"types": ["LORA", "DoRA"], "limit": 5})
    assert answer.status == 200
    assert answer.json()["query"] == {"a": ["1"], "types": ["LORA", "DoRA"], "limit": ["5"]}
    assert json.loads(answer.body) == answer.json()
    assert answer.url == f"{upstream.url}/models?a=1&types=LORA&types=DoRA&limit=5"
    assert answer.headers["content-TYPE"].startswith("application/json")
    assert timedelta(0) <= datetime.now(UTC) - answer.fetched < timedelta(minutes=1)


def test_kura_says_who_it_is_and_sends_no_more_than_it_must(upstream: Upstream) -> None:
    get(upstream.url)
    sent = upstream.requests[0].headers
    assert sent.keys() <= {"host", "user-agent", "accept", "accept-encoding", "connection"}
    assert sent["user-agent"].startswith("Kura/0.1.0 (")
    words = ("mozilla", "chrome", "safari", "firefox", "opera", "edge", "python-requests")
    assert not any(word in sent["user-agent"].lower() for word in words)


def test_text_and_any_content(upstream: Upstream) -> None:
    assert get(f"{upstream.url}/text", accept=TEXT).text() == "Lizenz für alle"
    assert get(f"{upstream.url}/file", accept=ANY).body == FILE
    with pytest.raises(UnexpectedAnswer):
        get(f"{upstream.url}/text", accept=JSON)
    upstream.plan(Html())
    assert b"Log in" in get(upstream.url, accept=ANY).body


def test_a_question_is_posted_as_json(upstream: Upstream) -> None:
    answer = post_json(f"{upstream.url}/by-hash", ["A" * 64])
    assert json.loads(answer.json()["body"]) == ["A" * 64]
    assert upstream.requests[0].method == "POST"


@pytest.mark.parametrize(
    "fault",
    [
        TooMany("0"),
        TooMany(),
        TooMany(RateLimit='"api";r=0;t=1'),
        Broken(500),
        Broken(502),
        Broken(503, "0"),
        Broken(524),
        Html(),
        Cut(0.5),
        Hangup(),
        Truncated(3),
        Status(403, None, Content_Type="text/html"),
    ],
)
def test_what_passes_is_asked_again(upstream: Upstream, fault: Fault) -> None:
    upstream.plan(fault)
    assert get(f"{upstream.url}/a").json()["path"] == "/a"
    assert len(upstream.requests) == 2


@pytest.mark.parametrize("fault", [Gzip(), Chunked()])
def test_how_a_body_is_packed_makes_no_difference(upstream: Upstream, fault: Fault) -> None:
    upstream.plan(fault)
    assert get(f"{upstream.url}/a").json()["path"] == "/a"


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Broken(503), UpstreamUnavailable),
        (Hangup(), UpstreamUnavailable),
        (Cut(0.1), UpstreamUnavailable),
        (Html(), UnexpectedAnswer),
        (TooMany("0"), RateLimited),
    ],
)
def test_what_does_not_pass_is_given_up_after_so_many_tries(
    upstream: Upstream, fault: Fault, error: type[UpstreamError], settings: Settings
) -> None:
    settings.UPSTREAM_TRIES = 3
    upstream.plan(fault, times=None)
    with pytest.raises(error) as failed:
        get(f"{upstream.url}/a")
    assert len(upstream.requests) == 3 and not failed.value.permanent


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Status(400, {"error": {"name": "ZodError"}}), RequestRefused),
        (Status(401, {"error": "Unauthorized", "message": "The creator disabled downloads"}), LoginRequired),
        (Status(401, {"error": "x"}, X_Error_Code="RepoNotFound"), NotFoundUpstream),
        (Status(401, {"error": "x"}, X_Error_Code="GatedRepo"), GatedUpstream),
        (Status(403, {"error": "x"}, X_Error_Code="GatedRepo"), GatedUpstream),
        (Status(403, {"error": "Early Access", "deadline": "2026-12-01T00:00:00.000Z"}), EarlyAccess),
        (Status(403, {"error": "Forbidden"}), AccessRefused),
        (Status(404, {"error": "Model not found"}), NotFoundUpstream),
        (Status(410, {"error": "Archived"}), GoneUpstream),
        (Status(451, None), GoneUpstream),
        (RedirectTo("/login?returnUrl=/&reason=download-auth"), LoginRequired),
    ],
)
def test_each_refusal_has_a_name_and_is_not_repeated(
    upstream: Upstream, fault: Fault, error: type[UpstreamError]
) -> None:
    upstream.plan(fault)
    with pytest.raises(error) as refused:
        get(f"{upstream.url}/models/5")
    assert len(upstream.requests) == 1
    assert refused.value.permanent and refused.value.next_step and refused.value.who_to_ask
    assert upstream.host in refused.value.message


def test_early_access_tells_until_when(upstream: Upstream) -> None:
    upstream.plan(Status(403, {"error": "Early Access", "deadline": "2026-12-01T00:00:00.000Z"}))
    with pytest.raises(EarlyAccess) as refused:
        get(f"{upstream.url}/a")
    assert refused.value.until == datetime(2026, 12, 1, tzinfo=UTC)


def test_the_upstreams_own_words_are_passed_on_without_control_characters(upstream: Upstream) -> None:
    upstream.plan(Status(401, {"error": "Unauthorized", "message": "no\x1b[2J\ndownloads‮"}))
    with pytest.raises(LoginRequired, match=r"Unauthorized no\[2J downloads\."):
        get(f"{upstream.url}/a")


def test_a_refusal_is_believed_for_a_while_and_says_when_it_was_given(upstream: Upstream) -> None:
    upstream.plan(Status(404, {"error": "Model not found"}))
    for _ in range(3):
        with pytest.raises(NotFoundUpstream) as refused:
            get(f"{upstream.url}/models/5")
    assert len(upstream.requests) == 1
    assert f"answer at {datetime.now(UTC):%Y-%m-%d}" in refused.value.message
    # Another address, another account, and whoever wants to know now, are not held up.
    assert get(f"{upstream.url}/models/6").status == 200
    account = Credentials((upstream.host,), "token")
    assert get(f"{upstream.url}/models/5", credentials=account).status == 200
    assert get(f"{upstream.url}/models/5", fresh=True).status == 200
    assert get(f"{upstream.url}/models/5").status == 200


def test_a_pause_longer_than_a_request_may_wait_is_for_the_job(upstream: Upstream) -> None:
    upstream.plan(TooMany("3600"))
    for _ in range(2):
        with pytest.raises(RateLimited) as limited:
            get(f"{upstream.url}/a")
        assert limited.value.retry_after == pytest.approx(3600, abs=5)
    # The second was not even sent: the whole site knows.
    assert len(upstream.requests) == 1


def test_a_date_is_as_good_as_a_number_of_seconds(upstream: Upstream) -> None:
    upstream.plan(TooMany(format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)))
    with pytest.raises(RateLimited) as limited:
        get(f"{upstream.url}/a")
    assert limited.value.retry_after == pytest.approx(3600, abs=5)


@pytest.mark.parametrize("announce", ["ratelimit", "retry-after"])
def test_an_announced_quota_is_kept(upstream: Upstream, announce: str) -> None:
    quota = Quota(limit=4, window=1, announce=announce)
    upstream.quotas.append(quota)
    for number in range(10):
        get(f"{upstream.url}/{number}")
    assert quota.over <= (0 if announce == "ratelimit" else 2)


def test_a_token_goes_to_its_host_and_nowhere_else(
    upstream: Upstream, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    account = Credentials((upstream.host,), "s3cr3t-token")
    with Upstream() as storage:
        settings.UPSTREAM_PRIVATE_HOSTS = [upstream.host, storage.host]
        upstream.plan(RedirectTo(f"{storage.url}/object?sig=abc&token=s3cr3t-token"))
        answer = get(f"{upstream.url}/file", credentials=account, accept=ANY)
        assert upstream.requests[0].headers["authorization"] == "Bearer s3cr3t-token"
        assert "authorization" not in storage.requests[0].headers
        assert storage.requests[0].query == {"sig": ["abc"]}
        # Back home by way of another host is no longer the first answer's word.
        storage.plan(Broken(500), times=None)
        upstream.plan(RedirectTo(f"{storage.url}/object?sig=abc"), times=None)
        with pytest.raises(UpstreamUnavailable) as failed:
            get(f"{upstream.url}/file", credentials=account)
    assert "sig" not in str(failed.value) and "s3cr3t" not in str(failed.value)
    assert "s3cr3t" not in answer.url + caplog.text + repr(account)


def test_a_token_is_not_sent_where_it_does_not_belong(upstream: Upstream) -> None:
    get(f"{upstream.url}/a", credentials=Credentials(("civitai.com",), "t"))
    assert "authorization" not in upstream.requests[0].headers


def test_a_redirect_within_the_host_keeps_the_token(upstream: Upstream) -> None:
    upstream.plan(RedirectTo("/b"))
    assert get(f"{upstream.url}/a", credentials=Credentials((upstream.host,), "t")).json()["path"] == "/b"
    assert [each.headers["authorization"] for each in upstream.requests] == ["Bearer t"] * 2


def test_no_request_leaves_the_allow_list(upstream: Upstream) -> None:
    with Upstream() as elsewhere, recorded_connections() as seen:
        upstream.plan(RedirectTo(f"{elsewhere.url}/a"))
        with pytest.raises(HostNotAllowed) as refused:
            get(f"{upstream.url}/a")
        for url in ("https://example.org/", "http://169.254.169.254/latest/meta-data/", elsewhere.url):
            with pytest.raises(HostNotAllowed):
                get(url)
        assert elsewhere.requests == []
    assert {f"{each.address}:{each.port}" for each in seen} == {upstream.host}
    assert refused.value.code == "host_not_allowed"


def test_redirects_end(upstream: Upstream) -> None:
    upstream.plan(RedirectTo("/again"), times=None)
    with pytest.raises(TooManyRedirects):
        get(f"{upstream.url}/a")
    assert len(upstream.requests) == 6


def test_an_answer_has_a_largest_size(upstream: Upstream) -> None:
    with pytest.raises(AnswerTooLarge):
        get(f"{upstream.url}/file", accept=ANY, cap=len(FILE) - 1)
    assert get(f"{upstream.url}/file", accept=ANY, cap=len(FILE)).body == FILE


class Bomb(FaultyServer):
    """A few kilobytes that unpack to a gigabyte."""

    def answer(self, request: Request) -> Reply:
        block = gzip.compress(bytes(64 * 2**20), 9)
        return Reply(200, {"Content-Type": "application/json", "Content-Encoding": "gzip"}, block * 16)


def test_a_body_that_unpacks_without_end_is_left(settings: Settings) -> None:
    with Bomb() as server:
        settings.UPSTREAM_PRIVATE_HOSTS = [server.host]
        with pytest.raises(AnswerTooLarge):
            get(server.url, cap=2**20)


def test_a_silent_upstream_is_left_and_a_slow_one_too(upstream: Upstream, settings: Settings) -> None:
    settings.UPSTREAM_TRIES = 1
    settings.UPSTREAM_READ_SECONDS = 0.1
    upstream.plan(Hang(0.5))
    with pytest.raises(UpstreamUnavailable):
        get(f"{upstream.url}/a")
    settings.UPSTREAM_READ_SECONDS, settings.UPSTREAM_TOTAL_SECONDS = 5, 0.1
    upstream.plan(Drip(1, 0.02))
    with pytest.raises(UpstreamUnavailable, match="too slow"):
        get(f"{upstream.url}/a")


def test_a_host_that_takes_no_connection_is_unreachable(settings: Settings) -> None:
    with Upstream() as server:
        url, settings.UPSTREAM_PRIVATE_HOSTS = server.url, [server.host]
    settings.UPSTREAM_TRIES = 2
    with pytest.raises(UpstreamUnreachable):
        get(url)


def test_a_range_is_read_and_nothing_more(upstream: Upstream) -> None:
    answer = get_range(f"{upstream.url}/file", 100, 356)
    assert (answer.status, answer.body) == (206, FILE[100:356])
    assert answer.headers["Content-Range"] == f"bytes 100-355/{len(FILE)}"
    assert upstream.sent == 256
    assert get_range(f"{upstream.url}/file", len(FILE) - 8, len(FILE) + 100).body == FILE[-8:]
    past = get_range(f"{upstream.url}/file", len(FILE), len(FILE) + 1)
    assert (past.status, past.body) == (416, b"")


def test_a_host_that_knows_no_ranges_is_read_no_further_than_asked(upstream: Upstream) -> None:
    upstream.plan(NoRanges(), times=None)
    assert get_range(f"{upstream.url}/file", 100, 356).body == FILE[100:356]


def test_a_log_in_page_is_no_part_of_a_file(upstream: Upstream) -> None:
    upstream.plan(Html())
    with pytest.raises(HtmlInsteadOfFile):
        get_range(f"{upstream.url}/file", 0, 8)


def says(body: bytes) -> Fault:
    return lambda request, reply: Reply.of_bytes(body, "application/json")


def test_json_that_is_none_is_no_answer(upstream: Upstream, settings: Settings) -> None:
    settings.UPSTREAM_TRIES = 1
    for body in (b"", b"{", b'{"a": NaN}', b"[" * 100_000, b"\xff\xfe"):
        upstream.plan(says(body))
        with pytest.raises(UnexpectedAnswer):
            get(f"{upstream.url}/a")
