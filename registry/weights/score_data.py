"""The scorecard's lines about the training images: how many, their captions, size, views, and what they show.

Ranges and their sources stand in docs/scorecard.md.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Literal

from .caption_words import is_incidental, spelling
from .metadata_values import number_of
from .score_line import ScoreLine, Standing, line, not_stated, within
from .trigger_words import CONSTANT

Purpose = Literal["style", "character"]
STYLE_IMAGES, CHARACTER_IMAGES = (15, 30), (30, 80)
# 1500 to 3000 steps over 15 to 30 images are 50 to 200 views, over 30 to 80 images 19 to 100.
_FEWEST_VIEWS, _MOST_VIEWS = 20, 200
_FEWEST_TAGS, _MOST_CONSTANT = 1.0, 0.5
# The size of side in pixels that a family was trained for, and the range that its users train at.
_SIDES: dict[str, tuple[int, int]] = {
    "sd1": (512, 768), "sd2": (512, 768), "sdxl": (1024, 1024), "sdxl_refiner": (1024, 1024),
    "ssd1b": (1024, 1024), "sd3_medium": (1024, 1024), "sd35_medium": (1024, 1024),
    "sd35_large": (1024, 1024), "flux1": (512, 1024), "flux2_dev": (512, 1024),
    "flux2_klein_4b": (512, 1024), "flux2_klein_9b": (512, 1024), "chroma": (512, 1024),
    "auraflow": (1024, 1024), "pixart": (1024, 1024), "hunyuan_dit": (1024, 1024),
    "hunyuan_image": (1024, 2048), "qwen_image": (512, 1328), "z_image": (1024, 1024),
    "lumina2": (512, 1024), "hidream": (1024, 1024), "sana": (1024, 1024), "omnigen2": (1024, 1024),
    "anima": (1024, 1024), "krea2": (1024, 1024),
    "cascade": (1024, 1024), "toybox": (64, 64),
}  # fmt: skip
_TOLERANCE = 0.1
_STYLE = re.compile(r"\b(art ?)?styles?\b|\bart ?style|\b(aesthetic|painting|illustration)s?\b")
_CHARACTER = re.compile(
    r"\b(characters?|person|woman|man|girl|boy|celebrity|actress|actor|people|face|waifu|human)\b"
)


def purpose_of(training: Mapping[str, Any]) -> Purpose | None:
    """Whether a style or a character was taught, as far as names, the folder's class and the tags tell.

    None where they say neither, or both.
    """
    folders = [str(one.get("concept", "")) for one in _dicts(training.get("folders"))]
    names = [str(training.get(key, "")) for key in ("title", "name", "tags")]
    text = spelling(" ; ".join([*folders, *names])[:4000])
    style, character = bool(_STYLE.search(text)), bool(_CHARACTER.search(text))
    if style != character:
        return "style" if style else "character"
    if style:
        return None
    tags, images = _tags(training), number_of(training.get("distinct_images")) or 0
    alone = any(tags.get(tag, 0) >= 0.8 * images for tag in ("1girl", "1boy", "solo"))
    same = any(count >= CONSTANT * images and not is_incidental(tag) for tag, count in tags.items())
    return "character" if images and alone and same else None


def image_count(training: Mapping[str, Any]) -> ScoreLine:
    purpose = purpose_of(training)
    key = f"images_{purpose or 'either'}"
    if (images := _whole(training.get("distinct_images"))) is None:
        per_epoch = _whole(training.get("images"))
        if per_epoch is None:
            return not_stated("image_count", key)
        return line("image_count", "noted", "images_per_epoch", key, images=per_epoch)
    low, high = {"style": STYLE_IMAGES, "character": CHARACTER_IMAGES, None: (15, 80)}[purpose]
    return line("image_count", within(images, low, high), "images", key, images=images)


def resolution(training: Mapping[str, Any], family: str) -> ScoreLine:
    sides = _SIDES.get(family)
    numbers: dict[str, int] = dict(zip(("low", "high"), sides, strict=True)) if sides else {}
    key = None if sides is None else "size" if sides[0] == sides[1] else "sizes"
    size = training.get("resolution")
    if not isinstance(size, list) or len(size) != 2 or not all(type(n) is int and n > 0 for n in size):
        return not_stated("resolution", key, **numbers)
    shown = numbers | {"width": size[0], "height": size[1]}
    if sides is None:
        return line("resolution", "noted", "size", None, **shown)
    side = (size[0] * size[1]) ** 0.5
    standing = within(side, sides[0] * (1 - _TOLERANCE), sides[1] * (1 + _TOLERANCE))
    return line("resolution", standing, "size", key, **shown)


def caption_variety(training: Mapping[str, Any]) -> ScoreLine:
    distinct, uses = _whole(training.get("distinct_tags")), _whole(training.get("tag_uses"))
    # ai-toolkit writes its trigger word as the only tag; SimpleTuner only tags of most captions.
    if not distinct or training.get("trainer") in ("ai-toolkit", "SimpleTuner"):
        return not_stated("caption_variety", "captions")
    images = _whole(training.get("distinct_images"))
    if not images or not uses:
        return line("caption_variety", "noted", "captions_only", "captions", tags=distinct)
    same = sum(count for count in _tags(training).values() if count >= CONSTANT * images)
    per_image, constant = distinct / images, min(1.0, same / uses)
    poor = per_image < _FEWEST_TAGS or constant > _MOST_CONSTANT
    return line(
        "caption_variety",
        "low" if poor else "good",
        "captions",
        "captions",
        per_image=f"{per_image:.2g}" if per_image < 10 else f"{per_image:.0f}",
        constant=round(100 * constant),
    )


def exposures(training: Mapping[str, Any]) -> ScoreLine:
    views = views_per_image(training)
    if views is None or not math.isfinite(views):
        return not_stated("exposures", "times")
    standing: Standing = within(views, _FEWEST_VIEWS, _MOST_VIEWS)
    return line("exposures", standing, "times", "times", times=round(views))


def views_per_image(training: Mapping[str, Any]) -> float | None:
    """How often each image was seen: repeats times epochs, else steps times batch over the images."""
    folders = _dicts(training.get("folders"))
    epochs = number_of(training.get("epochs")) or number_of(training.get("epochs_planned"))
    images = _whole(training.get("distinct_images"))
    per_epoch = _whole(training.get("images"))
    if epochs and images and per_epoch:
        return per_epoch / images * epochs
    weights = [(_whole(one.get("images")) or 1, number_of(one.get("repeats"))) for one in folders]
    if (
        epochs
        and weights
        and all(repeats for _, repeats in weights)
        and training.get("trainer") != "ai-toolkit"
    ):
        total = sum(count for count, _ in weights)
        return epochs * sum(count * (repeats or 0) for count, repeats in weights) / total
    steps = number_of(training.get("steps")) or number_of(training.get("steps_planned"))
    if steps and images:
        return steps * (number_of(training.get("batch_size")) or 1) / images
    return None


def regularization(training: Mapping[str, Any]) -> ScoreLine:
    images = _whole(training.get("regularization_images"))
    if images is None:
        return not_stated("regularization", "regularization")
    if images == 0:
        return line("regularization", "noted", "none", "regularization")
    return line("regularization", "good", "images", "regularization", images=images)


def _tags(training: Mapping[str, Any]) -> dict[str, int]:
    counts = ((str(one.get("tag")), _whole(one.get("count"))) for one in _dicts(training.get("top_tags")))
    return {tag: count for tag, count in counts if count}


def _dicts(value: Any) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _whole(value: Any) -> int | None:
    """A count of things; what is beyond any count is none."""
    number = number_of(value)
    return int(number) if number is not None and 0 <= number < 2**53 else None
