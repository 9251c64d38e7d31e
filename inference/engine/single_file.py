"""A base in a single safetensors file: its parts by diffusers' own converters, configured by a layout folder.

Each converter is given the tensors of its part alone, read from the memory-mapped file, and none may fill a
hole with random numbers or leave a number of the file out without a word.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

# Before the libraries: this one keeps them off the network.
from inference.engine import base as _base  # noqa: F401  # isort: skip

import torch
from diffusers.loaders.single_file_utils import (
    SingleFileComponentError,
    create_diffusers_clip_model_from_ldm,
    create_diffusers_t5_model_from_checkpoint,
)
from safetensors import SafetensorError, safe_open
from transformers import T5EncoderModel

from inference.base_errors import BaseLacksParts, LayoutDoesNotFit
from inference.engine.parts import BROKEN, broken, load_part, refuse_missing
from inference.errors import BaseNotRenderable
from registry.weights.base_checkpoints import BaseCheckpoint

# diffusers' functions are only half typed.
_CLIP: Any = create_diffusers_clip_model_from_ldm
_T5: Any = create_diffusers_t5_model_from_checkpoint
# SD2 was published for noise and for velocity, in one architecture and without a mark. ComfyUI tells them
# apart by this layer (`comfy/supported_models.py: SD20.model_type`).
_SD2_TELLS, _SD2_VELOCITY = "output_blocks.11.1.transformer_blocks.0.norm1.bias", 0.09


class SingleFile:
    """The parts of one checkpoint; what it lacks comes from the layout, where that has weights of it."""

    def __init__(self, path: Path, checkpoint: BaseCheckpoint, layout: Path) -> None:
        self._path, self._found, self.configs = path, checkpoint, layout

    def check(self, pipeline: str, denoiser: Mapping[str, Any]) -> None:
        """Raise LayoutDoesNotFit where the layout, its pipeline's class and its denoiser's configuration, is
        of another family.
        """
        family, guided = family_of(pipeline, denoiser), bool(denoiser.get("guidance_embeds"))
        if family != self._found.family:
            raise LayoutDoesNotFit(
                f"{self._path.name} is of the family {self._found.family}, {self.configs.name} of {family}."
            )
        if family == "flux1" and guided != self._found.distilled:
            here, there = ("FLUX.1 dev", "schnell") if self._found.distilled else ("schnell", "FLUX.1 dev")
            raise LayoutDoesNotFit(f"{self._path.name} is as {here}, {self.configs.name} as {there}.")

    def has(self, part: str) -> bool:
        """Whether the part's weights are anywhere."""
        return part in self._found.parts or any((self.configs / part).glob("*.safetensors"))

    def load(self, cls: Any, part: str, dtype: torch.dtype) -> Any:
        """The part's module, in main memory. Raises BaseNotRenderable or one of its kind."""
        if part not in self._found.parts:
            if not self.has(part):
                raise BaseLacksParts(
                    f"{self._path.name} has no {part}, and {self.configs.name} has none either."
                )
            return load_part(cls, self.configs, part, dtype)
        tensors = self._read(part)
        numbers = sum(tensor.numel() for tensor in tensors.values())
        try:
            made = self._convert(cls, part, tensors, dtype)
        except SingleFileComponentError as error:
            raise BaseNotRenderable(f"{part} does not load: {error}") from None
        except BROKEN as error:
            raise self._unlike(part, error) from None
        refuse_missing(part, (name for name, value in made.state_dict().items() if value.is_meta))
        if part == self._found.denoiser:
            used = sum(value.numel() for value in made.state_dict().values())
            if used != numbers:
                raise LayoutDoesNotFit(
                    f"{self._path.name} has {numbers:,} numbers for the {part}, and {self.configs.name} has "
                    f"room for {used:,}: it is of another architecture."
                )
        return made.eval()

    def scheduler(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """The layout's noise schedule, with what the file tells of its own."""
        prediction = self._found.prediction or self._sd2_prediction()
        told: dict[str, Any] = {"prediction_type": prediction} if prediction else {}
        if self._found.zero_snr:
            told |= ZERO_SNR
        return {**config, **told}

    def _read(self, part: str) -> dict[str, torch.Tensor]:
        names = self._found.parts[part]
        try:
            with safe_open(self._path, framework="pt") as file:
                return {published: file.get_tensor(name) for name, published in names.items()}
        except (OSError, SafetensorError) as error:
            raise broken(part, error) from None

    def _convert(self, cls: Any, part: str, tensors: dict[str, torch.Tensor], dtype: torch.dtype) -> Any:
        where: dict[str, Any] = {
            "config": str(self.configs),
            "subfolder": part,
            "torch_dtype": dtype,
            "local_files_only": True,
        }
        if cls is T5EncoderModel:
            made = _T5(cls, tensors, **where)
            # The file has the table of tokens once or twice, the model has one.
            made.tie_weights()
            return made
        if part.startswith("text_encoder"):
            return _CLIP(cls, tensors, **where)
        return cls.from_single_file(tensors, **where)

    def _unlike(self, part: str, error: Exception) -> Exception:
        """A part that does not load: its shapes or names are others than the layout's."""
        found = broken(part, error)
        if not isinstance(found, BaseNotRenderable):
            return found
        return LayoutDoesNotFit(
            f"The {part} of {self._path.name} is not as {self.configs.name} says: {found.message}"
        )

    def _sd2_prediction(self) -> str:
        if self._found.family != "sd2":
            return ""
        names = self._found.parts[self._found.denoiser]
        own = next((name for name, published in names.items() if published.endswith(_SD2_TELLS)), None)
        if own is None:
            return ""
        with safe_open(self._path, framework="pt") as file:
            spread = float(file.get_tensor(own).to(torch.float32).std(unbiased=False))
        return "v_prediction" if spread > _SD2_VELOCITY else "epsilon"


ZERO_SNR = {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
"""A schedule that ends without signal begins at its last step (arXiv:2305.08891, 3.1 to 3.3)."""


def family_of(pipeline: str, config: Mapping[str, Any]) -> str:
    """The family whose layer names the denoiser of a pipeline has, as `registry.weights.canonical` knows
    them, by its configuration.
    """
    if pipeline == "FluxPipeline":
        return "flux1"
    if pipeline == "StableDiffusionXLPipeline":
        return "sdxl"
    if pipeline == "StableDiffusionPipeline":
        return "sd2" if config.get("use_linear_projection") else "sd1"
    if config.get("dual_attention_layers"):
        return "sd35_medium"
    return "sd35_large" if config.get("qk_norm") else "sd3_medium"


def load_vae_file(cls: Any, path: Path, layout: Path) -> Any:
    """A VAE in a file of its own, configured as the layout's, in float32. Raises BaseNotRenderable."""
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        made = cls.from_single_file(
            tensors, config=str(layout), subfolder="vae", torch_dtype=torch.float32, local_files_only=True
        )
    except (*BROKEN, SafetensorError, SingleFileComponentError) as error:
        raise broken(path.name, error) from None
    refuse_missing(path.name, (name for name, value in made.state_dict().items() if value.is_meta))
    return made
