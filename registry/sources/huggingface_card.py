"""What a repository on the Hub says about terms: its card, its license files and the texts they lead to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from registry.errors import KuraError
from registry.licensing.claims.hub import HUB, read_card_terms, read_link
from registry.licensing.claims.texts import read_license_text
from registry.models import ClaimKind
from registry.sources.cards import RELATIONS, read_card, read_front
from registry.sources.documents import front_matter
from registry.sources.http import ANY, credentials_for, get
from registry.sources.huggingface_client import endpoint, file_address, read_file
from registry.sources.license_files import is_license_file
from registry.sources.listing import ListedClaim, RawDocument, Reading, listed
from registry.sources.text import line
from registry.sources.upstream_errors import UpstreamError

CARD = "README.md"
_MOST_LICENSES = 3
_LARGEST_LICENSE = 1024 * 1024


@dataclass(slots=True)
class Said:
    """All that a repository says: the reading of its card, documents, claims; `failures` cost no version."""

    reading: Reading | None = None
    documents: list[RawDocument] = field(default_factory=list)
    claims: list[ListedClaim] = field(default_factory=list)
    failures: list[tuple[str, KuraError]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Place:
    """A repository at a commit; `shown`: the revision under whose name its documents are kept.

    `open`: whether its files may be had; of a gated one only what the Hub says of it can be read.
    """

    repo: str
    sha: str
    shown: str
    paths: frozenset[str]
    open: bool = True


def read_said(place: Place, card_data: object, tags: Sequence[str], described: RawDocument) -> Said:
    """Read card and license files of a repository that the Hub describes in `described`.

    Where the card's file is not to be had, its front matter as the Hub repeats it (`card_data`) speaks; what
    neither says, or all where nothing can be read, is filled in from the tags, which the Hub derives. Raises
    UpstreamError for what may pass.
    """
    said = Said(documents=[described])
    texts: dict[str, RawDocument | None] = {}

    def beside(path: str) -> str | None:
        """The text of a file of this repository, None where it is not to be had."""
        if path not in texts:
            texts[path] = _own_file(place, path, said)
        found = texts[path]
        return None if found is None else _decoded(found)

    front: dict[str, Any] | None = None
    if CARD in place.paths and (card := _own_file(place, CARD, said)) is not None:
        said.documents.append(card)
        try:
            front, _ = front_matter(card)
            said.reading = read_card(card, linked=beside)
        except KuraError as error:
            said.failures.append((f"{place.repo}/{CARD}", error))
    elif isinstance(card_data, dict):
        front = card_data
        said.reading = read_front(described, card_data)
    if said.reading is not None:
        said.claims += said.reading.claims
    said.claims += _from_tags(tags, said.reading, described)
    if front and (link := line(front.get("license_link"), 500)):
        _add_linked(said, link)
    names = [path for path in sorted(place.paths) if is_license_file(path)]
    for path in dict.fromkeys([*(path for path, found in texts.items() if found), *names[:_MOST_LICENSES]]):
        beside(path)
        if (document := texts[path]) is not None:
            _add_text(said, document, path)
    return said


def bases_of(tags: Sequence[str]) -> tuple[list[str], str]:
    """The bases that the Hub's tags name (`base_model:adapter:ORG/NAME`), and the relation to them."""
    bases: list[str] = []
    relation = ""
    for tag in tags:
        words = tag.split(":", 2)
        if words[0] != "base_model" or len(words) < 2:
            continue
        if len(words) == 3 and words[1] in RELATIONS:
            relation = relation or words[1]
        bases.append(words[-1])
    return list(dict.fromkeys(base for base in bases if base))[:5], relation


def _from_tags(tags: Sequence[str], reading: Reading | None, described: RawDocument) -> list[ListedClaim]:
    """License and base as the Hub's tags have them, where the card gives none that can be read."""
    known = {claim.kind for claim in reading.claims} if reading else set()
    found: list[ListedClaim] = []
    licenses = [tag.removeprefix("license:") for tag in tags if tag.startswith("license:")]
    if licenses and ClaimKind.LICENSE not in known:
        stated = read_card_terms({"license": licenses if len(licenses) > 1 else licenses[0]})
        found += [listed(each, described) for each in stated]
    bases, relation = bases_of(tags)
    if bases and ClaimKind.BASE not in known:
        named = ", ".join(bases)[:300]
        hints = {"relation": relation} if relation else {}
        found.append(ListedClaim(ClaimKind.BASE, named, named, described, hints=hints))
    return found


def _own_file(place: Place, path: str, said: Said) -> RawDocument | None:
    if path not in place.paths or not place.open:
        return None
    try:
        return read_file(place.repo, place.sha, path, place.shown)
    except UpstreamError as error:
        if not error.permanent:
            raise
        said.failures.append((f"{place.repo}/{path}", error))
        return None


def _add_linked(said: Said, link: str) -> None:
    """Keep the text that a card's license link leads to, in another repository or on another site.

    A link is the card's word: one that leads nowhere is told beside the license, and nothing else fails.
    """
    target = read_link(link)
    if target.path and not target.repo:
        return
    parts = urlsplit(target.url)
    if parts.scheme not in ("http", "https"):
        return
    address = target.url
    if target.repo and target.path:
        revision = next(
            (
                word
                for verb, word in pairwise(parts.path.strip("/").split("/"))
                if verb in ("blob", "raw", "resolve")
            ),
            "main",
        )
        address = file_address(target.repo, revision, target.path)
    elif (parts.hostname or "") in HUB:
        address = endpoint() + parts.path
    try:
        answer = get(address, credentials=credentials_for(address), accept=ANY, cap=_LARGEST_LICENSE)
    except UpstreamError as error:
        said.claims = [
            replace(claim, hints={**claim.hints, "license_link_error": error.code})
            if claim.kind == ClaimKind.LICENSE
            else claim
            for claim in said.claims
        ]
        return
    shown = urlunsplit(parts._replace(fragment=""))
    document = RawDocument(
        shown,
        answer.body,
        answer.headers.get("content-type", ""),
        answer.headers.get("etag", ""),
        answer.fetched,
    )
    _add_text(said, document, PurePosixPath(parts.path).name or shown)


def _add_text(said: Said, document: RawDocument, name: str) -> None:
    """Keep a license text, and what it is if it is one of the known ones. Web pages are only kept."""
    if any(document.url == each.url for each in said.documents):
        return
    said.documents.append(document)
    if "html" in document.media_type:
        return
    statement = read_license_text(_decoded(document), line(name, 200))
    if statement is not None:
        said.claims.append(listed(statement, document))


def _decoded(document: RawDocument) -> str:
    return document.body.decode("utf-8-sig", errors="replace")
