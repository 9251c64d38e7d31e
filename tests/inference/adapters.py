"""Random adapters for the tiny base in every algorithm, beside the dW that numpy makes of the same
factors.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from registry.weights.loading import ModuleTensors

Floats = npt.NDArray[np.float32]

BLOCK = "down_blocks.0.attentions.0.transformer_blocks.0"
LINEAR = f"{BLOCK}.attn2.to_k"  # 16 -> 8
PROJECTION = "down_blocks.0.attentions.0.proj_in"  # a 1 x 1 convolution, 8 -> 8
CONVOLUTION = "down_blocks.1.resnets.0.conv1"  # 3 x 3, 8 -> 16
TEXT = "text_model.encoder.layers.0.self_attn.q_proj"  # 16 -> 16


def random_floats(seed: int, *shape: int, scale: float = 0.3) -> Floats:
    """Normal numbers, always the same for a seed."""
    return (np.random.default_rng(seed).standard_normal(shape) * scale).astype(np.float32)


@dataclass(frozen=True)
class Sample:
    """One module and the change it must make at weight 1.0, computed here with numpy alone."""

    tensors: ModuleTensors
    truth: npt.NDArray[np.float64]


def module(
    path: str, algorithm: str, factors: dict[str, Floats], alpha: float | None = None, component: str = "unet"
) -> ModuleTensors:
    """A module as the reader of weights gives it."""
    return ModuleTensors(component, path, algorithm, dict(factors), alpha, None, f"{component}.{path}")


def lora(path: str = LINEAR, alpha: float | None = 2.0, component: str = "unet", seed: int = 1) -> Sample:
    """A linear LoRA of rank 4."""
    size_out, size_in = {LINEAR: (8, 16), PROJECTION: (8, 8), TEXT: (16, 16)}[path]
    up, down = random_floats(seed, size_out, 4), random_floats(seed + 1, 4, size_in)
    truth = up.astype(float) @ down.astype(float) * (1.0 if alpha is None else alpha / 4)
    return Sample(module(path, "lora", {"up": up, "down": down}, alpha, component), truth)


def locon(alpha: float | None = 1.0) -> Sample:
    """A LoRA of a 3 x 3 convolution, rank 2."""
    up, down = random_floats(3, 16, 2, 1, 1), random_floats(4, 2, 8, 3, 3)
    truth = np.zeros((16, 8, 3, 3))
    for rank in range(2):
        truth += up[:, rank, 0, 0].astype(float)[:, None, None, None] * down[rank].astype(float)[None]
    return Sample(
        module(CONVOLUTION, "locon", {"up": up, "down": down}, alpha),
        truth * (1.0 if alpha is None else alpha / 2),
    )


def cp_locon() -> Sample:
    """A LoCon in CP form: a core of r x r x 3 x 3 between up and down."""
    up, mid, down = random_floats(5, 16, 2, 1, 1), random_floats(6, 2, 2, 3, 3), random_floats(7, 2, 8, 1, 1)
    truth = np.zeros((16, 8, 3, 3))
    for i in range(2):
        for j in range(2):
            outer = np.outer(up[:, i, 0, 0].astype(float), down[j, :, 0, 0].astype(float))
            truth += outer[:, :, None, None] * mid[i, j].astype(float)[None, None]
    return Sample(module(CONVOLUTION, "locon", {"up": up, "mid": mid, "down": down}, 4.0), truth * 2)


def loha() -> Sample:
    """A LoHa: the elementwise product of two low-rank matrices."""
    factors = {
        "w1_a": random_floats(8, 8, 3), "w1_b": random_floats(9, 3, 16),
        "w2_a": random_floats(10, 8, 3), "w2_b": random_floats(11, 3, 16),
    }  # fmt: skip
    wide = {name: value.astype(float) for name, value in factors.items()}
    truth = (wide["w1_a"] @ wide["w1_b"]) * (wide["w2_a"] @ wide["w2_b"]) * (1.5 / 3)
    return Sample(module(LINEAR, "loha", factors, 1.5), truth)


def loha_convolution() -> Sample:
    """A LoHa of a convolution without a core: its kernel is flattened into the columns."""
    factors = {
        "w1_a": random_floats(8, 16, 2), "w1_b": random_floats(9, 2, 72),
        "w2_a": random_floats(10, 16, 2), "w2_b": random_floats(11, 2, 72),
    }  # fmt: skip
    wide = {name: value.astype(float) for name, value in factors.items()}
    truth = (wide["w1_a"] @ wide["w1_b"]) * (wide["w2_a"] @ wide["w2_b"])
    return Sample(module(CONVOLUTION, "loha", factors), truth.reshape(16, 8, 3, 3))


def loha_tucker() -> Sample:
    """A LoHa whose two halves have a core each; w_a is [r, out] there."""
    factors = {
        "t1": random_floats(12, 2, 2, 3, 3), "w1_a": random_floats(13, 2, 16),
        "w1_b": random_floats(14, 2, 8),
        "t2": random_floats(15, 2, 2, 3, 3), "w2_a": random_floats(16, 2, 16),
        "w2_b": random_floats(17, 2, 8),
    }  # fmt: skip
    halves = []
    for number in "12":
        core, left, right = (
            factors[f"{name}"].astype(float) for name in (f"t{number}", f"w{number}_a", f"w{number}_b")
        )
        half = np.zeros((16, 8, 3, 3))
        for i in range(2):
            for j in range(2):
                half += np.outer(left[i], right[j])[:, :, None, None] * core[i, j][None, None]
        halves.append(half)
    return Sample(module(CONVOLUTION, "loha", factors, 2.0), halves[0] * halves[1])


def lokr(alpha: float | None = 5.0) -> Sample:
    """A LoKr of two whole factors: alpha means nothing there."""
    left, right = random_floats(18, 2, 4), random_floats(19, 4, 4)
    return Sample(
        module(LINEAR, "lokr", {"w1": left, "w2": right}, alpha),
        _kron(left.astype(float), right.astype(float)),
    )


def lokr_decomposed() -> Sample:
    """A LoKr whose second factor has rank 2: alpha / 2 counts."""
    left, a, b = random_floats(20, 2, 4), random_floats(21, 4, 2), random_floats(22, 2, 4)
    truth = _kron(left.astype(float), a.astype(float) @ b.astype(float)) * (3.0 / 2)
    return Sample(module(LINEAR, "lokr", {"w1": left, "w2_a": a, "w2_b": b}, 3.0), truth)


def lokr_convolution() -> Sample:
    """A LoKr of a convolution with a whole 4-D factor."""
    left, right = random_floats(23, 4, 2), random_floats(24, 4, 4, 3, 3)
    truth = np.zeros((16, 8, 3, 3))
    for y in range(3):
        for x in range(3):
            truth[:, :, y, x] = _kron(left.astype(float), right[:, :, y, x].astype(float))
    return Sample(module(CONVOLUTION, "lokr", {"w1": left, "w2": right}), truth)


def full(path: str = LINEAR) -> Sample:
    """A whole difference."""
    change = random_floats(25, 8, 16)
    return Sample(module(path, "full", {"diff": change}), change.astype(float))


def dora(weight: Floats, *, by_output: bool) -> Sample:
    """A LoRA with a DoRA scale on the given base weight; truth is what weight 1.0 adds to it."""
    plain = lora(alpha=4.0)
    magnitude = np.abs(random_floats(26, 8 if by_output else 16)) + 0.5
    wide = weight.astype(float)
    whole = wide + plain.truth
    if by_output:
        norms, column = np.sqrt((whole**2).sum(1)), magnitude.astype(float)
        truth = whole * (column / norms)[:, None] - wide
        shaped = magnitude.reshape(-1, 1)
    else:
        norms = np.sqrt((whole**2).sum(0))
        truth = whole * (magnitude.astype(float) / norms)[None, :] - wide
        shaped = magnitude.reshape(1, -1)
    factors = {**plain.tensors.tensors, "dora_scale": shaped.astype(np.float32)}
    return Sample(replace(plain.tensors, tensors=factors), truth)


def _kron(left: npt.NDArray[np.float64], right: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    rows, columns = right.shape
    out = np.zeros((left.shape[0] * rows, left.shape[1] * columns))
    for (i, j), value in np.ndenumerate(left):
        out[i * rows : (i + 1) * rows, j * columns : (j + 1) * columns] = value * right
    return out
