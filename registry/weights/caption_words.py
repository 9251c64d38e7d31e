"""Words of captions that never call an adapter up: placeholders, quality and count tags, framing.

The tags are those of the boorus and of the models trained on them (Danbooru's general and meta tags; the
quality words of Pony, Animagine, Illustrious and NoobAI).
"""

from __future__ import annotations

import re

# What a folder, a trainer's example or a form leaves in the place of a word.
_LEFT_BLANK = """
    trigger, triggers, trigger word, trigger words, triggerword, your trigger word, trigger phrase, keyword,
    none, null, nan, n/a, na, no, nothing, not needed, not required, none needed, undefined, unknown, default,
    untitled, name, tag, tags, token, img, imgs, image, images, picture, pictures, photo, photos, a photo,
    photo of, data, dataset, datasets, train, training, train data, training data, traindata, input, inputs,
    output, raw, resized, cropped, processed, captioned, new folder, folder, instance, instance prompt,
    concept, class, class prompt, subject, reg, regularization, lora, adapter, test, main, reference, target,
    control, video, videos, clip, clips, true, false
"""
_PLACEHOLDERS = frozenset(word.strip() for word in _LEFT_BLANK.split(","))
# Quality, rating and count: no author's word either.
_NEVER = re.compile(
    "|".join(
        (
            r"\d\+?(girl|boy|other|futa)s?|(multiple|no) (girls|boys|humans|others)|solo( focus)?",
            r"(fe)?male( focus)?|score \d+( up)?( only)?|source (anime|pony|furry|cartoon)",
            r"rating[: ]?\w*|general|sensitive|questionable|explicit|safe|nsfw|sfw|masterpiece",
            r"(best|high|good|great|normal|amazing|worst|low|bad) quality|(very )?(awa|aesthetic)",
            r"newest|recent|mid|early|oldest|(incredibly )?absurdres|(ultra )?(hi|high|low)[- ]?res",
            r"\d+k( resolution)?|uhd|hdr|(ultra |highly )?detailed",
            r"commentary( request)?|translat\w+|(english|japanese|chinese) (text|commentary)",
            r"signature|watermark|dated|(artist|copyright|web|twitter|patreon) (name|address|username)",
            r"(bad|highres) (id|source)|(absurdly )?long image",
        )
    )
)
# Framing, pose and background: what pictures have in common without it being what they teach.
_INCIDENTAL = re.compile(
    "|".join(
        (
            r"looking (at viewer|away|to the side|back)|(upper|full|lower) body|cowboy shot|close-?up",
            r"(simple|white|grey|gray|black|gradient|transparent) background|from (side|above|below|behind)",
            r"standing|sitting|smile|smiling|blush|(open|closed) mouth|closed eyes|indoors|outdoors|portrait",
            r"((small|medium|large|huge) )?breasts",
        )
    )
)


def spelling(word: str) -> str:
    """`word` as two spellings of it compare: case, underscores and blanks alike."""
    return " ".join(word.replace("_", " ").strip().casefold().split())


def is_no_word(word: str) -> bool:
    """Whether `word` calls up nothing, whoever states it: empty, a number, a placeholder or boilerplate."""
    bare = spelling(word).strip("[]{}()<>.:*- ")
    return not bare or bare in _PLACEHOLDERS or bare.isdecimal() or _NEVER.fullmatch(bare) is not None


def is_incidental(tag: str) -> bool:
    """Whether a tag on every picture still says nothing of what they teach."""
    return is_no_word(tag) or _INCIDENTAL.fullmatch(spelling(tag)) is not None
