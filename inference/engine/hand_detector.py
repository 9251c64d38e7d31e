"""A hand detector in ONNX with the layout of YOLOv8 and YOLO11, run on the processor by onnxruntime.

Input [1, 3, height, width], RGB from 0 to 1. Output [1, 4 + classes, anchors]: center x, center y, width and
height in pixels of the input, then a score from 0 to 1 for each class
(https://docs.ultralytics.com/modes/export/, `format=onnx` with `nms=False`).
"""

from __future__ import annotations

import ast
import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Timer
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from inference.errors import HandDetectorUnusable
from inference.layouts import first_line
from inference.metrics.hands import Box
from inference.metrics.pictures import Pixels

# From 1.29 on onnxruntime reports to its maker, unless it is told before it loads that it must not.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import onnxruntime

Floats = npt.NDArray[np.float32]

SCORE = 0.3
"""Hands that the model is less sure of are left out; what inpainting tools for hands begin with."""
OVERLAP = 0.5
"""Of two boxes that share more than this (intersection / union) the surer one is kept."""
LONGEST_SECONDS = 120.0
"""What takes longer for one picture is ended: a model may hold a loop without an end."""
_USUAL_SIDE, _LARGEST_SIDE = 640, 4096
# What the padding of a letterbox is filled with where these models are trained.
_GRAY = 114
_MOST_BYTES = 1 << 29
# As many boxes as Ultralytics' own tools look at in one picture.
_MOST_FOUND = 300
# A hand, left_hand, Hands; no handbag.
_HAND = re.compile(r"(?<![a-z])hands?(?![a-z])", re.IGNORECASE)
_TYPES: dict[str, type[np.floating[Any]]] = {"tensor(float)": np.float32, "tensor(float16)": np.float16}


class YoloDetector:
    """Finds hands with one model. `name` is its file's name and the first 12 digits of its SHA256."""

    def __init__(self, session: Any, name: str) -> None:
        self.name = name
        self._session = session
        self._input, self._dtype, self._size = _input_of(session)
        names = _names(session.get_modelmeta().custom_metadata_map)
        # A model that names nothing can have but one class, or nobody knows which of them is a hand.
        self._count, self._hands = len(names) or 1, _hands(names)
        self._output = session.get_outputs()[0].name
        # Sizes may be open until the model runs, so it runs once before it is believed.
        width, height = self._size
        self._run(np.zeros((height, width, 3), np.uint8))

    def __call__(self, pixels: Pixels) -> list[Box]:
        """The hands of one picture, RGB bytes [height, width, 3], the surest first.

        Raises HandDetectorUnusable when the model fails on it.
        """
        canvas, scale, (left, top) = letterbox(pixels, *self._size)
        found = self._run(canvas)
        scores = found[4:][self._hands].max(axis=0)
        order = np.argsort(-scores, kind="stable")[:_MOST_FOUND]
        order = order[scores[order] >= SCORE]
        height, width = pixels.shape[:2]
        boxes = (corners(found)[order] - np.array([left, top, left, top], np.float32)) / scale
        boxes = boxes.clip(0, np.array([width, height, width, height], np.float32))
        # What lies in the padding alone has no area left.
        boxes = boxes[(boxes[:, 2:] - boxes[:, :2] >= 1).all(axis=1)]
        return [_box(box) for box in apart(boxes)]

    def _run(self, canvas: Pixels) -> Floats:
        """The output [4 + classes, anchors] of a picture in the input's size."""
        values = canvas.transpose(2, 0, 1)[None].astype(self._dtype) / self._dtype(255)
        try:
            with _ended_in_time() as options:
                found = self._session.run([self._output], {self._input: values}, options)[0]
        except Exception as error:  # onnxruntime's own errors have no common class.
            raise HandDetectorUnusable(f"It does not run: {first_line(error).rstrip('.')}.") from None
        if not isinstance(found, np.ndarray) or found.dtype.kind != "f":
            raise HandDetectorUnusable("Its first output is no array of floats.")
        if found.ndim != 3 or found.shape[:2] != (1, 4 + self._count):
            raise HandDetectorUnusable(
                f"It gives {list(found.shape)}, not [1, {4 + self._count}, anchors] as for "
                f"{self._count} class{'es' if self._count > 1 else ''} without non-maximum suppression."
            )
        found = found[0].astype(np.float32)
        scores = found[4:]
        if not np.isfinite(found).all() or scores.min(initial=0) < -0.01 or scores.max(initial=0) > 1.01:
            raise HandDetectorUnusable("Its scores are not numbers from 0 to 1.")
        return found  # type: ignore[no-any-return]


