"""The scorecard: each line tells the number found and the usual range, and what is missing is never bad."""

from __future__ import annotations

import json
import re
from datetime import date
from typing import Any

import pytest
from django.conf import settings
from hypothesis import given
from hypothesis import strategies as st

from registry.weights.score_line import ScoreLine
from registry.weights.score_text import LABELS, RANGES, REASONS, VALUES, every_text
from registry.weights.scorecard import Scorecard, scorecard
from registry.weights.training import read_training

TODAY = date(2026, 11, 26)
GOOD: dict[str, Any] = {
    "name": "hero character", "distinct_images": 40, "images": 400, "epochs": 5, "steps": 2000,
    "unet_learning_rate": 1e-4, "text_encoder_learning_rate": 1e-5, "optimizer_name": "AdamW8bit",
    "resolution": [1024, 1024], "distinct_tags": 120, "tag_uses": 480,
    "top_tags": [{"tag": "hero", "count": 40}, {"tag": "sky", "count": 9}], "regularization_images": 100,
    "base_checkpoint": "sd_xl_base_1.0.safetensors", "base_checkpoint_sha256": "31e3",
    "trained_on": "2026-05-01",
}  # fmt: skip
VERSIONS = [date(2026, 1, 1), date(2026, 6, 1), date(2026, 3, 2)]


def card(
    training: dict[str, Any] | None, family: str = "sdxl", rank: int | None = 16, **more: Any
) -> Scorecard:
    ranks = None if rank is None else {"min": rank, "median": rank, "max": rank}
    return scorecard(training, family=family, rank=ranks, today=TODAY, **more)


def one(code: str, training: dict[str, Any] | None, **more: Any) -> ScoreLine:
    return next(line for line in card(training, **more).lines if line.code == code)


def test_a_training_within_every_range_is_good_throughout() -> None:
    found = card(GOOD, published=VERSIONS)
    assert {line.code: line.standing for line in found.lines} == dict.fromkeys(LABELS, "good")
    assert (found.stated, found.good) == (12, 12)


def test_a_file_that_states_nothing_has_no_bad_line() -> None:
    found = card(None, family="unknown", rank=None)
    assert {line.standing for line in found.lines} == {"not_stated"}
    assert (found.stated, found.good) == (0, 0)
    assert {line.value for line in found.lines} == {"not stated"}


@pytest.mark.parametrize("key", sorted(GOOD))
def test_a_missing_fact_makes_no_line_low_or_high(key: str) -> None:
    left = {name: value for name, value in GOOD.items() if name != key}
    assert {line.standing for line in card(left, published=VERSIONS).lines} <= {"good", "noted", "not_stated"}


@pytest.mark.parametrize(
    ("name", "images", "standing", "shown"),
    [
        ("ink style", 20, "good", "15 to 30 for a style"),
        ("ink style", 14, "low", "15 to 30 for a style"),
        ("ink style", 31, "high", "15 to 30 for a style"),
        ("my character", 31, "good", "30 to 80 for a character"),
        ("my character", 29, "low", "30 to 80 for a character"),
        ("my character", 81, "high", "30 to 80 for a character"),
        ("zxc", 20, "good", "15 to 30 for a style, 30 to 80 for a character"),
        ("zxc", 60, "good", "15 to 30 for a style, 30 to 80 for a character"),
        ("zxc", 8, "low", "15 to 30 for a style, 30 to 80 for a character"),
    ],
)
def test_the_image_count_is_held_against_what_is_taught(
    name: str, images: int, standing: str, shown: str
) -> None:
    line = one("image_count", {"name": name, "distinct_images": images})
    assert (line.standing, line.range, line.value) == (standing, shown, str(images))


def test_images_counted_with_their_repeats_are_only_noted() -> None:
    assert one("image_count", {"images": 5000}).standing == "noted"


@pytest.mark.parametrize(
    ("training", "purpose"),
    [
        ({"folders": [{"concept": "ohwx man"}]}, "character"),
        ({"tags": "anime, character"}, "character"),
        ({"title": "Ink Style"}, "style"),
        ({"title": "Anime girl style"}, None),
        ({"distinct_images": 20, "top_tags": [
            {"tag": "1girl", "count": 20}, {"tag": "momo", "count": 20}]}, "character"),
        ({"distinct_images": 20, "top_tags": [{"tag": "1girl", "count": 20}]}, None),
    ],
)  # fmt: skip
def test_what_is_taught_is_told_from_names_and_tags(training: dict[str, Any], purpose: str | None) -> None:
    assert card(training).purpose == purpose


