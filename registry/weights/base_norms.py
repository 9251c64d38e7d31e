"""How large the weights of a base model are, layer by layer: what an adapter's change is measured against."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

import numpy as np

from .checkpoints import weights_of
from .container import read_header
from .errors import BaseNormsUnreadable, NoModules
from .operators import Dense, as_matrix, real
from .tensors import TensorFile
from .unet_names import flatten

# One weight may have this many numbers; T5's largest, its embedding, has 132 million.
_WEIGHT_LIMIT = 2**28
_SHIPPED = ("toybox",)


def layer_key(component: str, path: str) -> str:
    """The name of a layer that is equal in a base and in its adapters: `component:path`, without dots."""
    return f"{component}:{flatten(path)}"


def norms_of(path: str | os.PathLike[str], component: str = "") -> dict[str, float]:
    """Frobenius norm of every weight of two axes or more in a base model's safetensors file, by `layer_key`.

    Takes the folders' files of diffusers and single-file checkpoints of Stable Diffusion. `component` says
    which part of the model the file is where its names do not (text_encoder_2, transformer). Raises
    Unreadable, a ContainerError, NoModules when it holds no such weight.
    """
    header = read_header(path)
    if header.error is not None:
        raise header.error
    found: dict[str, float] = {}
    with TensorFile(path, header) as file, np.errstate(over="ignore", invalid="ignore"):
        for layer, place in weights_of(header.tensors, component):
            shape = header.tensors[place.tensor].shape
            if len(shape) < 2 or math.prod(shape) > _WEIGHT_LIMIT:
                continue
            values = place.cut(file.read(place.tensor))
            if np.issubdtype(values.dtype, np.floating):
                norm = Dense(as_matrix(real(values))).frobenius()
                if math.isfinite(norm):
                    found[layer_key(layer.component, layer.path)] = norm
    if not found:
        raise NoModules("The file holds no weights of a base model.")
    return found


def shipped_norms(family: str) -> dict[str, float] | None:
    """The norms that come with Kura for the base of `family`, None where there are none."""
    if family not in _SHIPPED:
        return None
    text = resources.files(__package__).joinpath("data", f"{family}_norms.json").read_text(encoding="utf-8")
    return {str(key): float(norm) for key, norm in json.loads(text).items()}


def read_norms(path: str | os.PathLike[str]) -> dict[str, float]:
    """Norms that `as_json` wrote. Raises BaseNormsUnreadable."""
    try:
        value = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        raise BaseNormsUnreadable("The file with the base's norms cannot be read as JSON.") from None
    if not isinstance(value, dict) or not all(
        isinstance(norm, int | float) and not isinstance(norm, bool) and math.isfinite(norm) and norm >= 0
        for norm in value.values()
    ):
        raise BaseNormsUnreadable("The file does not map layers to norms.")
    return {str(key): float(norm) for key, norm in value.items()}


def as_json(norms: Mapping[str, float]) -> str:
    """The norms as the text of a file: six figures, in order of the layers' names."""
    return json.dumps({key: float(f"{norms[key]:.6g}") for key in sorted(norms)}, indent=0) + "\n"
