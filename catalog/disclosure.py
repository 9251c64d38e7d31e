"""Which kept evidence any reader may see: what was public where it was read, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from registry.models import ClaimKind, Standing, TermsClaim

# An author's letter or a model release was not public, nor need be what another Kura tells of its reviews.
PUBLIC_KINDS: Final = frozenset(
    {
        ClaimKind.LICENSE,
        ClaimKind.CIVITAI_FLAGS,
        ClaimKind.BASE,
        ClaimKind.TEXT_TERMS,
        ClaimKind.SERVICE_TERMS,
    }
)


def is_open(claims: Iterable[TermsClaim], *, rule: bool) -> bool:
    """Whether a snapshot is open to every reader: a rule or a public claim rests on it, and no private one.

    A sign of foreign rights that was read at a source is no secret of that source: it opens nothing by itself
    and closes nothing.
    """
    resting = [claim for claim in claims if not _sign(claim)]
    return (rule or bool(resting)) and all(claim.kind in PUBLIC_KINDS for claim in resting)


def is_told(claim: TermsClaim) -> bool:
    """Whether the claim itself is told to every reader: what a source states, and no word of a reviewer."""
    return claim.standing != Standing.DECIDED and (claim.kind in PUBLIC_KINDS or _sign(claim))


def _sign(claim: TermsClaim) -> bool:
    return claim.kind == ClaimKind.RIGHTS and claim.standing != Standing.DECIDED
