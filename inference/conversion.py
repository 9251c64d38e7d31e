"""Makes a better file of one that programs cannot load: pickles, wrong names, other dialects.

Every result is read again before it gets its name: same family, same modules, the dialect asked for, and the
same change to the model. The file given is never touched, and no output is replaced unless told to.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from inference.confined import Limits, run_confined
from inference.converter_errors import NotConvertible, NothingToRepair
from registry.weights import Inspection, inspect_file, open_container, read_header
from registry.weights.header import Header
from registry.weights.modules import ModuleFacts, group_modules
from registry.weights.peft_config import KEY as PEFT_CONFIG
from registry.weights.pickles import PICKLE_KINDS
from registry.weights.redialect import DIALECTS, module_scale, write_dialect
from registry.weights.repair import find_repair
from registry.weights.tensors import TensorFile
from registry.weights.writer import check_free, publish, workplace, write_renamed

NOTE = "kura_conversion"
"""The metadata key that tells what was done to the file."""
UNPICKLE = "inference.engine.unpickle"
_TWO_ENCODERS = ("sdxl", "ssd1b", "sdxl_refiner")
_PICKLE_NAMES = (".ckpt", ".pt", ".pth", ".bin")
_CLOSE = 1e-6


@dataclass(slots=True)
class Conversion:
    """What was done. `steps`: unpickled, repaired, converted; `notes` are sentences for a person."""

    source: Path
    output: Path
    steps: list[str] = field(default_factory=list)
    renamed: int = 0
    notes: list[str] = field(default_factory=list)
    adapter_config: dict[str, Any] | None = None
    inspection: Inspection | None = None

    def as_dict(self) -> dict[str, Any]:
        """What `manage.py convert --json` prints."""
        return {
            "source": str(self.source),
            "output": str(self.output),
            "steps": self.steps,
            "renamed": self.renamed,
            "notes": self.notes,
            "adapter_config": self.adapter_config,
            "inspection": self.inspection.as_dict() if self.inspection else None,
        }


def convert_file(
    source: Path,
    output: Path,
    *,
    to: str | None = None,
    overwrite: bool = False,
    limits: Limits | None = None,
) -> Conversion:
    """Make `output`, a safetensors file that programs load, of `source`.

    A pickle is unpickled in a process of its own, wrong names are put right, and with `to` (kohya,
    diffusers, peft) the file is written in that dialect. Raises NothingToRepair when there is nothing to
    do, NotConvertible or another ConverterError, or a WeightsError; then nothing was written.
    """
    check_free(output, overwrite=overwrite)
    container = open_container(source).kind
    if overwrite and output.exists() and output.samefile(source):
        raise NotConvertible("IN and OUT are one file.", next_step="Write to another name, then replace it.")
    done = Conversion(source, output)
    with workplace(output) as folder:
        current = source
        if _is_pickle(source, container):
            # Only an archive's tensors can be mapped from the file; the rest has to fit into memory.
            mapped = source.stat().st_size if container == "zip" else 0
            current = _unpickled(source, folder, done, limits or Limits.from_settings(), mapped)
        current = _repaired(current, folder, done)
        if to is not None:
            current = _in_dialect(current, folder, done, to)
        if not done.steps:
            raise NothingToRepair(f"The names in {source.name} are sound.")
        done.inspection = replace(inspect_file(current), path=str(output))
        publish(current, output, overwrite=overwrite)
    return done


def _is_pickle(source: Path, container: str) -> bool:
    """By the bytes; by the name only where the bytes tell nothing, as old tar files do."""
    return container in PICKLE_KINDS or (container == "unknown" and source.suffix.lower() in _PICKLE_NAMES)


def _unpickled(source: Path, folder: Path, done: Conversion, limits: Limits, mapped: int) -> Path:
    target = folder / "unpickled"
    order = {"source": str(source.resolve()), "target": str(target), "name": source.name}
    told = run_confined(UNPICKLE, order, folder=folder, limits=limits, mapped=mapped)
    done.steps.append("unpickled")
    if told["left_out"]:
        done.notes.append(f"Not tensors, so left out: {', '.join(told['left_out'])}.")
    if told["not_finite"]:
        done.notes.append(f"NaN or infinity was kept in: {', '.join(told['not_finite'])}.")
    if told["shared"]:
        done.notes.append(f"{told['shared']} tensors shared their numbers with others; each has its own now.")
    read = inspect_file(target, hashes=False)
    if not read.valid:
        raise NotConvertible("What was unpickled is no valid safetensors file.")
    return target


def _repaired(current: Path, folder: Path, done: Conversion) -> Path:
    header = _whole(current)
    before = inspect_file(current, hashes=False)
    found = find_repair(header, two_encoders=_two_encoders(before))
    if found is None:
        return current
    target = folder / "repaired"
    metadata = _noted(header.metadata, f"{len(found.names)} tensors renamed; numbers untouched.")
    write_renamed(current, header, target, found.names, metadata)
    _verify(current, target, before, (found.dialect,))
    done.steps.append("repaired")
    done.renamed = len(found.names)
    done.notes.append(f"{len(found.names)} tensors got the names of the {found.dialect} dialect.")
    if found.left:
        done.notes.append(f"{len(found.left)} tensors belong to no layer and kept their names.")
    if not any(name.endswith("alpha") for name in header.tensors) and PEFT_CONFIG not in header.metadata:
        done.notes.append("The file has no alpha, so its strength is taken as 1 (alpha = rank).")
    return target


def _in_dialect(current: Path, folder: Path, done: Conversion, to: str) -> Path:
    header = _whole(current)
    before = inspect_file(current, hashes=False)
    if before.dialect == DIALECTS[to] and all(part["dialect"] == DIALECTS[to] for part in before.components):
        return current
    target = folder / "converted"
    metadata = _noted(header.metadata, f"written in the {to} dialect.")
    change = write_dialect(current, header, target, to, metadata, two_encoders=_two_encoders(before))
    _verify(current, target, before, (DIALECTS[to],))
    done.steps.append("converted")
    if change.folded:
        done.notes.append(f"alpha was folded into the up factors of {change.folded} modules.")
    if change.widened:
        done.notes.append(f"{change.widened} up factors became float32, so that folding lost nothing.")
    done.adapter_config = change.adapter_config
    return target


def _whole(path: Path) -> Header:
    header = read_header(path)
    if header.error is not None:
        raise header.error
    return header


def _two_encoders(read: Inspection) -> bool:
    """Whether the model has SDXL's two text encoders, which decides how kohya numbers them."""
    components = {part["name"] for part in read.components}
    possible = {read.family} if read.family != "unknown" else set(read.family_candidates)
    return "text_encoder_2" in components or (bool(possible) and possible <= set(_TWO_ENCODERS))


