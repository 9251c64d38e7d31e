"""PEFT's configuration in the metadata: the scale we apply is the one that PEFT applies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.weights import inspect_file, iter_modules
from registry.weights.loading import load_adapter_modules
from registry.weights.peft_config import KEY, alpha_rules
from tests.registry.weights.files import write_arrays, write_shapes

FIRST = "mid_block.attentions.0.transformer_blocks.0.attn1.to_q"
SECOND = "mid_block.attentions.0.transformer_blocks.0.attn2.to_out.0"
NAMED = st.dictionaries(
    st.text(max_size=20), st.none() | st.booleans() | st.floats() | st.integers() | st.text()
)


def peft_file(path: Path, config: dict[str, Any], ranks: dict[str, int], prefix: str = "unet.") -> Path:
    arrays = {}
    for name, rank in ranks.items():
        arrays[f"{prefix}{name}.lora_A.weight"] = np.ones((rank, 112), np.float32)
        arrays[f"{prefix}{name}.lora_B.weight"] = np.ones((112, rank), np.float32)
    return write_arrays(path, arrays, {KEY: json.dumps(config)})


def scales(path: Path) -> dict[str, float]:
    return {name: module.scale for name, module in load_adapter_modules(path).items()}


def test_alpha_stands_in_the_metadata_only(tmp_path: Path) -> None:
    path = peft_file(tmp_path / "a.safetensors", {"unet.r": 4, "unet.lora_alpha": 8}, {FIRST: 4})
    assert scales(path) == {f"unet.{FIRST}": 2.0}
    assert [module.alpha for module in iter_modules(path)] == [8.0]


def test_a_pattern_names_the_layers_of_another_alpha(tmp_path: Path) -> None:
    config = {"unet.r": 4, "unet.lora_alpha": 4, "unet.alpha_pattern": {"attn2.to_out.0": 32}}
    path = peft_file(tmp_path / "a.safetensors", config, {FIRST: 4, SECOND: 8})
    assert scales(path) == {f"unet.{FIRST}": 1.0, f"unet.{SECOND}": 4.0}


def test_the_configuration_of_another_component_is_not_this_ones(tmp_path: Path) -> None:
    path = peft_file(tmp_path / "a.safetensors", {"text_encoder.lora_alpha": 8}, {FIRST: 4})
    assert scales(path) == {f"unet.{FIRST}": 1.0}


def test_an_alpha_of_the_files_own_wins(tmp_path: Path) -> None:
    arrays = {
        f"unet.{FIRST}.lora_A.weight": np.ones((4, 112), np.float32),
        f"unet.{FIRST}.lora_B.weight": np.ones((112, 4), np.float32),
        f"unet.{FIRST}.alpha": np.asarray(2, np.float32),
    }
    path = write_arrays(tmp_path / "a.safetensors", arrays, {KEY: json.dumps({"unet.lora_alpha": 8})})
    assert scales(path) == {f"unet.{FIRST}": 0.5}


def test_a_file_of_one_component_needs_no_prefix(tmp_path: Path) -> None:
    path = peft_file(tmp_path / "a.safetensors", {"r": 4, "lora_alpha": 8}, {FIRST: 4}, prefix="")
    assert scales(path) == {f"unet.{FIRST}": 2.0}


@pytest.mark.parametrize("pattern", ["(a+)+b", "attn[12]", "a{1,9}", ".*a.*x", "x" * 400])
def test_a_pattern_that_is_not_understood_keeps_the_file_from_being_applied(
    tmp_path: Path, pattern: str
) -> None:
    config = {"unet.lora_alpha": 4, "unet.alpha_pattern": {pattern: 8}}
    path = peft_file(tmp_path / "a.safetensors", config, {FIRST: 4})
    assert "damaged_modules" in {finding["code"] for finding in inspect_file(path, hashes=False).findings}


def test_patterns_beyond_any_trainers_number_are_not_run(tmp_path: Path) -> None:
    many = {f".*attn1.to_{number}": 4 for number in range(1000)}
    config = {"unet.r": 4, "unet.lora_alpha": 8, "unet.alpha_pattern": many}
    path = peft_file(tmp_path / "a.safetensors", config, {FIRST: 4})
    assert len(alpha_rules({KEY: json.dumps(config)})["unet"].wild) < 1000
    assert "damaged_modules" in {finding["code"] for finding in inspect_file(path, hashes=False).findings}


@given(st.one_of(NAMED, st.lists(st.integers())), st.sampled_from(["unet.", ""]))
def test_any_configuration_is_read_or_left(stated: Any, prefix: str) -> None:
    for text in (
        json.dumps(stated),
        json.dumps({f"{prefix}lora_alpha": 4, f"{prefix}alpha_pattern": stated}),
    ):
        for rule in alpha_rules({KEY: text}).values():
            assert rule.alpha(FIRST, 4) is not None


@pytest.mark.parametrize("text", ["", "null", "[]", "{", '{"unet.lora_alpha": "4"}', '{"lora_alpha": true}'])
def test_what_is_no_configuration_states_nothing(text: str) -> None:
    assert alpha_rules({KEY: text}) == {}


def test_every_dialect_of_peft_uses_it_and_kohya_does_not(tmp_path: Path) -> None:
    metadata = {KEY: json.dumps({"transformer.lora_alpha": 8, "lora_alpha": 8})}
    name = "transformer_blocks.0.attn.to_q"
    for module in (f"transformer.{name}", name, f"base_model.model.{name}"):
        shapes: dict[str, tuple[int, ...]] = {
            f"{module}.lora_A.weight": (4, 3072), f"{module}.lora_B.weight": (3072, 4),
        }  # fmt: skip
        (read,) = iter_modules(write_shapes(tmp_path / "a.safetensors", shapes, metadata))
        assert read.alpha == 8.0
    kohya: dict[str, tuple[int, ...]] = {
        f"lora_unet_{name.replace('.', '_')}.{side}.weight": size
        for side, size in (("lora_down", (4, 3072)), ("lora_up", (3072, 4)))
    }
    (read,) = iter_modules(write_shapes(tmp_path / "b.safetensors", kohya, metadata))
    assert read.alpha is None


@pytest.mark.engine
@pytest.mark.parametrize("rslora", [False, True])
def test_the_scale_is_the_one_peft_itself_applies(tmp_path: Path, rslora: bool) -> None:
    peft = pytest.importorskip("peft")
    diffusers = pytest.importorskip("diffusers")
    unet = diffusers.UNet2DConditionModel(
        sample_size=8, block_out_channels=(8, 16), cross_attention_dim=8, layers_per_block=1,
        norm_num_groups=4, attention_head_dim=4,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
    )  # fmt: skip
    config = peft.LoraConfig(
        r=4, lora_alpha=6, use_rslora=rslora, target_modules=["to_q", "to_k", "to_out.0", "conv1"],
        rank_pattern={"attn2.to_q": 2, "^down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_k": 8},
        alpha_pattern={"attn2.to_q": 10, r"mid_block\..*to_out.0": 3, "to_out.0": 7},
    )  # fmt: skip
    unet.add_adapter(config)
    diffusers.StableDiffusionPipeline.save_lora_weights(
        str(tmp_path),
        unet_lora_layers=peft.get_peft_model_state_dict(unet),
        unet_lora_adapter_metadata=unet.peft_config["default"].to_dict(),
    )
    theirs = {
        f"unet.{name}": module.scaling["default"]
        for name, module in unet.named_modules()
        if isinstance(module, peft.tuners.lora.LoraLayer)
    }
    ours = scales(tmp_path / "pytorch_lora_weights.safetensors")
    assert ours == pytest.approx(theirs)
    assert len(set(ours.values())) > 3
