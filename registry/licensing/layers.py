"""From a question to its layers: each party's cell for the act: base, components, adapters, overlays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Final, Literal

from registry.licensing.civitai import SOURCE as CIVITAI_SOURCE
from registry.licensing.civitai import CivitaiFlags, flag_cell, parse_flags
from registry.licensing.conditions import Condition, parse_condition
from registry.licensing.errors import BadQuestion, not_one_of
from registry.licensing.expressions import Alternative
from registry.licensing.facts import Facts
from registry.licensing.gates import answer
from registry.licensing.question import AdapterTerms, AuthorReply, CellTerms, Overlay, Question
from registry.licensing.schema import Cell, License
from registry.licensing.vocabulary import ACTS, STATUSES, Status

Origin = Literal["license", "civitai", "card", "nothing", "reply", "rights", "overlay", "paid", "conflict"]

# Acts that publishing a model under Civitai's permissions implies, where its flags stand alone.
_IMPLIED_BY_PUBLICATION: Final = frozenset(
    {"use_privately", "modify_or_merge", "use_internally_for_business"}
)
# Origins whose words lie before the reader, as against a missing text or a record about one.
_READ: Final = frozenset({"civitai", "card", "reply"})
_RANK: Final[Mapping[Status, int]] = {
    "not_addressed": 0, "allowed": 0, "conditional": 1, "silent": 2, "forbidden": 3,
}  # fmt: skip


@dataclass(frozen=True)
class Layer:
    """One party's say on the act, with the gates run against the facts.

    `status` is what remains after the gates: a failed gate makes it forbidden, a conditional cell whose
    gates all passed and that asks for nothing is allowed. `cell` is the say as written.
    """

    name: str
    origin: Origin
    cell: Cell
    status: Status
    standing: tuple[Condition, ...] = ()
    duties: tuple[Condition, ...] = ()
    open: tuple[Condition, ...] = ()
    failed: tuple[Condition, ...] = ()
    license: License | None = None
    flags: CivitaiFlags | None = None
    source: str = ""
    confidence: str | None = None
    evidence: str = ""
    notes: tuple[str, ...] = ()

    @property
    def rank(self) -> int:
        return _RANK[self.status]

    @property
    def asks(self) -> bool:
        """Whether something is left to do or to state."""
        return bool(self.duties or self.open)


def settle(
    name: str,
    origin: Origin,
    cell: Cell,
    act: str,
    facts: Facts,
    *,
    license: License | None = None,
    flags: CivitaiFlags | None = None,
    source: str = "",
    evidence: str = "",
    notes: tuple[str, ...] = (),
) -> Layer:
    """Run a cell's gates and give the layer they leave."""
    sorted_out: dict[str, list[Condition]] = {
        "standing": [],
        "duty": [],
        "open": [],
        "passed": [],
        "failed": [],
    }
    for condition in cell.conditions:
        sorted_out[answer(condition, act, facts)].append(condition)
    status = cell.status
    if status == "forbidden" and facts.get("host") in cell.host_exempt:
        status, notes = "allowed", (*notes, "host_exempt")
    elif sorted_out["failed"]:
        status = "forbidden"
    elif status in ("allowed", "conditional"):
        status = (
            "conditional" if sorted_out["duty"] or sorted_out["open"] or not cell.conditions else "allowed"
        )
        if cell.status == "allowed" and not cell.conditions:
            status = "allowed"
    return Layer(
        name=name,
        origin=origin,
        cell=cell,
        status=status,
        standing=tuple(sorted_out["standing"]),
        duties=tuple(sorted_out["duty"]),
        open=tuple(sorted_out["open"]),
        failed=tuple(sorted_out["failed"]),
        license=license,
        flags=flags,
        source=source or (license.source if license else ""),
        confidence=license.confidence if license else ("read_in_text" if origin in _READ else None),
        evidence=evidence,
        notes=notes,
    )


@dataclass(frozen=True)
class Choice:
    """One alternative picked for every license expression of the stack; None where no license is stated."""

    base: Alternative | None
    components: tuple[Alternative | None, ...]
    adapters: tuple[tuple[Alternative | None, Alternative | None], ...]


