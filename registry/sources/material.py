"""Signs that an adapter shows a real person, a character, a brand or one artist's style."""

from __future__ import annotations

from registry.models import ClaimKind
from registry.sources.listing import ListedClaim, RawDocument

# Tags as people write them upstream; a sign only raises the question, it never answers it.
SIGNS = {
    "person": {
        "actor", "actress", "celebrity", "idol", "influencer", "person", "politician", "real person",
        "singer", "youtuber",
    },
    "character": {
        "anime character", "cartoon character", "character", "characters", "fictional character",
        "game character", "movie character", "video game character",
    },
    "brand": {"brand", "logo", "mascot", "trademark"},
    "artist": {"artist", "artist style", "mangaka"},
}  # fmt: skip


def rights_claims(
    document: RawDocument, tags: list[str], *, depicts_person: bool = False
) -> list[ListedClaim]:
    """At most one claim `{subject, state}`: a person before a character before a brand before an artist."""
    if depicts_person:
        return [_claim(document, "person", "poi: true")]
    folded = {tag.casefold(): tag for tag in tags}
    for subject, signs in SIGNS.items():
        for sign in sorted(signs & folded.keys()):
            return [_claim(document, subject, f"tag: {folded[sign]}")]
    return []


def _claim(document: RawDocument, subject: str, wording: str) -> ListedClaim:
    return ListedClaim(ClaimKind.RIGHTS, {"subject": subject, "state": "unknown"}, wording, document)
