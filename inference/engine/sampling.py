"""From noise to latents: seeded noise row by row, the samplers by their common names, the denoising loop."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

# Before diffusers: this one keeps it off the network.
from inference.engine import base as _base  # noqa: F401  # isort: skip

import torch
from diffusers import (
    DPMSolverMultistepScheduler,
    DPMSolverSDEScheduler,
    EulerAncestralDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
)
from diffusers.schedulers.scheduling_dpmsolver_sde import BrownianTreeNoiseSampler
from torch import Tensor

from inference.engine.families import Conditioning, Family
from inference.errors import SamplingDoesNotFit


class _Noise(Enum):
    """Where the noise comes from that a sampler adds while it works."""

    NONE = "none"
    FROM_GENERATORS = "generators"
    BROWNIAN = "brownian"


@dataclass(frozen=True, slots=True)
class _Sampler:
    """A scheduler class with the values it needs on top of the base's own, which keep betas and prediction
    type.
    """

    scheduler: Any
    options: Mapping[str, Any] = field(default_factory=dict)
    flow: bool = False
    noise: _Noise = _Noise.NONE


# k-diffusion's samplers run over the whole schedule, whatever spacing the base's own sampler wants.
_WHOLE = {"timestep_spacing": "linspace"}
_SAMPLERS = {
    "dpmpp_2m_karras": _Sampler(
        DPMSolverMultistepScheduler,
        {"algorithm_type": "dpmsolver++", "solver_order": 2, "use_karras_sigmas": True},
    ),
    "dpmpp_sde_karras": _Sampler(
        DPMSolverSDEScheduler, {"use_karras_sigmas": True, **_WHOLE}, noise=_Noise.BROWNIAN
    ),
    "euler_a": _Sampler(EulerAncestralDiscreteScheduler, _WHOLE, noise=_Noise.FROM_GENERATORS),
    "euler_flow": _Sampler(FlowMatchEulerDiscreteScheduler, flow=True),
}
SAMPLERS = tuple(_SAMPLERS)
"""Names of the samplers: DPM++ 2M Karras, DPM++ SDE Karras, Euler a, and Euler for flows (SD3, FLUX.1)."""


class RowNoise:
    """Unit noise from one CPU generator per seed: the same on every device, whatever the batch."""

    def __init__(self, seeds: Sequence[int]) -> None:
        self.seeds = list(seeds)
        self.generators = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]

    def draw(self, shape: tuple[int, ...]) -> Tensor:
        """The next noise of every row, `[rows, *shape]`, float32, in main memory."""
        return torch.stack(
            [torch.randn(shape, generator=one, dtype=torch.float32) for one in self.generators]
        )


def noise(seeds: Sequence[int], shape: tuple[int, int, int]) -> Tensor:
    """The noise that pictures of these seeds begin with, `[len(seeds), *shape]`."""
    return RowNoise(seeds).draw(shape)


def check_sampler(name: str, family: Family, config: Mapping[str, Any]) -> None:
    """Raise SamplingDoesNotFit unless the sampler is known and samples what the base predicts."""
    if name not in _SAMPLERS:
        raise SamplingDoesNotFit(f"There is no sampler {name!r}; there are {', '.join(SAMPLERS)}.")
    sampler = _SAMPLERS[name]
    if sampler.flow != family.flow:
        fits = ", ".join(other for other, its in _SAMPLERS.items() if its.flow == family.flow)
        raise SamplingDoesNotFit(f"{name} does not sample what this base predicts; {fits} does.")
    if config.get("rescale_betas_zero_snr") and "rescale_betas_zero_snr" not in _known(sampler):
        raise SamplingDoesNotFit(f"{name} has no way to begin at zero signal, which this base needs.")


def make_scheduler(sampler: str, config: Mapping[str, Any]) -> Any:
    """A fresh scheduler: its state belongs to one run. Honors the base's prediction type and betas."""
    chosen = _SAMPLERS[sampler]
    # What the base says of another class of scheduler is not for this one.
    kept = {name: value for name, value in config.items() if name in _known(chosen)}
    return chosen.scheduler.from_config({**kept, **chosen.options})


def _known(sampler: _Sampler) -> set[str]:
    return set(inspect.signature(sampler.scheduler.__init__).parameters)


@dataclass(frozen=True, slots=True)
class Start:
    """Where a run begins that does not begin with noise alone: at latents, with the last `strength` of the
    steps to go.
    """

    latents: Tensor
    strength: float


@torch.inference_mode()
def denoise(
    family: Family,
    sampler: str,
    config: Mapping[str, Any],
    conditioning: Conditioning,
    rows: RowNoise,
    shape: tuple[int, int, int],
    steps: int,
    *,
    device: torch.device,
    start: Start | None = None,
) -> Tensor:
    """Latents `[rows, *shape]` of a batch, float32.

    The first noise is drawn from `rows`, and what ancestral samplers add is drawn after it, so a picture
    depends on its own seed only. With `start`, int(steps * strength) steps are taken.
    """
    scheduler = make_scheduler(sampler, config)
    latents = rows.draw(shape).to(device)
    scheduler.set_timesteps(
        **_timesteps(steps, family.schedule(steps, latents)),
        device=device,
    )
    timesteps = scheduler.timesteps
    if start is None:
        # Flows begin with unit noise.
        latents = latents * getattr(scheduler, "init_noise_sigma", 1.0)
    else:
        first = max(steps - int(steps * start.strength), 0) * scheduler.order
        scheduler.set_begin_index(first)
        timesteps = timesteps[first:]
        add = scheduler.scale_noise if family.flow else _adder(scheduler)
        latents = add(start.latents, timesteps[:1].repeat(len(latents)), latents)
    options = _step_options(scheduler, _SAMPLERS[sampler].noise, rows, shape, device)
    for timestep in timesteps:
        seen = torch.cat([latents, latents]) if conditioning.guided else latents
        if not family.flow:
            seen = scheduler.scale_model_input(seen, timestep)
        predicted = family.predict(seen, timestep, conditioning)
        if conditioning.guided:
            without, with_prompt = predicted.chunk(2)
            predicted = without + conditioning.guidance * (with_prompt - without)
        latents = scheduler.step(predicted, timestep, latents, return_dict=False, **options)[0]
    return latents


def _timesteps(steps: int, options: dict[str, Any]) -> dict[str, Any]:
    """With explicit sigmas their number is that of the steps."""
    return options if "sigmas" in options else {"num_inference_steps": steps, **options}


def _adder(scheduler: Any) -> Any:
    """`add_noise` with the arguments in the order of `scale_noise`."""
    return lambda latents, timesteps, added: scheduler.add_noise(latents, added, timesteps)


def _step_options(
    scheduler: Any, kind: _Noise, rows: RowNoise, shape: tuple[int, int, int], device: torch.device
) -> dict[str, Any]:
    """What the scheduler's `step` needs to draw its noise row by row."""
    if kind is _Noise.FROM_GENERATORS:
        return {"generator": rows.generators}
    if kind is _Noise.BROWNIAN:
        scheduler.noise_sampler = _brownian(scheduler.sigmas, rows.seeds, shape, device)
    return {}


def _brownian(sigmas: Tensor, seeds: list[int], shape: tuple[int, ...], device: torch.device) -> Any:
    """Noise between two sigmas from a Brownian tree per row, `[rows, *shape]`.

    It is drawn in main memory: a device's own generator would give every device other pictures.
    """
    low, high = sigmas[sigmas > 0].min(), sigmas.max()
    tree: Any = BrownianTreeNoiseSampler(torch.zeros((len(seeds), *shape)), low.item(), high.item(), seeds)

    def between(sigma: Tensor, after: Tensor) -> Tensor:
        # The scheduler's logarithms leave the tree's ends by a rounding, of which torchsde would warn.
        drawn: Tensor = tree(sigma.clamp(low, high), after.clamp(low, high))
        return drawn.to(device)

    return between
