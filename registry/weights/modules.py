"""The modules of an adapter file, as its names and shapes tell them."""

from __future__ import annotations

import os
import statistics
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from .algorithms import AlgorithmFacts, describe
from .container import read_header
from .dialects import ModuleName, read_names
from .header import Header
from .keys import KeyedModule, split_keys
from .peft_config import AlphaRule, alpha_rules
from .scalars import ScalarFile

# The dialects of files that PEFT may have written.
PEFT_DIALECTS = frozenset({"diffusers_peft", "diffusers_lora", "peft_raw", "unprefixed", "bfl"})


@dataclass(frozen=True, slots=True)
class ModuleFacts:
    """One module as the names and shapes tell it.

    `alpha` is read from the data section, or from PEFT's configuration in the metadata where the file has no
    alpha of its own; None when nothing states it. Of a layer adapted in parts it is the first part's.
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
    """The modules of a header, in its order, and the tensor names that belong to none. Reads no numbers:
    alphas are those of the metadata only.
    """
    keyed, rest = split_keys(header.tensors)
    rules = alpha_rules(header.metadata)
    modules = [
        _stated(_facts(module, where, header), rules)
        for module, where in zip(keyed.values(), read_names(keyed.values()), strict=True)
    ]
    return modules, rest


def _facts(module: KeyedModule, where: ModuleName, header: Header) -> ModuleFacts:
    shapes = {factor: header.tensors[key].shape for factor, key in module.factors.items()}
    facts = describe(shapes, counts_blocks=module.name.startswith("oft_"))
    return ModuleFacts(module.name, where, facts, module.factors)


def _stated(module: ModuleFacts, rules: Mapping[str, AlphaRule]) -> ModuleFacts:
    """The module with the alpha that PEFT's configuration gives it."""
    where, rank = module.where, module.facts.rank
    rule = rules.get(where.component) or rules.get("")
    if rule is None or not rank or where.dialect not in PEFT_DIALECTS or module.facts.algorithm != "lora":
        return module
    if any(factor.partition(".")[0] == "alpha" for factor in module.factors):
        return module
    if rule.unread:
        problem = f"has its alpha under the pattern {rule.unread[:80]!r}, which is not understood"
        return replace(module, facts=replace(module.facts, problem=module.facts.problem or problem))
    path = module.name.removeprefix(f"{where.component}.").removeprefix("base_model.model.")
    return replace(module, alpha=rule.alpha(path, rank))


def read_alpha(module: ModuleFacts, file: ScalarFile) -> ModuleFacts:
    """The module with its alpha read from `file`, where the file has one for it."""
    key = module.factors.get("alpha") or next(
        (key for factor, key in sorted(module.factors.items()) if factor.startswith("alpha.")), None
    )
    return module if key is None else replace(module, alpha=file.read_number(key))


def rank_range(modules: Iterable[ModuleFacts]) -> dict[str, int] | None:
    """The least, median and largest rank; None where no module has one."""
    ranks = [module.rank for module in modules if module.rank is not None]
    if not ranks:
        return None
    return {"min": min(ranks), "median": statistics.median_low(ranks), "max": max(ranks)}


def iter_modules(path: str | os.PathLike[str]) -> Iterator[ModuleFacts]:
    """Facts of each module of the file `path`, alphas included. Raises Unreadable or a ContainerError."""
    header = read_header(path)
    modules, _ = group_modules(header)
    if not modules:
        return
    with ScalarFile(path, header) as file:
        for module in modules:
            yield read_alpha(module, file)
