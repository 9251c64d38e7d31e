"""A reviewer concludes an item, with a reason and evidence, and can open it again.

A conclusion is a decided claim, so it changes the verdict and no sync overwrites it. What was concluded, from
which bytes, why, by whom and when is written down as a snapshot of its own, which the verdict then cites.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from registry import checks, verdicts
from registry.bases import find_base
from registry.errors import KuraError
from registry.ledger import audit
from registry.licensing.conditions import parse_condition
from registry.licensing.errors import not_one_of
from registry.licensing.items import ITEMS, Item
from registry.licensing.replies import MEDIA
from registry.models import BaseModel, ClaimKind, ReviewItem, Snapshot, Standing, TermsClaim, Version
from registry.review_items import keep_items
from registry.vetting import SHORTEST_REASON, ReasonRequired

STATUSES: Final = ("allowed", "conditional", "forbidden", "silent")
RIGHTS_STATES: Final = ("cleared", "unknown", "uncleared", "refused")
LONGEST_TEXT: Final = 20_000
_RIGHTS_NOTES: Final[Mapping[str, tuple[str, ...]]] = {
    "copyright": ("trained_on", "owner"),
    "portrait": ("person", "release", "purposes", "term"),
}


class UnknownItem(KuraError):
    """There is no recorded item of this name."""

    code = "unknown_item"
    next_step = f"Use one of {', '.join(ITEMS)}."


class BadConclusion(KuraError):
    """The conclusion has a value that its item cannot have, or contradicts itself."""

    code = "bad_conclusion"


class EvidenceMissing(KuraError):
    """A conclusion names nothing that it rests on, or something that does not belong to the version."""

    code = "evidence_missing"
    next_step = "Choose one of the version's snapshots or answers, or paste the words that were read."


class NotConcluded(KuraError):
    """The item was opened that nobody has concluded."""

    code = "not_concluded"
    next_step = "Reload the page: someone else may have opened it again meanwhile."


@dataclass(frozen=True)
class Evidence:
    """What a conclusion rests on: a snapshot that belongs to the version, or words that are kept now."""

    snapshot: int | None = None
    text: str = ""
    url: str = ""


@transaction.atomic
def conclude(
    version: Version, key: str, value: Mapping[str, Any], reason: str, evidence: Evidence, actor: str
) -> ReviewItem:
    """Settle an item; the verdict follows at once. An earlier conclusion is superseded, never changed.

    value: for an act `{status, conditions}`, for credit `{required, wording, links, where}`, for the base
    `{base}`, for a right `{state, ...}`. Raises UnknownItem, BadConclusion, ReasonRequired, EvidenceMissing
    and, for words nobody defined, a LicensingError; then nothing has changed.
    """
    item = _item(key)
    reason = _reason(reason, "A conclusion")
    read = _value(item, value)
    locked = Version.objects.select_for_update(no_key=True).get(pk=version.pk)
    cited = _evidence(locked, evidence)
    _supersede(locked, key)
    told = {"item": key, "value": read, "who": actor, "reason": reason, "evidence": cited.pk}
    cites = {"url": cited.url, "sha256": cited.sha256}
    memo = {"version": locked.pk, "at": timezone.now().isoformat(), "cites": cites, **told}
    kind, stored = _stored(item, read)
    TermsClaim.objects.create(
        version=locked,
        kind=kind,
        standing=Standing.DECIDED,
        value=stored,
        wording=reason,
        hints=told,
        snapshot=_keep(f"kura:version/{locked.pk}/item/{key}", _json(memo), "application/json"),
    )
    if item.kind == "base":
        locked.base_decided = BaseModel.objects.get(slug=read["base"])
        locked.save(update_fields=["base_decided", "updated"])
    audit(actor, "item.conclude", f"version:{locked.pk}", item=key, value=read, reason=reason, cites=cited.pk)
    return _follow(version, locked, key)


@transaction.atomic
def reopen(version: Version, key: str, reason: str, actor: str) -> ReviewItem:
    """Take a conclusion back; what sources and the author say holds again.

    Raises UnknownItem, NotConcluded or ReasonRequired.
    """
    item = _item(key)
    reason = _reason(reason, "Opening an item again")
    locked = Version.objects.select_for_update(no_key=True).get(pk=version.pk)
    if not _supersede(locked, key):
        raise NotConcluded(f"Nobody has concluded the item {key!r}.")
    if item.kind == "base":
        locked.base_decided = None
        locked.save(update_fields=["base_decided", "updated"])
    audit(actor, "item.reopen", f"version:{locked.pk}", item=key, reason=reason)
    return _follow(version, locked, key)


def citable(version: Version) -> list[Snapshot]:
    """Snapshots that a conclusion about the version may cite, the newest first, without their bytes."""
    about = Q(claims__version=version) | Q(answers__question__version=version)
    # What reviewers wrote down themselves proves nothing.
    found = Snapshot.objects.filter(about).exclude(url__startswith="kura:version/")
    return list(found.distinct().defer("body")[:50])


def read_credit(value: Mapping[str, Any]) -> dict[str, Any]:
    """`{required, wording, links, where}` in one spelling. Raises BadConclusion."""
    required = value.get("required")
    if not isinstance(required, bool):
        raise BadConclusion("required must be true or false.")
    where = [_one_of("where", each, MEDIA) for each in _list(value, "where")]
    links = _list(value, "links")
    if any(not each.startswith(("https://", "http://")) for each in links):
        raise BadConclusion("A link begins with https:// or http://.")
    wording = _text(value, "wording")
    if not required and (wording or links or where):
        raise BadConclusion("Where no credit is due there is no wording, link or place for it.")
    return {"required": required, "wording": wording, "links": links, "where": where}


# --- Reading what was given ---------------------------------------------------------------------------------


def _item(key: str) -> Item:
    item = ITEMS.get(key)
    if item is None:
        raise UnknownItem(f"There is no item {key!r}. {not_one_of(key, ITEMS)}")
    return item


def _reason(reason: str, what: str) -> str:
    reason = reason.strip()
    if len(reason) < SHORTEST_REASON:
        raise ReasonRequired(f"{what} needs a reason of {SHORTEST_REASON} characters or more.")
    return reason


def _one_of(name: str, value: object, known: tuple[str, ...]) -> str:
    if value not in known:
        raise BadConclusion(f"{name} {value!r} is not known. {not_one_of(str(value), known)}")
    return str(value)


def _text(value: Mapping[str, Any], name: str) -> str:
    text = value.get(name) or ""
    if not isinstance(text, str) or len(text) > 2000:
        raise BadConclusion(f"{name} must be a text of at most 2000 characters.")
    return text.strip()


def _list(value: Mapping[str, Any], name: str) -> list[str]:
    given = value.get(name) or []
    if not isinstance(given, list) or not all(isinstance(each, str) for each in given) or len(given) > 20:
        raise BadConclusion(f"{name} must be a list of at most 20 texts.")
    return [each.strip() for each in given if each.strip()]


def _value(item: Item, value: Mapping[str, Any]) -> dict[str, Any]:
    if item.kind == "act":
        status = _one_of("status", value.get("status"), STATUSES)
        conditions = sorted({str(parse_condition(each)) for each in _list(value, "conditions")})
        if conditions and status in ("forbidden", "silent"):
            raise BadConclusion("Only what is allowed can have conditions.")
        if status == "conditional" and not conditions:
            raise BadConclusion("Name the conditions, or conclude that the act is allowed.")
        return {"status": "conditional" if conditions else status, "conditions": conditions}
    if item.kind == "credit":
        return read_credit(value)
    if item.kind == "base":
        name = _text(value, "base")
        base = find_base(name) if name else None
        if base is None:
            raise BadConclusion(f"{name!r} is in no table of base models.")
        return {"base": base.slug, "license": base.license.license_id if base.license else ""}
    state = _one_of("state", value.get("state"), RIGHTS_STATES)
    notes = {name: text for name in _RIGHTS_NOTES[item.key] if (text := _text(value, name))}
    return {"state": state, **notes}


def _evidence(version: Version, evidence: Evidence) -> Snapshot:
    if evidence.snapshot is not None:
        found = next((each for each in citable(version) if each.pk == evidence.snapshot), None)
        if found is None:
            raise EvidenceMissing(f"Snapshot {evidence.snapshot} is not about this version.")
        return found
    text = evidence.text.strip()
    if len(text) < SHORTEST_REASON:
        raise EvidenceMissing("The conclusion names nothing that it rests on.")
    if len(text) > LONGEST_TEXT:
        raise EvidenceMissing(f"The words that were read have more than {LONGEST_TEXT} characters.")
    url = evidence.url.strip()
    if url and not url.startswith(("https://", "http://")):
        raise EvidenceMissing("The address of the evidence begins with https:// or http://.")
    return _keep(url[:2000] or f"kura:evidence/{version.pk}", text.encode(), "text/plain; charset=utf-8")


# --- Writing ------------------------------------------------------------------------------------------------


def _stored(item: Item, read: Mapping[str, Any]) -> tuple[str, Any]:
    """The kind of the decided claim and its value."""
    if item.kind == "rights":
        return ClaimKind.RIGHTS, {"subject": item.right, **read}
    if item.kind == "base":
        return ClaimKind.BASE, read["base"]
    return ClaimKind.CONCLUSION, {"item": item.key, **read}


def _supersede(version: Version, key: str) -> int:
    held = version.claims.filter(standing=Standing.DECIDED, superseded=False, hints__item=key)
    return held.update(superseded=True)


def _follow(version: Version, locked: Version, key: str) -> ReviewItem:
    checks.assess(locked)
    items = keep_items(locked)
    verdicts.refresh([locked])
    version.refresh_from_db()
    return next(row for row in items if row.key == key)


def _keep(url: str, body: bytes, media_type: str) -> Snapshot:
    digest = hashlib.sha256(body).hexdigest()
    snapshot, _ = Snapshot.objects.get_or_create(
        url=url, sha256=digest, defaults={"body": body, "media_type": media_type}
    )
    return snapshot


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, indent=1).encode()
