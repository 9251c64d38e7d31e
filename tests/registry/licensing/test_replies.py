"""What an author's answers and a reviewer's conclusions do to a verdict, and what they can never touch."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.licensing import AdapterTerms, LicensingError, Verdict
from registry.licensing.question import AuthorReply, Question
from registry.licensing.replies import MEDIA, RecordedReply, reply_for
from registry.licensing.verdict import OUTCOMES, decide
from registry.licensing.vocabulary import ACTS

ACT = "generate_and_sell_images"
TODAY = date(2026, 11, 26)


def ask(
    *replies: RecordedReply, license: str | None = "none", today: date | None = TODAY, **facts: object
) -> Verdict:
    reply = reply_for(replies, ACT, facts, today)
    adapter = AdapterTerms(license, author_reply=reply)
    return decide(Question(ACT, "MIT", [adapter], facts=facts, today=today))


GRANT = RecordedReply.checked(grants=[ACT])
REFUSAL = RecordedReply.checked(refusals=[ACT])


def test_the_last_answer_that_names_the_act_counts() -> None:
    assert ask(GRANT).outcome == "allowed"
    assert ask(GRANT, REFUSAL).outcome == "forbidden"
    assert ask(REFUSAL, GRANT).outcome == "allowed"
    assert ask(REFUSAL, RecordedReply.checked(grants=["use_privately"])).outcome == "forbidden"


def test_a_grant_that_has_ended_brings_back_an_earlier_refusal_and_no_earlier_grant() -> None:
    ended = RecordedReply.checked(grants=[ACT], expires=date(2026, 11, 25))
    assert ask(ended).outcome == "unknown"
    assert "author_expired" in {reason.code for reason in ask(ended).reasons}
    assert ask(REFUSAL, ended).outcome == "forbidden"
    assert ask(GRANT, ended).outcome == "unknown"
    last_day = RecordedReply.checked(grants=[ACT], expires=TODAY)
    assert ask(last_day).outcome == "allowed"
    assert ask(last_day, today=None).outcome == "unknown"


@pytest.mark.parametrize(
    ("facts", "outcome"),
    [
        ({}, "unknown"),
        ({"territory": "JP"}, "unknown"),
        ({"territory": "JP", "medium": "print"}, "allowed"),
        ({"territory": "jpn", "medium": "Print"}, "allowed"),
        ({"territory": "DE", "medium": "print"}, "allowed"),
        ({"territory": "EU", "medium": "print"}, "allowed"),
        ({"territory": "US", "medium": "print"}, "unknown"),
        ({"territory": "JP", "medium": "video"}, "unknown"),
    ],
)
def test_a_grant_for_some_places_and_media_needs_them_stated(facts: dict[str, object], outcome: str) -> None:
    limited = RecordedReply.checked(grants=[ACT], territories=["JP", "EU"], media=["print"])
    verdict = ask(limited, **facts)
    assert verdict.outcome == outcome
    assert ("author_limited" in {reason.code for reason in verdict.reasons}) == (outcome == "unknown")
    # One reply as a question states it counts as a recorded one does.
    stated = AuthorReply(grants=[ACT], territories=["JP", "EU"], media=["print"])
    alone = decide(Question(ACT, "MIT", [AdapterTerms("none", author_reply=stated)], facts=facts))
    assert (alone.outcome, alone.reasons) == (verdict.outcome, verdict.reasons)


def test_a_refusal_knows_no_limits() -> None:
    refused = AuthorReply(refusals=[ACT], territories=["JP"])
    adapter = AdapterTerms("MIT", author_reply=refused)
    assert decide(Question(ACT, "MIT", [adapter], facts={"territory": "US"})).outcome == "forbidden"


def test_a_grant_for_one_member_state_does_not_cover_the_whole_union() -> None:
    assert ask(RecordedReply.checked(grants=[ACT], territories=["DE"]), territory="EU").outcome == "unknown"


def test_conditions_of_the_answer_bind() -> None:
    reply = RecordedReply.checked(grants=[ACT], conditions=["attribution"])
    assert (ask(reply).outcome, ask(reply).conditions) == ("conditional", ("attribution",))


@pytest.mark.parametrize(
    "wrong",
    [
        {"grants": ["sell_everything"]},
        {"grants": [ACT], "refusals": [ACT]},
        {"grants": [ACT], "conditions": ["be_nice"]},
        {"grants": [ACT], "territories": ["Atlantis"]},
        {"grants": [ACT], "media": ["radio"]},
    ],
)
def test_words_that_nobody_defined_are_refused(wrong: dict[str, list[str]]) -> None:
    with pytest.raises(LicensingError):
        RecordedReply.checked(**wrong)  # type: ignore[arg-type]


acts = st.lists(st.sampled_from(sorted(ACTS)), max_size=4)


@st.composite
def recorded(draw: st.DrawFn) -> RecordedReply:
    grants = draw(acts)
    return RecordedReply.checked(
        grants=grants,
        refusals=[act for act in draw(acts) if act not in grants],
        conditions=draw(st.lists(st.sampled_from(["attribution", "noncommercial_only"]), max_size=2)),
        territories=draw(st.lists(st.sampled_from(["JP", "EU", "US"]), max_size=2)),
        media=draw(st.lists(st.sampled_from(MEDIA), max_size=2)),
        expires=draw(st.none() | st.dates(date(2026, 1, 1), date(2027, 12, 31))),
    )


@given(recorded())
def test_a_reply_survives_its_place_in_a_profile(reply: RecordedReply) -> None:
    assert RecordedReply.from_terms(reply.as_terms()) == reply


@given(st.lists(recorded(), max_size=3), st.sampled_from(["CC-BY-NC-4.0", "sdxl-0.9-research"]))
def test_no_answer_loosens_what_belongs_to_the_base(replies: list[RecordedReply], base: str) -> None:
    for act in (ACT, "redistribute_adapter"):
        reply = reply_for(replies, act, {}, TODAY)
        whole = decide(Question(act, base, [AdapterTerms("none", author_reply=reply)], today=TODAY))
        alone = decide(Question(act, base, today=TODAY))
        assert OUTCOMES.index(whole.outcome) >= OUTCOMES.index(alone.outcome)


class TestConclusions:
    def test_a_conclusion_takes_the_place_of_the_adapters_own_terms(self) -> None:
        concluded = {ACT: ("conditional", ["attribution"])}
        verdict = decide(Question(ACT, "MIT", [AdapterTerms("CC-BY-NC-4.0", concluded=concluded)]))
        assert (verdict.outcome, verdict.conditions) == ("conditional", ("attribution",))
        assert "replaced_by_conclusion" in {reason.code for reason in verdict.reasons}

    @pytest.mark.parametrize(
        ("status", "outcome", "code"),
        [
            ("allowed", "allowed", "reviewer_concluded_yes"),
            ("silent", "unknown", "reviewer_concluded_open"),
            ("forbidden", "forbidden", "reviewer_concluded_no"),
        ],
    )
    def test_the_verdict_says_that_a_reviewer_concluded_it(
        self, status: str, outcome: str, code: str
    ) -> None:
        adapter = AdapterTerms("none", concluded={ACT: (status, [])})  # type: ignore[dict-item]
        verdict = decide(Question(ACT, "MIT", [adapter]))
        assert verdict.outcome == outcome
        assert code in {reason.code for reason in verdict.reasons}

    @pytest.mark.parametrize("base", ["CC-BY-NC-4.0", None])
    def test_it_touches_neither_the_base_nor_another_adapter_nor_rights(self, base: str | None) -> None:
        yes = AdapterTerms("none", concluded={ACT: ("allowed", [])})
        refused = AdapterTerms("none", concluded={ACT: ("allowed", [])}, rights="refused")
        assert decide(Question(ACT, base, [yes])).outcome in ("forbidden", "unknown")
        assert decide(Question(ACT, "MIT", [yes, AdapterTerms("CC-BY-NC-4.0")])).outcome == "forbidden"
        assert decide(Question(ACT, "MIT", [refused])).outcome == "forbidden"

    def test_it_speaks_on_the_act_it_is_about_and_on_no_other(self) -> None:
        adapter = AdapterTerms("none", concluded={ACT: ("allowed", [])})
        assert decide(Question("run_as_paid_service", "MIT", [adapter])).outcome == "unknown"

    def test_an_authors_later_answer_still_counts(self) -> None:
        adapter = AdapterTerms(
            "none", concluded={ACT: ("allowed", [])}, author_reply=reply_for([REFUSAL], ACT, {}, TODAY)
        )
        assert decide(Question(ACT, "MIT", [adapter])).outcome == "forbidden"
