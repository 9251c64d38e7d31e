"""Training facts: read from text that anyone may have edited, and never a reason to fail."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.weights.declared_base import family_named
from registry.weights.training import read_training

KOHYA = {
    "ss_base_model_version": "sdxl_base_v1-0",
    "ss_network_module": "networks.lora",
    "ss_network_dim": "32",
    "ss_network_alpha": "16.0",
    "ss_learning_rate": "0.0001",
    "ss_text_encoder_lr": "None",
    "ss_num_train_images": "420",
    "ss_epoch": "10",
    "ss_resolution": "(1024, 768)",
    "ss_sd_model_name": "sd_xl_base_1.0.safetensors",
    "ss_network_args": json.dumps({"conv_dim": "8"}),
    "ss_dataset_dirs": json.dumps({"10_momo": {"n_repeats": 10, "img_count": 42}}),
    "ss_tag_frequency": json.dumps({"10_momo": {"momo": 42, "long ears": 41, "tree": 3}}),
    "ss_training_comment": "None",
}


def test_what_kohya_states_is_read() -> None:
    reading = read_training(KOHYA, {})
    assert reading.declared is not None
    assert reading.declared.family == "sdxl"
    assert reading.trainer == "sd-scripts"
    facts = reading.facts
    assert (facts["network_dim"], facts["network_alpha"], facts["learning_rate"]) == (32, 16, 0.0001)
    assert (facts["images"], facts["epochs"], facts["resolution"]) == (420, 10, [1024, 768])
    assert facts["network_args"] == {"conv_dim": "8"}
    assert facts["folders"] == [{"concept": "momo", "repeats": 10, "images": 42}]
    assert facts["top_tags"][0] == {"tag": "momo", "count": 42}


def test_what_is_missing_is_not_stated() -> None:
    facts = read_training(KOHYA, {}).facts
    assert "text_encoder_learning_rate" not in facts
    assert "comment" not in facts
    assert read_training({}, {}).facts == {}


def test_trigger_words_come_with_their_source_surest_first() -> None:
    stated = KOHYA | {"modelspec.trigger_phrase": "momo the hare"}
    assert read_training(stated, {"<s1>": []}).trigger_words == [
        ("momo the hare", "modelspec.trigger_phrase"),
        ("<s1>", "learned_token"),
        ("momo", "ss_tag_frequency folder"),
        ("long ears", "ss_tag_frequency"),
    ]


def test_a_tag_of_some_pictures_is_no_trigger_word() -> None:
    stated = {
        "ss_dataset_dirs": json.dumps({"1_style": {"n_repeats": 1, "img_count": 200}}),
        "ss_tag_frequency": json.dumps({"1_style": {"day": 104, "night": 96}}),
    }
    assert read_training(stated, {}).trigger_words == [("style", "ss_tag_frequency folder")]


def test_a_placeholder_is_no_trigger_word() -> None:
    stated = {"ss_tag_frequency": json.dumps({"1_TRIGGER": {"TRIGGER": 1}})}
    assert read_training(stated, {}).trigger_words == []


@pytest.mark.parametrize(
    ("stated", "family"),
    [
        ("sd_v1", "sd1"),
        ("sd_1.5", "sd1"),
        ("sd_v2_v", "sd2"),
        ("sdxl_base_v1-0", "sdxl"),
        ("sdxl_", "sdxl"),
        ("flux1", "flux1"),
        ("flux.1_kontext", "flux1"),
        ("flux2", "flux2_dev"),
        ("flux2_klein_4b", "flux2_klein_4b"),
        ("flux_2_klein_9b", "flux2_klein_9b"),
        ("Flux.2-klein-4b", "flux2_klein_4b"),
        ("medium", "sd3_medium"),
        ("5-large", "sd35_large"),
        ("hunyuan_video_1_5", "hunyuan_video_15"),
        ("qwen_image_edit", "qwen_image"),
        ("zimage", "z_image"),
        ("z_image", "z_image"),
        ("wan_2.2_5b", "wan_5b"),
        ("Stable-Diffusion-v2-768-v/lora", "sd2"),
        ("stable-diffusion-xl-v1-base/lora", "sdxl"),
        ("flux-1-dev/lora", "flux1"),
        ("something of my own", None),
    ],
)
def test_trainers_names_of_bases_are_known(stated: str, family: str | None) -> None:
    assert family_named(stated) == family


def test_a_base_that_we_do_not_know_is_still_declared() -> None:
    reading = read_training({"ss_base_model_version": "my_own"}, {})
    assert reading.declared is not None
    assert reading.declared.as_dict() == {
        "value": "my_own",
        "source": "ss_base_model_version",
        "family": None,
    }


def test_the_hash_of_nothing_is_no_hash() -> None:
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert [code for code, _ in read_training({"sshs_model_hash": empty}, {}).findings] == [
        "placeholder_hash"
    ]
    assert [code for code, _ in read_training({"modelspec.hash_sha256": "0x" + empty}, {}).findings] == [
        "placeholder_hash"
    ]


KEYS = st.sampled_from(
    [*KOHYA, "software", "training_info", "modelspec.title", "modelspec.trigger_phrase", "ss_v2"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4) | st.just("1_a"), inner, max_size=2)
    ),
    max_leaves=5,
)


@given(st.dictionaries(KEYS, st.text(max_size=8) | JSON.map(json.dumps) | st.just("[" * 3000)))
def test_no_metadata_fails_a_file(metadata: dict[str, str]) -> None:
    json.dumps(read_training(metadata, {}).facts)
