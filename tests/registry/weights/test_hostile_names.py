"""Well-formed files with names and shapes that no trainer would write: read, or refused, never a crash."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.weights import WeightsError, inspect_file, read_header
from registry.weights.keys import SUFFIXES
from registry.weights.loading import load_adapter_modules
from registry.weights.repair import find_repair
from registry.weights.sketch import sketch_file
from registry.weights.statistics import statistics_of
from tests.registry.weights.files import peft, write_shapes

PARTS = (
    "lora_unet_ lora_unet__ lora_te_ lora_te2_ lora_transformer_ lora_prior_unet_ oft_unet_ lycoris_ "
    "unet. transformer. text_encoder. text_encoder_2. base_model.model. diffusion_model. "
    "text_encoders.clip_l. bundle_emb. <s1> unet:3: down_blocks_0_ attentions_0_ transformer_blocks_0_ "
    "attn2_to_k input_blocks_4_1_ middle_block_9_ mid_block_ double_blocks. 0. 99999999999999999999. "
    "img_attn. qkv qkv.0 qkv.1 _lora_down default blocks.0. layers.0.attention. self_attn q_proj "
    "resnets_1_ processor. to_q_lora. "
    "proj_lora1. down.weight text_model_encoder_layers_0_ mlp_fc1 norm.key_norm.scale weight a1.weight "
    "a2.weight b1.weight b2.weight on_input oft_blocks.0 motion_modules . _ .. scale é \u202e"
)
NAMES = st.lists(st.sampled_from(PARTS.split(" ")), max_size=5).map("".join)
SUFFIX = st.sampled_from([*("." + suffix for suffix in SUFFIXES), ""])
SHAPES = st.lists(st.integers(0, 5), max_size=5).map(tuple)
FILES = st.dictionaries(st.tuples(NAMES, SUFFIX).map("".join), SHAPES, max_size=12)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hostile") / "a.safetensors"


@settings(max_examples=500, deadline=None)
@given(FILES, st.booleans(), st.booleans())
def test_any_names_and_shapes_are_read(
    path: Path, shapes: dict[str, tuple[int, ...]], cut: bool, hashes: bool
) -> None:
    shapes.pop("__metadata__", None)
    write_shapes(path, shapes)
    if cut:
        with path.open("r+b") as file:
            file.truncate(path.stat().st_size - path.stat().st_size // 20)
    got = inspect_file(path, hashes=hashes).as_dict()
    json.dumps(got)
    try:
        modules = load_adapter_modules(path)
    except WeightsError:
        return
    assert len(modules) == got["modules"]


# Python refuses to read a number of so many digits, and takes a superscript for a digit that is no number.
DIGITS = "9" * 5000
ODD_NUMBERS = [
    "1²2s.0.attn",
    "transformer_blocks.1²2s.0.attn",
    f"blocks{DIGITS}s.0.attn",
    f"transformer.transformer_blocks.{DIGITS}.attn.to_q",
    f"unet.down_blocks.{DIGITS}.attentions.0.proj_in",
    f"unet.down_blocks.0.attentions.{DIGITS}.proj_in",
    f"unet.down_blocks.0.attentions.0.transformer_blocks.{DIGITS}.attn1.to_q",
    f"unet.up_blocks.{DIGITS}.upsamplers.0.conv",
    f"lora_unet_input_blocks_{DIGITS}_1_proj_in",
    f"lora_te_text_model_encoder_layers_{DIGITS}_mlp_fc1",
    f"unet:{DIGITS}",
]


@pytest.mark.parametrize("module", ODD_NUMBERS, ids=lambda name: name[:40])
def test_numbers_in_names_may_be_odd_or_endless(tmp_path: Path, module: str) -> None:
    path = tmp_path / "a.safetensors"
    write_shapes(path, peft(module, 8, 8) | peft("blocks.0.attn", 8, 8))
    assert inspect_file(path).modules == 2
    for read in (statistics_of, lambda file: sketch_file(file, "unknown")):
        try:
            read(path)
        except WeightsError:
            continue


@pytest.mark.parametrize("part", ["bundle_emb.", "lora_unet_", "base_model.model.", "unet.unet.", "lora_A."])
def test_a_name_that_repeats_one_word_for_megabytes_is_read(tmp_path: Path, part: str) -> None:
    path = tmp_path / "a.safetensors"
    write_shapes(path, {f"{part * 300_000}lora_down.weight": (4, 8)})
    read = inspect_file(path)
    assert "strange_tensor_names" in {finding["code"] for finding in read.findings} or read.kind != "adapter"
    assert find_repair(read_header(path), two_encoders=False) is None


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_inspected(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    json.dumps(inspect_file(path).as_dict())
