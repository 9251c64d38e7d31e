"""Adapters in disguise for the tests of lineage: fresh ones, copies by other factors, merges; taken in."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load_file, save_file

from registry.lineage import kin_of
from registry.models import Version
from registry.services import ingest
from tests.registry.weight_files import write_lora

Tensors = dict[str, npt.NDArray[Any]]


def fresh(seed: int) -> Tensors:
    """An adapter whose spectrum falls, as trained ones' do."""
    with TemporaryDirectory() as folder:
        tensors = load_file(write_lora(Path(folder) / "a.safetensors", seed=seed))
    fading = np.array([[1.0], [0.5], [0.3], [0.2]], np.float16)
    return {name: array * fading if "lora_down" in name else array for name, array in tensors.items()}


def rotated(tensors: Tensors) -> Tensors:
    """The same change from other factors: every rank-4 pair turned."""
    turn = np.linalg.qr(np.random.default_rng(7).normal(size=(4, 4)))[0]
    return {
        name: (
            turn.T @ array if name.endswith("down.weight") else array @ turn if ".lora_up" in name else array
        ).astype(array.dtype)
        for name, array in tensors.items()
    }


def resized(tensors: Tensors) -> Tensors:
    """The best factors of rank 3."""
    small: Tensors = {}
    for name in {name.partition(".")[0] for name in tensors}:
        up, down = (tensors[f"{name}.lora_{side}.weight"].astype(np.float64) for side in ("up", "down"))
        u, values, vt = np.linalg.svd(up @ down, full_matrices=False)
        small[f"{name}.lora_up.weight"] = (u[:, :3] * values[:3]).astype(np.float32)
        small[f"{name}.lora_down.weight"] = vt[:3].astype(np.float32)
    return small


def merged(one: Tensors, other: Tensors, ratio: float) -> Tensors:
    joined: Tensors = {}
    for name, array in one.items():
        if name.endswith(".alpha"):
            continue
        if ".lora_up" in name:
            joined[name] = np.hstack([array * ratio, other[name] * (1 - ratio)]).astype(np.float32)
        else:
            joined[name] = np.vstack([array, other[name]]).astype(np.float32)
    return joined


def taken_in(folder: Path, tensors: Tensors | int, license_id: str = "", name: str = "ink") -> Version:
    """The version made of one file in a folder of its own; a number is the seed of a fresh adapter."""
    path = folder / f"{name}.safetensors"
    folder.mkdir(parents=True, exist_ok=True)
    save_file(fresh(tensors) if isinstance(tensors, int) else tensors, path)
    report = ingest(str(folder), license_id=license_id)
    assert not report.failed
    return Version.objects.select_related("adapter").order_by("-pk")[0]


def relations(version: Version) -> dict[int, str]:
    return {kin.version.pk: str(kin.relation) for kin in kin_of(version)}
