"""Weights block by block: every layer of the tiny bases gets the number of the block it is in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from inference.engine.block_weights import weight_of
from registry.weights.block_weights import LAYOUTS, PRESETS, as_lbw, read_lbw
from registry.weights.errors import BadBlockWeights

RAMP = {count: [n / 100 for n in range(1, len(names) + 1)] for count, names in LAYOUTS.items()}


def ramp(count: str, element: str) -> float:
    """The weight of an element in a vector whose numbers are all different."""
    return RAMP[count][LAYOUTS[count].index(element)]


@pytest.mark.parametrize(
    ("family", "count", "component", "path", "element"),
    [
        ("sd1", "17", "text_encoder", "encoder.layers.3.self_attn.q_proj", "BASE"),
        ("sd1", "17", "unet", "down_blocks.0.attentions.1.proj_in", "IN02"),
        ("sd1", "17", "unet", "down_blocks.2.attentions.1.transformer_blocks.0.attn1.to_q", "IN08"),
        ("sd1", "17", "unet", "mid_block.resnets.1.conv1", "M00"),
        ("sd1", "17", "unet", "up_blocks.1.attentions.0.proj_out", "OUT03"),
        ("sd1", "17", "unet", "up_blocks.3.attentions.2.proj_out", "OUT11"),
        ("sd1", "26", "unet", "conv_in", "IN00"),
        ("sd1", "26", "unet", "down_blocks.0.downsamplers.0.conv", "IN03"),
        ("sd1", "26", "unet", "down_blocks.3.resnets.1.conv2", "IN11"),
        ("sd1", "26", "unet", "up_blocks.0.upsamplers.0.conv", "OUT02"),
        ("sdxl", "12", "text_encoder_2", "encoder.layers.30.mlp.fc1", "BASE"),
        ("sdxl", "12", "unet", "down_blocks.1.attentions.0.transformer_blocks.1.ff.net.2", "IN04"),
        ("sdxl", "12", "unet", "up_blocks.1.attentions.2.proj_in", "OUT05"),
        ("sdxl", "20", "unet", "down_blocks.1.downsamplers.0.conv", "IN06"),
        ("sdxl", "20", "unet", "up_blocks.2.resnets.2.conv1", "OUT08"),
        ("flux1", "61", "text_encoder", "encoder.layers.0.mlp.fc1", "CLIP"),
        ("flux1", "61", "text_encoder_2", "encoder.block.0.layer.0.SelfAttention.q", "T5"),
        ("flux1", "61", "transformer", "time_text_embed.guidance_embedder.linear_1", "IN"),
        ("flux1", "61", "transformer", "context_embedder", "IN"),
        ("flux1", "61", "transformer", "transformer_blocks.18.attn.to_q", "D18"),
        ("flux1", "61", "transformer", "single_transformer_blocks.37.proj_mlp", "S37"),
        ("flux1", "61", "transformer", "norm_out.linear", "OUT"),
    ],
)
def test_a_layer_has_the_weight_of_its_block(
    family: str, count: str, component: str, path: str, element: str
) -> None:
    weight = weight_of(0.5, 0.25, RAMP[count], family)(component, path)
    side = 0.25 if component.startswith("text_encoder") else 0.5
    assert weight == pytest.approx(side * ramp(count, element))


def test_blocks_that_a_short_vector_does_not_name_are_off_and_layers_in_no_block_are_on() -> None:
    weight = weight_of(1.0, None, "ALL", "sd1")
    assert weight("unet", "up_blocks.0.resnets.1.conv1") == 0.0
    assert weight("unet", "down_blocks.0.downsamplers.0.conv") == 0.0
    assert weight("unet", "time_embedding.linear_1") == weight("unet", "conv_out") == 1.0


def test_without_a_vector_only_the_two_sides_differ() -> None:
    weight = weight_of(0.9, 0.3)
    assert weight("unet", "conv_in") == weight("transformer", "proj_out") == 0.9
    assert weight("text_encoder", "x") == weight("text_encoder_3", "x") == 0.3
    assert weight_of(0.9)("text_encoder", "x") == 0.9


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_is_a_vector_of_its_family(preset: str) -> None:
    family = "flux1" if preset == "FLUXALL" else "sd1"
    assert weight_of(1.0, 1.0, preset, family)("text_encoder", "x") == read_lbw(preset)[0]


def test_a_vector_reads_back_as_written() -> None:
    assert all(read_lbw(as_lbw(numbers)) == tuple(numbers) for numbers in RAMP.values())


@pytest.mark.parametrize(
    ("vector", "family"),
    [("1,1,1", "sd1"), ("MIDDLE", "sd1"), (",".join(["U"] * 17), "sd1"), (",".join(["nan"] * 17), "sd1"),
     ("FLUXALL", "sdxl"), ("ALL", "flux1"), ("ALL", "sd3_medium")],
)  # fmt: skip
def test_a_vector_that_fits_no_layout_of_the_family_is_refused(vector: str, family: str) -> None:
    with pytest.raises(BadBlockWeights):
        weight_of(1.0, 1.0, vector, family)


@pytest.mark.engine
@pytest.mark.parametrize(("family", "count"), [("sd1", "26"), ("sdxl", "20"), ("flux1", "61")])
def test_every_layer_of_a_base_is_in_a_block_but_for_those_that_none_has(
    tiny_families: Callable[[str], Any], family: str, count: str
) -> None:
    from tests.inference.tiny_families import modules_of

    modules: Mapping[str, Mapping[str, Any]] = modules_of(tiny_families(family))
    weight = weight_of(1.0, 1.0, [0.0] * int(count), family)
    outside = {
        path for component, found in modules.items() for path in found if weight(component, path) != 0.0
    }
    unets = {
        "time_embedding.linear_1", "time_embedding.linear_2", "conv_norm_out", "conv_out",
        "add_embedding.linear_1", "add_embedding.linear_2",
    }  # fmt: skip
    assert outside <= (set() if family == "flux1" else unets)
