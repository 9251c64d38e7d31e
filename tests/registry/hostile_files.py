"""Files made to deceive or to break whoever reads them, each with the code of what is wrong with it."""

from __future__ import annotations

import gzip
import json
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.registry.weight_files import RunsCode, write_lora
from tests.registry.weights.files import header_bytes
from tests.registry.weights.polyglots import pickle_polyglot, tar_polyglot, zip_polyglot

REFUSED, QUARANTINED, UNVETTED = "refused", "quarantined", "unvetted"


@dataclass(frozen=True)
class Hostile:
    """`make` writes the file into a folder and returns its path. `code` is what `inspect` names as its error,
    or as a finding of severity error where the official reader would take the file; `ingest` is what becomes
    of it.
    """

    name: str
    make: Callable[[Path], Path]
    code: str
    ingest: str = REFUSED


def _bytes(content: bytes, name: str = "a.safetensors") -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / name).write_bytes(content)
        return folder / name

    return make


def _entry(shape: Any = (1,), begin: int = 0, end: int = 4) -> dict[str, Any]:
    return {"dtype": "F32", "shape": shape, "data_offsets": [begin, end]}


def _lora(folder: Path, name: str = "a.safetensors", change: Callable[[bytes], bytes] = bytes) -> Path:
    """A sound adapter whose bytes `change` has spoiled."""
    path = write_lora(folder / name)
    path.write_bytes(change(path.read_bytes()))
    return path


def _header_of(content: bytes) -> tuple[dict[str, Any], bytes]:
    length = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def _with_twin(content: bytes) -> bytes:
    """The first tensor named a second time; the official reader takes the last."""
    length = int.from_bytes(content[:8], "little")
    head, data = _header_of(content)
    name = next(key for key in head if key != "__metadata__")
    raw = content[8 : 8 + length].rstrip()[:-1] + f",{json.dumps(name)}:{json.dumps(head[name])}}}".encode()
    return header_bytes(raw) + data


def _with_nan(content: bytes) -> bytes:
    head, data = _header_of(content)
    begin = next(entry["data_offsets"][0] for entry in head.values() if entry.get("dtype") == "F16")
    return header_bytes(head) + data[:begin] + b"\xff\x7f" + data[begin + 2 :]


def _zip(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "a.safetensors", "w") as archive:
        # A path that leads out of the folder, for whoever unpacks it.
        archive.writestr("../../evil.pkl", pickle.dumps(RunsCode(folder / "witness")))
    return folder / "a.safetensors"


def _long_header(folder: Path) -> Path:
    path = folder / "a.safetensors"
    with path.open("wb") as file:
        file.write(struct.pack("<Q", 100_000_000) + b'{"a":')
        file.truncate(8 + 100_000_000)
    return path


def _link(folder: Path) -> Path:
    (folder / "a.safetensors").symlink_to(folder / "nowhere")
    return folder / "a.safetensors"


def _link_out(folder: Path) -> Path:
    (folder / "a.safetensors").symlink_to("/etc/passwd")
    return folder / "a.safetensors"


def _pipe(folder: Path) -> Path:
    os.mkfifo(folder / "a.safetensors")
    return folder / "a.safetensors"


def _of(name: str, code: str, content: bytes) -> Hostile:
    """A file of these bytes, refused."""
    return Hostile(name, _bytes(content), code)


def _header(name: str, code: str, document: Any, data: int = 4) -> Hostile:
    """A file of this header and so many bytes of data, refused."""
    return Hostile(name, _bytes(header_bytes(document) + bytes(data)), code)


def _spoiled(name: str, code: str, change: Callable[[bytes], bytes], ingest: str = UNVETTED) -> Hostile:
    return Hostile(name, lambda folder: _lora(folder, change=change), code, ingest)


def _named(name: str, file_name: str) -> Hostile:
    """A sound adapter under a deceiving name."""
    return Hostile(name, lambda folder: _lora(folder, file_name), "misleading_name")


def _pickle(folder: Path) -> Path:
    return _bytes(pickle.dumps(RunsCode(folder / "witness")))(folder)


HOSTILE: tuple[Hostile, ...] = (
    Hostile("renamed pickle", _pickle, "pickle_file", QUARANTINED),
    Hostile("zip under another name", _zip, "zip_file", QUARANTINED),
    _spoiled("zip polyglot", "zip_inside", zip_polyglot),
    _spoiled("pickle polyglot", "pickle_inside", pickle_polyglot),
    _spoiled("tar polyglot", "tar_inside", tar_polyglot),
    _spoiled("duplicate tensor", "duplicate_keys", _with_twin),
    _spoiled("NaN weights", "not_finite", _with_nan),
    _spoiled("trailing bytes", "trailing_bytes", lambda raw: raw + bytes(9), REFUSED),
    _spoiled("truncated", "truncated", lambda raw: raw[: len(raw) // 2], REFUSED),
    _header("overlapping offsets", "tensors_overlap", {"a": _entry(), "b": _entry(begin=2, end=6)}, 6),
    _header("hole", "hole_in_data", {"a": _entry(), "b": _entry(begin=6, end=10)}, 10),
    _header("negative shape", "bad_shape", {"a": _entry([-1])}),
    _header("overflowing shape", "size_overflow", {"a": _entry([2**33, 2**33])}),
    _header("NaN shape", "header_not_json", b'{"a":{"dtype":"F32","shape":[NaN],"data_offsets":[0,4]}}'),
    _header("unknown dtype", "unknown_dtype", {"a": _entry() | {"dtype": "object"}}),
    _header("duplicate metadata", "metadata_twice", b'{"__metadata__":{},"__metadata__":{}}', 0),
    _header("header of many values", "header_over_limit", b'{"a":[' + b"[]," * 600_000 + b"[]]}", 0),
    _header("header nested deep", "header_too_deep", b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}", 0),
    Hostile("header of 100 MB", _long_header, "header_over_limit"),
    _of("length of 2^63", "header_too_large", struct.pack("<Q", 2**63) + b'{"a":1}' + bytes(99)),
    _of("length past the end", "header_past_end", struct.pack("<Q", 10**6) + b"{}"),
    _of("gzip", "gzip_file", gzip.compress(b"weights" * 100)),
    _of("web page", "html_page", b"<!DOCTYPE html><html><body>Sign in</body></html>"),
    _of(
        "LFS pointer",
        "git_lfs_pointer",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
    ),
    _of("GGUF", "gguf_file", b"GGUF\3\0\0\0" + bytes(64)),
    _of("no bytes", "empty_file", b""),
    _of("two bytes", "header_too_small", b"\r\n"),
    _of("zeros", "header_not_json", bytes(4096)),
    Hostile("broken symbolic link", _link, "unreadable"),
    Hostile("symbolic link to a secret", _link_out, "header_too_large"),
    Hostile("pipe", _pipe, "unreadable"),
    _named("path in the name", "a\\..\\..\\evil.safetensors"),
    _named("reversed name", "ink\u202egnp.safetensors"),
    _named("control signs in the name", "ink\x1b[2J.safetensors"),
)
