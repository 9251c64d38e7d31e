"""Modules: an adapter's tensors ready to apply, taken whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from registry.weights import ContainerError, IncompleteModule, UnmatchedKeys, iter_modules
from registry.weights.loading import load_adapter_modules
from tests.registry.weights.files import kohya_file, unet_attention, write_arrays, write_shapes

Arrays = dict[str, npt.NDArray[Any]]
LAYER = "mid_block.attentions.0.transformer_blocks.0.attn1.to_out.0"
FLAT = "lora_unet_" + LAYER.replace(".", "_")


def numbers(*shape: int) -> npt.NDArray[np.float32]:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def lora(module: str, down: str = "lora_down.weight", up: str = "lora_up.weight") -> Arrays:
    return {f"{module}.{down}": numbers(4, 112), f"{module}.{up}": numbers(112, 4)}


def load(tmp_path: Path, arrays: Arrays) -> Any:
    return load_adapter_modules(write_arrays(tmp_path / "a.safetensors", arrays))


def test_kohya_and_peft_spell_the_same_modules(tmp_path: Path) -> None:
    ours = load(tmp_path, lora(FLAT))
    theirs = load(tmp_path, lora(f"unet.{LAYER}", "lora_A.weight", "lora_B.weight"))
    (key,) = ours
    assert list(theirs) == [key] == [f"unet.{LAYER}"]
    for factor in ("down", "up"):
        np.testing.assert_array_equal(ours[key].tensors[factor], theirs[key].tensors[factor])
    assert (ours[key].component, ours[key].path) == ("unet", LAYER)
    assert (ours[key].algorithm, ours[key].rank, ours[key].dora) == ("lora", 4, False)


def test_no_alpha_means_a_scale_of_one(tmp_path: Path) -> None:
    (module,) = load(tmp_path, lora(FLAT)).values()
    assert (module.alpha, module.scale) == (None, 1.0)


@pytest.mark.parametrize(("alpha", "scale"), [(1.0, 0.25), (4.0, 1.0), (0.0, 1.0)])
def test_alpha_is_read_from_the_data(tmp_path: Path, alpha: float, scale: float) -> None:
    (module,) = load(tmp_path, lora(FLAT) | {f"{FLAT}.alpha": np.asarray(alpha, np.float32)}).values()
    assert module.scale == scale


def test_a_lokr_of_two_whole_factors_ignores_its_alpha(tmp_path: Path) -> None:
    factors: Arrays = {f"{FLAT}.lokr_w1": numbers(4, 4), f"{FLAT}.lokr_w2": numbers(28, 28)}
    (module,) = load(tmp_path, factors | {f"{FLAT}.alpha": np.asarray(100000, np.float32)}).values()
    assert (module.rank, module.scale) == (None, 1.0)
    assert set(module.tensors) == {"w1", "w2"}


def test_every_part_of_a_tucker_loha_with_dora_is_there(tmp_path: Path) -> None:
    name = "lora_unet_mid_block_resnets_0_conv1"
    factors: Arrays = {
        f"{name}.hada_{factor}": numbers(4, 112) for factor in ("w1_a", "w1_b", "w2_a", "w2_b")
    }
    factors |= {f"{name}.hada_t1": numbers(4, 4, 3, 3), f"{name}.hada_t2": numbers(4, 4, 3, 3)}
    factors |= {f"{name}.dora_scale": numbers(1, 112, 1, 1), f"{name}.alpha": np.asarray(2, np.float32)}
    (module,) = load(tmp_path, factors).values()
    assert (module.algorithm, module.dora, module.scale) == ("loha", True, 0.5)
    assert set(module.tensors) == {"w1_a", "w1_b", "w2_a", "w2_b", "t1", "t2", "dora_scale"}


def test_a_convolution_is_locon(tmp_path: Path) -> None:
    name = "lora_unet_mid_block_resnets_0_conv1"
    factors: Arrays = {
        f"{name}.lora_down.weight": numbers(4, 112, 3, 3),
        f"{name}.lora_up.weight": numbers(112, 4, 1, 1),
    }
    (module,) = load(tmp_path, factors).values()
    assert module.algorithm == "locon"


def test_half_precision_stays_and_the_rest_becomes_single(tmp_path: Path) -> None:
    arrays: Arrays = {f"{FLAT}.lora_down.weight": numbers(4, 112).astype(np.float16)}
    arrays |= {f"{FLAT}.lora_up.weight": numbers(112, 4).astype(np.float64)}
    (module,) = load(tmp_path, arrays).values()
    assert [module.tensors[f].dtype.name for f in ("down", "up")] == ["float16", "float32"]


def test_a_text_encoder_module_is_named_as_transformers_names_it(tmp_path: Path) -> None:
    for name in (
        "lora_te_text_model_encoder_layers_0_mlp_fc1",
        "text_encoder.text_model.encoder.layers.0.mlp.fc1",
        "text_encoder.encoder.layers.0.mlp.fc1",
    ):
        assert list(load(tmp_path, lora(name))) == ["text_encoder.text_model.encoder.layers.0.mlp.fc1"]


@pytest.mark.parametrize(
    ("extra", "named"),
    [
        ("lora_unet_mid_block_attentions_0_mystery.lora_up.weight", "mystery"),
        ("bundle_emb.token.clip_l", "bundle_emb"),
        ("something.else", "something.else"),
    ],
)
def test_a_file_with_a_key_that_is_not_understood_is_refused_by_name(
    tmp_path: Path, extra: str, named: str
) -> None:
    with pytest.raises(UnmatchedKeys, match=named):
        load(tmp_path, lora(FLAT) | {extra: numbers(2, 2)})


def test_two_modules_for_one_layer_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnmatchedKeys, match="both name the layer"):
        load(tmp_path, lora(FLAT) | lora(f"unet.{LAYER}"))


def test_a_file_without_modules_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnmatchedKeys):
        load(tmp_path, {"emb_params": numbers(4, 768)})


def test_half_a_module_is_refused_by_name(tmp_path: Path) -> None:
    arrays = lora(FLAT)
    del arrays[f"{FLAT}.lora_up.weight"]
    with pytest.raises(IncompleteModule, match="lacks its up factor"):
        load(tmp_path, arrays)


def test_a_truncated_file_is_not_applied(tmp_path: Path) -> None:
    path = write_arrays(tmp_path / "a.safetensors", lora(FLAT))
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(ContainerError):
        load_adapter_modules(path)


def test_facts_of_each_module_come_without_its_tensors(tmp_path: Path) -> None:
    path = write_shapes(tmp_path / "a.safetensors", kohya_file(unet_attention((320, 640, 1280, 1280), 768)))
    modules = list(iter_modules(path))
    assert len(modules) == 128
    first = next(
        m
        for m in modules
        if m.where.path.endswith("down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k")
    )
    assert (first.algorithm, first.rank, first.in_dim, first.out_dim, first.alpha) == (
        "lora",
        4,
        768,
        320,
        0.0,
    )
    assert first.name == "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"
