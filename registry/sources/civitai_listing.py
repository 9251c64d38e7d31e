"""Civitai's model object as a Listing: its versions with files, claims, settings and state. No requests."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from registry.models import Source
from registry.sources.civitai import SITE, creator_name, creator_page, read_version
from registry.sources.civitai_files import access, remote_files
from registry.sources.civitai_page import page_completeness
from registry.sources.civitai_pictures import hides_parameters, read_pictures
from registry.sources.civitai_samples import identity, settings_evidence
from registry.sources.listing import ListedVersion, Listing, RawDocument, RemoteSample
from registry.sources.text import identifier, line, plain, tags

# What the uploader calls an adapter; which algorithm it is, the tensors tell (civitai/civitai, ModelType).
ADAPTER_TYPES = ("LORA", "LoCon", "DoRA")
MOST_SAMPLES = 24

VersionAnswers = Mapping[str, tuple[RawDocument, Mapping[str, Any]]]
"""Version id -> what the endpoint of versions answered: it alone has the parameters of the pictures."""

# What an unchanged fingerprint stands for. Everything else is volatile (counts, scans, covers, addresses) or
# told by one endpoint alone (status, index, covered). Empty values are skipped: one endpoint leaves them out.
_MODEL_KEYS = (
    "id", "name", "description", "type", "minor", "sfwOnly", "poi", "nsfw", "availability", "mode", "tags",
)  # fmt: skip
_VERSION_KEYS = (
    "id", "name", "description", "baseModel", "baseModelType", "publishedAt", "availability", "paidAccess",
    "earlyAccessDeadline", "earlyAccessEndsAt", "earlyAccessTimeFrame", "trainedWords", "usageControl",
)  # fmt: skip
_FILE_KEYS = ("id", "name", "type", "sizeKB", "metadata", "hashes", "primary")
_WIRE = json.JSONEncoder(sort_keys=True, ensure_ascii=True, separators=(",", ":"), default=str)


def is_adapter(model: Mapping[str, Any]) -> bool:
    """Whether its uploader calls the model an adapter; without a type the weights decide later."""
    return model.get("type") in {None, "", *ADAPTER_TYPES}


def list_model(
    document: RawDocument,
    model: Mapping[str, Any],
    *,
    now: datetime,
    only: Sequence[str] = (),
    answers: VersionAnswers | None = None,
) -> Listing:
    """The model with its versions, or with those whose ids are in `only`, in the order the creator gave them.

    `now` decides which early access has ended. Claims of every version cite `document`, where the flags are;
    pictures and what follows from them come from a version's own answer where there is one.
    """
    key = identifier(model.get("id"))
    versions = [each for each in _objects(model.get("modelVersions")) if identifier(each.get("id"))]
    listing = _head(model, key)
    for version in versions:
        if not only or identifier(version.get("id")) in only:
            listing.versions.append(list_version(document, model, version, now=now, answers=answers))
    listing.fingerprint = fingerprint(model, now)
    listing.changed = max((each.published for each in listing.versions if each.published), default=None)
    return listing


def list_version(
    document: RawDocument,
    model: Mapping[str, Any],
    version: Mapping[str, Any],
    *,
    now: datetime,
    answers: VersionAnswers | None = None,
) -> ListedVersion:
    """One version of the model; without the model's flags it states no terms, and stays unusable.

    Where its pictures have parameters that nobody asked for, settings and page are left empty: what follows
    from half of the evidence must not take the place of what an earlier, full answer gave.
    """
    key = identifier(version.get("id"))
    own = (answers or {}).get(key)
    reading = read_version(document, dict(version), dict(model))
    images = own[1].get("images") if own else None
    pictures = read_pictures(images) or reading.pictures
    gate = access(model, {**(own[1] if own else {}), **version}, now)
    files = remote_files({**version, "id": key}, gate.requires)
    marks = identity(key, (h for file in files for _, h in file.hashes), (file.name for file in files))
    trained = version.get("trainedWords")
    texts = [
        reading.notes,
        "\n".join(word for word in trained if isinstance(word, str)) if isinstance(trained, list) else "",
        reading.description,
    ]
    parameters = [facts for _, facts in pictures]
    told_all = bool(own) or not hides_parameters(version)
    settings = settings_evidence(marks, parameters, texts)
    return ListedVersion(
        source_key=key,
        name=reading.version_name or f"v{key}",
        name_stated=bool(reading.version_name),
        notes=reading.notes,
        trigger_words=reading.trigger_words,
        declared_base=reading.base,
        base_host="civitai",
        published=reading.published,
        documents=[document, own[0]] if own else [document],
        claims=reading.claims,
        remote=files,
        remote_samples=[RemoteSample(url, facts) for url, facts in pictures[:MOST_SAMPLES]],
        availability=gate.state,
        availability_reason=gate.reason,
        availability_until=gate.until,
        settings=settings if told_all else {},
        page={}
        if not told_all
        else page_completeness(
            model,
            version,
            words=reading.trigger_words,
            pictures=parameters,
            settings=settings,
            claims=reading.claims,
        ),
    )


def fingerprint(model: Mapping[str, Any], now: datetime) -> str:
    """A digest of all that the model object says, except numbers that move by themselves.

    The list and the model's own endpoint give the same one for the same model; the end of an early access
    changes it, though the object may stay as it is.
    """
    creator = model.get("creator")
    told = {
        **_kept(model, _MODEL_KEYS),
        **_terms(model),
        "creator": creator.get("username") if isinstance(creator, Mapping) else None,
        "versions": [
            {
                **_kept(version, _VERSION_KEYS),
                **_terms(version),
                "access": access(model, version, now).state,
                "files": [_kept(file, _FILE_KEYS) for file in _objects(version.get("files"))],
            }
            for version in _objects(model.get("modelVersions"))
        ],
    }
    return hashlib.sha256(_WIRE.encode(told).encode()).hexdigest()


def _terms(value: Mapping[str, Any]) -> dict[str, Any]:
    """What states terms, later releases' keys included; both wire shapes of a set are the same."""
    told = {
        key: each for key, each in value.items() if key.startswith(("allow", "licen")) and each is not None
    }
    uses = told.get("allowCommercialUse")
    if isinstance(uses, str) and uses.startswith("{") and uses.endswith("}"):
        told["allowCommercialUse"] = [each.strip(' "') for each in uses[1:-1].split(",") if each.strip()]
    return told


def _kept(value: Mapping[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    return {key: each for key in keys if (each := value.get(key))}


def _head(model: Mapping[str, Any], key: str) -> Listing:
    """The page without its versions."""
    name = line(model.get("name"), 300)
    creator = creator_name(model)
    return Listing(
        source=Source.CIVITAI,
        source_key=key or None,
        name=name or f"Civitai {key}",
        name_stated=bool(name),
        source_url=f"{SITE}/models/{key}" if key else "",
        creator=creator,
        creator_url=creator_page(creator),
        description=plain(model.get("description")),
        tags=tags(model.get("tags")),
    )


def _objects(value: object) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []
