"""Asks the Hub: the official client behind the one door, with the exact bytes of each answer at hand.

huggingface_hub makes the requests about a repository (which addresses, which parameters, which revision); the
door decides whether, when and with which credentials they go out. The client's objects do not keep what was
answered, so the answer itself is caught on its way: that is the evidence. Pages of lists are asked for one by
one, as the Hub names the next, so that a sync can go on where it stopped.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import httpx2
from django.conf import settings
from huggingface_hub import HfApi, ModelInfo, constants, set_client_factory
from huggingface_hub.errors import (
    DisabledRepoError,
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from registry.sources.documents import LARGEST
from registry.sources.http import ANY, JSON, credentials_for, get, hub_client_factory
from registry.sources.listing import RawDocument
from registry.sources.text import moment
from registry.sources.upstream_errors import (
    AccessRefused,
    GatedUpstream,
    GoneUpstream,
    LoginRequired,
    NotFoundUpstream,
    RateLimited,
    RequestRefused,
    UnexpectedAnswer,
    UpstreamError,
    UpstreamUnavailable,
    UpstreamUnreachable,
)

_caught: ContextVar[list[httpx2.Response] | None] = ContextVar("answers of the Hub", default=None)


@dataclass(frozen=True, slots=True)
class LastChange:
    """The commit that last changed a file."""

    title: str
    date: datetime | None


@dataclass(frozen=True, slots=True)
class ListPage:
    """Models as one page of a list tells them, and the query of the next page, "" after the last one."""

    items: list[dict[str, Any]]
    following: str


def endpoint() -> str:
    """The Hub of the settings, without a slash at the end."""
    return str(settings.HF_ENDPOINT).rstrip("/")


def page_of(repo: str) -> str:
    """The address of a repository's page."""
    return f"{endpoint()}/{quote(repo)}"


def file_address(repo: str, revision: str, path: str, verb: str = "resolve") -> str:
    """Where a file's bytes are (`resolve`) or shown (`blob`), as huggingface_hub writes it."""
    return f"{page_of(repo)}/{verb}/{quote(revision, safe='')}/{quote(path)}"


def at_other_revisions(repo: str) -> str:
    """A regular expression for the addresses of a repository's documents but those of its default branch."""
    described, page = f"{endpoint()}/api/models/{quote(repo)}/revision/", f"{page_of(repo)}/blob/"
    return f"^({re.escape(described)}|{re.escape(page)}(?!main/))"


def may_authenticate() -> bool:
    """Whether the settings hold a token for the Hub."""
    return credentials_for(endpoint() + "/") is not None


def model_info(repo: str, revision: str = "") -> tuple[ModelInfo, RawDocument]:
    """A repository as the Hub describes it, with sizes and digests of its files, and the very answer.

    The document's address names the default branch or the revision asked for. Raises UpstreamError.
    """
    with _refusals(repo), _answers() as answers:
        info = _api().model_info(repo, revision=revision or None, files_metadata=True)
    if not isinstance(info.sha, str) or not info.id:
        raise UnexpectedAnswer(f"The Hub's description of {repo} names no commit.")
    address = f"{endpoint()}/api/models/{quote(info.id)}"
    address += f"/revision/{quote(revision, safe='')}" if revision else ""
    return info, RawDocument(
        address,
        answers[-1].content,
        "application/json",
        answers[-1].headers.get("etag", ""),
        datetime.now(UTC),
    )


def last_changes(repo: str, sha: str, paths: Sequence[str]) -> dict[str, LastChange]:
    """For each of these files the commit that last changed it; nothing where the server cannot tell.

    Raises UpstreamError for what may pass.
    """
    try:
        with _refusals(repo):
            found = _api().get_paths_info(repo, list(paths), expand=True, revision=sha)
    except (UpstreamError, KeyError, TypeError) as error:
        # A mirror need not have this; a date is worth no failure.
        if isinstance(error, UpstreamError) and not error.permanent:
            raise
        return {}
    told = {each.path: each.last_commit for each in found}
    return {path: LastChange(last.title, last.date) for path, last in told.items() if last is not None}


def may_fetch(repo: str) -> UpstreamError | None:
    """None where the files may be had with the token of the settings, else why not. Raises what may pass."""
    try:
        with _refusals(repo):
            _api().auth_check(repo)
    except UpstreamError as error:
        if not error.permanent:
            raise
        return error
    return None


def read_file(repo: str, sha: str, path: str, shown: str) -> RawDocument:
    """A small file at a commit; its document stands under the revision `shown`. Raises UpstreamError."""
    answer = get(
        file_address(repo, sha, path),
        credentials=credentials_for(endpoint() + "/"),
        accept=ANY,
        cap=LARGEST,
    )
    return RawDocument(
        file_address(repo, shown, path, "blob"),
        answer.body,
        answer.headers.get("content-type", ""),
        answer.headers.get("etag", ""),
        answer.fetched,
    )


