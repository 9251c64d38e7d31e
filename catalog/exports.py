"""What another Kura is told of a version: facts, claims with their evidence, digests, and our own vetting.

The same rows always make the same document: nothing in it depends on the day or on the address asked.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from django.db.models import Max
from django.urls import reverse

from catalog.disclosure import PUBLIC_KINDS, is_open, is_told
from registry.models import (
    Check,
    ClaimKind,
    FileState,
    ProfileOutcomes,
    Snapshot,
    Standing,
    TermsClaim,
    TermsRule,
    Version,
)
from registry.peers import identity, paths_of

FORMAT: Final = 1
_SOUND_KINDS: Final = (*PUBLIC_KINDS, ClaimKind.CONCLUSION)


def export_of(version: Version) -> dict[str, Any]:
    """The whole document of one version. Ten queries or so; `adapter__creator` should be selected."""
    claims = list(
        version.claims.filter(superseded=False)
        .select_related("snapshot")
        .defer("snapshot__body")
        .order_by("id")
    )
    newest = version.changes.aggregate(newest=Max("id"))["newest"] or 0
    return {
        "format": FORMAT,
        "kura": identity(),
        "path": paths_of([version.pk])[version.pk],
        "change": newest,
        "adapter": _adapter(version),
        "version": _version(version),
        "files": _files(version),
        "samples": [
            {"path": reverse("images:sample", args=[sample.pk]), "parameters": sample.parameters}
            for sample in version.samples.all()
        ],
        "claims": claims_told(claims),
        "vetting": _vetting(version, claims),
    }


def claims_told(claims: Iterable[TermsClaim]) -> list[dict[str, Any]]:
    """What sources state, as any reader may know it; the evidence is named where its bytes are open, too."""
    told = [claim for claim in claims if is_told(claim)]
    opened = open_snapshots({claim.snapshot_id for claim in told if claim.snapshot_id is not None})
    return [
        {
            "id": claim.pk,
            "kind": claim.kind,
            "standing": claim.standing,
            "value": claim.value,
            "wording": claim.wording,
            "unread": claim.unread,
            "hints": claim.hints,
            "superseded": claim.superseded,
            "created": claim.created.isoformat(),
            "snapshot": snapshot_told(claim.snapshot)
            if claim.snapshot is not None and claim.snapshot.pk in opened
            else None,
        }
        for claim in told
    ]


def snapshot_told(snapshot: Snapshot) -> dict[str, Any]:
    """A snapshot without its bytes."""
    return {
        "id": snapshot.pk,
        "url": snapshot.url,
        "sha256": snapshot.sha256,
        "media_type": snapshot.media_type,
        "fetched": snapshot.fetched.isoformat(),
    }


def open_snapshots(snapshots: Iterable[int]) -> set[int]:
    """Those of these snapshots whose bytes any reader may see. Two queries."""
    wanted = list(snapshots)
    resting: dict[int, list[TermsClaim]] = {}
    for claim in TermsClaim.objects.filter(snapshot__in=wanted).only("kind", "standing", "snapshot_id"):
        resting.setdefault(claim.snapshot_id or 0, []).append(claim)
    ruled = set(TermsRule.objects.filter(snapshot__in=wanted).values_list("snapshot_id", flat=True))
    return {each for each in wanted if is_open(resting.get(each, ()), rule=each in ruled)}


def _adapter(version: Version) -> dict[str, Any]:
    adapter = version.adapter
    return {
        "id": adapter.pk,
        "name": adapter.name,
        "creator": adapter.creator.name if adapter.creator else "",
        "creator_url": adapter.creator.url if adapter.creator else "",
        "description": adapter.description,
        "tags": adapter.tags,
        "source": adapter.source,
        "source_key": adapter.source_key,
        "source_url": adapter.source_url,
    }


def _version(version: Version) -> dict[str, Any]:
    return {
        "id": version.pk,
        "name": version.name,
        "notes": version.notes,
        "trigger_words": version.trigger_words,
        "declared_base": version.declared_base,
        "detected_family": version.detected_family,
        "availability": version.availability,
        "published": version.published.isoformat() if version.published else None,
        "source_key": version.source_key,
    }


def _files(version: Version) -> list[dict[str, Any]]:
    """Only what is not locked away: quarantined and withdrawn bytes are offered to nobody."""
    return [
        {
            "sha256": file.blob.sha256,
            "name": file.name,
            "size": file.blob.size,
            "container": file.blob.container,
            "hashes": {
                "SHA256": file.blob.sha256.upper(),
                "BLAKE3": file.blob.blake3,
                "CRC32": file.blob.crc32,
                "AutoV1": file.blob.autov1,
                "AutoV2": file.blob.autov2,
                "AutoV3": file.blob.autov3,
            },
        }
        for file in version.files.filter(state=FileState.STORED).select_related("blob")
    ]


def _vetting(version: Version, claims: Iterable[TermsClaim]) -> dict[str, Any]:
    """Where the version stands here, and what was concluded; who said so and in which words stays here."""
    decided = ProfileOutcomes.objects.filter(profile=version.terms_profile_id).first()
    return {
        "state": version.vetting,
        "at": version.vetted_at.isoformat() if version.vetted_at else None,
        "base_decided": version.base_decided.slug if version.base_decided else None,
        "checks": [
            {"code": check.code, "outcome": check.outcome} for check in Check.objects.filter(version=version)
        ],
        "verdicts": decided.outcomes if decided else {},
        "conclusions": [
            {"kind": claim.kind, "value": claim.value}
            for claim in claims
            if claim.standing == Standing.DECIDED and claim.kind in _SOUND_KINDS
        ],
    }
