"""Writes claims and the snapshots they were read from: superseded by a newer reading, never overwritten."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from registry.bases import find_base
from registry.basis import current_basis
from registry.licensing.claims.embedded import read_metadata
from registry.licensing.identify import identify_license
from registry.models import Blob, ClaimKind, Snapshot, TermsClaim, Version
from registry.sources.listing import ListedClaim, RawDocument, listed
from registry.sources.text import json_value


def embedded_claims(blob: Blob, reading: Mapping[str, Any]) -> list[ListedClaim]:
    """What a file's own metadata says about terms, from its inspection.

    The snapshot holds the values relied on, under the SHA256 of the file they were read in.
    """
    facts = reading.get("training")
    if not isinstance(facts, Mapping):
        return []
    texts = {name: value for name, value in facts.items() if isinstance(value, str)}
    if "license" in texts:
        texts["modelspec.license"] = texts.pop("license")
    statements = read_metadata(texts)
    if not statements:
        return []
    body = json.dumps(json_value(texts), sort_keys=True, ensure_ascii=False).encode()
    document = RawDocument(f"sha256:{blob.sha256}#metadata", body, "application/json")
    return [listed(statement, document) for statement in statements]


def keep_snapshot(document: RawDocument) -> Snapshot:
    """The row with exactly these bytes from this address, made if it is new."""
    told: dict[str, Any] = {"fetched": document.fetched} if document.fetched else {}
    snapshot, _ = Snapshot.objects.get_or_create(
        url=document.url,
        sha256=hashlib.sha256(document.body).hexdigest(),
        defaults={"body": document.body, "media_type": document.media_type, "etag": document.etag} | told,
    )
    return snapshot


def keep_claim(
    version: Version, claim: ListedClaim, snapshots: Mapping[RawDocument, Snapshot], base_host: str = ""
) -> bool:
    """Keep the claim unless it stands already; it supersedes an older reading of the same source.

    The address tells sources apart, so documents that this run read side by side under one address all stand.
    """
    snapshot = snapshots.get(claim.document) if claim.document else None
    value = read_value(claim, base_host)
    current = TermsClaim.objects.filter(
        version=version, kind=claim.kind, standing=claim.standing, superseded=False
    )
    beside_it = {"unread": list(claim.unread), "hints": json_value(claim.hints)}
    own = current.filter(snapshot=snapshot).first()
    if own and (own.value, own.wording) == (value, claim.wording):
        if (own.unread, own.hints) != tuple(beside_it.values()):
            # A better reader understood more beside the same statement: what binds is the same.
            TermsClaim.objects.filter(pk=own.pk).update(**beside_it)
        return False
    current.filter(snapshot=snapshot).update(superseded=True)
    if snapshot:
        beside = [each.pk for each in snapshots.values()]
        current.filter(snapshot__url=snapshot.url).exclude(snapshot__in=beside).update(superseded=True)
    TermsClaim.objects.create(
        version=version,
        kind=claim.kind,
        standing=claim.standing,
        value=value,
        wording=claim.wording,
        snapshot=snapshot,
        **beside_it,
    )
    return True


def read_value(claim: ListedClaim, base_host: str) -> Any:
    """The claim's normalized reading: a license id, a base's slug; None for what no table knows."""
    if claim.kind == ClaimKind.LICENSE:
        if not isinstance(claim.value, str):
            return None
        return identify_license(claim.value) or identify_license(claim.value, current_basis().table)
    if claim.kind == ClaimKind.BASE:
        base = find_base(str(claim.value), base_host)
        return base.slug if base else None
    return json_value(claim.value)
