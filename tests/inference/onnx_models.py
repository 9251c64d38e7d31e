"""Small hand detectors in ONNX: they find what is red, so that a test knows where the hands are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from onnx import ModelProto, TensorProto, checker, helper, numpy_helper

CELL = 8
"""Side of a cell; each gives one anchor, whose box is the cell."""


def red_finder(
    *,
    width: int = 64,
    height: int = 64,
    names: str = "{0: 'hand'}",
    classes: int = 1,
    hand: int = 0,
    half: bool = False,
    open_sizes: bool = False,
    doubled: bool = False,
) -> ModelProto:
    """A detector of YOLOv8's layout: the score of class `hand` is how much of a cell is red.

    `doubled` gives every box twice, as neighboring anchors of a real model do.
    """
    kind = TensorProto.FLOAT16 if half else TensorProto.FLOAT
    number = np.float16 if half else np.float32
    columns, rows = width // CELL, height // CELL
    x, y = np.meshgrid((np.arange(columns) + 0.5) * CELL, (np.arange(rows) + 0.5) * CELL)
    sides = np.full_like(x, CELL)
    places = np.stack([x, y, sides, sides]).reshape(1, 4, -1).astype(number)
    # Red is a channel at 1 with the others at 0: gray padding and black give nothing.
    color = np.array([1, -1, -1], number).reshape(1, 3, 1, 1)
    pooling = np.full((1, 1, CELL, CELL), 1 / CELL**2, number)
    spread = np.zeros((1, classes, 1), number)
    spread[0, hand, 0] = 1
    nodes = [
        helper.make_node("Conv", ["images", "color"], ["redness"]),
        helper.make_node("Relu", ["redness"], ["red"]),
        helper.make_node("Conv", ["red", "pooling"], ["pooled"], strides=[CELL, CELL]),
        helper.make_node("Reshape", ["pooled", "flat"], ["score"]),
        helper.make_node("Mul", ["score", "spread"], ["scores"]),
        helper.make_node("Concat", ["places", "scores"], ["once"], axis=1),
        helper.make_node("Concat", ["once"] * (2 if doubled else 1), ["output0"], axis=2),
    ]
    constants = {"color": color, "pooling": pooling, "spread": spread, "places": places}
    initializers = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    initializers.append(numpy_helper.from_array(np.array([1, 1, -1], np.int64), "flat"))
    shape = [1, 3, "height", "width"] if open_sizes else [1, 3, height, width]
    graph = helper.make_graph(
        nodes,
        "red finder",
        [helper.make_tensor_value_info("images", kind, shape)],
        [helper.make_tensor_value_info("output0", kind, [1, 4 + classes, "anchors"])],
        initializers,
    )
    return _model(graph, names)


def no_detector(*, shape: tuple[int, ...], channels: int = 3) -> ModelProto:
    """A sound model with another layout: it gives zeros of this shape for any picture."""
    zeros = numpy_helper.from_array(np.zeros(shape, np.float32), "zeros")
    nodes = [
        helper.make_node("ReduceMin", ["images"], ["least"], keepdims=0),
        helper.make_node("Mul", ["least", "zeros"], ["output0"]),
    ]
    graph = helper.make_graph(
        nodes,
        "no detector",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, channels, 64, 64])],
        [helper.make_tensor_value_info("output0", TensorProto.FLOAT, list(shape))],
        [zeros],
    )
    return _model(graph, "{0: 'hand'}")


def another_output(kind: str) -> ModelProto:
    """A sound model whose output is no array of floats, that has no input, or that never ends."""
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 64, 64])
    inputs, constants = [images], []
    output = helper.make_tensor_value_info("output0", TensorProto.FLOAT, [1, 3, 64, 64])
    if kind == "sequence":
        node = helper.make_node("SequenceConstruct", ["images"], ["output0"])
        output = helper.make_tensor_sequence_value_info("output0", TensorProto.FLOAT, [1, 3, 64, 64])
    elif kind == "texts":
        constants = [helper.make_tensor("told", TensorProto.STRING, [1, 5, 1], [b"hand"] * 5)]
        node = helper.make_node("Identity", ["told"], ["output0"])
        output = helper.make_tensor_value_info("output0", TensorProto.STRING, [1, 5, 1])
    elif kind == "no input":
        inputs = []
        constants = [numpy_helper.from_array(np.zeros((1, 5, 1), np.float32), "told")]
        node = helper.make_node("Identity", ["told"], ["output0"])
        output = helper.make_tensor_value_info("output0", TensorProto.FLOAT, [1, 5, 1])
    else:
        constants = [
            numpy_helper.from_array(np.array(2**62, np.int64), "times"),
            numpy_helper.from_array(np.array(True), "true"),
        ]
        one, kept = TensorProto.BOOL, [1, 3, 64, 64]
        body = helper.make_graph(
            [helper.make_node("Identity", ["on"], ["go_on"]), helper.make_node("Sin", ["in"], ["out"])],
            "body",
            [
                helper.make_tensor_value_info("number", TensorProto.INT64, []),
                helper.make_tensor_value_info("on", one, []),
                helper.make_tensor_value_info("in", TensorProto.FLOAT, kept),
            ],
            [
                helper.make_tensor_value_info("go_on", one, []),
                helper.make_tensor_value_info("out", TensorProto.FLOAT, kept),
            ],
        )
        node = helper.make_node("Loop", ["times", "true", "images"], ["output0"], body=body)
    return _model(helper.make_graph([node], "another", inputs, [output], constants), "{0: 'hand'}")


def save(model: ModelProto, path: Path) -> Path:
    """The model in a file."""
    path.write_bytes(model.SerializeToString())
    return path


def _model(graph: object, names: str) -> ModelProto:
    opset = helper.make_opsetid("", 17)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=8)  # type: ignore[arg-type]
    if names:
        helper.set_model_props(model, {"names": names, "task": "detect"})
    checker.check_model(model)
    return model
