"""Which of an author's recorded answers counts for one act: the last that names it, within its limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, Self

from registry.licensing.conditions import parse_condition
from registry.licensing.errors import BadFact, BadQuestion, UnknownAct, not_one_of
from registry.licensing.facts import Facts, read_facts, territory_within
from registry.licensing.question import AuthorReply
from registry.licensing.vocabulary import ACTS

MEDIA: Final = ("web", "print", "video")
"""Media that a permission, or a wish for credit, can be limited to."""


@dataclass(frozen=True)
class RecordedReply:
    """One answer as it is kept in a version's terms.

    `territories` (ISO 3166, EU or UK) and `media` limit the grants to what they list; empty is no limit.
    `expires`: the last day of the grants; None until the author takes them back. Refusals know no limits:
    whoever refuses for some place or time refuses, until asked again.
    """

    grants: tuple[str, ...] = ()
    refusals: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()
    territories: tuple[str, ...] = ()
    media: tuple[str, ...] = ()
    expires: date | None = None

    @classmethod
    def checked(
        cls,
        *,
        grants: Sequence[str] = (),
        refusals: Sequence[str] = (),
        conditions: Sequence[str] = (),
        territories: Sequence[str] = (),
        media: Sequence[str] = (),
        expires: date | None = None,
    ) -> Self:
        """A reply in which every word is known, in one spelling.

        Raises UnknownAct, UnknownCondition, BadFact for a territory, BadQuestion for a medium or for an act
        that is granted and refused at once.
        """
        for act in (*grants, *refusals):
            if act not in ACTS:
                raise UnknownAct(f"There is no act {act!r}. {not_one_of(act, ACTS)}")
        if both := sorted(set(grants) & set(refusals)):
            raise BadQuestion(f"The reply grants and refuses {', '.join(both)} at once.")
        for medium in media:
            if medium not in MEDIA:
                raise BadQuestion(f"There is no medium {medium!r}. {not_one_of(medium, MEDIA)}")
        places = {str(read_facts({"territory": place})[0]["territory"]) for place in territories}
        return cls(
            grants=tuple(act for act in ACTS if act in grants),
            refusals=tuple(act for act in ACTS if act in refusals),
            conditions=tuple(sorted({str(parse_condition(text)) for text in conditions})),
            territories=tuple(sorted(places)),
            media=tuple(medium for medium in MEDIA if medium in media),
            expires=expires,
        )

    def as_terms(self) -> dict[str, Any]:
        """The JSON in which a terms profile keeps it."""
        return {
            "grants": list(self.grants),
            "refusals": list(self.refusals),
            "conditions": list(self.conditions),
            "territories": list(self.territories),
            "media": list(self.media),
            "expires": self.expires.isoformat() if self.expires else None,
        }

    @classmethod
    def from_terms(cls, terms: Mapping[str, Any]) -> Self:
        """The way back from `as_terms`."""
        ends = terms.get("expires")
        lists = ("grants", "refusals", "conditions", "territories", "media")
        return cls(
            **{name: tuple(terms.get(name) or ()) for name in lists},
            expires=date.fromisoformat(ends) if ends else None,
        )


def reply_for(
    replies: Sequence[RecordedReply], act: str, facts: Mapping[str, object], today: date | None
) -> AuthorReply | None:
    """The answer that counts for the act, replies being in the order in which they were given.

    The last one that names the act counts. A grant that has ended, or whose limits the stated facts do not
    meet, grants nothing; an earlier refusal then stands, an earlier grant does not come back. Facts that are
    not stated do not meet a limit.
    """
    naming = [reply for reply in replies if act in reply.grants or act in reply.refusals]
    if not naming:
        return None
    last = naming[-1]
    if act in last.refusals:
        return AuthorReply(refusals=[act])
    state = "answered"
    if last.expires is not None and (today is None or today > last.expires):
        state = "expired"
    elif not _stated_within(last, facts):
        state = "limited"
    if state == "answered":
        return AuthorReply(grants=[act], conditions=last.conditions, expires=last.expires)
    refused = any(act in reply.refusals for reply in naming)
    return AuthorReply(refusals=[act] if refused else (), state=state)


def _stated_within(reply: RecordedReply, facts: Mapping[str, object]) -> bool:
    try:
        return within(reply, read_facts(facts)[0])
    except BadFact:
        return not reply.territories and not reply.media


def within(reply: RecordedReply | AuthorReply, stated: Facts) -> bool:
    """Whether the stated facts meet the limits of a reply; facts that are not stated do not."""
    medium, territory = stated.get("medium"), stated.get("territory")
    if reply.media and medium not in reply.media:
        return False
    return not reply.territories or any(
        territory_within(str(territory), place) is True for place in reply.territories if territory
    )
