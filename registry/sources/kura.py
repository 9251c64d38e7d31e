"""Another Kura as an upstream: its vetted adapters by its feed of changes, each version by its export.

Nothing that came from here is taken back: every export tells the Kuras that its version came through, and one
that names this Kura is left alone, so that Kuras which read each other do not grow.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit

from registry.models import (
    ClaimKind,
    Snapshot,
    Source,
    SubscriptionKind,
    TermsClaim,
    Version,
    Vetting,
)
from registry.peers import LONGEST_PATH, identity, path_in
from registry.sources import http
from registry.sources.errors import NoAdaptersFound
from registry.sources.findings import Findings
from registry.sources.kura_export import availability_of, read_adapter, read_version
from registry.sources.listing import ListedVersion, Listing, RawDocument
from registry.sources.pages import Page, Unread
from registry.sources.text import line, moment
from registry.sources.upstream_errors import BadAddress, NotFoundUpstream, UnexpectedAnswer, about
from registry.sources.walk import Failure

KINDS: Final = frozenset({SubscriptionKind.CATALOG, SubscriptionKind.ADAPTER})
PAGE: Final = 200
_PREFIX: Final = "kura:"
_PLACE: Final = re.compile(r"(?P<adapter>[0-9]{1,18})(@(?P<version>[0-9]{1,18}))?")
_PORTS: Final = {"http": 80, "https": 443}
# A piece of evidence is a page or a text; a larger one stays where it is, named by its SHA256.
_EVIDENCE_CAP: Final = 8 * 2**20
_EXPORT_CAP: Final = 16 * 2**20


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is: `base` is the other Kura's address without a slash at its end."""

    base: str
    adapter: int | None = None
    version: int | None = None


@dataclass(frozen=True, slots=True)
class _Changed:
    """A version in a row of the feed."""

    id: int
    vetting: str
    change: int


def place_of(source: str) -> Place:
    """`[kura:]http://host[:port][/path][#ADAPTER[@VERSION]]` as a place, in one spelling.

    Raises BadAddress.

    >>> place_of("kura:HTTP://Kura.example:80/#12")
    Place(base='http://kura.example', adapter=12, version=None)
    """
    address = source[len(_PREFIX) :] if source.lower().startswith(_PREFIX) else source
    try:
        parts = urlsplit(address.strip())
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, urlsplit("")
    if parts.scheme not in _PORTS or not host or parts.query or parts.username or parts.password:
        raise BadAddress(
            f"{line(address, 200)!r} is no address of a Kura.",
            next_step="Give kura:http://host#ID, or kura:http://host for all of its vetted adapters.",
        )
    host = f"[{host}]" if ":" in host else host
    shown = "" if port is None or port == _PORTS[parts.scheme] else f":{port}"
    base = f"{parts.scheme}://{host}{shown}{parts.path.rstrip('/')}"
    if not parts.fragment:
        return Place(base)
    found = _PLACE.fullmatch(parts.fragment)
    if found is None:
        raise BadAddress(
            f"#{line(parts.fragment, 40)} is no id of an adapter.",
            next_step="Give the number that stands in the address of the adapter's page there.",
        )
    version = found["version"]
    return Place(base, int(found["adapter"]), int(version) if version else None)


def read(source: str) -> Findings:
    """One adapter, or all that are vetted there. Raises UpstreamError, NoAdaptersFound."""
    place = place_of(source)
    failures: list[Failure] = []
    if place.adapter is None:
        return Findings(listings=_all(place.base, failures), failures=failures)
    unread = _one(place)
    if unread is None:
        raise NoAdaptersFound(
            f"{place.base} has no vetted version of adapter {place.adapter} that did not come from here."
        )
    listing = unread.read()
    listing.own_page = place.version is None
    return Findings(listings=iter([listing]), failures=failures)


def pages(kind: str, target: str, cursor: str | None) -> Iterator[Page]:
    """Pages as registry.sources.pages.Pages has them: `catalog` with an address, `adapter` with a source_key.

    A page lists adapters by their newest change, the oldest first; one that changes meanwhile comes again.
    The last page tells where to go on when something has changed.
    """
    place = place_of(target)
    if kind == SubscriptionKind.ADAPTER:
        unread = _one(place)
        yield Page([unread] if unread else [], None, total=1 if unread else 0)
        return
    while True:
        told = _ask(place.base, "changes/", {"limit": str(PAGE)} | ({"after": cursor} if cursor else {}))
        page = _page(place.base, told)
        yield page
        if page.cursor is None:
            return
        cursor = page.cursor


