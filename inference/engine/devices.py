"""What this machine can render with.

Run as a program it prints that as JSON, so that asking takes no memory of the process that asks.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version

from inference.engine import base as _base  # isort: skip

import torch


@dataclass(frozen=True, slots=True)
class Device:
    """A card, or the processors where there is none; memory in bytes."""

    index: int
    name: str
    memory: int
    dtype: str


def devices() -> list[Device]:
    """The cards that this process may use, else the processors."""
    if torch.cuda.is_available():
        found = [torch.cuda.get_device_properties(index) for index in range(torch.cuda.device_count())]
        return [
            Device(index, each.name, int(each.total_memory), "bfloat16") for index, each in enumerate(found)
        ]
    threads = torch.get_num_threads()
    return [Device(0, f"cpu, {threads} threads", _base.device_memory(), "float32")]


def libraries() -> dict[str, str]:
    """Releases of what pictures are made with; "" for what is not installed."""
    found = {}
    for name in ("torch", "diffusers", "transformers", "safetensors"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = ""
    return found | {"cuda": torch.version.cuda or ""}


if __name__ == "__main__":
    json.dump({"devices": [asdict(device) for device in devices()], "libraries": libraries()}, sys.stdout)
