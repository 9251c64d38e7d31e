"""Finds the place of every module of an adapter in a base, whatever dialect the file is written in.

A module of the file is a layer of the base, some rows of one, or (a fused projection) several of them; which
is said by `canonical_layers`, and the base itself decides whether it is true.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor, nn

from inference.engine import deltas, relative
from inference.engine.words import Words
from inference.errors import NonFiniteAdapter, NothingMatched, UnmatchedModules, UnsupportedAdapter, WrongBase
from registry.weights.canonical import CanonicalPart, canonical_layers
from registry.weights.loading import ModuleTensors
from registry.weights.modules import ModuleFacts

Modules = Mapping[str, Mapping[str, nn.Module]]
"""component (unet, transformer, text_encoder, text_encoder_2 ...) -> path -> module with a weight."""


def plain_name(path: str) -> str:
    """A module's path without what dialects and library editions disagree on: dots, and CLIP's
    `text_model.`.
    """
    return path.replace(".", "_").removeprefix("text_model_")


@dataclass(frozen=True, slots=True)
class Place:
    """The rows `into` of a base module's weight, which the rows `rows` of the change fill; None: all."""

    component: str
    path: str
    module: nn.Module
    rows: slice | None = None
    into: slice | None = None

    @property
    def weight(self) -> Tensor:
        """Those rows as they are now."""
        weight = self.module.weight
        assert isinstance(weight, Tensor)
        return weight.detach() if self.into is None else weight.detach()[self.into]


@dataclass(frozen=True, slots=True)
class Target:
    """One module of the adapter beside the places in the base that it changes.

    Factors stay in main memory as the file stores them; they go to the device one module at a time.
    """

    name: str
    algorithm: str
    factors: Mapping[str, Tensor]
    alpha: float | None
    places: tuple[Place, ...]

    @property
    def component(self) -> str:
        """The base's component that it changes."""
        return self.places[0].component

    @property
    def path(self) -> str:
        """The base layer it changes, the first one of a fused projection."""
        return self.places[0].path

    @property
    def shape(self) -> torch.Size:
        """The weight's shape as the file sees the layer."""
        first = self.places[0].weight.shape
        return torch.Size((sum(len(place.weight) for place in self.places), *first[1:]))

    def weight(self) -> Tensor:
        """The base's weight as the file sees the layer, float32."""
        parts = [place.weight.to(torch.float32) for place in self.places]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def bias(self) -> Tensor | None:
        """The base's bias as the file sees the layer, float32; None where a part has none."""
        parts = []
        for place in self.places:
            bias = getattr(place.module, "bias", None)
            if not isinstance(bias, Tensor):
                return None
            parts.append((bias if place.into is None else bias[place.into]).detach().to(torch.float32))
        return torch.cat(parts)

    def on(self, device: torch.device) -> dict[str, Tensor]:
        """The factors in float32 on the device."""
        return {name: tensor.to(device, torch.float32) for name, tensor in self.factors.items()}


@dataclass(frozen=True, slots=True)
class FittedAdapter:
    """An adapter every module of which has its place in the base; nothing else can be applied.

    `words` are the words learned with it.
    """

    targets: tuple[Target, ...]
    words: Words = field(default_factory=dict)

    @property
    def components(self) -> tuple[str, ...]:
        """Parts of the base that the adapter changes."""
        return tuple(sorted({target.component for target in self.targets}))

    def truncated(self, rank: int) -> FittedAdapter:
        """With the first `rank` rows of every plain LoRA only: the `dyn` of AUTOMATIC1111's tag."""
        return replace(self, targets=tuple(_truncated(target, rank) for target in self.targets))


