"""The review queue: who may see it, one screen per version, decisions with reasons, the next one at once."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

from registry.models import Review, Version, Vetting
from tests.catalog.pages.rows import OPEN_FLAGS, make_adapter

pytestmark = pytest.mark.database

HTMX = {"HX-Request": "true"}


@pytest.fixture
def waiting(db: None) -> list[Version]:
    return [
        make_adapter(f"Number {number}", flags=OPEN_FLAGS, vetting=Vetting.WAITING) for number in range(3)
    ]


def test_a_reader_is_sent_to_sign_in(client: Client, waiting: list[Version]) -> None:
    assert client.get("/review/").headers["Location"] == "/accounts/login/?next=/review/"


def test_a_user_who_may_not_review_changes_nothing(client: Client, waiting: list[Version]) -> None:
    client.force_login(User.objects.create_user("reader"))
    refused = client.post(f"/review/{waiting[0].pk}/", {"action": "approve"})
    assert refused.status_code == 403
    assert "You may not open this" in refused.content.decode()
    assert not Review.objects.exists()


def test_the_oldest_comes_first_with_number_and_neighbors(desk: Client, waiting: list[Version]) -> None:
    place = desk.get("/review/").context["place"]
    assert (place.version, place.waiting, place.position) == (waiting[0], 3, 1)
    assert (place.previous, place.next) == (None, waiting[1].pk)


def test_neighbors_follow_the_queue(desk: Client, waiting: list[Version]) -> None:
    place = desk.get(f"/review/{waiting[1].pk}/").context["place"]
    assert (place.previous, place.next, place.position) == (waiting[0].pk, waiting[2].pk, 2)


def test_approving_shows_the_next_one_without_a_page_change(desk: Client, waiting: list[Version]) -> None:
    response = desk.post(f"/review/{waiting[0].pk}/", {"action": "approve"}, headers=HTMX)
    waiting[0].refresh_from_db()
    assert waiting[0].vetting == Vetting.APPROVED
    assert response.context["place"].version == waiting[1]
    assert response.headers["HX-Push-Url"] == f"/review/{waiting[1].pk}/"
    assert "<html" not in response.content.decode()


def test_without_script_a_decision_leads_to_the_next_page(desk: Client, waiting: list[Version]) -> None:
    response = desk.post(f"/review/{waiting[0].pk}/", {"action": "approve"})
    assert response.headers["Location"] == f"/review/{waiting[1].pk}/"


@pytest.mark.parametrize("reason", ["", "no", "  x  "])
def test_a_rejection_needs_a_reason_of_three_characters(
    desk: Client, waiting: list[Version], reason: str
) -> None:
    response = desk.post(f"/review/{waiting[0].pk}/", {"action": "reject", "reason": reason}, headers=HTMX)
    waiting[0].refresh_from_db()
    assert response.status_code == 422
    assert waiting[0].vetting == Vetting.WAITING
    assert "Say why" in response.content.decode()


def test_a_rejection_keeps_its_reason_in_the_history(desk: Client, waiting: list[Version]) -> None:
    desk.post(f"/review/{waiting[0].pk}/", {"action": "reject", "reason": "likeness of a real person"})
    page = desk.get(f"/review/{waiting[0].pk}/").content.decode()
    assert "likeness of a real person" in page
    assert "Already decided" in page


def test_a_second_decision_is_refused_with_the_cause(desk: Client, waiting: list[Version]) -> None:
    desk.post(f"/review/{waiting[0].pk}/", {"action": "approve"})
    again = desk.post(f"/review/{waiting[0].pk}/", {"action": "approve"}, headers=HTMX)
    assert again.status_code == 409
    assert Review.objects.count() == 1


def test_an_empty_queue_says_so(desk: Client) -> None:
    assert "Nothing waits for review" in desk.get("/review/").content.decode()


def test_a_version_that_is_not_there_is_not_found(desk: Client) -> None:
    assert desk.get("/review/99/").status_code == 404
