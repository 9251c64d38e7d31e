"""Trigger words: few, each with its source, surest first, and none of what every picture is tagged with."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.weights.training import read_training
from registry.weights.trigger_words import MOST_WORDS


def words(metadata: dict[str, Any], learned: dict[str, object] | None = None) -> list[tuple[str, str]]:
    stated = {key: value if isinstance(value, str) else json.dumps(value) for key, value in metadata.items()}
    return read_training(stated, learned or {}).trigger_words


def folder(name: str, images: int, tags: dict[str, int]) -> dict[str, Any]:
    return {
        "ss_dataset_dirs": {name: {"n_repeats": 1, "img_count": images}},
        "ss_tag_frequency": {name: tags},
    }


def test_trigger_words_come_with_their_source_surest_first() -> None:
    stated = folder("10_momo", 42, {"momo": 42, "long ears": 41, "tree": 3})
    stated |= {"modelspec.trigger_phrase": "momo the hare", "ss_training_comment": "Trigger words: MOMO, hop"}
    assert words(stated, {"<s1>": []}) == [
        ("momo the hare", "modelspec.trigger_phrase"),
        ("<s1>", "learned_token"),
        ("momo", "ss_tag_frequency folder"),
        ("long ears", "ss_tag_frequency"),
        ("hop", "ss_training_comment"),
    ]


def test_a_header_of_400_tags_gives_few_words_and_keeps_the_tags() -> None:
    tags = {f"tag {number}": 30 - number % 30 for number in range(400)}
    stated = folder("10_momo", 30, {"1girl": 30, "solo": 30, "score_9": 30, **tags})
    assert len(words(stated)) <= 4
    reading = read_training({key: json.dumps(value) for key, value in stated.items()}, {})
    assert len(reading.facts["top_tags"]) == 403


def test_a_tag_of_some_pictures_is_no_trigger_word() -> None:
    stated = folder("1_style", 200, {"day": 104, "night": 96})
    assert words(stated) == [("style", "ss_tag_frequency folder")]


def test_each_folder_has_its_own_constant_tags() -> None:
    stated = {
        "ss_dataset_dirs": {"1_": {"n_repeats": 1, "img_count": 20}, "2_": {"n_repeats": 2, "img_count": 30}},
        "ss_tag_frequency": {"1_": {"alice": 20, "sky": 4}, "2_": {"bob": 30, "sky": 5}},
    }
    assert [word for word, _ in words(stated)] == ["alice", "bob"]


def test_tags_of_a_regularization_folder_are_no_trigger_words() -> None:
    stated = folder("10_momo", 20, {"momo": 20})
    stated["ss_tag_frequency"]["1_hare"] = {"hare": 100}
    stated["ss_reg_dataset_dirs"] = {"1_hare": {"n_repeats": 1, "img_count": 100}}
    assert [word for word, _ in words(stated)] == ["momo"]
    stated = {
        "ss_tag_frequency": stated["ss_tag_frequency"],
        "ss_datasets": [{"subsets": [
            {"image_dir": "10_momo", "img_count": 20, "num_repeats": 10, "is_reg": False},
            {"image_dir": "1_hare", "img_count": 100, "num_repeats": 1, "is_reg": True},
        ]}],
    }  # fmt: skip
    assert [word for word, _ in words(stated)] == ["momo"]


def test_the_words_before_every_caption_and_of_the_class_are_found() -> None:
    subsets = [{"image_dir": "photos", "class_tokens": "ohwx man", "caption_prefix": "ohwx, "}]
    assert words({"ss_datasets": [{"subsets": subsets}]}) == [
        ("ohwx", "ss_datasets prefix"),
        ("ohwx man", "ss_tag_frequency folder"),
    ]


def test_ai_toolkit_s_trigger_word_is_read_from_the_folder_it_makes_up() -> None:
    stated = {"software": {"name": "ai-toolkit"}, "ss_tag_frequency": {"1_p3r5on": {"p3r5on": 1}}}
    assert words(stated) == [("p3r5on", "ai-toolkit trigger_word")]


def test_simpletuner_s_instance_prompts_are_the_author_s_words() -> None:
    assert words({"trained_words": "zxc style, by zxc", "global_step": "100"}) == [
        ("zxc style", "trained_words"),
        ("by zxc", "trained_words"),
    ]


@pytest.mark.parametrize(
    "name", ["TRIGGER", "img", "dataset", "[trigger]", "123", "Instance_Prompt", "1girl"]
)
def test_a_placeholder_is_no_trigger_word(name: str) -> None:
    assert words({"ss_tag_frequency": {f"1_{name}": {name: 9}}, "modelspec.trigger_phrase": name}) == []


@pytest.mark.parametrize(
    "tag",
    ["1girl", "2boys", "6+girls", "solo", "no humans", "masterpiece", "best_quality", "score_9", "score_8_up",
     "source_anime", "rating_safe", "rating:general", "absurdres", "highres", "looking at viewer",
     "white background", "upper body", "smile", "very aesthetic", "newest", "signature"],
)  # fmt: skip
def test_what_every_picture_is_tagged_with_is_no_trigger_word(tag: str) -> None:
    assert words(folder("data", 20, {tag: 20, "momo": 20})) == [("momo", "ss_tag_frequency")]


@pytest.mark.parametrize(
    ("comment", "found"),
    [
        ("Use keyword 'example'", ["example"]),
        ("trigger word: momo, masterpiece", ["momo"]),
        ("Activation tags = a, b. Then more.", ["a", "b"]),
        ("Trigger words: none", []),
        ("dynamic resize with sv_fro: 0.9 from 128", []),
        ("I used no keyword", []),
    ],
)
def test_a_comment_counts_only_where_it_says_so(comment: str, found: list[str]) -> None:
    assert [word for word, _ in words({"modelspec.usage_hint": comment})] == found


def test_a_word_comes_once_whatever_its_case_and_spelling() -> None:
    stated = folder("3_Momo Hare", 9, {"momo_hare": 9})
    assert words(stated | {"modelspec.trigger_phrase": "momo  hare,\u202emomo hare"}) == [
        ("momo hare", "modelspec.trigger_phrase")
    ]


@given(st.lists(st.text(max_size=300), max_size=60))
def test_words_are_few_printable_short_and_different(stated: list[str]) -> None:
    found = [
        word for word, _ in words({"trained_words": json.dumps(stated), "trigger_word": ",".join(stated)})
    ]
    assert len(found) <= MOST_WORDS
    joined = [re.sub("(?<=.)[\u200c\u200d](?=.)", "", word) for word in found]
    assert all(word.isprintable() and 0 < len(word) <= 200 for word in joined)
    assert len({word.casefold() for word in found}) == len(found)
