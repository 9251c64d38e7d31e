"""What an adapter's metadata says of its training: the declared base, the settings, the data and the
trigger words.

Keys: kohya-ss/sd-scripts and musubi-tuner (ss_*), Stability-AI/ModelSpec (modelspec.*), ostris/ai-toolkit
(software, training_info), Nerogar/OneTrainer (ot_*), huggingface/diffusers (lora_adapter_metadata). Every
value is text that anyone may have edited: what does not parse stays text, and nothing here fails a file.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# What sd-scripts, musubi-tuner and AI-toolkit write as ss_base_model_version, and ModelSpec as architecture.
_BASE_NAMES: list[tuple[re.Pattern[str], str]] = [
    (re.compile(pattern), family)
    for pattern, family in (
        (r"chroma(_radiance)?", "chroma"),
        (r"flux-?2[-_.]?klein[-_]4b|flux_2_klein_4b|flux\.2-klein-4b", "flux2_klein_4b"),
        (r"flux-?2[-_.]?klein[-_]9b|flux_2_klein_9b|flux\.2-klein-9b", "flux2_klein_9b"),
        (r"flux_?2(_dev)?|flux\.2-dev", "flux2_dev"),
        (r"flux1?|flux[._-]1.*|flux_kontext|flux-1-(dev|schnell)", "flux1"),
        (r"sdxl_base.*|sdxl(_1\.0)?|sdxl_.*|stable-diffusion-xl-v1-base|xl-turbo.*", "sdxl"),
        (r"stable-diffusion-xl-v1-refiner", "sdxl_refiner"),
        (r"ssd-?1b|segmind.*ssd.*", "ssd1b"),
        (r"sd_v1(_v)?|sd_1\.5|sd1\.?5?|stable-diffusion-v1.*", "sd1"),
        (r"sd_v2(_v)?|sd_2\.[01]|sd2.*|stable-diffusion-v2.*", "sd2"),
        (r"5-medium|stable-diffusion-3-5-medium|sd3\.5[-_]medium", "sd35_medium"),
        (r"5-large|stable-diffusion-3-5-large|sd3\.5[-_]large", "sd35_large"),
        (r"medium|sd_3|sd3|stable-diffusion-(3|v3)-medium", "sd3_medium"),
        (r"hunyuan_video_1_5|hunyuan-video-1\.5", "hunyuan_video_15"),
        (r"hunyuan[-_]video|framepack", "hunyuan_video"),
        (r"hunyuan-image-2\.1|hunyuan_image.*", "hunyuan_image"),
        (r"wan_2\.2_5b", "wan_5b"),
        (r"wan.*14b.*", "wan_14b"),
        (r"wan.*1\.3b.*", "wan_1_3b"),
        (r"qwen[-_]image.*", "qwen_image"),
        (r"z_?-?image.*", "z_image"),
        (r"lumina-?2", "lumina2"),
        (r"anima(-preview)?", "anima"),
        (r"krea-?2", "krea2"),
        (r"ideogram-?4", "ideogram4"),
        (r"kandinsky-?5", "kandinsky5"),
        (r"hidream.*", "hidream"),
        (r"omnigen2", "omnigen2"),
        (r"pixart.*", "pixart"),
        (r"ltx2", "ltx2"),
        (r"stable-cascade.*", "cascade"),
        (r"stable-video-diffusion.*", "svd"),
        (r"toybox(-v?\d+)?|kura-toybox.*", "toybox"),
    )
]  # fmt: skip
_BASE_KEYS = ("ss_base_model_version", "modelspec.architecture", "ss_model_type")
_EMPTY_SHA256 = "e3b0c44298fc"
_NUMBERS: dict[str, str] = {
    "ss_num_train_images": "images", "ss_num_reg_images": "regularization_images",
    "ss_num_epochs": "epochs_planned",
    "ss_epoch": "epochs", "ss_steps": "steps", "ss_max_train_steps": "steps_planned",
    "ss_learning_rate": "learning_rate", "ss_unet_lr": "unet_learning_rate",
    "ss_text_encoder_lr": "text_encoder_learning_rate", "ss_network_dim": "network_dim",
    "ss_network_alpha": "network_alpha", "ss_clip_skip": "clip_skip", "ss_seed": "seed",
    "ss_total_batch_size": "batch_size", "ss_noise_offset": "noise_offset",
    "ss_min_snr_gamma": "min_snr_gamma",
    "ss_training_started_at": "started", "ss_training_finished_at": "finished",
}  # fmt: skip
_TEXTS: dict[str, str] = {
    "ss_output_name": "name", "ss_sd_model_name": "base_checkpoint",
    "ss_sd_model_hash": "base_checkpoint_autov1",
    "ss_new_sd_model_hash": "base_checkpoint_sha256", "ss_network_module": "network_module",
    "ss_optimizer": "optimizer", "ss_lr_scheduler": "lr_scheduler", "ss_mixed_precision": "mixed_precision",
    "ss_training_comment": "comment", "modelspec.title": "title", "modelspec.author": "author",
    "modelspec.date": "date", "modelspec.license": "license", "modelspec.description": "description",
    "modelspec.usage_hint": "usage_hint", "modelspec.merged_from": "merged_from",
    "modelspec.prediction_type": "prediction_type",
}  # fmt: skip
_MOST_WORDS = 10
_MOST_TAGS = 20
_MOST_TEXT = 2000
# Words that a folder or trainer leaves in the trigger's place.
_PLACEHOLDERS = frozenset(
    {"", "trigger", "none", "null", "img", "image", "images", "data", "dataset", "train"}
)


@dataclass(frozen=True, slots=True)
class DeclaredBase:
    """What the metadata calls the base model: `value` under key `source`, and the family it names, if we
    know it.
    """

    value: str
    source: str
    family: str | None

    def as_dict(self) -> dict[str, str | None]:
        return {"value": self.value, "source": self.source, "family": self.family}


@dataclass(frozen=True, slots=True)
class TrainingReading:
    """The metadata read. `facts` holds only what was stated; `trigger_words` are `(word, source)`, surest
    first.
    """

    declared: DeclaredBase | None
    trainer: str | None
    facts: dict[str, Any]
    trigger_words: list[tuple[str, str]]
    findings: list[tuple[str, str]] = field(default_factory=list)


def read_training(metadata: Mapping[str, str], learned: Mapping[str, object]) -> TrainingReading:
    """Read the metadata of a file whose own tensors hold the vectors of the tokens in `learned`."""
    trainer = _trainer(metadata)
    tags = _tags(metadata)
    facts: dict[str, Any] = {}
    if trainer:
        facts["trainer"] = trainer
    for key, name in _TEXTS.items():
        if (text := _text(metadata.get(key))) is not None:
            facts[name] = text[:_MOST_TEXT]
    for key, name in _NUMBERS.items():
        if (number := _number(metadata.get(key))) is not None:
            facts[name] = number
    if (
        resolution := _text(metadata.get("ss_resolution") or metadata.get("modelspec.resolution"))
    ) is not None:
        facts["resolution"] = _resolution(resolution)
    arguments = _json(metadata.get("ss_network_args"))
    if isinstance(arguments, dict) and arguments:
        facts["network_args"] = {str(k): v for k, v in arguments.items()}
    folders = _folders(metadata)
    if folders:
        facts["folders"] = folders
    if tags:
        facts["top_tags"] = [{"tag": tag, "count": count} for tag, count in tags.most_common(_MOST_TAGS)]
        facts["distinct_tags"] = len(tags)
    information = _json(metadata.get("training_info"))
    if isinstance(information, dict):
        for theirs, ours in (("step", "steps"), ("epoch", "epochs")):
            value = information.get(theirs)
            if isinstance(value, int | float) and not isinstance(value, bool):
                facts.setdefault(ours, value)
    return TrainingReading(
        _declared(metadata), trainer, facts, _words(metadata, learned, folders, tags), _doubts(metadata)
    )


def family_named(text: str) -> str | None:
    """The family that a base model's name in metadata means, or None."""
    name = text.strip().lower().partition("/")[0]
    return next((family for pattern, family in _BASE_NAMES if pattern.fullmatch(name)), None)


