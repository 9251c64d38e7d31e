"""How each family of bases is driven."""

from __future__ import annotations

from inference.engine.base import LoadedBase
from inference.engine.families.family import Conditioning, Family
from inference.engine.families.flux import Flux
from inference.engine.families.sd3 import StableDiffusion3
from inference.engine.families.sdxl import StableDiffusionXL
from inference.engine.families.unet import StableDiffusion

__all__ = ["Conditioning", "Family", "family_of"]


def family_of(base: LoadedBase) -> Family:
    """The driver of the base's family."""
    drivers: dict[str, type[Family]] = {
        "StableDiffusionPipeline": StableDiffusion,
        "StableDiffusionXLPipeline": StableDiffusionXL,
        "StableDiffusion3Pipeline": StableDiffusion3,
        "FluxPipeline": Flux,
    }
    driver: Family = drivers[base.pipeline](base)  # type: ignore[call-arg]
    return driver
