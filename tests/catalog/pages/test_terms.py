"""The review screen's terms: items concluded, texts pasted, authors asked, each by a plain form."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from PIL import Image

from registry import author_questions as asking
from registry.licensing.items import ITEMS
from registry.models import AuthorAnswer, AuthorQuestion, ItemState, ReviewItem, Snapshot, Version, Vetting
from registry.review_items import items_of
from registry.storage import open_blob
from registry.verdicts import verdict_for
from tests.catalog.pages.rows import CLOSED_FLAGS, make_adapter

pytestmark = pytest.mark.database

HTMX = {"HX-Request": "true"}
SELL = "generate_and_sell_images"
TABLE = "クレジットを入れずに使用する ○\n生成した画像を販売する ○\n有料サービスで生成する ×\n何かその他の行"


@pytest.fixture
def waiting(db: None) -> Version:
    return make_adapter("Ink", flags=CLOSED_FLAGS, vetting=Vetting.WAITING)


@pytest.fixture
def sent(waiting: Version) -> AuthorQuestion:
    question = asking.start(waiting, ["sell_images", "credit"], "en", "mika")
    return asking.mark_sent(question, "email", "author@example.com", "mika")


def outcome(version: Version, act: str = SELL) -> str:
    return verdict_for(Version.objects.get(pk=version.pk), act, {}).outcome


def state(version: Version, key: str) -> str:
    return ReviewItem.objects.get(version=version, key=key).state


def conclusion(version: Version, **changes: Any) -> dict[str, Any]:
    snapshot = version.claims.earliest("id").snapshot_id
    return {"status": "allowed", "reason": "says so", "evidence": snapshot, "action": "conclude"} | changes


def answer_of(question: AuthorQuestion, **changes: Any) -> dict[str, Any]:
    said = {
        "answered_by": "mika", "identity": "same_account", "proof": "reply below",
        "received": timezone.localdate().isoformat(), "message": "Yes!", "act_sell_images": "yes",
        "credit_required": "",
    }  # fmt: skip
    return {f"q{question.pk}-{name}": value for name, value in (said | changes).items()}


class TestItems:
    def test_every_item_has_its_row_in_its_group(self, desk: Client, waiting: Version) -> None:
        panel = desk.get(f"/review/{waiting.pk}/").context["items"]
        assert [row.item.key for row in panel.rows] == list(ITEMS)
        page = desk.get(f"/review/{waiting.pk}/").content.decode()
        for key in ITEMS:
            assert f'id="item-{key}"' in page

    def test_rows_of_older_versions_are_made_when_they_are_looked_at(
        self, desk: Client, waiting: Version
    ) -> None:
        ReviewItem.objects.all().delete()
        assert len(desk.get(f"/review/{waiting.pk}/").context["items"].rows) == len(ITEMS)

    def test_concluding_without_script_leads_back_to_the_item(self, desk: Client, waiting: Version) -> None:
        response = desk.post(f"/review/{waiting.pk}/items/sell_images/", conclusion(waiting))
        assert response.headers["Location"] == f"/review/{waiting.pk}/#item-sell_images"
        assert (outcome(waiting), state(waiting, "sell_images")) == ("allowed", ItemState.CONCLUDED)

    def test_with_htmx_items_verdicts_and_credit_come_in_place(self, desk: Client, waiting: Version) -> None:
        given = conclusion(waiting, status="conditional", conditions=["attribution"])
        response = desk.post(f"/review/{waiting.pk}/items/sell_images/", given, headers=HTMX)
        assert response.status_code == 200
        verdicts = {each["act"].id: each["verdict"].outcome for each in response.context["verdicts"]}
        assert verdicts[SELL] == "conditional"
        assert response.context["credits"][0][1].required
        page = response.content.decode()
        assert "<html" not in page
        assert "says so" in page

    def test_what_is_wrong_is_said_beside_what_was_given(self, desk: Client, waiting: Version) -> None:
        given = conclusion(waiting, evidence="text", evidence_text="", reason="a good one")
        response = desk.post(f"/review/{waiting.pk}/items/sell_images/", given, headers=HTMX)
        assert response.status_code == 422
        page = response.content.decode()
        assert "names nothing that it rests on" in page
        assert 'value="a good one"' in page
        assert outcome(waiting) == "forbidden"

    def test_it_is_opened_again_with_a_reason(self, desk: Client, waiting: Version) -> None:
        address = f"/review/{waiting.pk}/items/sell_images/"
        desk.post(address, conclusion(waiting))
        assert desk.post(address, {"action": "reopen", "reason": ""}).status_code == 422
        assert desk.post(address, {"action": "reopen", "reason": "it was deleted"}).status_code == 302
        assert (outcome(waiting), state(waiting, "sell_images")) == ("forbidden", ItemState.STATED)

    @pytest.mark.parametrize(
        ("key", "value", "held"),
        [
            ("credit", {"required": "yes", "wording": "by x", "links": "https://a.example https://b.example",
                        "where": ["web", "print"]},
             {"required": True, "wording": "by x", "links": ["https://a.example", "https://b.example"],
              "where": ["web", "print"]}),
            ("credit", {"required": "no", "wording": "left over"},
             {"required": False, "wording": "", "links": [], "where": []}),
            ("base", {"base": "sdxl-1-0"},
             {"base": "sdxl-1-0", "license": "creativeml-openrail-plusplus-m"}),
            ("copyright", {"state": "uncleared", "owner": "them"}, {"state": "uncleared", "owner": "them"}),
            ("portrait", {"state": "cleared", "person": "none"}, {"state": "cleared", "person": "none"}),
        ],
    )  # fmt: skip
    def test_each_kind_of_item_has_its_form(
        self, desk: Client, waiting: Version, key: str, value: dict[str, Any], held: dict[str, Any]
    ) -> None:
        response = desk.post(f"/review/{waiting.pk}/items/{key}/", conclusion(waiting) | value)
        assert response.status_code == 302
        assert next(row.value for row in items_of(waiting) if row.key == key) == held

    def test_readers_and_strangers_change_nothing(self, client: Client, waiting: Version) -> None:
        address = f"/review/{waiting.pk}/items/sell_images/"
        assert "/accounts/login/" in client.post(address, conclusion(waiting)).headers["Location"]
        client.force_login(User.objects.create_user("reader"))
        assert client.post(address, conclusion(waiting)).status_code == 403
        assert outcome(waiting) == "forbidden"

    def test_what_is_not_there_is_not_found(self, desk: Client, waiting: Version) -> None:
        assert desk.post(f"/review/{waiting.pk}/items/fame/").status_code == 404
        assert desk.post("/review/999/items/credit/").status_code == 404
        assert desk.post("/review/questions/999/").status_code == 404
        assert desk.get(f"/review/{waiting.pk}/items/credit/").status_code == 405


class TestPasting:
    def given(self, **changes: str) -> dict[str, str]:
        plain = {"kind": "circle_table", "text": TABLE, "url": "https://example.com/card", "action": "keep"}
        return plain | changes

    def test_a_preview_tells_what_is_understood_and_stores_nothing(
        self, desk: Client, waiting: Version
    ) -> None:
        before = Snapshot.objects.count()
        response = desk.post(f"/review/{waiting.pk}/paste/", self.given(action="preview"), headers=HTMX)
        assert response.status_code == 200
        page = response.content.decode()
        assert "何かその他の行" in page
        assert "sell images" in page
        assert Snapshot.objects.count() == before

    def test_a_kept_table_becomes_claims_items_and_verdicts(self, desk: Client, waiting: Version) -> None:
        waiting.claims.all().delete()
        response = desk.post(f"/review/{waiting.pk}/paste/", self.given())
        assert response.headers["Location"] == f"/review/{waiting.pk}/#items"
        row = next(row for row in items_of(waiting) if row.key == "sell_images")
        assert (row.state, row.value["status"]) == (ItemState.STATED, "allowed")
        assert row.evidence is not None
        assert row.evidence.url.startswith("https://example.com/card")
        assert outcome(waiting) == "allowed"

    @pytest.mark.parametrize(
        "wrong", [{"text": " "}, {"text": "nothing of the kind"}, {"kind": "song"}, {"url": "ftp://x"}]
    )
    def test_what_cannot_be_read_is_shown_again(
        self, desk: Client, waiting: Version, wrong: dict[str, str]
    ) -> None:
        response = desk.post(f"/review/{waiting.pk}/paste/", self.given(**wrong), headers=HTMX)
        assert response.status_code == 422
        assert 'role="alert"' in response.content.decode()


class TestQuestions:
    def test_open_items_are_ticked(self, desk: Client, waiting: Version) -> None:
        asked = desk.get(f"/review/{waiting.pk}/").context["questions"].askable
        ticked = {row.item.key for row in asked if row.open}
        assert {"copyright", "portrait"} <= ticked
        assert "sell_images" not in ticked
        assert "base" not in {row.item.key for row in asked}

    def test_from_draft_to_sent(self, desk: Client, waiting: Version) -> None:
        desk.post(f"/review/{waiting.pk}/ask/", {"items": ["sell_images", "credit"], "language": "en"})
        question = AuthorQuestion.objects.get()
        assert question.text.startswith("Hello mika")
        desk.post(f"/review/questions/{question.pk}/", {"language": "ja", "text": "x"})
        question.refresh_from_db()
        assert question.text.startswith("mika 様")
        sent = {
            "action": "send",
            "text": "My own words",
            "channel": "x",
            "address": "@mika",
            "language": "ja",
        }
        desk.post(f"/review/questions/{question.pk}/", sent)
        question.refresh_from_db()
        assert (question.state, question.text, question.sent_by) == ("sent", "My own words", "reviewer")

    def test_nothing_to_ask_is_said_so(self, desk: Client, waiting: Version) -> None:
        response = desk.post(f"/review/{waiting.pk}/ask/", {"language": "en"}, headers=HTMX)
        assert response.status_code == 422
        assert not AuthorQuestion.objects.exists()

    @pytest.mark.parametrize(("step", "state"), [("remind", "reminded"), ("give_up", "no_reply")])
    def test_steps_after_sending(self, desk: Client, sent: AuthorQuestion, step: str, state: str) -> None:
        desk.post(f"/review/questions/{sent.pk}/", {"action": step})
        sent.refresh_from_db()
        assert sent.state == state

    def test_a_step_out_of_turn_is_refused_with_the_cause(self, desk: Client, sent: AuthorQuestion) -> None:
        response = desk.post(f"/review/questions/{sent.pk}/", {"action": "discard"}, headers=HTMX)
        assert response.status_code == 422
        assert "Reload the page" in response.content.decode()
        assert desk.post(f"/review/questions/{sent.pk}/", {"action": "dance"}).status_code == 404

    def test_an_answer_with_a_picture_decides_the_act(
        self, desk: Client, waiting: Version, sent: AuthorQuestion
    ) -> None:
        buffer = io.BytesIO()
        Image.new("RGB", (8, 8)).save(buffer, "PNG")
        buffer.seek(0)
        buffer.name = "shot.png"
        given = answer_of(sent, message="", picture=buffer, credit_required="yes", credit_wording="by mika")
        response = desk.post(f"/review/questions/{sent.pk}/answer/", given)
        assert response.status_code == 302
        answer = AuthorAnswer.objects.get()
        assert (outcome(waiting), answer.curator) == ("conditional", "reviewer")
        shown = desk.get(f"/review/answers/{answer.pk}/message.picture")
        assert shown.headers["Content-Type"] == "image/png"
        assert answer.picture is not None
        with open_blob(answer.picture) as kept:
            assert b"".join(shown.streaming_content) == kept.read()  # type: ignore[attr-defined]
        assert desk.get(f"/review/answers/{answer.pk}/proof.picture").status_code == 404

    def test_an_answer_that_cannot_be_taken_is_shown_again(self, desk: Client, sent: AuthorQuestion) -> None:
        given = answer_of(sent, proof="", territories="Atlantis")
        response = desk.post(f"/review/questions/{sent.pk}/answer/", given, headers=HTMX)
        assert response.status_code == 422
        assert "This field is required" in response.content.decode()
        given = answer_of(sent, territories="Atlantis")
        response = desk.post(f"/review/questions/{sent.pk}/answer/", given, headers=HTMX)
        assert "Atlantis" in response.content.decode()
        assert not AuthorAnswer.objects.exists()

    def test_letters_are_for_reviewers_only(
        self, desk: Client, sent: AuthorQuestion, waiting: Version
    ) -> None:
        desk.post(f"/review/questions/{sent.pk}/answer/", answer_of(sent, message="my private address"))
        answer = AuthorAnswer.objects.get()
        assert answer.message is not None
        stranger = Client()
        shown = stranger.get(f"/evidence/{answer.message.pk}/")
        assert "my private address" not in shown.content.decode()
        adapter = stranger.get(f"/adapters/{waiting.adapter_id}/?version={waiting.pk}").content.decode()
        assert "author@example.com" not in adapter
        assert "my private address" not in adapter
        assert stranger.get(f"/review/answers/{answer.pk}/message.picture").status_code == 302

    def test_the_second_reader_is_another_person(self, desk: Client, sent: AuthorQuestion) -> None:
        answer = asking.record_answer(
            sent,
            asking.Received("mika", "same_account", "reply below", timezone.now(), message="Yes!"),
            "somebody",
        )
        desk.post(f"/review/answers/{answer.pk}/second/")
        answer.refresh_from_db()
        assert answer.second_reader == "reviewer"

    def test_taking_back_needs_the_authors_words(
        self, desk: Client, waiting: Version, sent: AuthorQuestion
    ) -> None:
        desk.post(f"/review/questions/{sent.pk}/answer/", answer_of(sent))
        assert outcome(waiting) == "allowed"
        desk.post(f"/review/questions/{sent.pk}/", {"action": "take_back", "message": "no more"})
        assert outcome(waiting) == "forbidden"

    def test_what_waits_for_authors_is_listed_on_every_screen(
        self, desk: Client, waiting: Version, sent: AuthorQuestion
    ) -> None:
        other = make_adapter("Other", vetting=Vetting.WAITING)
        assert 'id="late"' not in desk.get(f"/review/{other.pk}/").content.decode()
        AuthorQuestion.objects.update(last_asked=timezone.now() - timedelta(days=8))
        page = desk.get(f"/review/{other.pk}/").content.decode()
        assert f"/review/{waiting.pk}/#question-{sent.pk}" in page