def _all(base: str, failures: list[Failure]) -> Iterator[Listing]:
    for page in pages(SubscriptionKind.CATALOG, base, None):
        failures += page.failures
        for listing in page.listings:
            try:
                yield listing.read() if isinstance(listing, Unread) else listing
            except UnexpectedAnswer as error:
                failures.append(Failure(f"{listing.source}:{listing.source_key}", error))


def _one(place: Place) -> Unread | None:
    """The adapter of the place, if anything of it can be taken. Raises NotFoundUpstream."""
    with about(Source.KURA, f"{place.base}#{place.adapter}"):
        rows = _rows(_ask(place.base, "changes/", {"adapter": str(place.adapter)}))
        if not rows:
            raise NotFoundUpstream(f"{place.base} has no adapter {place.adapter}.")
    (versions,) = _takable(place.base, rows[:1])
    if place.version is not None:
        versions = [each for each in versions if each.id == place.version]
    return _unread(place.base, rows[0], versions, alone=place.version is not None)


def _page(base: str, told: Mapping[str, Any]) -> Page:
    """Raises UnexpectedAnswer where it is no page; a row that cannot be read is a failure of its own."""
    rows, broken, failures = [], [], []
    for row in _rows(told):
        try:
            _number(row, "change"), _number(row, "adapter"), _versions(row, "")
            rows.append(row)
        except UnexpectedAnswer as error:
            unreadable = _broken(base, row, error)
            if unreadable is None:
                failures.append(Failure(base, error))
            else:
                broken.append(unreadable)
    adapters = zip(rows, _takable(base, rows), strict=True)
    found = [unread for row, versions in adapters if (unread := _unread(base, row, versions))]
    notes = []
    if told.get("restarted") is True:
        notes.append(f"{base} no longer knows the place where the last page ended; its list began anew.")
    if left := len(rows) - len(found):
        notes.append(f"Adapters that are not vetted there or came from here: {left}.")
    cursor, more = line(told.get("cursor"), 200), bool(told.get("next"))
    return Page(
        [*found, *broken],
        cursor if more else None,
        failures,
        notes,
        resume=None if more else cursor or None,
    )


def _broken(base: str, row: Mapping[str, Any], error: UnexpectedAnswer) -> Unread | None:
    """A row that names its adapter and nothing else that can be read: to be asked for again later."""
    try:
        key = f"{base}#{_number(row, 'adapter')}"
    except UnexpectedAnswer:
        return None

    def read_it() -> Listing:
        raise error

    shown = json.dumps([key, row], sort_keys=True)
    return Unread(Source.KURA, key, hashlib.sha256(shown.encode()).hexdigest(), read_it)


def _unread(
    base: str, row: Mapping[str, Any], versions: list[_Changed], *, alone: bool = False
) -> Unread | None:
    """The adapter of a row, to be read when its fingerprint is new; None where nothing of it can be taken."""
    adapter, change = _number(row, "adapter"), _number(row, "change")
    if not versions:
        return None
    key = f"{base}#{adapter}"
    shown = json.dumps([key, change, [(each.id, each.vetting, each.change) for each in versions]])
    fingerprint = hashlib.sha256(shown.encode()).hexdigest()
    reading = partial(_read, base, key, versions, moment(row.get("at")), fingerprint, alone=alone)
    return Unread(Source.KURA, key, fingerprint, reading)


def _takable(base: str, rows: Sequence[Mapping[str, Any]]) -> list[list[_Changed]]:
    """Of each row the versions that are vetted there, or are known here already, and did not come through
    this Kura. Two queries however many rows. Raises UnexpectedAnswer.
    """
    own = identity()
    found = [_versions(row, own) for row in rows]
    keys = [f"{base}#{row.get('adapter')}" for row in rows]
    unvetted = [
        key
        for key, versions in zip(keys, found, strict=True)
        if any(each.vetting != Vetting.APPROVED for each in versions)
    ]
    held = Version.objects.filter(adapter__source=Source.KURA, adapter__source_key__in=unvetted)
    known = set(held.values_list("adapter__source_key", "source_key")) if unvetted else set()
    return [
        [each for each in versions if each.vetting == Vetting.APPROVED or (key, str(each.id)) in known]
        for key, versions in zip(keys, found, strict=True)
    ]