def fit(modules: Mapping[str, ModuleTensors], base: Modules, family: str) -> FittedAdapter:
    """Find every module's place. Refuses, before any pixel, what would not be shown truly.

    `family` says whose names the base's transformer has (flux1, sd3_medium ...); a UNet needs none. Raises
    WrongBase, NothingMatched, UnmatchedModules, UnsupportedAdapter or NonFiniteAdapter.
    """
    index = {
        component: {plain_name(path): (path, module) for path, module in found.items()}
        for component, found in base.items()
    }
    targets: list[Target] = []
    missing: list[str] = []
    misfits: list[str] = []
    for name, tensors in modules.items():
        deltas.check_known(tensors.algorithm, tensors.tensors)
        places = _places(tensors, index, family)
        if places is None:
            missing.append(name)
            continue
        target = _target(name, tensors, places)
        if (problem := _misfit(target)) is not None:
            misfits.append(problem)
        targets.append(target)
    if misfits:
        raise WrongBase(
            f"{len(misfits)} of {len(modules)} modules have other shapes than the base: {misfits[0]}.",
            misfits=len(misfits) + len(missing),
            modules=len(modules),
        )
    if not targets:
        raise NothingMatched(
            f"None of the adapter's {len(modules)} modules exists in the base.",
            misfits=len(modules),
            modules=len(modules),
        )
    if missing:
        raise UnmatchedModules(
            f"{len(missing)} of {len(modules)} modules do not exist in the base, first {missing[0]}.",
            misfits=len(missing),
            modules=len(modules),
        )
    _check_finite(targets)
    return FittedAdapter(tuple(targets))


_Index = Mapping[str, Mapping[str, tuple[str, nn.Module]]]


def _places(tensors: ModuleTensors, index: _Index, family: str) -> tuple[Place, ...] | None:
    """Where the module belongs, None where a layer of it does not exist in the base."""
    parts = _parts(tensors, index, family)
    found = []
    for part in parts:
        hit = index.get(part.component, {}).get(plain_name(part.path))
        if hit is None:
            return None
        found.append(Place(part.component, *hit, part.rows, part.into))
    return tuple(found) or None


def _parts(tensors: ModuleTensors, index: _Index, family: str) -> tuple[CanonicalPart, ...]:
    if tensors.facts is None:
        return (CanonicalPart(tensors.component, tensors.path),)
    facts = tensors.facts
    if facts.where.component == "transformer" and None in (facts.in_dim, facts.out_dim):
        facts = _sized(facts, index, family)
    layers = canonical_layers(facts, family)
    if tensors.part is None:
        return layers
    # A part of a fused layer has rows of its own, from the first on.
    return tuple(replace(layer, rows=None) for layer in layers[tensors.part : tensors.part + 1])


def _sized(facts: ModuleFacts, index: _Index, family: str) -> ModuleFacts:
    """The module with the sizes that its factors leave open (rotations, scales, biases) taken from the base.

    Whatever its size, a fused layer has the same parts: with sizes that divide they can be asked for.
    """
    probe = replace(facts, facts=replace(facts.facts, in_dim=2, out_dim=8))
    hits = [
        index.get(part.component, {}).get(plain_name(part.path)) for part in canonical_layers(probe, family)
    ]
    weights = {id(hit[1]): hit[1].weight for hit in hits if hit is not None}
    tables = [weight for weight in weights.values() if isinstance(weight, Tensor) and weight.dim() > 1]
    if not tables:
        return facts
    own = facts.facts
    in_dim = own.in_dim if own.in_dim is not None else tables[0].shape[1]
    out_dim = own.out_dim if own.out_dim is not None else sum(len(table) for table in tables)
    if own.algorithm in ("ia3", "oft", "boft"):
        # Which side a single number describes is known only with the base at hand.
        in_dim, out_dim = tables[0].shape[1], sum(len(table) for table in tables)
    return replace(facts, facts=replace(own, in_dim=in_dim, out_dim=out_dim))


