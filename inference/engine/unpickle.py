"""From a torch pickle to safetensors: `python -m inference.engine.unpickle`, started by `inference.confined`.

Only `torch.load(weights_only=True)` ever reads the file: it makes tensors, numbers, text and their lists and
dictionaries, and refuses whatever else the pickle asks for. The process is locked in before that.
"""

from __future__ import annotations

import math
import pickle
import re
import sys
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inference.engine.confinement import Refused, run, wants_memory
from registry.terminal import one_line
from registry.weights.writer import OutputUnwritable, TensorWriter

if TYPE_CHECKING:
    from torch import Tensor

_MIB = 1 << 20
# Nested deeper, or with more in it, is no checkpoint but a riddle.
_DEEPEST, _MOST = 32, 200_000
_SHOWN = 20
_PIECE = 1 << 20
# Keys under which trainers put the weights beside what only training needs.
_WRAPPERS = ("state_dict", "model_state_dict", "module", "params_ema", "params")
_DTYPES = {
    "float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16", "int64": "I64", "int32": "I32",
    "int16": "I16", "int8": "I8", "uint8": "U8", "uint16": "U16", "uint32": "U32", "uint64": "U64",
    "bool": "BOOL", "complex64": "C64", "float8_e4m3fn": "F8_E4M3", "float8_e5m2": "F8_E5M2",
    "float8_e4m3fnuz": "F8_E4M3FNUZ", "float8_e5m2fnuz": "F8_E5M2FNUZ",
}  # fmt: skip
_ASKS_FOR = re.compile(r"GLOBAL ([\w.]+) (?:was not|whose)|Unsupported class ([\w.]+)")
# cloneofsimo's list holds up, down, up, down ... of attention only (8 a block) or with GEGLU (9).
_PTI_BLOCKS, _PTI_WITH_GEGLU = 16, 9


@dataclass
class _Found:
    """The tensors of a pickle by their flat names, and what else it held."""

    tensors: dict[str, Tensor] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    metadata: dict[str, str] = field(default_factory=dict)


def convert(order: dict[str, Any]) -> dict[str, Any]:
    """Convert `order["source"]` to `order["target"]`.

    Gives `{tensors, left_out, not_finite, shared, metadata}`: counts, and the first names of what was left
    out or holds NaN or infinity. Raises Refused.
    """
    source, limits = Path(order["source"]), order["limits"]
    loaded = _load(source, limits)
    found = _collect(loaded, order["name"])
    if not found.tensors:
        raise Refused("nothing_to_convert", "The pickle holds no tensor.")
    size = sum(tensor.numel() * tensor.element_size() for tensor in found.tensors.values())
    if size > limits["file_mb"] * _MIB:
        raise Refused("converter_output_too_large", f"Its tensors would take {size} bytes.")
    try:
        not_finite = _write(found, Path(order["target"]))
    except OutputUnwritable as error:
        raise Refused("converter_output_too_large", error.message) from None
    storages = {tensor.untyped_storage().data_ptr() for tensor in found.tensors.values() if tensor.numel()}
    filled = sum(1 for tensor in found.tensors.values() if tensor.numel())
    return {
        "tensors": len(found.tensors),
        "left_out": found.left_out[:_SHOWN],
        "not_finite": not_finite[:_SHOWN],
        "shared": filled - len(storages),
        "metadata": found.metadata,
    }


def _load(source: Path, limits: Mapping[str, int]) -> Any:
    try:
        import torch
    except ImportError:
        raise Refused("converter_not_installed", "PyTorch is not installed here.") from None
    mapped = _may_be_mapped(source, limits)
    try:
        return torch.load(source, map_location="cpu", weights_only=True, mmap=mapped)
    except pickle.UnpicklingError as error:
        raise _unpickling(error) from None
    except RecursionError:
        raise Refused("pickle_unsupported", "It is nested too deep.") from None
    except Exception as error:
        if wants_memory(error):
            raise
        # A hostile stream of opcodes ends in any error of Python's; none of it is ours.
        name = "" if isinstance(error, RuntimeError) else f"{type(error).__name__}: "
        raise Refused("pickle_damaged", name + _line(str(error))) from None


