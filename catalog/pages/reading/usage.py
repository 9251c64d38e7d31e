"""How to use a file in the tools people have: prompt tag, diffusers, ComfyUI, and a verified download."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from catalog.recommended import Weight, prompt_of, words_of
from registry.models import File, Version

# What stands in the diffusers lines where the base has no name on the Hub.
_NO_REPOSITORY = "path/to/the/base"


@dataclass(frozen=True)
class Usage:
    """Ready lines for each tool; `prompt` is the tag with the trigger words behind it."""

    prompt: str
    words: list[str]
    diffusers: str
    comfyui: str
    curl: str


def usage_of(version: Version, file: File, *, weight: Weight, address: str, repository: str) -> Usage:
    """The lines for one file at a weight.

    `address` is the absolute URL of its content, `repository` the base's id on the Hub or empty.
    """
    return Usage(
        prompt=prompt_of(version, file, weight),
        words=words_of(version),
        diffusers=_diffusers(file.name, repository or _NO_REPOSITORY, round(weight.default, 2)),
        comfyui=f"ComfyUI/models/loras/{file.name}",
        curl=_curl(file, address),
    )


def _diffusers(name: str, repository: str, weight: float) -> str:
    return "\n".join(
        [
            "from diffusers import DiffusionPipeline",
            "",
            f"pipe = DiffusionPipeline.from_pretrained({repository!r})",
            f'pipe.load_lora_weights(".", weight_name={name!r}, adapter_name="kura")',
            f'pipe.set_adapters("kura", adapter_weights={weight})',
        ]
    )


def _curl(file: File, address: str) -> str:
    name = shlex.quote(file.name)
    checked = shlex.quote(f"{file.blob_id}  {file.name}")
    return "\n".join(
        [
            f'curl -f -C - -o {name} -H "Authorization: Bearer $KURA_TOKEN" {shlex.quote(address)}',
            f"echo {checked} | sha256sum -c",
        ]
    )
