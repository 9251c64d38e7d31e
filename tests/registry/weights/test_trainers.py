"""Who wrote a file, and what each program keeps in an object of its own."""

from __future__ import annotations

import json
from typing import Any

import pytest

from registry.weights.trainers import methods_of, trainer_of
from registry.weights.training import read_training


@pytest.mark.parametrize(
    ("metadata", "trainer"),
    [
        ({"software": '{"name": "ai-toolkit", "version": "0.1.0"}'}, "ai-toolkit"),
        ({"ot_branch": "master", "ss_base_model_version": "sdxl_"}, "OneTrainer"),
        ({"ss_network_module": "lycoris.kohya"}, "sd-scripts with LyCORIS"),
        ({"ss_network_module": "networks.lora"}, "sd-scripts"),
        ({"ss_network_module": "networks.lora", "ss_base_model_version": "hunyuan_video"}, "musubi-tuner"),
        ({"ss_network_module": "networks.lora_wan"}, "musubi-tuner"),
        ({"ss_network_module": "networks.lora_flux"}, "sd-scripts"),
        ({"modelspec.sai_model_spec": "1.0.1", "global_step": "10"}, "SimpleTuner"),
        ({"unet:0:rank": "4", "unet": '["CrossAttention"]'}, "cloneofsimo/lora"),
        ({"lora_adapter_metadata": "{}"}, "diffusers"),
        ({"software": "[]"}, None),
        ({"format": "pt"}, None),
    ],
)
def test_a_program_is_known_by_its_signature(metadata: dict[str, str], trainer: str | None) -> None:
    assert trainer_of(metadata) == trainer


@pytest.mark.parametrize(
    ("metadata", "method"),
    [
        ({"ss_network_module": "networks.dylora"}, "DyLoRA"),
        ({"ss_network_module": "networks.lora_fa"}, "LoRA-FA"),
        ({"ss_network_args": '{"loraplus_lr_ratio": "16"}'}, "LoRA+"),
        ({"ss_network_args": '{"dora_wd": "True"}'}, "DoRA"),
        ({"ss_network_args": '{"rs_lora": "True"}'}, "rsLoRA"),
        ({"lora_adapter_metadata": '{"transformer.use_rslora": true}'}, "rsLoRA"),
        ({"ss_optimizer": "lora_pro.AdamW(lr=1e-4)"}, "LoRA-Pro"),
    ],
)
def test_a_method_that_tensors_do_not_show_is_told(metadata: dict[str, str], method: str) -> None:
    assert methods_of(metadata) == [method]


def test_a_method_that_is_switched_off_is_not_told() -> None:
    assert methods_of({"ss_network_args": '{"dora_wd": "False", "algo": "lora"}'}) == []


def facts(metadata: dict[str, Any]) -> dict[str, Any]:
    stated = {key: value if isinstance(value, str) else json.dumps(value) for key, value in metadata.items()}
    return read_training(stated, {}).facts


def test_ai_toolkit_states_steps_and_epochs() -> None:
    read = facts({
        "software": {"name": "ai-toolkit", "version": "0.7"}, "training_info": {"step": 2000, "epoch": 57},
    })  # fmt: skip
    assert (read["trainer"], read["trainer_version"]) == ("ai-toolkit", "0.7")
    assert (read["steps"], read["epochs"]) == (2000, 57)


def test_onetrainer_s_configuration_is_read() -> None:
    read = facts({"ot_branch": "master", "ot_revision": "abc", "ot_config": {
        "base_model_name": "/home/me/pony.safetensors", "learning_rate": 3e-4, "epochs": 100, "batch_size": 4,
        "resolution": "512,1024", "lora_rank": 32, "lora_alpha": 16.0,
        "optimizer": {"__version": 0, "optimizer": "PRODIGY", "d_coef": 1.0, "eps": None, "decouple": True},
        "unet": {"train": True, "learning_rate": 1e-4},
        "text_encoder": {"train": False, "learning_rate": 1e-5},
        "concepts": [
            {"name": "momo", "balancing": 10.0, "concept_stats": {"image_count": 33}},
            {"name": "hares", "type": "PRIOR_PREDICTION", "balancing": 1.0},
        ],
    }})  # fmt: skip
    assert read["base_checkpoint"] == "pony.safetensors"
    assert (read["epochs_planned"], read["batch_size"], read["network_dim"]) == (100, 4, 32)
    assert (read["unet_learning_rate"], read["resolution"]) == (1e-4, [1024, 1024])
    assert "text_encoder_learning_rate" not in read
    assert (read["optimizer_name"], read["optimizer_args"]) == ("PRODIGY", {"d_coef": 1.0, "decouple": True})
    assert read["folders"] == [{"concept": "momo", "repeats": 10, "images": 33}]
    assert read["distinct_images"] == 33


def test_peft_configurations_are_read_per_component() -> None:
    read = facts({"lora_adapter_metadata": {
        "text_encoder.r": 4, "transformer.r": 16, "transformer.lora_alpha": 32, "transformer.use_dora": False,
        "transformer.target_modules": ["to_k"], "transformer.rank_pattern": {"proj_out": 8},
    }})  # fmt: skip
    assert (read["network_dim"], read["network_alpha"]) == (16, 32)
    assert read["adapter_configs"] == {
        "text_encoder": {"r": 4},
        "transformer": {
            "r": 16,
            "lora_alpha": 32,
            "target_modules": ["to_k"],
            "rank_pattern": {"proj_out": 8},
        },
    }


def test_simpletuner_s_step_is_read() -> None:
    assert facts({"global_step": "3000", "modelspec.comment": "mine"}) == {"steps": 3000, "comment": "mine"}


def test_data_sets_are_read_with_their_folders() -> None:
    read = facts({"ss_datasets": [{
        "resolution": [1024, 768], "batch_size_per_device": 2, "num_train_images": 400, "enable_bucket": True,
        "min_bucket_reso": 256, "bucket_info": {"buckets": {"0": {"count": 3}, "1": {"count": 4}}},
        "tag_frequency": {"10_momo": {"momo": 40}},
        "subsets": [{"img_count": 40, "num_repeats": 10, "image_dir": "10_momo", "shuffle_caption": True,
                     "keep_tokens": 1, "is_reg": False}],
    }]})  # fmt: skip
    assert read["datasets"] == [{
        "resolution": [1024, 768], "batch_size": 2, "images": 400,
        "subsets": [{"folder": "10_momo", "repeats": 10, "images": 40, "shuffled": True, "keep_tokens": 1}],
    }]  # fmt: skip
    assert read["resolution"] == [1024, 768]
    assert read["buckets"] == {"enabled": True, "smallest": 256, "sizes": 2}
    assert read["captions"] == {"shuffled": True, "keep_tokens": 1}
    assert read["distinct_images"] == 40


def test_the_images_of_one_folder_are_those_of_an_epoch_over_its_repeats() -> None:
    read = facts({"ss_num_train_images": "400", "ss_tag_frequency": {"10_momo": {"momo": 40}}})
    assert read["distinct_images"] == 40
    read = facts({"ss_num_train_items": "90", "ss_datasets": [{"image_directory": "momo", "num_repeats": 3}]})
    assert read["distinct_images"] == 30