def _may_be_mapped(source: Path, limits: Mapping[str, int]) -> bool:
    """Whether the tensors can be mapped from the file instead of read. Refuses what cannot be unpacked."""
    if not zipfile.is_zipfile(source):
        if _is_tar(source):
            raise Refused("pickle_unsupported", "This is the tar form that torch wrote before 2018.")
        return False
    try:
        with zipfile.ZipFile(source) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise Refused("pickle_damaged", _line(str(error))) from None
    if any(entry.filename.rpartition("/")[2] == "constants.pkl" for entry in entries):
        raise Refused("pickle_unsupported", "This is a TorchScript program, not a checkpoint.")
    # torch itself stores; only someone else compresses, and a bomb is what compresses best.
    packed = [entry for entry in entries if entry.compress_type != zipfile.ZIP_STORED]
    if packed:
        size = sum(entry.file_size for entry in packed)
        if size > limits["memory_mb"] * _MIB:
            raise Refused("converter_out_of_memory", f"It unpacks to {size} bytes.")
        return False
    return True


def _is_tar(source: Path) -> bool:
    try:
        # Never a compressed one: to look into it would mean to unpack it.
        with tarfile.open(source, "r:"):
            return True
    except (tarfile.TarError, OSError, ValueError):
        return False


def _unpickling(error: pickle.UnpicklingError) -> Refused:
    text = str(error)
    asked = _ASKS_FOR.search(text)
    if asked:
        return Refused("pickle_refused", f"It asks for {asked[1] or asked[2]}, which is no tensor.")
    if "Cannot use ``weights_only=True`` with" in text:
        return Refused("pickle_unsupported", _line(text))
    if "Unsupported operand" in text or "Unsupported" in text or "blocklisted" in text:
        return Refused("pickle_refused", "It holds pickle instructions that no checkpoint needs.")
    if "Trying to" in text or "not an allowed" in text:
        return Refused("pickle_refused", _line(text))
    return Refused("pickle_damaged", _line(text))


def _line(text: str) -> str:
    """The part of a library's message that says something, in one line."""
    text = text.partition("WeightsUnpickler error:")[2] or text
    return (one_line(text, 200) or "It cannot be read").rstrip(".") + "."


def _collect(loaded: Any, name: str) -> _Found:
    """Flat names for every tensor, whatever it is nested in, and the names of all that is none."""
    found = _Found()
    if _is_tensor(loaded):
        # One bare tensor: a learned embedding.
        _keep(found, "emb_params", loaded)
    elif isinstance(loaded, list | tuple):
        _collect_list(found, list(loaded), name)
    elif isinstance(loaded, dict):
        inner = _unwrap(found, loaded)
        if isinstance(inner.get("string_to_param"), dict):
            _collect_embedding(found, inner)
        else:
            _keep_all(found, inner)
    else:
        found.left_out.append(type(loaded).__name__)
    return found


def _unwrap(found: _Found, loaded: dict[Any, Any]) -> dict[Any, Any]:
    """The dictionary with the weights; what stands beside is the trainer's (optimizer, epoch)."""
    for key in _WRAPPERS:
        inner = loaded.get(key)
        if isinstance(inner, dict) and any(_is_tensor(value) for value in inner.values()):
            found.left_out += [str(other)[:100] for other in loaded if other != key]
            return inner
    return loaded


def _collect_embedding(found: _Found, loaded: dict[Any, Any]) -> None:
    """A1111's textual inversion: `string_to_param` holds the vectors, usually under `*`, name beside."""
    vectors = loaded["string_to_param"]
    single = len(vectors) == 1
    for key, value in vectors.items():
        _keep(found, "emb_params" if single else f"string_to_param.{key}", value)
    for key in ("name", "step", "sd_checkpoint", "sd_checkpoint_name"):
        if isinstance(loaded.get(key), str | int) and loaded[key] is not None:
            found.metadata[key] = str(loaded[key])[:1000]
    told = {"string_to_param", *found.metadata}
    found.left_out += [str(key)[:100] for key in loaded if key not in told]


