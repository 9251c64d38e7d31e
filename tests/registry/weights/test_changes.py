"""Changes as operators: every algorithm agrees with its formula written out and with an SVD."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from peft.tuners.boft.layer import BOFTLayer
from peft.tuners.oft.layer import OFTRotationModule

from registry.weights.changes import (
    BlockDiagonal,
    Change,
    Dense,
    Kronecker,
    LowRank,
    change_of,
    iter_module_tensors,
    load_modules,
    needs_base,
)
from registry.weights.container import read_header
from registry.weights.errors import ContainerError, UnsupportedChange
from registry.weights.loading import ModuleTensors
from registry.weights.modules import group_modules
from registry.weights.tensors import TensorFile
from tests.registry.weights.files import kohya_file, unet_attention, write_arrays, write_shapes

Numbers = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]


def random(*shape: int, seed: int = 0, scale: float = 1.0) -> Floats:
    return (scale * np.random.default_rng(seed + sum(shape)).standard_normal(shape)).astype(np.float32)


def module(
    algorithm: str, alpha: float | None = None, rank: int | None = None, **factors: Floats
) -> ModuleTensors:
    return ModuleTensors("unet", "layer", algorithm, dict(factors), alpha, rank, "layer")


# --- Formulas written out, entry by entry where that is short ---


def lora_truth() -> tuple[ModuleTensors, Numbers]:
    up, down = random(20, 4), random(4, 30)
    return module("lora", 2.0, 4, up=up, down=down), 0.5 * (up.astype(float) @ down)


def convolution_truth() -> tuple[ModuleTensors, Numbers]:
    up, down = random(12, 4, 1, 1), random(4, 5, 3, 3)
    truth = sum(np.multiply.outer(up[:, r, 0, 0].astype(float), down[r]) for r in range(4))
    return module("locon", 4.0, 4, up=up, down=down), np.asarray(truth).reshape(12, -1)


def tucker_truth() -> tuple[ModuleTensors, Numbers]:
    up, down, mid = random(12, 4, 1, 1), random(4, 5, 1, 1), random(4, 4, 3, 3)
    truth = np.zeros((12, 5, 3, 3))
    for i in range(4):
        for j in range(4):
            pair = np.multiply.outer(up[:, i, 0, 0].astype(float), down[j, :, 0, 0])
            truth += pair[:, :, None, None] * mid[i, j]
    return module("locon", None, 4, up=up, down=down, mid=mid), truth.reshape(12, -1)


def loha_truth(rank: int = 2) -> tuple[ModuleTensors, Numbers]:
    a, b, c, d = random(20, rank), random(rank, 30), random(20, rank, seed=1), random(rank, 30, seed=1)
    truth = 1.5 / rank * (a.astype(float) @ b) * (c.astype(float) @ d)
    return module("loha", 1.5, rank, w1_a=a, w1_b=b, w2_a=c, w2_b=d), truth


def wide_loha_truth() -> tuple[ModuleTensors, Numbers]:
    return loha_truth(7)


def lokr_truth() -> tuple[ModuleTensors, Numbers]:
    left, right = random(4, 5), random(6, 7)
    truth = np.zeros((24, 35))
    for row in range(24):
        for column in range(35):
            truth[row, column] = float(left[row // 6, column // 7]) * float(right[row % 6, column % 7])
    return module("lokr", 100000.0, None, w1=left, w2=right), truth


def lokr_convolution_truth() -> tuple[ModuleTensors, Numbers]:
    left, a, b = random(3, 2), random(4, 2), random(2, 5 * 9)
    right = (a.astype(float) @ b).reshape(4, 5, 3, 3)
    truth = np.einsum("ac,bdkl->abcdkl", left.astype(float), right).reshape(12, -1)
    return module("lokr", 1.0, 2, w1=left, w2_a=a, w2_b=b), 0.5 * truth


def glora_truth() -> tuple[ModuleTensors, Numbers]:
    b1, b2 = random(20, 3), random(3, 30)
    factors = {"a1": random(30, 3), "a2": random(3, 30), "b1": b1, "b2": b2}
    return module("glora", 3.0, 3, **factors), b1.astype(float) @ b2


def full_truth() -> tuple[ModuleTensors, Numbers]:
    change = random(12, 5, 3, 3)
    return module("full", diff=change), change.astype(float).reshape(12, -1)


def norm_truth() -> tuple[ModuleTensors, Numbers]:
    change = random(17)
    return module("full", w_norm=change), change.astype(float)[:, None]


def ia3_truth() -> tuple[ModuleTensors, Numbers]:
    weight = random(9)
    return module("ia3", weight=weight), np.diag(weight.astype(float))


def cayley(block: npt.NDArray[np.floating]) -> Numbers:
    skew = block.astype(float) - block.T
    return np.asarray(np.linalg.inv(np.eye(len(skew)) - skew) @ (np.eye(len(skew)) + skew))


def oft_truth() -> tuple[ModuleTensors, Numbers]:
    blocks, rescale = random(3, 4, 4, scale=0.2), random(12, 1)
    truth = np.zeros((12, 12))
    for n in range(3):
        truth[4 * n : 4 * n + 4, 4 * n : 4 * n + 4] = cayley(blocks[n])
    return module("oft", None, 4, blocks=blocks, rescale=rescale), truth * rescale - np.eye(12)


def boft_truth() -> tuple[ModuleTensors, Numbers]:
    blocks = random(2, 4, 4, 4, scale=0.2)
    truth = np.eye(16)
    for level in range(2):
        step = 2**level * 2
        order = [
            base + side * step + place
            for base in range(0, 16, 2 * step)
            for place in range(step)
            for side in (0, 1)
        ]
        shuffle = np.eye(16)[order]
        turn = np.zeros((16, 16))
        for n in range(4):
            turn[4 * n : 4 * n + 4, 4 * n : 4 * n + 4] = cayley(blocks[level, n])
        truth = shuffle.T @ turn @ shuffle @ truth
    return module("boft", None, 4, blocks=blocks), truth - np.eye(16)


TRUTHS: list[Callable[[], tuple[ModuleTensors, Numbers]]] = [
    lora_truth, convolution_truth, tucker_truth, loha_truth, wide_loha_truth, lokr_truth,
    lokr_convolution_truth, glora_truth, full_truth, norm_truth, ia3_truth, oft_truth, boft_truth,
]  # fmt: skip
every = pytest.mark.parametrize("truth", TRUTHS)


@every
def test_the_operator_is_the_formula(truth: Callable[[], tuple[ModuleTensors, Numbers]]) -> None:
    tensors, matrix = truth()
    change = change_of(tensors)
    assert change.shape == matrix.shape
    np.testing.assert_allclose(change.matrix(), matrix, rtol=1e-6, atol=1e-6)


@every
def test_norm_and_spectrum_agree_with_an_svd(truth: Callable[[], tuple[ModuleTensors, Numbers]]) -> None:
    tensors, matrix = truth()
    change = change_of(tensors)
    expected = np.linalg.svd(matrix, compute_uv=False)
    found = change.singular_values()
    assert change.frobenius() == pytest.approx(np.linalg.norm(matrix), rel=1e-5)
    assert np.all(np.diff(found) <= 0)
    whole = np.zeros(max(len(expected), len(found)))
    whole[: len(found)] = found
    np.testing.assert_allclose(whole[: len(expected)], expected, atol=1e-5 * expected[0])


@every
def test_a_projection_and_an_inner_product_need_no_matrix_to_be_right(
    truth: Callable[[], tuple[ModuleTensors, Numbers]],
) -> None:
    tensors, matrix = truth()
    change = change_of(tensors)
    left = random(3, matrix.shape[0]).astype(float)
    right = random(5, matrix.shape[1], seed=9).astype(float)
    np.testing.assert_allclose(change.project(left, right), left @ matrix @ right.T, rtol=1e-5, atol=1e-5)
    other = random(*matrix.shape, seed=3).astype(float)
    for form in (Dense(other), LowRank(other, np.eye(other.shape[1]))):
        assert change.inner(form) == pytest.approx(float(np.sum(matrix * other)), rel=1e-5, abs=1e-5)
    assert change.inner(change) == pytest.approx(change.frobenius() ** 2, rel=1e-6)
    part = change.part(slice(1, 4), slice(None))
    np.testing.assert_allclose(part.matrix(), matrix[1:4], rtol=1e-5, atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 6), st.integers(0, 6), st.integers(0, 2**16))
def test_forms_of_one_matrix_agree(rows: int, columns: int, rank: int, other_rank: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    one = LowRank(generator.standard_normal((rows, rank)), generator.standard_normal((rank, columns)))
    two = LowRank(
        generator.standard_normal((rows, other_rank)), generator.standard_normal((other_rank, columns))
    )
    truth = float(np.sum((one.left @ one.right) * (two.left @ two.right)))
    forms: list[tuple[Change, Change]] = [
        (one, two),
        (Dense(one.matrix()), two),
        (one, Dense(two.matrix())),
        (Dense(one.matrix()), Dense(two.matrix())),
    ]
    for first, second in forms:
        assert first.inner(second) == pytest.approx(truth, abs=1e-9)
    assert one.frobenius() == pytest.approx(np.linalg.norm(one.matrix()), abs=1e-6)


def test_kronecker_changes_of_one_layout_compare_by_their_factors() -> None:
    pairs = [(random(3, 2, seed=n), random(4, 5, seed=n)) for n in range(2)]
    one, two = (Kronecker(first, Dense(second)) for first, second in pairs)
    truth = float(np.sum(one.matrix() * two.matrix()))
    assert one.inner(two) == pytest.approx(truth, rel=1e-6)


def test_blocks_of_other_sizes_compare_by_their_matrices() -> None:
    one, two = BlockDiagonal((random(2, 3, 3),)), BlockDiagonal((random(3, 2, 2),))
    assert one.inner(two) == pytest.approx(float(np.sum(one.matrix() * two.matrix())), rel=1e-6)
    mixed = BlockDiagonal((random(1, 4, 4), random(2, 1, 1)))
    expected = np.linalg.svd(mixed.matrix(), compute_uv=False)
    np.testing.assert_allclose(mixed.singular_values(), expected, atol=1e-6)


# --- Rotations ---


def test_pefts_packed_rotation_is_pefts() -> None:
    packed = random(3, 10, scale=1e-3)
    theirs = OFTRotationModule(3, 10, 5, 15)
    # PEFT cuts the series of (I + Q)(I - Q)^-1 short, which for small generators is the same.
    rotation = theirs._cayley_batch(torch.from_numpy(packed), 5, True, 5).detach().numpy()
    found = change_of(module("oft", None, 3, r=packed)).matrix() + np.eye(15)
    for n in range(3):
        np.testing.assert_allclose(found[5 * n : 5 * n + 5, 5 * n : 5 * n + 5], rotation[n], atol=1e-6)


def test_pefts_older_rotations_are_half_their_generators() -> None:
    generators = random(3, 5, 5)
    skew = (generators - generators.swapaxes(1, 2)) / 2
    for beside in ({}, {"rescale": random(20)}):
        found = change_of(module("oft", None, 3, r=generators, **beside)).matrix() + np.eye(15)
        for n in range(3):
            block = found[5 * n : 5 * n + 5, 5 * n : 5 * n + 5]
            np.testing.assert_allclose(block @ (np.eye(5) + skew[n]), np.eye(5) - skew[n], atol=1e-6)


def test_pefts_butterfly_is_pefts() -> None:
    generators = random(3, 8, 2, 2)
    theirs = BOFTLayer.block_butterfly_perm
    whole = np.eye(16)
    for level in range(3):
        places = BOFTLayer.perm2mat(None, theirs(None, 16, 8 // 2**level, 1, 2)).numpy()
        blocks = BOFTLayer.cayley_batch(None, torch.from_numpy(generators[level]))
        whole = places @ torch.block_diag(*blocks).numpy() @ places.T @ whole
    found = change_of(module("boft", None, 2, r=generators, rescale=random(20)))
    np.testing.assert_allclose(found.matrix() + np.eye(16), whole, atol=1e-6)
    assert found.relative


@pytest.mark.parametrize("blocks", [(2, 6, 6), (2, 4, 6, 6)])
def test_a_rotation_keeps_lengths_whatever_its_generator(blocks: tuple[int, ...]) -> None:
    algorithm = "boft" if len(blocks) == 4 else "oft"
    change = change_of(module(algorithm, None, 6, blocks=random(*blocks, scale=5.0)))
    whole = change.matrix() + np.eye(change.shape[0])
    np.testing.assert_allclose(whole @ whole.T, np.eye(len(whole)), atol=1e-9)
    assert change.relative


def test_blocks_that_are_rotations_already_are_taken_as_they_are() -> None:
    rotation = cayley(random(4, 4)).astype(np.float32)
    found = change_of(module("oft", None, 4, blocks=rotation[None])).matrix()
    np.testing.assert_allclose(found, rotation - np.eye(4), atol=1e-6)


def test_alpha_bounds_the_generator_and_does_not_scale_it() -> None:
    blocks = random(2, 4, 4)
    free = change_of(module("oft", 1e6, 4, blocks=blocks)).frobenius()
    assert change_of(module("oft", None, 4, blocks=blocks)).frobenius() == pytest.approx(free)
    bound = 1e-3
    # For a small generator R - I is 2 Q, and |Q| is alpha times the outputs.
    assert change_of(module("oft", bound, 4, blocks=blocks)).frobenius() == pytest.approx(
        2 * bound * 8, rel=1e-3
    )


# --- What has no answer ---


@pytest.mark.parametrize(
    "tensors",
    [
        module("lora", None, 4, up=random(20, 4)),
        module("lora", None, 4, up=random(20, 4), down=random(5, 30)),
        module("lora", None, 4, up=random(20), down=random(4, 30)),
        module("loha", None, 2, w1_a=random(3, 2), w1_b=random(2, 4), w2_a=random(5, 2), w2_b=random(2, 4)),
        module("lokr", None, 2, w1=random(2, 2), w2=random(2, 2), t1=random(2, 2)),
        module("full", set_weight=random(3, 3)),
        module("oft", None, 2, blocks=random(2, 3, 4)),
        module("oft", None, 2, r=random(2, 4)),
        module("oft", None, 2, blocks=np.full((1, 2, 2), np.nan, np.float32)),
        module("boft", None, 2, blocks=random(1, 2, 3, 3)),
        module("unknown"),
        # Every factor is small; what they make would be a terabyte.
        module("loha", None, 99, w1_a=random(2**20, 9), w1_b=random(9, 2**18),
               w2_a=random(2**20, 9), w2_b=random(9, 2**18)),
        module("boft", None, 2, blocks=random(1, 2**15, 2, 2)),
    ],
)  # fmt: skip
def test_what_has_no_change_is_an_error_of_ours(tensors: ModuleTensors) -> None:
    with pytest.raises(UnsupportedChange):
        change_of(tensors)


def test_more_rank_than_the_layer_has_does_not_cost_its_square() -> None:
    up, down = random(2, 50_000), random(50_000, 3)
    change = change_of(module("lora", None, 50_000, up=up, down=down))
    truth = up.astype(float) @ down
    np.testing.assert_allclose(change.singular_values(), np.linalg.svd(truth, compute_uv=False), rtol=1e-6)


def test_rank_zero_is_a_change_of_nothing() -> None:
    change = change_of(module("lora", None, 0, up=random(5, 0), down=random(0, 7)))
    assert (change.frobenius(), len(change.singular_values())) == (0.0, 0)


def test_a_stored_scale_stands_in_for_alpha() -> None:
    up, down = random(5, 2), random(2, 6)
    scaled = change_of(module("lora", 1.0, 2, up=up, down=down, scale=np.asarray(3.0, np.float32)))
    plain = change_of(module("lora", None, 2, up=up, down=down))
    assert scaled.frobenius() == pytest.approx(3 * plain.frobenius())


def test_what_needs_the_base_says_so() -> None:
    assert not needs_base(lora_truth()[0])
    assert needs_base(module("lora", None, 4, up=random(8, 4), down=random(4, 8), dora_scale=random(8, 1)))
    assert all(needs_base(truth()[0]) for truth in (glora_truth, ia3_truth, oft_truth, boft_truth))


# --- Reading a file module by module ---


def test_a_damaged_module_is_told_and_the_others_are_read(tmp_path: Path) -> None:
    path = write_arrays(
        tmp_path / "a.safetensors",
        {
            "transformer.blocks.0.x.lora_A.weight": random(4, 8),
            "transformer.blocks.0.x.lora_B.weight": random(8, 4),
            "transformer.blocks.1.x.lora_B.weight": random(8, 4),
        },
    )
    first, second = sorted(iter_module_tensors(path), key=lambda loaded: loaded.facts.name)
    assert first.tensors is not None and first.problem is None
    assert second.tensors is None and second.problem is not None
    assert second.problem.code == "incomplete_module"


def test_a_truncated_file_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    path = write_shapes(
        tmp_path / "a.safetensors", kohya_file({"mid_block.attentions.0.proj_in": (2**40, 8)})
    )
    with path.open("r+b") as file:
        file.truncate(2000)
    with pytest.raises(ContainerError) as refused:
        next(iter_module_tensors(path))
    assert refused.value.code == "truncated"


def test_a_module_over_the_limit_is_left_out_unread(tmp_path: Path) -> None:
    path = write_shapes(
        tmp_path / "a.safetensors", kohya_file(unet_attention((320, 640, 1280, 1280), 768), rank=4)
    )
    header = read_header(path)
    modules, _ = group_modules(header)
    with TensorFile(path, header) as file:
        codes = {loaded.problem.code for loaded in load_modules(file, modules, limit=6000) if loaded.problem}
        read = sum(loaded.tensors is not None for loaded in load_modules(file, modules, limit=6000))
    assert codes == {"module_too_large"}
    assert 0 < read < len(modules)
