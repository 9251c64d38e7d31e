"""Each way in which an upstream refuses reaches a person: on the jobs page, by program, on the command line.

Every refusal is one that a server on loopback gives to a real `ingest`.
"""

from __future__ import annotations

import html
import io
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from pytest_django import Settings

from catalog.pages.error_words import MEANINGS
from config.command_line import report
from registry import jobs
from registry.errors import error_class
from registry.models import Job, JobState
from registry.sources.upstream_errors import ADMINISTRATOR, AUTHOR, UPSTREAM, UpstreamError
from tests.catalog.pages.rows import make_reviewer
from tests.registry.sources.civitai_fixture import civitai
from tests.upstreams.civitai import CivitaiServer
from tests.upstreams.civitai_catalog import model
from tests.upstreams.faults import Broken, Html, RedirectTo, Status, TooMany

__all__ = ["civitai"]

pytestmark = [
    pytest.mark.database,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("blobs", "seeded", "lineage_folder"),
]


def answer(fault: Any) -> Callable[[CivitaiServer, Settings], None]:
    return lambda server, settings: server.plan(fault, path="/api/v1/models/7$", times=None)


def forbid_host(server: CivitaiServer, settings: Settings) -> None:
    settings.UPSTREAM_PRIVATE_HOSTS = []
    settings.UPSTREAM_HOSTS = ["civitai.com"]


REFUSALS: dict[str, tuple[Callable[[CivitaiServer, Settings], None], str]] = {
    "not_found_upstream": (answer(Status(404, {"error": "No model"})), UPSTREAM),
    "gone_upstream": (answer(Status(410, {"error": "Gone"})), AUTHOR),
    "login_required": (answer(Status(401, {"error": "Unauthorized"})), ADMINISTRATOR),
    "early_access": (answer(Status(401, {"error": "Early Access"})), AUTHOR),
    "gated_upstream": (answer(Status(403, {"error": "Restricted"}, X_Error_Code="GatedRepo")), AUTHOR),
    "access_refused": (answer(Status(403, {"error": "Forbidden"})), UPSTREAM),
    "request_refused": (answer(Status(400, {"error": "Bad request"})), UPSTREAM),
    "unexpected_answer": (answer(Html()), UPSTREAM),
    "upstream_unavailable": (answer(Broken()), UPSTREAM),
    "rate_limited": (answer(TooMany("86400")), UPSTREAM),
    "host_not_allowed": (forbid_host, ADMINISTRATOR),
    "too_many_redirects": (answer(RedirectTo("/api/v1/models/7")), UPSTREAM),
}


@pytest.fixture(autouse=True)
def no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "wake", lambda queue, **_: None)


@pytest.fixture(params=REFUSALS)
def refused(request: pytest.FixtureRequest, civitai: CivitaiServer, settings: Settings) -> str:
    """The code of the refusal that asking for civitai:7 meets from now on."""
    civitai.catalog.add(model(7))
    REFUSALS[request.param][0](civitai, settings)
    return str(request.param)


def text_of(page: bytes) -> str:
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.decode())))


def test_a_refusal_is_told_with_what_to_do_and_whom_to_ask(
    refused: str, capsys: pytest.CaptureFixture[str]
) -> None:
    who = REFUSALS[refused][1]
    kind = error_class(refused)
    assert kind is not None and kind.next_step and kind.who_to_ask == who

    job = jobs.enqueue("registry.ingest", "civitai:7", payload={"source": "civitai:7"}, max_attempts=1)
    jobs.work("cpu")
    job.refresh_from_db()
    assert (job.state, job.error_code) == (JobState.FAILED, refused)

    desk = Client()
    desk.force_login(make_reviewer())
    told = desk.get(f"/api/v1/jobs/{job.pk}/").json()
    assert (told["error_code"], told["next_step"], told["who_to_ask"]) == (refused, kind.next_step, who)
    assert told["error_message"]

    page = text_of(desk.get("/jobs/").content)
    for words in (str(MEANINGS[refused]), job.error_message, kind.next_step, f"Whom to ask: {who}.", refused):
        assert words in page, words

    exit_code = report(lambda: call_command("ingest", "civitai:7", stdout=io.StringIO()))
    line = capsys.readouterr().err
    assert exit_code == 1 and line.startswith(f"{refused}: ")
    assert kind.next_step in line and f"Whom to ask: {who}." in line
    assert line.count("\n") == 1 and "Traceback" not in line


def test_the_page_to_add_from_an_address_tells_the_same(refused: str) -> None:
    desk = Client()
    desk.force_login(make_reviewer())
    shown = desk.post("/add/", {"source": "civitai:7", "action": "preview"})
    page = text_of(shown.content)
    assert shown.status_code == 422
    for words in (str(MEANINGS[refused]), f"Whom to ask: {REFUSALS[refused][1]}.", refused):
        assert words in page, words


def test_every_refusal_of_an_upstream_has_a_sentence_for_pages() -> None:
    def below(kind: type[UpstreamError]) -> set[str]:
        return {kind.code}.union(*(below(each) for each in kind.__subclasses__()))

    assert below(UpstreamError) - MEANINGS.keys() == set()


def test_a_job_that_did_not_fail_has_nothing_to_do(db: None) -> None:
    job = jobs.enqueue("registry.ingest", "civitai:7")
    desk = Client()
    desk.force_login(make_reviewer())
    told = desk.get(f"/api/v1/jobs/{job.pk}/").json()
    assert (told["error_code"], told["next_step"], told["who_to_ask"]) == ("", "", "")
    Job.objects.filter(pk=job.pk).update(error_code="of_an_older_release")
    assert desk.get(f"/api/v1/jobs/{job.pk}/").json()["next_step"] == ""
