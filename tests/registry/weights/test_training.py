"""Training facts: read from text that anyone may have edited, and never a reason to fail."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


def facts(**metadata: Any) -> dict[str, Any]:
    """The facts of metadata whose keys start with ss_ here; everything but text is written as JSON."""
    stated = {f"ss_{key}": v if isinstance(v, str) else json.dumps(v) for key, v in metadata.items()}
    return read_training(stated, {}).facts


def test_one_rate_per_text_encoder_is_kept_and_the_largest_stands_for_them() -> None:
    read = facts(text_encoder_lr="[1e-05, 5e-06]", unet_lr="2e-4")
    assert read["text_encoder_learning_rate"] == 1e-05
    assert read["text_encoder_learning_rates"] == [1e-05, 5e-06]
    assert read["unet_learning_rate"] == 2e-4


def test_an_optimizer_is_read_with_its_arguments() -> None:
    read = facts(optimizer="prodigyopt.prodigy.Prodigy(weight_decay=0.1,betas=(0.9, 0.99),decouple=True)")
    assert read["optimizer_name"] == "Prodigy"
    assert read["optimizer_args"] == {"weight_decay": "0.1", "betas": "(0.9, 0.99)", "decouple": "True"}


@pytest.mark.parametrize(
    ("comment", "resized"),
    [
        ("dimension is resized from 128 to 32; mine", {"from": 128, "to": 32}),
        ("Dynamic resize with sv_fro: 0.9 from 128; ", {"from": 128, "method": "sv_fro", "share": 0.9}),
    ],
)
def test_a_resize_is_told_with_the_rank_before(comment: str, resized: dict[str, Any]) -> None:
    read = facts(training_comment=comment, network_dim="Dynamic", network_alpha="Dynamic")
    assert read["resized"] == resized
    assert "network_dim" not in read


@pytest.mark.parametrize(
    ("stated", "size"),
    [("(768, 512)", [768, 512]), ("1024,1024", [1024, 1024]), ("512", [512, 512]), ("large", "large")],
)
def test_a_resolution_is_read_in_every_spelling(stated: str, size: Any) -> None:
    assert facts(resolution=stated)["resolution"] == size


def test_the_day_of_the_training_is_the_end_else_the_start_else_the_card_s() -> None:
    assert facts(training_started_at="1700000000", training_finished_at="1700090000.5")["trained_on"] == (
        "2023-11-15"
    )
    assert read_training({"modelspec.date": "2026-05-01T10:00:00"}, {}).facts["trained_on"] == "2026-05-01"
    assert "trained_on" not in facts(training_finished_at="-5", training_started_at="9e99")


def test_a_hash_of_nothing_is_not_kept_as_the_base_checkpoint_s() -> None:
    assert "base_checkpoint_autov1" not in facts(sd_model_hash="e3b0c442")


def test_the_folders_of_the_trainer_s_own_machine_are_left_out() -> None:
    assert facts(sd_model_name="C:\\Users\\me\\base.safetensors")["base_checkpoint"] == "base.safetensors"
    assert facts(sd_model_name="org/base")["base_checkpoint"] == "org/base"


def test_a_large_header_gives_a_small_object() -> None:
    tags = {f"{n}_folder": {f"tag {i} " + "x" * 300: i + 1 for i in range(2000)} for n in range(100)}
    datasets = [{"resolution": [512, 512], "subsets": [{"image_dir": f"1_{i}"} for i in range(500)]}] * 500
    read = facts(
        tag_frequency=tags,
        datasets=datasets,
        network_args={str(i): "y" * 5000 for i in range(1000)},
        training_comment="z" * 1_000_000,
    )
    assert len(json.dumps(read)) < 500_000


HOSTILE = (
    "\ud800",
    "a\0b",
    "\u202egnp.exe",
    10**400,
    float("nan"),
    {"a": {"b": {"c": {"d": {"e": [[[1]]]}}}}},
)


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("key", ["network_args", "tag_frequency", "datasets", "dataset_dirs", "bucket_info"])
def test_what_a_database_cannot_store_is_left_out(key: str, value: Any) -> None:
    for stated in (
        value,
        {"1_a": value},
        {"1_a": {"img_count": value}},
        [{"subsets": [value]}],
        {str(value): 1},
    ):
        written = json.dumps(facts(**{key: json.dumps(stated)}), ensure_ascii=False, allow_nan=False)
        assert "\0" not in written
        assert "\u202e" not in written
        written.encode("utf-8")


KEYS = st.sampled_from(
    [*KOHYA, "software", "training_info", "ot_config", "ot_branch", "lora_adapter_metadata", "ss_datasets",
     "ss_bucket_info", "modelspec.title", "modelspec.trigger_phrase", "ss_v2", "global_step", "unet",
     "unet:0:rank", "trained_words", "ss_optimizer", "ss_training_finished_at", "modelspec.date"]
)  # fmt: skip
NAMES = st.sampled_from(
    [
        "1_a",
        "subsets",
        "img_count",
        "concepts",
        "optimizer",
        "resolution",
        "transformer.r",
        "r",
        "name",
        "image_dir",
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4) | NAMES, inner, max_size=2)
    ),
    max_leaves=5,
)


@given(st.dictionaries(KEYS, st.text(max_size=8) | JSON.map(json.dumps) | st.just("[" * 3000)))
def test_no_metadata_fails_a_file(metadata: dict[str, str]) -> None:
    reading = read_training(metadata, {}, autov3="0123456789AB")
    json.dumps(reading.facts, ensure_ascii=False, allow_nan=False).encode("utf-8")
    assert all(word and word.isprintable() for word, _ in reading.trigger_words)
