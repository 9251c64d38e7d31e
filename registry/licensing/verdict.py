"""The decision: may this be done with this stack? `decide(question)` gives a verdict with reasons and ledger.

The strictest layer wins: allowed < conditional < unknown < forbidden. Unknown is never yes, and it is known
to be refused where one layer refuses, whatever the others leave open. Joining is commutative, associative
and idempotent, so the order of adapters does not matter and another layer never loosens a verdict.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice, product
from math import prod
from typing import Final

from registry.licensing.base_models import find_base_model
from registry.licensing.conditions import Condition, unite
from registry.licensing.errors import BadQuestion, UnknownAct, not_one_of
from registry.licensing.explain import explain, may_be_separate, with_upstream_notes
from registry.licensing.expressions import Alternative, alternatives
from registry.licensing.facts import Facts, read_facts
from registry.licensing.layer import Layer
from registry.licensing.layers import Choice, layers
from registry.licensing.question import Question
from registry.licensing.reasons import REASONS, Reason
from registry.licensing.share_alike import compare
from registry.licensing.table import LICENSES, Table
from registry.licensing.vocabulary import ACTS, Outcome, Status

OUTCOMES: Final[tuple[Outcome, ...]] = ("allowed", "conditional", "unknown", "forbidden")
MOST_CHOICES: Final = 1024


@dataclass(frozen=True)
class LedgerEntry:
    """One layer's cell as it stands for this act and these facts.

    `status` is after the gates; `conditions` are those still binding or failed, in their wire spelling.
    `license`, `revision` and `sha256` name the row of the license table that was used; `note` is its remark.
    Of a disputed clause `reading` tells the stricter reading, which was used, and `other_reading` the other.
    """

    layer: str
    status: Status
    conditions: tuple[str, ...]
    clause: str | None
    source: str | None
    confidence: str | None
    disputed: bool
    license: str | None = None
    revision: int | None = None
    sha256: str | None = None
    note: str = ""
    reading: str = ""
    other_reading: str = ""

    def as_dict(self) -> dict[str, object]:
        return {
            "layer": self.layer,
            "status": self.status,
            "conditions": list(self.conditions),
            "clause": self.clause,
            "source": self.source,
            "confidence": self.confidence,
            "disputed": self.disputed,
        }


@dataclass(frozen=True)
class Verdict:
    """The answer to a question: a reading with its reasons, not legal advice.

    `conditions` are the duties and open gates of a conditional verdict, `standing` the rules that bind in
    any case, `deciding` the layers that made the outcome, `ledger` every layer, `ignored` keys that were
    not understood.
    """

    outcome: Outcome
    conditions: tuple[str, ...]
    standing: tuple[str, ...]
    deciding: tuple[str, ...]
    reasons: tuple[Reason, ...]
    ledger: tuple[LedgerEntry, ...]
    ignored: tuple[str, ...] = ()
    id: object = None

    @property
    def next_steps(self) -> tuple[str, ...]:
        """What could be done now, strongest obstacle first, each step once."""
        return tuple(dict.fromkeys(reason.next_step for reason in self.reasons if reason.next_step))

    def as_dict(self) -> dict[str, object]:
        """The shape `manage.py decide --json` and the API print."""
        return {
            "id": self.id,
            "outcome": self.outcome,
            "conditions": list(self.conditions),
            "standing": list(self.standing),
            "deciding": list(self.deciding),
            "reasons": [reason.as_dict() for reason in self.reasons],
            "ledger": [entry.as_dict() for entry in self.ledger],
            "ignored": list(self.ignored),
        }


def decide(question: Question, table: Table = LICENSES) -> Verdict:
    """Decide one question by the licenses of a table: the built-in one, or one with house licenses added.

    Raises `UnknownAct`, `UnknownLicense`, `BadFact`, `BadCivitaiFlags`, `UnknownCondition` or another
    `LicensingError` for a question that cannot be read; a question that cannot be *answered* gives unknown.
    """
    if question.act not in ACTS:
        raise UnknownAct(f"There is no act {question.act!r}. {not_one_of(question.act, ACTS)}")
    facts, not_facts = read_facts(question.facts)
    base_model = find_base_model(question.base_model)
    bespoke = base_model is not None and base_model.bespoke
    verdicts = [_evaluate(question, choice, facts, bespoke) for choice in _choices(question, table)]
    # An OR offers a choice of one license for the whole use: take the choice that allows most.
    best = min(verdicts, key=lambda v: (OUTCOMES.index(v.outcome), len(v.conditions), v.conditions))
    ignored = (*question.ignored, *(f"facts.{name}" for name in not_facts))
    return replace(best, ignored=ignored, id=question.id)


def _choices(question: Question, table: Table) -> list[Choice]:
    components = [part if isinstance(part, str) else part.license for part in question.components]
    adapters = [text for terms in question.adapters for text in (terms.license, terms.license_now)]
    slots: list[Sequence[Alternative | None]] = [
        (None,) if text is None else alternatives(text, table)
        for text in (question.base_license, *components, *adapters)
    ]
    if prod(len(slot) for slot in slots) > MOST_CHOICES:
        raise BadQuestion(f"The license expressions offer more than {MOST_CHOICES} choices together.")
    return [_choice(picked, len(components)) for picked in product(*slots)]


def _choice(picked: Iterable[Alternative | None], components: int) -> Choice:
    rest = iter(picked)
    base = next(rest)
    parts = tuple(islice(rest, components))
    pairs = list(rest)
    return Choice(base, parts, tuple(zip(pairs[::2], pairs[1::2], strict=True)))


def _evaluate(question: Question, choice: Choice, facts: Facts, bespoke: bool) -> Verdict:
    found = layers(question, choice, facts, bespoke=bespoke)
    found = _exclude_hosts(compare(question.act, found))
    found = with_upstream_notes(found)
    place = max((_place(layer) for layer in found), default=0)
    outcome = OUTCOMES[place]
    conditions = unite(c for layer in found for c in (*layer.duties, *layer.open)) if place == 1 else ()
    standing = unite(c for layer in found for c in layer.standing)
    deciding = dict.fromkeys(
        layer.name for layer in found if _place(layer) == place and (place or layer.status == "allowed")
    )
    return Verdict(
        outcome=outcome,
        conditions=_spelled(conditions),
        standing=_spelled(standing),
        deciding=tuple(deciding),
        reasons=(*explain(found, with_grants=place < 2), *_naming(conditions)),
        ledger=tuple(_entry(layer) for layer in found),
    )


def _place(layer: Layer) -> int:
    """The layer's place in OUTCOMES; one that does not speak on the act can still ask for credit."""
    if layer.status == "not_addressed":
        return 1 if layer.asks else 0
    return layer.rank


