"""Makes a LoRA of what a checkpoint adds to its base: `python -m inference.engine.extract`.

Layer by layer from mapped files, so that neither model is ever in memory. Conventions as sd-scripts'
networks/extract_lora_from_models.py: kohya's names, alpha = rank, the layers of networks.lora, convolutions
only when asked for. Its clamping of outliers is left out: it makes the approximation worse.
"""

from __future__ import annotations

import hashlib
import json
import math
import sys
from collections import defaultdict
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from inference.engine.confinement import Refused, run
from inference.engine.low_rank import Matrix, factorize
from registry.weights.checkpoints import Layer, Place, layers_of
from registry.weights.container import read_header
from registry.weights.errors import WeightsError
from registry.weights.header import Header
from registry.weights.spelling import KOHYA_FACTORS, kohya_module
from registry.weights.tensors import TensorFile
from registry.weights.writer import OutputUnwritable, TensorWriter, as_bfloat16, bfloat16_codes

_SHOWN = 40
_COARSE = {"BF16": 8, "F16": 11, "F32": 24, "F64": 53}
# No layer of another kind is compared at another size; for these it means another family.
_ROLES = ("attention", "convolution")


class Model:
    """The layers of one model, read from its files one at a time."""

    def __init__(self, files: list[list[str]], stack: ExitStack) -> None:
        self._places: dict[Layer, tuple[TensorFile, Header, Place]] = {}
        for component, path in files:
            header = read_header(path)
            if header.error is not None:
                raise header.error
            file = stack.enter_context(TensorFile(path, header)) if header.tensors else None
            for layer, place in layers_of(header.tensors, component):
                if file is not None:
                    self._places.setdefault(layer, (file, header, place))

    @property
    def layers(self) -> set[Layer]:
        return set(self._places)

    def dtype(self, layer: Layer) -> str:
        _, header, place = self._places[layer]
        return header.tensors[place.tensor].dtype

    def shape(self, layer: Layer) -> tuple[int, ...]:
        """The layer's shape without axes of one: a linear layer and a 1x1 convolution are the same matrix."""
        _, header, place = self._places[layer]
        shape = header.tensors[place.tensor].shape
        if place.third is not None:
            shape = (shape[0] // 3, *shape[1:])
        if place.transposed:
            shape = shape[::-1]
        return shape[:2] if math.prod(shape[2:]) == 1 else shape

    def written_shape(self, layer: Layer) -> tuple[int, ...]:
        """The shape with its kernel, which the factors of a convolution must have, too."""
        _, header, place = self._places[layer]
        return header.tensors[place.tensor].shape if place.third is None else self.shape(layer)

    def read(self, layer: Layer) -> Matrix:
        file, _, place = self._places[layer]
        values = place.cut(file.read(place.tensor))
        return values.astype(np.float32).reshape(self.shape(layer))


@dataclass
class _Sums:
    """Squares of norms, added up: of the whole change and of what the factors leave of it."""

    layers: int = 0
    change: float = 0.0
    left: float = 0.0

    def add(self, change: float, left: float) -> None:
        self.layers, self.change, self.left = self.layers + 1, self.change + change, self.left + left

    def as_dict(self) -> dict[str, Any]:
        residual = math.sqrt(self.left / self.change) if self.change else 0.0
        return {"layers": self.layers, "change": math.sqrt(self.change), "residual": residual}


@dataclass
class _Tally:
    """What was written and what was not."""

    blocks: defaultdict[str, _Sums] = field(default_factory=lambda: defaultdict(_Sums))
    whole: _Sums = field(default_factory=_Sums)
    outside: list[tuple[str, float]] = field(default_factory=list)
    as_diff: int = 0
    unchanged: int = 0
    missing: list[str] = field(default_factory=list)
    other_size: list[str] = field(default_factory=list)
    ranks: list[int] = field(default_factory=list)


def extract(order: dict[str, Any]) -> dict[str, Any]:
    """Write the LoRA of `order["checkpoint"]` against `order["base"]` (lists of [component, file]).

    `rank`, `conv_rank` (0: no convolutions), `quantile`, `dtype`, `diff` as on the command line. Gives the
    errors: residual = ||dW - up down|| / ||dW|| for each block and overall, of the factors as written.
    """
    try:
        with ExitStack() as stack:
            checkpoint = Model(order["checkpoint"], stack)
            base = Model(order["base"], stack)
            return _extract(order, checkpoint, base)
    except OutputUnwritable as error:
        raise Refused("converter_output_too_large", error.message) from None
    except WeightsError as error:
        raise Refused("not_a_checkpoint", error.message) from None


def _extract(order: dict[str, Any], checkpoint: Model, base: Model) -> dict[str, Any]:
    common = sorted(checkpoint.layers & base.layers)
    if not common:
        raise Refused("not_a_checkpoint", "The two have no layer of a UNet or text encoder in common.")
    two_encoders = any(
        layer.component == "text_encoder_2" or layer.path.startswith("add_embedding") for layer in common
    )
    tally = _Tally(missing=[_shown(layer) for layer in sorted(checkpoint.layers ^ base.layers)])
    _check_sizes(common, checkpoint, base, tally)
    with TensorWriter(Path(order["target"])) as writer:
        for number, layer in enumerate(common):
            order["progress"](number, len(common))
            if checkpoint.shape(layer) == base.shape(layer):
                _layer(layer, checkpoint, base, order, writer, tally, two_encoders=two_encoders)
        order["progress"](len(common), len(common))
        if not tally.ranks and not tally.as_diff:
            raise Refused("nothing_to_extract", _nothing(tally))
        writer.finish(_metadata(order, tally, base, two_encoders=two_encoders))
    return _result(tally)


def _check_sizes(common: list[Layer], checkpoint: Model, base: Model, tally: _Tally) -> None:
    for layer in common:
        ours, theirs = checkpoint.shape(layer), base.shape(layer)
        if ours == theirs:
            continue
        if layer.role in _ROLES:
            raise Refused(
                "checkpoints_differ", f"{_shown(layer)} is {list(ours)} here and {list(theirs)} in the base."
            )
        tally.other_size.append(_shown(layer))


def _layer(
    layer: Layer,
    checkpoint: Model,
    base: Model,
    order: dict[str, Any],
    writer: TensorWriter,
    tally: _Tally,
    *,
    two_encoders: bool,
) -> None:
    tuned, old = checkpoint.read(layer), base.read(layer)
    if _same(tuned, checkpoint.dtype(layer), old, base.dtype(layer)):
        tally.unchanged += 1
        return
    change = tuned - old
    del tuned, old
    if not bool(np.isfinite(change).all()):
        raise Refused("not_convertible", f"{_shown(layer)} holds NaN or infinity.")
    size = _square(change)
    name = kohya_module(layer.component, layer.path, two_encoders=two_encoders)
    rank = _rank(layer, change, order)
    if rank:
        factors = factorize(change.reshape(len(change), -1), rank, quantile=order["quantile"])
        up, up_raw = _rounded(factors.up, order["dtype"])
        down, down_raw = _rounded(factors.down, order["dtype"])
        left = _square(change.reshape(len(change), -1) - up @ down)
        shape = checkpoint.written_shape(layer)
        kernel = shape[2:] if len(shape) == 4 else ()
        ones = (1,) * len(kernel)
        writer.add(f"{name}.{KOHYA_FACTORS['up']}", order["dtype"], (*up.shape, *ones), up_raw)
        down_shape = (factors.rank, shape[1], *kernel)
        writer.add(f"{name}.{KOHYA_FACTORS['down']}", order["dtype"], down_shape, down_raw)
        writer.add_array(f"{name}.alpha", np.array(factors.rank, dtype=np.float32))
        tally.ranks.append(factors.rank)
        tally.blocks[layer.block].add(size, left)
        tally.whole.add(size, left)
    elif order["diff"]:
        values, raw = _rounded(change, order["dtype"])
        shape = checkpoint.written_shape(layer) if layer.kind == "weight" else values.shape
        writer.add(f"{name}.{'diff' if layer.kind == 'weight' else 'diff_b'}", order["dtype"], shape, raw)
        tally.as_diff += 1
    else:
        tally.outside.append((_shown(layer), math.sqrt(size)))


def _rank(layer: Layer, change: Matrix, order: dict[str, Any]) -> int:
    """The rank that the layer gets, 0 when it gets none. 3x3 kernels have their own, as in sd-scripts."""
    if layer.role == "attention":
        return int(order["rank"])
    if layer.role == "convolution" and order["conv_rank"]:
        return int(order["conv_rank"] if change.ndim == 4 else order["rank"])
    return 0


def _same(tuned: Matrix, tuned_dtype: str, old: Matrix, old_dtype: str) -> bool:
    """Whether the two are the same numbers, but for the rounding of the one that was saved more coarsely."""
    if np.array_equal(tuned, old):
        return True
    coarse = min((tuned_dtype, old_dtype), key=lambda dtype: _COARSE.get(dtype, 0))
    if tuned_dtype == old_dtype or coarse not in ("F16", "BF16"):
        return False
    if coarse == "BF16":
        return bool(np.array_equal(bfloat16_codes(tuned), bfloat16_codes(old)))
    with np.errstate(over="ignore"):
        return bool(np.array_equal(tuned.astype(np.float16), old.astype(np.float16)))


def _rounded(values: Matrix, dtype: str) -> tuple[Matrix, bytes]:
    """The numbers as they will be read back, float32, and their bytes."""
    if dtype == "BF16":
        raw = as_bfloat16(values)
        wide = (np.frombuffer(raw, "<u2").astype(np.uint32) << np.uint32(16)).view(np.float32)
        return wide.reshape(values.shape), raw
    narrow = values.astype("<f2" if dtype == "F16" else "<f4")
    if not bool(np.isfinite(narrow).all()):
        raise Refused("not_convertible", f"The change is too large for {dtype}; add --dtype F32.")
    return narrow.astype(np.float32), narrow.tobytes()


def _square(values: Matrix) -> float:
    return float(np.sum(np.square(values.astype(np.float64, copy=False))))


def _shown(layer: Layer) -> str:
    return f"{layer.component}.{layer.path}.{layer.kind}"


def _nothing(tally: _Tally) -> str:
    if tally.outside:
        return f"Only layers that no LoRA holds differ: {len(tally.outside)}, first {tally.outside[0][0]}."
    return f"All {tally.unchanged} layers are those of the base."


def _metadata(order: dict[str, Any], tally: _Tally, base: Model, *, two_encoders: bool) -> dict[str, str]:
    told = {
        "checkpoint": order["names"][0],
        "checkpoint_sha256": [_sha256(path) for _, path in order["checkpoint"]],
        "base": order["names"][1],
        "base_sha256": [_sha256(path) for _, path in order["base"]],
        "rank": order["rank"],
        "conv_rank": order["conv_rank"],
        "quantile": order["quantile"],
        "residual": tally.whole.as_dict()["residual"],
    }
    rank = order["rank"]
    # As sd-scripts' resize writes it where each module chose its own.
    dim, alpha = (str(rank), str(float(rank))) if order["quantile"] is None else ("Dynamic", "Dynamic")
    metadata = {
        "ss_network_module": "networks.lora",
        "ss_network_dim": dim,
        "ss_network_alpha": alpha,
        "ss_sd_model_name": order["names"][1],
        "ss_output_name": Path(order["output"]).stem,
        "ss_training_comment": (
            f"extracted from {order['names'][0]} against {order['names'][1]} at rank {rank}"
        ),
        "kura_extraction": json.dumps(told),
    }
    if order["conv_rank"]:
        conv = str(order["conv_rank"])
        metadata["ss_network_args"] = json.dumps({"conv_dim": conv, "conv_alpha": conv})
    if len(told["base_sha256"]) == 1:
        metadata["ss_new_sd_model_hash"] = told["base_sha256"][0]
    version = _base_version(base, two_encoders=two_encoders)
    return metadata | ({"ss_base_model_version": version} if version else {})


def _base_version(base: Model, *, two_encoders: bool) -> str:
    """sd-scripts' name of the base by the width of its text encoder's output; "" where it has none."""
    if two_encoders:
        return "sdxl_base_v1-0"
    crossing = Layer("unet", "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k", "weight")
    width = base.shape(crossing)[1] if crossing in base.layers else 0
    return {768: "sd_v1", 1024: "sd_v2"}.get(width, "")


def _sha256(path: str) -> str:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _result(tally: _Tally) -> dict[str, Any]:
    outside = math.sqrt(sum(size**2 for _, size in tally.outside))
    whole = math.hypot(math.sqrt(tally.whole.change), outside)
    largest = sorted(tally.outside, key=lambda item: -item[1])
    return {
        "modules": len(tally.ranks),
        "rank": {"min": min(tally.ranks), "max": max(tally.ranks)} if tally.ranks else None,
        "overall": tally.whole.as_dict(),
        "blocks": {name: sums.as_dict() for name, sums in sorted(tally.blocks.items())},
        "unchanged": tally.unchanged,
        "diffs": tally.as_diff,
        "left_out": [{"layer": name, "change": size} for name, size in largest[:_SHOWN]],
        "left_out_count": len(tally.outside),
        "left_out_share": outside / whole if whole else 0.0,
        "missing": tally.missing[:_SHOWN],
        "other_size": tally.other_size[:_SHOWN],
    }


if __name__ == "__main__":
    sys.exit(run(extract))
