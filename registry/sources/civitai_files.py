"""Files of a Civitai version as remote files, and whether they can be had now."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from registry.models import Availability
from registry.sources.civitai_urls import download_url
from registry.sources.listing import RemoteFile
from registry.sources.text import identifier, line, moment

# File types that hold the weights themselves (civitai/civitai, constants.ts: modelFileTypes).
WEIGHTS_TYPES = ("Model", "Pruned Model", "Diffusion Model", "UNet")
_ANNOUNCED = re.compile(r"/api/download/models/(\d+)/?\Z")
_LONGEST_QUERY = 500


@dataclass(frozen=True, slots=True)
class Access:
    """Whether a version can be had: an Availability with its reason, and `requires` as in RemoteFile."""

    state: str = Availability.PRESENT
    reason: str = ""
    until: datetime | None = None
    requires: str = ""


def access(model: Mapping[str, Any], version: Mapping[str, Any], now: datetime) -> Access:
    """What Civitai says of getting the version's files, at the time `now`.

    `availability` reads "Public" on gated versions since 2026, so `paidAccess` decides where it is there;
    before, "EarlyAccess" with its number of days did. A gate without an end never opens by itself.
    """
    inner = version.get("model")
    mode = model.get("mode") or (inner.get("mode") if isinstance(inner, Mapping) else None)
    if mode == "Archived":
        return Access(Availability.ARCHIVED, "Its creator archived the model: nothing can be downloaded.")
    if mode == "TakenDown":
        return Access(Availability.TAKEN_DOWN, "Civitai has taken the model down; its pictures are gone.")
    gate = _gate(version, now)
    if gate.state != Availability.PRESENT:
        return gate
    usage = version.get("usageControl")
    if isinstance(usage, str) and usage and usage != "Download":
        reason = f"Its creator has disabled downloads (usage control: {line(usage, 40)})."
        return Access(Availability.GATED, reason, requires="gated")
    return gate


def _gate(version: Mapping[str, Any], now: datetime) -> Access:
    paid = version.get("paidAccess")
    ends = [moment(version.get(name)) for name in ("earlyAccessEndsAt", "earlyAccessDeadline")]
    if isinstance(paid, Mapping):
        end = moment(paid.get("endsAt"))
        if paid.get("permanent") is True or end is None:
            reason = "Its creator sells access to it, without an end."
            return Access(Availability.GATED, reason, requires="purchase")
        return _early(end, now)
    if "paidAccess" not in version and version.get("availability") == "EarlyAccess":
        end = next((each for each in ends if each), None) or _counted(version)
        if end is None:
            reason = "It is in early access; Civitai does not tell until when."
            return Access(Availability.EARLY_ACCESS, reason, requires="early_access")
        return _early(end, now)
    end = next((each for each in (*ends, _counted(version)) if each), None)
    return _early(end, now) if end and "paidAccess" not in version else Access()


def _early(end: datetime, now: datetime) -> Access:
    if end <= now:
        return Access()
    return Access(Availability.EARLY_ACCESS, "It is in early access.", end, "early_access")


def _counted(version: Mapping[str, Any]) -> datetime | None:
    """The end of early access as it was told until 2024: days from the publication."""
    days = version.get("earlyAccessTimeFrame")
    began = moment(version.get("publishedAt")) or moment(version.get("createdAt"))
    if isinstance(days, bool) or not isinstance(days, int) or not 0 < days <= 3650 or began is None:
        return None
    return began + timedelta(days=days)


def remote_files(version: Mapping[str, Any], requires: str = "") -> list[RemoteFile]:
    """The version's files, each under its own id; exactly one of those with weights is primary.

    Download addresses are built from the ids, on the host that is asked: an announced one may name another
    host, none at all (`https://undefined/`, from the bulk endpoint), or be shared by several files. A file
    without an id gets its name as key.
    """
    version_key = identifier(version.get("id"))
    found: list[RemoteFile] = []
    for file in _objects(version.get("files")):
        read = _file(file, version_key, requires)
        if read is not None and all(read.key != each.key for each in found):
            found.append(read)
    chosen = _primary(found)
    return [replace(each, primary=each is chosen) for each in found]


def _file(file: Mapping[str, Any], version_key: str, requires: str) -> RemoteFile | None:
    key = identifier(file.get("id"))
    name = line(str(file.get("name") or "").replace("\\", "/").rpartition("/")[2], 300)
    if not (key or name) or not version_key:
        return None
    kind = line(file.get("type"), 60) or "Model"
    hashes = file.get("hashes")
    told = {
        line(name, 20): digest.strip()
        for name, digest in (hashes.items() if isinstance(hashes, Mapping) else ())
        if isinstance(digest, str) and re.fullmatch(r"[0-9A-Fa-f]{8,64}", digest.strip())
    }
    sha256 = told.get("SHA256", "").lower()
    metadata = file.get("metadata")
    # A linked VAE is a file of another model's version, which its address names.
    owner, query = _announced(file.get("downloadUrl"))
    return RemoteFile(
        key=key or name,
        url=download_url(owner or version_key, key, query),
        name=name or f"{version_key}-{key}",
        about=_bytes(file.get("sizeKB")),
        sha256=sha256 if len(sha256) == 64 else "",
        hashes=tuple(sorted(told.items())),
        role="weights" if kind in WEIGHTS_TYPES else kind.lower().replace(" ", "_"),
        primary=file.get("primary") is True,
        format=line(metadata.get("format"), 40) if isinstance(metadata, Mapping) else "",
        requires=requires,
    )


def _announced(url: object) -> tuple[str, str]:
    """The version and the query of an announced download address, where it has the shape of one."""
    if not isinstance(url, str) or len(url) > 2000:
        return "", ""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "", ""
    found = _ANNOUNCED.search(parts.path)
    if not found:
        return "", ""
    kept = [each for each in parts.query.split("&") if re.match(r"(type|format|size|fp|quantType)=", each)]
    query = "&".join(kept).replace(" ", "%20")
    fits = len(query) <= _LONGEST_QUERY and re.fullmatch(r"[\w.~%&=+-]*", query, re.ASCII)
    return identifier(found[1]), query if fits else ""


def _primary(files: list[RemoteFile]) -> RemoteFile | None:
    """The one that Civitai calls primary; of several or none, the first safetensors file with weights."""
    weights = [each for each in files if each.role == "weights"]
    for wanted in ([each for each in weights if each.primary], weights):
        sound = [each for each in wanted if each.name.lower().endswith(".safetensors")]
        if wanted:
            return (sound or wanted)[0]
    return None


def _bytes(size_kb: object) -> int | None:
    if isinstance(size_kb, bool) or not isinstance(size_kb, int | float) or not 0 <= size_kb < 2**40:
        return None
    return round(size_kb * 1024)


def _objects(value: object) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []
