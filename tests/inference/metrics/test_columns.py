"""Recipes whose columns differ in more than the weight, on pictures whose differences are known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from inference.metrics import Finding, Head, Heads, Shot, compare, find_by_recipe
from inference.metrics.pictures import Measured
from tests.inference.metrics.pictures import Pixels, burnt, noisy, scene

Change = Callable[[Pixels], Pixels]
GROUNDS = ("#e8c890", "#90c8e8")


def hat(base: Pixels) -> Pixels:
    """One adapter's change: a bar at the top."""
    picture = base.copy()
    picture[2:12, 16:48] = (220, 30, 30)
    return picture


def boots(base: Pixels) -> Pixels:
    """Another's: a bar at the bottom."""
    picture = base.copy()
    picture[50:62, 16:48] = (30, 30, 160)
    return picture


def both(base: Pixels) -> Pixels:
    """Both at once: they do not touch."""
    return boots(hat(base))


def cells(columns: dict[int, Change], weights: dict[int, float] | None = None) -> list[Shot]:
    """Two prompts x two seeds; column 0 is the base."""
    shots = []
    for prompt in range(2):
        for seed in range(2):
            twin = Measured(scene(x=22 + 20 * seed, ground=GROUNDS[prompt]))
            shots.append(Shot(prompt, seed, False, None, twin.descriptor, None))
            for column, change in columns.items():
                cell, weight = Measured(change(twin.pixels)), (weights or {}).get(column, 1.0)
                metrics = compare(cell, twin)
                shots.append(Shot(prompt, seed, False, weight, cell.descriptor, metrics, column=column))
    return shots


def found(layout: str, shots: list[Shot], heads: Heads) -> dict[str, Finding]:
    """The findings by code; two of one code fail the test."""
    findings = find_by_recipe(layout, layout, shots, heads)[1]
    codes = {finding.code: finding for finding in findings}
    assert len(codes) == len(findings)
    return codes


BLOCKS = {2: Head("all", "all"), 3: Head("IN04", "block"), 4: Head("OUT03", "block")}


def test_the_block_that_makes_the_change_is_named_and_the_idle_one_is_not() -> None:
    shots = cells({2: hat, 3: hat, 4: lambda base: base})
    named = found("blocks", shots, BLOCKS)
    assert (named["block_carries"].numbers["column"], named["block_carries"].where) == (3, "IN04")
    assert named["block_carries"].numbers["share"] == pytest.approx(1)
    measured = find_by_recipe("blocks", "blocks", shots, BLOCKS)[0]["blocks"]
    assert [block["block"] for block in measured] == ["IN04", "OUT03"]
    assert measured[1]["share"] == 0


STACK = {2: Head("a", "single", (0,)), 3: Head("b", "single", (1,)), 4: Head("a + b", "all", (0, 1))}


def test_adapters_that_change_other_places_keep_all_they_do() -> None:
    shots = cells({2: hat, 3: boots, 4: both})
    assert found("stack", shots, STACK) == {}
    (together,) = find_by_recipe("stack", "stack", shots, STACK)[0]["together"]
    assert together["kept"] == {"0": pytest.approx(1, abs=0.1), "1": pytest.approx(1, abs=0.1)}
    assert together["additivity"] < 0.2


def test_an_adapter_of_which_nothing_is_left_is_drowned_out() -> None:
    drowned = found("stack", cells({2: hat, 3: boots, 4: hat}), STACK)["drowned_out"]
    assert drowned.numbers["adapter"] == 2
    assert drowned.threshold is not None
    assert drowned.numbers["kept"] < drowned.threshold


def test_adapters_that_burn_only_together_spoil_each_other() -> None:
    assert "spoil_each_other" in found("stack", cells({2: hat, 3: boots, 4: lambda b: burnt(both(b))}), STACK)
    # One that burns by itself has spoiled nothing of the other's.
    alone = found("stack", cells({2: burnt, 3: boots, 4: lambda b: burnt(both(b))}), STACK)
    assert "spoil_each_other" not in alone


VERSIONS = {2: Head("1", "earlier", (1,)), 3: Head("1", "this", (0,))}


def test_two_versions_that_draw_the_same_are_said_to() -> None:
    assert set(found("version", cells({2: hat, 3: hat}), VERSIONS)) == {"versions_alike"}
    assert found("version", cells({2: hat, 3: boots}), VERSIONS) == {}


def test_a_version_is_told_better_or_worse_by_its_faults() -> None:
    assert set(found("version", cells({2: hat, 3: burnt}), VERSIONS)) == {"version_worse"}
    assert set(found("version", cells({2: burnt, 3: hat}), VERSIONS)) == {"version_better"}


def test_a_setting_that_brings_a_fault_is_named_by_its_column() -> None:
    heads = {2: Head("4", "cfg"), 3: Head("12", "cfg"), 4: Head("20", "steps"), 5: Head("40", "steps")}
    shots = cells({2: hat, 3: lambda base: noisy(base, 60), 4: hat, 5: hat})
    assert found("axes", shots, heads)["setting_spoils"].numbers["column"] == 3
    axes = find_by_recipe("tuning", "axes", shots, heads)[0]["axes"]
    assert [axis["axis"] for axis in axes] == ["cfg", "steps"]
    assert axes[0]["matters"] > axes[1]["matters"] == 0


def test_black_cells_are_told_whatever_the_recipe() -> None:
    twin = Measured(scene())
    cell = Measured(np.zeros_like(twin.pixels))
    shots = [
        Shot(0, 0, False, None, twin.descriptor, None),
        Shot(0, 0, False, 1.0, cell.descriptor, compare(cell, twin), usable=False, column=2),
    ]
    for layout in ("axes", "blocks", "stack", "version"):
        assert set(found(layout, shots, {2: Head("all", "all")})) == {"black_images"}


def test_the_overfit_recipe_points_at_the_cells_that_look_most_alike() -> None:
    shots = cells({2: lambda base: scene(color="#c03030")})
    measures, findings = find_by_recipe("overfit", "ladder", shots, {2: Head("1")})
    assert "overfit" in {finding.code for finding in findings}
    assert measures["closest"][0]["distance"] == 0
    assert measures["closest"][0]["base_distance"] > 0