def _noted(metadata: dict[str, str], what: str) -> dict[str, str]:
    before = metadata.get(NOTE)
    return metadata | {NOTE: f"{before} {what}" if before else what}


def _verify(source: Path, target: Path, before: Inspection, dialects: tuple[str, ...]) -> None:
    """Read the result again. Raises NotConvertible unless it is the same adapter, and a better file."""
    after = inspect_file(target, hashes=False)
    if not after.valid:
        raise NotConvertible(f"The result would not be valid: {after.error}.")
    if before.family not in (after.family, "unknown"):
        raise NotConvertible(f"The result would read as {after.family}, not {before.family}.")
    wrong = {part["dialect"] for part in after.components} - set(dialects)
    if wrong:
        raise NotConvertible(f"A part of the result would be in the dialect {min(wrong)}.")
    graver = _errors(after) - _errors(before)
    if graver or after.modules < before.modules:
        raise NotConvertible(
            f"The result would be a worse file: {', '.join(sorted(graver)) or 'fewer modules'}."
        )
    _compare(source, target)


def _errors(read: Inspection) -> set[str]:
    return {finding["code"] for finding in read.findings if finding["severity"] == "error"}


def _compare(source: Path, target: Path) -> None:
    """Every factor of the source stands in the result, on the same layer and with the same strength."""
    old, new = _whole(source), _whole(target)
    by_layer = {_layer(module): module for module in group_modules(new)[0]}
    with TensorFile(source, old) as old_file, TensorFile(target, new) as new_file:
        for module in group_modules(old)[0]:
            other = by_layer.get(_layer(module))
            if other is None:
                # A name that meant nothing before may mean a layer now; its tensors are all there.
                if module.where.known:
                    raise NotConvertible(f"{module.name[:120]} would be lost.")
                continue
            scales = (
                module_scale(module, old_file),
                module_scale(other, new_file),
            )
            if not _same(module, other, old_file, new_file, scales):
                raise NotConvertible(f"{module.name[:120]} would change the model in another way.")


def _layer(module: ModuleFacts) -> tuple[str, str]:
    return module.where.component, module.where.flat if not module.where.known else module.where.path


def _same(
    module: ModuleFacts, other: ModuleFacts, old: TensorFile, new: TensorFile, scales: tuple[float, float]
) -> bool:
    for factor, name in module.factors.items():
        if factor in ("alpha", "scale"):
            continue
        if factor not in other.factors:
            return False
        before, after = old.read(name), new.read(other.factors[factor])
        if factor == "up":
            first = before.astype(np.float64) * scales[0]
            second = after.astype(np.float64) * scales[1]
            if not np.allclose(first, second, rtol=_CLOSE, atol=0, equal_nan=True):
                return False
        elif not np.array_equal(before, after, equal_nan=before.dtype.kind in "fc"):
            return False
    return True


def report_text(done: Conversion) -> str:
    """The conversion in words."""
    read = done.inspection
    lines = [f"{done.output}: {', '.join(done.steps)}."]
    if read is not None:
        lines.append(f"  {read.kind}, {read.family}, {read.modules} modules, dialect {read.dialect}")
    lines += [f"  {note}" for note in done.notes]
    if done.adapter_config is not None:
        lines.append(f"  adapter_config.json for PEFT: {json.dumps(done.adapter_config)}")
    return "\n".join(lines)
