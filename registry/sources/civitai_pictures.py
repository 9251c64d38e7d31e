"""What a picture on Civitai was made with: its parameters and the LoRAs in it, each with its weight.

`meta` is what the uploader's program wrote, passed on unchecked: A1111 and Forge (flat keys and
`<lora:NAME:WEIGHT>` in the prompt), its Additional Networks extension ("AddNet ..."), Civitai's generator
(`civitaiResources`, `additionalResources` with AIR names) and ComfyUI (a workflow as JSON text).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from registry.sources.civitai_comfy import read_workflow
from registry.sources.text import identifier, json_value, line, text

# Other spellings of the same fact -> the one that is kept.
_NAMES = {
    "prompt": ("prompt",),
    "negativePrompt": ("negativePrompt",),
    "steps": ("steps", "Steps"),
    "sampler": ("sampler", "Sampler"),
    "scheduler": ("scheduler", "Schedule type"),
    "cfgScale": ("cfgScale", "CFG scale"),
    "guidance": ("guidance", "Distilled CFG Scale"),
    "seed": ("seed", "Seed"),
    "Size": ("Size",),
    "clipSkip": ("clipSkip", "Clip skip"),
    "Model": ("Model",),
    "Model hash": ("Model hash",),
    "VAE": ("VAE",),
    "Denoising strength": ("Denoising strength", "denoise"),
    "Hires upscale": ("Hires upscale",),
    "Hires upscaler": ("Hires upscaler",),
    "Hires steps": ("Hires steps",),
}
_NUMBERS = {"steps", "cfgScale", "guidance", "seed", "clipSkip"}
_LORA_TAG = re.compile(r"<(?:lora|lyco|lycoris):([^:<>]{1,200})(?::([^<>]{0,100}))?>", re.IGNORECASE)
_LORA_TYPES = {"lora", "locon", "lycoris", "dora", "loha", "lokr"}
_ADDNET = re.compile(r"(?P<name>.+?)\((?P<hash>[0-9a-fA-F]{8,64})\)\Z")
_MOST_PICTURES = 50
_MOST_LORAS = 40


@dataclass(frozen=True, slots=True)
class UsedLora:
    """A LoRA in a picture: what is told of name, weight, hash (lower case) and Civitai version id."""

    name: str = ""
    weight: float | None = None
    hash: str = ""
    version: str = ""

    def as_dict(self) -> dict[str, Any]:
        told = {"name": self.name, "weight": self.weight, "hash": self.hash, "version": self.version}
        return {key: value for key, value in told.items() if value not in ("", None)}


def read_pictures(images: object) -> list[tuple[str, dict[str, Any]]]:
    """Address and parameters of each picture of a version; videos and sounds are left out.

    Parameters: the facts that the uploader's program told, under the names that A1111 gives them (`prompt`,
    `negativePrompt`, `steps`, `sampler`, `cfgScale`, `seed`, `Size`, `clipSkip`, `Model` ...), numbers as
    numbers, and `loras`: `[{name, weight, hash, version}]`.
    """
    found = []
    for image in images[:_MOST_PICTURES] if isinstance(images, list) else []:
        if not isinstance(image, Mapping) or image.get("type") not in {None, "image"}:
            continue
        if url := line(image.get("url"), 1000):
            found.append((url, read_parameters(image.get("meta"))))
    return found


def hides_parameters(version: Mapping[str, Any]) -> bool:
    """Whether pictures of the version have parameters that this answer does not show."""
    images = version.get("images")
    return any(
        isinstance(image, Mapping) and image.get("hasMeta") is True and "meta" not in image
        for image in (images if isinstance(images, list) else [])
    )


def read_parameters(meta: object) -> dict[str, Any]:
    """The parameters in one picture's `meta`; an empty object where it tells none."""
    if not isinstance(meta, Mapping):
        return {}
    inner = meta.get("meta")
    if isinstance(inner, Mapping) and "prompt" not in meta:
        # By model id the images endpoint nests the object once more: {id, meta: {...}}.
        meta = inner
    workflow = read_workflow(meta.get("comfy")) if meta.get("comfy") else None
    facts: dict[str, Any] = {}
    for name, spellings in _NAMES.items():
        value = next((meta[each] for each in spellings if meta.get(each) not in (None, "")), None)
        if value is None and workflow:
            value = workflow.facts.get(name)
        if value is None:
            continue
        if name in _NUMBERS:
            value = _number(value)
        elif isinstance(value, str):
            value = text(value, 5000)
        else:
            value = json_value(value) if isinstance(value, int | float) else None
        if value not in (None, ""):
            facts[name] = value
    used = _merged([*_loras(meta), *(UsedLora(name, weight) for name, weight in _of(workflow))])
    if used:
        facts["loras"] = [each.as_dict() for each in used[:_MOST_LORAS]]
    return facts


