"""Inspection: one file read as a whole, in the contract's words."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from registry.weights import digest_file, inspect_file
from tests.registry.weights.files import (
    Shapes,
    flux_bfl,
    kohya,
    kohya_file,
    merge,
    peft,
    peft_file,
    unet_attention,
    write_arrays,
    write_shapes,
)

KEYS = [
    "path",
    "size",
    "container",
    "valid",
    "error",
    "kind",
    "algorithm",
    "weight_decomposed",
    "dialect",
    "family",
    "family_candidates",
    "modules",
    "rank",
    "components",
    "blocks",
    "declared_base",
    "base_conflict",
    "trigger_words",
    "training",
    "hashes",
    "findings",
]
SD1 = unet_attention((320, 640, 1280, 1280), 768)


def read(tmp_path: Path, shapes: Shapes, metadata: dict[str, str] | None = None) -> dict[str, Any]:
    return inspect_file(write_shapes(tmp_path / "a.safetensors", shapes, metadata), hashes=False).as_dict()


def codes(got: dict[str, Any]) -> set[str]:
    return {finding["code"] for finding in got["findings"]}


def test_the_keys_are_the_contracts_in_its_order(tmp_path: Path) -> None:
    assert list(read(tmp_path, kohya_file(SD1))) == KEYS
    assert list(inspect_file(tmp_path / "none").as_dict()) == KEYS
    (tmp_path / "empty").touch()
    assert list(inspect_file(tmp_path / "empty").as_dict()) == KEYS


def test_a_whole_sd1_adapter_is_read(tmp_path: Path) -> None:
    text = {
        f"lora_te_text_model_encoder_layers_{n}_self_attn_{p}_proj": (768, 768)
        for n in range(12)
        for p in "qkv"
    }
    got = read(tmp_path, kohya_file(SD1) | merge([kohya(name, *size) for name, size in text.items()]))
    assert got["valid"]
    assert (got["kind"], got["family"], got["modules"]) == ("adapter", "sd1", 128 + 36)
    assert got["rank"] == {"min": 4, "median": 4, "max": 4}
    assert got["components"] == [
        {"name": "text_encoder", "modules": 36, "dialect": "kohya"},
        {"name": "unet", "modules": 128, "dialect": "kohya"},
    ]
    assert got["blocks"] == (
        [
            "BASE",
            "IN01",
            "IN02",
            "IN04",
            "IN05",
            "IN07",
            "IN08",
            "M00",
            "OUT03",
            "OUT04",
            "OUT05",
            "OUT06",
            "OUT07",
            "OUT08",
            "OUT09",
            "OUT10",
            "OUT11",
        ]
    )


def test_flux_blocks_have_the_names_of_block_weights(tmp_path: Path) -> None:
    got = read(
        tmp_path, kohya_file(flux_bfl()) | kohya("lora_te1_text_model_encoder_layers_0_mlp_fc1", 768, 3072)
    )
    blocks = ["CLIP", *(f"D{n:02}" for n in range(19)), *(f"S{n:02}" for n in range(38))]
    assert got["blocks"] == blocks


def test_a_truncated_file_says_what_its_header_says(tmp_path: Path) -> None:
    path = write_shapes(tmp_path / "a.safetensors", kohya_file(SD1))
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)
    got = inspect_file(path).as_dict()
    assert not got["valid"]
    assert got["error"]["code"] == "truncated"
    assert (got["kind"], got["family"], got["modules"]) == ("adapter", "sd1", 128)


def test_hashes_are_there_unless_left_out(tmp_path: Path) -> None:
    path = write_shapes(tmp_path / "a.safetensors", kohya_file(SD1))
    whole = hashlib.sha256(path.read_bytes()).hexdigest().upper()
    assert (inspect_file(path).hashes or {})["sha256"] == whole
    assert inspect_file(path, hashes=False).hashes is None
    assert inspect_file(path, digests=digest_file(path)).as_dict() == inspect_file(path).as_dict()


def test_numbers_that_are_none_are_found_when_the_data_is_read(tmp_path: Path) -> None:
    name = "lora_unet_mid_block_attentions_0_proj_in"
    path = write_arrays(
        tmp_path / "a.safetensors",
        {
            f"{name}.lora_down.weight": np.full((4, 1280), np.nan, np.float16),
            f"{name}.lora_up.weight": np.zeros((1280, 4), np.float16),
        },
    )
    assert "not_finite" in codes(inspect_file(path).as_dict())
    assert "not_finite" not in codes(inspect_file(path, hashes=False).as_dict())


def test_components_of_two_dialects_are_told_apart(tmp_path: Path) -> None:
    shapes = peft_file(SD1, "unet.") | kohya("lora_te_text_model_encoder_layers_0_mlp_fc1", 768, 3072)
    got = read(tmp_path, shapes)
    assert got["dialect"] == "diffusers_peft"
    assert {part["name"]: part["dialect"] for part in got["components"]} == {
        "unet": "diffusers_peft",
        "text_encoder": "kohya",
    }


def test_a_denoiser_in_two_dialects_is_mixed(tmp_path: Path) -> None:
    half = dict(list(SD1.items())[:64])
    rest = dict(list(SD1.items())[64:])
    assert read(tmp_path, peft_file(half, "unet.") | kohya_file(rest))["dialect"] == "mixed"


def test_more_than_nine_in_ten_name_the_algorithm(tmp_path: Path) -> None:
    layers = [f"lora_unet_{path.replace('.', '_')}" for path in SD1]
    few = {f"{name}.diff_b": (1280,) for name in layers[:5]}
    got = read(tmp_path, kohya_file(dict(list(SD1.items())[5:])) | few)
    assert got["algorithm"] == "lora"
    assert "several_algorithms" in codes(got)
    half = {f"{name}.diff_b": (1280,) for name in layers[:64]}
    assert read(tmp_path, kohya_file(dict(list(SD1.items())[64:])) | half)["algorithm"] == "mixed"


def test_one_convolution_makes_a_lora_a_locon(tmp_path: Path) -> None:
    conv = kohya("lora_unet_mid_block_resnets_0_conv1", 1280, 1280, kernel=(3, 3))
    assert read(tmp_path, kohya_file(SD1) | conv)["algorithm"] == "locon"


def test_dora_on_one_module_is_told(tmp_path: Path) -> None:
    name = "lora_unet_mid_block_attentions_0_proj_in"
    got = read(tmp_path, kohya_file(SD1) | {f"{name}.dora_scale": (1, 1280)} | kohya(name, 1280, 1280))
    assert (got["algorithm"], got["weight_decomposed"]) == ("lora", True)


def test_the_broken_rename_is_known_and_not_loadable(tmp_path: Path) -> None:
    shapes: Shapes = {}
    for path, (enters, leaves) in SD1.items():
        name = f"lora_unet_unet_{path.replace('.', '_')}"
        shapes |= {f"{name}_lora_down.weight": (4, enters), f"{name}_lora_up.weight": (leaves, 4)}
    got = read(tmp_path, shapes)
    assert (got["dialect"], got["family"], got["modules"]) == ("broken_rename", "sd1", 128)
    assert "broken_rename" in codes(got)


def test_a_zip_archive_inside_valid_safetensors_is_found(tmp_path: Path) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as inside:
        inside.writestr("data.pkl", b"cos\nsystem\n")
    hidden = np.frombuffer(archive.getvalue(), np.uint8)
    path = write_arrays(tmp_path / "a.safetensors", {"x": np.zeros(4, np.float32), "z": hidden})
    got = inspect_file(path).as_dict()
    assert got["valid"]
    assert "zip_inside" in codes(got)
    assert "zip_inside" not in codes(read(tmp_path, kohya_file(SD1)))


def test_half_a_module_is_damage_not_a_crash(tmp_path: Path) -> None:
    shapes = kohya_file(SD1)
    del shapes[next(name for name in shapes if name.endswith("lora_up.weight"))]
    got = read(tmp_path, shapes)
    assert got["family"] == "sd1"
    assert "damaged_modules" in codes(got)


@pytest.mark.parametrize(
    ("kind", "shapes"),
    [
        ("checkpoint", {"model.diffusion_model.input_blocks.0.0.weight": (4, 4)}),
        ("unet", {"down_blocks.0.resnets.0.conv1.weight": (4, 4, 3, 3), "conv_in.weight": (4, 4, 3, 3)}),
        ("vae", {"decoder.up_blocks.0.resnets.0.conv1.weight": (4, 4, 3, 3)}),
        ("text_encoder", {"text_model.encoder.layers.0.mlp.fc1.weight": (4, 4)}),
        ("controlnet", {"control_model.input_blocks.0.0.weight": (4, 4)}),
        ("ip_adapter", {"image_proj.proj.weight": (4, 4)}),
        ("upscaler", {"params_ema.conv_first.weight": (4, 4)}),
        ("motion_module", {"down_blocks.0.motion_modules.0.temporal_transformer.proj_in.weight": (4, 4)}),
        ("control_adapter", {"lllite_unet_input_blocks_4_1.conditioning1.0.weight": (4, 4)}),
        ("language_adapter", peft("base_model.model.model.layers.0.self_attn.q_proj", 4096, 4096)),
        (
            "language_adapter",
            peft("base_model.model.distilbert.transformer.layer.0.attention.q_lin", 768, 768),
        ),
        ("other", {"weight": (4, 4), "bias": (4,)}),
        ("other", {}),
    ],
)
def test_what_is_no_adapter_is_called_what_it_is(tmp_path: Path, kind: str, shapes: Shapes) -> None:
    got = read(tmp_path, shapes)
    assert got["valid"]
    assert (got["kind"], got["family"]) == (kind, "unknown")


def test_a_control_adapter_brings_an_image_input_of_its_own(tmp_path: Path) -> None:
    norms = {f"double_blocks.{n}.img_attn.norm.key_norm.scale": (128,) for n in range(19)}
    got = read(tmp_path, peft_file(flux_bfl(), "") | peft("img_in", 128, 3072) | norms)
    assert (got["kind"], got["dialect"], got["family"]) == ("control_adapter", "bfl_control", "flux1")


def test_learned_tokens_are_told_and_are_no_modules(tmp_path: Path) -> None:
    tokens = {"bundle_emb.my.token.string_to_param.*": (4, 768), "<s1>": (768,)}
    got = read(tmp_path, kohya_file(SD1) | tokens)
    assert got["modules"] == 128
    assert {word["word"] for word in got["trigger_words"]} == {"my.token", "<s1>"}
    assert "unmatched_keys" not in codes(got)


def test_a_path_without_a_file_is_an_object_too(tmp_path: Path) -> None:
    for path, code in ((tmp_path / "none", "unreadable"), (tmp_path, "is_a_folder")):
        got = inspect_file(path).as_dict()
        assert got["error"]["code"] == code
        assert (got["valid"], got["kind"]) == (False, "unreadable")


def test_the_object_is_plain_json(tmp_path: Path) -> None:
    got = read(tmp_path, kohya_file(SD1), {"ss_tag_frequency": '{"1_a": {"b": 2}}', "ss_network_dim": "4"})
    assert json.loads(json.dumps(got)) == got