def first_page(filters: Mapping[str, str | Sequence[str]], limit: int) -> str:
    """The query of a list of models, the last changed first.

    Parameters as HfApi.list_models sends them: `filter` (tags, all of which must be there), `author`,
    `search`.
    """
    return urlencode({**filters, "sort": "lastModified", "limit": str(limit), "full": "true"}, doseq=True)


def list_page(query: str) -> ListPage:
    """One page of a list. Raises UpstreamError; UnexpectedAnswer where it is no list.

    Of the next page's address only the query counts: a mirror may pass on the Hub's own, and whoever else is
    named there gets no token.
    """
    own = endpoint() + "/"
    answer = get(f"{own}api/models?{query}", credentials=credentials_for(own), accept=JSON)
    told = answer.json()
    if not isinstance(told, list):
        raise UnexpectedAnswer("The Hub's list of models is no list.")
    links = httpx2.Response(200, headers={"link": answer.headers.get("link", "")}).links
    following = urlsplit(links.get("next", {}).get("url", "")).query
    return ListPage([each for each in told if isinstance(each, dict)], following)


def _api() -> HfApi:
    token = credentials_for(endpoint() + "/")
    return HfApi(endpoint=endpoint(), token=token.token if token else False, library_name="kura")


def _client() -> httpx2.Client:
    client = hub_client_factory()
    hooks = client.event_hooks
    client.event_hooks = {**hooks, "response": [*hooks.get("response", []), _catch]}
    return client


def _catch(response: httpx2.Response) -> None:
    held = _caught.get()
    if held is not None:
        response.read()
        held.append(response)


# From here on whatever in this process asks the Hub by huggingface_hub, diffusers and transformers among it,
# goes through the door. Its telemetry would ask the public Hub, whatever the endpoint, to tell who runs this.
set_client_factory(_client)
constants.HF_HUB_DISABLE_TELEMETRY = True


@contextmanager
def _answers() -> Iterator[list[httpx2.Response]]:
    """The answers that arrive meanwhile, in order."""
    held: list[httpx2.Response] = []
    token = _caught.set(held)
    try:
        yield held
    finally:
        _caught.reset(token)


@contextmanager
def _refusals(repo: str) -> Iterator[None]:
    """Turn the client's errors into those of the door."""
    try:
        yield
    except UpstreamError:
        raise
    except Exception as error:
        if (found := told_apart(error, repo)) is None:
            raise
        raise found from None


def told_apart(error: Exception, repo: str) -> UpstreamError | None:
    """What an error of huggingface_hub means, None for one that is none of the Hub's.

    The client tells by X-Error-Code (errors.py, utils/_http.py: hf_raise_for_status); the rest is the status.
    """
    for cause, meaning, message in (
        (GatedRepoError, GatedUpstream, f"{repo} is gated."),
        (DisabledRepoError, GoneUpstream, f"Access to {repo} is disabled on the Hub."),
        (RevisionNotFoundError, NotFoundUpstream, f"{repo} has no such revision."),
        (RepositoryNotFoundError, NotFoundUpstream, f"The Hub shows no repository {repo}."),
        (EntryNotFoundError, NotFoundUpstream, f"{repo} has no such file."),
        (HFValidationError, RequestRefused, f"{repo!r} is no name of a repository."),
    ):
        if isinstance(error, cause):
            return meaning(message, status=_status(error))
    if isinstance(error, OfflineModeIsEnabled):
        return UpstreamUnreachable(
            "HF_HUB_OFFLINE forbids asking the Hub.", next_step="Unset HF_HUB_OFFLINE."
        )
    if isinstance(error, HfHubHTTPError):
        return _by_status(_status(error) or 0, repo)
    if isinstance(error, httpx2.ReadTimeout):
        return UpstreamUnavailable("The Hub did not answer in time.")
    if isinstance(error, httpx2.HTTPError):
        return UpstreamUnreachable("The Hub could not be reached.")
    if isinstance(error, json.JSONDecodeError):
        return UnexpectedAnswer(f"The Hub's answer about {repo} is no JSON.")
    if isinstance(error, TypeError | KeyError | ValueError | AttributeError):
        # What the client raises for JSON that lacks what it needs.
        return UnexpectedAnswer(f"The Hub's answer about {repo} cannot be read.")
    return None


def _status(error: Exception) -> int | None:
    response = getattr(error, "response", None)
    status = getattr(response, "status_code", None)
    return status if isinstance(status, int) else None


def _by_status(status: int, repo: str) -> UpstreamError:
    told = f"The Hub answered {status} for {repo}."
    if status == 401:
        return LoginRequired(told, status=status)
    if status == 403:
        return AccessRefused(told, status=status)
    if status == 429:
        return RateLimited(told, status=status)
    if status >= 500 or status in (0, 408):
        return UpstreamUnavailable(told, status=status or None)
    return RequestRefused(told, status=status)


def moment_of(value: object) -> datetime | None:
    """A date of the client's objects or of JSON."""
    return value if isinstance(value, datetime) else moment(value)