def layers(question: Question, choice: Choice, facts: Facts, *, bespoke: bool) -> list[Layer]:
    """Every layer of the stack for the act, decisive or not."""
    act = question.act
    found = list(_base(question, choice, facts))
    for component, part in zip(question.components, choice.components, strict=True):
        label = component if isinstance(component, str) else component.name or component.license or "unknown"
        found += _licenses(f"component:{label}", part, act, facts, "")
    for number, (terms, licenses) in enumerate(zip(question.adapters, choice.adapters, strict=True), 1):
        found += _adapter(
            number, terms, licenses, act, facts, choice.base if bespoke else None, question.today
        )
    found += [_overlay(overlay, act, facts) for overlay in question.overlays]
    return found


def _base(question: Question, choice: Choice, facts: Facts) -> Iterator[Layer]:
    if choice.base is not None and facts.get("base_commercial_license") is True:
        # A paid license replaces the public one; it cannot be checked here which base it was bought for.
        paid = Cell("allowed", (), "paid license for the base")
        yield settle("base", "paid", paid, question.act, facts, source="stated by the asker")
    else:
        yield from _licenses("base", choice.base, question.act, facts, "")
    if question.base_conflict is not None:
        conflict = question.base_conflict
        said = f"declared {conflict.declared or '?'}, detected {conflict.detected or '?'}"
        yield settle(
            "base", "conflict", Cell("silent"), question.act, facts, source=conflict.by, evidence=said
        )


def _licenses(name: str, licenses: Alternative | None, act: str, facts: Facts, evidence: str) -> list[Layer]:
    if licenses is None:
        return [settle(name, "nothing", Cell("silent"), act, facts, evidence=evidence)]
    return [
        settle(name, "license", row.summary[act], act, facts, license=row, evidence=evidence)
        for row in licenses
    ]


def _adapter(
    number: int,
    terms: AdapterTerms,
    licenses: tuple[Alternative | None, Alternative | None],
    act: str,
    facts: Facts,
    bespoke_base: Alternative | None,
    today: date | None,
) -> list[Layer]:
    name = f"adapter:{number}"
    own = _license_in_time(name, terms, licenses, act, facts)
    card = [
        settle(
            name,
            "card",
            read_cell(extra[act], name),
            act,
            facts,
            source="model card",
            evidence=terms.evidence,
        )
        for extra in terms.extra
        if act in extra
    ]
    flags = parse_flags(terms.civitai) if terms.civitai is not None else CivitaiFlags()
    if flags.stated:
        alone = not own and not card
        own += _flag_layers(name, flags, act, facts, alone, bespoke_base, terms.evidence)
    own += card
    if not own:
        own = [settle(name, "nothing", Cell("silent"), act, facts, evidence=terms.evidence)]
    if terms.author_reply is not None:
        own = _with_reply(own, number, terms.author_reply, act, facts, today)
    return own + _rights(number, terms, act, facts)


def _license_in_time(
    name: str,
    terms: AdapterTerms,
    licenses: tuple[Alternative | None, Alternative | None],
    act: str,
    facts: Facts,
) -> list[Layer]:
    """The license's layers, or those of two readings at different times.

    Looser now: the new text applies at once. Tighter now: an irrevocable earlier grant holds for a copy whose
    terms were kept; otherwise both texts are read and the stricter decides.
    """
    then, now = licenses
    if then is None or now is None or then == now:
        stated = now if then is None else then
        return [] if stated is None else _licenses(name, stated, act, facts, terms.evidence)
    before = _licenses(name, then, act, facts, terms.evidence)
    after = _licenses(name, now, act, facts, terms.evidence)
    tightest_now = max(layer.rank for layer in after)
    if tightest_now < _RANK["silent"] and tightest_now < max(layer.rank for layer in before):
        return [replace(layer, notes=(*layer.notes, "license_loosened")) for layer in after]
    if terms.snapshot and all(row.irrevocable is True for row in then):
        kept = before[0]
        cell = replace(kept.cell, conditions=(*kept.cell.conditions, Condition("keep_license_snapshot")))
        if cell.status == "allowed":
            cell = replace(cell, status="conditional")
        return [
            settle(name, "license", cell, act, facts, license=kept.license, evidence=terms.evidence),
            *before[1:],
        ]
    return [replace(layer, notes=(*layer.notes, "license_tightened")) for layer in (*before, *after)]


