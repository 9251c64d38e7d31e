"""Block weights: layouts that fit the file, the parts of each kind of model, and presets that say why."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from registry.weights.block_weights import LAYOUTS, as_lbw, layout_for, vector
from registry.weights.presets import CALMED, suggest
from registry.weights.statistics import Statistics, statistics_of
from tests.registry.weights.files import flux_bfl, flux_diffusers, unet_attention, write_arrays

SD1_RESNET = "down_blocks.0.resnets.0.conv1"


def made(
    path: Path, layers: Mapping[str, tuple[int, int]], prefix: str = "lora_unet_", rank: int = 1
) -> Statistics:
    arrays: dict[str, Any] = {}
    for layer, (size_in, size_out) in layers.items():
        name = prefix + (layer.replace(".", "_") if prefix.endswith("_") else layer)
        down, up = ("lora_down", "lora_up") if prefix.startswith("lora") else ("lora_A", "lora_B")
        arrays[f"{name}.{down}.weight"] = np.ones((rank, size_in), np.float16)
        arrays[f"{name}.{up}.weight"] = np.ones((size_out, rank), np.float16)
    return statistics_of(write_arrays(path / "a.safetensors", arrays))


def test_the_layouts_have_the_lengths_that_name_them() -> None:
    assert {name: len(elements) for name, elements in LAYOUTS.items()} == {
        "17": 17, "26": 26, "12": 12, "20": 20, "61": 61,
    }  # fmt: skip
    assert all(len(set(elements)) == len(elements) for elements in LAYOUTS.values())
    # A shorter layout is expanded into the longer one's names.
    assert set(LAYOUTS["17"]) < set(LAYOUTS["26"]) and set(LAYOUTS["12"]) < set(LAYOUTS["20"])


def test_a_file_with_modules_in_resnet_blocks_needs_the_long_layout(tmp_path: Path) -> None:
    attention = unet_attention((320, 640, 1280, 1280), 768)
    assert made(tmp_path, attention).layout == "17"
    assert made(tmp_path, attention | {"up_blocks.0.resnets.1.conv_shortcut": (2560, 1280)}).layout == "26"


def test_sdxl_and_flux_have_layouts_of_their_own_and_others_none(tmp_path: Path) -> None:
    block = "down_blocks.2.attentions.0.transformer_blocks.9.attn2.to_k"
    assert made(tmp_path, {block: (2048, 1280)}).layout == "12"
    flux = made(tmp_path, flux_bfl())
    assert flux.layout == "61"
    assert layout_for("sdxl_refiner", {"IN10"}) is None
    assert layout_for("wan_14b", {"blocks.3"}) is None


@pytest.mark.parametrize(
    ("layers", "prefix", "parts"),
    [
        (unet_attention((320, 640, 1280, 1280), 768), "lora_unet_", ["IN", "MID", "OUT"]),
        (flux_diffusers(), "transformer.", ["DOUBLE", "SINGLE"]),
        (
            {f"blocks.{n}.self_attn.q": (1536, 1536) for n in (0, 9, 10, 19, 20, 29)},
            "diffusion_model.",
            ["EARLY", "MIDDLE", "LATE"],
        ),
    ],
)
def test_parts_of_each_kind_of_model(
    tmp_path: Path, layers: Mapping[str, tuple[int, int]], prefix: str, parts: list[str]
) -> None:
    found = made(tmp_path, layers, prefix)
    assert [part for part, _ in found.profile] == parts
    assert sum(share for _, share in found.profile) == pytest.approx(1)


def test_thirds_are_of_the_model_and_not_of_the_blocks_that_a_file_touches(tmp_path: Path) -> None:
    layers = {f"blocks.{n}.self_attn.q": (1536, 1536) for n in (0, 1, 2)}
    assert [part for part, _ in made(tmp_path, layers, "diffusion_model.").profile] == ["EARLY"]


def test_a_text_encoder_is_a_part_beside_the_blocks(tmp_path: Path) -> None:
    layers = {"mid_block.attentions.0.transformer_blocks.0.attn2.to_k": (768, 1280)}
    arrays = {
        f"{name}.lora_{side}.weight": np.ones(shape, np.float16)
        for name, size_in, size_out in (
            ("lora_unet_" + next(iter(layers)).replace(".", "_"), 768, 1280),
            ("lora_te_text_model_encoder_layers_0_mlp_fc1", 768, 3072),
        )
        for side, shape in (("down", (1, size_in)), ("up", (size_out, 1)))
    }
    found = statistics_of(write_arrays(tmp_path / "a.safetensors", arrays))
    # Ones times ones: the energy is the number of entries.
    assert dict(found.profile) == {
        "TE": pytest.approx(768 * 3072 / (768 * 3072 + 768 * 1280)),
        "MID": pytest.approx(768 * 1280 / (768 * 3072 + 768 * 1280)),
    }
    assert [block.name for block in found.blocks] == ["BASE", "M00"]


def test_a_preset_lowers_only_its_elements_and_says_what_they_carry(tmp_path: Path) -> None:
    found = made(tmp_path, unet_attention((320, 640, 1280, 1280), 768))
    presets = {preset.code: preset for preset in found.presets}
    assert set(presets) == {"calm_face", "calm_clothing", "calm_background"}
    face = presets["calm_face"]
    weights = dict(zip(LAYOUTS["17"], face.weights, strict=True))
    assert {element for element, weight in weights.items() if weight == CALMED} == {"OUT03", "OUT04", "OUT05"}
    assert set(weights.values()) == {1.0, CALMED}
    assert "OUT03, OUT04 and OUT05 carry" in face.why
    assert (
        f"{100 * sum(block.share for block in found.blocks if block.name in face.elements):.0f} %" in face.why
    )
    assert face.as_dict()["lbw"] == "1,1,1,1,1,1,1,1,0.3,0.3,0.3,1,1,1,1,1,1"


def test_nothing_is_calmed_where_nothing_is_changed() -> None:
    assert suggest("17", {"M00": 0.001, "IN07": 0.999}) != []
    assert [preset.code for preset in suggest("17", {"IN07": 1.0})] == ["calm_background"]
    assert suggest("61", {"D00": 1.0}) == []
    assert suggest(None, {"blocks.3": 1.0}) == []


def test_a_vector_is_written_as_prompts_take_it() -> None:
    assert as_lbw(vector("12", {"M00": 0.25})) == "1,1,1,1,1,0.25,1,1,1,1,1,1"
