"""Reads the sidecars that other tools leave beside an adapter file: one reader for each kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from registry.licensing.claims.words import read_words
from registry.models import ClaimKind, Source
from registry.sources import civitai
from registry.sources.announced import read_hashes
from registry.sources.documents import json_object
from registry.sources.listing import ListedClaim, RawDocument, Reading, listed
from registry.sources.material import rights_claims
from registry.sources.text import identifier, line, plain, tags, text, words


@dataclass(frozen=True, slots=True)
class Beside:
    """What a reader may use to find its file in a document about several; the SHA256 is costly."""

    name: str
    sha256: Callable[[], str]


def read_civitai_info(document: RawDocument, beside: Beside) -> Reading:
    """`.civitai.info` of the Civitai Helper: the version object; a whole model object is accepted too."""
    data = json_object(document)
    if isinstance(data.get("modelVersions"), list):
        version = civitai.version_in_model(data, beside.sha256(), beside.name)
        return civitai.read_version(document, version or {}, data)
    return civitai.read_version(document, data)


def read_lora_manager(document: RawDocument, beside: Beside) -> Reading:
    """`.metadata.json` of ComfyUI Lora Manager: its own fields around a Civitai version object."""
    data = json_object(document)
    inner = data.get("civitai")
    version = inner if isinstance(inner, dict) else {}
    reading = civitai.read_version(document, version, described=data.get("modelDescription"))
    if not isinstance(inner, dict):
        reading.claims += rights_claims(document, tags(data.get("tags")))
    own_base = "" if reading.base else line(data.get("base_model"), 300)
    reading.announced = reading.announced or _announced({"sha256": data.get("sha256")}, beside.name)
    reading.name = reading.name or line(data.get("model_name"), 300)
    reading.description = reading.description or plain(data.get("modelDescription"))
    reading.notes = reading.notes or text(data.get("notes"))
    reading.tags = reading.tags or tags(data.get("tags"))
    if own_base and own_base.lower() != "unknown":
        reading.base, reading.base_host = own_base, "civitai"
        reading.claims.append(ListedClaim(ClaimKind.BASE, own_base, own_base, document))
    return reading


def read_stability_matrix(document: RawDocument, beside: Beside) -> Reading:
    """`.cm-info.json` of StabilityMatrix: its own spelling, without permission flags."""
    data = json_object(document)
    adapter_key = identifier(data.get("ModelId"))
    base = line(data.get("BaseModel"), 300)
    title = line(data.get("UserTitle"), 300) or line(data.get("ModelName"), 300)
    reading = Reading(
        document=document,
        source=Source.CIVITAI if adapter_key else "",
        adapter_key=adapter_key,
        version_key=identifier(data.get("VersionId")) if adapter_key else "",
        url=f"{civitai.SITE}/models/{adapter_key}" if adapter_key else "",
        name=title,
        version_name=line(data.get("VersionName"), 200),
        creator=line(data.get("AuthorUsername"), 200),
        description=plain(data.get("ModelDescription")),
        notes=plain(data.get("VersionDescription")),
        tags=tags(data.get("Tags")),
        trigger_words=words(data.get("TrainedWords")),
        base=base,
        base_host="civitai",
        announced=_announced(data.get("Hashes"), beside.name),
    )
    if base:
        reading.claims.append(ListedClaim(ClaimKind.BASE, base, base, document))
    reading.claims += rights_claims(document, reading.tags)
    if told := read_words(f"{reading.description}\n\n{reading.notes}"):
        reading.claims.append(listed(told, document))
    return reading


def _announced(hashes: object, name: str) -> list[tuple[str, str]]:
    digest = read_hashes(hashes if isinstance(hashes, dict) else {}).get("sha256")
    return [(name, digest.lower())] if digest else []


# The values of the web UI's own "Stable Diffusion version" box.
_WEBUI_BASES = {"SD1": "SD 1.5", "SD2": "SD 2.1", "SDXL": "SDXL 1.0", "Flux": "Flux.1 D"}


def read_webui(document: RawDocument, beside: Beside) -> Reading:
    """`<stem>.json` of the Stable Diffusion web UI: what its owner typed, which declares nothing."""
    data = json_object(document)
    told = _WEBUI_BASES.get(line(data.get("sd version"), 40), "")
    return Reading(
        document=document,
        description=text(data.get("description")),
        notes=text(data.get("notes")),
        trigger_words=words(data.get("activation text")),
        base=told,
        base_host="civitai",
    )


@dataclass(frozen=True, slots=True)
class SidecarKind:
    """A sidecar's suffix after the file's stem, and its reader. The order is the order of trust."""

    suffix: str
    read: Callable[[RawDocument, Beside], Reading]
    media_type: str = "application/json"


KINDS = (
    SidecarKind(".civitai.info", read_civitai_info),
    SidecarKind(".metadata.json", read_lora_manager),
    SidecarKind(".cm-info.json", read_stability_matrix),
    SidecarKind(".json", read_webui),
)


def sidecars_of(path: Path, present: dict[str, Path]) -> list[tuple[SidecarKind, Path]]:
    """The sidecars of the file `path` among the files of its folder (`present`: name -> path)."""
    found: list[tuple[SidecarKind, Path]] = []
    for kind in KINDS:
        # Most tools drop the file's own suffix, some keep it.
        for name in (path.stem + kind.suffix, path.name + kind.suffix):
            if name in present:
                found.append((kind, present[name]))
                break
    return found


def first_filled(readings: list[Reading], name: str) -> Any:
    """The value of field `name` in the first reading that fills it, else that field's empty value."""
    values = [getattr(reading, name) for reading in readings]
    return next((value for value in values if value), values[0] if values else None)
