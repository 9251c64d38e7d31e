"""What is asked: an act, the facts of the case, and the stack of layers whose terms apply."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final, Literal

CellTerms = tuple[str, Sequence[str]]
"""A status and its conditions, as a person writes them down: `("conditional", ["attribution"])`."""

Rights = Literal["cleared", "unknown", "uncleared", "refused"]
"""What is known of the rights in the material an adapter was made from."""

RIGHTS_KINDS: Final[Mapping[str, str]] = {
    "copyright": "copyright in the source material",
    "portrait": "portrait and publicity rights of the person shown",
    "character": "rights in the character",
    "mark": "trade marks and logos",
}
"""Kinds of rights that are recorded one by one, and what each is about."""

OverlayKind = Literal["overlay", "host", "tool", "policy"]


@dataclass(frozen=True)
class AuthorReply:
    """An author's answer to a question; it speaks on the acts it names, for this adapter alone.

    `state`: drafted, sent, reminded, answered, no_reply or withdrawn; only an answer grants. A refusal
    counts as long as it is not withdrawn. After `expires` a grant counts no longer, and it counts only where
    the facts `territory` and `medium` lie within `territories` and `media`; empty is no limit. `evidence`
    cites the stored message.
    """

    grants: Sequence[str] = ()
    refusals: Sequence[str] = ()
    conditions: Sequence[str] = ()
    state: str = "answered"
    evidence: str = ""
    expires: date | None = None
    territories: Sequence[str] = ()
    media: Sequence[str] = ()


@dataclass(frozen=True)
class AdapterTerms:
    """All that is known of one adapter's terms.

    license: an id of LICENSES or an SPDX expression of them; None where nothing is stated.
    civitai: the permission flags in any shape Civitai ever sent; None where the adapter has none.
    With both None (and nothing else) no terms are known, and every act is unknown.
    extra: readings of card text, each act -> (status, conditions).
    license_now: the license the source shows today, where it changed since the copy; snapshot: whether the
    earlier terms are stored. rights: one state for all, or one for each of RIGHTS_KINDS that was looked at;
    None means the question was not raised.
    evidence: where the terms were read (URL, snapshot digest); verdicts cite it.
    concluded: what a reviewer concluded on single acts; it takes the place of license, flags and card there,
    and of nothing that belongs to others.
    """

    license: str | None = None
    civitai: Mapping[str, object] | None = None
    name: str = ""
    extra: Sequence[Mapping[str, CellTerms]] = ()
    author_reply: AuthorReply | None = None
    license_now: str | None = None
    snapshot: bool = False
    rights: Rights | Mapping[str, Rights] | None = None
    evidence: str = ""
    concluded: Mapping[str, CellTerms] = field(default_factory=dict)


@dataclass(frozen=True)
class Component:
    """A part loaded beside the base or baked into it: a text encoder, a VAE, a distillation adapter.

    `unknown_recipe` stands for parts that nobody listed, as in a merge whose recipe is not known: it leaves
    acts that earn open and says nothing on others.
    """

    license: str | None
    name: str = ""
    unknown_recipe: bool = False


@dataclass(frozen=True)
class Overlay:
    """Someone else's rule: a fan-art guideline, a host's or tool's terms, the house policy.

    `disputed` is its cell for any act on which a clause has two honest readings, as in the policy "where a
    clause is disputed, ask legal".
    """

    name: str
    acts: Mapping[str, CellTerms]
    kind: OverlayKind = "overlay"
    clause: str | None = None
    source: str = ""
    disputed: CellTerms | None = None


@dataclass(frozen=True)
class BaseConflict:
    """Declared and detected base disagree; the base layer is unknown until someone settles it."""

    declared: str = ""
    detected: str = ""
    by: str = ""


@dataclass(frozen=True)
class Question:
    """May I do `act` with this stack, given these facts?

    base_license: an id or expression; None where the base is not known. base_model: an id, name or alias of
    BASE_MODELS; it only tells whether Civitai prints a license text for the flags. facts: see FACTS; what
    is left out stays open. tools: names of programs and services the stack runs with (see tools.py); an
    overlay of the kind host or tool with the same name brings the terms of one that was not read. today: the
    date against which a reply's expiry is read.
    """

    act: str
    base_license: str | None = None
    adapters: Sequence[AdapterTerms] = ()
    components: Sequence[Component | str] = ()
    overlays: Sequence[Overlay] = ()
    tools: Sequence[str] = ()
    facts: Mapping[str, object] = field(default_factory=dict)
    base_model: str | None = None
    base_conflict: BaseConflict | None = None
    today: date | None = None
    id: object = None
    ignored: Sequence[str] = ()
