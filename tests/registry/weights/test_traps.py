"""Traps of adapters in the wild: one test for each thing that has led some reader astray."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from registry.weights import IncompleteModule, UnmatchedKeys, inspect_file, iter_modules
from registry.weights.loading import load_adapter_modules
from tests.registry.weights import wild
from tests.registry.weights.files import Shapes, kohya, peft, write_arrays, write_shapes

SD1 = wild.write(wild.SD1_LAYERS, "lora_unet_", wild.lora_kohya, flat=True)
LAYER = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q"
Array = npt.NDArray[Any]


def read(tmp_path: Path, shapes: Shapes, metadata: dict[str, str] | None = None) -> dict[str, Any]:
    return inspect_file(write_shapes(tmp_path / "a.safetensors", shapes, metadata), hashes=False).as_dict()


def codes(got: dict[str, Any]) -> set[str]:
    return {finding["code"] for finding in got["findings"]}


def message(got: dict[str, Any], code: str) -> str:
    (found,) = [finding["message"] for finding in got["findings"] if finding["code"] == code]
    return str(found)


def with_alpha(tmp_path: Path, alpha: Array, factors: dict[str, Array] | None = None) -> Path:
    ones = np.ones((4, 1280), np.float16)
    factors = factors or {f"{LAYER}.lora_down.weight": ones, f"{LAYER}.lora_up.weight": ones.T.copy()}
    return write_arrays(tmp_path / "a.safetensors", factors | {f"{LAYER}.alpha": alpha})


def test_no_alpha_means_the_rank_and_not_one(tmp_path: Path) -> None:
    ones = np.ones((4, 1280), np.float16)
    factors = {f"{LAYER}.lora_down.weight": ones, f"{LAYER}.lora_up.weight": ones.T.copy()}
    (module,) = load_adapter_modules(write_arrays(tmp_path / "a.safetensors", factors)).values()
    assert (module.alpha, module.scale) == (None, 1.0)


@pytest.mark.parametrize("shape", [(), (1,)])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int64])
def test_alpha_is_read_in_any_shape_and_dtype(
    tmp_path: Path, shape: tuple[int, ...], dtype: type[np.generic]
) -> None:
    path = with_alpha(tmp_path, np.full(shape, 2, dtype))
    (module,) = iter_modules(path)
    assert module.alpha == 2.0
    assert next(iter(load_adapter_modules(path).values())).scale == 0.5


@pytest.mark.parametrize(
    ("alpha", "code", "severity"),
    [
        (np.nan, "alpha_not_finite", "error"),
        (np.inf, "alpha_not_finite", "error"),
        (100_000, "alpha_unusual", "warning"),
        (-4, "alpha_unusual", "warning"),
        (0, "alpha_zero", "info"),
    ],
)
def test_an_alpha_that_nobody_trains_with_is_told(
    tmp_path: Path, alpha: float, code: str, severity: str
) -> None:
    got = inspect_file(with_alpha(tmp_path, np.asarray(alpha, np.float32)), hashes=False)
    assert {f["code"]: f["severity"] for f in got.findings}[code] == severity


def test_the_alpha_of_oft_is_a_limit_and_no_scale(tmp_path: Path) -> None:
    blocks = {f"{LAYER}.oft_blocks": np.zeros((160, 8, 8), np.float32)}
    path = with_alpha(tmp_path, np.asarray(1e6, np.float32), blocks)
    (module,) = load_adapter_modules(path).values()
    assert (module.alpha, module.scale) == (1e6, 1.0)
    assert not codes(inspect_file(path, hashes=False).as_dict()) & {"alpha_unusual", "alpha_varies"}


@pytest.mark.parametrize(("trainer", "rank"), [(wild.oft_kohya, 8), (wild.diag_oft, 8)])
def test_the_rank_of_oft_is_what_its_trainer_means(tmp_path: Path, trainer: wild.Trainer, rank: int) -> None:
    prefix = "oft_unet_" if trainer is wild.oft_kohya else "lora_unet_"
    got = read(tmp_path, wild.write(wild.SD1_LAYERS, prefix, trainer, flat=True))
    assert got["rank"] == {"min": rank, "median": rank, "max": rank}


def test_the_oft_of_flux_is_a_list_of_blocks(tmp_path: Path) -> None:
    name = "oft_unet_single_blocks_20_linear1"
    parts: Shapes = {f"{name}.oft_blocks.{n}": (4, 768, 768) for n in range(3)}
    parts |= {f"{name}.oft_blocks.3": (4, 3072, 3072), f"{name}.alpha": ()}
    path = write_shapes(tmp_path / "a.safetensors", parts)
    (module,) = iter_modules(path)
    assert (module.algorithm, module.rank, module.out_dim) == ("oft", 4, 21504)
    assert inspect_file(path, hashes=False).modules == 1


def test_tucker_factors_are_transposed(tmp_path: Path) -> None:
    name = "lora_unet_down_blocks_1_resnets_0_conv1"
    core = (4, 4, 3, 3)
    loha: Shapes = {f"{name}.hada_t{n}": core for n in (1, 2)}
    loha |= {f"{name}.hada_w{n}_a": (4, 640) for n in (1, 2)} | {
        f"{name}.hada_w{n}_b": (4, 320) for n in (1, 2)
    }
    lokr: Shapes = {f"{name}.lokr_w1": (16, 8), f"{name}.lokr_t2": core}
    lokr |= {f"{name}.lokr_w2_a": (4, 40), f"{name}.lokr_w2_b": (4, 40)}
    for shapes in (loha, lokr):
        (module,) = iter_modules(write_shapes(tmp_path / "a.safetensors", shapes))
        assert (module.rank, module.in_dim, module.out_dim) == (4, 320, 640)
        assert module.facts.kernel == (3, 3)


def test_a_lokr_of_whole_factors_has_no_rank_whatever_the_metadata_says(tmp_path: Path) -> None:
    shapes = wild.write(wild.SD1_LAYERS, "lora_unet_", wild.lokr_full, flat=True)
    got = read(tmp_path, shapes, {"ss_network_dim": "100000", "ss_network_alpha": "100000"})
    assert (got["algorithm"], got["rank"]) == ("lokr", None)
    assert "alpha_unusual" not in codes(got)


def test_a_weight_is_ia3_only_beside_its_marker(tmp_path: Path) -> None:
    ia3 = wild.write(wild.SD1_LAYERS, "lora_unet_", wild.ia3, flat=True)
    assert read(tmp_path, ia3)["algorithm"] == "ia3"
    bare = {name: shape for name, shape in ia3.items() if name.endswith("weight")}
    assert (read(tmp_path, bare)["algorithm"], read(tmp_path, bare)["modules"]) == (None, 0)


def test_a1_is_glora_only_beside_the_other_three(tmp_path: Path) -> None:
    got = read(tmp_path, {"m.a1.weight": (8, 8), "m.a2.weight": (8, 8)})
    assert (got["algorithm"], got["modules"], got["kind"]) == (None, 0, "other")
    glora = wild.write(wild.SD1_LAYERS, "lora_unet_", wild.glora, flat=True)
    assert read(tmp_path, glora)["algorithm"] == "glora"


def test_a_fast_video_lora_with_changes_of_norms_and_biases_is_a_lora(tmp_path: Path) -> None:
    shapes: Shapes = {}
    for n in range(40):
        block = f"diffusion_model.blocks.{n}"
        for attention in ("self_attn", "cross_attn"):
            for p in "qkvo":
                shapes |= peft(f"{block}.{attention}.{p}", 5120, 5120)
                shapes[f"{block}.{attention}.{p}.diff_b"] = (5120,)
            shapes |= {f"{block}.{attention}.norm_{p}.diff": (5120,) for p in "qk"}
        shapes |= peft(f"{block}.ffn.0", 5120, 13824) | peft(f"{block}.ffn.2", 13824, 5120)
        shapes |= {f"{block}.norm3.diff": (5120,), f"{block}.modulation.diff": (1, 6, 5120)}
    got = read(tmp_path, shapes)
    assert (got["algorithm"], got["dialect"], got["modules"]) == ("lora", "comfy", 40 * 16)
    assert "400 lora, 240 full" in message(got, "several_algorithms")


def test_two_block_namings_in_one_file_are_told(tmp_path: Path) -> None:
    shapes = wild.write(wild.SDXL_SGM, "lora_unet_", wild.lora_kohya, flat=True)
    got = read(tmp_path, shapes | wild.write(wild.SDXL_LAYERS, "lora_unet_", wild.lora_kohya, flat=True))
    assert (got["dialect"], got["family"], got["modules"]) == ("kohya", "sdxl", 6)
    assert "two_block_namings" in codes(got)
    assert "two_block_namings" not in codes(read(tmp_path, shapes))


def test_two_spellings_of_factors_in_one_file_are_both_read(tmp_path: Path) -> None:
    first, second = dict(list(wild.FLUX_BFL.items())[:2]), dict(list(wild.FLUX_BFL.items())[2:])
    shapes = wild.write(first, "diffusion_model.", wild.lora_peft, flat=False)
    shapes |= wild.write(second, "diffusion_model.", wild.lora_kohya, flat=False)
    got = read(tmp_path, shapes)
    assert (got["dialect"], got["algorithm"], got["modules"]) == ("comfy", "lora", 5)


@pytest.mark.parametrize(
    ("name", "component", "size"),
    [
        ("lora_te_text_model_encoder_layers_0_mlp_fc1", "text_encoder", (768, 3072)),
        ("lora_te1_text_model_encoder_layers_0_mlp_fc1", "text_encoder", (768, 3072)),
        ("lora_te2_text_model_encoder_layers_0_mlp_fc1", "text_encoder_2", (1280, 5120)),
        ("lora_te2_encoder_block_0_layer_0_SelfAttention_k", "text_encoder_2", (4096, 4096)),
        ("lora_te3_encoder_block_0_layer_0_SelfAttention_k", "text_encoder_3", (4096, 4096)),
        ("lora_te4_model_layers_0_self_attn_q_proj", "text_encoder_4", (4096, 4096)),
        ("lora_te_layers_0_self_attn_q_proj", "text_encoder", (1024, 2048)),
        ("text_encoders.clip_l.transformer.text_model.encoder.layers.0.mlp.fc1", "text_encoder", (768, 3072)),
        ("text_encoder_2.text_model.encoder.layers.0.mlp.fc1", "text_encoder_2", (1280, 5120)),
        ("clip_g.text_model.encoder.layers.0.mlp.fc1", "text_encoder_2", (1280, 5120)),
        ("lora_prior_te_text_model_encoder_layers_0_mlp_fc1", "text_encoder", (1280, 5120)),
    ],
)
def test_each_prefix_of_a_text_encoder_is_known(
    tmp_path: Path, name: str, component: str, size: tuple[int, int]
) -> None:
    got = read(tmp_path, kohya(name, *size))
    assert [part["name"] for part in got["components"]] == [component]
    assert got["kind"] == "adapter"


def test_a_cascade_lora_is_of_the_prior(tmp_path: Path) -> None:
    got = read(tmp_path, kohya("lora_prior_unet_down_blocks_0_0_channelwise_0", 2048, 8192))
    assert (got["dialect"], got["family"]) == ("onetrainer", "cascade")
    assert [part["name"] for part in got["components"]] == ["prior"]


@pytest.mark.parametrize("rank", [1, 3])
def test_a_single_module_is_an_adapter(tmp_path: Path, rank: int) -> None:
    got = read(tmp_path, kohya(LAYER, 1280, 1280, rank))
    assert (got["kind"], got["modules"], got["rank"]) == (
        "adapter",
        1,
        {"min": rank, "median": rank, "max": rank},
    )


@pytest.mark.parametrize(
    ("names", "token", "vectors"),
    [
        (["bundle_emb.my.tok.string_to_param.*"], "my.tok", 4),
        (["bundle_emb.<s.1>.clip_l", "bundle_emb.<s.1>.clip_g_out"], "<s.1>", 4),
        (["bundle_emb.絵.t5"], "絵", 4),
        (["<s1>"], "<s1>", 4),
    ],
)
def test_a_bundled_token_keeps_its_dots_and_is_no_module(
    tmp_path: Path, names: list[str], token: str, vectors: int
) -> None:
    got = read(tmp_path, SD1 | dict.fromkeys(names, (vectors, 768)))
    assert (got["kind"], got["modules"]) == ("adapter", 4)
    assert f"{token} ({vectors})" in message(got, "bundled_embeddings")
    assert "unmatched_keys" not in codes(got)


def test_rank_zero_changes_nothing_and_divides_nothing(tmp_path: Path) -> None:
    path = write_shapes(tmp_path / "a.safetensors", kohya(LAYER, 1280, 1280, 0))
    got = inspect_file(path).as_dict()
    assert (got["valid"], got["rank"]) == (True, {"min": 0, "median": 0, "max": 0})
    assert "rank_zero" in codes(got)
    assert next(iter(load_adapter_modules(path).values())).scale == 1.0


@pytest.mark.parametrize("kernel", [(3,), (3, 3), (3, 3, 3), (1, 1)])
def test_convolutions_of_any_number_of_axes_are_read(tmp_path: Path, kernel: tuple[int, ...]) -> None:
    shapes = kohya("diffusion_model.patch_embedding", 16, 5120, kernel=kernel)
    (module,) = iter_modules(write_shapes(tmp_path / "a.safetensors", shapes))
    assert (module.rank, module.in_dim, module.out_dim) == (4, 16, 5120)
    assert module.algorithm == ("locon" if 3 in kernel else "lora")


def test_a_1x1_convolution_reads_the_same_in_two_axes_and_in_four(tmp_path: Path) -> None:
    name = "lora_unet_mid_block_attentions_0_proj_in"
    two, four = kohya(name, 1280, 1280), kohya(name, 1280, 1280, kernel=(1, 1))
    for shapes in (two, four):
        got = read(tmp_path, shapes | kohya(LAYER.replace("attn1_to_q", "attn2_to_k"), 768, 1280))
        assert (got["family"], got["algorithm"]) == ("sd1", "lora")


def test_a_fused_layer_in_parts_is_one_module(tmp_path: Path) -> None:
    got = read(tmp_path, wild.omi_flux(1))
    assert (got["family"], got["dialect"]) == ("flux1", "onetrainer")
    parts = kohya("transformer.double_blocks.0.img_attn.qkv.1", 3072, 3072)
    (module,) = iter_modules(write_shapes(tmp_path / "b.safetensors", parts))
    assert (module.name, module.in_dim, module.out_dim) == (
        "transformer.double_blocks.0.img_attn.qkv",
        3072,
        None,
    )


def test_a_number_that_belongs_to_the_layers_name_is_no_part(tmp_path: Path) -> None:
    names = ["double_blocks.0.img_mlp.0", "double_blocks.0.img_mlp.2", "double_blocks.0.img_attn.proj"]
    shapes = {k: v for name in names for k, v in peft(f"diffusion_model.{name}", 3072, 3072).items()}
    assert read(tmp_path, shapes)["modules"] == 3


def test_leftovers_of_a_quantization_are_told(tmp_path: Path) -> None:
    extra: Shapes = {f"{LAYER}.lora_down.comfy_quant": (20,), f"{LAYER}.lora_down.weight_scale": ()}
    got = read(tmp_path, SD1 | extra)
    assert got["modules"] == 4
    assert "quantization_leftovers" in codes(got)
    assert "unmatched_keys" not in codes(got)
    with pytest.raises(UnmatchedKeys):
        load_adapter_modules(tmp_path / "a.safetensors")


def test_half_a_module_is_told_by_its_name(tmp_path: Path) -> None:
    got = read(tmp_path, SD1 | {f"{LAYER}.lora_up.weight": (1280, 4)})
    assert (got["kind"], got["modules"]) == ("adapter", 5)
    assert f"{LAYER} lacks its down factor" in message(got, "damaged_modules")
    with pytest.raises(IncompleteModule, match="lacks its down factor"):
        load_adapter_modules(tmp_path / "a.safetensors")


def test_halves_alone_are_no_adapter(tmp_path: Path) -> None:
    got = read(tmp_path, {name: shape for name, shape in SD1.items() if "lora_down" not in name})
    assert got["kind"] == "other"
    assert "damaged_modules" in codes(got)


@pytest.mark.parametrize("suffix", ["_lora_down.weight", "_lora_A.weight", "_lora_linear_layer_down_weight"])
@pytest.mark.parametrize("prefix", ["lora_unet_unet_", "lora_unet_", "unet_", ""])
def test_every_dot_made_an_underscore_is_a_broken_rename(tmp_path: Path, suffix: str, prefix: str) -> None:
    path = "mid_block_attentions_0_transformer_blocks_0_attn2_to_k"
    other = suffix.replace("down", "up").replace("_A", "_B")
    got = read(tmp_path, {f"{prefix}{path}{suffix}": (4, 768), f"{prefix}{path}{other}": (1280, 4)})
    assert (got["dialect"], got["family"], got["modules"]) == ("broken_rename", "sd1", 1)
    assert {"code": "broken_rename", "severity": "error"}.items() <= got["findings"][0].items()


def test_a_broken_rename_of_a_text_encoder_is_one_too(tmp_path: Path) -> None:
    name = "lora_te_text_encoder_text_model_encoder_layers_0_self_attn_q_proj"
    got = read(tmp_path, {f"{name}_lora_down.weight": (4, 768), f"{name}_lora_up.weight": (768, 4)})
    assert got["dialect"] == "broken_rename"
    assert [part["name"] for part in got["components"]] == ["text_encoder"]


def test_names_without_a_prefix_are_one_dialect_though_families_share_some(tmp_path: Path) -> None:
    qwen = {
        "img_in": (64, 3072),
        "txt_in": (3584, 3072),
        "transformer_blocks.59.img_mlp.net.0.proj": (3072, 12288),
    }
    video = {"double_blocks.0.img_attn_qkv": (3072, 9216), "single_blocks.39.linear1": (3072, 21504)}
    flux2 = {"double_stream_modulation_img.lin": (6144, 36864), "single_blocks.47.linear1": (6144, 55296)}
    for layers, dialect in ((qwen, "unprefixed"), (video, "unprefixed"), (flux2, "bfl")):
        got = read(tmp_path, wild.write(layers, "", wild.lora_peft, flat=False))
        assert (got["kind"], got["dialect"]) == ("adapter", dialect)


@pytest.mark.parametrize(
    ("metadata", "code"),
    [
        ({"ss_network_module": "networks.dylora"}, "trained_as_dylora"),
        ({"ss_network_args": '{"algo": "dylora"}'}, "trained_as_dylora"),
        ({"ss_network_module": "networks.lora_fa"}, "trained_as_lora_fa"),
        ({"ss_optimizer": "lora_pro.LoRAProAdamW(lr=1)"}, "trained_as_lora_pro"),
        ({"ss_optimizer": "LoRAProAdamW(lr=1)"}, "trained_as_lora_pro"),
        ({"ss_network_args": '{"rs_lora": "True"}'}, "trained_as_rslora"),
        ({"lora_adapter_metadata": '{"unet.use_rslora": true}'}, "trained_as_rslora"),
        ({"lora_adapter_metadata": '{"unet.init_lora_weights": "pissa_niter_4"}'}, "needs_changed_base"),
        ({"ss_network_dim": "Dynamic"}, "resized"),
        ({"ss_training_comment": "Dynamic resize with sv_fro: 0.9 from 128; mine"}, "resized"),
        ({"ss_training_comment": "dimension is resized from 128 to 32; mine"}, "resized"),
    ],
)
def test_training_that_leaves_no_trace_in_the_names_is_noted(
    tmp_path: Path, metadata: dict[str, str], code: str
) -> None:
    assert (read(tmp_path, SD1, metadata)["algorithm"], code in codes(read(tmp_path, SD1, metadata))) == (
        "lora",
        True,
    )
    assert code not in codes(read(tmp_path, SD1))


def test_the_resize_is_told_with_its_numbers(tmp_path: Path) -> None:
    comment = "Dynamic resize with sv_fro: 0.9 from 128; mine"
    assert "rank 128 by sv_fro 0.9" in message(
        read(tmp_path, SD1, {"ss_training_comment": comment}), "resized"
    )


def test_ranks_that_differ_are_told_with_their_counts(tmp_path: Path) -> None:
    got = read(tmp_path, SD1 | kohya(LAYER, 1280, 1280, 2))
    assert got["rank"] == {"min": 2, "median": 8, "max": 8}
    assert "4 x 8, 1 x 2" in message(got, "ranks_vary")


def test_a_numbered_file_without_geglu_names_the_right_layers(tmp_path: Path) -> None:
    path = write_shapes(tmp_path / "a.safetensors", wild.pti(geglu=False))
    paths = [m.where.path for m in iter_modules(path) if m.where.component == "unet"]
    assert len(set(paths)) == 128
    assert not any("ff.net" in path for path in paths)
    assert inspect_file(path, hashes=False).family == "sd1"


@pytest.mark.parametrize("prefix", ["pipe.dit.", "dit.", "net.", "module."])
def test_a_programs_own_wrapping_is_taken_off(tmp_path: Path, prefix: str) -> None:
    got = read(tmp_path, wild.write(wild.WAN_14B, prefix, wild.lora_default, flat=False))
    assert (got["kind"], got["dialect"], got["family"]) == ("adapter", "unprefixed", "wan_14b")


def test_the_second_transformer_of_a_pipeline_is_a_component_of_its_own(tmp_path: Path) -> None:
    path = "blocks.0.attn1.to_q"
    got = read(tmp_path, peft(f"transformer.{path}", 5120, 5120) | peft(f"transformer_2.{path}", 5120, 5120))
    assert [part["name"] for part in got["components"]] == ["transformer", "transformer_2"]
    assert (got["family"], got["modules"]) == ("wan_14b", 2)
    assert read(tmp_path, peft(f"transformer_2.{path}", 5120, 5120))["family"] == "wan_14b"


def test_two_dialects_in_two_components_are_each_named(tmp_path: Path) -> None:
    shapes = wild.write(wild.FLUX_DIFFUSERS, "transformer.", wild.lora_peft, flat=False)
    shapes |= wild.write(wild.CLIP_L, "lora_te1_", wild.lora_kohya, flat=True)
    got = read(tmp_path, shapes | {"bundle_emb.x.clip_l": (2, 768)})
    assert got["dialect"] == "diffusers_peft"
    assert got["components"] == [
        {"name": "text_encoder", "modules": 2, "dialect": "kohya"},
        {"name": "transformer", "modules": 4, "dialect": "diffusers_peft"},
    ]


def test_modules_saved_whole_beside_an_adapter_are_told(tmp_path: Path) -> None:
    shapes = wild.write(wild.FLUX_DIFFUSERS, "base_model.model.", wild.lora_peft, flat=False)
    got = read(tmp_path, shapes | {"base_model.model.x_embedder.weight": (3072, 64)})
    assert (got["kind"], got["dialect"], got["modules"]) == ("adapter", "peft_raw", 4)
    assert "x_embedder" in message(got, "unmatched_keys")
