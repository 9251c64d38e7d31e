"""Items and questions by API: reviewers settle them, others see what is public, letters stay private."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from registry.licensing.items import ITEMS
from registry.models import AuthorQuestion, Version
from tests.catalog import build
from tests.catalog.api.conftest import Caller

pytestmark = [pytest.mark.database, pytest.mark.django_db]

SELL = "generate_and_sell_images"


@pytest.fixture
def version() -> Version:
    return build.version("Ink")


def items(caller: Caller, version: Version) -> dict[str, Any]:
    return {row["item"]: row for row in caller.get(f"versions/{version.pk}/items/").json()}


def conclusion(**changes: Any) -> dict[str, Any]:
    plain = {"value": {"status": "allowed"}, "reason": "says so", "evidence": {"text": "you may sell them"}}
    return plain | changes


def answer(**changes: Any) -> dict[str, Any]:
    plain = {
        "answered_by": "x", "identity": "same_account", "proof": "reply below", "message": "yes",
        "received": timezone.now().isoformat(), "grants": [SELL],
    }  # fmt: skip
    return plain | changes


def ask(reviewer: Caller, version: Version) -> int:
    body = {"version": version.pk, "items": ["sell_images", "credit"], "language": "ja"}
    response = reviewer.post("questions/", body)
    assert response.status_code == 201
    return int(response.json()["id"])


def test_all_items_are_listed_with_state_and_act(downloader: Caller, version: Version) -> None:
    found = items(downloader, version)
    assert list(found) == list(ITEMS)
    assert (found["sell_images"]["act"], found["credit"]["act"]) == (SELL, None)


def test_a_reviewer_concludes_and_opens_again(reviewer: Caller, version: Version) -> None:
    response = reviewer.post(f"versions/{version.pk}/items/sell_images/", conclusion())
    assert response.status_code == 200
    row = response.json()
    assert (row["state"], row["who"], row["value"]["status"]) == ("concluded", "reviewer", "allowed")
    assert len(row["evidence"]["sha256"]) == 64
    again = reviewer.post(f"versions/{version.pk}/items/sell_images/reopen/", {"reason": "a mistake"})
    assert again.json()["state"] == "unread"


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("items/fame/", conclusion(), 404, "unknown_item"),
        ("items/sell_images/", conclusion(value={"status": "maybe"}), 400, "bad_conclusion"),
        ("items/sell_images/", conclusion(reason="ok"), 400, "reason_required"),
        ("items/sell_images/", conclusion(evidence={}), 400, "evidence_missing"),
        ("items/sell_images/", conclusion(evidence={"snapshot": 99}), 400, "evidence_missing"),
        ("items/sell_images/", {}, 400, "invalid"),
        ("items/sell_images/", conclusion(value="yes"), 400, "invalid"),
        ("items/sell_images/reopen/", {"reason": "a mistake"}, 409, "not_concluded"),
    ],
)
def test_nonsense_is_a_problem_with_a_code(
    reviewer: Caller, version: Version, path: str, body: dict[str, Any], status: int, code: str
) -> None:
    response = reviewer.post(f"versions/{version.pk}/{path}", body)
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert response.json()["next_step"] or code == "bad_conclusion"


def test_only_reviewers_settle_anything(anybody: Caller, downloader: Caller, version: Version) -> None:
    address = f"versions/{version.pk}/items/sell_images/"
    assert anybody.get(f"versions/{version.pk}/items/").status_code == 401
    assert downloader.post(address, conclusion()).status_code == 403
    assert items(downloader, version)["sell_images"]["state"] == "unread"


def test_a_question_goes_from_draft_to_answer(reviewer: Caller, version: Version) -> None:
    pk = ask(reviewer, version)
    assert "作者様" in reviewer.get(f"questions/{pk}/").json()["text"]
    sent = reviewer.post(f"questions/{pk}/send/", {"channel": "email", "address": "x@example.com"})
    assert (sent.json()["state"], sent.json()["sent_by"]) == ("sent", "reviewer")
    assert reviewer.post(f"questions/{pk}/remind/", {}).json()["state"] == "reminded"
    assert reviewer.post(f"questions/{pk}/no-reply/", {}).json()["state"] == "no_reply"
    credit = {"required": True, "wording": "by x"}
    answered = reviewer.post(f"questions/{pk}/answers/", answer(credit=credit))
    assert answered.status_code == 201
    assert answered.json()["answers"][0]["reading"]["grants"] == [SELL]
    assert items(reviewer, version)["credit"]["value"]["wording"] == "by x"
    second = reviewer.post(f"questions/{pk}/answers/{answered.json()['answers'][0]['id']}/second/", {})
    assert (second.status_code, second.json()["code"]) == (409, "same_reader")
    back = reviewer.post(f"questions/{pk}/take-back/", {"message": "no more"})
    assert back.json()["state"] == "withdrawn"
    assert [row["id"] for row in reviewer.get("questions/", {"version": version.pk}).json()["results"]] == [
        pk
    ]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (answer(grants=["sell_adapter"]), "bad_answer"),
        (answer(grants=["fly"]), "unknown_act"),
        (answer(identity="gut"), "invalid"),
        (answer(territories=["Atlantis"]), "bad_fact"),
        (answer(conditions=["be_nice"]), "unknown_condition"),
        ({}, "invalid"),
    ],
)
def test_an_answer_that_cannot_be_taken_leaves_the_question_open(
    reviewer: Caller, version: Version, body: dict[str, Any], code: str
) -> None:
    pk = ask(reviewer, version)
    reviewer.post(f"questions/{pk}/send/", {"channel": "x", "address": "@x"})
    response = reviewer.post(f"questions/{pk}/answers/", body)
    assert (response.status_code, response.json()["code"]) == (400, code)
    assert AuthorQuestion.objects.get().state == "sent"


def test_a_step_out_of_turn_is_a_conflict(reviewer: Caller, version: Version) -> None:
    response = reviewer.post(f"questions/{ask(reviewer, version)}/remind/", {})
    assert (response.status_code, response.json()["code"]) == (409, "question_state")


def test_letters_are_for_reviewers(
    anybody: Caller, downloader: Caller, reviewer: Caller, version: Version
) -> None:
    pk = ask(reviewer, version)
    assert anybody.get("questions/").status_code == 401
    assert downloader.get("questions/").status_code == 403
    assert downloader.get(f"questions/{pk}/").status_code == 403
    assert downloader.post(f"questions/{pk}/remind/", {}).status_code == 403
