"""Pairs, stacks and versions: what two files have in common, across dialects, and what follows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import subspace_angles

from registry.weights import inspect_file
from registry.weights.errors import DifferentFamilies
from registry.weights.operators import LowRank
from registry.weights.pairs import Pair, compare_files
from registry.weights.stacks import advise, stack_files, weight_for
from registry.weights.subspaces import subspace_overlap
from registry.weights.versions import diff_metadata, diff_weights
from tests.registry.weights.files import write_arrays

Arrays = dict[str, npt.NDArray[Any]]
Factors = dict[str, tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]]
BLOCK = "transformer_blocks.0"
LAYERS = {
    f"down_blocks.0.attentions.0.{BLOCK}.attn2.to_k": (768, 320),
    f"down_blocks.1.attentions.1.{BLOCK}.attn1.to_q": (640, 640),
    f"mid_block.attentions.0.{BLOCK}.attn2.to_v": (768, 1280),
    f"up_blocks.3.attentions.2.{BLOCK}.attn1.to_v": (320, 320),
}


def factors(seed: int, rank: int = 4, layers: dict[str, tuple[int, int]] = LAYERS) -> Factors:
    """(up, down) of every layer."""
    generator = np.random.default_rng(seed)
    return {
        layer: (
            generator.standard_normal((size_out, rank)).astype(np.float32),
            generator.standard_normal((rank, size_in)).astype(np.float32),
        )
        for layer, (size_in, size_out) in layers.items()
    }


def kohya(path: Path, made: Factors, metadata: dict[str, str] | None = None) -> Path:
    arrays: Arrays = {}
    for layer, (up, down) in made.items():
        name = f"lora_unet_{layer.replace('.', '_')}"
        arrays |= {f"{name}.lora_up.weight": up, f"{name}.lora_down.weight": down}
    return write_arrays(path, arrays, metadata)


def peft(path: Path, made: Factors, prefix: str = "unet.") -> Path:
    arrays: Arrays = {}
    for layer, (up, down) in made.items():
        arrays |= {f"{prefix}{layer}.lora_B.weight": up, f"{prefix}{layer}.lora_A.weight": down}
    return write_arrays(path, arrays)


def scaled(made: Factors, factor: float) -> Factors:
    return {layer: (np.float32(factor) * up, down) for layer, (up, down) in made.items()}


def whole(made: Factors) -> npt.NDArray[np.float64]:
    """All changes as one long vector: what a cosine of adapters is the cosine of."""
    return np.concatenate([(up.astype(float) @ down).reshape(-1) for up, down in made.values()])


# --- Subspaces ---


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 6), st.integers(1, 6), st.integers(8, 20), st.integers(0, 2**16))
def test_the_overlap_is_that_of_scipys_principal_angles(one: int, two: int, size: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    first = LowRank(generator.standard_normal((size, one)), generator.standard_normal((one, 30)))
    second = LowRank(generator.standard_normal((size, two)), generator.standard_normal((two, 30)))
    found, *dimensions = subspace_overlap(first.grams(), first.left.T @ second.left, second.grams())
    angles = subspace_angles(first.matrix(), second.left)[-min(one, two) :]
    assert found == pytest.approx(float(np.mean(np.cos(angles) ** 2)), abs=1e-6)
    assert dimensions == [one, two]


def test_directions_that_carry_nothing_are_not_counted() -> None:
    generator = np.random.default_rng(0)
    left, right = generator.standard_normal((20, 4)), generator.standard_normal((4, 30))
    right[2:] = right[:2]  # two of four directions repeat
    change = LowRank(left, right)
    found, first, second = subspace_overlap(change.grams(), left.T @ left, change.grams())
    assert (first, second) == (2, 2)
    assert found == pytest.approx(1)


# --- Pairs ---


def test_the_cosine_is_that_of_all_changes_side_by_side(tmp_path: Path) -> None:
    one, two = factors(1), factors(2, rank=3)
    mixed = {
        layer: (np.hstack([one[layer][0], two[layer][0]]), np.vstack([one[layer][1], two[layer][1]]))
        for layer in one
    }
    found = compare_files(kohya(tmp_path / "a.safetensors", one), kohya(tmp_path / "b.safetensors", mixed))
    first, second = whole(one), whole(mixed)
    expected = first @ second / (np.linalg.norm(first) * np.linalg.norm(second))
    assert found.cosine == pytest.approx(expected, abs=1e-6)
    assert (found.shared, found.first_only, found.second_only) == (4, 0, 0)
    assert [block.name for block in found.blocks] == ["IN01", "IN05", "M00", "OUT11"]


@pytest.mark.parametrize(("factor", "cosine"), [(1.0, 1.0), (0.5, 1.0), (-2.0, -1.0)])
def test_a_multiple_of_an_adapter_interferes_wholly(tmp_path: Path, factor: float, cosine: float) -> None:
    made = factors(1)
    found = compare_files(
        kohya(tmp_path / "a.safetensors", made), kohya(tmp_path / "b.safetensors", scaled(made, factor))
    )
    assert (found.cosine, found.interference) == (pytest.approx(cosine), pytest.approx(1))
    assert ("opposite" in found.sentence) == (factor < 0)


def test_unrelated_adapters_hardly_interfere_whatever_their_rank(tmp_path: Path) -> None:
    for rank in (1, 4, 64):
        found = compare_files(
            kohya(tmp_path / "a.safetensors", factors(1, rank)),
            kohya(tmp_path / "b.safetensors", factors(2, rank)),
        )
        assert found.interference < 0.05, rank


def test_the_same_outputs_from_other_inputs_are_no_shared_subspace(tmp_path: Path) -> None:
    one, two = factors(1), factors(2)
    crossed = {layer: (one[layer][0], two[layer][1]) for layer in one}
    found = compare_files(kohya(tmp_path / "a.safetensors", one), kohya(tmp_path / "b.safetensors", crossed))
    assert found.overlap is not None and found.overlap < 0.15


def test_adapters_of_other_layers_do_not_meet(tmp_path: Path) -> None:
    made = factors(1)
    names = list(made)
    found = compare_files(
        kohya(tmp_path / "a.safetensors", {name: made[name] for name in names[:2]}),
        kohya(tmp_path / "b.safetensors", {name: made[name] for name in names[2:]}),
    )
    assert (found.interference, found.shared, found.first_only, found.second_only) == (0.0, 0, 2, 2)
    assert "no layer in common" in found.sentence


def test_dialects_make_no_difference(tmp_path: Path) -> None:
    made = factors(1)
    found = compare_files(kohya(tmp_path / "a.safetensors", made), peft(tmp_path / "b.safetensors", made))
    assert (found.cosine, found.shared) == (pytest.approx(1), 4)


def test_a_fused_layer_meets_the_parts_it_is_split_into_elsewhere(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    h, rank = 3072, 2
    split = factors(
        5, rank, {f"transformer_blocks.3.attn.{part}": (h, h) for part in ("to_q", "to_k", "to_v")}
    )
    up = np.zeros((3 * h, 3 * rank), np.float32)
    for place, (outer, _) in enumerate(split.values()):
        up[place * h : (place + 1) * h, place * rank : (place + 1) * rank] = outer
    fused = {"double_blocks.3.img_attn.qkv": (up, np.vstack([down for _, down in split.values()]))}
    single = {
        "single_blocks.1.modulation.lin": (
            generator.standard_normal((9216, 1)).astype(np.float32),
            generator.standard_normal((1, h)).astype(np.float32),
        )
    }
    found = compare_files(
        peft(tmp_path / "a.safetensors", fused | single, "diffusion_model."),
        peft(tmp_path / "b.safetensors", split, "transformer."),
    )
    assert found.shared == 3
    by_block = {block.name: block for block in found.blocks}
    assert by_block["D03"].cosine == pytest.approx(1, abs=1e-5)
    diff = diff_weights(tmp_path / "a.safetensors", tmp_path / "b.safetensors")
    assert (diff.added, diff.removed) == ([], ["diffusion_model.single_blocks.1.modulation.lin"])


def test_other_families_are_refused(tmp_path: Path) -> None:
    sdxl = factors(1, 4, {f"down_blocks.2.attentions.0.{BLOCK}.attn2.to_k": (2048, 1280)})
    with pytest.raises(DifferentFamilies, match="sd1"):
        compare_files(kohya(tmp_path / "a.safetensors", factors(1)), kohya(tmp_path / "b.safetensors", sdxl))


def test_a_broken_module_is_left_out_by_name(tmp_path: Path) -> None:
    made, broken = factors(1), factors(1)
    layer = next(iter(broken))
    broken[layer][0][0, 0] = np.nan
    found = compare_files(kohya(tmp_path / "a.safetensors", made), kohya(tmp_path / "b.safetensors", broken))
    told = found.as_dict()
    assert json.dumps(told, allow_nan=False)
    assert [entry["name"] for entry in told["left_out"]] == [f"lora_unet_{layer.replace('.', '_')}"]
    assert found.shared == 3


# --- Stacks ---


def pair(first: str, second: str, interference: float) -> Pair:
    return Pair(first, second, None, interference, None, 1, 0, 0, [], [])


def test_weights_begin_where_practitioners_begin_and_fall_with_interference() -> None:
    free = advise(
        ["a", "b", "c"], ("style", "character", "pose"), [pair("a", "b", 0.0), pair("a", "c", 0.01)]
    )
    assert [member.weight for member in free] == [0.5, 0.4, 0.3]
    crowded = advise(["a", "b"], ("style", "character"), [pair("a", "b", 1.0)])
    assert [(member.weight, member.with_) for member in crowded] == [(0.25, "b"), (0.2, "a")]
    assert "interferes with b" in crowded[0].why


@given(st.sampled_from([0.5, 0.4, 0.3]), st.floats(0, 1), st.floats(0, 1))
def test_more_interference_never_gives_more_weight(start: float, one: float, two: float) -> None:
    low, high = sorted((one, two))
    assert start / 2 - 0.026 <= weight_for(start, high) <= weight_for(start, low) <= start


def test_three_files_give_three_pairs(tmp_path: Path) -> None:
    made = factors(1)
    paths = [
        kohya(tmp_path / "style.safetensors", made),
        kohya(tmp_path / "character.safetensors", factors(2)),
        kohya(tmp_path / "pose.safetensors", scaled(made, 0.7)),
    ]
    told = stack_files(paths).as_dict()
    assert [entry["weight"] for entry in told["weights"]] == [0.25, 0.4, 0.15]
    assert len(told["pairs"]) == 3


# --- Versions ---


def test_a_version_in_another_dialect_is_the_same_weights(tmp_path: Path) -> None:
    made = factors(1)
    found = diff_weights(kohya(tmp_path / "a.safetensors", made), peft(tmp_path / "b.safetensors", made))
    assert found.same_weights
    assert (found.added, found.removed, found.rank_changed) == ([], [], [])
    assert found.as_dict()["norm_change"] == pytest.approx(1)


def test_numbers_that_multiply_beyond_measure_are_left_out_by_name(tmp_path: Path) -> None:
    layer = f"lora_unet_{next(iter(LAYERS)).replace('.', '_')}"
    paths = []
    for seed, alpha in enumerate((1e90, 1e150)):
        huge: Arrays = {f"{layer}.alpha": np.array(alpha)}
        for name, shape in (("lora_up", (320, 4)), ("lora_down", (4, 768))):
            numbers = np.random.default_rng(seed).standard_normal(shape)
            huge[f"{layer}.{name}.weight"] = (numbers * 1e37).astype(np.float32)
        paths.append(write_arrays(tmp_path / f"{seed}.safetensors", huge))
    for told in (compare_files(*paths).as_dict(), diff_weights(*paths).as_dict()):
        assert json.dumps(told, allow_nan=False)
        assert [entry["name"] for entry in told["left_out"]] == [layer, layer]


def test_what_was_added_removed_strengthened_and_re_ranked_is_told(tmp_path: Path) -> None:
    old, new = factors(1), scaled(factors(1), 2.0)
    first, second, third, fourth = LAYERS
    del old[first], new[second]
    up, down = new[third]
    new[third] = np.hstack([up, np.zeros_like(up)]), np.vstack([down, down])
    found = diff_weights(kohya(tmp_path / "a.safetensors", old), kohya(tmp_path / "b.safetensors", new))
    names = {layer: f"lora_unet_{layer.replace('.', '_')}" for layer in LAYERS}
    assert (found.added, found.removed) == ([names[first]], [names[second]])
    assert found.rank_changed == [names[third]]
    assert found.as_dict()["rank"] == {
        "old": {"min": 4, "median": 4, "max": 4}, "new": {"min": 4, "median": 4, "max": 8},
    }  # fmt: skip
    blocks = {block.name: block for block in found.blocks}
    assert (blocks["IN01"].added, blocks["IN05"].removed) == (1, 1)
    assert blocks["M00"].cosine == pytest.approx(1) and blocks["M00"].norm_change == pytest.approx(2)
    assert blocks["IN01"].norm_change is None and blocks["IN01"].cosine is None
    assert fourth and json.dumps(found.as_dict(), allow_nan=False)


def test_the_distance_is_that_of_the_changes(tmp_path: Path) -> None:
    one, two = factors(1), factors(2)
    found = diff_weights(kohya(tmp_path / "a.safetensors", one), kohya(tmp_path / "b.safetensors", two))
    expected = np.linalg.norm(whole(two) - whole(one)) / np.linalg.norm(whole(one))
    assert found.distance == pytest.approx(expected, rel=1e-6)
    assert "anew" in found.sentence


def test_metadata_tell_what_is_new_gone_and_other(tmp_path: Path) -> None:
    made = factors(1)
    old = kohya(
        tmp_path / "a.safetensors",
        made,
        {
            "ss_base_model_version": "sd_v1",
            "ss_steps": "1000",
            "ss_optimizer": "AdamW",
            "modelspec.trigger_phrase": "inkwash",
        },
    )
    new = kohya(
        tmp_path / "b.safetensors",
        made,
        {
            "ss_base_model_version": "sd_v1",
            "ss_steps": "2000",
            "ss_seed": "7",
            "modelspec.trigger_phrase": "ink wash",
        },
    )
    found = diff_metadata(inspect_file(old).as_dict(), inspect_file(new).as_dict())
    assert found.changed["training.steps"] == (1000, 2000)
    assert found.added["training.seed"] == 7
    assert found.removed["training.optimizer"] == "AdamW"
    assert (found.words_added, found.words_removed) == (["ink wash"], ["inkwash"])
    assert "hashes.sha256" in found.changed and "family" not in found.changed
    again = diff_metadata(inspect_file(old).as_dict(), inspect_file(old).as_dict())
    assert again.empty
