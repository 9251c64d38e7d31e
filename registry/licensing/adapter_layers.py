"""One adapter's layers: license in time, Civitai flags, card, author's reply, rights in its material."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Final

from registry.licensing.civitai import SOURCE as CIVITAI_SOURCE
from registry.licensing.civitai import CivitaiFlags, flag_cell, parse_flags
from registry.licensing.conditions import Condition, parse_condition
from registry.licensing.expressions import Alternative
from registry.licensing.facts import Facts
from registry.licensing.layer import RANK, Layer, license_layers, read_cell, settle
from registry.licensing.question import RIGHTS_KINDS, AdapterTerms, AuthorReply, Rights
from registry.licensing.replies import within
from registry.licensing.schema import Cell
from registry.licensing.vocabulary import ACTS

# Acts that publishing a model under Civitai's permissions implies, where its flags stand alone.
_IMPLIED_BY_PUBLICATION: Final = frozenset(
    {"use_privately", "modify_or_merge", "use_internally_for_business"}
)


def adapter_layers(
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
        alone = not own and not any(_speaks(layer) for layer in card)
        own += _flag_layers(name, flags, act, facts, alone, bespoke_base, terms.evidence)
    own += card
    if not any(_speaks(layer) for layer in own):
        own += [settle(name, "nothing", Cell("silent"), act, facts, evidence=terms.evidence)]
    if act in terms.concluded:
        cell = read_cell(terms.concluded[act], name)
        said = settle(
            name, "concluded", cell, act, facts, source="a reviewer's conclusion", evidence=terms.evidence
        )
        own = [*_replaced(own, "replaced_by_conclusion"), said]
    if terms.author_reply is not None:
        own = _with_reply(own, number, terms.author_reply, act, facts, today)
    return own + list(_rights(number, terms, act, facts))


def _speaks(layer: Layer) -> bool:
    """Whether the layer has a say on the act; one that does not address it is neutral and grants nothing."""
    return layer.cell.status != "not_addressed"


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
        return [] if stated is None else license_layers(name, stated, act, facts, terms.evidence)
    before = license_layers(name, then, act, facts, terms.evidence)
    after = license_layers(name, now, act, facts, terms.evidence)
    if _looser(after, before):
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
    if _strictest(after) <= _strictest(before):
        return [*before, *after]
    return [replace(layer, notes=(*layer.notes, "license_tightened")) for layer in (*before, *after)]


def _strictest(found: Sequence[Layer]) -> int:
    return max(layer.rank for layer in found)


def _looser(after: Sequence[Layer], before: Sequence[Layer]) -> bool:
    """Whether the later text is known to ask less: a freer status, or the same one with fewer conditions."""
    now, then = _strictest(after), _strictest(before)
    if now >= RANK["silent"] or now > then:
        return False
    return now < then or _asked(after) < _asked(before)


def _asked(found: Sequence[Layer]) -> set[Condition]:
    return {condition for layer in found for condition in (*layer.duties, *layer.open)}


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
    state = reply.state
    if state == "answered" and act in reply.grants:
        if reply.expires is not None and (today is None or today > reply.expires):
            state = "expired"
        elif not within(reply, facts):
            state = "limited"
    if act in reply.refusals and reply.state != "withdrawn":
        cell = Cell("forbidden", (), "author's reply")
    elif act in reply.grants and state == "answered":
        conditions = tuple(parse_condition(text) for text in reply.conditions)
        cell = Cell("conditional" if conditions else "allowed", conditions, "author's reply")
        own = _replaced(own, "replaced_by_author_reply")
    else:
        cell = Cell("not_addressed")
    note = "" if state == "answered" else f"author_{state}"
    evidence = settle(
        name, "reply", cell, act, facts, source=reply.evidence, evidence=reply.evidence,
        notes=(note,) if note else (),
    )  # fmt: skip
    return [*own, evidence]


def _replaced(own: list[Layer], note: str) -> list[Layer]:
    """The layers as they stay in the ledger when something else speaks in their place."""
    return [
        replace(
            layer, status="not_addressed", standing=(), duties=(), open=(), failed=(),
            notes=(*layer.notes, note),
        )
        for layer in own
    ]  # fmt: skip


def _rights(number: int, terms: AdapterTerms, act: str, facts: Facts) -> Iterator[Layer]:
    """What is known of rights in the material, a layer for each kind of right that was looked at.

    They bear on acts that make something public; an author's reply does not touch them, since they belong to
    others.
    """
    if terms.rights is None or not ACTS[act].public:
        return
    stated = terms.rights if isinstance(terms.rights, Mapping) else {"": terms.rights}
    for kind, state in stated.items():
        cell = _rights_cell(state, RIGHTS_KINDS.get(kind, "rights in the source material"), act, facts)
        if cell is not None:
            yield settle(
                f"rights:{number}", "rights", cell, act, facts, source="rights record",
                evidence=terms.evidence,
            )  # fmt: skip


def _rights_cell(state: Rights, subject: str, act: str, facts: Facts) -> Cell | None:
    if state == "refused":
        return Cell("forbidden", (), subject)
    # Whoever says that nothing is cleared answers what the record leaves open.
    if state == "uncleared" or (state == "unknown" and facts.get("rights_cleared") is False):
        return Cell("conditional", (Condition("third_party_rights_clearance"),), subject)
    if state == "unknown" and (ACTS[act].commerce or act == "redistribute_adapter"):
        return Cell("silent", (), subject)
    return None