def load_detector(path: Path) -> YoloDetector:
    """The detector in a file. Raises OSError, and HandDetectorUnusable for what is none of the layout above.

    The bytes that are hashed are those that are loaded; a model whose tensors lie in other files is refused.
    """
    if path.stat().st_size > _MOST_BYTES:
        raise HandDetectorUnusable(f"{path.name} is larger than {_MOST_BYTES >> 20} MiB.")
    data = path.read_bytes()
    name = f"{path.name} {hashlib.sha256(data).hexdigest()[:12]}"
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own errors have no common class.
        hint = " A .pt file is a pickle: export it to ONNX." if path.suffix in {".pt", ".pth"} else ""
        raise HandDetectorUnusable(
            f"{path.name} is no model that onnxruntime loads: {first_line(error).rstrip('.')}.{hint}"
        ) from None
    try:
        return YoloDetector(session, name)
    except HandDetectorUnusable as error:
        raise HandDetectorUnusable(f"{path.name} is no hand detector. {error.message}") from None


@contextmanager
def _ended_in_time() -> Iterator[Any]:
    """Options of one run, which onnxruntime ends with an error when it takes too long."""
    options = onnxruntime.RunOptions()
    # Asked for between two nodes of the graph, those of a loop among them.
    timer = Timer(LONGEST_SECONDS, setattr, (options, "terminate", True))
    timer.daemon = True
    timer.start()
    try:
        yield options
    finally:
        timer.cancel()


def letterbox(pixels: Pixels, width: int, height: int) -> tuple[Pixels, float, tuple[int, int]]:
    """The picture as large as it fits into width x height, amid gray: (canvas, scale, (left, top)).

    A point (x, y) of the picture lies at (left + scale x, top + scale y) of the canvas.
    """
    rows, columns = pixels.shape[:2]
    scale = min(width / columns, height / rows)
    size = max(1, round(columns * scale)), max(1, round(rows * scale))
    left, top = (width - size[0]) // 2, (height - size[1]) // 2
    canvas = np.full((height, width, 3), _GRAY, np.uint8)
    resized = Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR)
    canvas[top : top + size[1], left : left + size[0]] = np.asarray(resized)
    return canvas, scale, (left, top)


def corners(found: Floats) -> Floats:
    """Output [4 + classes, anchors] as left, top, right and bottom in pixels of the input, [anchors, 4]."""
    x, y, width, height = found[:4]
    return np.stack([x - width / 2, y - height / 2, x + width / 2, y + height / 2], axis=1)


def apart(boxes: Floats) -> Floats:
    """Greedy non-maximum suppression of boxes [n, 4], the surest first: those that stay, in that order."""
    kept: list[Floats] = []
    while len(boxes):
        best, boxes = boxes[0], boxes[1:]
        kept.append(best)
        sides = np.minimum(best[2:], boxes[:, 2:]) - np.maximum(best[:2], boxes[:, :2])
        both = sides.clip(0).prod(axis=1)
        total = (best[2:] - best[:2]).prod() + (boxes[:, 2:] - boxes[:, :2]).prod(axis=1) - both
        boxes = boxes[both <= OVERLAP * total]
    return np.array(kept, np.float32).reshape(-1, 4)


def _box(corner: Floats) -> Box:
    left, top = (int(value) for value in np.floor(corner[:2]))
    right, bottom = (int(value) for value in np.ceil(corner[2:]))
    return Box(left, top, right, bottom)


def _input_of(session: Any) -> tuple[str, type[np.floating[Any]], tuple[int, int]]:
    """Name, type and (width, height) of the one input; open sizes are the usual ones."""
    inputs = session.get_inputs()
    if len(inputs) != 1:
        raise HandDetectorUnusable(f"It has {len(inputs)} inputs, not one picture [1, 3, height, width].")
    first = inputs[0]
    shape = list(first.shape)
    if first.type not in _TYPES or len(shape) != 4:
        raise HandDetectorUnusable(
            f"Its input is {first.type} {shape}, not one picture [1, 3, height, width] of floats."
        )
    batch, channels, height, width = (size if isinstance(size, int) else 0 for size in shape)
    if batch not in (0, 1) or channels not in (0, 3):
        raise HandDetectorUnusable(f"Its input is {shape}, not one picture [1, 3, height, width].")
    if max(height, width) > _LARGEST_SIDE:
        raise HandDetectorUnusable(f"Its input is {shape}; a side has at most {_LARGEST_SIDE} pixels.")
    return first.name, _TYPES[first.type], (width or _USUAL_SIDE, height or _USUAL_SIDE)


def _names(metadata: Mapping[str, str]) -> dict[int, str]:
    """The classes that the exporter wrote down, such as {0: 'hand'}; none where it wrote nothing."""
    raw = metadata.get("names", "")
    try:
        told = ast.literal_eval(raw) if 0 < len(raw) < 100_000 else {}
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return {}
    names = dict(enumerate(told)) if isinstance(told, list) else told
    if not isinstance(names, dict):
        return {}
    if any(type(key) is not int for key in names):
        raise HandDetectorUnusable("Its classes are not numbered.")
    return {key: str(name) for key, name in names.items()}


def _hands(names: Mapping[int, str]) -> list[int]:
    """Which classes are hands: those that say so, or the only one of a model that names none."""
    if not names:
        return [0]
    hands = [number for number, name in names.items() if _HAND.search(name)]
    if not hands or sorted(names) != list(range(len(names))):
        told = ", ".join(list(names.values())[:8])
        raise HandDetectorUnusable(f"It finds {told}, and none of these is a hand.")
    return hands
