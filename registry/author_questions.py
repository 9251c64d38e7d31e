"""Questions to authors: drafted here, sent by a person elsewhere, and every step of the exchange on record.

An answer counts for the acts and the files of its question and for nothing that belongs to others (base,
components, persons, marks). No answer is never consent.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import IO, Any, Final

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from registry import verdicts
from registry.conclusions import read_credit
from registry.errors import KuraError
from registry.ledger import audit
from registry.licensing.errors import not_one_of
from registry.licensing.items import ITEMS
from registry.licensing.letters import Letter, draft
from registry.licensing.replies import RecordedReply
from registry.models import (
    AuthorAnswer,
    AuthorQuestion,
    Blob,
    Channel,
    File,
    FileState,
    Identity,
    QuestionState,
    Snapshot,
    Version,
)
from registry.review_items import keep_items
from registry.sources.errors import PictureUnreadable
from registry.sources.pictures import check_picture
from registry.storage import store
from registry.vetting import SHORTEST_REASON, ReasonRequired

LONGEST_TEXT: Final = 20_000
LARGEST_PICTURE: Final = 8 * 1024 * 1024
_OPEN: Final = (QuestionState.SENT, QuestionState.REMINDED)
# Which states a step may start from.
_FROM: Final[dict[str, tuple[str, ...]]] = {
    "edit": (QuestionState.DRAFTED,),
    "send": (QuestionState.DRAFTED,),
    "remind": _OPEN,
    "give_up": _OPEN,
    "answer": (*_OPEN, QuestionState.ANSWERED, QuestionState.NO_REPLY),
    "take_back": (QuestionState.ANSWERED,),
    "discard": (QuestionState.DRAFTED,),
}


class BadQuestionStep(KuraError):
    """The question is not in a state in which this step can be taken."""

    code = "question_state"
    next_step = "Reload the page: the question has gone on meanwhile."


class BadLetter(KuraError):
    """A question to an author lacks what it is about, its text, or the way by which it was sent."""

    code = "bad_letter"


class BadAnswer(KuraError):
    """An answer is recorded without its message or proof, or reads more into it than was asked."""

    code = "bad_answer"


class SameReader(KuraError):
    """The second reader of an answer is the person who recorded it."""

    code = "same_reader"
    next_step = "Let somebody else read the message and confirm what it says."


@dataclass(frozen=True)
class Received:
    """An answer as a person records it.

    `message` is the text as it came; `picture` and `proof_picture` are uploads (PNG, JPEG or WebP). `credit`:
    `{required, wording, links, where}` as far as the author spoke of it.
    """

    answered_by: str
    identity: str
    proof: str
    received: datetime
    message: str = ""
    picture: IO[bytes] | None = None
    proof_picture: IO[bytes] | None = None
    grants: Sequence[str] = ()
    refusals: Sequence[str] = ()
    conditions: Sequence[str] = ()
    territories: Sequence[str] = ()
    media: Sequence[str] = ()
    expires: date | None = None
    credit: dict[str, Any] = field(default_factory=dict)
    material: str = ""


# --- Before it is sent --------------------------------------------------------------------------------------


def letter_for(version: Version, items: Sequence[str], language: str) -> str:
    """The drafted text of a question about these items. Raises BadQuestion."""
    adapter = version.adapter
    files = [(file.name, file.blob_id) for file in _files(version)]
    author = adapter.creator.name if adapter.creator else ""
    return draft(Letter(adapter.name, version.name, author, adapter.source_url, files, items), language)


@transaction.atomic
def start(
    version: Version, items: Sequence[str], language: str, actor: str, text: str = ""
) -> AuthorQuestion:
    """A new draft; `text` replaces the drafted one. Raises BadLetter, BadQuestion."""
    written = letter_for(version, items, language)
    asked = [key for key in ITEMS if key in items]
    files = [file.blob_id for file in _files(version)]
    if not files:
        raise BadLetter("The version has no file to ask about.", next_step="Take its files in first.")
    question = AuthorQuestion.objects.create(
        version=version,
        items=asked,
        files=files,
        language=language,
        text=_text(text) or written,
        drafted_by=actor,
    )
    audit(actor, "question.draft", f"version:{version.pk}", question=question.pk, items=asked)
    keep_items(version)
    return question


@transaction.atomic
def edit(question: AuthorQuestion, text: str, actor: str) -> AuthorQuestion:
    """Replace the text of a draft. Raises BadQuestionStep, BadLetter."""
    locked = _locked(question, "edit")
    if len(_text(text)) < SHORTEST_REASON:
        raise BadLetter("The letter is empty.", next_step="Write it, or start a new draft.")
    locked.text = _text(text)
    return _saved(question, locked, actor, "question.edit")


@transaction.atomic
def redraft(question: AuthorQuestion, language: str, actor: str) -> AuthorQuestion:
    """Write a draft anew in another language. Raises BadQuestionStep, BadQuestion."""
    locked = _locked(question, "edit")
    locked.text, locked.language = letter_for(locked.version, locked.items, language), language
    return _saved(question, locked, actor, "question.redraft", language=language)


@transaction.atomic
def discard(question: AuthorQuestion, actor: str) -> None:
    """Remove a draft that was never sent; the audit log keeps that it existed. Raises BadQuestionStep."""
    locked = _locked(question, "discard")
    version = locked.version
    version.items.filter(question=locked).update(question=None)
    audit(actor, "question.discard", f"version:{version.pk}", question=locked.pk)
    locked.delete()
    keep_items(version)


@transaction.atomic
def mark_sent(
    question: AuthorQuestion, channel: str, address: str, actor: str, at: datetime | None = None
) -> AuthorQuestion:
    """Record that a person sent the text, by what way and to whom. Raises BadQuestionStep, BadLetter."""
    locked = _locked(question, "send")
    if channel not in Channel.values:
        raise BadLetter(f"There is no channel {channel!r}. {not_one_of(channel, Channel.values)}")
    if not address.strip() or len(address) > 500:
        raise BadLetter("Name the account, address or link it was sent to, in at most 500 characters.")
    locked.state, locked.channel, locked.address = QuestionState.SENT, channel, address.strip()
    locked.sent, locked.sent_by = _past(at), actor
    locked.last_asked = locked.sent
    return _saved(question, locked, actor, "question.send", channel=channel)


# --- After it was sent --------------------------------------------------------------------------------------


@transaction.atomic
def remind(question: AuthorQuestion, actor: str, at: datetime | None = None) -> AuthorQuestion:
    """Record that the author was reminded. Raises BadQuestionStep."""
    locked = _locked(question, "remind")
    locked.state = QuestionState.REMINDED
    locked.last_asked = _past(at)
    locked.reminded = [*locked.reminded, locked.last_asked]
    return _saved(question, locked, actor, "question.remind", times=len(locked.reminded))


@transaction.atomic
def give_up(question: AuthorQuestion, actor: str) -> AuthorQuestion:
    """Record that no reply came; the acts stay as they were. Raises BadQuestionStep."""
    locked = _locked(question, "give_up")
    locked.state, locked.closed = QuestionState.NO_REPLY, timezone.now()
    return _saved(question, locked, actor, "question.no_reply")


@transaction.atomic
def record_answer(question: AuthorQuestion, received: Received, actor: str) -> AuthorAnswer:
    """Keep an answer with its message and proof; the verdict follows at once.

    Raises BadQuestionStep, BadAnswer, PictureUnreadable, and a LicensingError for words nobody defined.
    """
    locked = _locked(question, "answer")
    reading = _reading(locked, received)
    if received.identity not in Identity.values:
        raise BadAnswer(
            f"How it is known who answered: {not_one_of(received.identity, Identity.values)}",
            next_step="An answer that may not be the author's counts for nothing; ask by another way.",
        )
    if len(received.proof.strip()) < SHORTEST_REASON or not received.answered_by.strip():
        raise BadAnswer("Say who answered, and what shows that it is the author.")
    if received.received > timezone.now():
        raise BadAnswer("The answer lies in the future.")
    message = received.message.strip()
    if not message and received.picture is None:
        raise BadAnswer("Paste the message, or upload a picture of it.")
    answer = AuthorAnswer.objects.create(
        question=locked,
        answered_by=received.answered_by.strip()[:200],
        identity=received.identity,
        proof=received.proof.strip()[:500],
        received=received.received,
        message=_message(locked, message) if message else None,
        picture=_picture(received.picture),
        proof_picture=_picture(received.proof_picture),
        reading=reading.as_terms(),
        credit=_credit(locked, received.credit),
        material=_text(received.material),
        curator=actor,
    )
    locked.state, locked.closed = QuestionState.ANSWERED, timezone.now()
    told = {"answer": answer.pk, "grants": list(reading.grants), "refusals": list(reading.refusals)}
    _saved(question, locked, actor, "question.answer", **told)
    return answer


@transaction.atomic
def second_read(answer: AuthorAnswer, actor: str) -> AuthorAnswer:
    """Record that somebody else read the message and found the same in it. Raises SameReader."""
    if actor == answer.curator:
        raise SameReader(f"{actor} recorded the answer.")
    answer.second_reader, answer.second_read = actor, timezone.now()
    answer.save(update_fields=["second_reader", "second_read"])
    audit(actor, "question.second_read", f"version:{answer.question.version_id}", answer=answer.pk)
    return answer


@transaction.atomic
def take_back(question: AuthorQuestion, message: str, actor: str) -> AuthorQuestion:
    """Record that the author took the permission back, with the words; grants and refusals end.

    Raises BadQuestionStep, ReasonRequired.
    """
    locked = _locked(question, "take_back")
    if len(message.strip()) < SHORTEST_REASON:
        raise ReasonRequired("Taking an answer back needs the author's words.")
    now = timezone.now()
    kept = _message(locked, message.strip())
    locked.answers.filter(withdrawn=None).update(withdrawn=now, withdrawal=kept)
    locked.state, locked.closed = QuestionState.WITHDRAWN, now
    return _saved(question, locked, actor, "question.take_back", snapshot=kept.pk)


# --- Lists --------------------------------------------------------------------------------------------------


def questions_of(version: Version) -> QuerySet[AuthorQuestion]:
    """The version's questions, the newest first, with their answers."""
    return version.questions.prefetch_related("answers__message")


