"""Reads what another Kura exports of a version: claims as claims, its vetting as a note, never a decision."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlencode, urljoin

from registry.licensing.civitai import parse_flags
from registry.licensing.errors import BadCivitaiFlags
from registry.licensing.vocabulary import ACTS
from registry.models import Availability, ClaimKind, Source, Standing, Vetting
from registry.peers import path_in
from registry.sources.json_slices import slices
from registry.sources.listing import (
    ListedClaim,
    ListedVersion,
    Listing,
    RawDocument,
    RemoteFile,
    RemoteSample,
)
from registry.sources.text import json_value, line, lines, moment, tags, text
from registry.sources.upstream_errors import UnexpectedAnswer

Evidence = Callable[[Mapping[str, Any], str], RawDocument]
"""Given a snapshot as the export names it and the address to keep it under, its bytes."""

FORMAT: Final = 1
_KINDS: Final = frozenset(
    {
        ClaimKind.LICENSE,
        ClaimKind.CIVITAI_FLAGS,
        ClaimKind.BASE,
        ClaimKind.RIGHTS,
        ClaimKind.TEXT_TERMS,
        ClaimKind.SERVICE_TERMS,
    }
)
# What a source may say of rights in the material. That they are cleared is for a reviewer to conclude.
_RIGHTS: Final = ("unknown", "uncleared", "refused")
_BASE_HOSTS: Final = {Source.CIVITAI: "civitai", Source.HUGGINGFACE: "huggingface"}
_MOST: Final = 200
_ADDRESS_MAX: Final = 2000
_TAKEN_BACK: Final = frozenset({Vetting.REJECTED, Vetting.QUARANTINED, Vetting.WITHDRAWN})


def read_adapter(base: str, told: Mapping[str, Any]) -> Listing:
    """The adapter of an export, without its versions. `base`: address of the other Kura."""
    adapter = _mapping(told, "adapter")
    key = _number(adapter, "id")
    return Listing(
        source=Source.KURA,
        source_key=f"{base}#{key}",
        name=line(adapter.get("name"), 300) or f"Adapter {key}",
        source_url=f"{base}/adapters/{key}/",
        creator=line(adapter.get("creator"), 200),
        creator_url=_web(adapter.get("creator_url"), 500),
        description=text(adapter.get("description")),
        tags=tags(adapter.get("tags")),
    )


def read_version(
    base: str, document: RawDocument, told: Mapping[str, Any], evidence: Evidence
) -> ListedVersion:
    """The version of an export, whose exact bytes are `document`. Raises UnexpectedAnswer.

    A claim keeps the standing that it has there, unless it is a decision: those are in the note alone. The
    bytes that a claim was read from are kept under the address where the other Kura lists the claims of that
    source, so that a newer reading replaces the older one and nobody takes them for bytes we fetched there.
    """
    if told.get("format") != FORMAT:
        raise UnexpectedAnswer(f"{base} exports in a format that this release cannot read.")
    version = _mapping(told, "version")
    key = str(_number(version, "id"))
    source = line(_mapping(told, "adapter").get("source"), 20)
    state = line(_mapping(told, "vetting").get("state"), 20)
    claims = list(_claims(f"{base}/api/v1/versions/{key}/claims/", document, evidence))
    claims.append(_note(base, document, told))
    availability, reason = availability_of(base, state)
    return ListedVersion(
        source_key=key,
        name=line(version.get("name"), 200) or f"Version {key}",
        notes=text(version.get("notes")),
        trigger_words=lines(version.get("trigger_words"), limit=300),
        declared_base=line(version.get("declared_base"), 300),
        base_host=_BASE_HOSTS.get(Source(source), "") if source in Source.values else "",
        published=moment(version.get("published")),
        documents=list(dict.fromkeys(claim.document for claim in claims if claim.document)),
        claims=claims,
        remote=_files(base, key, told) if availability == Availability.PRESENT else [],
        remote_samples=_samples(base, told),
        availability=availability,
        availability_reason=reason,
    )


def availability_of(base: str, state: str) -> tuple[str, str]:
    """What the other Kura's vetting makes of a version's availability here, and why."""
    if state in _TAKEN_BACK:
        return Availability.TAKEN_DOWN, f"{state} by the Kura at {base}"
    return Availability.PRESENT, ""


def _claims(address: str, document: RawDocument, evidence: Evidence) -> Iterator[ListedClaim]:
    """What sources state, each with the bytes it was read from, else with the lines of the export itself."""
    try:
        items, _ = slices(document.body, "claims")
    except ValueError:
        raise UnexpectedAnswer(f"{document.url} is no readable export.") from None
    unproven: dict[str, int] = {}
    for told, body in items[:_MOST]:
        if not isinstance(told, dict) or told.get("kind") not in _KINDS:
            continue
        kind, standing = str(told["kind"]), told.get("standing")
        if standing not in (Standing.DECLARED, Standing.DETECTED):
            continue
        snapshot = told.get("snapshot")
        if isinstance(snapshot, dict):
            source = evidence(snapshot, _evidence_address(address, text(snapshot.get("url"), 2000)))
        else:
            place = f"{kind}-{standing}"
            unproven[place] = unproven.get(place, 0) + 1
            source = RawDocument(f"{address}#{place}-{unproven[place]}", body, "application/json")
        yield ListedClaim(
            kind,
            _value(kind, told.get("value")),
            text(told.get("wording")),
            source,
            standing=str(standing),
            unread=tuple(lines(told.get("unread"), limit=2000)),
            hints=dict(hints) if isinstance(hints := json_value(told.get("hints")), dict) else {},
        )


def _value(kind: str, value: Any) -> Any:
    """The value in the shape that this release reads; None where it has another one: stated, not recognized.

    registry.sources.evidence.keep_claim looks license and base up in our own tables.
    """
    if kind in (ClaimKind.LICENSE, ClaimKind.BASE):
        return line(value, 300) or None
    if not isinstance(value, Mapping):
        return None
    if kind == ClaimKind.CIVITAI_FLAGS:
        try:
            return parse_flags(value).as_dict()
        except BadCivitaiFlags:
            return None
    if kind == ClaimKind.TEXT_TERMS:
        return {
            "forbidden": [act for act in lines(value.get("forbidden"), limit=60) if act in ACTS],
            "contact": [act for act in lines(value.get("contact"), limit=60) if act in ACTS],
            "credit": bool(value.get("credit")),
            "licenses": lines(value.get("licenses"), limit=100),
        }
    if kind == ClaimKind.RIGHTS:
        state = value.get("state")
        return {
            "subject": line(value.get("subject"), 40),
            "state": state if state in _RIGHTS else "unknown",
        }
    return None


def _note(base: str, document: RawDocument, told: Mapping[str, Any]) -> ListedClaim:
    """How the other Kura vetted the version: for a reviewer to read; no layer of the terms rests on it."""
    vetting, version = _mapping(told, "vetting"), _mapping(told, "version")
    adapter = _mapping(told, "adapter")
    at = line(vetting.get("at"), 40)
    value = {
        "address": base,
        "kura": line(told.get("kura"), 40),
        "path": path_in(told),
        "version": _number(version, "id"),
        "change": told.get("change") if isinstance(told.get("change"), int) else 0,
        "state": line(vetting.get("state"), 20),
        "at": at,
        "base_decided": line(vetting.get("base_decided"), 100),
        "detected_family": line(version.get("detected_family"), 40),
        "checks": vetting.get("checks"),
        "verdicts": vetting.get("verdicts"),
        "conclusions": vetting.get("conclusions"),
        "source": line(adapter.get("source"), 20),
        "source_url": _web(adapter.get("source_url"), 1000),
    }
    day = at.partition("T")[0]
    wording = f"{value['state']} by the Kura at {base}{f' on {day}' if day else ''}"
    return ListedClaim(ClaimKind.PEER_VETTING, json_value(value), wording, document)


def _files(base: str, version: str, told: Mapping[str, Any]) -> list[RemoteFile]:
    found: list[RemoteFile] = []
    for file in _items(told, "files"):
        sha256, size = line(file.get("sha256"), 64).lower(), file.get("size")
        if len(sha256) != 64 or set(sha256) - set("0123456789abcdef"):
            raise UnexpectedAnswer(f"{base} offers a file of version {version} without its SHA256.")
        hashes = file.get("hashes")
        found.append(
            RemoteFile(
                key=sha256,
                # Made here, never taken from the answer: no other host is asked for the bytes.
                url=f"{base}/api/v1/files/{sha256}/content?version={version}",
                name=line(file.get("name"), 300) or "unnamed",
                size=size if isinstance(size, int) and size >= 0 else None,
                sha256=sha256,
                hashes=tuple(
                    (line(str(name), 20), line(digest, 64))
                    for name, digest in (hashes.items() if isinstance(hashes, dict) else ())
                    if line(digest, 64)
                ),
                primary=not found,
                format=line(file.get("container"), 20),
            )
        )
    return found


def _samples(base: str, told: Mapping[str, Any]) -> list[RemoteSample]:
    found = []
    for sample in _items(told, "samples"):
        path, parameters = line(sample.get("path"), 500), json_value(sample.get("parameters"))
        if path.startswith("/") and not path.startswith("//"):
            found.append(
                RemoteSample(urljoin(base, path), parameters if isinstance(parameters, dict) else {})
            )
    return found


def _evidence_address(address: str, source: str) -> str:
    found = f"{address}?{urlencode({'source': source})}"
    if len(found) <= _ADDRESS_MAX:
        return found
    return f"{address}#source-{hashlib.sha256(source.encode()).hexdigest()}"


def _items(told: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    items = told.get(name)
    return [item for item in items[:_MOST] if isinstance(item, dict)] if isinstance(items, list) else []


def _mapping(told: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = told.get(name)
    if not isinstance(found, dict):
        raise UnexpectedAnswer(f"The export has no {name}.")
    return found


def _number(told: Mapping[str, Any], name: str) -> int:
    found = told.get(name)
    if not isinstance(found, int) or isinstance(found, bool) or not 0 < found < 2**63:
        raise UnexpectedAnswer(f"The export's {name} is no number.")
    return found


def _web(value: object, limit: int) -> str:
    address = line(value, limit)
    return address if address.startswith(("https://", "http://")) else ""
