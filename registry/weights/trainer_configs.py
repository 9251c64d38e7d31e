"""Training settings that programs other than sd-scripts keep in objects of their own.

Nerogar/OneTrainer (`ot_config`, its TrainConfig as JSON), ostris/ai-toolkit (`training_info`, `name`),
bghira/SimpleTuner (`global_step`, `modelspec.comment`), PEFT configurations as huggingface/diffusers flattens
them (`lora_adapter_metadata`), cloneofsimo/lora (`unet`, `unet:0:rank`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .metadata_values import (
    bounded,
    file_name,
    json_of,
    mapping_of,
    number_of,
    numbers_of,
    printable,
    text_of,
)

_ONE_TRAINER_NUMBERS: dict[str, str] = {
    "learning_rate": "learning_rate", "epochs": "epochs_planned", "batch_size": "batch_size",
    "gradient_accumulation_steps": "gradient_accumulation", "lora_rank": "network_dim",
    "lora_alpha": "network_alpha", "offset_noise_weight": "noise_offset",
    "embedding_learning_rate": "embedding_learning_rate", "learning_rate_warmup_steps": "warmup_steps",
}  # fmt: skip
_ONE_TRAINER_TEXTS: dict[str, str] = {
    "learning_rate_scheduler": "lr_scheduler", "train_dtype": "mixed_precision",
    "peft_type": "network_module", "model_type": "model_type",
}  # fmt: skip
# The PEFT settings that say what was trained and how strongly; the rest is how it was run.
_PEFT = (
    "r",
    "lora_alpha",
    "target_modules",
    "exclude_modules",
    "rank_pattern",
    "alpha_pattern",
    "use_dora",
    "use_rslora",
    "lora_bias",
    "init_lora_weights",
)
_DENOISERS = ("transformer", "unet", "")
_ADAPTIVE_ARGUMENTS = 20


def config_facts(metadata: Mapping[str, str]) -> dict[str, Any]:
    """What these objects state, under the names of the `training` object."""
    facts: dict[str, Any] = {}
    for found in (_one_trainer(metadata), _ai_toolkit(metadata), _peft(metadata), _pti(metadata)):
        facts = found | facts
    if (step := number_of(metadata.get("global_step"))) is not None:
        facts.setdefault("steps", step)
    if (comment := text_of(metadata.get("modelspec.comment"))) is not None:
        facts.setdefault("comment", comment)
    return facts


def _ai_toolkit(metadata: Mapping[str, str]) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    information = mapping_of(metadata.get("training_info"))
    for theirs, ours in (("step", "steps"), ("epoch", "epochs")):
        if (number := number_of(information.get(theirs))) is not None:
            facts[ours] = number
    if "software" in metadata:
        for key in ("name", "version"):
            if (text := text_of(metadata.get(key), 200)) is not None:
                facts["name" if key == "name" else "adapter_version"] = text
    return facts


def _one_trainer(metadata: Mapping[str, str]) -> dict[str, Any]:
    config = mapping_of(metadata.get("ot_config"))
    facts: dict[str, Any] = {}
    for theirs, ours in _ONE_TRAINER_NUMBERS.items():
        if (number := number_of(config.get(theirs))) is not None:
            facts[ours] = number
    for theirs, ours in _ONE_TRAINER_TEXTS.items():
        if isinstance(text := config.get(theirs), str) and text:
            facts[ours] = printable(text, 120)
    if isinstance(base := config.get("base_model_name"), str) and base:
        facts["base_checkpoint"] = printable(file_name(base), 200)
    for part in ("unet", "transformer", "prior"):
        if (rate := _part_rate(config.get(part))) is not None:
            facts["unet_learning_rate"] = rate
    encoders = [_part_rate(config.get(f"text_encoder{n}")) for n in ("", "_2", "_3", "_4")]
    rates = [rate for rate in encoders if rate is not None]
    if rates:
        facts["text_encoder_learning_rate"] = max(rates)
    # "512,768" is a list of sizes to train at, "768x512" one size.
    if isinstance(resolution := config.get("resolution"), str):
        sides = [int(side) for side in re.findall(r"\d{2,5}", resolution[:200])]
        if "x" in resolution and "," not in resolution:
            facts["resolution"] = sides[:2]
        elif sides:
            facts["resolution"] = [max(sides)] * 2
    optimizer = config.get("optimizer")
    if isinstance(optimizer, dict) and isinstance(optimizer.get("optimizer"), str):
        facts["optimizer"] = facts["optimizer_name"] = printable(optimizer["optimizer"], 120)
        arguments = {
            printable(str(key), 80): value
            for key, value in optimizer.items()
            if key not in ("optimizer", "__version") and isinstance(value, int | float) and value is not False
        }
        facts["optimizer_args"] = bounded(dict(list(arguments.items())[:_ADAPTIVE_ARGUMENTS]))
    return {name: value for name, value in facts.items() if value not in ([], {}, "")}


def _part_rate(part: Any) -> int | float | None:
    if not isinstance(part, dict) or part.get("train") is False:
        return None
    return number_of(part.get("learning_rate"))


def _peft(metadata: Mapping[str, str]) -> dict[str, Any]:
    """Per component the settings of PEFT's LoraConfig; rank and alpha of the denoiser as the file's own."""
    components: dict[str, dict[str, Any]] = {}
    for key, value in list(mapping_of(metadata.get("lora_adapter_metadata")).items())[:500]:
        component, _, name = str(key).rpartition(".")
        if name in _PEFT and value not in (None, {}, [], False):
            components.setdefault(printable(component, 80), {})[name] = bounded(value)
    if not components:
        return {}
    facts: dict[str, Any] = {"adapter_configs": dict(list(components.items())[:8])}
    main = next((components[name] for name in _DENOISERS if name in components), {})
    for theirs, ours in (("r", "network_dim"), ("lora_alpha", "network_alpha")):
        if (number := number_of(main.get(theirs))) is not None:
            facts[ours] = number
    return facts


def _pti(metadata: Mapping[str, str]) -> dict[str, Any]:
    """cloneofsimo/lora states the classes it replaced and a rank per module."""
    facts: dict[str, Any] = {}
    ranks = numbers_of(metadata.get("unet:0:rank") or metadata.get("text_encoder:0:rank") or "")
    if ranks:
        facts["network_dim"] = ranks[0]
    for part in ("unet", "text_encoder"):
        classes = json_of(metadata.get(part))
        if isinstance(classes, list) and classes:
            facts.setdefault("target_classes", {})[part] = sorted(str(bounded(c)) for c in classes[:20])
    return facts