@pytest.mark.parametrize(
    ("steps", "batch", "rank", "standing"),
    [(1499, 1, 32, "low"), (1500, 1, 32, "good"), (3001, 1, 8, "high"), (3001, 1, 33, "noted"),
     (800, 2, 16, "noted"), (500, 2, 16, "low")],
)  # fmt: skip
def test_steps_count_at_low_rank(steps: int, batch: int, rank: int, standing: str) -> None:
    assert one("steps", {"steps": steps, "batch_size": batch}, rank=rank).standing == standing


@pytest.mark.parametrize(
    ("optimizer", "rate", "family", "standing"),
    [
        ("AdamW8bit", 1e-4, "sd1", "good"),
        ("AdamW", 9e-5, "sd1", "low"),
        ("AdamW", 9e-5, "sdxl", "good"),
        ("AdamW", 6e-4, "sd1", "high"),
        ("ADAMW", 3e-5, "flux2_dev", "good"),
        ("Prodigy", 1.0, "sd1", "good"),
        ("Prodigy", 1e-4, "sd1", "low"),
        ("DAdaptAdam", 2.0, "sd1", "high"),
        ("Lion8bit", 3e-5, "sd1", "good"),
        ("Lion", 3e-4, "sd1", "high"),
        ("Adafactor", 1e-3, "sd1", "noted"),
        ("SGDNesterov", 1e-2, "sd1", "noted"),
        ("", 1.0, "sd1", "noted"),
        ("", 1e-2, "sd1", "high"),
    ],
)
def test_a_learning_rate_is_held_against_its_optimizer(
    optimizer: str, rate: float, family: str, standing: str
) -> None:
    stated = {"optimizer_name": optimizer, "unet_learning_rate": rate, "learning_rate": 9.0}
    assert one("learning_rate", stated, family=family).standing == standing


def test_alpha_1_allows_a_higher_rate() -> None:
    stated = {"optimizer_name": "AdamW", "learning_rate": 1e-3, "network_dim": 16}
    assert one("learning_rate", stated | {"network_alpha": 1}).standing == "good"
    assert one("learning_rate", stated | {"network_alpha": 16}).standing == "high"


@pytest.mark.parametrize(("rate", "standing"), [(5e-5, "good"), (2e-4, "high"), (0, "noted")])
def test_the_text_encoder_learns_no_faster_than_the_denoiser(rate: float, standing: str) -> None:
    stated = {"unet_learning_rate": 1e-4, "text_encoder_learning_rate": rate}
    assert one("text_encoder_learning_rate", stated).standing == standing


@pytest.mark.parametrize(
    ("size", "family", "standing"),
    [
        ([512, 512], "sd1", "good"),
        ([768, 768], "sd1", "good"),
        ([1024, 1024], "sd1", "high"),
        ([512, 512], "sdxl", "low"),
        ([832, 1216], "sdxl", "good"),
        ([512, 512], "flux1", "good"),
        ([640, 480], "wan_14b", "noted"),
        ("large", "sdxl", "not_stated"),
    ],
)
def test_a_resolution_is_held_against_the_family_s_own(size: Any, family: str, standing: str) -> None:
    assert one("resolution", {"resolution": size}, family=family).standing == standing


def test_captions_that_all_say_the_same_are_low() -> None:
    tags = [{"tag": "hero", "count": 20}, {"tag": "cape", "count": 20}]
    same = {"distinct_images": 20, "distinct_tags": 2, "tag_uses": 40, "top_tags": tags}
    line = one("caption_variety", same)
    assert line.standing == "low"
    assert line.value == "0.1 different tags per image, 100 % of a caption always the same"
    # ai-toolkit makes up its only tag.
    assert one("caption_variety", same | {"trainer": "ai-toolkit"}).standing == "not_stated"


