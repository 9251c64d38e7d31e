"""What a person should know of an adapter file beyond its facts, each with a stable code and a severity.

`error` keeps a file unvetted, `warning` asks a reviewer to look, `info` only tells.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .embeddings import rows_of
from .families import FamilyReading
from .file_notes import notes_of
from .header import Header
from .keys import quantization_leftovers
from .modules import ModuleFacts
from .sub_families import function_of, sub_family_of
from .training import TrainingReading

ERROR, WARNING, INFO = "error", "warning", "info"

_SEVERITY = {
    "impossible_shapes": WARNING,
    "unfamiliar_layers": WARNING,
    "family_from_metadata": WARNING,
    "contradicting_layers": WARNING,
    "placeholder_hash": INFO,
    "stale_hash": INFO,
    "nul_in_metadata": WARNING,
}
# Of a file that is safetensors and another format at once.
_SECOND_NATURES = {"zip": "zip archive", "tar": "tar archive", "pickle": "pickle that imports something"}
_LONG_NAME = 512
_MANY_TENSORS = 20_000


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding; `code` is stable, `message` is one or two sentences for a person."""

    code: str
    severity: str
    message: str

    def as_dict(self) -> dict[str, str]:
        return {"code": self.code, "severity": self.severity, "message": self.message}


def findings_of(
    *,
    header: Header,
    modules: list[ModuleFacts],
    rest: list[str],
    tokens: Mapping[str, list[str]],
    kind: str,
    dialect: str | None,
    family: FamilyReading,
    conflict: bool,
    training: TrainingReading,
    not_finite: list[str],
    also: Iterable[str],
    file_name: str = "",
) -> list[Finding]:
    """Every finding of one file, the gravest first."""
    found = [
        *_of_tensors(header, not_finite, also),
        *_of_modules(modules),
        *_of_names(header, modules, rest, tokens, kind, dialect),
        *(
            Finding(*note)
            for note in notes_of(modules, rest, header.metadata, training.facts, kind, file_name)
        ),
        *(Finding(code, _SEVERITY[code], text) for code, text in (*family.reasons, *training.findings)),
    ]
    if conflict and training.declared is not None:
        detected = family.family if family.family != "unknown" else f"one of {', '.join(family.candidates)}"
        called = training.declared.family or training.declared.value
        told = f"The metadata calls the base {called}; the layers are those of {detected}."
        found.append(Finding("base_conflict", WARNING, told))
    if family.family == "unknown" and kind == "adapter":
        told = f"The bytes allow {', '.join(family.candidates) or 'no known family'}."
        found.append(Finding("family_unknown", WARNING, told))
    if kind == "adapter":
        found += _hints(header, modules, family, file_name)
    order = (ERROR, WARNING, INFO)
    return sorted(found, key=lambda finding: order.index(finding.severity))


def _of_tensors(header: Header, not_finite: list[str], also: Iterable[str]) -> Iterable[Finding]:
    for kind in also:
        told = f"The file can be opened as a {_SECOND_NATURES[kind]}, too; it hides something."
        yield Finding(f"{kind}_inside", ERROR, told)
    if header.repeated:
        told = (
            f"{len(header.repeated)} names are given more than once, {header.repeated[0][:120]!r} among them."
        )
        yield Finding("duplicate_keys", ERROR, told)
    if not_finite:
        told = f"{len(not_finite)} tensors hold NaN or infinity, {not_finite[0][:120]!r} among them."
        yield Finding("not_finite", ERROR, told)
    if len(header.tensors) > _MANY_TENSORS:
        yield Finding("many_tensors", ERROR, f"{len(header.tensors)} tensors; no adapter has so many.")
    strange = [n for n in header.tensors if not n or len(n) > _LONG_NAME or not n.isprintable()]
    if strange:
        told = f"{len(strange)} tensor names are empty, very long or hold control characters."
        yield Finding("strange_tensor_names", ERROR, told)


def _of_modules(modules: list[ModuleFacts]) -> Iterable[Finding]:
    damaged = [m for m in modules if m.facts.problem]
    if damaged:
        first = damaged[0]
        told = f"{len(damaged)} modules are damaged: {first.name[:120]} {first.facts.problem}."
        yield Finding("damaged_modules", ERROR, told)
    empty = [m for m in modules if m.rank == 0]
    if empty:
        yield Finding("rank_zero", WARNING, f"{len(empty)} modules have rank 0 and change nothing.")
    scales = {
        m.alpha / m.rank
        for m in modules
        if m.alpha is not None and m.rank and m.facts.algorithm not in ("oft", "boft")
    }
    if len(scales) > 1:
        told = "alpha / rank differs between modules; some programs apply one value to all."
        yield Finding("alpha_varies", INFO, told)
    algorithms = Counter("lora" if m.algorithm == "locon" else m.algorithm for m in modules)
    if len(algorithms) > 1:
        shares = ", ".join(f"{count} {name}" for name, count in algorithms.most_common())
        yield Finding("several_algorithms", INFO, f"The modules are {shares}.")


def _of_names(
    header: Header,
    modules: list[ModuleFacts],
    rest: list[str],
    tokens: Mapping[str, list[str]],
    kind: str,
    dialect: str | None,
) -> Iterable[Finding]:
    if dialect == "broken_rename" or any(m.where.dialect == "broken_rename" for m in modules):
        told = "The names were rewritten wrongly: no program loads this before `manage.py convert` mends it."
        yield Finding("broken_rename", ERROR, told)
    if kind == "language_adapter":
        yield Finding("language_adapter", ERROR, "This adapts a language model, not an image model.")
    if tokens:
        shown = ", ".join(
            f"{token[:80]} ({_vectors(header, token, names)})" for token, names in list(tokens.items())[:5]
        )
        told = f"Brings learned tokens of its own, with so many vectors: {shown}."
        yield Finding("bundled_embeddings", INFO, told)
    held = {name for names in tokens.values() for name in names} | set(quantization_leftovers(rest))
    left = [name for name in rest if name not in held]
    if modules and left and kind != "control_adapter":
        told = f"{len(left)} tensors belong to no module, {left[0][:120]!r} among them."
        yield Finding("unmatched_keys", WARNING, told)
    unknown = [m for m in modules if not m.where.known and m.where.component in ("unet", "other")]
    if unknown and kind == "adapter":
        told = f"{len(unknown)} modules name no known layer, {unknown[0].name[:120]!r} among them."
        yield Finding("unknown_layers", WARNING, told)


def _vectors(header: Header, token: str, names: Iterable[str]) -> int:
    """How many vectors a token has; each text encoder has as many of its own."""
    shapes = [(name, header.tensors[name].shape) for name in names]
    counts = (len(range(s[0])[rows_of(token, name)]) if len(s) == 2 else 1 for name, s in shapes)
    return max(counts, default=0)


def _hints(
    header: Header, modules: list[ModuleFacts], family: FamilyReading, file_name: str
) -> Iterable[Finding]:
    """What only names, tags and settings say: never a decision."""
    if (found := sub_family_of(header.metadata, family.family, modules, file_name)) is not None:
        told = f"Perhaps made for {found.name}: {found.evidence}."
        yield Finding("sub_family_hint", INFO, told)
    if (found := function_of(header.metadata, file_name)) is not None:
        told = f"Perhaps made to need fewer steps ({found.name}): {found.evidence}."
        yield Finding("function_hint", INFO, told)
