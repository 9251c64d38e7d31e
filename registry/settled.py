"""What was settled about a version beyond its sources: reviewers' conclusions and authors' answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from registry.licensing.claims.binding import InWords
from registry.licensing.items import ITEMS
from registry.licensing.question import RIGHTS_KINDS
from registry.licensing.replies import RecordedReply
from registry.models import AuthorAnswer, ClaimKind, FileState, QuestionState, Standing, TermsClaim, Version

_RIGHTS_BY_STRICTNESS: Final = ("refused", "uncleared", "unknown", "cleared")
# What signs at a source are about -> the kind of right that it raises.
KIND_OF_SUBJECT: Final = {
    "person": "portrait",
    "character": "character",
    "brand": "mark",
    "artist": "copyright",
    **{kind: kind for kind in RIGHTS_KINDS},
}
ATTRIBUTION: Final = "attribution"


@dataclass(frozen=True)
class Settled:
    """`acts`: act -> `[status, [condition]]` as concluded; `credit`: whether it is due, None where it is not
    settled; `replies`: the answers that count for the version's files, in the order they were received."""

    acts: Mapping[str, list[Any]] = field(default_factory=dict)
    credit: bool | None = None
    replies: tuple[RecordedReply, ...] = ()

    def on_words(self, said: InWords) -> InWords:
        """The author's own words with what was settled about credit."""
        return said if self.credit is None else replace(said, credit=self.credit)

    def on_flags(self, flags: dict[str, Any] | None) -> dict[str, Any] | None:
        """The flags with what was settled about credit."""
        return flags if flags is None or self.credit is None else flags | {"allowNoCredit": not self.credit}

    def as_terms(self) -> dict[str, Any]:
        """What a terms profile keeps of it; empty where nothing was settled, so that profiles stay few."""
        terms: dict[str, Any] = {}
        if self.acts:
            terms["concluded"] = dict(sorted(self.acts.items()))
        if self.replies:
            terms["author_replies"] = [reply.as_terms() for reply in self.replies]
        return terms


def settled(claims: Iterable[TermsClaim], answers: Iterable[AuthorAnswer]) -> Settled:
    """What current claims and answers settle; a reviewer's conclusion on credit comes before an answer's."""
    acts: dict[str, list[Any]] = {}
    credit: bool | None = None
    replies: list[RecordedReply] = []
    for answer in answers:
        due = answer.credit.get("required")
        credit = credit if due is None else bool(due)
        reply = RecordedReply.from_terms(answer.reading)
        if due and reply.grants:
            reply = replace(reply, conditions=tuple(sorted({*reply.conditions, ATTRIBUTION})))
        if reply.grants or reply.refusals:
            replies.append(reply)
    for claim in claims:
        if claim.kind != ClaimKind.CONCLUSION or not isinstance(claim.value, dict):
            continue
        item = ITEMS.get(claim.value.get("item", ""))
        if item is not None and item.kind == "act":
            acts[item.act] = [claim.value["status"], list(claim.value.get("conditions") or [])]
        elif item is not None and item.kind == "credit":
            credit = bool(claim.value["required"])
    return Settled(acts, credit, tuple(replies))


def counting_answers(version: Version) -> list[AuthorAnswer]:
    """The author's answers that count for the version's files, the oldest first.

    A grant counts only where it is about every file that is not withdrawn; a refusal is enough for one. Where
    an answer covers only some, its grants are left out of the reading.
    """
    found = AuthorAnswer.objects.filter(
        question__version=version, question__state=QuestionState.ANSWERED, withdrawn=None
    )
    answers = list(found.select_related("question", "message").defer("message__body"))
    if not answers:
        return []
    files = set(version.files.exclude(state=FileState.WITHDRAWN).values_list("blob_id", flat=True))
    counting = []
    for answer in answers:
        named = set(answer.question.files)
        if not named & files:
            continue
        if not named >= files:
            answer.reading = {**answer.reading, "grants": []}
            answer.credit = answer.credit if answer.credit.get("required") else {}
        counting.append(answer)
    return counting


def answers_cited(answers: Iterable[AuthorAnswer]) -> list[str]:
    """Where each answer can be read again: its message's snapshot or its picture, by SHA256."""
    cited = []
    for answer in answers:
        where = f"answer {answer.pk} of {answer.received:%Y-%m-%d}"
        if answer.message is not None:
            cited.append(f"{where}: snapshot {answer.message.pk} sha256:{answer.message.sha256}")
        else:
            cited.append(f"{where}: picture sha256:{answer.picture_id}")
    return cited


def rights_of(claims: Iterable[TermsClaim]) -> str | dict[str, str] | None:
    """The state of the rights in the material: one for all, or one by kind once a reviewer concluded a kind.

    A conclusion about one kind of right leaves the others as their signs make them.
    """
    raised = [claim for claim in claims if claim.kind == ClaimKind.RIGHTS]
    decided = [claim for claim in raised if claim.standing == Standing.DECIDED]
    by_kind = {kind: claim for claim in decided if (kind := kind_of(claim)) is not None}
    whole = [claim for claim in decided if kind_of(claim) is None]
    if not by_kind:
        return _strictest(decided or raised)
    states: dict[str, list[TermsClaim]] = {}
    for claim in whole or [each for each in raised if each.standing != Standing.DECIDED]:
        states.setdefault(kind_of(claim) or "copyright", []).append(claim)
    states |= {kind: [claim] for kind, claim in by_kind.items()}
    return {kind: _strictest(found) or "unknown" for kind, found in sorted(states.items())}


def kind_of(claim: TermsClaim) -> str | None:
    """The kind of right a claim is about; None where it says nothing of it."""
    subject = claim.value.get("subject") if isinstance(claim.value, dict) else None
    return KIND_OF_SUBJECT.get(str(subject)) if subject else None


def _strictest(claims: Iterable[TermsClaim]) -> str | None:
    states = {claim.value.get("state") if isinstance(claim.value, dict) else "unknown" for claim in claims}
    return next((state for state in _RIGHTS_BY_STRICTNESS if state in states), "unknown" if states else None)
