"""What an adapter's metadata says of its training: the declared base, the settings, the data and the
trigger words.

Keys: kohya-ss/sd-scripts and musubi-tuner (ss_*), Stability-AI/ModelSpec (modelspec.*), and what
`trainer_configs` reads of other programs. Every value is text that anyone may have edited: what does not
parse is left out, and nothing here fails a file or grows with it beyond a bound.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from .declared_base import DeclaredBase, declared_base
from .metadata_values import (
    bounded,
    file_name,
    flag_of,
    json_of,
    number_of,
    numbers_of,
    size_of,
    text_of,
)
from .own_hashes import is_hash_of_nothing, placeholder_hashes, stale_hash
from .trainer_configs import config_facts
from .trainers import methods_of, trainer_of, trainer_version
from .training_data import TrainingData, data_facts, read_data
from .trigger_words import trigger_words

_NUMBERS: dict[str, str] = {
    "ss_num_train_images": "images", "ss_num_train_items": "images",
    "ss_num_reg_images": "regularization_images",
    "ss_num_epochs": "epochs_planned",
    "ss_epoch": "epochs", "ss_steps": "steps", "ss_max_train_steps": "steps_planned",
    "ss_network_dim": "network_dim", "ss_network_alpha": "network_alpha",
    "ss_network_dropout": "network_dropout", "ss_clip_skip": "clip_skip", "ss_seed": "seed",
    "ss_total_batch_size": "batch_size", "ss_batch_size_per_device": "batch_size_per_device",
    "ss_gradient_accumulation_steps": "gradient_accumulation", "ss_lr_warmup_steps": "warmup_steps",
    "ss_noise_offset": "noise_offset", "ss_min_snr_gamma": "min_snr_gamma",
    "ss_max_token_length": "max_token_length", "ss_prior_loss_weight": "prior_loss_weight",
    "ss_scale_weight_norms": "scale_weight_norms", "ss_guidance_scale": "guidance_scale",
    "ss_discrete_flow_shift": "flow_shift",
    "ss_training_started_at": "started", "ss_training_finished_at": "finished",
}  # fmt: skip
_RATES: dict[str, str] = {
    "ss_learning_rate": "learning_rate",
    "ss_unet_lr": "unet_learning_rate",
    "ss_text_encoder_lr": "text_encoder_learning_rate",
}
_TEXTS: dict[str, str] = {
    "ss_output_name": "name", "ss_sd_model_name": "base_checkpoint",
    "ss_sd_model_hash": "base_checkpoint_autov1",
    "ss_new_sd_model_hash": "base_checkpoint_sha256", "ss_network_module": "network_module",
    "ss_optimizer": "optimizer", "ss_lr_scheduler": "lr_scheduler", "ss_mixed_precision": "mixed_precision",
    "ss_vae_name": "vae", "ss_loss_type": "loss_type", "ss_timestep_sampling": "timestep_sampling",
    "ss_training_comment": "comment", "modelspec.title": "title", "modelspec.author": "author",
    "modelspec.date": "date", "modelspec.license": "license", "modelspec.description": "description",
    "modelspec.usage_hint": "usage_hint", "modelspec.merged_from": "merged_from",
    "modelspec.prediction_type": "prediction_type", "modelspec.tags": "tags",
    "modelspec.timestep_range": "timestep_range",
}  # fmt: skip
_FLAGS: dict[str, str] = {
    "ss_zero_terminal_snr": "zero_terminal_snr",
    "ss_v_parameterization": "v_parameterization",
    "ss_full_fp16": "full_fp16",
    "ss_full_bf16": "full_bf16",
    "ss_fp8_base": "fp8_base",
}
_RESIZED = re.compile(
    r"(?:dimension is resized from (?P<plain>\S+) to (?P<to>\d+)"
    r"|dynamic resize with (?P<how>\w+): (?P<share>[\d.]+) from (?P<from>\S+?))(?: \(conv: \d+\))?(?:;|$)",
    re.IGNORECASE,
)
_FIRST_DATE, _LAST_DATE = date(2015, 1, 1), date(2100, 1, 1)


@dataclass(frozen=True, slots=True)
class TrainingReading:
    """The metadata read. `facts` holds only what was stated; `trigger_words` are `(word, source)`, surest
    first; `findings` are `(code, sentence)`.
    """

    declared: DeclaredBase | None
    trainer: str | None
    facts: dict[str, Any]
    trigger_words: list[tuple[str, str]]
    findings: list[tuple[str, str]] = field(default_factory=list)


def read_training(
    metadata: Mapping[str, str],
    learned: Mapping[str, object],
    *,
    autov3: str | None = None,
    header_length: int = 0,
) -> TrainingReading:
    """Read the metadata of a file whose own tensors hold the vectors of the tokens in `learned`.

    `autov3` is the file's own digest where it was computed: the hash that the metadata states is compared
    with it, unless the header of `header_length` bytes makes the two incomparable.
    """
    trainer = trainer_of(metadata)
    data = read_data(metadata)
    facts = {**_settings(metadata), **data_facts(metadata, data)}
    for name, value in config_facts(metadata).items():
        facts.setdefault(name, value)
    if "resolution" not in facts and (resolution := _resolution(metadata, data)) is not None:
        facts["resolution"] = resolution
    if (day := _trained_on(facts)) is not None:
        facts["trained_on"] = day.isoformat()
    named = {
        "trainer": trainer,
        "trainer_version": trainer_version(metadata),
        "methods": methods_of(metadata),
    }
    facts = {name: value for name, value in named.items() if value} | facts
    return TrainingReading(
        declared_base(metadata),
        trainer,
        facts,
        trigger_words(metadata, learned, data.folders, trainer),
        _doubts(metadata, autov3, header_length),
    )


def _settings(metadata: Mapping[str, str]) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for key, name in _TEXTS.items():
        if (text := text_of(metadata.get(key))) is not None and not is_hash_of_nothing(text):
            facts[name] = text
    if "base_checkpoint" in facts:
        facts["base_checkpoint"] = file_name(facts["base_checkpoint"])
    for key, name in _NUMBERS.items():
        if (number := number_of(metadata.get(key))) is not None:
            facts[name] = number
    for key, name in _RATES.items():
        if rates := numbers_of(text_of(metadata.get(key))):
            # One rate per text encoder; the largest stands for them.
            facts[name] = max(rates)
            if len(set(rates)) > 1:
                facts[f"{name}s"] = rates
    for key, name in _FLAGS.items():
        if flag_of(metadata.get(key)):
            facts[name] = True
    arguments = bounded(json_of(metadata.get("ss_network_args")))
    if isinstance(arguments, dict) and arguments:
        facts["network_args"] = arguments
    if "optimizer" in facts:
        facts |= _optimizer(facts["optimizer"])
    if (resized := _RESIZED.search(facts.get("comment", ""))) is not None:
        groups = resized.groupdict()
        found = {
            "from": number_of(groups["plain"] or groups["from"]),
            "to": number_of(groups["to"]),
            "method": groups["how"],
            "share": number_of(groups["share"]),
        }
        facts["resized"] = {name: value for name, value in found.items() if value is not None}
    return facts


def _optimizer(text: str) -> dict[str, Any]:
    """`bitsandbytes.optim.adamw.AdamW8bit(weight_decay=0.1)` -> its name and arguments (as text)."""
    called, bracket, inside = text.partition("(")
    found: dict[str, Any] = {"optimizer_name": called.strip().rpartition(".")[2][:120]}
    arguments: dict[str, str] = {}
    # A comma inside brackets belongs to a value: betas=(0.9, 0.99).
    for argument in re.split(r",(?![^(\[]*[)\]])", inside.strip().removesuffix(")")) if bracket else ():
        name, equals, value = argument.partition("=")
        if equals and len(arguments) < 20:
            arguments[name.strip()[:80]] = value.strip()[:200]
    return found | ({"optimizer_args": arguments} if arguments else {})


def _resolution(metadata: Mapping[str, str], data: TrainingData) -> list[int] | str | None:
    """Width and height in pixels; of several data sets the largest. Text that names no size stays text."""
    stated = text_of(metadata.get("ss_resolution"), 80) or text_of(metadata.get("modelspec.resolution"), 80)
    if (size := size_of(stated)) is not None:
        return size
    sizes = [size for one in data.datasets if (size := size_of(one.get("resolution"))) is not None]
    return max(sizes, key=lambda size: size[0] * size[1]) if sizes else stated


def _trained_on(facts: Mapping[str, Any]) -> date | None:
    """The day the training ended, else began, else that of the file's card."""
    for name in ("finished", "started"):
        moment = facts.get(name)
        if isinstance(moment, int | float) and 0 < moment < 4e9:
            day = datetime.fromtimestamp(moment, UTC).date()
            if _FIRST_DATE <= day <= _LAST_DATE:
                return day
    try:
        day = date.fromisoformat(str(facts.get("date", ""))[:10])
    except ValueError:
        return None
    return day if _FIRST_DATE <= day <= _LAST_DATE else None


def _doubts(metadata: Mapping[str, str], autov3: str | None, header_length: int) -> list[tuple[str, str]]:
    doubts = []
    if keys := placeholder_hashes(metadata):
        verb = (
            "is the hash of nothing; it identifies"
            if len(keys) == 1
            else "are hashes of nothing; they identify"
        )
        doubts.append(("placeholder_hash", f"{', '.join(keys)} {verb} no file."))
    if stale_hash(metadata, autov3, header_length):
        told = "sshs_model_hash is not the hash of these weights: another program saved them anew."
        doubts.append(("stale_hash", told))
    if any("\0" in key or "\0" in value for key, value in metadata.items()):
        doubts.append(("nul_in_metadata", "The metadata holds NUL characters."))
    return doubts