def _exclude_hosts(found: Sequence[Layer]) -> list[Layer]:
    """Host lists that share no host cannot all be met, so the act is refused before the host is stated."""
    lists = [
        set(condition.parameter)
        for layer in found
        for condition in layer.open
        if condition.kind.passes == "in_list" and isinstance(condition.parameter, tuple)
    ]
    if not lists or set.intersection(*lists):
        return list(found)
    return [
        replace(layer, status="forbidden", notes=(*layer.notes, "hosts_exclude_each_other"))
        if any(condition.kind.passes == "in_list" for condition in layer.open)
        else layer
        for layer in found
    ]


def _naming(conditions: Iterable[Condition]) -> tuple[Reason, ...]:
    prefixes = [condition for condition in conditions if condition.name == "naming_prefix"]
    if len(prefixes) < 2:
        return ()
    step = REASONS["naming_prefixes_differ"][1]
    wanted = ", ".join(str(prefix.parameter) for prefix in prefixes)
    return (Reason("naming_prefixes_differ", "base", None, wanted, step),)


def _spelled(conditions: Iterable[Condition]) -> tuple[str, ...]:
    return tuple(str(condition) for condition in conditions)


def _entry(layer: Layer) -> LedgerEntry:
    row, other = layer.license, layer.cell.other_reading
    if not other and may_be_separate(layer):
        other = REASONS["adapter_may_be_separate"][0]
    binding = sorted((*layer.standing, *layer.duties, *layer.open, *layer.failed), key=lambda c: c.kind.order)
    return LedgerEntry(
        layer=layer.name,
        status=layer.status,
        conditions=_spelled(binding),
        clause=layer.cell.clause,
        source=layer.source or None,
        confidence=layer.confidence,
        disputed=layer.cell.disputed,
        license=row.id if row else None,
        revision=row.revision if row else None,
        sha256=row.sha256 if row else None,
        note=layer.cell.note,
        reading=layer.cell.reading,
        other_reading=other,
    )
