"""Layers trained by LyCORIS itself, the library most of these algorithms come from: what it saves of one, and
what the layer then gives.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import lycoris.modules.boft
import lycoris.modules.diag_oft
import lycoris.modules.full
import lycoris.modules.glora
import lycoris.modules.ia3
import lycoris.modules.locon
import lycoris.modules.loha
import lycoris.modules.lokr
import lycoris.modules.norms
import torch
from torch import Tensor, nn

_modules: Any = lycoris.modules
LORA, LOHA, LOKR = _modules.locon.LoConModule, _modules.loha.LohaModule, _modules.lokr.LokrModule

# name -> (LyCORIS' module, its options)
LINEAR: dict[str, tuple[Any, dict[str, Any]]] = {
    "lora": (LORA, {"lora_dim": 4, "alpha": 2}),
    "lora with rank-stabilized scale": (LORA, {"lora_dim": 4, "alpha": 2, "rs_lora": True}),
    "dora by outputs": (LORA, {"lora_dim": 4, "alpha": 2, "weight_decompose": True}),
    "dora by inputs": (LORA, {"lora_dim": 4, "alpha": 2, "weight_decompose": True, "wd_on_out": False}),
    "loha": (LOHA, {"lora_dim": 3, "alpha": 2}),
    "loha and dora": (LOHA, {"lora_dim": 3, "alpha": 2, "weight_decompose": True, "wd_on_out": False}),
    "lokr of two whole factors": (LOKR, {"lora_dim": 9999, "alpha": 1, "full_matrix": True}),
    "lokr of a whole and a thin factor": (LOKR, {"lora_dim": 1, "alpha": 2, "factor": 4}),
    "lokr of two thin factors": (LOKR, {"lora_dim": 1, "alpha": 2, "factor": 4, "decompose_both": True}),
    "lokr and dora": (LOKR, {"lora_dim": 1, "alpha": 2, "factor": 4, "weight_decompose": True}),
    "ia3 on outputs": (_modules.ia3.IA3Module, {}),
    "ia3 on inputs": (_modules.ia3.IA3Module, {"train_on_input": True}),
    "oft": (_modules.diag_oft.DiagOFTModule, {"lora_dim": 4}),
    "oft with bound and rescaling": (
        _modules.diag_oft.DiagOFTModule, {"lora_dim": 4, "constraint": 0.02, "rescaled": True},
    ),
    "boft": (_modules.boft.ButterflyOFTModule, {"lora_dim": 16}),
    "boft with bound and rescaling": (
        _modules.boft.ButterflyOFTModule, {"lora_dim": 16, "constraint": 0.02, "rescaled": True},
    ),
    "glora": (_modules.glora.GLoRAModule, {"lora_dim": 4, "alpha": 2}),
    "full difference": (_modules.full.FullModule, {}),
}  # fmt: skip
CONVOLUTION: dict[str, tuple[Any, dict[str, Any]]] = {
    **{name: case for name, case in LINEAR.items() if "thin" not in name},
    "locon in CP form": (LORA, {"lora_dim": 4, "alpha": 2, "use_tucker": True}),
    "locon in CP form and dora": (
        LORA, {"lora_dim": 4, "alpha": 2, "use_tucker": True, "weight_decompose": True},
    ),
    "loha in CP form": (LOHA, {"lora_dim": 3, "alpha": 2, "use_tucker": True}),
    "lokr with a thin factor": (LOKR, {"lora_dim": 1, "alpha": 2, "factor": 4}),
    "lokr in CP form": (LOKR, {"lora_dim": 1, "alpha": 2, "factor": 4, "use_tucker": True}),
}  # fmt: skip
NORM: tuple[Any, dict[str, Any]] = (_modules.norms.NormModule, {})


@dataclass(frozen=True)
class Trained:
    """What LyCORIS saves of a layer, suffix -> tensor, and what the layer gives for an input."""

    saved: Mapping[str, Tensor]
    forward: Callable[[Tensor], Tensor]


def trained(case: tuple[Any, dict[str, Any]], layer: nn.Module, seed: int) -> Trained:
    """A LyCORIS module on `layer`, with random numbers where training would have put some."""
    make, options = case
    torch.manual_seed(seed)
    adapter = make("layer", layer, 1.0, **options)
    adapter.apply_to()
    with torch.no_grad():
        for parameter in adapter.parameters():
            # Rotations of a few degrees, magnitudes near their own, products of the size of the weights.
            parameter.add_(torch.randn_like(parameter) * 0.15)
    adapter.eval().requires_grad_(False)
    # Those without a form of their own for saving give None.
    saved = {
        name: value.detach().clone()
        for name, value in (adapter.custom_state_dict() or adapter.state_dict()).items()
    }
    return Trained(saved, lambda inputs: layer(inputs))