def _flag_layers(
    name: str,
    flags: CivitaiFlags,
    act: str,
    facts: Facts,
    alone: bool,
    bespoke_base: Alternative | None,
    evidence: str,
) -> list[Layer]:
    cell = flag_cell(flags, act, bespoke=bespoke_base is not None)
    if cell.status == "not_addressed" and alone:
        if bespoke_base is not None:
            # Civitai prints the base's license with the permissions attached: the base's cell, and the
            # credit.
            printed = [
                settle(
                    name, "civitai", row.summary[act], act, facts, license=row, evidence=evidence, flags=flags
                )
                for row in bespoke_base
            ]
            return [
                *printed,
                settle(name, "civitai", cell, act, facts, source=CIVITAI_SOURCE, evidence=evidence),
            ]
        if act in _IMPLIED_BY_PUBLICATION:
            cell = Cell("conditional" if flags.credit else "allowed", flags.credit, "publication on Civitai")
        else:
            cell = Cell("silent", (), "no flag speaks on it")
    return [settle(name, "civitai", cell, act, facts, flags=flags, source=CIVITAI_SOURCE, evidence=evidence)]


def _with_reply(
    own: list[Layer], number: int, reply: AuthorReply, act: str, facts: Facts, today: date | None
) -> list[Layer]:
    name = f"evidence:{number}"
    expired = reply.expires is not None and (today is None or today > reply.expires)
    if act in reply.refusals and reply.state != "withdrawn":
        cell = Cell("forbidden", (), "author's reply")
    elif act in reply.grants and reply.state == "answered" and not expired:
        conditions = tuple(parse_condition(text) for text in reply.conditions)
        cell = Cell("conditional" if conditions else "allowed", conditions, "author's reply")
        own = [
            replace(
                layer, status="not_addressed", standing=(), duties=(), open=(), failed=(),
                notes=(*layer.notes, "replaced_by_author_reply"),
            )
            for layer in own
        ]  # fmt: skip
    else:
        cell = Cell("not_addressed")
    note = "" if reply.state == "answered" else f"author_{reply.state}"
    evidence = settle(
        name, "reply", cell, act, facts, source=reply.evidence, evidence=reply.evidence,
        notes=(note,) if note else (),
    )  # fmt: skip
    return [*own, evidence]


def _rights(number: int, terms: AdapterTerms, act: str, facts: Facts) -> list[Layer]:
    kind = ACTS[act]
    if terms.rights is None or not (kind.public or kind.commerce):
        return []
    clearance = Condition("third_party_rights_clearance")
    cell: Cell | None = None
    if terms.rights == "refused":
        cell = Cell("forbidden", (), "refusal on record")
    elif terms.rights == "uncleared" and kind.public:
        cell = Cell("conditional", (clearance,), "clearance of rights")
    elif terms.rights == "unknown" and facts.get("rights_cleared") is False:
        cell = Cell("forbidden", (), "refusal on record")
    elif terms.rights == "unknown" and (kind.commerce or act == "redistribute_adapter"):
        cell = Cell("silent", (), None)
    if cell is None:
        return []
    return [
        settle(
            f"rights:{number}", "rights", cell, act, facts, source="rights record", evidence=terms.evidence
        )
    ]


def _overlay(overlay: Overlay, act: str, facts: Facts) -> Layer:
    name = f"overlay:{overlay.name}" if overlay.kind == "overlay" else overlay.kind
    cell = read_cell(overlay.acts[act], name) if act in overlay.acts else Cell("not_addressed")
    if overlay.clause is not None:
        cell = replace(cell, clause=overlay.clause)
    return settle(name, "overlay", cell, act, facts, source=overlay.source or overlay.name)


def read_cell(terms: CellTerms, where: str) -> Cell:
    """A cell from a status and condition spellings, as curators and overlays write them."""
    status, spelled = terms
    if status not in STATUSES:
        raise BadQuestion(f"{where}: there is no status {status!r}. {not_one_of(status, STATUSES)}")
    conditions: Sequence[Condition] = [parse_condition(text) for text in spelled]
    return Cell(status, tuple(dict.fromkeys(conditions)), "as recorded")
