"""Repair: every wrong name found in the wild leads to its layer, and sound files are left alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from registry.weights import read_header
from registry.weights.dialects import read_name
from registry.weights.header import Header
from registry.weights.keys import split_keys
from registry.weights.repair import NamesCollide, find_repair
from registry.weights.spelling import sgm_path
from registry.weights.unet_names import unet_path
from tests.registry.weights.files import unet_attention, write_shapes

LAYERS = unet_attention((320, 640, 1280, 1280), 768)


def header(path: Path, names: Iterable[tuple[str, tuple[int, ...]]]) -> Header:
    return read_header(write_shapes(path, dict(names)))


def pairs(spell: Callable[[str, str], str]) -> Iterable[tuple[str, tuple[int, ...]]]:
    """The two tensors of every layer, called as `spell(path, side)` says; side is down or up."""
    for path, (size_in, size_out) in LAYERS.items():
        yield spell(path, "down"), (4, size_in)
        yield spell(path, "up"), (size_out, 4)


def processor(path: str) -> str:
    """A layer as diffusers' attention processors call it."""
    stem, _, leaf = path.removesuffix(".0").rpartition(".")
    return f"{stem}.processor.{leaf}_lora"


WRONG: dict[str, Callable[[str, str], str]] = {
    "dots to underscores behind a second prefix": lambda path, side: (
        f"lora_unet_unet_{path.replace('.', '_')}_lora_{side}.weight"
    ),
    "dots to underscores": lambda path, side: f"lora_unet_{path.replace('.', '_')}_lora_{side}.weight",
    "the old processors flattened": lambda path, side: (
        f"lora_unet_unet_{processor(path).replace('.', '_')}_{side}.weight"
    ),
    "the last dot flattened, too": lambda path, side: (
        f"lora_unet_{path.replace('.', '_')}_lora_{side}_weight"
    ),
    "old processors without a prefix": lambda path, side: f"{processor(path)}.{side}.weight",
    "PEFT's own prefix": lambda path, side: (
        f"base_model.model.{path}.lora_{'A' if side == 'down' else 'B'}.weight"
    ),
    "PEFT's prefix behind diffusers'": lambda path, side: (
        f"unet.base_model.model.{path}.lora_{'A' if side == 'down' else 'B'}.weight"
    ),
    "the adapter's name left in": lambda path, side: (
        f"unet.{path}.lora_{'A' if side == 'down' else 'B'}.default.weight"
    ),
    "another adapter's name left in": lambda path, side: (
        f"unet.{path}.lora_{'A' if side == 'down' else 'B'}.my-style.weight"
    ),
    "the prefix twice": lambda path, side: f"unet.unet.{path}.lora.{side}.weight",
    "PEFT's factors flattened": lambda path, side: (
        f"unet_{path.replace('.', '_')}_lora_{'A' if side == 'down' else 'B'}_weight"
    ),
}


@pytest.mark.parametrize("how", WRONG)
def test_every_wrong_spelling_leads_to_kohyas_names(tmp_path: Path, how: str) -> None:
    found = find_repair(header(tmp_path / "x", pairs(WRONG[how])), two_encoders=False)
    assert found is not None
    right = {
        f"lora_unet_{path.replace('.', '_')}.lora_{side}.weight" for path in LAYERS for side in ("down", "up")
    }
    assert set(found.names.values()) == right
    assert (found.dialect, found.left) == ("kohya", ())


@pytest.mark.parametrize(
    "spell",
    [
        lambda path, side: f"lora_unet_{path.replace('.', '_')}.lora_{side}.weight",
        lambda path, side: f"unet.{path}.lora_{'A' if side == 'down' else 'B'}.weight",
        lambda path, side: f"unet.{path}.lora.{side}.weight",
        lambda path, side: f"unet.{processor(path)}.{side}.weight",
        lambda path, side: f"diffusion_model.{sgm_path(path)}.lora_{side}.weight",
    ],
)
def test_sound_files_have_nothing_to_repair(tmp_path: Path, spell: Callable[[str, str], str]) -> None:
    assert find_repair(header(tmp_path / "x", pairs(spell)), two_encoders=False) is None


