"""A base model in memory: the parts of a Stable Diffusion pipeline, its modules by name, and its
environment.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

# Nothing here may ask the network, and this has to be said before the libraries are imported.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
# Threads that wait by spinning take the cores from each other as soon as anything else runs: seven times the
# CPU time for one sheet, measured on two busy cores.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import nn
from transformers import CLIPTextModel, CLIPTokenizer
from transformers.utils import logging as transformers_logging

from inference.errors import BaseNotRenderable

# A worker's log and a command's stdout are no place for progress bars of a tenth of a second.
transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]

PIPELINES = ("StableDiffusionPipeline",)
"""Pipeline classes that the engine can drive (`_class_name` of model_index.json)."""

ENGINE_EDITION = "1"
"""Part of every cell's key: raise it when the same inputs would give other pictures."""


@dataclass
class LoadedBase:
    """The parts of one base, ready to render. Weights stay on `device` in `dtype`, in evaluation mode."""

    # diffusers and transformers describe their types too loosely to be checked: an Any is honest.
    unet: Any
    vae: Any
    text_encoder: Any
    tokenizer: CLIPTokenizer
    scheduler_config: Mapping[str, Any]
    device: torch.device
    dtype: torch.dtype
    modules: dict[str, dict[str, nn.Module]] = field(init=False)

    def __post_init__(self) -> None:
        # component -> path -> module; only modules with a weight of their own can be patched.
        self.modules = {
            component: {path: module for path, module in part.named_modules() if _has_weight(module)}
            for component, part in (("unet", self.unet), ("text_encoder", self.text_encoder))
        }

    @property
    def latent_channels(self) -> int:
        """Channels of a latent."""
        return int(self.unet.config.in_channels)

    @property
    def latent_factor(self) -> int:
        """Pixels per latent cell, on a side."""
        return int(2 ** (len(self.vae.config.block_out_channels) - 1))


def _has_weight(module: nn.Module) -> bool:
    return isinstance(getattr(module, "weight", None), nn.Parameter)


def choose_device() -> tuple[torch.device, torch.dtype]:
    """CUDA in bfloat16 where there is one, else the CPU in float32 (half precision is slower there)."""
    if torch.cuda.is_available():
        return torch.device("cuda"), torch.bfloat16
    return torch.device("cpu"), torch.float32


def load_base(folder: Path) -> LoadedBase:
    """The base in a local diffusers folder.

    Raises BaseNotRenderable when it is not one the engine can drive.
    """
    index = folder / "model_index.json"
    try:
        name = json.loads(index.read_text(encoding="utf-8")).get("_class_name")
        scheduler = json.loads((folder / "scheduler" / "scheduler_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BaseNotRenderable(f"{folder.name} is no diffusers pipeline folder ({error}).") from None
    if name not in PIPELINES:
        raise BaseNotRenderable(f"The engine cannot drive a {name}; it knows {', '.join(PIPELINES)}.")
    device, dtype = choose_device()
    parts: dict[str, Any] = {
        "unet": UNet2DConditionModel,
        "vae": AutoencoderKL,
        "text_encoder": CLIPTextModel,
    }
    # A VAE overflows in half precision; it is a small part of the time, so it stays in float32.
    dtypes = {"unet": dtype, "vae": torch.float32, "text_encoder": dtype}
    try:
        loaded = {
            name: cls.from_pretrained(folder, subfolder=name, local_files_only=True, torch_dtype=dtypes[name])
            for name, cls in parts.items()
        }
        tokenizer = CLIPTokenizer.from_pretrained(folder, subfolder="tokenizer", local_files_only=True)
    except (OSError, ValueError, RuntimeError) as error:
        first_line = str(error).strip().splitlines()[0][:200]
        raise BaseNotRenderable(f"{folder.name} does not load: {first_line}") from None
    for part in loaded.values():
        part.to(device).eval().requires_grad_(False)
    return LoadedBase(**loaded, tokenizer=tokenizer, scheduler_config=scheduler, device=device, dtype=dtype)


def environment(base: LoadedBase) -> dict[str, str]:
    """What besides the inputs decides the last bits of a picture; part of every cell's key and of the
    manifest.
    """
    on_gpu = base.device.type == "cuda"
    device = torch.cuda.get_device_name(base.device) if on_gpu else f"cpu {platform.machine()}"
    return {
        "engine": ENGINE_EDITION,
        "torch": torch.__version__,
        "diffusers": version("diffusers"),
        "transformers": version("transformers"),
        "device": device,
        "capability": "" if on_gpu else torch.backends.cpu.get_cpu_capability(),
        "threads": "" if on_gpu else str(torch.get_num_threads()),
        "dtype": str(base.dtype).removeprefix("torch."),
    }


def set_threads(count: int) -> None:
    """Threads torch may use; 0 leaves its own choice."""
    if count:
        torch.set_num_threads(count)
