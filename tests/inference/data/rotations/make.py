"""Makes the files beside it: layers, what a trainer saves of its rotations, and the layers that it makes.

Run by hand, where the trainer named is importable (its release or commit is part of each file's metadata):

    python make.py peft        # in an environment with peft 0.13.2, then with 0.15.2
    python make.py onetrainer  # in a checkout of Nerogar/OneTrainer
    python make.py kohya       # in a checkout of kohya-ss/sd-scripts

Keys: `base.<path>.weight`, `adapter.<as in the trainer's file>`, `made.<path>.weight`.
"""

from __future__ import annotations

import copy
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

HERE = Path(__file__).parent
BLOCK = "mid_block.attentions.0.transformer_blocks.0"
LINEAR, POINT, KERNEL = f"{BLOCK}.attn1.to_q", "mid_block.attentions.0.proj_in", "mid_block.resnets.0.conv1"
SCALE = 0.15


def layers() -> dict[str, nn.Module]:
    """Outputs and inputs differ, so that a rotation of the wrong side cannot fit."""
    torch.manual_seed(1)
    return {
        LINEAR: nn.Linear(16, 24, bias=False),
        POINT: nn.Conv2d(16, 24, 1, bias=False),
        KERNEL: nn.Conv2d(4, 24, 3, padding=1, bias=False),
    }


def trained(module: nn.Module) -> None:
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * SCALE)


def write(name: str, trainer: str, base, adapter, made) -> None:
    tensors = {f"base.{path}.weight": layer.weight.detach().clone() for path, layer in base.items()}
    tensors |= {f"adapter.{key}": value.detach().clone().contiguous() for key, value in adapter.items()}
    tensors |= {f"made.{path}.weight": weight.detach().clone().contiguous() for path, weight in made.items()}
    save_file(tensors, HERE / f"{name}.safetensors", metadata={"trainer": trainer})


class Root(nn.Module):
    """The layers under their dotted paths."""

    def __init__(self, held: dict[str, nn.Module]) -> None:
        super().__init__()
        for path, layer in held.items():
            here: nn.Module = self
            *outer, last = path.split(".")
            for part in outer:
                if part not in here._modules:
                    here.add_module(part, nn.Module())
                here = here._modules[part]
            here.add_module(last, layer)


def by_peft() -> None:
    import peft

    old = peft.__version__ < "0.14"
    sizes = {"oft_block_size": 0} if not old else {}
    cases = {"": {"r": 4}, "_shared": {"r": 4, "block_share": True}}
    if old:
        cases["_uneven"] = {"r": 5}
    for suffix, options in cases.items():
        base = layers()
        config = peft.OFTConfig(target_modules=list(base), **sizes, **options)
        model = peft.get_peft_model(Root(copy.deepcopy(base)), config)
        trained(model)
        saved = peft.get_peft_model_state_dict(model)
        whole = model.merge_and_unload()
        made = {path: whole.get_submodule(path).weight for path in base}
        write(f"peft_{'013' if old else '015'}{suffix}", f"peft {peft.__version__}", base, saved, made)


def by_onetrainer() -> None:
    from modules.module.LoRAModule import OFTModule

    for suffix, share, scaled in (("", False, False), ("_shared", True, False), ("_scaled", False, True)):
        base, saved, made = layers(), {}, {}
        for path, layer in base.items():
            flat = f"lora_unet_{path.replace('.', '_')}"
            module = OFTModule(flat, layer, 4, share, scaled, dropout_probability=0.0)
            trained(module)
            module.hook_to_module()
            saved |= {f"{flat}.{key}": value for key, value in nn.Module.state_dict(module).items()}
            # What a layer does to the inputs that are one each is its weight.
            made[path] = weight_of(layer)
            module.remove_hook_from_module()
        write(f"onetrainer{suffix}", "Nerogar/OneTrainer 23df3832", base, saved, made)


def weight_of(layer: nn.Module) -> torch.Tensor:
    """The weight that the layer's forward has, whatever stands behind it."""
    if isinstance(layer, nn.Linear):
        return layer(torch.eye(layer.in_features)).T
    _, inputs, height, width = layer.weight.shape
    ones = torch.eye(inputs * height * width).reshape(-1, inputs, height, width)
    at = layer.padding[0]
    given = layer(ones)[:, :, at, at] if at else layer(ones)[:, :, 0, 0]
    return given.T.reshape(layer.weight.shape)


def by_kohya() -> None:
    from networks.oft import OFTModule
    from networks.oft_flux import OFTModule as FluxModule

    for suffix, bound in (("", 1.0), ("_bound", 1e-2)):
        base, saved, made = layers(), {}, {}
        for path, layer in base.items():
            module = OFTModule(f"oft_unet_{path.replace('.', '_')}", layer, dim=4, alpha=bound)
            trained(module)
            saved |= {f"{module.oft_name}.{key}": value for key, value in module.state_dict().items()}
            module.apply_to()
            made[path] = weight_of(layer)
        write(f"kohya{suffix}", "kohya-ss/sd-scripts 48d368f", base, saved, made)
    parts = {f"transformer_blocks.0.attn.to_{name}": nn.Linear(8, 8, bias=False) for name in "qkv"}
    fused = nn.Linear(8, 24)
    fused.weight.data = torch.cat([part.weight for part in parts.values()])
    fused.bias.data.zero_()
    module = FluxModule("oft_unet_double_blocks_0_img_attn_qkv", fused, dim=2, alpha=0.1, split_dims=[8] * 3)
    trained(module)
    saved = {f"{module.oft_name}.{key}": value for key, value in module.state_dict().items()}
    module.apply_to()
    made = dict(zip(parts, weight_of(fused).split(8), strict=True))
    write("kohya_flux", "kohya-ss/sd-scripts 48d368f", parts, saved, made)


if __name__ == "__main__":
    {"peft": by_peft, "onetrainer": by_onetrainer, "kohya": by_kohya}[sys.argv[1]]()
