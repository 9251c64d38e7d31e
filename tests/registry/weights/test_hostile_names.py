"""Well-formed files with names and shapes that no trainer would write: read, or refused, never a crash."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.weights import WeightsError, inspect_file
from registry.weights.keys import SUFFIXES
from registry.weights.loading import load_adapter_modules
from tests.registry.weights.files import write_shapes

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


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_inspected(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    json.dumps(inspect_file(path).as_dict())
