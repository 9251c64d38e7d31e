"""Adapter files derived from others: scaled, mixed, cut in rank, with noise or a tint added, from seeds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save_file

from registry.weights.loading import ModuleTensors, load_adapter

Floats = npt.NDArray[np.float32]
Factors = dict[str, tuple[Floats, Floats]]
"""Module name of the kohya dialect -> (down [rank, ...], up [outputs, rank, ...]) with the scale in up."""

TINTED = "lora_unet_conv_out.diff_b"


@dataclass(frozen=True)
class Variant:
    """What a derived file is made of.

    parts: (file relative to the project, gain), summed; noise: a random change of this share of each
    module's own norm, drawn from `seed`; rank: truncated to it by singular values (0: kept); tint: added to
    the bias of the UNet's last layer, one number per latent channel.
    """

    parts: tuple[tuple[str, float], ...]
    noise: float = 0.0
    rank: int = 0
    seed: int = 0
    tint: tuple[float, float, float, float] | None = None

    @property
    def key(self) -> str:
        """Names the file: equal variants are built once."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]


def build(variant: Variant, sources: Path, folder: Path) -> Path:
    """The variant's file under `folder`, made from files under `sources` unless it is there already."""
    inputs = hashlib.sha256(b"".join((sources / name).read_bytes() for name, _ in variant.parts)).hexdigest()
    target = folder / f"{variant.key}-{inputs[:16]}.safetensors"
    if target.exists():
        return target
    if not variant.noise and not variant.rank and len(variant.parts) == 1:
        tensors = _rescaled(sources / variant.parts[0][0], variant.parts[0][1])
    else:
        mixed = _mixed([(sources / name, gain) for name, gain in variant.parts])
        random = np.random.default_rng(variant.seed)
        if variant.noise:
            mixed = {name: _noised(*factors, variant.noise, random) for name, factors in mixed.items()}
        if variant.rank:
            mixed = {name: _cut(*factors, variant.rank) for name, factors in mixed.items()}
        tensors = _kohya(mixed)
    if variant.tint is not None:
        tensors[TINTED] = np.array(variant.tint, np.float32)
    folder.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".partial")
    save_file(tensors, partial, {"format": "pt"})
    return partial.replace(target)


def _stem(module: ModuleTensors) -> str:
    part = "unet" if module.component == "unet" else "te"
    return f"lora_{part}_{module.path.replace('.', '_')}"


def _rescaled(path: Path, gain: float) -> dict[str, Floats]:
    """The file with every alpha times `gain`; the one way to scale what is no plain product (LoHa)."""
    tensors: dict[str, Floats] = {}
    for module in load_adapter(path).modules.values():
        stem = _stem(module)
        if module.dora and gain != 1:
            raise ValueError(f"{path.name} is a DoRA: its magnitudes do not scale.")
        prefix = "hada_" if module.algorithm == "loha" else "lora_"
        for name, tensor in module.tensors.items():
            key = name if name == "dora_scale" else f"{prefix}{name}"
            key += ".weight" if name in ("up", "down", "mid") else ""
            tensors[f"{stem}.{key}"] = np.ascontiguousarray(tensor, np.float32)
        tensors[f"{stem}.alpha"] = np.array(module.scale * (module.rank or 1) * gain, np.float32)
    return tensors


def _mixed(parts: Sequence[tuple[Path, float]]) -> Factors:
    """The weighted sum of plain LoRA files, ranks put side by side."""
    found: Factors = {}
    for path, gain in parts:
        for module in load_adapter(path).modules.values():
            if set(module.tensors) != {"up", "down"}:
                raise ValueError(
                    f"{path.name} holds {module.algorithm}, which cannot be summed by its factors."
                )
            down = np.asarray(module.tensors["down"], np.float32)
            up = np.asarray(module.tensors["up"], np.float32) * np.float32(module.scale * gain)
            stem = _stem(module)
            if stem in found:
                down = np.concatenate([found[stem][0], down])
                up = np.concatenate([found[stem][1], up], axis=1)
            found[stem] = down, up
    return found


def _noised(down: Floats, up: Floats, share: float, random: np.random.Generator) -> tuple[Floats, Floats]:
    """The factors with a random change of the same rank, whose norm is `share` times theirs."""
    inner, outer = (random.standard_normal(factor.shape).astype(np.float32) for factor in (down, up))
    norm = float(np.linalg.norm(_product(inner, outer)))
    strength = np.float32(share * float(np.linalg.norm(_product(down, up))) / max(norm, 1e-12))
    return np.concatenate([down, inner]), np.concatenate([up, outer * strength], axis=1)


def _cut(down: Floats, up: Floats, rank: int) -> tuple[Floats, Floats]:
    """The nearest factors of a smaller rank (Eckart and Young 1936)."""
    u, s, v = np.linalg.svd(_product(down, up), full_matrices=False)
    kept = min(rank, len(s))
    outer = (u[:, :kept] * s[:kept]).astype(np.float32)
    return (
        np.ascontiguousarray(v[:kept].reshape(kept, *down.shape[1:]), np.float32),
        outer.reshape(*outer.shape, *up.shape[2:]),
    )


def _product(down: Floats, up: Floats) -> Floats:
    product: Floats = up.reshape(len(up), -1) @ down.reshape(len(down), -1)
    return product


def _kohya(factors: Factors) -> dict[str, Floats]:
    tensors: dict[str, Floats] = {}
    for stem, (down, up) in factors.items():
        tensors[f"{stem}.lora_down.weight"] = np.ascontiguousarray(down)
        tensors[f"{stem}.lora_up.weight"] = np.ascontiguousarray(up)
        tensors[f"{stem}.alpha"] = np.array(down.shape[0], np.float32)
    return tensors
