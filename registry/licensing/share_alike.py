"""Share-alike: may parts under these terms be passed on as one merged or modified model?

Rules: with one share-alike license the whole goes under it, and every other part must be absorbable; with
several, they must belong to one group or go one way into another (CC BY-SA 4.0 into GPLv3, per its list of
compatible licenses, which has no AGPL). FAIPL lets nobody add a limit (its Notices), so a part that carries
one cannot go in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from registry.licensing.conditions import Condition
from registry.licensing.layer import Layer
from registry.licensing.vocabulary import ACTS, SHARE_ALIKE

_SHARE_ALIKE: Final = Condition("share_alike")
_NONCOMMERCIAL: Final = frozenset({"noncommercial_only", "research_only"})
# Conditions any share-alike license can take up.
_ABSORBABLE: Final = frozenset(
    {"attribution", "include_license_copy", "state_changes", "no_trademark_use", "use_latest_version",
     "source_disclosure", "share_work_details", "keep_license_snapshot", "notify_transferee"}
)  # fmt: skip
_USE_LIMITS: Final = frozenset({"use_based_restrictions", "use_restrictions_flow_down"})


def compare(act: str, layers: Sequence[Layer]) -> list[Layer]:
    """The layers with their status tightened where they cannot be passed on together.

    A layer that clashes becomes forbidden, one whose fit the texts leave open becomes silent, one that a
    person should look at gets a note and keeps its status.
    """
    if not ACTS[act].derivative:
        return list(layers)
    sharing = {(_group(layer), _text(layer)) for layer in layers if _shares_alike(layer)}
    if not sharing:
        return list(layers)
    groups, top = {group for group, _ in sharing}, _top(sharing)
    return [_compared(layer, groups, top) for layer in layers]


def _is_part(layer: Layer) -> bool:
    """Whether the layer speaks for a part of the merged whole, not about it from outside."""
    return layer.name.startswith(("base", "component:", "adapter:", "evidence:")) and layer.origin != "paid"


def _shares_alike(layer: Layer) -> bool:
    return (
        _is_part(layer) and layer.status not in ("not_addressed",) and _SHARE_ALIKE in layer.cell.conditions
    )


def _group(layer: Layer) -> str:
    if layer.license is None:
        return layer.name
    return layer.license.share_alike_group or layer.license.id


def _text(layer: Layer) -> str:
    return layer.name if layer.license is None else layer.license.id


def _top(sharing: set[tuple[str, str]]) -> str | None:
    """The group whose every license here all others can go into; None when there is none."""
    for top in sorted({group for group, _ in sharing}):
        whole = {text for group, text in sharing if group == top}
        others = {text for group, text in sharing if group != top}
        if all((text, into) in SHARE_ALIKE.one_way for text in others for into in whole):
            return top
    return None


def _compared(layer: Layer, groups: set[str], top: str | None) -> Layer:
    if not _is_part(layer) or layer.status in ("forbidden", "not_addressed", "silent"):
        return layer
    if _shares_alike(layer):
        return layer if top is not None else _noted(layer, "share_alike_clash", "forbidden")
    # With several groups and no common one the whole is refused already; compare with each for the reasons.
    notes = [_fit(layer, group) for group in sorted(groups if top is None else {top})]
    if "share_alike_clash" in notes:
        return _noted(layer, "share_alike_clash", "forbidden")
    if "share_alike_unsettled" in notes:
        return _noted(layer, "share_alike_unsettled", "silent")
    if "share_alike_review" in notes:
        return replace(layer, notes=(*layer.notes, "share_alike_review"))
    return layer


def _noted(layer: Layer, note: str, status: str) -> Layer:
    return replace(layer, status=status, notes=(*layer.notes, note))  # type: ignore[arg-type]


def _fit(layer: Layer, group: str) -> str:
    """How a part without share-alike terms fits under a group's license: "" when it does."""
    names = {condition.name for condition in layer.cell.conditions}
    limited = layer.flags.limits_commerce if layer.flags is not None else False
    if group not in SHARE_ALIKE.noncommercial_groups:
        if names & _NONCOMMERCIAL or limited:
            return "share_alike_clash"
        if limited is None:
            return "share_alike_unsettled"
    gates = {c.name for c in layer.cell.conditions if c.kind.kind == "gate" and c.kind.only_on is None}
    if gates - _NONCOMMERCIAL:
        return "share_alike_clash" if group in SHARE_ALIKE.forbids_added_limits else "share_alike_unsettled"
    if layer.flags is not None and layer.flags.different_license is not True:
        return "share_alike_review"
    if names & _USE_LIMITS and group not in SHARE_ALIKE.carries_use_restrictions:
        return "share_alike_review"
    return "share_alike_review" if names - _ABSORBABLE - _USE_LIMITS - _NONCOMMERCIAL - gates else ""
