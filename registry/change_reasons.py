"""Why verdicts changed: which claim, base, license or rule differs, with the snapshots on either side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from registry.licensing.expressions import named_in
from registry.licensing.table import folded_id
from registry.models import TermsBasis, TermsCause, Version
from registry.terms import LAYERS, citations, current_claims

# What of a profile's terms speaks for which cause, and on which layer the evidence for it is.
_TERMS: Final[Mapping[str, tuple[str, str]]] = {
    "base_model": (TermsCause.BASE, "base"),
    "base_license": (TermsCause.BASE, "base"),
    "components": (TermsCause.BASE, "base"),
    "base_conflict": (TermsCause.BASE, "base"),
    "license": (TermsCause.CLAIM, "adapter"),
    "license_now": (TermsCause.CLAIM, "adapter"),
    "civitai": (TermsCause.CLAIM, "adapter"),
    "extra": (TermsCause.CLAIM, "adapter"),
    "rights": (TermsCause.RIGHTS, "rights"),
    "concluded": (TermsCause.CLAIM, "adapter"),
    "author_replies": (TermsCause.REPLY, ""),
    "overlays": (TermsCause.RULE, ""),
}
_MOST_CITED: Final = 20


@dataclass(frozen=True, slots=True)
class Why:
    """One thing that differs: its cause, what it is, and both sides; None where it did not exist."""

    cause: str
    id: str
    before: Any
    after: Any
    layer: str = ""

    def as_dict(self) -> dict[str, Any]:
        return {"kind": str(self.cause), "id": self.id, "before": self.before, "after": self.after}


def why_terms(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Why]:
    """What two profiles' terms state differently; an element nobody here knows counts as a statement."""
    found = []
    for name in sorted({*before, *after}):
        one, other = before.get(name), after.get(name)
        if one != other and (one or other):
            cause, layer = _TERMS.get(name, (TermsCause.CLAIM, "adapter"))
            found.append(Why(cause, name, one, other, layer))
    return found


def why_basis(before: TermsBasis, after: TermsBasis, terms: Mapping[str, Any]) -> list[Why]:
    """Which rules, and which licenses that the terms name, were revised; else that the engine has changed."""
    if before.digest == after.digest:
        return []
    named = licenses_in(terms)
    found = [
        Why(TermsCause.LICENSE, name, before.licenses.get(name), after.licenses.get(name))
        for name in sorted({*before.licenses, *after.licenses})
        if folded_id(name) in named and before.licenses.get(name) != after.licenses.get(name)
    ]
    found += [
        Why(TermsCause.RULE, name, before.rules.get(name), after.rules.get(name))
        for name in sorted({*before.rules, *after.rules})
        if before.rules.get(name) != after.rules.get(name)
    ]
    return found or [Why(TermsCause.ENGINE, "engine", before.digest[:12], after.digest[:12])]


def changes_with_time(terms: Mapping[str, Any]) -> bool:
    """Whether the terms hold an answer of the author that ends on some day."""
    return any(reply.get("expires") for reply in terms.get("author_replies", ()))


def why_time(terms: Mapping[str, Any]) -> list[Why]:
    """The author's answers whose last day may have passed, where nothing else has changed."""
    ends = [reply["expires"] for reply in terms.get("author_replies", ()) if reply.get("expires")]
    return [Why(TermsCause.REPLY, "expires", min(ends), None)] if ends else []


def licenses_in(terms: Mapping[str, Any]) -> set[str]:
    """The ids of all licenses that the terms name, as `folded_id` spells them."""
    texts = [terms["base_license"], terms["license"], terms.get("license_now"), *terms["components"]]
    return {name for text in texts if text for name in named_in(text)}


def cause_of(why: Sequence[Why]) -> str:
    """The one cause an event is filed under: the first that applies, in the order of TermsCause."""
    causes = {each.cause for each in why}
    return next((cause for cause in TermsCause.values if cause in causes), TermsCause.ENGINE)


def evidence_between(version: Version, why: Sequence[Why]) -> dict[str, Any]:
    """`{before, after}`: the claims, with their snapshots, that spoke then and speak now on what differs.

    Before: of each source the newest reading that has been superseded.
    """
    layers = {each.layer for each in why if each.layer}
    kinds = [kind for kind, layer in LAYERS.items() if layer in layers]
    now = [claim for claim in current_claims(version) if claim.kind in kinds]
    gone = version.claims.filter(superseded=True, kind__in=kinds).select_related("snapshot")
    newest = {}
    for claim in gone.defer("snapshot__body").order_by("id"):
        newest[claim.kind, claim.standing, claim.snapshot.url if claim.snapshot else ""] = claim
    return {
        "before": [each.as_dict() for each in citations(newest.values())][:_MOST_CITED],
        "after": [each.as_dict() for each in citations(now)][:_MOST_CITED],
    }
