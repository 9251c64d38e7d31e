"""Memory that does not suffice: how it is known, and that less of it gives the same pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.layouts import WHOLE, BatchLayout

if TYPE_CHECKING:
    from inference.engine.decoding import Picture
    from inference.engine.ladder import Engine

TEXTS, SEEDS = ("a cat", "a house", "a star", "a boat", "a tree"), (1, 2, 3, 4, 5)


@given(st.integers(1, 64))
def test_every_batch_ends_at_one_picture_with_all_else_moved_away(pictures: int) -> None:
    rungs, layout = 0, WHOLE
    while (narrower := layout.narrower(pictures)) is not None:
        rungs, layout = rungs + 1, narrower
    assert (layout.at_once, layout.offload) == (1, True)
    assert rungs <= 2 + pictures.bit_length()


@given(st.integers(1, 64), st.integers(0, 70))
def test_the_parts_of_a_batch_are_all_of_it_in_order(pictures: int, at_once: int) -> None:
    numbers = list(range(pictures))
    parts = [numbers[part] for part in BatchLayout(at_once).parts(pictures)]
    assert [number for part in parts for number in part] == numbers
    assert all(0 < len(part) <= (at_once or pictures) for part in parts)


def test_the_usual_layout_adds_nothing_to_a_key() -> None:
    assert WHOLE.as_dict() == {}
    assert BatchLayout(2, slice_vae=True).as_dict() == {"at_once": 2, "slice_vae": True}


def test_a_real_lack_of_memory_is_known_and_other_errors_are_not() -> None:
    import torch

    from inference.engine.memory import ran_out

    with pytest.raises(RuntimeError) as lacking:
        torch.empty(1 << 55)
    assert ran_out(lacking.value)
    assert ran_out(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."))
    with pytest.raises(RuntimeError) as other:
        torch.ones(2, 3) @ torch.ones(2, 3)
    assert not ran_out(other.value)
    assert not ran_out(ValueError("out of memory"))


@pytest.mark.parametrize(
    "layout", [BatchLayout(slice_vae=True), BatchLayout(2), BatchLayout(1, offload=True)], ids=str
)
def test_a_narrower_layout_gives_the_same_pictures_but_for_their_last_bits(
    engine: Engine, layout: BatchLayout
) -> None:
    usual, narrow = pictures(engine, WHOLE), pictures(engine, layout)
    assert len(narrow) == len(TEXTS)
    for one, other in zip(usual, narrow, strict=True):
        # One level of 255 is what rounding makes of a difference of a few millionths.
        assert np.abs(one.pixels.astype(int) - other.pixels.astype(int)).max() <= 1


def test_one_layout_gives_equal_pictures_and_leaves_the_base_as_it_was(engine: Engine) -> None:
    layout = BatchLayout(2, slice_vae=True, offload=True)
    assert [p.digest for p in pictures(engine, layout)] == [p.digest for p in pictures(engine, layout)]
    assert not engine.base.vae.use_slicing
    hooks = [module._forward_pre_hooks for module in engine.base.denoiser.modules()]
    assert not any(hooks)


def test_each_part_is_on_the_device_only_while_it_works(engine: Engine) -> None:
    from inference.engine.memory import laid_out

    base, moved = engine.base, []
    for name in ("denoiser", "vae"):
        part = getattr(base, name)
        original = part.to

        def told(*args: object, name: str = name, original: object = original) -> object:
            moved.append((name, str(args[0])))
            return original(*args)  # type: ignore[operator]

        part.to = told
    try:
        with laid_out(base, BatchLayout(1, offload=True)):
            assert moved == [("denoiser", "cpu"), ("vae", "cpu")]
    finally:
        del base.denoiser.to, base.vae.to


def pictures(engine: Engine, layout: BatchLayout) -> list[Picture]:
    """Five pictures of two steps."""
    from inference.engine.ladder import Sampling

    how = Sampling(2, 3.0, 16, 16, "dpmpp_2m_karras", "")
    return engine.render(TEXTS, SEEDS, how, layout=layout)
