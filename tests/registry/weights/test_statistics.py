"""Statistics of whole files: as a brute-force SVD has them, with every oddity told and none in the way."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.weights.base_norms import as_json, norms_of, read_norms, shipped_norms
from registry.weights.block_weights import LAYOUTS
from registry.weights.errors import BaseNormsUnreadable, ContainerError, NoModules
from registry.weights.statistics import Statistics, statistics_of
from tests.registry.weights.files import kohya_file, unet_attention, write_arrays, write_shapes

ROOT = Path(__file__).parents[3]
TOYBOX = ROOT / "demo" / "toybox"
DEMO = ROOT / "demo" / "adapters"
Arrays = dict[str, npt.NDArray[Any]]
SD1 = unet_attention((320, 640, 1280, 1280), 768)
MID = "lora_unet_mid_block_attentions_0_transformer_blocks_0"


def numbers(*shape: int, seed: int = 0) -> npt.NDArray[np.float16]:
    return (0.1 * np.random.default_rng([seed, *shape]).standard_normal(shape)).astype(np.float16)


def sd1_file(
    path: Path, ranks: tuple[int, ...] = (4,), extra: Arrays | None = None, widest: int = 1280
) -> Path:
    """A kohya LoRA of a few real layers of Stable Diffusion 1, the ranks taken in turn."""
    arrays: Arrays = {}
    chosen = [
        layer for layer in SD1 if layer.endswith(("attn2.to_k", "attn1.to_q")) and SD1[layer][1] <= widest
    ]
    for place, layer in enumerate(chosen):
        size_in, size_out = SD1[layer]
        name, rank = f"lora_unet_{layer.replace('.', '_')}", ranks[place % len(ranks)]
        arrays[f"{name}.lora_down.weight"] = numbers(rank, size_in, seed=place)
        arrays[f"{name}.lora_up.weight"] = numbers(size_out, rank, seed=place)
        arrays[f"{name}.alpha"] = np.asarray(2.0, np.float16)
    return write_arrays(path, arrays | (extra or {}))


def matrices(path: Path) -> dict[str, npt.NDArray[np.float64]]:
    """The formed change of every module."""
    arrays = read_arrays(path)
    found = {}
    for name in sorted({key.partition(".")[0] for key in arrays}):
        down = arrays[f"{name}.lora_down.weight"].astype(float)
        found[name] = arrays[f"{name}.lora_up.weight"].astype(float) @ down * (2.0 / len(down))
    return found


def brute(path: Path) -> dict[str, tuple[float, float, float, float]]:
    """Norm, spectral norm, stable and effective rank of every module, from the formed matrix."""
    found = {}
    for name, matrix in matrices(path).items():
        values = np.linalg.svd(matrix, compute_uv=False)
        values = values[values > 1e-9 * values[0]]
        shares = values / values.sum()
        entropy = -float(np.sum(shares * np.log(shares)))
        norm = float(np.linalg.norm(matrix))
        found[name] = (norm, float(values[0]), (norm / float(values[0])) ** 2, math.exp(entropy))
    return found


def read_arrays(path: Path) -> Arrays:
    raw = path.read_bytes()
    length = int.from_bytes(raw[:8], "little")
    arrays: Arrays = {}
    for name, tensor in json.loads(raw[8 : 8 + length]).items():
        begin, end = tensor["data_offsets"]
        arrays[name] = np.frombuffer(raw[8 + length + begin : 8 + length + end], np.float16).reshape(
            tensor["shape"]
        )
    return arrays


def test_every_figure_agrees_with_brute_force_also_where_ranks_differ(tmp_path: Path) -> None:
    path = sd1_file(tmp_path / "a.safetensors", ranks=(4, 1, 200), widest=320)
    expected = brute(path)
    found = statistics_of(path)
    assert len(found.each) == len(expected)
    for one in found.each:
        ours = (one.frobenius, one.spectral, one.stable_rank, one.effective_rank)
        assert ours == pytest.approx(expected[one.name], rel=1e-5)
    total = math.sqrt(sum(norm**2 for norm, *_ in expected.values()))
    assert found.frobenius == pytest.approx(total, rel=1e-6)


def test_shares_are_of_the_energy_and_add_up(tmp_path: Path) -> None:
    path = sd1_file(tmp_path / "a.safetensors")
    energies = {name: float(np.sum(matrix**2)) for name, matrix in matrices(path).items()}
    found = statistics_of(path)
    whole = sum(energies.values())
    mid = sum(energy for name, energy in energies.items() if "_mid_block_" in name)
    blocks = {block.name: block for block in found.blocks}
    assert blocks["M00"].share == pytest.approx(mid / whole, rel=1e-6)
    assert sum(block.share for block in found.blocks) == pytest.approx(1)
    assert sum(share for _, share in found.profile) == pytest.approx(1)
    assert [part for part, _ in found.profile] == ["IN", "MID", "OUT"]
    assert list(blocks) == list(LAYOUTS["17"][1:])


def test_what_a_page_needs_is_plain_json(tmp_path: Path) -> None:
    told = statistics_of(sd1_file(tmp_path / "a.safetensors")).as_dict()
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert told["modules"] == 32
    assert told["layout"] == "17"
    assert set(told["effective_rank"]) == {"min", "median", "max"}
    assert told["needs_base"] is False


def test_zero_and_nan_modules_are_named_and_spoil_nothing(tmp_path: Path) -> None:
    still, broken = f"{MID}_attn1_to_k", f"{MID}_attn1_to_v"
    bad = numbers(4, 1280)
    bad[1, 2] = np.nan
    path = sd1_file(
        tmp_path / "a.safetensors",
        extra={
            f"{still}.lora_down.weight": numbers(4, 1280),
            f"{still}.lora_up.weight": np.zeros((1280, 4), np.float16),
            f"{broken}.lora_down.weight": bad,
            f"{broken}.lora_up.weight": numbers(1280, 4),
        },
    )
    found = statistics_of(path)
    told = found.as_dict()
    assert (told["zero"], told["not_finite"]) == ([still], [broken])
    by_name = {one.name: one for one in found.each}
    assert by_name[still].effective_rank is None and by_name[still].frobenius == 0
    assert by_name[broken].frobenius is None
    assert json.dumps(told, allow_nan=False)
    assert found.frobenius == pytest.approx(statistics_of(sd1_file(tmp_path / "b.safetensors")).frobenius)


def test_a_file_that_changes_nothing_has_no_shares_and_no_presets(tmp_path: Path) -> None:
    found = statistics_of(write_shapes(tmp_path / "a.safetensors", kohya_file(SD1)))
    told = found.as_dict()
    assert (told["frobenius"], told["effective_rank"], told["presets"]) == (0.0, None, [])
    assert told["zero_count"] == 128 and len(told["zero"]) == 20


def test_half_a_module_is_left_out_with_the_reason(tmp_path: Path) -> None:
    path = sd1_file(tmp_path / "a.safetensors", extra={f"{MID}_attn1_to_v.lora_up.weight": numbers(1280, 4)})
    (left_out,) = statistics_of(path).as_dict()["left_out"]
    assert left_out["name"] == f"{MID}_attn1_to_v"
    assert "down" in left_out["why"]


def test_dora_tells_its_magnitude_apart_and_that_it_needs_the_base(tmp_path: Path) -> None:
    scale = np.asarray([[1.0], [3.0]] * 640, np.float16)
    path = sd1_file(
        tmp_path / "a.safetensors",
        extra={
            f"{MID}_attn1_to_v.lora_up.weight": numbers(1280, 4),
            f"{MID}_attn1_to_v.lora_down.weight": numbers(4, 1280),
            f"{MID}_attn1_to_v.dora_scale": scale,
        },
    )
    told = statistics_of(path).as_dict()
    assert told["needs_base"] is True
    assert told["magnitude_spread"]["median"] == pytest.approx(0.5)


def test_relative_changes_are_not_added_to_absolute_ones(tmp_path: Path) -> None:
    weight = np.full(1280, 1000.0, np.float32)
    extra: Arrays = {
        f"{MID}_attn1_to_k.weight": weight,
        f"{MID}_attn1_to_k.on_input": np.zeros((), np.uint8),
    }
    plain = statistics_of(sd1_file(tmp_path / "a.safetensors"))
    mixed = statistics_of(sd1_file(tmp_path / "b.safetensors", extra=extra))
    assert mixed.frobenius == plain.frobenius
    assert mixed.as_dict()["relative"] == 1
    alone = statistics_of(write_arrays(tmp_path / "c.safetensors", extra))
    assert alone.frobenius == pytest.approx(1000 * math.sqrt(1280))


def test_a_truncated_file_and_one_without_modules_give_our_errors(tmp_path: Path) -> None:
    path = sd1_file(tmp_path / "a.safetensors")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ContainerError) as refused:
        statistics_of(path)
    assert refused.value.code == "truncated"
    with pytest.raises(NoModules):
        statistics_of(write_arrays(tmp_path / "b.safetensors", {"emb_params": numbers(4, 768)}))


GROUPS = [
    ("lora_up.weight", "lora_down.weight", "lora_mid.weight", "dora_scale", "scale"),
    ("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b", "hada_t1", "hada_t2"),
    ("lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b", "lokr_t2"),
    ("oft_blocks", "rescale"),
    ("a1.weight", "a2.weight", "b1.weight", "b2.weight", "bm.weight"),
    ("on_input", "weight"),
    ("diff", "diff_b", "w_norm", "set_weight"),
]
SIZES = st.lists(st.sampled_from([0, 1, 2, 2, 2, 4]), max_size=4)


def factors_of(group: tuple[str, ...]) -> st.SearchStrategy[dict[str, list[int]]]:
    needed = dict.fromkeys(group[:2], SIZES)
    return st.fixed_dictionaries(needed, optional=dict.fromkeys((*group[2:], "alpha"), SIZES))


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(GROUPS).flatmap(factors_of),
    st.sampled_from([0.0, 1.0, np.inf, np.nan, 6e4, 1e38]),
    st.sampled_from([1.0, 1e100, 1e200]),
)
def test_any_factors_of_any_shape_give_statistics_or_an_error_of_ours(
    tmp_path_factory: pytest.TempPathFactory, shapes: dict[str, list[int]], value: float, alpha: float
) -> None:
    path = tmp_path_factory.mktemp("any") / "a.safetensors"
    tensors: Arrays = {
        f"{MID}_attn1_to_q.{name}": np.full(shape, value, np.float32) for name, shape in shapes.items()
    }
    write_arrays(path, tensors | {f"{MID}_attn1_to_q.alpha": np.array(alpha)})
    try:
        told = statistics_of(path).as_dict()
    except NoModules:
        return
    assert json.dumps(told, allow_nan=False)


def test_numbers_that_multiply_beyond_measure_are_named_and_the_rest_is_measured(tmp_path: Path) -> None:
    huge: Arrays = {
        f"{MID}_attn1_to_v.lokr_w1": np.full((16, 16), 1e38, np.float32),
        f"{MID}_attn1_to_v.lokr_w2_a": np.full((80, 2), 1e38, np.float32),
        f"{MID}_attn1_to_v.lokr_w2_b": np.full((2, 80), 1e18, np.float32),
        f"{MID}_attn1_to_v.alpha": np.array(1e100),
        f"{MID}_attn1_to_q.lora_down.weight": np.eye(4, 1280, dtype=np.float32),
        f"{MID}_attn1_to_q.lora_up.weight": np.eye(1280, 4, dtype=np.float32),
    }
    told = statistics_of(write_arrays(tmp_path / "a.safetensors", huge)).as_dict()
    assert told["not_finite"] == [f"{MID}_attn1_to_v"]
    assert told["frobenius"] == 2


def test_a_spectrum_of_one_direction_has_rank_one_and_an_even_one_has_all(tmp_path: Path) -> None:
    even: Arrays = {
        f"{MID}_attn1_to_q.lora_down.weight": np.eye(4, 1280, dtype=np.float32),
        f"{MID}_attn1_to_q.lora_up.weight": np.eye(1280, 4, dtype=np.float32),
        f"{MID}_attn1_to_k.lora_down.weight": np.ones((4, 1280), np.float32),
        f"{MID}_attn1_to_k.lora_up.weight": np.ones((1280, 4), np.float32),
    }
    ranks = {
        one.name[-1]: one.effective_rank
        for one in statistics_of(write_arrays(tmp_path / "a.safetensors", even)).each
    }
    assert ranks == {"q": pytest.approx(4), "k": pytest.approx(1)}


# --- Against a base ---


def toybox(name: str) -> Statistics:
    (path,) = (DEMO / name).glob("*.safetensors")
    return statistics_of(path, norms=shipped_norms("toybox"), base="toybox")


def test_the_shipped_norms_are_those_of_the_demo_base() -> None:
    files = (
        TOYBOX / "unet" / "diffusion_pytorch_model.safetensors",
        TOYBOX / "text_encoder" / "model.safetensors",
    )
    norms = {key: norm for file in files for key, norm in norms_of(file).items()}
    shipped = ROOT / "registry" / "weights" / "data" / "toybox_norms.json"
    again = f"manage.py statistics --norms {' '.join(str(file.relative_to(ROOT)) for file in files)}"
    assert shipped.read_text(encoding="utf-8") == as_json(norms), again


def test_strength_tells_the_inert_adapter_from_the_one_that_is_too_strong() -> None:
    inert, usual, strong = (toybox(name).strength or 0.0 for name in ("inert", "ember", "too_strong"))
    assert inert < 1e-4 < usual < strong


def test_every_layer_of_a_demo_adapter_is_found_in_its_base() -> None:
    assert all(one.strength is not None for one in toybox("momo").each)


def test_a_strength_is_the_ratio_of_the_norms(tmp_path: Path) -> None:
    layer = "mid_block.attentions.0.transformer_blocks.0.attn1.to_q"
    weight = numbers(1280, 1280)
    base = write_arrays(tmp_path / "base.safetensors", {f"{layer}.weight": weight})
    path = sd1_file(tmp_path / "a.safetensors")
    norms = norms_of(base)
    one = next(one for one in statistics_of(path, norms=norms).each if one.strength is not None)
    assert one.path == layer
    assert one.strength == pytest.approx((one.frobenius or 0.0) / np.linalg.norm(weight.astype(float)))


def test_a_single_file_checkpoint_names_the_same_layers(tmp_path: Path) -> None:
    names = {
        "model.diffusion_model.middle_block.1.proj_in.weight": "unet:mid_block_attentions_0_proj_in",
        "cond_stage_model.transformer.text_model.encoder.layers.0.mlp.fc1.weight": (
            "text_encoder:text_model_encoder_layers_0_mlp_fc1"
        ),
    }
    path = write_arrays(tmp_path / "base.safetensors", {name: numbers(8, 8) for name in names})
    assert set(norms_of(path)) == set(names.values())


def test_the_fused_projections_of_an_open_clip_encoder_have_a_norm_each(tmp_path: Path) -> None:
    block = "conditioner.embedders.1.model.transformer.resblocks.3"
    fused = numbers(24, 8)
    path = write_arrays(tmp_path / "base.safetensors", {f"{block}.attn.in_proj_weight": fused})
    layer = "text_encoder_2:text_model_encoder_layers_3_self_attn"
    parts = zip(("q_proj", "k_proj", "v_proj"), np.split(fused.astype(float), 3), strict=True)
    assert norms_of(path) == pytest.approx({f"{layer}_{name}": np.linalg.norm(part) for name, part in parts})


def test_a_single_file_of_another_model_keeps_its_own_names(tmp_path: Path) -> None:
    path = write_arrays(
        tmp_path / "base.safetensors",
        {"model.diffusion_model.double_blocks.0.img_attn.qkv.weight": numbers(12, 4)},
    )
    assert set(norms_of(path)) == {"transformer:double_blocks_0_img_attn_qkv"}


@pytest.mark.parametrize("text", ["", "[1]", '{"a": "b"}', '{"a": NaN}', '{"a": -1}', "[" * 100_000])
def test_norms_that_are_none_give_our_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "norms.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BaseNormsUnreadable):
        read_norms(path)
