"""Adapters as trainable changes of weights: LoRA, LoCon, LoHa and DoRA put over a frozen network."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")
TRANSFORMER = (*ATTENTION, "proj_in", "proj_out", "ff.net.0.proj", "ff.net.2")
CONVOLUTIONS = ("conv1", "conv2")
TEXT = ("q_proj", "k_proj", "v_proj", "out_proj")


@dataclass(frozen=True)
class Shape:
    """What an adapter changes and how: the algorithm, ranks, and the alpha of each kind of module."""

    algorithm: str = "lora"  # lora, loha or dora
    targets: tuple[str, ...] = TRANSFORMER
    rank: int = 4
    alpha: float | None = None  # None: equal to the rank
    conv_rank: int = 0  # above 0: the 3x3 convolutions of the resnets too (LoCon)
    conv_alpha: float | None = None
    text_rank: int = 0  # above 0: the text encoder's attention too
    text_alpha: float | None = None
    alphas: dict[str, float] = field(default_factory=dict)  # by the end of a module's name: mixed alpha

    def alpha_of(self, name: str, rank: int, usual: float | None) -> float:
        """The alpha of one module."""
        for ending, alpha in self.alphas.items():
            if name.endswith(ending):
                return alpha
        return float(rank) if usual is None else usual


class Delta(nn.Module):
    """The trainable change of one linear or convolution layer."""

    def __init__(self, layer: nn.Linear | nn.Conv2d, algorithm: str, rank: int, alpha: float) -> None:
        super().__init__()
        self.layer = (layer,)  # in a tuple, so that the frozen layer isn't this module's child
        self.algorithm, self.rank, self.alpha = algorithm, rank, alpha
        out, inner = layer.weight.shape[0], layer.weight[0].numel()
        if algorithm == "loha":
            self.w1_a = nn.Parameter(torch.randn(out, rank) * 0.1)
            self.w1_b = nn.Parameter(torch.randn(rank, inner))
            self.w2_a = nn.Parameter(torch.zeros(out, rank))
            self.w2_b = nn.Parameter(torch.randn(rank, inner))
        else:
            self.down = nn.Parameter(torch.randn(rank, inner) / math.sqrt(inner))
            self.up = nn.Parameter(torch.zeros(out, rank))
        if algorithm == "dora":
            self.dora = nn.Parameter(self._column_norm(layer.weight.detach()))

    @staticmethod
    def _column_norm(weight: Tensor) -> Tensor:
        """The length of each input column: 1 x I (x 1 x 1), as LyCORIS stores it."""
        flat: Tensor = weight.transpose(0, 1).flatten(1).norm(dim=1)
        return flat.view(1, -1, *([1] * (weight.dim() - 2)))

    def weight(self) -> Tensor:
        """The changed weight of the layer, at adapter weight 1."""
        base = self.layer[0].weight
        if self.algorithm == "loha":
            change = (self.w1_a @ self.w1_b) * (self.w2_a @ self.w2_b)
        else:
            change = self.up @ self.down
        changed: Tensor = base + change.view(base.shape) * (self.alpha / self.rank)
        if self.algorithm == "dora":
            return changed * (self.dora / self._column_norm(changed))
        return changed

    def install(self) -> Callable[[], None]:
        """Makes the layer compute with the changed weight; the answer undoes it."""
        layer = self.layer[0]

        def forward(value: Tensor) -> Tensor:
            if isinstance(layer, nn.Conv2d):
                return F.conv2d(value, self.weight(), layer.bias, layer.stride, layer.padding)
            return F.linear(value, self.weight(), layer.bias)

        layer.forward = forward  # type: ignore[method-assign, assignment]

        def take_off() -> None:
            del layer.__dict__["forward"]

        return take_off


def _matches(name: str, endings: tuple[str, ...]) -> bool:
    return any(name == ending or name.endswith(f".{ending}") for ending in endings)


def _layers(network: nn.Module, endings: tuple[str, ...]) -> Iterator[tuple[str, nn.Linear | nn.Conv2d]]:
    for name, layer in network.named_modules():
        if isinstance(layer, nn.Linear | nn.Conv2d) and _matches(name, endings):
            yield name, layer


class Adapter(nn.Module):
    """All changes of one adapter, by module name: `unet.` or `text_encoder.` + diffusers' dotted path."""

    def __init__(self, shape: Shape, unet: nn.Module, text: nn.Module) -> None:
        super().__init__()
        self.shape = shape
        self.deltas: dict[str, Delta] = {}
        for name, layer in _layers(unet, shape.targets):
            self._add(f"unet.{name}", layer, shape.rank, shape.alpha)
        if shape.conv_rank:
            for name, layer in _layers(unet, CONVOLUTIONS):
                self._add(f"unet.{name}", layer, shape.conv_rank, shape.conv_alpha)
        if shape.text_rank:
            for name, layer in _layers(text, TEXT):
                self._add(f"text_encoder.{name}", layer, shape.text_rank, shape.text_alpha)
        self.all = nn.ModuleList(self.deltas.values())

    def _add(self, name: str, layer: nn.Linear | nn.Conv2d, rank: int, alpha: float | None) -> None:
        self.deltas[name] = Delta(layer, self.shape.algorithm, rank, self.shape.alpha_of(name, rank, alpha))

    def install(self) -> Callable[[], None]:
        """Puts the adapter over the networks at weight 1; the answer takes it off."""
        undo = [delta.install() for delta in self.deltas.values()]

        def take_off() -> None:
            for one in undo:
                one()

        return take_off
