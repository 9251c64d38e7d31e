"""Statement: what one source says about an adapter's terms, in its own words and as it was understood."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

Kind = Literal["license", "civitai_flags", "text_terms", "rights", "service_terms"]
Standing = Literal["declared", "detected"]

LONGEST_WORDING: Final = 2000


@dataclass(frozen=True)
class Statement:
    """One claim before it is a row; the fields are those of TermsClaim.

    value: a license id for `license`; the flags as Civitai prints them today for `civitai_flags`;
    `{forbidden: [act], contact: [act], credit: bool, licenses: [id]}` for `text_terms`;
    `{subject, state}` for `rights`; None where something was stated and not recognized. wording: exactly as
    written. standing: declared by the author, or detected in the bytes of a file or of a license text.
    unread: parts that were not understood. hints: weak evidence beside it, which never binds.
    """

    kind: Kind
    value: object
    wording: str
    standing: Standing = "declared"
    unread: tuple[str, ...] = ()
    hints: Mapping[str, object] = field(default_factory=dict)


def all_of(ids: Iterable[str]) -> str:
    """The expression under which all of these licenses bind at once, in one spelling."""
    ordered = sorted(set(ids))
    if len(ordered) == 1:
        return ordered[0]
    return " AND ".join(f"({each})" if " " in each else each for each in ordered)


def bounded(wording: str, limit: int = LONGEST_WORDING) -> str:
    """The wording, cut where a row could not hold it; the whole stays in the snapshot."""
    return wording if len(wording) <= limit else wording[: limit - 1].rstrip() + "…"