def _declared(metadata: Mapping[str, str]) -> DeclaredBase | None:
    stated = [(key, text) for key in _BASE_KEYS if (text := _text(metadata.get(key))) is not None]
    for key, text in stated:
        if (family := family_named(text)) is not None:
            return DeclaredBase(text[:200], key, family)
    if metadata.get("ss_v2") == "True":
        return DeclaredBase("True", "ss_v2", "sd2")
    return DeclaredBase(stated[0][1][:200], stated[0][0], None) if stated else None


def _trainer(metadata: Mapping[str, str]) -> str | None:
    software = _json(metadata.get("software"))
    if isinstance(software, dict) and isinstance(software.get("name"), str):
        return str(software["name"])[:80]
    if any(key.startswith("ot_") for key in metadata):
        return "OneTrainer"
    module = metadata.get("ss_network_module", "")
    if module.startswith(("lycoris.", "locon.")):
        return "sd-scripts with LyCORIS"
    if module.startswith("networks."):
        return "sd-scripts"
    return "diffusers" if "lora_adapter_metadata" in metadata else None


def _words(
    metadata: Mapping[str, str],
    learned: Mapping[str, object],
    folders: list[dict[str, Any]],
    tags: Counter[str],
) -> list[tuple[str, str]]:
    """Trigger words, surest source first: what the author states, learned tokens, data folders, constant
    tags.
    """
    words: list[tuple[str, str]] = []
    if (phrase := _text(metadata.get("modelspec.trigger_phrase"))) is not None:
        words.append((phrase, "modelspec.trigger_phrase"))
    words += [(token, "learned_token") for token in learned]
    words += [(folder["concept"], "ss_tag_frequency folder") for folder in folders]
    if tags:
        # A tag on (nearly) every picture is what the pictures have in common. Where the number of pictures is
        # not stated, the most frequent tag stands for it.
        stated = [folder.get("images", 0) for folder in folders]
        most = sum(stated) if all(stated) and stated else tags.most_common(1)[0][1]
        words += [(tag, "ss_tag_frequency") for tag, count in tags.most_common(3) if count >= 0.95 * most]
    seen: set[str] = set()
    kept = []
    for word, source in words:
        plain = word.strip()
        if plain.lower() not in seen and plain.lower() not in _PLACEHOLDERS:
            seen.add(plain.lower())
            kept.append((plain[:200], source))
    return kept[:_MOST_WORDS]