def overdue(now: datetime | None = None) -> QuerySet[AuthorQuestion]:
    """Questions without a reply for QUESTION_REMIND_DAYS since the author was last written to."""
    since = (now or timezone.now()) - timedelta(days=settings.QUESTION_REMIND_DAYS)
    waiting = AuthorQuestion.objects.filter(state__in=_OPEN, last_asked__lte=since)
    return waiting.select_related("version__adapter__creator").order_by("last_asked", "id")


# --- Reading and writing ------------------------------------------------------------------------------------


def _files(version: Version) -> list[File]:
    return list(version.files.exclude(state=FileState.WITHDRAWN).order_by("id"))


def _locked(question: AuthorQuestion, step: str) -> AuthorQuestion:
    """The row, held until the commit, where the step can be taken from its state. Raises BadQuestionStep."""
    # The version first: whoever concludes an item of it holds the same row.
    Version.objects.select_for_update(no_key=True).get(pk=question.version_id)
    locked = AuthorQuestion.objects.select_for_update().get(pk=question.pk)
    if locked.state not in _FROM[step]:
        raise BadQuestionStep(f"A question that is {locked.state} cannot be taken through {step!r}.")
    return locked


def _saved(
    question: AuthorQuestion, locked: AuthorQuestion, actor: str, action: str, **told: Any
) -> AuthorQuestion:
    """Save the step, keep it on record, and bring items and verdict up to date."""
    locked.save()
    version = locked.version
    audit(actor, action, f"version:{version.pk}", question=locked.pk, **told)
    keep_items(version)
    verdicts.refresh([version])
    question.refresh_from_db()
    return question


