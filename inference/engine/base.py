"""A base model in memory: the parts of a pipeline under diffusers' names for them, its modules by path, and
the environment that renders.
"""

from __future__ import annotations

import gc
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
from torch import nn

from inference.engine.words import Vocabulary

_CGROUP = "/sys/fs/cgroup"
ENGINE_EDITION = "3"
"""Part of every cell's key: raise it when the same inputs would give other pictures."""


@dataclass
class LoadedBase:
    """The parts of one base, ready to render. Weights stay on `device` in `dtype` (the VAE in float32), in
    evaluation mode.

    `pipeline` is diffusers' class; `family` is whose layer names the denoiser has (`registry.weights`), and
    `denoiser_name` the component that it is (unet or transformer). `text_encoders` and `tokenizers` are
    numbered as in the pipeline: text_encoder, text_encoder_2, text_encoder_3, and tokenizer, tokenizer_2 ...
    An `offloaded` base waits in main memory, for this reason, and only the part that works is on the device.
    """

    # diffusers and transformers describe their types too loosely to be checked: an Any is honest.
    pipeline: str
    family: str
    denoiser_name: str
    denoiser: Any
    vae: Any
    text_encoders: dict[str, Any]
    tokenizers: dict[str, Any]
    scheduler_config: Mapping[str, Any]
    device: torch.device
    dtype: torch.dtype
    offloaded: bool = False
    offload_reason: str = ""
    modules: dict[str, dict[str, nn.Module]] = field(init=False)
    words: Vocabulary = field(init=False)

    def __post_init__(self) -> None:
        # What prompts may use of the words learned with adapters: filled while these are applied.
        self.words = {component: {} for component in self.text_encoders}
        # component -> path -> module; only modules with a weight of their own can be patched.
        self.modules = {
            component: {path: module for path, module in part.named_modules() if _has_weight(module)}
            for component, part in {self.denoiser_name: self.denoiser, **self.text_encoders}.items()
        }

    @property
    def parts(self) -> list[Any]:
        """Everything with weights, in the order in which it works."""
        return [*self.text_encoders.values(), self.denoiser, self.vae]

    @property
    def home(self) -> torch.device:
        """Where the weights are while nothing is rendered."""
        return torch.device("cpu") if self.offloaded else self.device

    @property
    def size(self) -> int:
        """Bytes of the weights."""
        return sum(p.numel() * p.element_size() for part in self.parts for p in part.parameters())

    @property
    def latent_channels(self) -> int:
        """Channels of a latent."""
        return int(self.vae.config.latent_channels)

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


def device_memory() -> int:
    """Bytes of the memory that bases are kept in: the card's, or the machine's without one."""
    if torch.cuda.is_available():
        return int(torch.cuda.get_device_properties(torch.cuda.current_device()).total_memory)
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def free_main_memory() -> int:
    """Bytes of main memory that may be taken before the system ends processes: what Linux calls available,
    and no more than the container's own limit leaves (cgroup v2, what it only caches taken out).
    """
    try:
        told = _numbers("/proc/meminfo")["MemAvailable:"] * 1024
    except (OSError, KeyError, ValueError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        limit = int(Path(_CGROUP, "memory.max").read_text(encoding="ascii"))
        used = int(Path(_CGROUP, "memory.current").read_text(encoding="ascii"))
        cached = _numbers(f"{_CGROUP}/memory.stat").get("inactive_file", 0)
    except (OSError, ValueError):
        return told
    return max(0, min(told, limit - used + cached))


def _numbers(path: str) -> dict[str, int]:
    """Name and number of each line."""
    lines = (line.split() for line in Path(path).read_text(encoding="ascii").splitlines())
    return {words[0]: int(words[1]) for words in lines if len(words) > 1}


def release_memory() -> None:
    """Give back what nothing refers to any more, cycles and the card's cache included."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


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
