"""Algorithms: what the factors' names and shapes tell of one module."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.weights.algorithms import AlgorithmFacts, describe
from registry.weights.keys import SUFFIXES

Shapes = dict[str, tuple[int, ...]]


@pytest.mark.parametrize(
    ("shapes", "expected"),
    [
        ({"down": (8, 320), "up": (640, 8), "alpha": ()}, AlgorithmFacts("lora", 8, 320, 640)),
        (
            {"down": (8, 320, 1, 1), "up": (640, 8, 1, 1)},
            AlgorithmFacts("lora", 8, 320, 640, (1, 1), four_d=True),
        ),
        (
            {"down": (8, 320, 3, 3), "up": (640, 8, 1, 1)},
            AlgorithmFacts("lora", 8, 320, 640, (3, 3), four_d=True),
        ),
        (
            {"down": (8, 320, 1, 1), "mid": (8, 8, 3, 3), "up": (640, 8, 1, 1)},
            AlgorithmFacts("lora", 8, 320, 640, (3, 3), four_d=True),
        ),
        (
            {"down": (8, 320), "up": (640, 8), "dora_scale": (1, 320)},
            AlgorithmFacts("lora", 8, 320, 640, dora=True),
        ),
        (
            {"hada_w1_a": (640, 4), "hada_w1_b": (4, 320), "hada_w2_a": (640, 4), "hada_w2_b": (4, 320)},
            AlgorithmFacts("loha", 4, 320, 640),
        ),
        (
            {
                "hada_t1": (4, 4, 3, 3), "hada_w1_a": (4, 640), "hada_w1_b": (4, 320),
                "hada_t2": (4, 4, 3, 3), "hada_w2_a": (4, 640), "hada_w2_b": (4, 320),
            },
            AlgorithmFacts("loha", 4, 320, 640, (3, 3), four_d=True),
        ),
        ({"lokr_w1": (16, 8), "lokr_w2": (40, 40)}, AlgorithmFacts("lokr", None, 320, 640)),
        (
            {"lokr_w1": (16, 8), "lokr_w2_a": (40, 4), "lokr_w2_b": (4, 40)},
            AlgorithmFacts("lokr", 4, 320, 640),
        ),
        (
            {"lokr_w1": (16, 8), "lokr_t2": (4, 4, 3, 3), "lokr_w2_a": (4, 40), "lokr_w2_b": (4, 40)},
            AlgorithmFacts("lokr", 4, 320, 640, (3, 3), four_d=True),
        ),
        (
            {"glora_a1": (320, 4), "glora_a2": (4, 320), "glora_b1": (640, 4), "glora_b2": (4, 320)},
            AlgorithmFacts("glora", 4, 320, 640),
        ),
        ({"on_input": (), "ia3_weight": (640,)}, AlgorithmFacts("ia3", out_dim=640)),
        ({"oft_blocks": (8, 40, 40), "alpha": ()}, AlgorithmFacts("oft", 40, out_dim=320)),
        ({"oft_blocks": (3, 8, 40, 40), "alpha": ()}, AlgorithmFacts("boft", 40, out_dim=320)),
        ({"diff": (640, 320), "diff_b": (640,)}, AlgorithmFacts("full", None, 320, 640)),
        ({"w_norm": (320,)}, AlgorithmFacts("full", vector=True)),
        ({"diff": (1, 6, 320)}, AlgorithmFacts("full", None, 6, 1, (320,), vector=True)),
        ({"ia3_l": (640, 1)}, AlgorithmFacts("ia3", out_dim=640)),
        ({"oft_r": (10, 496)}, AlgorithmFacts("oft", 10, 320)),
        ({"oft_r": (1, 496)}, AlgorithmFacts("oft", 1)),
        ({"oft_r": (10, 32, 32)}, AlgorithmFacts("oft", 10, out_dim=320)),
        ({"oft_r": (1, 32, 32)}, AlgorithmFacts("oft", 1)),
        ({"oft_r": (10, 32, 32), "oft_s": (640, 1)}, AlgorithmFacts("oft", 10, 320, 640)),
        ({"boft_r": (2, 10, 32, 32), "boft_s": (640, 1)}, AlgorithmFacts("boft", 32, 320, 640)),
        ({"oft_blocks.0": (4, 80, 80), "oft_blocks.1": (4, 160, 160)}, AlgorithmFacts("oft", 4, out_dim=960)),
        (
            {"down.0": (8, 320), "up.0": (640, 8), "down.1": (4, 320), "up.1": (64, 4)},
            AlgorithmFacts("lora", 8, 320, 704, parts=2),
        ),
        ({"down.1": (8, 320), "up.1": (640, 8)}, AlgorithmFacts("lora", 8, 320, None, parts=1)),
        (
            {
                "glora_a1": (320, 4), "glora_a2": (4, 320), "glora_b1": (640, 4), "glora_b2": (4, 320),
                "glora_bm": (4, 4, 3, 3),
            },
            AlgorithmFacts("glora", 4, 320, 640, (3, 3)),
        ),
    ],
)  # fmt: skip
def test_each_algorithm_is_told_by_its_factors(shapes: Shapes, expected: AlgorithmFacts) -> None:
    assert describe(shapes) == expected


@pytest.mark.parametrize(
    ("shapes", "problem"),
    [
        ({"up": (640, 8)}, "lacks its down factor"),
        ({"down": (8, 320)}, "lacks its up factor"),
        ({"down": (8, 320), "up": (640, 4)}, "joins rank 8 to rank 4"),
        ({"down": (8,), "up": (640, 8)}, "has factors without two axes"),
        ({"hada_w1_a": (640, 4)}, "lacks a proper hada_w1_b"),
        ({"lokr_w1": (16, 8)}, "lacks one of its two factors"),
        ({"dora_scale": (1, 4)}, "holds no complete set of factors"),
        (
            {"down": (8, 320), "up": (640, 8), "mid": ()},
            "has a mid factor that does not join rank 8 to itself",
        ),
        ({"oft_blocks": (8, 8)}, "has blocks of an unknown form"),
        ({"oft_r": (4, 11)}, "has blocks that are no triangle"),
        ({"boft_s": (8, 1)}, "lacks its rotations"),
        (
            {"glora_a1": (320, 4), "glora_a2": (4, 320), "glora_b1": (640, 2), "glora_b2": (4, 320)},
            "joins rank 4 to rank 2",
        ),
        ({"down.0": (8, 320), "up.0": (640, 8), "down.1": (8, 320)}, "lacks its up factor"),
        (
            {"down.0": (8, 320), "up.0": (640, 8), "down.1": (8, 64), "up.1": (640, 8)},
            "has parts that do not belong to one layer",
        ),
    ],
)
def test_a_damaged_module_says_what_it_lacks(shapes: Shapes, problem: str) -> None:
    assert describe(shapes).problem == problem


def test_the_rank_of_kohyas_oft_is_the_number_of_blocks() -> None:
    assert describe({"oft_blocks": (4, 80, 80)}, counts_blocks=True) == AlgorithmFacts("oft", 4, out_dim=320)


NAMES = sorted(
    {*SUFFIXES.values(), "glora_a1", "glora_bm", "ia3_weight", "oft_blocks.0", "down.0", "up.0", "mid.0"}
)


@given(
    st.dictionaries(st.sampled_from(NAMES), st.lists(st.integers(0, 3), max_size=5).map(tuple), min_size=1)
)
def test_any_shapes_are_described(shapes: Shapes) -> None:
    assert describe(shapes).algorithm


def test_rank_zero_is_read_without_a_division() -> None:
    assert describe({"down": (0, 320), "up": (640, 0)}).rank == 0
