"""From a question to its layers: each party's cell for the act: base, components, adapters, overlays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from registry.licensing.adapter_layers import adapter_layers
from registry.licensing.expressions import Alternative
from registry.licensing.facts import Facts
from registry.licensing.layer import Layer, license_layers, read_cell, settle
from registry.licensing.question import CellTerms, Component, Overlay, Question
from registry.licensing.schema import Cell
from registry.licensing.tools import find_tool
from registry.licensing.vocabulary import ACTS


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
        if isinstance(component, Component) and component.unknown_recipe:
            cell = Cell("silent" if ACTS[act].commerce else "not_addressed")
            found.append(settle(f"component:{label}", "recipe", cell, act, facts))
        else:
            found += license_layers(f"component:{label}", part, act, facts, "")
    for number, (terms, licenses) in enumerate(zip(question.adapters, choice.adapters, strict=True), 1):
        found += adapter_layers(
            number, terms, licenses, act, facts, choice.base if bespoke else None, question.today
        )
    found += _tools(question, facts)
    disputed = any(layer.cell.disputed and layer.status != "not_addressed" for layer in found)
    for overlay in question.overlays:
        found.append(_overlay(overlay, overlay.acts.get(act), act, facts))
        if disputed and overlay.disputed is not None:
            found.append(_overlay(overlay, overlay.disputed, act, facts))
    return found


def _tools(question: Question, facts: Facts) -> Iterator[Layer]:
    """Programs and services by name, save those whose terms an overlay brings."""
    read = {find_tool(rule.name).id for rule in question.overlays if rule.kind in ("host", "tool")}
    for tool in {found.id: found for found in map(find_tool, question.tools)}.values():
        if tool.id not in read:
            layer = "host" if tool.hosted else "tool"
            source = tool.source or tool.name
            yield settle(layer, "service", tool.cell(question.act), question.act, facts, source=source)


def _base(question: Question, choice: Choice, facts: Facts) -> Iterator[Layer]:
    if choice.base is not None and facts.get("base_commercial_license") is True:
        # A paid license replaces the public one; it cannot be checked here which base it was bought for.
        paid = Cell("allowed", (), "paid license for the base")
        yield settle("base", "paid", paid, question.act, facts, source="stated by the asker")
    else:
        yield from license_layers("base", choice.base, question.act, facts, "")
    if question.base_conflict is not None:
        conflict = question.base_conflict
        said = f"declared {conflict.declared or '?'}, detected {conflict.detected or '?'}"
        yield settle(
            "base", "conflict", Cell("silent"), question.act, facts, source=conflict.by, evidence=said
        )


def _overlay(overlay: Overlay, terms: CellTerms | None, act: str, facts: Facts) -> Layer:
    name = f"overlay:{overlay.name}" if overlay.kind == "overlay" else overlay.kind
    cell = Cell("not_addressed") if terms is None else read_cell(terms, name)
    if overlay.clause is not None:
        cell = replace(cell, clause=overlay.clause)
    return settle(name, "overlay", cell, act, facts, source=overlay.source or overlay.name)
