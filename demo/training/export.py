"""Writes a trained adapter as a safetensors file in one of the dialects that programs expect."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from demo.training.lora import Adapter, Delta

Tensors = dict[str, Tensor]


def _path(name: str) -> tuple[str, str]:
    """Canonical name -> component and the dotted path that files use (CLIP's files say `text_model.`)."""
    component, path = name.split(".", 1)
    if component == "text_encoder" and not path.startswith("text_model."):
        path = f"text_model.{path}"
    return component, path


def _factors(delta: Delta) -> tuple[Tensor, Tensor]:
    """Down and up in the shapes of files: 4-D for convolutions, the kernel on the down side."""
    layer = delta.layer[0]
    down, up = delta.down.detach(), delta.up.detach()
    if isinstance(layer, nn.Conv2d):
        down = down.view(delta.rank, *layer.weight.shape[1:])
        up = up.view(*up.shape, 1, 1)
    return down, up


def kohya(adapter: Adapter) -> Tensors:
    """sd-scripts and LyCORIS: `lora_unet_..`, `lora_te_..`, underscores for dots, an alpha per module."""
    tensors: Tensors = {}
    for name, delta in adapter.deltas.items():
        component, path = _path(name)
        stem = f"lora_{'unet' if component == 'unet' else 'te'}_{path.replace('.', '_')}"
        if delta.algorithm == "loha":
            for factor in ("w1_a", "w1_b", "w2_a", "w2_b"):
                tensors[f"{stem}.hada_{factor}"] = getattr(delta, factor).detach()
        else:
            tensors[f"{stem}.lora_down.weight"], tensors[f"{stem}.lora_up.weight"] = _factors(delta)
        if delta.algorithm == "dora":
            tensors[f"{stem}.dora_scale"] = delta.dora.detach()
        tensors[f"{stem}.alpha"] = torch.tensor(delta.alpha)
    return tensors


def _folded(delta: Delta) -> tuple[Tensor, Tensor]:
    """Factors for dialects without alpha: the scale goes into the up side."""
    down, up = _factors(delta)
    return down, up * (delta.alpha / delta.rank)


def diffusers_peft(adapter: Adapter) -> Tensors:
    """diffusers since 0.22: `unet.<path>.lora_A.weight` / `lora_B.weight`."""
    tensors: Tensors = {}
    for name, delta in adapter.deltas.items():
        stem = ".".join(_path(name))
        tensors[f"{stem}.lora_A.weight"], tensors[f"{stem}.lora_B.weight"] = _folded(delta)
    return tensors


def diffusers_lora(adapter: Adapter) -> Tensors:
    """diffusers 0.20 to 0.22: `unet.<path>.lora.down.weight`; text encoders say `lora_linear_layer`."""
    tensors: Tensors = {}
    for name, delta in adapter.deltas.items():
        component, path = _path(name)
        middle = "lora" if component == "unet" else "lora_linear_layer"
        down, up = _folded(delta)
        tensors[f"{component}.{path}.{middle}.down.weight"] = down
        tensors[f"{component}.{path}.{middle}.up.weight"] = up
    return tensors


def attention_processors(adapter: Adapter) -> Tensors:
    """diffusers before 0.20, attention only: `unet.<..attn1>.processor.to_q_lora.down.weight`."""
    tensors: Tensors = {}
    for name, delta in adapter.deltas.items():
        component, path = _path(name)
        block, _, projection = path.removesuffix(".0").rpartition(".")
        down, up = _folded(delta)
        tensors[f"{component}.{block}.processor.{projection}_lora.down.weight"] = down
        tensors[f"{component}.{block}.processor.{projection}_lora.up.weight"] = up
    return tensors


DIALECTS: dict[str, Callable[[Adapter], Tensors]] = {
    "kohya": kohya,
    "diffusers_peft": diffusers_peft,
    "diffusers_lora": diffusers_lora,
    "diffusers_attn_procs": attention_processors,
}


def write(tensors: Tensors, target: Path, metadata: dict[str, str]) -> None:
    """Writes fp16 safetensors; alpha stays a 0-d tensor."""
    target.parent.mkdir(parents=True, exist_ok=True)
    save_file(
        {key: value.to(torch.float16).contiguous().clone() for key, value in tensors.items()},
        target,
        metadata,
    )
