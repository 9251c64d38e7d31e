"""The Hub as an upstream: one repository read into a Listing, and lists of repositories page by page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from registry.models import Source, Version
from registry.sources.errors import NoAdaptersFound, ReferenceUnclear
from registry.sources.findings import Findings
from registry.sources.huggingface_client import first_page, list_page
from registry.sources.huggingface_listing import fingerprint, identity_of, read_repository
from registry.sources.huggingface_names import Reference, read_reference
from registry.sources.listing import Listing
from registry.sources.pages import Page, Unread
from registry.sources.upstream_errors import UnexpectedAnswer
from registry.sources.walk import Failure

KINDS = ("adapter", "repo", "creator", "tag", "query", "catalog")
# What may be asked for besides an author, words or tags; `lora` is the tag of every LoRA on the Hub.
_LORA = "lora"
_PAGE = 100


def read(source: str) -> Findings:
    """A repository, a revision of it or a single file: `hf:org/repo[@revision][:path]` or an address.

    Raises ReferenceUnclear, SourceNotSupported, NoAdaptersFound, UpstreamError.
    """
    failures: list[Failure] = []
    reference = read_reference(source)
    listing = read_repository(reference, failures=failures)
    if not listing.versions and not (listing.whole and _is_known(listing)):
        raise NoAdaptersFound(
            f"{reference.repo} holds no file that could be an adapter.",
            next_step="Name the file if there is one: hf:org/repo:path/to/file.safetensors.",
        )
    total = sum(len(version.remote) for version in listing.versions)
    return Findings(listings=iter([listing]), failures=failures, total=total)


def _is_known(listing: Listing) -> bool:
    """Whether versions of the repository are kept here: that it holds none any more is an answer then."""
    rows = Version.objects.filter(adapter__source=listing.source, adapter__source_key=listing.source_key)
    return rows.exists()


def pages(kind: str, target: str, cursor: str | None) -> Iterator[Page]:
    """LoRAs on the Hub, the last changed first: see registry.sources.pages.Pages.

    `adapter`, `repo`: a repository as `read` takes it. `creator`: of an account. `tag`: with all of these
    tags, separated by commas, `base_model:adapter:ORG/NAME` or `license:mit` among them. `query`: with these
    words in the name. `catalog`: all of them. In `creator`, `tag` and `query` further conditions may follow,
    as in `ink author:mika tag:license:mit`; a tag that names a kind of adapter (`dora`) stands in for `lora`.
    """
    if kind in ("adapter", "repo"):
        failures: list[Failure] = []
        reference = read_reference(target if ":" in target else f"hf:{target}")
        listing = read_repository(reference, failures=failures)
        yield Page([listing], None, notes=[f"{each.source}: {each.error}" for each in failures], total=1)
        return
    query = cursor or first_page(_filters(kind, target), _PAGE)
    while query:
        page = list_page(query)
        found = [_unread(item) for item in page.items]
        yield Page(
            [each for each in found if isinstance(each, Unread)],
            page.following or None,
            [each for each in found if isinstance(each, Failure)],
        )
        query = page.following


def _filters(kind: str, target: str) -> dict[str, str | list[str]]:
    """The parameters of a list. Raises ReferenceUnclear."""
    words: list[str] = []
    tags: list[str] = []
    author = ""
    told = target.split()
    if kind == "creator":
        author, *told = told or [""]
        author = author.removeprefix("@").rstrip("/").rpartition("/")[2]
    elif kind == "tag":
        first, *told = told or [""]
        tags += [tag for tag in first.split(",") if tag]
    elif kind not in ("query", "catalog"):
        raise ReferenceUnclear(f"The Hub has no {kind} to follow.", next_step=f"Follow {', '.join(KINDS)}.")
    for word in told if kind != "catalog" else []:
        name, colon, value = word.partition(":")
        if colon and value and name == "author":
            author = value
        elif colon and value and name == "tag":
            tags.append(value)
        else:
            words.append(word)
    if (kind == "creator" and not author) or (kind == "tag" and not tags) or (kind == "query" and not words):
        raise ReferenceUnclear(f"Nothing to look for is named in {target!r}.")
    if not {"lora", "dora", "lycoris"} & set(tags):
        tags.append(_LORA)
    found: dict[str, str | list[str]] = {"filter": tags}
    if author:
        found["author"] = author
    if words:
        found["search"] = " ".join(words)
    return found


def _unread(item: dict[str, Any]) -> Unread | Failure:
    repo, sha = item.get("id"), item.get("sha")
    if not isinstance(repo, str) or not isinstance(sha, str) or not repo or not sha:
        return Failure(
            str(repo)[:300], UnexpectedAnswer("The Hub's list names no repository or no commit here.")
        )
    return Unread(Source.HUGGINGFACE, repo, fingerprint(item), _reader(repo, sha), identity_of(item))


def _reader(repo: str, sha: str) -> Callable[[], Listing]:
    return lambda: read_repository(Reference(repo), at=sha)
