"""Reads Civitai's version and model JSON, wherever it was found, into a Reading."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from registry.licensing.claims.civitai import read_terms
from registry.models import ClaimKind, Source
from registry.sources.announced import read_hashes
from registry.sources.civitai_pictures import read_pictures, without_tags
from registry.sources.listing import ListedClaim, RawDocument, Reading, listed
from registry.sources.material import rights_claims
from registry.sources.text import identifier, line, moment, plain, tags, words

SITE = "https://civitai.com"


def read_version(
    document: RawDocument,
    version: dict[str, Any],
    model: dict[str, Any] | None = None,
    *,
    described: object = None,
) -> Reading:
    """What a model-version object says, with the model object it belongs to (default: its own `model`).

    The flags live on the model; a version object alone, as the by-hash endpoint gives it, states none.
    `described`: the model's description where a tool keeps it apart; its author's words count like the rest.
    """
    if not isinstance(model, dict):
        own = version.get("model")
        model = own if isinstance(own, dict) else {}
    creator = creator_name(model) or creator_name(version)
    adapter_key = identifier(version.get("modelId")) or identifier(model.get("id"))
    version_key = identifier(version.get("id"))
    reading = Reading(
        document=document,
        source=Source.CIVITAI if adapter_key else "",
        adapter_key=adapter_key,
        version_key=version_key if adapter_key else "",
        url=f"{SITE}/models/{adapter_key}" if adapter_key else "",
        name=line(model.get("name"), 300),
        version_name=line(version.get("name"), 200),
        creator=creator,
        creator_url=creator_page(creator),
        description=plain(model.get("description")),
        notes=plain(version.get("description")),
        tags=tags(model.get("tags")),
        trigger_words=trigger_words(version.get("trainedWords")),
        base=line(version.get("baseModel"), 300),
        base_host="civitai",
        published=moment(version.get("publishedAt")),
        claims=_claims(document, model, version, described),
        pictures=read_pictures(version.get("images")),
        announced=announced_files(version.get("files")),
    )
    if reading.base:
        reading.claims.append(ListedClaim(ClaimKind.BASE, reading.base, reading.base, document))
    return reading


def creator_name(owned: Mapping[str, Any]) -> str:
    """The creator's name on a model (or, as tools write it, a version); the site's own account has none."""
    creator = owned.get("creator")
    return line(creator.get("username"), 200) if isinstance(creator, Mapping) else ""


def creator_page(name: str) -> str:
    """The address of the creator's page."""
    return f"{SITE}/user/{quote(name)}" if name else ""


def trigger_words(trained: object) -> list[str]:
    """`trainedWords`: often one text with commas, full-width ones too, and at times a `<lora:...>` tag."""
    told = trained if isinstance(trained, list) else [trained]
    return words([re.sub("[，、]", ",", without_tags(word)) for word in told if isinstance(word, str)])


def announced_files(files: object) -> list[tuple[str, str]]:
    """Name and SHA256 of the files that a version object describes; those without a digest are left out."""
    found = []
    for file in _objects(files):
        hashes = file.get("hashes")
        if digest := read_hashes(hashes if isinstance(hashes, dict) else {}).get("sha256"):
            found.append((line(file.get("name"), 300), digest.lower()))
    return found


def version_in_model(model: dict[str, Any], sha256: str, file_name: str) -> dict[str, Any] | None:
    """The version of a whole-model object that holds the file: by hash, else by name, else the only one."""
    versions = _objects(model.get("modelVersions"))
    for wanted in (lambda file: _sha256(file) == sha256.upper(), lambda file: file.get("name") == file_name):
        for version in versions:
            if any(wanted(file) for file in _objects(version.get("files"))):
                return version
    return versions[0] if len(versions) == 1 else None


def _objects(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _sha256(file: dict[str, Any]) -> str:
    hashes = file.get("hashes")
    found = hashes.get("SHA256") if isinstance(hashes, dict) else None
    return found.upper() if isinstance(found, str) else ""


def _claims(
    document: RawDocument, model: dict[str, Any], version: dict[str, Any], described: object
) -> list[ListedClaim]:
    texts = [plain(each) for each in (model.get("description"), version.get("description"), described)]
    told = "\n\n".join(dict.fromkeys(text for text in texts if text))
    base = line(version.get("baseModel"), 300)
    terms = read_terms(model, version, bases=[base] if base else [], description=told)
    # "Depicts an actual person" is a box the uploader ticks; that this person agreed, nobody has said.
    shown = rights_claims(document, tags(model.get("tags")), depicts_person=model.get("poi") is True)
    return [listed(each, document) for each in terms] + shown
