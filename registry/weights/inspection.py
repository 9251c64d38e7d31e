"""One adapter file read as a whole: the object that `manage.py inspect` prints."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .blocks import touched_blocks
from .container import HEADER_LIMIT, Container, open_container, second_natures
from .declared_base import DeclaredBase
from .digests import Digests, digest_file
from .embeddings import embedding_families, learned_tokens
from .errors import Unreadable, WeightsError
from .families import FamilyReading, read_family
from .findings import ERROR, Finding, findings_of
from .header import Header
from .kinds import is_flux_control, kind_of
from .modules import ModuleFacts, group_modules, rank_range, read_alpha
from .names import name_problem
from .pickles import PICKLE_KINDS, scan_pickles
from .scalars import ScalarFile
from .training import TrainingReading, read_training

_MAJORITY = 0.9


@dataclass(frozen=True, slots=True)
class Inspection:
    """Everything the bytes tell. The fields are the contract's keys, in its order; see `as_dict`.

    `declared_base` is None or `{value, source, family}`; `training` is None where the metadata states
    nothing, else only what it states. `findings` of severity `error` keep a file unvetted.
    """

    path: str
    size: int | None
    container: str
    valid: bool
    error: dict[str, str] | None
    kind: str
    algorithm: str | None
    weight_decomposed: bool
    dialect: str | None
    family: str
    family_candidates: list[str]
    modules: int
    rank: dict[str, int] | None
    components: list[dict[str, Any]]
    blocks: list[str]
    declared_base: dict[str, str | None] | None
    base_conflict: bool
    trigger_words: list[dict[str, str]]
    training: dict[str, Any] | None
    hashes: dict[str, str | None] | None
    findings: list[dict[str, str]]

    def as_dict(self) -> dict[str, Any]:
        """The contract's object: plain JSON values, keys in order."""
        return {name: getattr(self, name) for name in self.__slots__}


def inspect_file(
    path: str | os.PathLike[str],
    *,
    hashes: bool = True,
    digests: Digests | None = None,
    header_limit: int = HEADER_LIMIT,
) -> Inspection:
    """Read the file `path` and say everything its bytes tell; never raises for what the file holds.

    With `hashes` the whole file is read: its digests are computed and its numbers checked for NaN and
    infinity; `digests` already computed elsewhere (while copying) are taken over. Without, only the header
    and the alphas are read. A header of more than `header_limit` bytes is not read. Of pickles the findings
    tell what they would import; none is loaded. A path that cannot be read gives an Inspection with `error`
    set, as the `kind` unreadable.
    """
    return _told_of_name(_read(path, hashes, digests, header_limit), Path(path).name)


def _read(
    path: str | os.PathLike[str], hashes: bool, digests: Digests | None, header_limit: int
) -> Inspection:
    name = os.fspath(path)
    try:
        container = open_container(path, header_limit=header_limit)
        if hashes and digests is None:
            digests = digest_file(path)
        shown = digests.as_dict() if hashes and digests else None
        if container.header is None:
            found = scan_pickles(path).findings() if container.kind in PICKLE_KINDS else ()
            return _nothing(name, container.size, container.kind, _error(container), shown, found)
        with ScalarFile(path, container.header) as file:
            also = second_natures(path)
            return _with_header(
                name, container, container.header, shown, file=file, numbers=hashes, also=also
            )
    except Unreadable as error:
        return _nothing(name, None, "unknown", _named(error), None)


def inspect_header(name: str, container: Container) -> Inspection:
    """What the header alone tells of a file called `name` that lies elsewhere.

    As `inspect_file` without hashes, except for what only the rest of the bytes tell: alphas that are
    tensors, and whether the file can be opened as something else, too.
    """
    if container.header is None:
        read = _nothing(name, container.size, container.kind, _error(container), None)
    else:
        read = _with_header(name, container, container.header, None)
    return _told_of_name(read, name)


def _told_of_name(read: Inspection, name: str) -> Inspection:
    problem = name_problem(name)
    if problem is None or read.size is None:
        return read
    return replace(read, findings=[Finding("misleading_name", ERROR, problem).as_dict(), *read.findings])


def _nothing(
    name: str,
    size: int | None,
    container: str,
    error: dict[str, str] | None,
    hashes: dict[str, str | None] | None,
    findings: Iterable[Finding] = (),
) -> Inspection:
    return Inspection(
        path=name,
        size=size,
        container=container,
        valid=False,
        error=error,
        kind="unreadable",
        algorithm=None,
        weight_decomposed=False,
        dialect=None,
        family="unknown",
        family_candidates=[],
        modules=0,
        rank=None,
        components=[],
        blocks=[],
        declared_base=None,
        base_conflict=False,
        trigger_words=[],
        training=None,
        hashes=hashes,
        findings=[finding.as_dict() for finding in findings],
    )


def _error(container: Container) -> dict[str, str] | None:
    return None if container.error is None else _named(container.error)


