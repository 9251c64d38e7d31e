"""Words for how a file was trained: names of stated facts, sources of trigger words."""

from __future__ import annotations

from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

# In the order in which a reader wants them.
FACTS: Final[dict[str, str | Promise]] = {
    "trainer": _("Trained with"),
    "base_checkpoint": _("Base checkpoint"),
    "base_checkpoint_sha256": _("SHA256 of the base checkpoint"),
    "base_checkpoint_autov1": _("AutoV1 of the base checkpoint"),
    "trainer_version": _("Version of the trainer"),
    "methods": _("Methods"),
    "trained_on": _("Trained on"),
    "distinct_images": _("Images"),
    "images": _("Images per epoch, repeats included"),
    "folders": _("Data folders"),
    "repeats": _("Repeats"),
    "regularization_images": _("Regularization images"),
    "resolution": _("Resolution"),
    "buckets": _("Resolution buckets"),
    "epochs": _("Epochs"),
    "epochs_planned": _("Epochs planned"),
    "steps": _("Steps"),
    "steps_planned": _("Steps planned"),
    "batch_size": _("Batch size"),
    "batch_size_per_device": _("Batch size per device"),
    "gradient_accumulation": _("Gradient accumulation"),
    "learning_rate": _("Learning rate"),
    "unet_learning_rate": _("Learning rate of the UNet"),
    "text_encoder_learning_rate": _("Learning rate of the text encoder"),
    "lr_scheduler": _("Scheduler"),
    "warmup_steps": _("Warm-up steps"),
    "optimizer": _("Optimizer as written"),
    "optimizer_name": _("Optimizer"),
    "optimizer_args": _("Optimizer arguments"),
    "network_module": _("Network module"),
    "network_dim": _("Network rank"),
    "network_alpha": _("Network alpha"),
    "network_args": _("Network arguments"),
    "network_dropout": _("Network dropout"),
    "clip_skip": _("Clip skip"),
    "noise_offset": _("Noise offset"),
    "min_snr_gamma": _("Min-SNR gamma"),
    "mixed_precision": _("Precision"),
    "prediction_type": _("Prediction type"),
    "v_parameterization": _("V-prediction"),
    "zero_terminal_snr": _("Zero terminal SNR"),
    "flow_shift": _("Flow shift"),
    "guidance_scale": _("Guidance scale"),
    "timestep_sampling": _("Timestep sampling"),
    "loss_type": _("Loss"),
    "seed": _("Seed"),
    "started": _("Started"),
    "finished": _("Finished"),
    "date": _("Date"),
    "name": _("Name in the file"),
    "title": _("Title"),
    "author": _("Author"),
    "license": _("License in the file"),
    "description": _("Description"),
    "usage_hint": _("Usage hint"),
    "merged_from": _("Merged from"),
    "comment": _("Comment"),
    "family": _("Base family"),
    "kind": _("Kind"),
    "algorithm": _("Algorithm"),
    "weight_decomposed": _("DoRA"),
    "dialect": _("Key dialect"),
    "modules": _("Modules"),
    "rank": _("Rank"),
    "declared_base": _("Base named in the file"),
}
_ORDER: Final = {name: place for place, name in enumerate(FACTS)}
# Seconds since 1970.
TIMES: Final = frozenset({"started", "finished"})
SHOWN_ELSEWHERE: Final = frozenset({"top_tags", "distinct_tags", "tag_uses"})

# By how the source's name starts; the first that fits counts.
_SOURCES: Final[tuple[tuple[str, str | Promise], ...]] = (
    ("author", _("the author")),
    ("by_hand", _("a person here")),
    ("modelspec.trigger", _("the author, in the file")),
    ("learned_token", _("a learned token in the file")),
    ("ai-toolkit trigger_word", _("the trainer's setting")),
    ("ss_datasets prefix", _("what stands before every caption")),
    ("ss_tag_frequency folder", _("the name of a training folder")),
    ("ss_tag_frequency", _("a tag on nearly every picture")),
    ("modelspec", _("a note in the file")),
    ("ss_training_comment", _("a note in the file")),
    ("trained_words", _("the author, in the file")),
    ("ss_trigger_words", _("the author, in the file")),
    ("trigger_", _("the author, in the file")),
    ("activation text", _("the author, in the file")),
    ("instance_prompt", _("the author, in the file")),
)
STANDINGS: Final[dict[str, str | Promise]] = {
    "good": _("in range"),
    "low": _("below"),
    "high": _("above"),
    "noted": _("noted"),
    "not_stated": _("not stated"),
}


def standing(code: str) -> str:
    """How a number stands to its usual range."""
    return str(STANDINGS.get(code, code))


def fact(name: str) -> str:
    """The label of a stated fact; one that is not known shows its own name."""
    return str(FACTS.get(name, name.replace("_", " ")))


def order(name: str) -> int:
    """The place of a fact among the others; unknown ones come last."""
    return _ORDER.get(name, len(_ORDER))


def source(code: str) -> str:
    """Who says that a word is a trigger word."""
    return str(next((words for start, words in _SOURCES if code.startswith(start)), code))