def _target(name: str, tensors: ModuleTensors, places: tuple[Place, ...]) -> Target:
    # A copy of its own: the reader's arrays are views of the file that nobody may write to.
    factors = {factor: torch.from_numpy(np.array(array)) for factor, array in tensors.tensors.items()}
    if tensors.turns_kernels and places[0].weight.dim() > 2:
        # The inverse rotation, which is that of the negative generator.
        factors["r"] = -factors["r"]
    from_peft = tensors.facts is not None and "ia3_l" in tensors.facts.factors
    if from_peft and not bool(factors["on_input"]):
        # PEFT scales what a layer gives, its bias with it.
        factors[deltas.SCALES_BIAS] = torch.tensor(1.0)
    return Target(name, tensors.algorithm, factors, tensors.alpha, places)


def _misfit(target: Target) -> str | None:
    """Why the target does not fit its places, or None. Shapes only: nothing is multiplied."""
    for place in target.places:
        wanted = None if place.rows is None else place.rows.stop - place.rows.start
        if wanted is not None and wanted != len(place.weight):
            return f"{place.path} gets {wanted} rows from {target.name} and has {len(place.weight)}"
    shape = target.shape
    meta = {name: tensor.to("meta") for name, tensor in target.factors.items()}
    try:
        problem = _weight_misfit(target, meta, shape) if deltas.changes_weight(meta) else None
        bias = deltas.bias_delta(target.algorithm, meta, target.alpha)
    except KeyError as error:
        raise UnsupportedAdapter(f"{target.name} lacks its factor {error}.") from None
    except (RuntimeError, IndexError):
        return f"the factors of {target.name} do not multiply"
    if problem is None and bias is not None:
        problem = _bias_misfit(target, bias, shape[0])
    return problem


def _weight_misfit(target: Target, meta: Mapping[str, Tensor], shape: torch.Size) -> str | None:
    if len(shape) > 1 and (problem := relative.misfit(target.algorithm, target.factors, tuple(shape))):
        return f"{target.name} {problem}"
    if target.algorithm in ("ia3", "oft", "boft"):
        return None if len(shape) > 1 else f"{target.name} turns a weight of one axis"
    if target.algorithm == "glora" or "set_weight" in meta:
        relative.relative_delta(target.algorithm, _without_magnitude(meta), target.alpha, _empty(shape))
        return None
    change = deltas.delta(target.algorithm, meta, target.alpha)
    if deltas.fit(change, shape) is None:
        return f"{target.path} is {list(change.shape)} in the adapter and {list(shape)} in the base"
    return None


def _bias_misfit(target: Target, bias: Tensor, outputs: int) -> str | None:
    if bias.numel() != outputs:
        return f"the bias of {target.name} has {bias.numel()} entries for {outputs} outputs"
    if target.bias() is None and not all(isinstance(p.module, nn.Linear | nn.Conv2d) for p in target.places):
        return f"{target.path} has no bias, and {target.name} changes it"
    return None


def _without_magnitude(factors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in factors.items() if name != "dora_scale"}


def _empty(shape: torch.Size) -> Tensor:
    return torch.empty(shape, device="meta")


def _truncated(target: Target, rank: int) -> Target:
    factors = target.factors
    if deltas.thin(target.algorithm, factors, target.alpha) is None:
        return target
    # The scale stays that of the whole rank, as AUTOMATIC1111 has it.
    whole = factors["down"].shape[0]
    alpha = target.alpha if target.alpha else float(whole)
    kept = min(rank, whole)
    cut = {**factors, "up": factors["up"][:, :kept], "down": factors["down"][:kept]}
    return replace(target, factors=cut, alpha=alpha * kept / whole)


def _check_finite(targets: Sequence[Target]) -> None:
    for target in targets:
        if target.alpha is not None and not math.isfinite(target.alpha):
            raise NonFiniteAdapter(f"{target.path} has an alpha of {target.alpha}.")
        for name, tensor in target.factors.items():
            if not bool(torch.isfinite(tensor).all()):
                raise NonFiniteAdapter(f"{target.path} holds NaN or infinity in its factor {name}.")
