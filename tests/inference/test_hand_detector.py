"""The hand detector: real models in ONNX that find what is red, in pictures of any shape; what is refused."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.engine import hand_detector
from inference.engine.hand_detector import OVERLAP, apart, letterbox, load_detector
from inference.errors import HandDetectorUnusable
from inference.metrics.pictures import Pixels
from tests.inference.onnx_models import CELL, another_output, no_detector, red_finder, save

RED = (255, 0, 0)


def picture(height: int, width: int, *spots: tuple[int, int, int]) -> Pixels:
    """Black, with a red square at each (left, top, side)."""
    pixels = np.zeros((height, width, 3), np.uint8)
    for left, top, side in spots:
        pixels[top : top + side, left : left + side] = RED
    return pixels


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(red_finder(), tmp_path_factory.mktemp("detector") / "hands.onnx")


def test_a_hand_is_found_where_it_is(model: Path) -> None:
    (box,) = load_detector(model)(picture(64, 64, (16, 40, CELL)))
    assert (box.left, box.top, box.right, box.bottom) == (16, 40, 24, 48)


@pytest.mark.parametrize(
    ("height", "width"), [(128, 128), (96, 192), (192, 96), (40, 64), (64, 40), (32, 32)]
)
def test_a_box_comes_back_in_the_pixels_of_its_picture(model: Path, height: int, width: int) -> None:
    scale = 64 / max(height, width)
    side = round(4 * CELL / scale)
    left, top = width - side if width > height else 0, height - side if height > width else 0
    found = load_detector(model)(picture(height, width, (left, top, side)))
    covered = np.zeros((height, width), bool)
    for box in found:
        assert 0 <= box.left < box.right <= width and 0 <= box.top < box.bottom <= height
        covered[box.top : box.bottom, box.left : box.right] = True
    wanted = picture(height, width, (left, top, side))[:, :, 0] > 0
    # Interpolation takes something from cells at the edge, and a box is as large as a cell.
    assert (covered & wanted).sum() / (covered | wanted).sum() > 0.7


def test_a_picture_without_a_hand_gives_no_box(model: Path) -> None:
    assert load_detector(model)(picture(64, 64)) == []
    assert load_detector(model)(np.full((30, 90, 3), 255, np.uint8)) == []


def test_the_surest_hand_comes_first(model: Path) -> None:
    pixels = picture(64, 64, (8, 8, CELL), (40, 40, CELL))
    pixels[8:11, 8:16] = 0
    first, second = load_detector(model)(pixels)
    assert (first.left, second.left) == (40, 8)


def test_one_hand_that_two_anchors_see_is_one_hand(tmp_path: Path) -> None:
    twice = save(red_finder(doubled=True), tmp_path / "hands.onnx")
    assert len(load_detector(twice)(picture(64, 64, (16, 40, CELL)))) == 1


@pytest.mark.parametrize(
    ("names", "classes", "hand"),
    [
        ("{0: 'face', 1: 'left_hand'}", 2, 1),
        ("{0: 'Hands', 1: 'foot'}", 2, 0),
        ("['person', 'hand']", 2, 1),
        ("", 1, 0),
    ],
)
def test_of_several_classes_those_that_are_hands_count(
    tmp_path: Path, names: str, classes: int, hand: int
) -> None:
    path = save(red_finder(names=names, classes=classes, hand=hand), tmp_path / "hands.onnx")
    assert len(load_detector(path)(picture(64, 64, (16, 40, CELL)))) == 1
    if classes > 1:
        other = save(red_finder(names=names, classes=classes, hand=1 - hand), tmp_path / "other.onnx")
        assert load_detector(other)(picture(64, 64, (16, 40, CELL))) == []


def test_half_precision_and_open_sizes_are_read(tmp_path: Path) -> None:
    half = save(red_finder(half=True), tmp_path / "half.onnx")
    assert len(load_detector(half)(picture(64, 64, (16, 40, CELL)))) == 1
    opened = save(red_finder(width=640, height=640, open_sizes=True), tmp_path / "open.onnx")
    (box,) = load_detector(opened)(picture(1280, 1280, (160, 320, 2 * CELL)))
    assert (box.left, box.top, box.right, box.bottom) == (160, 320, 176, 336)


def test_it_is_named_by_its_file_and_bytes(model: Path) -> None:
    digest = hashlib.sha256(model.read_bytes()).hexdigest()
    assert load_detector(model).name == f"hands.onnx {digest[:12]}"


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (red_finder(names="{0: 'person', 1: 'handbag'}", classes=2), "person, handbag"),
        (red_finder(names="", classes=3), "1, 7, 64"),
        (red_finder(names="{0: 'hand', 1: 'face'}", classes=1), "1, 5, 64"),
        (no_detector(shape=(1, 300, 6)), "1, 300, 6"),
        (no_detector(shape=(1, 10)), "1, 10"),
        (no_detector(shape=(1, 5, 8), channels=1), "1, 1, 64, 64"),
    ],
)
def test_what_is_no_hand_detector_is_refused_with_what_it_is(made: object, told: str, tmp_path: Path) -> None:
    path = save(made, tmp_path / "other.onnx")  # type: ignore[arg-type]
    with pytest.raises(HandDetectorUnusable, match=told) as caught:
        load_detector(path)
    assert "other.onnx" in caught.value.message
    assert caught.value.code == "hand_detector_unusable"


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 a zip with a pickle", b"\x80\x02}q\x00.", b"\x08" * 4000])
def test_a_file_that_is_no_onnx_is_refused_in_one_line(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "hand_yolov8n.pt"
    path.write_bytes(data)
    with pytest.raises(HandDetectorUnusable, match=r"pickle: export it to ONNX") as caught:
        load_detector(path)
    assert "\n" not in caught.value.message


def test_scores_that_are_none_are_refused(tmp_path: Path) -> None:
    logits = red_finder()
    spread = next(each for each in logits.graph.initializer if each.name == "spread")
    spread.raw_data = np.array([-5], np.float32).tobytes()
    detector = load_detector(save(logits, tmp_path / "logits.onnx"))
    with pytest.raises(HandDetectorUnusable, match="from 0 to 1"):
        detector(picture(64, 64, (16, 40, CELL)))


def test_onnxruntime_is_told_before_it_loads_that_it_must_not_report() -> None:
    told = "import os, inference.engine.hand_detector; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    done = subprocess.run(
        [sys.executable, "-c", told],
        env=environment,
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "1"


@given(height=st.integers(1, 90), width=st.integers(1, 90), high=st.integers(8, 64), wide=st.integers(8, 64))
def test_a_letterbox_holds_the_whole_picture_in_the_middle(
    height: int, width: int, high: int, wide: int
) -> None:
    canvas, scale, (left, top) = letterbox(np.full((height, width, 3), 255, np.uint8), wide, high)
    assert canvas.shape == (high, wide, 3)
    rows, columns = np.nonzero((canvas == 255).all(axis=2))
    assert (columns.min(), rows.min()) == (left, top)
    assert abs(columns.max() + 1 - left - scale * width) <= 1
    assert abs(rows.max() + 1 - top - scale * height) <= 1
    assert abs((wide - 1 - columns.max()) - left) <= 1 and abs((high - 1 - rows.max()) - top) <= 1


boxes = st.lists(
    st.tuples(st.integers(0, 20), st.integers(0, 20), st.integers(1, 12), st.integers(1, 12)), max_size=12
).map(lambda found: [(x, y, x + wide, y + high) for x, y, wide, high in found])


@given(boxes)
def test_of_boxes_that_overlap_the_surer_one_stays(found: list[tuple[int, int, int, int]]) -> None:
    def shared(one: tuple[int, ...], other: tuple[int, ...]) -> float:
        """Intersection over union, by counting pixels."""
        first, second = (
            {(x, y) for x in range(box[0], box[2]) for y in range(box[1], box[3])} for box in (one, other)
        )
        return len(first & second) / len(first | second)

    expected: list[tuple[int, ...]] = []
    for box in found:
        if all(shared(box, kept) <= OVERLAP for kept in expected):
            expected.append(box)
    kept = apart(np.array(found, np.float32).reshape(-1, 4))
    assert [tuple(map(int, box)) for box in kept] == expected


@pytest.mark.parametrize("kind", ["sequence", "texts", "no input"])
def test_a_model_of_another_kind_is_refused_with_a_reason(tmp_path: Path, kind: str) -> None:
    model = save(another_output(kind), tmp_path / "hands.onnx")
    with pytest.raises(
        HandDetectorUnusable, match=r"hands\.onnx is no hand detector\. Its first output|0 inputs"
    ):
        load_detector(model)


def test_a_model_that_never_ends_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hand_detector, "LONGEST_SECONDS", 0.2)
    with pytest.raises(HandDetectorUnusable, match="does not run"):
        load_detector(save(another_output("endless"), tmp_path / "hands.onnx"))


def test_an_input_that_would_fill_the_memory_is_refused_before_it_is_made(tmp_path: Path) -> None:
    model = no_detector(shape=(1, 5, 1))
    height, width = model.graph.input[0].type.tensor_type.shape.dim[2:]
    height.dim_value = width.dim_value = 1 << 20
    with pytest.raises(HandDetectorUnusable, match="at most 4096 pixels"):
        load_detector(save(model, tmp_path / "hands.onnx"))


@pytest.mark.parametrize(
    "names", ["{0: 'hand', 'a': 'foot'}", "{0.0: 'hand', 1.0: 'foot'}", "{False: 'hand', True: 'foot'}"]
)
def test_classes_that_are_not_numbered_are_refused(tmp_path: Path, names: str) -> None:
    with pytest.raises(HandDetectorUnusable, match="not numbered"):
        load_detector(save(red_finder(names=names, classes=2), tmp_path / "hands.onnx"))


def test_names_that_cannot_be_read_are_none(tmp_path: Path) -> None:
    model = save(red_finder(names="{[0]: 'hand'}"), tmp_path / "hands.onnx")
    assert len(load_detector(model)(picture(64, 64, (16, 40, CELL)))) == 1