def lora_tags(prompt: object) -> list[UsedLora]:
    """`<lora:NAME:WEIGHT>` in a text, as A1111 reads it: without a weight 1, of two the first or `unet=`."""
    found = []
    for tag in _LORA_TAG.finditer(prompt if isinstance(prompt, str) else ""):
        weight: float | None = 1.0 if tag[2] is None else None
        for part in (tag[2] or "").split(":"):
            name, _, value = part.rpartition("=")
            if (number := _weight(value)) is not None and (weight is None or name.strip() == "unet"):
                weight = number
        if weight is not None:
            found.append(UsedLora(line(tag[1], 200), weight))
    return found


def without_tags(word: str) -> str:
    """A text without its `<lora:...>` tags."""
    return _LORA_TAG.sub("", word)


def _of(workflow: Any) -> list[tuple[str, float | None]]:
    return workflow.loras if workflow else []


def _loras(meta: Mapping[str, Any]) -> Iterator[UsedLora]:
    for each in _objects(meta.get("civitaiResources")):
        if _is_lora(each):
            version = identifier(each.get("modelVersionId"))
            yield UsedLora(line(each.get("modelName"), 200), _weight(each.get("weight")), "", version)
    for each in _objects(meta.get("additionalResources")):
        if _is_lora(each):
            name = line(each.get("name"), 200)
            air = re.search(r":civitai:\d+@(\d+)", name)
            weight = _weight(each.get("strength", each.get("weight")))
            yield UsedLora("" if air else name, weight, "", identifier(air[1]) if air else "")
    for each in _objects(meta.get("resources")):
        if _is_lora(each):
            name, digest = line(each.get("name"), 200), _digest(each.get("hash"))
            yield UsedLora(name, _weight(each.get("weight")), digest, identifier(each.get("modelVersionId")))
    yield from lora_tags(meta.get("prompt"))
    yield from _announced_hashes(meta)
    yield from _additional_networks(meta)


def _announced_hashes(meta: Mapping[str, Any]) -> Iterator[UsedLora]:
    """`hashes: {"lora:NAME": HASH}`, and A1111's own line "Lora hashes": "NAME: HASH, ..."."""
    hashes = meta.get("hashes")
    for key, value in hashes.items() if isinstance(hashes, Mapping) else ():
        kind, _, name = str(key).partition(":")
        if kind.lower() in _LORA_TYPES and name:
            yield UsedLora(line(name, 200), None, _digest(value))
    written = meta.get("Lora hashes")
    for part in written.strip('"').split(",") if isinstance(written, str) else ():
        name, _, value = part.rpartition(":")
        if name.strip() and _digest(value.strip()):
            yield UsedLora(line(name, 200), None, _digest(value.strip()))


def _additional_networks(meta: Mapping[str, Any]) -> Iterator[UsedLora]:
    """The sd-webui-additional-networks extension: "AddNet Model 1" with "AddNet Weight A 1" (the U-Net's)."""
    for key, value in meta.items():
        number = re.fullmatch(r"AddNet Model (\d{1,2})", str(key))
        told = _ADDNET.fullmatch(value.strip()) if number and isinstance(value, str) else None
        if number and told:
            weights = (meta.get(f"AddNet Weight{part} {number[1]}") for part in (" A", ""))
            weight = next((_weight(each) for each in weights if each is not None), None)
            yield UsedLora(line(told["name"], 200), weight, _digest(told["hash"]))


def _merged(mentions: list[UsedLora]) -> list[UsedLora]:
    """One entry for each LoRA: several programs write the same one down twice or more."""
    found: list[UsedLora] = []
    for each in mentions:
        for at, known in enumerate(found):
            if _same(known, each):
                weight = known.weight if known.weight is not None else each.weight
                found[at] = UsedLora(
                    known.name or each.name, weight, known.hash or each.hash, known.version or each.version
                )
                break
        else:
            found.append(each)
    return found


def _same(one: UsedLora, other: UsedLora) -> bool:
    if one.version and other.version:
        return one.version == other.version
    if one.hash and other.hash:
        return one.hash.startswith(other.hash) or other.hash.startswith(one.hash)
    return bool(one.name) and bare(one.name) == bare(other.name)


def bare(name: str) -> str:
    """A file's name as different programs write it: without folder, ending, blanks, signs and case."""
    stem = re.sub(r"\.(safetensors|ckpt|pt)\Z", "", re.split(r"[\\/]", name)[-1], flags=re.IGNORECASE)
    return "".join(sign for sign in stem.casefold() if sign.isalnum())


def _is_lora(resource: Mapping[str, Any]) -> bool:
    kind = resource.get("type")
    return isinstance(kind, str) and kind.casefold() in _LORA_TYPES


def _digest(value: object) -> str:
    return value.lower() if isinstance(value, str) and re.fullmatch(r"[0-9a-fA-F]{8,64}", value) else ""


def _number(value: object) -> int | float | None:
    if isinstance(value, str):
        try:
            value = int(value) if re.fullmatch(r"-?\d{1,20}", value.strip()) else float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return value if abs(value) < 10**20 else None


def _weight(value: object) -> float | None:
    """A weight that somebody may have used: zero is how grids switch a LoRA off."""
    number = _number(value)
    return float(number) if number is not None and 0 < abs(number) <= 5 else None


def _objects(value: object) -> list[Mapping[str, Any]]:
    return [item for item in value[:200] if isinstance(item, Mapping)] if isinstance(value, list) else []