def _named(error: WeightsError) -> dict[str, str]:
    return {"code": error.code, "message": f"{error.message} {error.next_step}"}


def _with_header(
    path: str,
    container: Container,
    header: Header,
    hashes: dict[str, str | None] | None,
    *,
    file: ScalarFile | None = None,
    numbers: bool = False,
    also: Iterable[str] = (),
) -> Inspection:
    modules, rest = group_modules(header)
    modules = _as_control(modules, rest)
    tokens = learned_tokens(header.tensors, rest)
    autov3 = hashes["autov3"] if hashes else None
    training = read_training(header.metadata, tokens, autov3=autov3, header_length=header.length)
    kind = kind_of(header.tensors, modules, rest)
    dialect = file_dialect(modules)
    declared = training.declared
    family = read_family(modules, dialect, declared.family if declared else None, training.trainer)
    if kind == "embedding":
        possible = embedding_families(header.tensors)
        family = FamilyReading(possible[0]) if len(possible) == 1 else FamilyReading("unknown", possible)
    conflict = bases_conflict(declared, family)
    not_finite: list[str] = []
    if modules and file is not None:
        modules = [read_alpha(module, file) for module in modules]
        # Only where the tensors are known not to overlap: else one byte could be read a million times.
        if numbers and container.valid:
            not_finite = file.not_finite(header.tensors)
    findings = findings_of(
        header=header,
        modules=modules,
        rest=rest,
        tokens=tokens,
        kind=kind,
        dialect=dialect,
        family=family,
        conflict=conflict,
        training=training,
        not_finite=not_finite,
        also=also,
        file_name=Path(path).name,
    )
    return Inspection(
        path=path,
        size=container.size,
        container=container.kind,
        valid=container.valid,
        error=_error(container),
        kind=kind,
        algorithm=file_algorithm(modules),
        weight_decomposed=any(m.facts.dora for m in modules),
        dialect=dialect,
        family=family.family,
        family_candidates=family.candidates,
        modules=len(modules),
        rank=rank_range(modules),
        components=_components(modules),
        blocks=touched_blocks(modules, family.family),
        declared_base=declared.as_dict() if declared else None,
        base_conflict=conflict,
        trigger_words=_words(training),
        training=training.facts or None,
        hashes=hashes,
        findings=[finding.as_dict() for finding in findings],
    )


def _as_control(modules: list[ModuleFacts], rest: list[str]) -> list[ModuleFacts]:
    """Black Forest Labs' control files share their names with plain ones; only the whole file tells."""
    if not is_flux_control(modules, rest):
        return modules
    return [
        replace(m, where=replace(m.where, dialect="bfl_control"))
        if m.where.dialect in ("bfl", "unprefixed")
        else m
        for m in modules
    ]


def file_algorithm(modules: Iterable[ModuleFacts]) -> str | None:
    """The algorithm that holds more than 90 % of the modules, else mixed; LoRA with any convolution is LoCon.

    Differences of norms and biases beside another algorithm do not count, while they are the fewer: the
    trainers of fast video adapters add them to every block.
    """
    read = [m for m in modules if m.algorithm != "unknown"]
    matrices = [m for m in read if not m.facts.vector]
    counts = Counter(m.algorithm for m in (matrices if 2 * len(matrices) > len(read) else read))
    if not counts:
        return None
    convolutional = counts.pop("locon", 0)
    if convolutional:
        counts["locon"] = convolutional + counts.pop("lora", 0)
    name, count = counts.most_common(1)[0]
    return name if count > _MAJORITY * counts.total() else "mixed"


def file_dialect(modules: Iterable[ModuleFacts]) -> str | None:
    """The dialect of the denoiser's modules, else of the text encoders'; mixed when they do not agree."""
    every = list(modules)
    denoiser = {m.where.dialect for m in every if not m.where.component.startswith("text_encoder")}
    dialects = denoiser or {m.where.dialect for m in every}
    if not dialects:
        return None
    return next(iter(dialects)) if len(dialects) == 1 else "mixed"


def bases_conflict(declared: DeclaredBase | None, family: FamilyReading) -> bool:
    """Whether the metadata names a family that the layers rule out."""
    if declared is None or not declared.families:
        return False
    possible = {family.family, *family.candidates} - {"unknown"}
    return bool(possible) and possible.isdisjoint(declared.families)


def _components(modules: Iterable[ModuleFacts]) -> list[dict[str, Any]]:
    grouped: dict[str, list[ModuleFacts]] = {}
    for module in modules:
        grouped.setdefault(module.where.component, []).append(module)
    return [
        {"name": name, "modules": len(group), "dialect": _one_dialect(group)}
        for name, group in sorted(grouped.items())
    ]


def _one_dialect(modules: list[ModuleFacts]) -> str:
    dialects = {m.where.dialect for m in modules}
    return next(iter(dialects)) if len(dialects) == 1 else "mixed"


def _words(training: TrainingReading) -> list[dict[str, str]]:
    return [{"word": word, "source": source} for word, source in training.trigger_words]
