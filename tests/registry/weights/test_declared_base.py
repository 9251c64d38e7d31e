"""The declared base: names of the base models are known, and one that we do not know is still told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from registry.weights import inspect_file
from registry.weights.declared_base import declared_base, families_named, family_named
from tests.registry.weights.files import write_shapes


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


@pytest.mark.parametrize(
    ("stated", "family"),
    [
        ("STABLE_DIFFUSION_XL_10_BASE", "sdxl"),
        ("FLUX_DEV_1", "flux1"),
        ("HUNYUAN_VIDEO", "hunyuan_video"),
        ("flux-dev/lora", "flux1"),
        ("sdxl-base-1.0/lora", "sdxl"),
        ("wan-t2v-480p-1.3b-2.1/lora", "wan_1_3b"),
        ("hunyuanvideo-t2v-480p/lora", "hunyuan_video_15"),
        ("Flux.1 D", "flux1"),
        ("SD 3.5 Large", "sd35_large"),
        ("Wan Video 14B t2v", "wan_14b"),
        ("HiDream-O1-Image", None),
        ("kolors-1.0/lora", None),
    ],
)
def test_names_of_other_programs_are_known(stated: str, family: str | None) -> None:
    assert family_named(stated) == family


def test_a_name_that_leaves_the_size_open_names_several_families() -> None:
    assert set(families_named("wan_2.1")) == {"wan_1_3b", "wan_14b", "wan_5b"}
    assert family_named("wan_2.1") is None


def test_a_base_that_we_do_not_know_is_still_declared() -> None:
    declared = declared_base({"ss_base_model_version": "my_own"})
    assert declared is not None
    assert declared.as_dict() == {"value": "my_own", "source": "ss_base_model_version", "family": None}


def test_a_known_name_goes_before_an_unknown_one() -> None:
    stated = {"ss_base_model_version": "my_own", "modelspec.architecture": "flux-1-dev/lora"}
    declared = declared_base(stated)
    assert declared is not None
    assert (declared.source, declared.family) == ("modelspec.architecture", "flux1")


@pytest.mark.parametrize(
    ("metadata", "source", "family"),
    [
        ({"ss_v2": "True"}, "ss_v2", "sd2"),
        ({"ss_v2": "true"}, "ss_v2", "sd2"),
        ({"ot_config": json.dumps({"model_type": "Z_IMAGE"})}, "ot_config", "z_image"),
        ({"ss_sd_model_name": "black-forest-labs/FLUX.1-dev"}, "ss_sd_model_name", "flux1"),
        ({"ss_sd_model_name": "/models/sd_xl_base_1.0.safetensors"}, "ss_sd_model_name", "sdxl"),
        (
            {"lora_adapter_metadata": json.dumps({"transformer.base_model_name_or_path": "Qwen/Qwen-Image"})},
            "lora_adapter_metadata",
            "qwen_image",
        ),
    ],
)
def test_other_keys_declare_a_base_too(metadata: dict[str, str], source: str, family: str) -> None:
    declared = declared_base(metadata)
    assert declared is not None
    assert (declared.source, declared.family) == (source, family)


def test_somebody_s_own_checkpoint_declares_nothing() -> None:
    assert declared_base({"ss_sd_model_name": "flux_like_sdxl_merge.safetensors"}) is None
    assert declared_base({"ss_v2": "False", "ss_base_model_version": "None"}) is None


def test_a_declared_base_of_open_size_conflicts_with_layers_of_another_model(tmp_path: Path) -> None:
    module = "lora_unet_input_blocks_4_1_transformer_blocks_1_attn2_to_k"
    shapes = {f"{module}.lora_down.weight": (4, 2048), f"{module}.lora_up.weight": (640, 4)}
    seen = inspect_file(
        write_shapes(tmp_path / "a.safetensors", shapes, {"ss_base_model_version": "wan_2.1"})
    )
    assert seen.family == "sdxl"
    assert seen.base_conflict
    assert {f["code"]: f["message"] for f in seen.findings}["base_conflict"].startswith(
        "The metadata calls the base wan_2.1;"
    )
