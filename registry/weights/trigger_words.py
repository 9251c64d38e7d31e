"""The words that call an adapter up, each with where it is stated, surest first.

Order: what the author states (`modelspec.trigger_phrase`, SimpleTuner's `trained_words`, keys that tools
write by hand), tokens learned with the adapter, ai-toolkit's `trigger_word`, what stands before every
caption, the data folder's concept (sd-scripts: `<repeats>_<concept>`, the caption of a picture without one),
tags on nearly every picture, and last a comment that says so. Boilerplate and placeholders are none, whoever
states them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from .caption_words import is_incidental, is_no_word, spelling
from .metadata_values import json_of, printable, text_of
from .training_data import Folder

MOST_WORDS = 10
_LONGEST = 200
# Joiners shape letters of some scripts within a word and are nothing at its ends.
_EDGES = " ,;\t\"'“”\u200c\u200d"
_MOST_CONSTANT = 3
# A tag on so large a part of a folder's pictures is what they have in common.
CONSTANT = 0.95
# Fewer pictures than this have too much in common by chance.
_FEWEST_PICTURES = 3
_AUTHOR_KEYS = (
    "modelspec.trigger_phrase",
    "modelspec.trigger_phrases",
    "modelspec.trigger_words",
    "trained_words",
    "ss_trigger_words",
    "trigger_phrase",
    "trigger_words",
    "trigger_word",
    "activation text",
    "instance_prompt",
)
# Where the author or the trainer's own setting names the words, so that nothing is guessed.
STATED_SOURCES = frozenset({*_AUTHOR_KEYS, "ai-toolkit trigger_word"})
_COMMENT_KEYS = (
    "modelspec.usage_hint",
    "ss_training_comment",
    "modelspec.comment",
    "modelspec.description",
)
# A sentence that names its words: "Trigger words: momo, hare", 'Use keyword "momo"'.
_SPOKEN = re.compile(
    r"(?:(?:trigger|activation|activator)[ _-]*(?:words?|phrases?|tags?|tokens?|texts?)?|keywords?)"
    r"(?: (?:is|are))?\s*[:=]\s*([^\n.;|<]{1,200})"
    r"|(?:use|with|add)(?: the)? (?:keywords?|triggers?|trigger words?|token)\s*[:=]?\s*"
    r"['\"“‘]([^'\"”’\n]{1,100})['\"”’]",
    re.IGNORECASE,
)


def trigger_words(
    metadata: Mapping[str, str],
    learned: Mapping[str, object],
    folders: list[Folder],
    trainer: str | None,
) -> list[tuple[str, str]]:
    """At most `MOST_WORDS` pairs `(word, source)`: printable, without repetition in any case or spelling.

    `learned` are the tokens whose vectors the file brings; `folders` the data folders (regularization left
    out). A source is a metadata key, or `learned_token`, `ai-toolkit trigger_word`, `ss_datasets prefix`,
    `ss_tag_frequency folder` (the concept) or `ss_tag_frequency` (a tag on at least 95 % of the pictures).
    """
    seen: set[str] = set()
    kept: list[tuple[str, str]] = []
    for word, source in _candidates(metadata, learned, folders, trainer):
        plain = " ".join(printable(word, _LONGEST).strip(_EDGES).split())
        compared = spelling(plain)
        if compared not in seen and not is_no_word(plain):
            seen.add(compared)
            kept.append((plain, source))
            if len(kept) == MOST_WORDS:
                break
    return kept


def _candidates(
    metadata: Mapping[str, str], learned: Mapping[str, object], folders: list[Folder], trainer: str | None
) -> Iterator[tuple[str, str]]:
    for key in _AUTHOR_KEYS:
        yield from ((word, key) for word in _stated(metadata.get(key)))
    yield from ((token, "learned_token") for token in learned)
    for folder in folders:
        if trainer == "ai-toolkit" and folder.concept and _is_fake(folder):
            yield folder.concept, "ai-toolkit trigger_word"
    for folder in folders:
        yield from ((word, "ss_datasets prefix") for word in _parts(folder.prefix))
    for folder in folders:
        yield folder.concept, "ss_tag_frequency folder"
    for folder in folders:
        yield from ((tag, "ss_tag_frequency") for tag in constant_tags(folder)[:_MOST_CONSTANT])
    for key in _COMMENT_KEYS:
        text = text_of(metadata.get(key), 5000)
        for found in _SPOKEN.findall(text) if text else ():
            yield from ((word, key) for word in _parts(next(filter(None, found), "")) if word.count(" ") < 6)


def constant_tags(folder: Folder) -> list[str]:
    """The tags on at least 95 % of a folder's pictures, most frequent first, without incidental ones.

    Where the number of pictures is not stated, the most frequent tag stands for it.
    """
    if not folder.tags:
        return []
    pictures = folder.images or max(folder.tags.values())
    if pictures < _FEWEST_PICTURES:
        return []
    return [
        tag
        for tag, count in folder.tags.most_common()
        if count >= CONSTANT * pictures and not is_incidental(tag) and tag.count(" ") < 6
    ]


def _is_fake(folder: Folder) -> bool:
    """ai-toolkit writes its trigger word as a folder that holds it once, so that web UIs show it."""
    return dict(folder.tags) == {folder.concept: 1}


def _stated(value: str | None) -> list[str]:
    """The words of an author's statement: a list in JSON, or text with commas."""
    text = text_of(value)
    if text is None:
        return []
    found = json_of(text) if text.startswith("[") else None
    if isinstance(found, list):
        return [word for item in found[:50] if isinstance(item, str) for word in _parts(item)]
    return _parts(text)


def _parts(text: str) -> list[str]:
    return [part for part in re.split(r"[,\n]", text[:2000]) if part.strip()][:50]
