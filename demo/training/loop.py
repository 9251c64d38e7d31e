"""The training loop: two processes with one thread each, averaged weights, checkpoints, resume."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from rich.console import Console
from torch import Tensor, nn

LossOf = Callable[[torch.Generator, int], Tensor]
CHECKPOINT_SECONDS = 120.0
console = Console()


@dataclass(frozen=True)
class Plan:
    """How long and how fast: the rate rises over `warmup`, stays, and falls over the last `decay` steps."""

    steps: int
    rate: float
    warmup: int = 100
    decay: int = 0
    average: float = 0.999
    weight_decay: float = 0.01
    seed: int = 0

    def rate_at(self, step: int) -> float:
        """The learning rate of a step (0-based)."""
        rising = min(1.0, (step + 1) / max(1, self.warmup))
        falling = min(1.0, max(0.02, (self.steps - step) / max(1, self.decay)))
        return self.rate * rising * falling


class Average:
    """An exponential moving average of parameters, warmed up so that early steps are forgotten."""

    def __init__(self, parameters: list[nn.Parameter], decay: float) -> None:
        self.decay = decay
        self.values = [parameter.detach().clone() for parameter in parameters]

    def update(self, parameters: list[nn.Parameter], step: int) -> None:
        """Moves a little towards the parameters."""
        keep = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self.values, [p.detach() for p in parameters], 1 - keep)

    def copy_to(self, parameters: Iterable[nn.Parameter]) -> None:
        """Overwrites the parameters with the average."""
        with torch.no_grad():
            for parameter, value in zip(parameters, self.values, strict=True):
                parameter.copy_(value)


def share_gradients(parameters: list[nn.Parameter]) -> None:
    """Averages gradients over the processes; does nothing where there is one."""
    if not dist.is_initialized():
        return
    flat = torch.cat([p.grad.flatten() if p.grad is not None else torch.zeros(p.numel()) for p in parameters])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    position = 0
    for parameter in parameters:
        size = parameter.numel()
        parameter.grad = flat[position : position + size].view_as(parameter)
        position += size


def train(
    modules: dict[str, nn.Module],
    plan: Plan,
    loss_of: LossOf,
    state_file: Path,
    label: str,
    rank: int = 0,
    on_checkpoint: Callable[[int], None] | None = None,
) -> None:
    """Trains `modules` to the plan's end, from `state_file` if it exists; leaves averages in them.

    `loss_of(generator, step)` gives the loss of one batch; its generator is seeded with plan, rank and step,
    so that a resumed run draws what an uninterrupted one would have drawn.
    """
    parameters = [p for module in modules.values() for p in module.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(
        parameters, lr=plan.rate, betas=(0.9, 0.99), weight_decay=plan.weight_decay, fused=True
    )
    average, first, seconds = Average(parameters, plan.average), 0, 0.0
    if state_file.exists():
        state = torch.load(state_file, weights_only=True)
        for name, module in modules.items():
            module.load_state_dict(state["modules"][name])
        optimizer.load_state_dict(state["optimizer"])
        average.values = state["average"]
        first, seconds = state["step"], state["seconds"]

    def save(step: int) -> None:
        if rank:
            return
        state_file.parent.mkdir(parents=True, exist_ok=True)
        state = {
            "modules": {name: module.state_dict() for name, module in modules.items()},
            "optimizer": optimizer.state_dict(),
            "average": average.values,
            "step": step,
            "seconds": seconds + time.monotonic() - started,
        }
        partial = state_file.with_suffix(".partial")
        torch.save(state, partial)
        partial.replace(state_file)

    started = saved = told = time.monotonic()
    running: float | None = None
    for step in range(first, plan.steps):
        for group in optimizer.param_groups:
            group["lr"] = plan.rate_at(step)
        generator = torch.Generator().manual_seed((plan.seed * 1_000_003 + step) * 64 + rank)
        loss = loss_of(generator, step)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        share_gradients(parameters)
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        average.update(parameters, step)
        value = float(loss.detach())
        running = value if running is None else 0.98 * running + 0.02 * value
        now = time.monotonic()
        if rank == 0 and now - told > 15:
            told = now
            pace = (now - started) / (step + 1 - first)
            left = pace * (plan.steps - step - 1) / 60
            console.print(
                f"{label}: step {step + 1}/{plan.steps}, loss {running:.4f}, "
                f"{pace:.3f} s a step, {left:.0f} min left"
            )
        if now - saved > CHECKPOINT_SECONDS:
            saved = now
            save(step + 1)
            if on_checkpoint and rank == 0:
                live = [p.detach().clone() for p in parameters]
                average.copy_to(parameters)
                on_checkpoint(step + 1)
                with torch.no_grad():
                    for parameter, value_ in zip(parameters, live, strict=True):
                        parameter.copy_(value_)
    save(max(first, plan.steps))
    average.copy_to(parameters)


def _enter(
    rank: int, world: int, meeting: str, work: Callable[..., None], arguments: tuple[object, ...]
) -> None:
    torch.set_num_threads(1)
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=world)
    work(rank, *arguments)
    dist.destroy_process_group()


def side_by_side(work: Callable[..., None], *arguments: object, world: int = 2, meeting: Path) -> None:
    """Runs `work(rank, *arguments)` in processes of one thread: 1.4 times the pace of one with two."""
    meeting.parent.mkdir(parents=True, exist_ok=True)
    meeting.unlink(missing_ok=True)
    os.environ["OMP_NUM_THREADS"] = "1"
    mp.spawn(  # type: ignore[attr-defined, no-untyped-call]
        _enter, (world, str(meeting.resolve()), work, arguments), nprocs=world
    )
    meeting.unlink(missing_ok=True)
