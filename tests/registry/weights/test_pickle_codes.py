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
from tests.registry.weights.files import kohya_file, unet_attention, write_shapes
from tests.registry.weights.polyglots import pickle_polyglot, tar_polyglot, zip_polyglot

# The package ships no types.
deserialize: Any = safetensors_library.deserialize
ENTRIES = {"a.lora_up.weight": {"dtype": "F16", "shape": [0, 4], "data_offsets": [0, 0]}}
ALPHA: dict[str, tuple[int, ...]] = {"lora_unet_x.alpha": ()}
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
    tmp_path: Path, make: Callable[[bytes], bytes], code: str
) -> None:
    path = write_shapes(tmp_path / "a.safetensors", kohya_file(unet_attention((320, 640), 768)))
    content = make(path.read_bytes())
    assert deserialize(content)
    path.write_bytes(content)
    got = inspect_file(path, hashes=False)
    assert got.valid
    assert {"code": code, "severity": "error"}.items() <= next(
        each for each in got.findings if each["code"].endswith("_inside")
    ).items()


def test_the_made_files_really_are_both(path: Path) -> None:
    content = write_shapes(path, ALPHA).read_bytes()
    with pytest.raises(Imported, match="mmmm"):
        Recorder(io.BytesIO(pickle_polyglot(content))).load()
    with tarfile.open(fileobj=io.BytesIO(tar_polyglot(content)), mode="r:") as archive:
        assert len(archive.getmembers()) == 1
    assert zipfile.is_zipfile(io.BytesIO(zip_polyglot(content)))


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
