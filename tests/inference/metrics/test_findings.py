"""Sheet metrics and findings: each fault, drawn on purpose, is found, and a good ladder has none."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from inference.metrics import Finding, SheetMetrics, Shot, compare, find, measure, wrong_base
from inference.metrics.dose import knee, spearman
from inference.metrics.findings import direction
from inference.metrics.pictures import Measured
from tests.inference.metrics.pictures import Pixels, burnt, noisy, scene, tinted

WEIGHTS = (0.4, 0.6, 0.8, 1.0)
COLORS = ("#3060c0", "#30a050", "#c03030", "#d0b020")
GROUNDS = ("#e8c890", "#90c8e8", "#d0d0d0", "#f0a0b0")
Change = Callable[[Pixels, float, int, int], Pixels]


def base_picture(prompt: int, seed: int) -> Pixels:
    """Prompts differ in color and ground, seeds in place."""
    return scene(x=22 + 20 * seed, color=COLORS[prompt], ground=GROUNDS[prompt])


def sheet(change: Change, *, triggered: bool = True) -> SheetMetrics:
    """Four prompts x two seeds; `change(base, weight, prompt, seed)` is the adapter."""
    shots = []
    for prompt in range(4):
        for seed in range(2):
            twin = Measured(base_picture(prompt, seed))
            called = triggered and prompt >= 2
            shots.append(Shot(prompt, seed, called, None, twin.descriptor, None))
            for weight in WEIGHTS:
                cell = Measured(change(twin.pixels, weight, prompt, seed))
                shots.append(Shot(prompt, seed, called, weight, cell.descriptor, compare(cell, twin)))
    return measure(shots)


def codes(metrics: SheetMetrics) -> set[str]:
    """The codes of all findings."""
    return {finding.code for finding in find(metrics)}


def one(metrics: SheetMetrics, code: str) -> Finding:
    """The one finding of this code."""
    found = [finding for finding in find(metrics) if finding.code == code]
    assert len(found) == 1
    return found[0]


def mixed(base: Pixels, other: Pixels, share: float) -> Pixels:
    """Part one picture, part the other."""
    return (base * (1 - share) + other * share).astype(np.uint8)


def good(base: Pixels, weight: float, prompt: int, seed: int) -> Pixels:
    """A subject that grows a feature with the weight, more where it is called."""
    picture = base.copy()
    size = int((14 if prompt >= 2 else 5) * weight)
    x = 22 + 20 * seed
    picture[32 - size : 32 + size, x - size // 2 : x + size // 2] = (240, 120, 30)
    return picture


def test_a_good_adapter_has_a_recommendation_and_no_warning() -> None:
    metrics = sheet(good)
    assert codes(metrics) == {"recommended_weight"}
    assert one(metrics, "recommended_weight").numbers == {"low": 0.4, "high": 1.0}
    assert metrics.dose_response is not None
    assert metrics.dose_response > 0.7


def test_an_inert_adapter_is_said_to_do_nothing() -> None:
    finding = one(sheet(lambda base, weight, prompt, seed: noisy(base, 0.3)), "no_effect")
    assert finding.severity == "error"
    assert finding.threshold is not None
    assert finding.numbers["effect"] < finding.threshold


def test_one_picture_for_every_prompt_and_seed_is_overfit_and_ignores_the_prompt() -> None:
    memory = scene(x=32, color="#c03030", ground="#90c8e8")
    metrics = sheet(lambda base, weight, prompt, seed: mixed(base, memory, min(1.0, weight * 1.2)))
    assert {"overfit", "ignores_prompt"} <= codes(metrics)
    assert one(metrics, "ignores_prompt").numbers["weight"] <= 0.8
    recommended = [finding for finding in find(metrics) if finding.code == "recommended_weight"]
    assert all(finding.numbers["high"] < 0.8 for finding in recommended)


def test_seeds_can_collapse_while_the_prompt_still_counts() -> None:
    metrics = sheet(
        lambda base, weight, prompt, seed: scene(x=32, color=COLORS[prompt], ground=GROUNDS[prompt])
    )
    assert "little_variety" in codes(metrics)
    assert not {"overfit", "ignores_prompt"} & codes(metrics)


def test_a_picture_that_follows_the_seed_instead_of_the_prompt_ignores_the_prompt() -> None:
    def by_seed(base: Pixels, weight: float, prompt: int, seed: int) -> Pixels:
        if weight < 0.7:
            return base
        place, ground = 16 + 32 * seed, ("#101030", "#f0f0e0")[seed]
        return scene(x=place, y=16 + 20 * seed, color=COLORS[prompt // 2], ground=ground)

    finding = one(sheet(by_seed), "ignores_prompt")
    assert finding.numbers["weight"] == 0.8
    assert finding.threshold is not None
    assert finding.numbers["prompt_grip"] < finding.threshold


def growing_noise(base: Pixels, weight: float) -> Pixels:
    """Little noise at first, much at the end."""
    return noisy(base, 60 * weight**3)


def sudden_burn(base: Pixels, weight: float) -> Pixels:
    """Nothing, then everything."""
    return burnt(base) if weight > 0.7 else base


@pytest.mark.parametrize("damage", [growing_noise, sudden_burn])
def test_falling_apart_is_dated_to_its_weight(damage: Callable[[Pixels, float], Pixels]) -> None:
    metrics = sheet(lambda base, weight, prompt, seed: damage(base, weight))
    finding = one(metrics, "collapses_at")
    assert 0.6 <= finding.numbers["weight"] <= 0.8


def test_a_tint_is_a_color_shift_with_its_direction() -> None:
    metrics = sheet(lambda base, weight, prompt, seed: tinted(base, int(90 * weight), int(-90 * weight)))
    finding = one(metrics, "colour_shift")
    assert "redder" in finding.message
    assert "yellower" in finding.message


def test_a_new_background_is_drift() -> None:
    metrics = sheet(
        lambda base, weight, prompt, seed: np.where(base == base[0, 0], [20, 30, 80], base).astype(np.uint8)
    )
    assert "background_drift" in codes(metrics)


def test_an_adapter_that_acts_everywhere_does_not_need_its_trigger() -> None:
    def everywhere(base: Pixels, weight: float, prompt: int, seed: int) -> Pixels:
        return good(base, weight, 3, seed)

    assert "trigger_not_needed" in codes(sheet(everywhere))
    # Without trigger words there is nothing to be selective about.
    assert "trigger_not_needed" not in codes(sheet(everywhere, triggered=False))


def test_black_pictures_outweigh_every_other_finding() -> None:
    black = np.zeros((64, 64, 3), np.uint8)
    twin, cell = Measured(base_picture(0, 0)), Measured(black)
    shots = [
        Shot(0, 0, False, None, twin.descriptor, None),
        Shot(0, 0, False, 1.0, cell.descriptor, compare(cell, twin), usable=False),
    ]
    (finding,) = find(measure(shots))
    assert (finding.code, finding.severity) == ("black_images", "error")


def test_a_sheet_of_bases_alone_finds_nothing() -> None:
    assert find(measure([Shot(0, 0, False, None, Measured(base_picture(0, 0)).descriptor, None)])) == []


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ([1, 2, 3], [2, 4, 9], 1.0),
        ([1, 2, 3], [3, 2, 1], -1.0),
        ([1, 2, 3], [5, 5, 5], None),
        ([1, 2], [1, 2], None),
    ],
)
def test_rank_correlation_is_undefined_rather_than_invented(
    a: list[float], b: list[float], expected: float | None
) -> None:
    found = spearman(a, b)
    assert found == (None if expected is None else pytest.approx(expected))


def test_directions_are_named_in_plain_words() -> None:
    assert direction((10, 0, -5)) == "towards lighter and bluer"
    assert direction((0, 1, -2)) == "in no common direction"


def test_a_knee_is_where_more_weight_adds_little() -> None:
    assert knee([(0.4, 0.8), (0.6, 0.9), (0.8, 0.95), (1.0, 1.0)]) == 0.4
    assert knee([(0.4, 0.4), (0.6, 0.6), (0.8, 0.8), (1.0, 1.0)]) is None
    assert knee([(0.4, 0.0), (0.6, 0.0), (1.0, 0.0)]) is None


def test_a_sharp_style_of_flat_colors_is_no_collapse_while_its_structure_stands() -> None:
    def flat(base: Pixels, weight: float, prompt: int, seed: int) -> Pixels:
        picture = base.copy()
        picture[(base == base[0, 0]).all(axis=-1)] = (255, 255, 255)
        return picture

    metrics = sheet(flat)
    assert metrics.weights[-1].clipped > 0.25
    assert "collapses_at" not in codes(metrics)


def test_nothing_is_recommended_beyond_the_first_fault() -> None:
    def broken_in_between(base: Pixels, weight: float, prompt: int, seed: int) -> Pixels:
        return noisy(base, 60) if weight == 0.6 else good(base, weight, prompt, seed)

    assert one(sheet(broken_in_between), "recommended_weight").numbers == {"low": 0.4, "high": 0.4}


@pytest.mark.parametrize("code", ["wrong_base", "nothing_matched", "unmatched_modules"])
def test_a_file_for_another_base_is_found_before_the_first_picture(code: str) -> None:
    (finding,) = wrong_base(code, "80 of 128 modules have other shapes.", misfits=80, modules=128)
    assert (finding.code, finding.severity) == ("wrong_base", "error")
    assert finding.numbers == {"misfits": 80, "modules": 128}
    assert wrong_base("no_base_weights", "No weights.") == []


def test_with_pairs_of_prompts_the_trigger_words_are_compared_on_the_same_picture() -> None:
    shots = []
    for prompt, triggered in ((0, True), (1, False)):
        twin = Measured(base_picture(0, 0))
        cell = Measured(good(twin.pixels, 1.0, 3, 0) if triggered else twin.pixels)
        shots.append(Shot(prompt, 0, triggered, None, twin.descriptor, None, pair=7))
        shots.append(Shot(prompt, 0, triggered, 1.0, cell.descriptor, compare(cell, twin), pair=7))
    assert measure(shots).weights[0].selectivity == pytest.approx(1)


def test_a_neutral_picture_that_jumps_once_and_stays_was_moved_by_the_sampler() -> None:
    def jumps(base: Pixels, weight: float, prompt: int, seed: int) -> Pixels:
        if prompt < 2:
            return scene(x=30 + 20 * seed, color=COLORS[prompt], ground=GROUNDS[prompt])
        return good(base, weight, prompt, seed)

    metrics = sheet(jumps)
    assert metrics.weights[-1].selectivity is not None
    assert metrics.weights[-1].selectivity < 0.29
    assert "trigger_not_needed" not in codes(metrics)