def test_a_repaired_file_is_sound(tmp_path: Path) -> None:
    for number, spell in enumerate(WRONG.values()):
        shapes = dict(pairs(spell))
        found = find_repair(header(tmp_path / f"{number}", shapes.items()), two_encoders=False)
        assert found is not None
        again = {found.names.get(name, name): shape for name, shape in shapes.items()}
        assert find_repair(header(tmp_path / f"{number}again", again.items()), two_encoders=False) is None


def test_with_two_text_encoders_names_are_those_of_sdxl(tmp_path: Path) -> None:
    names = {
        "base_model.model.mid_block.attentions.0.transformer_blocks.9.attn2.to_k.lora_A.weight": (4, 2048),
        "base_model.model.mid_block.attentions.0.transformer_blocks.9.attn2.to_k.lora_B.weight": (1280, 4),
        "text_encoder.text_encoder.text_model.encoder.layers.0.mlp.fc1.lora_A.weight": (4, 768),
        "text_encoder_2.text_model.encoder.layers.0.mlp.fc1.lora_A.weight": (4, 1280),
    }
    found = find_repair(header(tmp_path / "x", names.items()), two_encoders=True)
    assert found is not None
    assert sorted(found.names.values()) == [
        "lora_te1_text_model_encoder_layers_0_mlp_fc1.lora_down.weight",
        "lora_te2_text_model_encoder_layers_0_mlp_fc1.lora_down.weight",
        "lora_unet_middle_block_1_transformer_blocks_9_attn2_to_k.lora_down.weight",
        "lora_unet_middle_block_1_transformer_blocks_9_attn2_to_k.lora_up.weight",
    ]


def test_a_transformers_names_become_those_of_diffusers(tmp_path: Path) -> None:
    names = {
        "base_model.model.single_transformer_blocks.9.proj_out.lora_A.default.weight": (4, 15360),
        "base_model.model.single_transformer_blocks.9.proj_out.lora_B.default.weight": (3072, 4),
    }
    found = find_repair(header(tmp_path / "x", names.items()), two_encoders=False)
    assert found is not None
    assert sorted(found.names.values()) == [
        "transformer.single_transformer_blocks.9.proj_out.lora_A.weight",
        "transformer.single_transformer_blocks.9.proj_out.lora_B.weight",
    ]


def test_a_language_models_adapter_is_not_dressed_up(tmp_path: Path) -> None:
    names = {
        "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight": (4, 4096),
        "base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight": (4096, 4),
    }
    assert find_repair(header(tmp_path / "x", names.items()), two_encoders=False) is None


def test_two_copies_of_one_layer_are_not_chosen_between(tmp_path: Path) -> None:
    path = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
    names = {
        f"unet.unet.{path}.lora_A.weight": (4, 320),
        f"lora_unet_unet_{path.replace('.', '_')}_lora_down.weight": (4, 320),
    }
    with pytest.raises(NamesCollide):
        find_repair(header(tmp_path / "x", names.items()), two_encoders=False)


def test_what_no_layer_owns_keeps_its_name(tmp_path: Path) -> None:
    names = {**dict(pairs(WRONG["PEFT's own prefix"])), "classifier.weight": (2, 2)}
    found = find_repair(header(tmp_path / "x", names.items()), two_encoders=False)
    assert found is not None
    assert found.left == ("classifier.weight",)


@pytest.mark.parametrize(
    "path",
    [
        "conv_in", "conv_out", "conv_norm_out", "time_embedding.linear_1", "add_embedding.linear_2",
        "down_blocks.0.resnets.1.conv1", "down_blocks.1.downsamplers.0.conv",
        "down_blocks.2.attentions.1.norm",
        "down_blocks.1.resnets.0.conv_shortcut", "mid_block.resnets.1.time_emb_proj",
        "mid_block.attentions.0.transformer_blocks.9.ff.net.0.proj", "up_blocks.0.attentions.2.proj_out",
        "up_blocks.0.upsamplers.0.conv", "up_blocks.2.resnets.2.norm2",
    ],
)  # fmt: skip
def test_sgms_name_of_a_layer_leads_back_to_it(path: str) -> None:
    assert sgm_path(path) != path
    assert unet_path(sgm_path(path)) == path
    modules, _ = split_keys([f"lora_unet_{sgm_path(path).replace('.', '_')}.lora_down.weight"])
    (module,) = modules.values()
    assert read_name(module).path == path