@pytest.mark.parametrize(
    ("training", "views", "standing"),
    [
        ({"images": 400, "distinct_images": 40, "epochs": 10}, "100 times", "good"),
        ({"folders": [{"concept": "a", "repeats": 2, "images": 5}], "epochs": 4}, "8 times", "low"),
        ({"steps": 3000, "batch_size": 4, "distinct_images": 20}, "600 times", "high"),
        ({"steps": 3000}, "not stated", "not_stated"),
    ],
)
def test_how_often_an_image_was_seen(training: dict[str, Any], views: str, standing: str) -> None:
    line = one("exposures", training)
    assert (line.value, line.standing) == (views, standing)


def test_a_high_rank_for_a_few_images_is_told() -> None:
    assert one("rank_and_data", {"distinct_images": 12}, rank=128).standing == "high"
    assert one("rank_and_data", {"distinct_images": 12}, rank=16).standing == "good"


def test_age_counts_from_the_day_given_and_an_old_adapter_is_only_noted() -> None:
    line = one("age", {"trained_on": "2023-11-26"})
    assert (line.standing, line.value) == ("noted", "trained on 2023-11-26, 1096 days ago")
    assert one("age", {"trained_on": "2027-01-01"}).standing == "noted"
    assert one("age", {}, published=VERSIONS).value == "published on 2026-06-01, 178 days ago"


def test_the_rhythm_of_updates_is_the_median_of_the_days_between() -> None:
    line = one("update_rhythm", None, published=VERSIONS)
    assert line.value == "3 versions, 76 days apart, the last on 2026-06-01"
    assert one("update_rhythm", None, published=VERSIONS[:1]).standing == "noted"


def test_a_line_s_texts_and_numbers_make_up_what_it_shows() -> None:
    for shown in card(GOOD, published=VERSIONS).as_dict()["lines"]:
        assert shown["value"] == shown["value_text"] % shown["numbers"]
        assert shown["range"] == shown["range_text"] % shown["numbers"]
        assert {shown["label"], shown["why"], shown["value_text"], shown["range_text"]} <= every_text()


def test_a_real_header_s_facts_can_be_scored() -> None:
    stated = {
        "ss_num_train_images": "300",
        "ss_epoch": "10",
        "ss_steps": "1500",
        "ss_unet_lr": "1e-4",
        "ss_optimizer": "torch.optim.adamw.AdamW",
        "ss_resolution": "(512, 512)",
        "ss_dataset_dirs": json.dumps({"10_ink style": {"n_repeats": 10, "img_count": 30}}),
    }
    found = card(read_training(stated, {}).facts, family="sd1")
    standings = {line.code: line.standing for line in found.lines}
    assert found.purpose == "style"
    for code in ("image_count", "steps", "learning_rate", "resolution", "exposures"):
        assert standings[code] == "good"


def test_every_line_and_range_is_documented() -> None:
    document = (settings.BASE_DIR / "docs" / "scorecard.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `([a-z_]+)` \|", document, re.MULTILINE)) == set(LABELS)
    assert set(LABELS) == set(REASONS) == {line.code for line in card(None).lines}
    assert all(text.endswith(".") for text in REASONS.values())
    assert VALUES.keys() and RANGES.keys()


def test_numbers_beyond_any_training_are_not_counted() -> None:
    stated = {"images": 1e308, "distinct_images": 1, "epochs": 1e300, "steps": 1e308, "batch_size": 1e308}
    standings = {line.code: line.standing for line in card(stated, family="sd1").lines}
    assert (standings["exposures"], standings["steps"]) == ("not_stated", "high")


NUMBER = st.integers() | st.floats() | st.just(1e300)
VALUE = st.none() | st.booleans() | NUMBER | st.text(max_size=9) | st.lists(
    st.integers() | st.dictionaries(st.sampled_from(["tag", "count", "concept", "repeats", "images"]),
                                    st.none() | NUMBER | st.text(max_size=4)),
    max_size=3,
)  # fmt: skip


@given(
    st.dictionaries(
        st.sampled_from([*GOOD, "folders", "epochs_planned", "network_dim", "network_alpha"]), VALUE
    ),
    st.sampled_from(["sd1", "sdxl", "unknown"]),
    st.none() | st.integers(0, 2**40),
)
def test_whatever_a_row_holds_is_scored(training: dict[str, Any], family: str, rank: int | None) -> None:
    json.dumps(card(training, family=family, rank=rank).as_dict(), allow_nan=False)
