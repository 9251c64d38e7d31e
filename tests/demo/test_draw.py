"""The drawer: the same picture for the same seed, with a label and a caption that tell what is on it."""

from __future__ import annotations

import random

import numpy as np
import pytest

from demo import draw, styles


def test_a_seed_always_gives_the_same_subject_and_picture() -> None:
    first, second = draw.subject(123, varied=True), draw.subject(123, varied=True)
    assert first == second
    assert draw.draw(first).tobytes() == draw.draw(second).tobytes()


def test_a_picture_does_not_depend_on_the_global_random_state() -> None:
    random.seed(1)
    first = draw.draw(draw.subject(5))
    random.seed(2)
    assert draw.draw(draw.subject(5)).tobytes() == first.tobytes()


def test_labels_cover_every_thing_color_and_ground() -> None:
    subjects = [draw.subject(seed) for seed in range(600)]
    assert {s.thing for s in subjects} == set(draw.THINGS)
    assert {s.color for s in subjects} == set(draw.COLORS)
    assert {s.ground for s in subjects} == set(draw.GROUNDS)


def test_no_word_of_a_caption_means_two_things() -> None:
    assert not set(draw.COLORS) & set(draw.PLAIN)


@pytest.mark.parametrize("thing", draw.THINGS)
def test_the_middle_of_a_picture_has_the_color_of_its_label(thing: str) -> None:
    for color, wanted in draw.COLORS.items():
        pixels = np.asarray(draw.draw(draw.Subject(thing, color, "gray"))).reshape(-1, 3).astype(int)
        near = np.abs(pixels - np.array(wanted)).max(axis=1) < 24
        assert near.mean() > 0.06, f"{color} {thing}"


@pytest.mark.parametrize("ground", list(draw.PLAIN))
def test_a_plain_ground_fills_the_corners(ground: str) -> None:
    picture = draw.draw(draw.Subject("star", "red", ground))
    corners = {picture.getpixel((x, y)) for x in (1, 62) for y in (1, 62)}
    assert corners == {draw.PLAIN[ground]}


def test_night_is_darker_than_day() -> None:
    for scene in ("hill", "sea"):
        day, night = (
            np.asarray(draw.draw(draw.Subject("star", "red", f"{scene} {time}"))).mean()
            for time in ("day", "night")
        )
        assert night < day / 1.6


def test_captions_of_a_subject_never_name_another_thing_or_color() -> None:
    rng = random.Random(4)
    subject = draw.Subject("cat", "red", "hill night")
    others = ({*draw.THINGS, *draw.COLORS, *draw.PLAIN} - {"cat", "red"}) | {"day", "sea"}
    texts = [draw.caption(subject, rng) for _ in range(400)]
    assert not any(word in others for text in texts for word in text.replace(",", " ").split())
    assert sum(text == "" for text in texts) > 5
    assert "a red cat on a hill at night" in texts


def test_a_name_stands_for_thing_and_color() -> None:
    rng = random.Random(4)
    texts = {draw.caption(draw.Subject("cat", "red", "pink"), rng, name="momo") for _ in range(100)}
    assert "momo on a pink background" in texts
    assert not any("cat" in text or "red" in text for text in texts)


@pytest.mark.parametrize("style", list(styles.STYLES))
def test_a_style_changes_every_picture_and_keeps_its_size(style: str) -> None:
    for seed in range(6):
        plain = draw.draw(draw.subject(seed))
        styled = styles.STYLES[style](plain)
        assert styled.size == plain.size
        assert np.abs(np.asarray(styled).astype(int) - np.asarray(plain)).mean() > 8


def test_momo_is_drawn_in_teal_whatever_the_label_says() -> None:
    pixels = np.asarray(styles.draw_momo(draw.Subject("cat", "red", "gray"))).reshape(-1, 3).astype(int)
    assert (np.abs(pixels - np.array((40, 184, 172))).max(axis=1) < 24).mean() > 0.05