def _versions(row: Mapping[str, Any], own: str) -> list[_Changed]:
    versions = row.get("versions")
    found = []
    for told in versions if isinstance(versions, list) else []:
        if not isinstance(told, dict):
            raise UnexpectedAnswer("A change names no version.")
        path = path_in(told)
        version = _Changed(_number(told, "id"), line(told.get("vetting"), 20), _number(told, "change"))
        if len(path) <= LONGEST_PATH and own not in path:
            found.append(version)
    return found


def _number(told: Mapping[str, Any], name: str) -> int:
    found = told.get(name)
    if not isinstance(found, int) or isinstance(found, bool) or not 0 <= found < 2**63:
        raise UnexpectedAnswer(f"A change names no {name}.")
    return found


def _read(
    base: str,
    key: str,
    versions: list[_Changed],
    changed: Any,
    fingerprint: str,
    *,
    alone: bool,
) -> Listing:
    """The adapter with its versions; one that has not changed since it was kept here is not asked for."""
    kept = {} if alone else _kept_changes(key)
    fresh = [each for each in versions if kept.get(each.id) != each.change] or versions
    listing: Listing | None = None
    listed: dict[int, ListedVersion] = {}
    # The newest one tells how the adapter is called now.
    for version in sorted(fresh, key=lambda each: -each.change):
        with about(Source.KURA, key, str(version.id)):
            document, told = _export(base, version.id)
        listing = listing or read_adapter(base, told)
        listed[version.id] = read_version(base, document, told, partial(_evidence, base))
    assert listing is not None
    listing.source_key, listing.changed, listing.fingerprint = key, changed, fingerprint
    listing.versions = [listed.get(each.id) or _unchanged(base, each) for each in versions]
    return listing


def _unchanged(base: str, version: _Changed) -> ListedVersion:
    """Named, so that it is not missed, and with nothing to say: what is kept of it stays as it is."""
    availability, reason = availability_of(base, version.vetting)
    return ListedVersion(
        str(version.id),
        f"Version {version.id}",
        name_stated=False,
        availability=availability,
        availability_reason=reason,
    )


def _kept_changes(key: str) -> dict[int, int]:
    """Version id there -> the change at which it was last kept here."""
    notes = TermsClaim.objects.filter(
        version__adapter__source=Source.KURA,
        version__adapter__source_key=key,
        kind=ClaimKind.PEER_VETTING,
        superseded=False,
    )
    return {
        value["version"]: value.get("change", 0)
        for value in notes.values_list("value", flat=True)
        if isinstance(value, dict) and isinstance(value.get("version"), int)
    }


def _export(base: str, version: int) -> tuple[RawDocument, Mapping[str, Any]]:
    url = f"{base}/api/v1/versions/{version}/export/"
    answer = http.get(url, credentials=http.credentials_for(url), cap=_EXPORT_CAP)
    told = answer.json()
    if not isinstance(told, dict):
        raise UnexpectedAnswer(f"{url} is no export.")
    return RawDocument(url, answer.body, "application/json", fetched=answer.fetched), told


def _evidence(base: str, snapshot: Mapping[str, Any], address: str) -> RawDocument:
    """The bytes that a claim was read from there: those kept here already, else fetched, by their SHA256."""
    sha256, pk = line(snapshot.get("sha256"), 64), snapshot.get("id")
    if not isinstance(pk, int) or isinstance(pk, bool):
        raise UnexpectedAnswer(f"{base} names evidence without its id.")
    media_type, fetched = line(snapshot.get("media_type"), 100), moment(snapshot.get("fetched"))
    held = Snapshot.objects.filter(url=address, sha256=sha256).first()
    if held is not None:
        return RawDocument(address, bytes(held.body), media_type, fetched=fetched)
    url = f"{base}/api/v1/snapshots/{pk}/content"
    answer = http.get(url, credentials=http.credentials_for(url), accept=http.ANY, cap=_EVIDENCE_CAP)
    if hashlib.sha256(answer.body).hexdigest() != sha256:
        raise UnexpectedAnswer(f"{url} gives other bytes than those announced.")
    return RawDocument(address, answer.body, media_type, fetched=fetched)


def _ask(base: str, path: str, params: Mapping[str, str]) -> Mapping[str, Any]:
    url = f"{base}/api/v1/{path}"
    told = http.get(url, params=params, credentials=http.credentials_for(url)).json()
    if not isinstance(told, dict):
        raise UnexpectedAnswer(f"{url} is no answer of a Kura.")
    return told


def _rows(told: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    rows = told.get("results")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise UnexpectedAnswer("A list of changes has no results.")
    return rows
