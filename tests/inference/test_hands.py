"""Hands on a sheet: which pictures are looked at, and what a detector that cannot be used leaves."""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pytest_django.fixtures import Settings

from inference import hands
from inference.errors import HandDetectorMissing, HandDetectorNoRuntime, HandDetectorUnusable
from inference.hands import MOST_GUESSED, MOST_LOOKED, hand_detector, look_at_hands, places_of
from inference.metrics import Finding, Severity
from inference.recipes import Role, SheetPlan, Shown, Trigger, get_recipe
from tests.inference.onnx_models import red_finder, save

MOMO = Trigger("momo", names_subject=True)


def plan_of(name: str, family: str = "sd1") -> SheetPlan:
    """A sheet of the recipe with as many adapters as it takes."""
    recipe = get_recipe(name, family)
    shown = (
        Shown("a" * 64, "Momo", "character", trigger=MOMO, negative="blurry"),
        Shown("b" * 64, "Ink", "style", 0.6, Trigger("ink")),
        Shown("c" * 64, "Hat", "clothing"),
    )
    return SheetPlan(recipe, MOMO, shown[: recipe.adapters[1]])


def recommended(high: float) -> Finding:
    return Finding("recommended_weight", Severity.INFO, "", {"low": 0.4, "high": high})


def pictures(plan: SheetPlan, *red: tuple[int, int]) -> dict[tuple[int, int], Any]:
    """Noise in every cell, and a red square in those named."""
    noise = np.random.default_rng(3)
    cells = {}
    for row in range(len(plan.rows)):
        for column in range(len(plan.columns)):
            cells[row, column] = noise.integers(0, 100, (64, 64, 3), np.uint8)
    for place in red:
        cells[place][16:24, 40:48] = (255, 0, 0)
    return cells


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    """No detector of another test."""
    hands._load.cache_clear()
    yield
    hands._load.cache_clear()


@pytest.mark.parametrize(("high", "weight"), [(0.6, 0.6), (1.0, 1.0), (None, 1.0), (0.5, 0.4)])
def test_the_strongest_weight_that_is_recommended_is_looked_at_or_else_1(
    high: float | None, weight: float
) -> None:
    plan = plan_of("standard")
    places = places_of(plan, [recommended(high)] if high else [])
    assert {plan.columns[column].weight for _, column in places} == {weight}


@pytest.mark.parametrize(
    "recipe", ["standard", "quick", "negative", "tuning", "blocks", "stack", "overfit", "hires", "version"]
)
def test_in_every_recipe_the_whole_adapter_as_the_recipe_samples_it_is_looked_at(recipe: str) -> None:
    plan = plan_of(recipe)
    columns = {column for _, column in places_of(plan, [])}
    assert len(columns) == 1
    column = plan.columns[columns.pop()]
    assert (column.role, column.override, plan.columns[column.twin].role) == (Role.ADAPTER, (), Role.BASE)
    assert column.slots[0].adapter == 0 and not any(slot.blocks for slot in column.slots)
    # A stack is judged with all of its adapters at once.
    assert len(column.slots) == max(len(each.slots) for each in plan.columns if each.role is Role.ADAPTER)


def test_rows_with_a_subject_go_first_and_every_prompt_has_its_turn() -> None:
    plan = plan_of("standard")
    rows = [plan.rows[row] for row, _ in places_of(plan, [])]
    assert [(row.prompt, row.seed) for row in rows[:4]] == [(2, 11), (3, 11), (2, 23), (3, 23)]


def test_without_a_detector_pictures_of_a_subject_get_guessed_crops_and_the_review_says_so() -> None:
    plan = plan_of("overfit")
    review = look_at_hands(plan, "sd1", pictures(plan), [])
    assert review is not None
    assert (review.detector, review.code, review.looked) == ("", "", MOST_GUESSED)
    assert len(review.boxes) == MOST_GUESSED
    assert all(plan.recipe.prompts[plan.rows[row].prompt].subject for row, _ in review.boxes)


def test_a_recipe_without_subjects_is_looked_at_all_the_same() -> None:
    recipe = get_recipe("standard", "sd1")
    plan = SheetPlan(replace(recipe, prompts=recipe.prompts[:2], batch_prompts=1), MOMO)
    review = look_at_hands(plan, "sd1", pictures(plan), [])
    assert review is not None and review.looked == 4


def test_a_detector_looks_at_more_pictures_and_shows_only_those_with_hands(
    settings: Settings, tmp_path: Path
) -> None:
    path = save(red_finder(), tmp_path / "hands.onnx")
    settings.HAND_DETECTOR = str(path)
    plan = plan_of("overfit")
    places = places_of(plan, [])
    review = look_at_hands(plan, "sd1", pictures(plan, places[1], places[8]), [])
    assert review is not None and review.detector.startswith("hands.onnx ")
    assert review.looked == MOST_LOOKED
    assert set(review.boxes) == {places[1], places[8]}
    (crop,) = review.boxes[places[1]]
    assert crop.left <= 40 and crop.right >= 48 and crop.top <= 16 and crop.bottom >= 24


def test_another_file_under_the_same_name_is_loaded_anew(settings: Settings, tmp_path: Path) -> None:
    path = save(red_finder(), tmp_path / "hands.onnx")
    settings.HAND_DETECTOR = str(path)
    first = hand_detector()
    assert first is not None and hand_detector() is first
    save(red_finder(names="{0: 'left hand'}"), path)
    second = hand_detector()
    assert second is not None and second.name != first.name


def test_no_detector_set_up_is_no_error() -> None:
    assert hand_detector() is None


def test_a_missing_file_a_folder_and_a_wrong_file_have_their_own_errors(
    settings: Settings, tmp_path: Path
) -> None:
    for path in (tmp_path / "gone.onnx", tmp_path):
        settings.HAND_DETECTOR = str(path)
        with pytest.raises(HandDetectorMissing, match=path.name):
            hand_detector()
    (tmp_path / "wrong.onnx").write_bytes(b"no model")
    settings.HAND_DETECTOR = str(tmp_path / "wrong.onnx")
    with pytest.raises(HandDetectorUnusable, match=r"wrong\.onnx"):
        hand_detector()


def test_without_onnxruntime_the_error_says_how_to_get_it(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.HAND_DETECTOR = str(save(red_finder(), tmp_path / "hands.onnx"))
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("inference.engine.hand_detector"):
            raise ImportError("No module named 'onnxruntime'")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(HandDetectorNoRuntime, match="onnxruntime") as caught:
        hand_detector()
    assert "requirements-detector.txt" in caught.value.next_step


def test_a_detector_that_cannot_be_used_leaves_guesses_with_the_reason(
    settings: Settings, tmp_path: Path
) -> None:
    settings.HAND_DETECTOR = str(tmp_path / "gone.onnx")
    plan = plan_of("standard")
    review = look_at_hands(plan, "sd1", pictures(plan), [])
    assert review is not None
    assert (review.detector, review.code) == ("", "hand_detector_missing")
    assert "gone.onnx" in review.reason
    assert len(review.boxes) == 4


def test_where_there_is_nothing_to_judge_nobody_looks() -> None:
    toybox, plan = plan_of("standard", "toybox"), plan_of("standard")
    assert look_at_hands(toybox, "toybox", pictures(toybox), []) is None
    black = Finding("black_images", Severity.ERROR, "", {"pictures": 1})
    assert look_at_hands(plan, "sd1", pictures(plan), [black]) is None
    assert look_at_hands(plan, "sd1", {}, []) is None
