"""From layers to reasons: why each one stands as it does, the strongest obstacle first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from registry.licensing.layer import Layer, Origin
from registry.licensing.reasons import REASONS, Reason
from registry.licensing.vocabulary import CONDITIONS, SHARE_ALIKE

_FORBIDS: Final[dict[Origin, str]] = {
    "license": "license_forbids",
    "civitai": "flags_forbid",
    "card": "card_forbids",
    "concluded": "reviewer_concluded_no",
    "reply": "author_refused",
    "rights": "rights_refused",
    "overlay": "rule_forbids",
}
_SILENT: Final[dict[Origin, str]] = {
    "license": "license_silent",
    "nothing": "no_terms_stated",
    "civitai": "flags_silent",
    "card": "card_silent",
    "concluded": "reviewer_concluded_open",
    "rights": "rights_unknown",
    "overlay": "rule_silent",
    "service": "service_terms_unread",
    "recipe": "recipe_unknown",
    "conflict": "base_conflict",
}
_OBLIGING: Final = frozenset({"faipl", "ltx-2"})
"""Share-alike groups whose text counts an adapter among the derivatives that must carry the license."""


_UPSTREAM: Final = SHARE_ALIKE.forbids_added_limits


def explain(layers: Sequence[Layer], *, with_grants: bool) -> tuple[Reason, ...]:
    """Reasons of all layers: refusals, then what is unknown, open gates, duties, grants, and remarks."""
    found = [(place, reason) for layer in layers for place, reason in _of_layer(layer)]
    kept = [(place, reason) for place, reason in found if with_grants or place != 4]
    return tuple(reason for _, reason in sorted(kept, key=lambda pair: pair[0]))


def _of_layer(layer: Layer) -> Iterator[tuple[int, Reason]]:
    used = _deciding_note(layer)
    if used is not None:
        yield (0 if layer.status == "forbidden" else 1), _reason(used, layer)
    elif layer.failed:
        for condition in layer.failed:
            yield 0, replace(_reason("gate_failed", layer), condition=str(condition))
    elif layer.status == "forbidden":
        yield 0, _reason(_forbidding(layer), layer)
    elif layer.status == "silent":
        yield 1, _reason(_leaving_open(layer), layer)
    for place, code, conditions in ((2, "gate_open", layer.open), (3, "duty", layer.duties)):
        for condition in conditions:
            step = CONDITIONS[condition.name].step
            yield place, replace(_reason(code, layer), condition=str(condition), next_step=step)
    if layer.status == "allowed":
        granting = {
            "paid": "base_license_paid",
            "reply": "author_granted",
            "concluded": "reviewer_concluded_yes",
        }
        yield 4, _reason(granting.get(layer.origin, "granted"), layer)
    for note in (*layer.notes, *_remarks(layer)):
        if note != used:
            yield 5, _reason(note, layer)


def _reason(code: str, layer: Layer) -> Reason:
    return Reason(
        code=code,
        layer=layer.name,
        clause=layer.cell.clause,
        evidence=layer.evidence or layer.source or None,
        next_step=REASONS[code][1] or None,
    )


def _deciding_note(layer: Layer) -> str | None:
    for note in ("share_alike_clash", "hosts_exclude_each_other", "share_alike_unsettled"):
        if note in layer.notes:
            return note
    return None


def _forbidding(layer: Layer) -> str:
    if layer.license is not None:
        return "no_license" if layer.license.id == "none" else "license_forbids"
    return _FORBIDS[layer.origin]


def _leaving_open(layer: Layer) -> str:
    if layer.license is not None:
        return {"none": "no_license", "other": "license_unresolved", "unknown": "license_unresolved"}.get(
            layer.license.id, "license_silent"
        )
    return "base_unknown" if layer.origin == "nothing" and layer.name == "base" else _SILENT[layer.origin]


def _remarks(layer: Layer) -> Iterator[str]:
    if layer.status == "not_addressed":
        return
    if layer.cell.disputed:
        yield "disputed_reading"
    if may_be_separate(layer):
        yield "adapter_may_be_separate"
    if layer.license is not None and layer.license.confidence != "read_in_text":
        yield "weak_source"
    if layer.license is not None and layer.license.ambiguous:
        yield "license_ambiguous"
    if layer.flags is not None:
        if layer.flags.are_default:
            yield "flags_are_default"
        if layer.flags.unrecognized:
            yield "flag_value_unrecognized"
        if layer.flags.no_credit is None and layer.duties:
            yield "credit_not_stated"


def may_be_separate(layer: Layer) -> bool:
    """Whether it is arguable that the layer binds an adapter that is passed on in a file of its own."""
    return (
        layer.license is not None
        and layer.license.lora_is_derivative == "arguable"
        and layer.act in ("redistribute_adapter", "sell_adapter")
        and layer.name.startswith(("base", "component:"))
        and layer.status in ("conditional", "forbidden")
    )


def with_upstream_notes(layers: Sequence[Layer]) -> list[Layer]:
    """Mark adapters whose limit the base's license does not permit, and authors who owe the base's license.

    Marks only: the verdict stays with the stricter reading. We report, we do not waive.
    """
    base = [layer for layer in layers if layer.name == "base" and layer.license is not None]
    groups = {layer.license.share_alike_group for layer in base if layer.license is not None}
    open_base = bool(base) and all(layer.status != "forbidden" for layer in base)
    marked = []
    for layer in layers:
        note = ""
        if layer.name == "base" and layer.cell.disputed and layer.status == "forbidden":
            # A card that adds a limit to the license its own model is under, as NoobAI's does to FAIPL.
            adds = layer.license is not None and layer.license.share_alike_group in _UPSTREAM
            note = "restriction_not_permitted_by_upstream" if adds else ""
        elif layer.name.startswith("adapter:"):
            stated = not (
                layer.origin == "nothing" or (layer.license is not None and layer.license.id == "none")
            )
            limits = any(condition.name == "noncommercial_only" for condition in layer.cell.conditions)
            if stated and open_base and groups & _UPSTREAM:
                refuses = layer.status == "forbidden" and layer.origin in ("license", "civitai", "card")
                note = "restriction_not_permitted_by_upstream" if refuses or limits else ""
            elif not stated and groups & _OBLIGING:
                note = "author_owes_license"
        marked.append(replace(layer, notes=(*layer.notes, note)) if note else layer)
    return marked
