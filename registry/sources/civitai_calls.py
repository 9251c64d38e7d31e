"""Single questions to Civitai's API, each by one request through the door, checked for what they must be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from registry.sources.civitai_pictures import hides_parameters
from registry.sources.civitai_urls import api, canonical
from registry.sources.http import Answer, credentials_for, get, post_json
from registry.sources.json_slices import slices
from registry.sources.listing import RawDocument
from registry.sources.text import identifier
from registry.sources.upstream_errors import NotFoundUpstream, UnexpectedAnswer, UpstreamError

PAGE = 100
"""Models to a page: the most that the API gives."""
MOST_HASHES = 100
MOST_IDS_BY_HASH = 10_000
# The newest versions of a model whose own answers are asked for: one request each.
MOST_ANSWERS = 10
_JSON = "application/json"

Told = tuple[RawDocument, dict[str, Any]]
"""An object with the exact bytes it was read from."""


@dataclass(frozen=True, slots=True)
class ModelPage:
    """One answer of the list. `total`: items in it, those included that are no objects with an id."""

    models: list[Told]
    cursor: str | None
    total: int


def model(id: str, *, fresh: bool = False) -> Told:
    """The model with this id. `fresh`: ask although it was refused not long ago. Raises UpstreamError."""
    return _object(f"/models/{id}", fresh=fresh)


def version(id: str, *, fresh: bool = False) -> Told:
    """The version with this id: without the model's permissions, its pictures with parameters."""
    return _object(f"/model-versions/{id}", fresh=fresh)


def version_by_hash(digits: str, *, fresh: bool = False) -> dict[str, Any]:
    """The version that has a file with this digest, of any kind that Civitai prints. Raises UpstreamError.

    A CRC-32 may be spelled as zlib prints it; Civitai's has its bytes reversed, so both are asked for.
    """
    try:
        return _object(f"/model-versions/by-hash/{digits}", fresh=fresh)[1]
    except NotFoundUpstream:
        if len(digits) != 8:
            raise
    return _object(f"/model-versions/by-hash/{bytes.fromhex(digits)[::-1].hex().upper()}", fresh=fresh)[1]


def versions_by_hash(sha256s: Sequence[str]) -> dict[str, dict[str, Any]]:
    """SHA256 (upper case) -> the version with such a file, for those that Civitai knows; 100 to a request.

    The answer is in no order, has holes and repetitions: what belongs to what, the files' own digests tell.
    """
    found: dict[str, dict[str, Any]] = {}
    for asked in _batches(sha256s, MOST_HASHES):
        told = post_json(f"{api()}/model-versions/by-hash", asked, credentials=credentials_for(api()))
        wanted = set(asked)
        for each in _list(told):
            for digest in _digests(each):
                if digest in wanted:
                    found.setdefault(digest, each)
    return found


def ids_by_hash(sha256s: Sequence[str]) -> dict[str, tuple[str, str]]:
    """SHA256 (upper case) -> (model id, version id), for those that Civitai knows; 10,000 to a request."""
    found: dict[str, tuple[str, str]] = {}
    for asked in _batches(sha256s, MOST_IDS_BY_HASH):
        url = f"{api()}/model-versions/by-hash/ids"
        for each in _list(post_json(url, asked, credentials=credentials_for(url))):
            ids = identifier(each.get("modelId")), identifier(each.get("modelVersionId"))
            digest = each.get("hash")
            if all(ids) and isinstance(digest, str) and digest.upper() in asked:
                found.setdefault(digest.upper(), ids)
    return found


def models(params: Mapping[str, str | Sequence[str]], cursor: str | None = None) -> ModelPage:
    """One page of the list. Raises UpstreamError.

    All levels of maturity are asked for, and the list's own order of newest first. `page` is never used (it
    changes nothing), nor a filter by base model (it takes the other versions out of each item).
    """
    asked: dict[str, str | Sequence[str]] = {"limit": str(PAGE), "nsfw": "true", "sort": "Newest", **params}
    if cursor is not None:
        asked["cursor"] = cursor
    answer = get(f"{api()}/models", params=asked, credentials=credentials_for(api()))
    try:
        items, others = slices(answer.body, "items")
    except ValueError as error:
        raise UnexpectedAnswer(f"The list of models cannot be read: {error}") from None
    if "items" in others or not (items or isinstance(others.get("metadata"), dict)):
        raise UnexpectedAnswer("The answer is no list of models.")
    metadata = others.get("metadata")
    following = metadata.get("nextCursor") if isinstance(metadata, dict) else None
    # A cursor is opaque; it has been text and number.
    told = isinstance(following, str | int) and not isinstance(following, bool) and following != ""
    found: list[Told] = []
    for value, body in items:
        if isinstance(value, dict) and (id := identifier(value.get("id"))):
            found.append((_document(f"/models/{id}", answer, body), value))
    return ModelPage(found, str(following) if told else None, len(items))


def version_answers(
    model: Mapping[str, Any], only: Sequence[str] = (), known: Mapping[str, Told] | None = None
) -> dict[str, Told]:
    """Version id -> its own answer, where that has parameters of pictures which the model's answer hides."""
    found = dict(known or {})
    versions = model.get("modelVersions")
    for each in versions if isinstance(versions, list) else []:
        id = identifier(each.get("id")) if isinstance(each, dict) else ""
        if not id or id in found or (only and id not in only) or not hides_parameters(each):
            continue
        if len(found) >= MOST_ANSWERS:
            break
        try:
            found[id] = version(id)
        except UpstreamError as error:
            # Versions without a rating are not found there though they are listed.
            if not error.permanent:
                raise
    return found


def _object(path: str, *, fresh: bool) -> Told:
    answer = get(f"{api()}{path}", credentials=credentials_for(api()), fresh=fresh)
    value = answer.json()
    if not isinstance(value, dict) or not identifier(value.get("id")):
        raise UnexpectedAnswer(f"{path} is answered without an id.")
    return _document(path, answer, answer.body), value


def _document(path: str, answer: Answer, body: bytes) -> RawDocument:
    etag = answer.headers.get("ETag", "")[:200] if body is answer.body else ""
    return RawDocument(canonical(path), body, _JSON, etag, answer.fetched)


def _list(answer: Answer) -> list[dict[str, Any]]:
    value = answer.json()
    if not isinstance(value, list):
        raise UnexpectedAnswer("Hashes are answered by something that is no list.")
    return [each for each in value if isinstance(each, dict)]


def _digests(told: Mapping[str, Any]) -> Iterator[str]:
    files = told.get("files")
    for file in files if isinstance(files, list) else []:
        hashes = file.get("hashes") if isinstance(file, dict) else None
        digest = hashes.get("SHA256") if isinstance(hashes, dict) else None
        if isinstance(digest, str):
            yield digest.upper()


def _batches(sha256s: Sequence[str], most: int) -> Iterator[list[str]]:
    distinct = list(dict.fromkeys(each.upper() for each in sha256s))
    for start in range(0, len(distinct), most):
        yield distinct[start : start + most]
