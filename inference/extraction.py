"""Makes a LoRA of a full checkpoint and its base, in a process of its own, and checks what came out."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings

from inference.confined import Limits, Progress, run_confined
from inference.converter_errors import NotACheckpoint, NotConvertible
from registry.weights import Inspection, inspect_file, open_container
from registry.weights.errors import IsAFolder, Unreadable
from registry.weights.loading import load_adapter_modules
from registry.weights.pickles import PICKLE_KINDS
from registry.weights.writer import check_free, publish, workplace

EXTRACT = "inference.engine.extract"
DTYPES = ("F16", "BF16", "F32")
LARGEST_RANK = 1024
_COMPONENTS = ("unet", "text_encoder", "text_encoder_2")
_SHARD = re.compile(r"-\d{5}-of-\d{5}$")
_VARIANT = re.compile(r"\.(?:fp16|bf16|non_ema)$")


@dataclass(frozen=True, slots=True)
class Options:
    """`conv_rank` 0 leaves convolutions out; `quantile` makes `rank` a maximum; `diff` keeps all the rest."""

    rank: int
    conv_rank: int = 0
    quantile: float | None = None
    dtype: str = "F16"
    diff: bool = False


@dataclass(frozen=True, slots=True)
class Extraction:
    """What was made. `report` is the engine's: errors for each block and overall, and what was left out."""

    output: Path
    report: dict[str, Any]
    inspection: Inspection

    def as_dict(self) -> dict[str, Any]:
        """What `manage.py extract --json` prints."""
        return {"output": str(self.output), **self.report, "inspection": self.inspection.as_dict()}


def extract_lora(
    checkpoint: Path,
    base: Path,
    output: Path,
    options: Options,
    *,
    overwrite: bool = False,
    limits: Limits | None = None,
    progress: Progress | None = None,
) -> Extraction:
    """Write to `output` what `checkpoint` adds to `base`, as a LoRA in kohya's dialect.

    Both are safetensors files or diffusers folders. Raises NotACheckpoint, CheckpointsDiffer,
    NothingToExtract, NotConvertible or another ConverterError; then nothing was written.
    """
    check_free(output, overwrite=overwrite)
    files = [_files(checkpoint), _files(base)]
    if limits is None:
        threads = settings.INFERENCE_THREADS or os.cpu_count() or 1
        limits = Limits.from_settings(threads=threads)
    with workplace(output) as folder:
        target = folder / "extracted"
        order = {
            "checkpoint": [[component, str(path)] for component, path in files[0]],
            "base": [[component, str(path)] for component, path in files[1]],
            "names": [checkpoint.name, base.name],
            "target": str(target),
            "output": output.name,
            "rank": options.rank,
            "conv_rank": options.conv_rank,
            "quantile": options.quantile,
            "dtype": options.dtype,
            "diff": options.diff,
        }
        report = run_confined(EXTRACT, order, folder=folder, limits=limits, progress=progress)
        _check(target)
        inspection = inspect_file(target)
        publish(target, output, overwrite=overwrite)
    return Extraction(output, report, inspection)


def _files(model: Path) -> list[tuple[str, Path]]:
    """The weights of one model: `(component, file)`, component "" for a single file."""
    try:
        container = open_container(model)
    except IsAFolder:
        return _folder_files(model)
    except Unreadable as error:
        raise Unreadable(f"{model.name[:100]}: {error.message}") from None
    if container.kind in PICKLE_KINDS:
        raise NotACheckpoint(
            f"{model.name} is a pickle.", next_step="Make a safetensors file of it with `manage.py convert`."
        )
    if container.error is not None:
        raise type(container.error)(f"{model.name}: {container.error.message}")
    return [("", model.resolve())]


def _folder_files(model: Path) -> list[tuple[str, Path]]:
    found = []
    try:
        for component in _COMPONENTS:
            found += [(component, path.resolve()) for path in _weights(model / component)]
    except OSError as error:
        raise Unreadable(f"{model.name[:100]}: {error.strerror or 'It could not be read'}.") from None
    if not found:
        raise NotACheckpoint(f"The folder {model.name} holds no unet or text_encoder with safetensors files.")
    return found


def _weights(folder: Path) -> list[Path]:
    """The component's file, or its shards. Where precisions stand side by side the plain one is taken."""
    every = sorted(path for path in folder.glob("*.safetensors") if path.is_file())
    plain = [path for path in every if not _VARIANT.search(_SHARD.sub("", path.stem))] or every
    shards = [path for path in plain if _SHARD.search(path.stem)]
    return shards or plain[:1]


def _check(target: Path) -> None:
    """Raise NotConvertible unless the result is an adapter that loads whole."""
    read = inspect_file(target)
    if not read.valid or read.kind != "adapter":
        raise NotConvertible("The result would not be a valid adapter.")
    load_adapter_modules(target)


def report_text(done: Extraction) -> str:
    """The extraction in words: the error for each block and overall, and what is not in it."""
    report, read = done.report, done.inspection
    lines = [f"{done.output}: {report['modules']} modules, {read.family}, {read.algorithm}"]
    if report["rank"]:
        low, high = report["rank"]["min"], report["rank"]["max"]
        lines[0] += f", rank {low}" if low == high else f", rank {low} to {high}"
    lines.append("  block              layers    change   error")
    for name, one in [*report["blocks"].items(), ("overall", report["overall"])]:
        lines.append(f"  {name:18} {one['layers']:6} {one['change']:9.4g} {one['residual']:7.2%}")
    if report["diffs"]:
        lines.append(f"  {report['diffs']} further layers are kept whole (diff).")
    if report["left_out_count"]:
        share, count = report["left_out_share"], report["left_out_count"]
        first = ", ".join(item["layer"] for item in report["left_out"][:3])
        lines.append(f"  {count} layers changed and are left out ({share:.2%} of the change): {first} ...")
        lines.append("  Add --conv-rank for convolutions, or --diff to keep them all.")
    if report["other_size"]:
        lines.append(
            f"  Of another size than the base's, so left out: {', '.join(report['other_size'][:3])}."
        )
    if report["missing"]:
        lines.append(f"  In one of the two only: {', '.join(report['missing'][:3])} ...")
    return "\n".join(lines)
