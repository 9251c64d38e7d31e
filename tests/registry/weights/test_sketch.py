"""Sketches: a disguise changes nothing, strangers stay strangers, and a merge names its parents."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import nnls

from benchmarks import disguises
from registry.weights.changes import change_of, iter_module_tensors
from registry.weights.errors import NothingToSketch
from registry.weights.kinship import PARENT, SAME, alike, compose, likeness, non_negative
from registry.weights.sketch import SIGNATURE, Sketch, sketch_file
from tests.registry.weights.files import write_arrays

# The layers of SDXL's attention blocks, a tenth as wide and one deep: 110 of them.
SHAPE = tuple(disguises.layers(narrower=10, depth=1))
STRANGERS = 20


def sketch_of(tensors: disguises.Tensors) -> Sketch:
    with TemporaryDirectory() as folder:
        return sketch_file(disguises.write(Path(folder) / "a.safetensors", tensors), "sdxl")


@cache
def factors(seed: int) -> disguises.Factors:
    return disguises.adapter(SHAPE, seed)


@cache
def sketch(seed: int) -> Sketch:
    return sketch_of(disguises.kohya(factors(seed)))


def signature_cosine(one: Sketch, other: Sketch) -> float:
    a, b = one.signature().astype(float), other.signature().astype(float)
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


@pytest.mark.parametrize("name", disguises.disguises(factors(0)))
def test_an_adapter_is_known_again_in_every_disguise(name: str) -> None:
    tensors, _ = disguises.disguises(factors(0))[name]
    disguised = sketch_of(tensors)
    assert likeness(sketch(0), disguised).cosine > SAME + 0.05
    assert signature_cosine(sketch(0), disguised) > SAME
    assert [found.index for found in compose(disguised, [sketch(1), sketch(0)]).ingredients] == [1]


def test_unrelated_adapters_are_never_taken_for_kin() -> None:
    strangers = [sketch(seed) for seed in range(1, 1 + STRANGERS)]
    for at, one in enumerate(strangers):
        found = likeness(sketch(0), one)
        assert not found.certain
        assert found.cosine < PARENT / 4
        assert compose(one, [sketch(0), *strangers[:at], *strangers[at + 1 :]]).ingredients == ()


@pytest.mark.parametrize(("at", "ratio"), list(enumerate(disguises.RATIOS)))
def test_a_merge_names_both_parents_and_their_parts(at: int, ratio: float) -> None:
    mother, father = 1 + 2 * at, 2 + 2 * at
    child = sketch_of(disguises.kohya(disguises.merged(factors(mother), factors(father), ratio)))
    known = [sketch(seed) for seed in range(1 + STRANGERS)]
    found = compose(child, known)
    weights = {ingredient.index: ingredient.weight for ingredient in found.ingredients}
    assert weights == {mother: pytest.approx(ratio, abs=0.03), father: pytest.approx(1 - ratio, abs=0.03)}
    assert found.residual < 0.05
    assert sum(part.share for part in found.ingredients) + found.residual == pytest.approx(1.0)


def test_a_cosine_is_that_of_the_whole_changes(tmp_path: Path) -> None:
    child = disguises.kohya(disguises.merged(factors(1), factors(2), 0.6))
    one = disguises.write(tmp_path / "one.safetensors", disguises.kohya(factors(1)))
    two = disguises.write(tmp_path / "two.safetensors", child)
    a = np.concatenate([dense(m).reshape(-1) for m in iter_module_tensors(one)])
    b = np.concatenate([dense(m).reshape(-1) for m in iter_module_tensors(two)])
    exact = float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
    estimated = likeness(sketch_file(one, "sdxl"), sketch_file(two, "sdxl"))
    assert estimated.cosine == pytest.approx(exact, abs=4 * estimated.noise)
    assert sketch_file(one, "sdxl").norm == pytest.approx(np.linalg.norm(a), rel=0.1)


def dense(loaded: Any) -> npt.NDArray[np.float64]:
    assert loaded.tensors is not None
    return change_of(loaded.tensors).matrix()


def flux(seed: int) -> tuple[dict[str, npt.NDArray[Any]], dict[str, npt.NDArray[Any]]]:
    """The same FLUX layers as kohya fuses them and as diffusers splits them (8 wide)."""
    random = np.random.default_rng(seed)
    fused: dict[str, npt.NDArray[Any]] = {}
    split: dict[str, npt.NDArray[Any]] = {}
    kohya_names = ("double_blocks_0_img_attn_qkv", "single_blocks_3_linear1")
    parts = (
        [f"transformer_blocks.0.attn.{leaf}" for leaf in ("to_q", "to_k", "to_v")],
        [f"single_transformer_blocks.3.{p}" for p in ("attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp")],
    )
    for name, paths in zip(kohya_names, parts, strict=True):
        sizes = [8, 8, 8, 32][: len(paths)]
        down, up = random.normal(size=(4, 8)), random.normal(size=(sum(sizes), 4))
        fused[f"lora_unet_{name}.lora_down.weight"] = down.astype(np.float32)
        fused[f"lora_unet_{name}.lora_up.weight"] = up.astype(np.float32)
        for path, rows in zip(paths, np.split(up, np.cumsum(sizes)[:-1]), strict=True):
            split[f"transformer.{path}.lora_A.weight"] = down.astype(np.float32)
            split[f"transformer.{path}.lora_B.weight"] = rows.astype(np.float32)
    return fused, split


def test_fused_and_split_projections_have_one_sketch(tmp_path: Path) -> None:
    fused, split = (
        sketch_file(write_arrays(tmp_path / f"{n}.safetensors", tensors), "flux1")
        for n, tensors in enumerate(flux(0))
    )
    assert len(fused.keys) == 7
    np.testing.assert_array_equal(fused.keys, split.keys)
    np.testing.assert_allclose(fused.values, split.values, rtol=1e-4, atol=1e-4)


LAYER = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"


def test_the_same_change_in_another_algorithm_has_the_same_sketch(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    first, second = random.normal(size=(4, 4)), random.normal(size=(3, 5))
    lokr = {f"{LAYER}.lokr_w1": first.astype(np.float32), f"{LAYER}.lokr_w2": second.astype(np.float32)}
    full = {f"{LAYER}.diff": np.kron(first, second).astype(np.float32)}
    one = sketch_file(write_arrays(tmp_path / "lokr.safetensors", lokr), "sd1")
    two = sketch_file(write_arrays(tmp_path / "full.safetensors", full), "sd1")
    assert likeness(one, two).cosine == pytest.approx(1.0, abs=1e-5)


def test_what_multiplies_a_weight_is_never_compared_with_what_is_added(tmp_path: Path) -> None:
    scaled: dict[str, npt.NDArray[Any]] = {
        f"{LAYER}.weight": np.ones(16, np.float32),
        f"{LAYER}.on_input": np.array(0, np.uint8),
    }
    added = {f"{LAYER}.diff": np.eye(16, dtype=np.float32)}
    one = sketch_file(write_arrays(tmp_path / "ia3.safetensors", scaled), "sd1")
    two = sketch_file(write_arrays(tmp_path / "full.safetensors", added), "sd1")
    assert likeness(one, one).cosine == pytest.approx(1.0)
    assert likeness(one, two).cosine == 0.0


def test_damaged_and_empty_modules_are_left_out_and_counted(tmp_path: Path) -> None:
    tensors = {
        f"{LAYER}.lora_down.weight": np.ones((2, 8), np.float32),
        f"{LAYER}.lora_up.weight": np.full((8, 2), np.nan, np.float32),
        f"{LAYER[:-1]}k.lora_down.weight": np.ones((2, 8), np.float32),
        f"{LAYER[:-1]}k.lora_up.weight": np.ones((8, 3), np.float32),
        "lora_unet_mid_block_attentions_0_proj_in.lora_down.weight": np.full((2, 8), 1e38, np.float32),
        "lora_unet_mid_block_attentions_0_proj_in.lora_up.weight": np.full((8, 2), 1e38, np.float32),
        f"{LAYER[:-1]}v.lora_down.weight": np.ones((2, 8), np.float32),
        f"{LAYER[:-1]}v.lora_up.weight": np.ones((8, 2), np.float32),
    }
    found = sketch_file(write_arrays(tmp_path / "a.safetensors", tensors), "sd1")
    assert (len(found.keys), found.skipped) == (1, 3)


def test_a_layer_wider_than_any_models_is_left_out_before_its_signs_are_drawn(tmp_path: Path) -> None:
    tensors = {
        f"{LAYER}.lora_down.weight": np.ones((1, 2**20 + 1), np.float16),
        f"{LAYER}.lora_up.weight": np.ones((8, 1), np.float16),
        f"{LAYER[:-1]}v.lora_down.weight": np.ones((1, 8), np.float16),
        f"{LAYER[:-1]}v.lora_up.weight": np.ones((8, 1), np.float16),
    }
    found = sketch_file(write_arrays(tmp_path / "a.safetensors", tensors), "sd1")
    assert (len(found.keys), found.skipped) == (1, 1)


def test_an_adapter_that_changes_nothing_is_no_kin_of_anything(tmp_path: Path) -> None:
    tensors = {
        f"{LAYER}.lora_down.weight": np.ones((2, 8), np.float32),
        f"{LAYER}.lora_up.weight": np.zeros((8, 2), np.float32),
    }
    with pytest.raises(NothingToSketch):
        sketch_file(write_arrays(tmp_path / "a.safetensors", tensors), "sd1")


def test_a_sketch_is_stored_in_half_precision_without_harm() -> None:
    stored = sketch(0).to_bytes()
    assert len(stored) == 8 + 140 * len(SHAPE)
    assert likeness(Sketch.from_bytes(stored), sketch(0)).cosine == pytest.approx(1.0, abs=1e-6)
    for damaged in (stored[:-1], b"", b"KLS1"):
        with pytest.raises(ValueError, match="not a lineage sketch"):
            Sketch.from_bytes(damaged)


@pytest.mark.parametrize("size", [1e-30, 1e-12, 1e20])
def test_very_small_and_very_large_changes_keep_their_direction(size: float) -> None:
    scaled = Sketch(sketch(0).keys, sketch(0).values * np.float32(size))
    assert likeness(Sketch.from_bytes(scaled.to_bytes()), sketch(0)).cosine == pytest.approx(1.0, abs=1e-5)
    assert signature_cosine(scaled, sketch(0)) == pytest.approx(1.0, abs=1e-4)


def test_signatures_estimate_the_cosine_of_parents() -> None:
    child = sketch_of(disguises.kohya(disguises.merged(factors(1), factors(2), 0.5)))
    exact = likeness(child, sketch(1)).cosine
    # Five standard deviations of a projection to 512 dimensions.
    assert signature_cosine(child, sketch(1)) == pytest.approx(exact, abs=5 / np.sqrt(SIGNATURE))


SMALL = st.integers(-3, 3)


@settings(max_examples=60, deadline=None)
@given(arrays(np.int64, (6, 5), elements=SMALL), arrays(np.int64, 6, elements=SMALL))
def test_non_negative_least_squares_agrees_with_scipy(
    matrix: npt.NDArray[np.int64], target: npt.NDArray[np.int64]
) -> None:
    optimize = pytest.importorskip("scipy.optimize")
    expected, _ = optimize.nnls(matrix.astype(float), target.astype(float))
    found = non_negative((matrix.T @ matrix).astype(float), (matrix.T @ target).astype(float))
    assert (found >= 0).all()
    assert np.linalg.norm(matrix @ found - target) == pytest.approx(
        np.linalg.norm(matrix @ expected - target), abs=1e-4
    )


def test_sketches_compared_at_once_are_as_alike_as_two_by_two() -> None:
    random = np.random.default_rng(5)
    sketches = []
    for first, count in ((0, 300), (0, 300), (100, 40), (250, 400), (900, 3), (0, 0)):
        keys = np.sort(random.permutation(np.arange(first, first + 2 * count))[:count]).astype(np.uint64)
        sketches.append(Sketch(keys, random.normal(size=(count, 64)).astype(np.float32)))
    table = alike(sketches)
    for i, one in enumerate(sketches):
        for j, other in enumerate(sketches):
            expected = likeness(one, other)
            assert table.likeness(i, j).cosine == pytest.approx(expected.cosine, abs=1e-6)
            assert table.likeness(i, j).noise == pytest.approx(expected.noise, abs=1e-6)


def test_the_composition_does_not_depend_on_where_the_search_for_it_starts() -> None:
    random = np.random.default_rng(6)
    for _ in range(100):
        count = int(random.integers(1, 15))
        matrix, wanted = random.normal(size=(count + 3, count)), random.normal(size=count + 3)
        exact, _ = nnls(matrix, wanted)
        gram, target = matrix.T @ matrix, matrix.T @ wanted
        for start in (None, np.maximum(random.normal(size=count), 0.0)):
            assert non_negative(gram, target, start) == pytest.approx(exact, abs=1e-6)
