"""What each endpoint of Civitai makes of a model: keys left out, addresses, shapes of permissions.

After civitai/civitai @ ebed661 as `../shared/facts/civitai_api.md` has it, sections 2 to 5.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

VERSION_ONLY = {
    "trainingStatus": None,
    "trainingDetails": None,
    "uploadType": "Created",
    "licensingFee": None,
}
AIR_TYPES = {"LORA": "lora", "LoCon": "lycoris", "DoRA": "dora"}


def list_item(model: Mapping[str, Any], host: str, uses: str = "list") -> dict[str, Any]:
    """An item of GET /models: pictures without meta; `files: []` where the model is archived."""
    item = {key: value for key, value in model.items() if key != "modelVersions"}
    item["allowCommercialUse"] = commercial_use(model.get("allowCommercialUse"), uses)
    archived = model.get("mode") == "Archived"
    item["modelVersions"] = []
    for version in model["modelVersions"]:
        entry = {
            key: value
            for key, value in version.items()
            if key not in {"files", "images", "usageControl", "status", "createdAt"}
        }
        entry["files"] = [] if archived else files(version, host)
        entry["images"] = [] if model.get("mode") == "TakenDown" else images(version, meta=False)
        if not archived:
            entry["downloadUrl"] = f"{host}/api/download/models/{version['id']}"
        item["modelVersions"].append(entry)
    return item


def detail(model: Mapping[str, Any], host: str, uses: str = "list") -> dict[str, Any]:
    """GET /models/ID: what is null or empty in a version is left out, `status` and `covered` are added."""
    item = list_item(model, host, uses)
    by_id = {version["id"]: version for version in model["modelVersions"]}
    item["baseModels"] = sorted({str(each.get("baseModel")) for each in by_id.values()})
    item["modelVersions"] = [
        {key: value for key, value in entry.items() if value not in (None, [], {})}
        | {
            "status": by_id[entry["id"]].get("status", "Published"),
            "createdAt": by_id[entry["id"]].get("createdAt"),
            "covered": False,
        }
        for entry in item["modelVersions"]
    ]
    return item


def version_answer(model: Mapping[str, Any], version: Mapping[str, Any], host: str) -> dict[str, Any]:
    """GET /model-versions/ID and by-hash: no permissions, tags, creator; at most ten pictures, with meta."""
    told = {
        key: value
        for key, value in version.items()
        if key not in {"files", "images", "availability", "earlyAccessDeadline", "index", "flags", "vaeId"}
    }
    about = {name: model.get(name) for name in ("name", "type", "nsfw", "poi")}
    if model.get("mode"):
        about["mode"] = model["mode"]
    kind = AIR_TYPES.get(str(model.get("type")), "unknown")
    return (
        VERSION_ONLY
        | told
        | {
            "modelId": model["id"],
            "air": f"urn:air:sd1:{kind}:civitai:{model['id']}@{version['id']}",
            "model": about,
            "files": files(version, host, primary_false=True),
            "images": images(version, meta=True)[:10],
            "downloadUrl": f"{host}/api/download/models/{version['id']}",
        }
    )


def mini(model: Mapping[str, Any], version: Mapping[str, Any], host: str, *, login: bool) -> dict[str, Any]:
    """GET /model-versions/mini/ID, the only one that tells whether a login is needed."""
    first: dict[str, Any] = next((each for each in version["files"] if each.get("primary")), {})
    return {
        "air": f"urn:air:sd1:lora:civitai:{model['id']}@{version['id']}",
        "versionName": version["name"],
        "modelName": model["name"],
        "baseModel": version.get("baseModel"),
        "availability": "Public",
        "publishedAt": version.get("publishedAt"),
        "size": first.get("sizeKB"),
        "fileType": first.get("type"),
        "fileName": first.get("name"),
        "hashes": first.get("hashes", {}),
        "downloadUrls": [f"{host}/api/download/models/{version['id']}"],
        "format": first.get("metadata", {}).get("format"),
        "requireAuth": login,
        "checkPermission": False,
    }


def files(version: Mapping[str, Any], host: str, *, primary_false: bool = False) -> list[dict[str, Any]]:
    """The files; those that are not primary have addresses by type and format, which two may share."""
    found = []
    for file in version.get("files") or []:
        told = {key: value for key, value in file.items() if key not in {"body", "version"}}
        # A linked VAE belongs to another model's version.
        address = f"{host}/api/download/models/{file.get('version', version['id'])}"
        if file.get("primary"):
            told["downloadUrl"] = address
        else:
            metadata = file.get("metadata") or {}
            pairs = [("type", file.get("type")), *((k, metadata.get(k)) for k in ("format", "size", "fp"))]
            query = "&".join(f"{key}={quote(str(value))}" for key, value in pairs if value)
            told["downloadUrl"] = f"{address}?{query}"
            if primary_false:
                told["primary"] = False
            else:
                told.pop("primary", None)
        found.append(told)
    return found


def images(version: Mapping[str, Any], *, meta: bool) -> list[dict[str, Any]]:
    found = []
    for image in version.get("images") or []:
        told = {key: value for key, value in image.items() if key not in {"meta", "body"}}
        told["hasMeta"] = bool(image.get("meta"))
        if meta:
            told["meta"] = image.get("meta")
        found.append(told)
    return found


def commercial_use(uses: Any, shape: str) -> Any:
    """The permission in one of its four shapes on the wire: list, postgres, ladder, words."""
    if not isinstance(uses, list) or shape == "list":
        return uses
    if shape == "postgres":
        return "{" + ",".join(uses) + "}"
    if shape == "ladder":
        ladder = ("Image", "RentCivit", "Rent", "Sell")
        return max(uses, key=ladder.index, default="None")
    return ",".join(uses)
