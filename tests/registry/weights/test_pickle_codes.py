"""Pickles told from everything else by their opcodes, and safetensors that are pickles at once."""

from __future__ import annotations

import io
import json
import pickle
import struct
import tarfile
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors as safetensors_library
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.weights import inspect_file
from registry.weights.container import second_natures, sniff
from registry.weights.pickle_codes import imports_as_pickle, starts_as_pickle

# The package ships no types.
deserialize: Any = safetensors_library.deserialize
ENTRIES = {"a.lora_up.weight": {"dtype": "F16", "shape": [0, 4], "data_offsets": [0, 0]}}
# Whole opcodes with their arguments.
CODES = st.sampled_from(
    (
        b"cos\nsystem\n|(ios\nsystem\n|Vos\n|Vsystem\n|S'x'\n|I1\n|\x8c\x02os|\x93|\x94|\x82\x01|\x80\x04|K\x01|q\0|h\0"
        b"|(|t|R|.|}|]|l|a|N|0|X\x01\0\0\0a|B\x01\0\0\0b|\x8a\x01\x05|\x95\x03\0\0\0\0\0\0\0"
    ).split(b"|")
)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("codes") / "a.safetensors"


plain = st.recursive(
    st.one_of(st.integers(), st.text(max_size=40), st.binary(max_size=40), st.floats(allow_nan=False)),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=4), st.dictionaries(st.text(max_size=20), inner, min_size=1)
    ),
    max_leaves=30,
)


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(st.lists(plain, min_size=1), st.dictionaries(st.text(), plain, min_size=1)), st.integers(0, 5)
)
def test_every_pickle_is_one_whatever_its_protocol(value: Any, protocol: int) -> None:
    content = pickle.dumps(OrderedDict(value) if isinstance(value, dict) else value, protocol=protocol)
    assert sniff(content[:512], len(content)) == "pickle"


@pytest.mark.parametrize(
    "content",
    [
        b"what is this? no one knows",
        b"0.5 is the weight",
        b"Not found\n",
        b"I am a teapot\n",
        b"V1\nV2\nV3\nV4\nV5\n",
        b".gitignore",
        b"(see below)",
        "\u65e5\u672c\u8a9e".encode(),
        b"\r\n",
        b"\x89PNG\r\n\x1a\n",
        b"{}",
    ],
)
def test_text_and_pictures_are_no_pickles(content: bytes) -> None:
    assert not starts_as_pickle(content)


def safetensors(metadata: str, length: int, data: bytes = b"") -> bytes:
    """A valid file whose header takes `length` bytes and begins with this metadata text, as it stands."""
    entry = f'"t":{{"dtype":"U8","shape":[{len(data)}],"data_offsets":[0,{len(data)}]}}'
    head = f'{{"__metadata__":{{"a":"{metadata}"}},{entry}}}'.encode()
    return struct.pack("<Q", length) + head.ljust(length) + data


def accepted(content: bytes) -> bool:
    names = [name for name, _ in deserialize(content)]
    return names == ["t"]


def pickle_polyglot() -> bytes:
    """Safetensors, and a pickle that imports.

    The header's length reads as MARK and BINBYTES, whose 24 bytes swallow the zeros and the JSON up to the
    metadata's text. There BINPUT swallows the lead byte of U+008C and U+0093, and what is left of them is
    SHORT_BINUNICODE (32 bytes, the blank says) and STACK_GLOBAL.
    """
    code = "q\x8c " + "m" * 32 + "q\x8c " + "n" * 32 + "q\x93."
    return safetensors(code, int.from_bytes(b"(B\x18\0\0\0\0\0", "little"))


def tar_polyglot() -> bytes:
    """Safetensors, and an old tar archive of one empty member, whose numbers are the metadata's text."""
    blank = safetensors("0" * 600, 800)
    sums = sum(blank[:512]) - sum(blank[148:156]) + 8 * 32
    return blank[:148] + b"%07o " % sums + blank[156:]


def zip_polyglot() -> bytes:
    """Safetensors, whose only tensor is a zip archive."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({}))
    return safetensors("", 256, target.getvalue())


class Imported(Exception):
    """Carries what was asked for, instead of importing it."""


class Recorder(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        raise Imported(module, name)


@pytest.mark.parametrize(
    ("make", "code"),
    [(pickle_polyglot, "pickle_inside"), (tar_polyglot, "tar_inside"), (zip_polyglot, "zip_inside")],
)
def test_a_safetensors_file_that_is_something_else_too_has_an_error_finding(
    tmp_path: Path, make: Callable[[], bytes], code: str
) -> None:
    content = make()
    assert accepted(content)
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)
    got = inspect_file(path, hashes=False)
    assert got.valid
    assert {"code": code, "severity": "error"}.items() <= next(
        each for each in got.findings if each["code"].endswith("_inside")
    ).items()


def test_the_made_files_really_are_both() -> None:
    with pytest.raises(Imported, match="mmmm"):
        Recorder(io.BytesIO(pickle_polyglot())).load()
    with tarfile.open(fileobj=io.BytesIO(tar_polyglot()), mode="r:") as archive:
        assert len(archive.getmembers()) == 1
    assert zipfile.is_zipfile(io.BytesIO(zip_polyglot()))


@settings(max_examples=200, deadline=None)
@given(st.integers(2, 3_000_000), st.dictionaries(st.text(), st.text(), max_size=5))
def test_an_honest_file_is_nothing_else(path: Path, length: int, metadata: dict[str, str]) -> None:
    head = json.dumps({"__metadata__": metadata, **ENTRIES}, ensure_ascii=False).encode("utf-8", "ignore")
    path.write_bytes(struct.pack("<Q", max(length, len(head))) + head.ljust(length))
    assert second_natures(path) == []


@settings(max_examples=300, deadline=None)
@given(st.lists(CODES, max_size=12).map(b"".join))
def test_whatever_a_pickle_would_import_is_seen(path: Path, content: bytes) -> None:
    path.write_bytes(content + b" ")
    try:
        Recorder(io.BytesIO(content)).load()
    except Imported:
        assert imports_as_pickle(path)
    except Exception:
        # No pickle, or one that fails before it imports: both answers are right.
        imports_as_pickle(path)
    else:
        imports_as_pickle(path)
