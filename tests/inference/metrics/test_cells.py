"""Cell metrics against pictures that were changed in a known way."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.metrics import CellMetrics, compare
from inference.metrics.pictures import Measured, border_mask, distance
from tests.inference.metrics.pictures import Pixels, blurred, burnt, noisy, scene, tinted

BASE = scene()


def metrics(pixels: Pixels, base: Pixels = BASE) -> CellMetrics:
    """The cell metrics of a picture against the base scene."""
    return compare(Measured(pixels), Measured(base))


def test_a_picture_does_not_differ_from_itself() -> None:
    same = metrics(BASE)
    assert (same.color_mean, same.gmsd, same.noise, same.effect, same.border) == (0, 0, 0, 0, 0)
    assert (same.ssim, same.sharpness, same.chroma) == (1, 1, 1)


def test_a_warm_tint_is_a_shift_of_color_towards_red_and_yellow_not_of_structure() -> None:
    warm = metrics(tinted(BASE, 30, -30))
    assert warm.green_red > 3
    assert warm.blue_yellow > 8
    assert warm.color_mean > 5
    assert warm.ssim > 0.9


def test_a_known_pair_of_colors_has_its_published_difference() -> None:
    """Black and white are 100 apart by definition."""
    white, black = (np.full((16, 16, 3), color, np.uint8) for color in (255, 0))
    found = metrics(black, white)
    assert found.color_mean == pytest.approx(100, abs=0.01)
    assert found.color_p95 == pytest.approx(100, abs=0.01)
    assert found.lightness == pytest.approx(-100, abs=0.01)


@pytest.mark.parametrize("sigma", [4.0, 8.0, 16.0])
def test_added_noise_is_measured_in_gray_levels(sigma: float) -> None:
    # Three channels of independent noise make brightness noise of sigma x sqrt(.299^2 + .587^2 + .114^2).
    assert metrics(noisy(BASE, sigma)).noise == pytest.approx(0.669 * sigma, rel=0.25)


def test_blur_lowers_sharpness_and_noise_raises_it() -> None:
    assert metrics(blurred(BASE)).sharpness < 0.3
    assert metrics(noisy(BASE, 20)).sharpness > 1.3


def test_burnt_pictures_have_clipped_pixels() -> None:
    assert metrics(burnt(BASE)).clipped > 0.25


def test_a_moved_subject_changes_structure_and_keeps_the_border() -> None:
    moved = metrics(scene(x=22))
    assert moved.ssim < 0.9
    assert moved.gmsd > 0.05
    assert moved.border < 0.5


def test_another_background_shows_at_the_border() -> None:
    assert metrics(scene(ground="#5090d0")).border > 10


@pytest.mark.parametrize("sigma", [0.3, 1.0])
def test_noise_that_nobody_sees_is_no_effect(sigma: float) -> None:
    assert metrics(noisy(BASE, sigma)).effect < 0.015


def test_the_effect_grows_with_the_change() -> None:
    steps = [
        metrics(scene(x=32 - shift, color=color)).effect
        for shift, color in ((1, "#3060c0"), (6, "#3060c0"), (12, "#c03030"))
    ]
    assert steps == sorted(steps)
    assert steps[-1] > 3 * steps[0] > 0


@given(seed=st.integers(0, 1000), sigma=st.floats(0, 40))
def test_distance_is_symmetric_and_bounded(seed: int, sigma: float) -> None:
    a, b = Measured(BASE).descriptor, Measured(noisy(BASE, sigma, seed)).descriptor
    assert distance(a, b) == distance(b, a)
    assert 0 <= distance(a, b) < 2


def test_pictures_of_other_sizes_are_no_twins() -> None:
    with pytest.raises(ValueError, match="twin"):
        metrics(BASE[:32])


@pytest.mark.parametrize("side", [5, 16, 300])
def test_small_and_large_pictures_can_be_compared(side: int) -> None:
    rng = np.random.default_rng(side)
    a, b = (rng.integers(0, 255, (side, side, 3), dtype=np.uint8) for _ in range(2))
    assert metrics(a, b).effect > 0


def test_the_border_is_a_band_around_the_picture() -> None:
    mask = border_mask(16, 32)
    assert mask[0].all()
    assert mask[:, 0].all()
    assert not mask[2:14, 4:28].any()
