"""The modules of an adapter file, as its names and shapes tell them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from .algorithms import AlgorithmFacts, describe
from .container import read_header
from .dialects import ModuleName, read_name
from .header import Header
from .keys import KeyedModule, split_keys
from .scalars import ScalarFile


@dataclass(frozen=True, slots=True)
class ModuleFacts:
    """One module as the names and shapes tell it; `alpha` is read from the data section, None when there is
    none.
    """

    name: str
    where: ModuleName
    facts: AlgorithmFacts
    factors: Mapping[str, str]
    alpha: float | None = None

    @property
    def algorithm(self) -> str:
        """lora, locon (a convolution with a kernel over 1), loha, lokr, ia3, oft, boft, glora, full or
        unknown.
        """
        return (
            "locon" if self.facts.algorithm == "lora" and self.facts.is_convolution else self.facts.algorithm
        )

    @property
    def rank(self) -> int | None:
        return self.facts.rank

    @property
    def in_dim(self) -> int | None:
        return self.facts.in_dim

    @property
    def out_dim(self) -> int | None:
        return self.facts.out_dim


def group_modules(header: Header) -> tuple[list[ModuleFacts], list[str]]:
    """The modules of a header, in its order, and the tensor names that belong to none. Reads no numbers."""
    keyed, rest = split_keys(header.tensors)
    return [_facts(module, header) for module in keyed.values()], rest


def _facts(module: KeyedModule, header: Header) -> ModuleFacts:
    shapes = {factor: header.tensors[key].shape for factor, key in module.factors.items()}
    return ModuleFacts(module.name, read_name(module), describe(shapes), module.factors)


def iter_modules(path: str | os.PathLike[str]) -> Iterator[ModuleFacts]:
    """Facts of each module of the file `path`, alphas included. Raises Unreadable or a ContainerError."""
    header = read_header(path)
    modules, _ = group_modules(header)
    if not modules:
        return
    with ScalarFile(path, header) as file:
        for module in modules:
            key = module.factors.get("alpha")
            yield ModuleFacts(
                module.name,
                module.where,
                module.facts,
                module.factors,
                None if key is None else file.read_number(key),
            )