def _doubts(metadata: Mapping[str, str]) -> list[tuple[str, str]]:
    doubts = []
    for key in ("sshs_model_hash", "modelspec.hash_sha256"):
        if metadata.get(key, "").lower().removeprefix("0x").startswith(_EMPTY_SHA256):
            doubts.append(("placeholder_hash", f"{key} is the hash of nothing; it identifies no file."))
    if any("\0" in key or "\0" in value for key, value in metadata.items()):
        doubts.append(("nul_in_metadata", "The metadata holds NUL characters."))
    return doubts


def _tags(metadata: Mapping[str, str]) -> Counter[str]:
    """Tag -> count over all data folders; whatever is no count of a tag is left out."""
    counts: Counter[str] = Counter()
    folders = _json(metadata.get("ss_tag_frequency"))
    for tags in folders.values() if isinstance(folders, dict) else ():
        for tag, count in tags.items() if isinstance(tags, dict) else ():
            if isinstance(count, int) and not isinstance(count, bool) and count > 0:
                counts[str(tag).strip()] += count
    return counts


def _folders(metadata: Mapping[str, str]) -> list[dict[str, Any]]:
    """Data folders named `<repeats>_<concept>`: concept, repeats and, where stated, the number of images."""
    named: dict[str, Any] = {}
    for key in ("ss_tag_frequency", "ss_dataset_dirs"):
        value = _json(metadata.get(key))
        if isinstance(value, dict):
            named |= value
    found = []
    for name, value in list(named.items())[:50]:
        repeats, underscore, concept = str(name).partition("_")
        if not underscore or not repeats.isdecimal():
            continue
        entry: dict[str, Any] = {"concept": concept, "repeats": int(repeats[:9])}
        if isinstance(value, dict) and isinstance(value.get("img_count"), int):
            entry["images"] = value["img_count"]
        found.append(entry)
    return found


def _text(value: str | None) -> str | None:
    """A stated text; sd-scripts writes what is missing as the word None."""
    return None if value is None or value.strip() in ("", "None", "null") else value.strip()


def _number(value: str | None) -> int | float | None:
    try:
        number = float(value) if value is not None else math.nan
    except ValueError:
        return None
    if not math.isfinite(number):
        return None
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


def _resolution(text: str) -> list[int] | str:
    sizes = re.findall(r"\d{2,5}", text)
    return [int(size) for size in sizes[:2]] if sizes else text[:80]


def _json(value: str | None) -> Any:
    """The JSON in a metadata value, or None where it is none."""
    if not value:
        return None
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return None
