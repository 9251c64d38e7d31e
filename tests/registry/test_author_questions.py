"""Questions to authors: every step dated, answers kept with proof, effect on the named acts and file."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from django.utils import timezone
from PIL import Image

from registry import author_questions as asking
from registry.conclusions import Evidence, conclude
from registry.errors import KuraError
from registry.licensing import Verdict
from registry.models import (
    AuditEvent,
    AuthorAnswer,
    AuthorQuestion,
    BaseModel,
    ItemState,
    QuestionState,
    TermsEvent,
    Version,
)
from registry.review_items import items_of
from registry.sources.errors import PictureUnreadable
from registry.storage import open_blob
from registry.verdicts import refresh, verdict_for
from registry.vetting import ReasonRequired
from tests.factories import BlobFactory, ClaimFactory, FileFactory, VersionFactory

pytestmark = [pytest.mark.database, pytest.mark.django_db, pytest.mark.usefixtures("seeded")]

SELL = "generate_and_sell_images"
SERVICE = "run_as_paid_service"
NOTHING = {"allowNoCredit": False, "allowCommercialUse": [], "allowDerivatives": False}


@pytest.fixture
def version() -> Version:
    made = VersionFactory.create(base_declared=BaseModel.objects.get(slug="kura-toybox"))
    FileFactory.create(version=made, name="ink.safetensors")
    ClaimFactory.create(version=made, kind="civitai_flags", value=NOTHING)
    refresh([made])
    return made


@pytest.fixture
def sent(version: Version) -> AuthorQuestion:
    question = asking.start(version, ["sell_images", "paid_service", "credit", "portrait"], "en", "mika")
    return asking.mark_sent(question, "civitai", "https://civitai.com/user/x", "mika")


def received(**changes: Any) -> asking.Received:
    plain = asking.Received(
        answered_by="the author",
        identity="same_account",
        proof="reply under the model page",
        received=timezone.now(),
        message="Yes, sell them, but credit me.",
        grants=[SELL],
    )
    return replace(plain, **changes)


def outcome(version: Version, act: str = SELL, **facts: Any) -> str:
    return verdict(version, act, facts).outcome


def verdict(version: Version, act: str = SELL, facts: Mapping[str, object] | None = None) -> Verdict:
    return verdict_for(Version.objects.get(pk=version.pk), act, facts or {})


def state(version: Version, key: str = "sell_images") -> str:
    return next(row.state for row in items_of(version) if row.key == key)


def picture(size: tuple[int, int] = (20, 10), kind: str = "PNG") -> io.BytesIO:
    buffer = io.BytesIO()
    Image.new("RGB", size, "white").save(buffer, kind)
    buffer.seek(0)
    return buffer


class TestSteps:
    def test_a_draft_names_the_file_and_waits_for_a_person(self, version: Version) -> None:
        question = asking.start(version, ["sell_images"], "ja", "mika")
        assert question.state == QuestionState.DRAFTED
        assert version.files.get().blob_id[:12] in question.text
        assert question.text.startswith(version.adapter.creator.name)  # type: ignore[union-attr]
        assert state(version) == ItemState.STATED

    def test_a_person_edits_it_and_sends_it_by_a_named_way(self, version: Version) -> None:
        question = asking.start(version, ["sell_images"], "en", "mika")
        asking.edit(question, "Dear author,\r\nmay we?", "rin")
        asking.mark_sent(question, "email", "author@example.com", "rin")
        assert (question.text, question.state, question.sent_by) == (
            "Dear author,\nmay we?", QuestionState.SENT, "rin",
        )  # fmt: skip
        assert question.sent is not None
        assert state(version) == ItemState.ASKED

    def test_every_step_is_audited(self, version: Version, sent: AuthorQuestion) -> None:
        asking.remind(sent, "mika")
        asking.give_up(sent, "mika")
        asking.record_answer(sent, received(), "mika")
        asking.take_back(sent, "please stop", "mika")
        events = AuditEvent.objects.filter(subject=f"version:{version.pk}", action__startswith="question.")
        assert [each.action.partition(".")[2] for each in events.order_by("id")] == [
            "draft", "send", "remind", "no_reply", "answer", "take_back",
        ]  # fmt: skip

    def test_silence_is_not_consent(self, version: Version, sent: AuthorQuestion) -> None:
        asking.give_up(sent, "mika")
        assert outcome(version) == "forbidden"
        assert state(version) == ItemState.ASKED

    def test_what_waits_too_long_is_listed_until_it_is_chased(self, sent: AuthorQuestion) -> None:
        later = timezone.now() + timedelta(days=7, minutes=1)
        assert not asking.overdue().exists()
        assert list(asking.overdue(later)) == [sent]
        asking.remind(sent, "mika")
        assert list(asking.overdue(timezone.now() + timedelta(days=6))) == []
        assert list(asking.overdue(later + timedelta(days=1))) == [sent]
        asking.give_up(sent, "mika")
        assert not asking.overdue(later + timedelta(days=90)).exists()

    @pytest.mark.parametrize("step", ["edit", "send", "discard", "take_back"])
    def test_a_step_out_of_turn_is_refused(self, sent: AuthorQuestion, step: str) -> None:
        steps = {
            "edit": lambda: asking.edit(sent, "another text", "mika"),
            "send": lambda: asking.mark_sent(sent, "email", "a@example.com", "mika"),
            "discard": lambda: asking.discard(sent, "mika"),
            "take_back": lambda: asking.take_back(sent, "please stop", "mika"),
        }
        with pytest.raises(asking.BadQuestionStep):
            steps[step]()

    def test_a_draft_can_be_thrown_away(self, version: Version) -> None:
        asking.discard(asking.start(version, ["sell_images"], "en", "mika"), "mika")
        assert not AuthorQuestion.objects.exists()
        assert AuditEvent.objects.filter(action="question.discard").exists()

    @pytest.mark.parametrize(
        ("channel", "address"), [("pigeon", "roof"), ("email", "  "), ("email", "x" * 501), ("", "a")]
    )
    def test_sending_needs_a_known_way_and_an_address(
        self, version: Version, channel: str, address: str
    ) -> None:
        question = asking.start(version, ["sell_images"], "en", "mika")
        with pytest.raises(asking.BadLetter):
            asking.mark_sent(question, channel, address, "mika")
        assert AuthorQuestion.objects.get().state == QuestionState.DRAFTED

    def test_nothing_is_recorded_ahead_of_time(self, version: Version, sent: AuthorQuestion) -> None:
        tomorrow = timezone.now() + timedelta(days=1)
        for step in (
            lambda: asking.remind(sent, "mika", tomorrow),
            lambda: asking.record_answer(sent, received(received=tomorrow), "mika"),
        ):
            with pytest.raises(KuraError, match="future"):
                step()

    def test_a_version_without_files_has_nothing_to_ask_about(self) -> None:
        with pytest.raises(asking.BadLetter):
            asking.start(VersionFactory.create(), ["sell_images"], "en", "mika")


class TestAnswers:
    def test_a_grant_changes_the_acts_it_names_and_cites_the_message(
        self, version: Version, sent: AuthorQuestion
    ) -> None:
        answer = asking.record_answer(sent, received(), "mika")
        assert (outcome(version), outcome(version, SERVICE)) == ("allowed", "forbidden")
        assert answer.message is not None
        assert bytes(answer.message.body).decode() == "Yes, sell them, but credit me."
        cited = [reason.evidence or "" for reason in verdict(version).reasons]
        assert any(answer.message.sha256 in each for each in cited)
        assert (state(version), state(version, "paid_service")) == (ItemState.ANSWERED, ItemState.ASKED)
        assert TermsEvent.objects.get(version=version).cause == "reply"

    def test_credit_that_the_author_asks_for_binds_the_grant(
        self, version: Version, sent: AuthorQuestion
    ) -> None:
        credit = {"required": True, "wording": "by x", "links": ["https://example.com"], "where": ["web"]}
        asking.record_answer(sent, received(credit=credit), "mika")
        assert verdict(version).conditions == ("attribution",)
        assert next(row.value for row in items_of(version) if row.key == "credit") == credit

    def test_a_waiver_frees_other_acts_from_credit(self, version: Version, sent: AuthorQuestion) -> None:
        assert outcome(version, "generate_and_share_images") == "conditional"
        asking.record_answer(sent, received(credit={"required": False}), "mika")
        assert outcome(version, "generate_and_share_images") == "allowed"

    def test_it_counts_for_the_file_it_was_about(self, version: Version, sent: AuthorQuestion) -> None:
        asking.record_answer(sent, received(), "mika")
        FileFactory.create(version=version, blob=BlobFactory.create(), name="other.safetensors")
        refresh([Version.objects.get(pk=version.pk)])
        assert outcome(version) == "forbidden"

    def test_a_refusal_counts_even_beside_another_file(self, version: Version) -> None:
        version.claims.all().delete()
        ClaimFactory.create(version=version, value="MIT")
        refresh([version])
        question = asking.start(version, ["sell_images"], "en", "mika")
        asking.mark_sent(question, "email", "x@example.com", "mika")
        asking.record_answer(question, received(grants=[], refusals=[SELL]), "mika")
        FileFactory.create(version=version, blob=BlobFactory.create(), name="other.safetensors")
        refresh([Version.objects.get(pk=version.pk)])
        assert outcome(version) == "forbidden"

    def test_another_version_of_the_adapter_is_not_touched(
        self, version: Version, sent: AuthorQuestion
    ) -> None:
        sibling = VersionFactory.create(adapter=version.adapter, base_declared=version.base_declared)
        FileFactory.create(version=sibling, blob=version.files.get().blob)
        ClaimFactory.create(version=sibling, kind="civitai_flags", value=NOTHING)
        asking.record_answer(sent, received(), "mika")
        refresh([sibling])
        assert outcome(sibling) == "forbidden"

    def test_neither_base_nor_persons_are_the_authors_to_give(
        self, version: Version, sent: AuthorQuestion
    ) -> None:
        ClaimFactory.create(version=version, kind="rights", value={"subject": "person", "state": "refused"})
        asking.record_answer(sent, received(), "mika")
        assert outcome(version) == "forbidden"
        version.claims.filter(kind="rights").update(superseded=True)
        version.base_declared, version.detected_family = BaseModel.objects.get(slug="flux-1-dev"), "flux1"
        version.save()
        asking.record_answer(sent, received(grants=[SERVICE]), "mika")
        assert outcome(version, SERVICE) == "forbidden"

    def test_a_grant_ends_on_its_day(self, version: Version, sent: AuthorQuestion) -> None:
        ended = timezone.localdate() - timedelta(days=1)
        past = timezone.now() - timedelta(days=3)
        asking.record_answer(sent, received(received=past, expires=ended), "mika")
        assert outcome(version) == "forbidden"
        asking.record_answer(sent, received(expires=timezone.localdate()), "mika")
        assert outcome(version) == "allowed"

    def test_limits_of_place_and_medium_need_the_facts(self, version: Version, sent: AuthorQuestion) -> None:
        asking.record_answer(sent, received(territories=["JPN"], media=["print"]), "mika")
        assert outcome(version) == "forbidden"
        assert outcome(version, territory="JP", medium="print") == "allowed"

    def test_what_was_taken_back_no_longer_counts_and_stays_on_record(
        self, version: Version, sent: AuthorQuestion
    ) -> None:
        answer = asking.record_answer(sent, received(), "mika")
        asking.take_back(sent, "I changed my mind.", "rin")
        assert outcome(version) == "forbidden"
        answer.refresh_from_db()
        assert answer.withdrawn is not None
        assert answer.withdrawal is not None
        assert bytes(answer.withdrawal.body) == b"I changed my mind."

    def test_a_reviewers_conclusion_stands_before_what_the_author_said(
        self, version: Version, sent: AuthorQuestion
    ) -> None:
        asking.record_answer(sent, received(), "mika")
        told = Evidence(text="the account was sold")
        conclude(version, "sell_images", {"status": "forbidden"}, "not the author any more", told, "rin")
        assert state(version) == ItemState.CONCLUDED

    def test_a_picture_of_the_message_is_kept_by_its_hash(
        self, version: Version, sent: AuthorQuestion
    ) -> None:
        shot = picture()
        answer = asking.record_answer(
            sent, received(message="", picture=shot, proof_picture=picture(kind="JPEG")), "mika"
        )
        assert answer.picture is not None
        assert (answer.picture.container, answer.message) == ("png", None)
        with open_blob(answer.picture) as kept:
            assert kept.read() == shot.getvalue()
        cited = [reason.evidence or "" for reason in verdict(version).reasons]
        assert any(answer.picture.sha256 in each for each in cited)

    @pytest.mark.parametrize(
        "bytes_", [b"", b"<svg onload=alert(1)>", b"GIF89a" + b"0" * 50, b"x" * (8 * 1024 * 1024 + 1)]
    )
    def test_an_upload_that_is_no_picture_is_refused_whole(self, sent: AuthorQuestion, bytes_: bytes) -> None:
        with pytest.raises(PictureUnreadable):
            asking.record_answer(sent, received(picture=io.BytesIO(bytes_)), "mika")
        assert not AuthorAnswer.objects.exists()

    def test_a_second_reader_is_somebody_else(self, sent: AuthorQuestion) -> None:
        answer = asking.record_answer(sent, received(), "mika")
        with pytest.raises(asking.SameReader):
            asking.second_read(answer, "mika")
        assert asking.second_read(answer, "rin").second_reader == "rin"

    @pytest.mark.parametrize(
        "wrong",
        [
            {"grants": ["redistribute_adapter"]},
            {"refusals": ["sell_adapter"], "grants": []},
            {"grants": [SELL], "refusals": [SELL]},
            {"grants": ["fly"]},
            {"conditions": ["be_nice"]},
            {"territories": ["Atlantis"]},
            {"media": ["radio"]},
            {"expires": date(2020, 1, 1)},
            {"identity": "gut feeling"},
            {"proof": " "},
            {"answered_by": " "},
            {"message": "  "},
            {"credit": {"required": False, "wording": "by x"}},
            {"credit": {"required": "yes"}},
            {"message": "x" * 20_001},
        ],
    )
    def test_an_answer_that_says_too_much_or_proves_too_little_is_refused(
        self, version: Version, sent: AuthorQuestion, wrong: dict[str, Any]
    ) -> None:
        with pytest.raises(KuraError) as raised:
            asking.record_answer(sent, received(**wrong), "mika")
        assert raised.value.code
        assert not AuthorAnswer.objects.exists()
        assert AuthorQuestion.objects.get().state == QuestionState.SENT
        assert outcome(version) == "forbidden"

    def test_taking_back_needs_the_words(self, sent: AuthorQuestion) -> None:
        asking.record_answer(sent, received(), "mika")
        with pytest.raises(ReasonRequired):
            asking.take_back(sent, " ", "mika")


def test_the_letter_shown_before_is_the_one_that_is_started(version: Version) -> None:
    shown = asking.letter_for(version, ["credit"], "en")
    assert asking.start(version, ["credit"], "en", "mika").text == shown
