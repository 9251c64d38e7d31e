"""Dialects: the same change to the model in other names, whatever becomes of alpha."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from registry.weights import inspect_file, read_header
from registry.weights.loading import load_adapter_modules
from registry.weights.redialect import DIALECTS, DialectImpossible, write_dialect

BLOCK = "down_blocks_0_attentions_0_transformer_blocks_0"
Floats = np.ndarray[Any, np.dtype[np.float64]]


def kohya(path: Path, *, alpha: float, dtype: Any = np.float16, text: bool = True) -> Path:
    random = np.random.default_rng(3)
    modules = {f"lora_unet_{BLOCK}_attn2_to_k": (320, 768), f"lora_unet_{BLOCK}_attn1_to_q": (320, 320)}
    if text:
        modules["lora_te_text_model_encoder_layers_0_mlp_fc1"] = (3072, 768)
    tensors: dict[str, np.ndarray[Any, Any]] = {}
    for name, (size_out, size_in) in modules.items():
        tensors[f"{name}.lora_up.weight"] = random.normal(size=(size_out, 4)).astype(dtype)
        tensors[f"{name}.lora_down.weight"] = random.normal(size=(4, size_in)).astype(dtype)
        tensors[f"{name}.alpha"] = np.array(alpha, np.float32)
    save_file(tensors, path, {"ss_network_dim": "4"})
    return path


def write(source: Path, target: Path, to: str, *, two_encoders: bool = False) -> Any:
    header = read_header(source)
    return write_dialect(source, header, target, to, header.metadata, two_encoders=two_encoders)


def changes(path: Path) -> dict[str, Floats]:
    """dW of every layer, multiplied out here."""
    return {
        key: m.scale * (m.tensors["up"].astype(float) @ m.tensors["down"].astype(float))
        for key, m in load_adapter_modules(path).items()
    }


@pytest.mark.parametrize("alpha", [1.0, 4.0, 3.0, 0.3])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_there_and_back_the_change_is_the_same(tmp_path: Path, alpha: float, dtype: Any) -> None:
    source = kohya(tmp_path / "kohya", alpha=alpha, dtype=dtype)
    write(source, tmp_path / "diffusers", "diffusers")
    write(tmp_path / "diffusers", tmp_path / "back", "kohya")
    truth = changes(source)
    for name, dialect in (("diffusers", "diffusers_peft"), ("back", "kohya")):
        assert inspect_file(tmp_path / name).dialect == dialect
        got = changes(tmp_path / name)
        assert got.keys() == truth.keys()
        for key, value in truth.items():
            np.testing.assert_allclose(got[key], value, rtol=1e-5, atol=1e-5)


def test_a_factor_is_widened_only_where_folding_would_lose_something(tmp_path: Path) -> None:
    halved = write(kohya(tmp_path / "a", alpha=2.0), tmp_path / "b", "diffusers")
    third = write(kohya(tmp_path / "c", alpha=3.3), tmp_path / "d", "diffusers")
    assert (halved.folded, halved.widened) == (3, 0)
    assert (third.folded, third.widened) == (3, 3)
    assert {t.dtype for t in read_header(tmp_path / "b").tensors.values()} == {"F16"}


def test_down_factors_are_copied_byte_for_byte(tmp_path: Path) -> None:
    source = kohya(tmp_path / "a", alpha=3.3)
    write(source, tmp_path / "b", "diffusers")
    before, after = load_file(source), load_file(tmp_path / "b")
    new = f"unet.{'down_blocks.0.attentions.0.transformer_blocks.0'}.attn2.to_k.lora_A.weight"
    assert after[new].tobytes() == before[f"lora_unet_{BLOCK}_attn2_to_k.lora_down.weight"].tobytes()


def test_alpha_that_only_diffusers_metadata_states_is_not_lost(tmp_path: Path) -> None:
    path = "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k"
    tensors = {
        f"unet.{path}.lora_A.weight": np.ones((4, 768), np.float32),
        f"unet.{path}.lora_B.weight": np.ones((320, 4), np.float32),
    }
    stated = {"unet.r": 4, "unet.lora_alpha": 8}
    save_file(tensors, tmp_path / "a", {"lora_adapter_metadata": json.dumps(stated)})
    write(tmp_path / "a", tmp_path / "b", "kohya")
    (module,) = load_adapter_modules(tmp_path / "b").values()
    assert (module.alpha, module.scale) == (8.0, 2.0)
    assert "lora_adapter_metadata" not in read_header(tmp_path / "b").metadata


def test_peft_gets_the_config_that_it_wants_beside_the_file(tmp_path: Path) -> None:
    change = write(kohya(tmp_path / "a", alpha=1.0, text=False), tmp_path / "b", "peft")
    assert inspect_file(tmp_path / "b").dialect == DIALECTS["peft"]
    assert (change.adapter_config["r"], change.adapter_config["lora_alpha"]) == (4, 4)
    assert len(change.adapter_config["target_modules"]) == 2


@pytest.mark.parametrize("to", list(DIALECTS))
def test_what_a_dialect_has_no_place_for_is_refused(tmp_path: Path, to: str) -> None:
    name = f"lora_unet_{BLOCK}_attn2_to_k"
    loha = {f"{name}.hada_w{n}_{half}": np.ones((4, 4), np.float16) for n in "12" for half in "ab"}
    save_file(loha, tmp_path / "loha")
    with pytest.raises(DialectImpossible, match="no name for the factor"):
        write(tmp_path / "loha", tmp_path / "out", to)
    assert not (tmp_path / "out").exists()


def test_peft_files_adapt_one_model_only(tmp_path: Path) -> None:
    with pytest.raises(DialectImpossible, match="adapt one model"):
        write(kohya(tmp_path / "a", alpha=1.0), tmp_path / "b", "peft")


def test_learned_tokens_come_along_as_bundled_embeddings(tmp_path: Path) -> None:
    tensors = {
        "unet:0:down": np.ones((4, 320), np.float32),
        "unet:0:up": np.ones((320, 4), np.float32),
        "<s1>": np.arange(768, dtype=np.float32),
    }
    save_file(tensors, tmp_path / "a")
    write(tmp_path / "a", tmp_path / "b", "kohya")
    after = load_file(tmp_path / "b")
    assert after["bundle_emb.<s1>.string_to_param.*"].tolist() == [list(range(768))]
    with pytest.raises(DialectImpossible):
        write(tmp_path / "a", tmp_path / "c", "diffusers")