def _text(text: str) -> str:
    text = text.replace("\r\n", "\n").strip()
    if len(text) > LONGEST_TEXT:
        raise BadLetter(f"The text has more than {LONGEST_TEXT} characters.")
    return text


def _past(at: datetime | None) -> datetime:
    now = timezone.now()
    if at is not None and at > now:
        raise BadLetter("The date lies in the future.", next_step="Record it when it has happened.")
    return at or now


def _reading(question: AuthorQuestion, received: Received) -> RecordedReply:
    reading = RecordedReply.checked(
        grants=received.grants,
        refusals=received.refusals,
        conditions=received.conditions,
        territories=received.territories,
        media=received.media,
        expires=received.expires,
    )
    asked = {ITEMS[key].act for key in question.items if ITEMS[key].act}
    if beyond := [act for act in (*reading.grants, *reading.refusals) if act not in asked]:
        raise BadAnswer(
            f"The question does not name {', '.join(beyond)}.",
            next_step="An answer counts for what was asked; ask again for the rest.",
        )
    if reading.expires and reading.expires < received.received.date():
        raise BadAnswer("The permission ends before it was given.")
    return reading


def _credit(question: AuthorQuestion, credit: dict[str, Any]) -> dict[str, Any]:
    if not credit or credit.get("required") is None:
        return {}
    read = read_credit(credit)
    if "credit" not in question.items:
        raise BadAnswer("The question does not ask about credit.", next_step="Ask again for it.")
    return read


def _message(question: AuthorQuestion, text: str) -> Snapshot:
    body = _text(text).encode()
    snapshot, _ = Snapshot.objects.get_or_create(
        url=f"kura:question/{question.pk}/message",
        sha256=hashlib.sha256(body).hexdigest(),
        defaults={"body": body, "media_type": "text/plain; charset=utf-8"},
    )
    return snapshot


def _picture(upload: IO[bytes] | None) -> Blob | None:
    """Keep an uploaded picture once it is known to be a harmless one. Raises PictureUnreadable."""
    if upload is None:
        return None
    data = upload.read(LARGEST_PICTURE + 1)
    if len(data) > LARGEST_PICTURE:
        raise PictureUnreadable(f"The picture is larger than {LARGEST_PICTURE // 2**20} MiB.")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "picture"
        path.write_bytes(data)
        return store(path, container=check_picture(path))
