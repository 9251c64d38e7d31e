"""Algorithms: what the factors' names and shapes tell of one module."""

from __future__ import annotations

import pytest

from registry.weights.algorithms import AlgorithmFacts, describe

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
    ],
)
def test_a_damaged_module_says_what_it_lacks(shapes: Shapes, problem: str) -> None:
    assert describe(shapes).problem == problem


def test_rank_zero_is_read_without_a_division() -> None:
    assert describe({"down": (0, 320), "up": (640, 0)}).rank == 0
