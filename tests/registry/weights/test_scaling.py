"""One scale for a module, whether its file is measured, written in another dialect or only looked at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from registry.weights.changes import change_of, iter_module_tensors
from registry.weights.container import read_header
from registry.weights.modules import iter_modules
from registry.weights.redialect import module_scale
from registry.weights.tensors import TensorFile

NAME = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"


@pytest.mark.parametrize(
    ("beside", "scale"),
    [
        ({}, 1.0),
        ({"alpha": [2.0]}, 0.5),
        ({"alpha": [0.0]}, 1.0),
        ({"scale": [0.25]}, 0.25),
        ({"alpha": [2.0], "scale": [0.25]}, 0.25),
        # A scale that is no single number says nothing.
        ({"alpha": [2.0], "scale": [0.25, 0.25]}, 0.5),
    ],
)
def test_measuring_and_writing_take_the_same_scale(
    tmp_path: Path, beside: dict[str, list[float]], scale: float
) -> None:
    random = np.random.default_rng(1)
    up, down = random.normal(size=(320, 4)), random.normal(size=(4, 768))
    tensors: dict[str, np.ndarray[Any, Any]] = {
        f"{NAME}.lora_up.weight": up.astype(np.float32),
        f"{NAME}.lora_down.weight": down.astype(np.float32),
        **{f"{NAME}.{key}": np.array(value, np.float32) for key, value in beside.items()},
    }
    path = tmp_path / "a.safetensors"
    save_file(tensors, path)

    (measured,) = iter_module_tensors(path)
    assert measured.tensors is not None
    matrix = change_of(measured.tensors).matrix()
    np.testing.assert_allclose(matrix, scale * up @ down, rtol=1e-4, atol=1e-5)

    (facts,) = iter_modules(path)
    with TensorFile(path, read_header(path)) as file:
        assert module_scale(facts, file) == scale
