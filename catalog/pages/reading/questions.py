"""Questions to the author of a version as the review screen shows them, and those that wait too long."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from catalog.pages import words
from catalog.pages.item_forms import AnswerForm
from catalog.pages.reading.items import ShownItem, value_lines
from registry.author_questions import overdue, questions_of
from registry.licensing.items import ITEMS
from registry.licensing.letters import LANGUAGES
from registry.models import AuthorAnswer, AuthorQuestion, Channel, QuestionState, Version

MOST = 20


@dataclass(frozen=True)
class ShownAnswer:
    """An answer in words."""

    answer: AuthorAnswer
    lines: list[str]


@dataclass(frozen=True)
class ShownQuestion:
    """A question with its dates, its answers and the form for the next one."""

    question: AuthorQuestion
    asked: list[str]
    answers: list[ShownAnswer]
    form: AnswerForm

    @property
    def draft(self) -> bool:
        return self.question.state == QuestionState.DRAFTED

    @property
    def waits(self) -> bool:
        """Whether a reply may still come by itself."""
        return self.question.state in (QuestionState.SENT, QuestionState.REMINDED)

    @property
    def tone(self) -> str:
        good = self.question.state == QuestionState.ANSWERED
        return "badge--good" if good else "badge--wait" if self.waits else ""


@dataclass(frozen=True)
class QuestionsPanel:
    """What was asked about the version and what can be; `late`: questions of any version to be chased."""

    questions: list[ShownQuestion]
    askable: list[ShownItem]
    late: list[AuthorQuestion] = field(default_factory=list)

    @property
    def channels(self) -> list[tuple[str, Any]]:
        return list(Channel.choices)

    @property
    def languages(self) -> list[tuple[str, str]]:
        return [(str(code), name) for code, name in LANGUAGES.items()]

    @property
    def summary(self) -> str:
        count = len(self.questions)
        return ngettext("%(count)d question", "%(count)d questions", count) % {"count": count}


def read_questions(
    version: Version, rows: Iterable[ShownItem], refused: tuple[int, AnswerForm] | None = None
) -> QuestionsPanel:
    """The panel; `refused` is the id of a question with the answer form that could not be taken."""
    shown = [
        ShownQuestion(
            question,
            [_(ITEMS[key].label) for key in question.items if key in ITEMS],
            [ShownAnswer(each, _lines(each)) for each in question.answers.all()],
            refused[1] if refused and refused[0] == question.pk else AnswerForm(question=question),
        )
        for question in questions_of(version)[:MOST]
    ]
    askable = [row for row in rows if row.item.may_be_asked]
    return QuestionsPanel(shown, askable, list(overdue()[:MOST]))


def _lines(answer: AuthorAnswer) -> list[str]:
    reading = answer.reading
    lines = []
    for name, text in (("grants", _("Yes: %(acts)s")), ("refusals", _("No: %(acts)s"))):
        if reading.get(name):
            lines.append(text % {"acts": ", ".join(map(words.act, reading[name]))})
    if reading.get("conditions"):
        named = ", ".join(map(words.condition, reading["conditions"]))
        lines.append(_("Conditions: %(conditions)s") % {"conditions": named})
    limits = {name: reading[name] for name in ("territories", "media", "expires") if reading.get(name)}
    lines += value_lines(ITEMS["sell_images"], limits)
    if answer.credit:
        credit = "; ".join(value_lines(ITEMS["credit"], answer.credit))
        lines.append(_("Credit: %(credit)s") % {"credit": credit})
    if answer.material:
        lines.append(_("Material: %(text)s") % {"text": answer.material})
    return lines