def _collect_list(found: _Found, items: list[Any], name: str) -> None:
    """cloneofsimo's PTI: up, down, up, down ... in module order, without a name anywhere."""
    pairs = list(zip(items[::2], items[1::2], strict=False))
    matrices = all(_is_tensor(value) and value.dim() == 2 for value in items)
    joined = matrices and len(items) % 2 == 0 and all(up.shape[1] == down.shape[0] for up, down in pairs)
    if not (joined and pairs):
        _keep_all(found, items)
        return
    # A text encoder's projections are all square and equally wide; a UNet's never are.
    square = len({(up.shape[0], down.shape[1]) for up, down in pairs}) == 1
    component = "text_encoder" if square or "text_encoder" in name else "unet"
    for number, (up, down) in enumerate(pairs):
        place = _pti_number(number, len(pairs)) if component == "unet" else number
        _keep(found, f"{component}:{place}:up", up)
        _keep(found, f"{component}:{place}:down", down)
        found.metadata[f"{component}:{place}:rank"] = str(down.shape[0])


def _pti_number(number: int, count: int) -> int:
    """The number in today's files, which count GEGLU as the fifth of nine layers of a block."""
    a_block = _PTI_WITH_GEGLU - 1
    if count != _PTI_BLOCKS * a_block:
        return number
    block, layer = divmod(number, a_block)
    return block * _PTI_WITH_GEGLU + layer + (layer >= a_block // 2)


def _keep_all(found: _Found, node: Any) -> None:
    for number, (path, value) in enumerate(_leaves(node, "", 0)):
        if number >= _MOST:
            raise Refused("pickle_unsupported", f"It holds more than {_MOST} values.")
        _keep(found, path, value)


def _leaves(node: Any, path: str, depth: int) -> Iterator[tuple[str, Any]]:
    if depth > _DEEPEST:
        raise Refused("pickle_unsupported", "It is nested too deep.")
    if isinstance(node, dict):
        items: Any = node.items()
    elif isinstance(node, list | tuple):
        items = enumerate(node)
    else:
        yield path, node
        return
    for key, value in items:
        yield from _leaves(value, f"{path}.{key}" if path else str(key), depth + 1)


def _is_tensor(value: Any) -> bool:
    torch = sys.modules["torch"]
    return isinstance(value, torch.Tensor)


def _keep(found: _Found, name: str, value: Any) -> None:
    torch = sys.modules["torch"]
    plain = (
        _is_tensor(value) and value.layout == torch.strided and not value.is_meta and not value.is_quantized
    )
    if not plain or _dtype(value) is None or name == "__metadata__":
        found.left_out.append(name[:200])
        return
    if name in found.tensors:
        raise Refused("pickle_unsupported", f"Two tensors are called {_line(name)}")
    found.tensors[name] = value.detach()


def _dtype(value: Tensor) -> str | None:
    return _DTYPES.get(str(value.dtype).removeprefix("torch."))


def _write(found: _Found, target: Path) -> list[str]:
    """Write every tensor; the names of those that hold NaN or infinity, which are kept as they are."""
    torch = sys.modules["torch"]
    not_finite = []
    with TensorWriter(target) as writer:
        for name, tensor in found.tensors.items():
            whole = tensor.resolve_conj().resolve_neg().contiguous().reshape(math.prod(tensor.shape))
            if (whole.is_floating_point() or whole.is_complex()) and not _finite(whole):
                not_finite.append(name[:200])
            raw = whole.view(torch.uint8).numpy().data if whole.numel() else b""
            writer.add(name, _dtype(tensor) or "", tuple(tensor.shape), raw)
        writer.finish(found.metadata)
    return not_finite


def _finite(values: Tensor) -> bool:
    """Whether a flat tensor holds numbers only; looked at in pieces, since looking copies."""
    torch = sys.modules["torch"]
    pieces = (values[start : start + _PIECE] for start in range(0, values.numel(), _PIECE))
    # The eight-bit dtypes have no isfinite of their own.
    eight_bit = values.element_size() == 1
    return all(bool(torch.isfinite(p.to(torch.float32) if eight_bit else p).all()) for p in pieces)


if __name__ == "__main__":
    sys.exit(run(convert))
