"""Fine-tunes and variants that have the very layers of their family: what a file's metadata hints at.

Pony, Illustrious, NoobAI and the like share every shape with SDXL, so this is never a decision: each answer
names its evidence and how strong that is. A word in a name may be about the picture, not about the checkpoint
(a LoRA of a pony), and everything in a header can be edited.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from .modules import ModuleFacts

# Strongest first.
TENSORS, CHECKPOINT, STATED, NAMED, TAGS, SETTINGS = (
    "tensors", "checkpoint_hash", "stated", "named", "tags", "settings",
)  # fmt: skip
STRENGTHS = (TENSORS, CHECKPOINT, STATED, NAMED, TAGS, SETTINGS)


@dataclass(frozen=True, slots=True)
class SubFamily:
    """A likely fine-tune or variant: its name, what says so, and how strong that is (one of `STRENGTHS`)."""

    name: str
    evidence: str
    strength: str


@dataclass(frozen=True, slots=True)
class _Word:
    name: str
    families: frozenset[str]
    pattern: re.Pattern[str]


def _words(families: str, *rows: tuple[str, str]) -> list[_Word]:
    return [
        _Word(name, frozenset(families.split()), re.compile(pattern, re.IGNORECASE)) for name, pattern in rows
    ]


_START, _END = r"(?<![a-z])", r"(?![a-z])"
# Words that a checkpoint's or an adapter's name has; the more particular first.
_NAMES: list[_Word] = [
    *_words("sdxl ssd1b",
            ("Kolors", "kolors"),
            ("NoobAI", rf"{_START}noob(?:[ _-]?ai|[ _-]?xl|v?\d|{_END})"),
            ("Illustrious", rf"illustrious|{_START}il(?:xl)?{_END}|{_START}wai[ _-]?(?:nsfw|illustrious)"),
            ("Pony", rf"pony|{_START}pdxl"),
            ("Animagine", "animagine"),
            ("Playground", "playground"),
            ("Vega", rf"segmind[ _-]?vega|{_START}vega{_END}")),
    *_words("flux1",
            ("FLUX.1 Kontext", "kontext"),
            ("FLUX.1 Krea", rf"{_START}krea{_END}"),
            ("FLUX.1 Schnell", rf"{_START}schnell{_END}"),
            ("FLUX.1 Fill", rf"flux.{{0,8}}{_START}fill{_END}")),
    *_words("auraflow", ("Pony V7", rf"{_START}pony[ _-]?v?7|{_START}pony")),
    *_words("qwen_image",
            ("Qwen-Image-Edit", r"qwen[ _-]?image[ _-]?edit"),
            ("Qwen-Image-Layered", r"qwen[ _-]?image[ _-]?layered")),
    *_words("hunyuan_video", ("FramePack", "frame[ _-]?pack")),
    *_words("z_image", ("Z-Image-Turbo", r"z[ _-]?image[ _-]?turbo")),
    *_words("wan_14b",
            ("Wan 2.2 high noise", rf"high[ _-]?noise|{_START}hn{_END}|{_START}high{_END}"),
            ("Wan 2.2 low noise", rf"low[ _-]?noise|{_START}ln{_END}|{_START}low{_END}")),
]  # fmt: skip
# Checkpoints by the first ten digits of their SHA-256 (AutoV2). Remembered, not measured here: as weak as a
# name.
_CHECKPOINTS: dict[str, tuple[str, str]] = {"67AB2FD8EC": ("Pony", NAMED)}

# Tags that the captions of such a fine-tune have, as JSON keys.
_TAGS: list[_Word] = _words(
    "sdxl ssd1b",
    ("Pony", r'"\s*(?:score_[4-9](?:_up)?|source_(?:anime|pony|furry|cartoon)|rating_\w+)\s*"\s*:'),
    ("NoobAI", r'"\s*very awa\s*"\s*:'),
    ("Illustrious", r'"\s*(?:newest|absurdres)\s*"\s*:'),
)
_BOORU = re.compile(r'"\s*(?:1girl|1boy|solo)\s*"\s*:', re.IGNORECASE)
_MOST_TAGS = 1_000_000

# What a LoRA does rather than what it is for: fewer steps.
_FUNCTIONS: list[tuple[str, re.Pattern[str]]] = [
    (name, re.compile(pattern, re.IGNORECASE))
    for name, pattern in (
        ("LCM", rf"{_START}lcm{_END}"),
        ("Hyper-SD", rf"hyper[ _-]?(?:sd|flux|\d)|{_START}hyper{_END}"),
        ("Lightning", r"lightning|light[ _-]?x2v"),
        ("Turbo", rf"{_START}turbo{_END}"),
        ("DMD2", rf"{_START}dmd2?{_END}"),
        ("PCM", rf"{_START}pcm{_END}"),
        ("TCD", rf"{_START}tcd{_END}"),
        ("CausVid", r"caus[ _-]?vid"),
    )
]
_BASE_KEYS = ("ss_base_model_version", "modelspec.architecture")
_CHECKPOINT_KEYS = ("ss_sd_model_name",)
_NAME_KEYS = ("modelspec.title", "ss_output_name", "modelspec.tags", "ss_training_comment")
_FUNCTION_KEYS = ("modelspec.title", "ss_output_name")
_SDXL = frozenset({"sdxl", "ssd1b"})


def sub_family_of(
    metadata: Mapping[str, str], family: str, modules: Sequence[ModuleFacts], file_name: str = ""
) -> SubFamily | None:
    """The likeliest fine-tune or variant of `family` that the file was made for, by its strongest evidence.

    In order: a layer's own size, the checkpoint's hash, the stated base, names (the checkpoint's, then the
    file's own), tags, training settings. None where nothing hints at one.
    """
    return next(
        (
            found
            for found in (
                _by_tensors(family, modules),
                _by_hash(metadata, family),
                _by_words(metadata, _BASE_KEYS, family, STATED),
                _by_words(metadata, _CHECKPOINT_KEYS, family, STATED),
                _by_words(metadata, _NAME_KEYS, family, NAMED),
                _by_words({"file name": file_name}, ("file name",), family, NAMED),
                _by_tags(metadata, family),
                _by_settings(metadata, family),
            )
            if found is not None
        ),
        None,
    )


def function_of(metadata: Mapping[str, str], file_name: str = "") -> SubFamily | None:
    """The distillation that the file's names claim (LCM, Hyper-SD, Lightning ...): a function, no family."""
    for key, text in (*_texts(metadata, _FUNCTION_KEYS), ("file name", file_name)):
        for name, pattern in _FUNCTIONS:
            if match := pattern.search(text):
                return SubFamily(name, f"{key} says {match[0]!r}", NAMED)
    return None


def _texts(metadata: Mapping[str, str], keys: Iterable[str]) -> Iterator[tuple[str, str]]:
    for key in keys:
        text = metadata.get(key, "")[-500:]
        # A checkpoint's name may be a path, whose folders say nothing of it.
        yield key, text.replace("\\", "/").rpartition("/")[2] if key in _CHECKPOINT_KEYS else text


def _by_tensors(family: str, modules: Sequence[ModuleFacts]) -> SubFamily | None:
    for module in modules:
        where, width = module.where, module.in_dim
        if family in _SDXL and where.path == "add_embedding.linear_1" and width == 5632:
            return SubFamily("Kolors", f"{module.name} takes 5632 conditions", TENSORS)
        if family == "flux1" and where.flat in ("img_in", "x_embedder") and width == 384:
            return SubFamily("FLUX.1 Fill", f"{module.name} takes a picture and a mask", TENSORS)
        if family == "hunyuan_video" and where.flat.startswith(("clean_x_embedder_", "image_projection_")):
            return SubFamily("FramePack", f"has a layer {module.name}", TENSORS)
    return None


def _by_hash(metadata: Mapping[str, str], family: str) -> SubFamily | None:
    if family not in _SDXL:
        return None
    for key in ("ss_new_sd_model_hash", "ss_sd_model_hash"):
        short = metadata.get(key, "").strip().upper().removeprefix("0X")[:10]
        if short in _CHECKPOINTS:
            name, strength = _CHECKPOINTS[short]
            return SubFamily(name, f"{key} is that of a known checkpoint, {short}", strength)
    return None


def _by_words(
    metadata: Mapping[str, str], keys: Iterable[str], family: str, strength: str
) -> SubFamily | None:
    for key, text in _texts(metadata, keys):
        for word in _NAMES:
            if family in word.families and (match := word.pattern.search(text)):
                return SubFamily(word.name, f"{key} says {match[0]!r}", strength)
    return None


def _by_tags(metadata: Mapping[str, str], family: str) -> SubFamily | None:
    tags = metadata.get("ss_tag_frequency", "")[:_MOST_TAGS]
    for word in _TAGS if tags else ():
        if family in word.families and (match := word.pattern.search(tags)):
            return SubFamily(word.name, f"a caption has the tag {match[0].strip(': ')}", TAGS)
    return None


def _by_settings(metadata: Mapping[str, str], family: str) -> SubFamily | None:
    velocity = metadata.get("modelspec.prediction_type", "").strip().lower() in ("v", "v_prediction") or (
        metadata.get("ss_v_parameterization") == "True"
    )
    if family == "sd2" and (velocity or metadata.get("ss_base_model_version") == "sd_v2_v"):
        return SubFamily("SD 2 768-v", "trained with v-prediction", SETTINGS)
    if family not in _SDXL:
        return None
    if velocity or metadata.get("ss_zero_terminal_snr") == "True":
        how = "v-prediction" if velocity else "zero terminal SNR"
        return SubFamily("NoobAI v-prediction", f"trained with {how}", SETTINGS)
    if metadata.get("ss_clip_skip") == "2" and _BOORU.search(
        metadata.get("ss_tag_frequency", "")[:_MOST_TAGS]
    ):
        return SubFamily("anime SDXL", "clip skip 2 and tags of image boards", SETTINGS)
    return None
