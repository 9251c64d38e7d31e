"""What a reference to Civitai names: a model, a version, one file, or files by their hashes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from registry.errors import KuraError
from registry.models import Source
from registry.sources import civitai_calls as calls
from registry.sources.civitai_calls import Told
from registry.sources.civitai_listing import is_adapter, list_model, list_version
from registry.sources.civitai_urls import Reference, parse_reference
from registry.sources.errors import NotAnAdapter, ReferenceUnclear
from registry.sources.findings import Findings
from registry.sources.listing import Listing
from registry.sources.text import identifier, line
from registry.sources.upstream_errors import NotFoundUpstream, UnexpectedAnswer, about
from registry.sources.walk import Failure


def read(source: str) -> Findings:
    """What SOURCE names: a model, one of its versions or files, or versions that hold files of these hashes.

    Each listing is asked for when its turn comes; what cannot be had is added to `failures` where there are
    several, and raised where there is one. Raises ReferenceUnclear, NotAnAdapter, UpstreamError.
    """
    reference = parse_reference(source)
    failures: list[Failure] = []
    if len(reference.hashes) < 2:
        listing = _listing(reference)
        return Findings(listings=iter([listing]), failures=failures, total=_count(listing))
    return Findings(listings=_by_hashes(source, reference, failures), failures=failures)


def _by_hashes(source: str, reference: Reference, failures: list[Failure]) -> Iterator[Listing]:
    """The models that hold the files, each once with the versions in question."""
    wanted: dict[str, list[str]] = {}
    digests = [digits for _, digits in reference.hashes]
    known = calls.ids_by_hash(digests) if all(len(each) == 64 for each in digests) else {}
    for kind, digits in reference.hashes:
        try:
            ids = known.get(digits) or _ids(calls.version_by_hash(digits, fresh=True))
            wanted.setdefault(ids[0], []).append(ids[1])
        except KuraError as error:
            failures.append(Failure(f"{kind}:{digits.lower()}", error))
    for model_id, versions in wanted.items():
        try:
            yield _listing(Reference(model_id), only=versions)
        except KuraError as error:
            failures.append(Failure(f"civitai:{model_id}", error))


def _listing(reference: Reference, only: Sequence[str] = ()) -> Listing:
    """One reference's listing. Of a hash or a version alone the model is asked for, too: it has the flags."""
    version: Told | None = None
    model_id, wanted = reference.model, list(only)
    if reference.hashes:
        model_id, version_id = _ids(calls.version_by_hash(reference.hashes[0][1], fresh=True))
        wanted = [version_id]
    elif reference.version:
        wanted = [reference.version]
        if not model_id:
            with about(Source.CIVITAI, "", reference.version):
                version = calls.version(reference.version, fresh=True)
            model_id = _ids(version[1])[0]
    with about(Source.CIVITAI, model_id):
        document, model = calls.model(model_id, fresh=True)
    if not is_adapter(model):
        kind = line(model.get("type"), 40)
        raise NotAnAdapter(f"civitai:{model_id} is of the type {kind}.")
    now = datetime.now(UTC)
    answers = calls.version_answers(model, wanted, {wanted[0]: version} if version else {})
    listing = list_model(document, model, now=now, only=wanted, answers=answers)
    listing.own_page = not wanted
    for each in wanted:
        # The model's own answer lags behind at times, and leaves versions out.
        if all(each != found.source_key for found in listing.versions):
            with about(Source.CIVITAI, model_id, each):
                told = answers.get(each) or calls.version(each, fresh=True)
            if _ids(told[1])[0] != model_id:
                raise ReferenceUnclear(f"civitai:{model_id} has no version {each}.")
            listing.versions.append(list_version(document, model, told[1], now=now, answers={each: told}))
    if reference.file:
        _keep_file(listing, reference)
    return listing


def _keep_file(listing: Listing, reference: Reference) -> None:
    """Leave the one file that is meant."""
    for version in listing.versions:
        version.remote = [file for file in version.remote if file.key == reference.file]
    if not any(version.remote for version in listing.versions):
        raise NotFoundUpstream(f"Version {reference.version} has no file {reference.file}.")


def _ids(version: Mapping[str, Any]) -> tuple[str, str]:
    found = identifier(version.get("modelId")), identifier(version.get("id"))
    if not all(found):
        raise UnexpectedAnswer("A version is answered without its model's id.")
    return found


def _count(listing: Listing) -> int:
    return sum(len(version.remote) for version in listing.versions)
