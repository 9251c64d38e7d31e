"""Reads what a ComfyUI workflow, as Civitai passes it on, says about LoRAs, sampler and prompt."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

# Real ones reach some hundred KiB.
_LARGEST = 2 * 2**20
_MOST_NODES = 2000
_SAMPLERS = {
    "steps": ("steps",),
    "cfgScale": ("cfg",),
    "seed": ("seed", "noise_seed"),
    "sampler": ("sampler_name",),
    "scheduler": ("scheduler",),
}


@dataclass(slots=True)
class Workflow:
    """`loras`: (name, weight) of each that is switched on; `facts` under A1111's names."""

    loras: list[tuple[str, float | None]] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)


def read_workflow(comfy: object) -> Workflow | None:
    """The graph in `meta.comfy` (JSON text or an object, `{prompt: {id: node}, workflow: ...}`), or None.

    Only the executed graph (`prompt`) is read: there every input has its name. A node whose inputs are links
    to other nodes tells nothing itself.
    """
    if isinstance(comfy, str):
        if len(comfy) > _LARGEST:
            return None
        try:
            comfy = json.loads(comfy)
        except (ValueError, RecursionError):
            return None
    graph = comfy.get("prompt", comfy) if isinstance(comfy, Mapping) else None
    if not isinstance(graph, Mapping):
        return None
    found = Workflow()
    for node in list(graph.values())[:_MOST_NODES]:
        inputs = node.get("inputs") if isinstance(node, Mapping) else None
        kind = node.get("class_type") if isinstance(node, Mapping) else None
        if isinstance(inputs, Mapping) and isinstance(kind, str):
            found.loras.extend(_loras(kind, inputs))
            _facts(kind, inputs, found.facts)
    return found if found.loras or found.facts else None


def _loras(kind: str, inputs: Mapping[str, Any]) -> Iterator[tuple[str, float | None]]:
    """LoraLoader, LoraLoaderModelOnly and nodes of several: numbered inputs, or an object for each LoRA."""
    if "lora" not in kind.lower():
        return
    for key, value in inputs.items():
        if isinstance(value, Mapping) and isinstance(value.get("lora"), str):
            # Power Lora Loader (rgthree): lora_1: {on, lora, strength}.
            if value.get("on", True) is True:
                yield _named(value["lora"], value.get("strength"))
            continue
        numbered = re.fullmatch(r"lora_name(_?\d{0,2})", str(key))
        if numbered and isinstance(value, str) and value != "None":
            number = numbered[1]
            names = ("strength_model", "model_str", "lora_wt", "strength", "model_weight")
            weight = next((inputs[name + number] for name in names if name + number in inputs), None)
            yield _named(value, weight)


def _named(name: str, weight: object) -> tuple[str, float | None]:
    sound = isinstance(weight, int | float) and not isinstance(weight, bool) and 0 < abs(weight) <= 5
    return " ".join(name[:300].split()), float(weight) if sound else None  # type: ignore[arg-type]


def _facts(kind: str, inputs: Mapping[str, Any], facts: dict[str, Any]) -> None:
    if "sampler" in kind.lower():
        for name, spellings in _SAMPLERS.items():
            value = next((inputs[each] for each in spellings if each in inputs), None)
            if isinstance(value, str | int | float) and name not in facts:
                facts[name] = value
    layer = inputs.get("stop_at_clip_layer")
    if kind == "CLIPSetLastLayer" and isinstance(layer, int) and layer < 0:
        facts.setdefault("clipSkip", -layer)
    words = inputs.get("text")
    if kind == "CLIPTextEncode" and isinstance(words, str) and words.strip():
        facts.setdefault("prompt", words)
    checkpoint = inputs.get("ckpt_name", inputs.get("unet_name"))
    if isinstance(checkpoint, str):
        facts.setdefault("Model", checkpoint)
