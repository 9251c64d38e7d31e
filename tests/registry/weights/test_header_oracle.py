"""The header parser against the official reader: no crash, and the same verdict on every header."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path
from typing import Any

import pytest
import safetensors
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from registry.weights.container import Container, open_container
from registry.weights.errors import ContainerError, Truncated
from registry.weights.header import DTYPE_BITS, parse_header

# The package ships no types.
DESERIALIZE: Any = safetensors.deserialize
WELL_KNOWN = ["F32", "F16", "U8", "F4", "F6_E2M3", "BOOL", "C64"]


def official(file: bytes) -> bool:
    """Whether the official reader takes the file."""
    try:
        DESERIALIZE(file)
    except safetensors.SafetensorError:
        return False
    return True


def ours(raw: bytes, size: int) -> bool:
    """Whether our parser does; any error but our own is a failed test."""
    try:
        return parse_header(raw, size).error is None
    except ContainerError:
        return False


def agree(raw: bytes, data: int) -> None:
    file = struct.pack("<Q", len(raw)) + raw + bytes(data)
    assert ours(raw, len(file)) == official(file), raw


numbers = st.one_of(
    st.integers(-2, 9),
    st.sampled_from([2**32, 2**63, 2**64 - 1, 2**64, 10**30]),
    st.floats(allow_nan=True, allow_infinity=True),
)
scalars = st.one_of(st.none(), st.booleans(), numbers, st.text(max_size=3), st.sampled_from(WELL_KNOWN))
values: st.SearchStrategy[Any] = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=6,
)


FIELDS = st.sampled_from(["dtype", "shape", "data_offsets", "more"])


@st.composite
def entries(draw: st.DrawFn) -> Any:
    """A tensor's entry: mostly one that could be right."""
    if draw(st.integers(0, 9)) == 0:
        return draw(values)
    begin = draw(st.integers(0, 8))
    entry: dict[str, Any] = {
        "dtype": draw(st.sampled_from(WELL_KNOWN)),
        "shape": draw(st.lists(st.integers(0, 4), max_size=3)),
        "data_offsets": [begin, begin + draw(st.integers(-1, 16))],
    }
    if draw(st.integers(0, 5)) == 0:
        entry[draw(FIELDS)] = draw(values)
    if draw(st.integers(0, 9)) == 0:
        return list(entry.values())
    return entry


metadata = st.one_of(st.none(), st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2), values)
headers = st.one_of(
    st.dictionaries(st.one_of(st.text(max_size=3), st.sampled_from(["a", "b"])), entries(), max_size=3),
    st.fixed_dictionaries({"__metadata__": metadata, "a": entries()}),
    values,
)


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(headers, st.integers(0, 24))
def test_any_json_header_is_judged_as_the_official_reader_judges_it(document: Any, data: int) -> None:
    agree(json.dumps(document).encode(), data)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60), st.integers(0, 4))
def test_any_bytes_are_judged_as_the_official_reader_judges_them(raw: bytes, data: int) -> None:
    agree(raw, data)


ONE = b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'


@settings(max_examples=600, deadline=None)
@given(
    st.integers(0, len(ONE)),
    st.integers(0, 3),
    st.sampled_from(list(' \t\n\r\0{}[],:"\\-+.0123456789eEnulltrufas')),
)
@example(0, 0, "\n")
def test_a_header_with_a_few_bytes_changed_is_judged_alike(at: int, cut: int, character: str) -> None:
    agree(ONE[:at] + character.encode() + ONE[at + cut :], 4)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_well_formed_tilings_are_accepted_and_read_alike(data: st.DataObject) -> None:
    head: dict[str, Any] = {}
    at = 0
    for name in data.draw(st.lists(st.text(max_size=5), unique=True, max_size=5)):
        if name == "__metadata__":
            continue
        dtype = data.draw(st.sampled_from(sorted(DTYPE_BITS)))
        shape = data.draw(st.lists(st.integers(0, 4), max_size=3))
        count = 1
        for dimension in shape:
            count *= dimension
        size = (count * DTYPE_BITS[dtype] + 7) // 8
        head[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + size]}
        at += size
    agree(json.dumps(head, ensure_ascii=data.draw(st.booleans())).encode("utf-8", "surrogatepass"), at)


def test_spellings_that_python_and_rust_read_differently_are_judged_as_rust_does() -> None:
    entry = '{"dtype":"U8","shape":[%s],"data_offsets":[0,1]}'
    for raw in (
        '{"a":%s}' % (entry % "-0"),
        '{"a":%s}' % (entry % "1e0"),
        '{"a":%s}' % (entry % "01"),
        '{"a":%s}' % (entry % "1"),
        '{"a":["U8",[1],[0,1]]}',
        '{"a":["U8",[1],[0,1],0]}',
        '{"a":{"dtype":{"U8":null},"shape":[1],"data_offsets":[0,1]}}',
        '{"a":{"dtype":{"U8":{}},"shape":[1],"data_offsets":[0,1]}}',
        '{"a":{"dtype":{"U8":[]},"shape":[1],"data_offsets":[0,1]}}',
        '{"a":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}}',
        '{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"x":1,"x":2}}',
        '{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"x":1e999}}',
        '{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"x":"\\ud800"}}',
        '{"\\ud83d\\ude00":%s}' % (entry % "1"),
        '{"\\ud800":%s}' % (entry % "1"),
        '{"__metadata__":null,"__metadata__":null,"a":%s}' % (entry % "1"),
        '{"__metadata__":{"x":"1","x":"2"},"a":%s}' % (entry % "1"),
        '{"a":{"dtype":"U8","shape":[9223372036854775808,4,0],"data_offsets":[0,0]}}',
        '{"a":{"dtype":"U8","shape":[0,9223372036854775808,4],"data_offsets":[0,0]}}',
        '{"a":{"dtype":"F64","shape":[2305843009213693952],"data_offsets":[0,1]}}',
    ):
        agree(raw.encode(), 1)
        agree(raw.encode(), 0)


def test_nesting_is_followed_exactly_as_deep_as_the_official_reader_follows_it() -> None:
    for depth in (*range(120, 132), 990, 5000):
        nested = "[" * depth + "]" * depth
        agree(b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"x":%s}}' % nested.encode(), 1)


@st.composite
def layouts(draw: st.DrawFn) -> bytes:
    """A whole file with several tensors in any order, mostly with one thing about its layout changed."""
    head: dict[str, Any] = {}
    at = 0
    names = draw(st.lists(st.text(max_size=6), unique=True, min_size=1, max_size=6))
    for name in names:
        dtype = draw(st.sampled_from(sorted(DTYPE_BITS)))
        shape = draw(st.lists(st.integers(0, 4), max_size=3))
        size = (math.prod(shape) * DTYPE_BITS[dtype] + 7) // 8
        head[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + size]}
        at += size
    entry, other = head[draw(st.sampled_from(names))], head[draw(st.sampled_from(names))]
    if draw(st.booleans()):
        head["__metadata__"] = draw(st.dictionaries(st.text(max_size=4), st.text(max_size=4), max_size=3))
    match draw(st.integers(0, 9)):
        case 0:
            entry["data_offsets"][draw(st.integers(0, 1))] += draw(st.sampled_from([-1, 1, 8, 2**63, 2**64]))
        case 1:
            entry["shape"] = [*entry["shape"], draw(st.sampled_from([0, 1, 2, 2**32, 2**63, 2**64 - 1]))]
        case 2:
            entry["dtype"] = draw(st.sampled_from([*sorted(DTYPE_BITS), "f32", "F8", "I4", ""]))
        case 3:
            del entry[draw(st.sampled_from(["dtype", "shape", "data_offsets"]))]
        case 4:
            entry["data_offsets"] = draw(st.lists(st.integers(0, 40), max_size=4))
        case 5:
            at += draw(st.integers(-3, 3))
        case 6:
            entry["data_offsets"], other["data_offsets"] = other["data_offsets"], entry["data_offsets"]
    pairs = draw(st.permutations(list(head.items())))
    if draw(st.integers(0, 5)) == 0:
        pairs.append(draw(st.sampled_from(pairs)))
    raw = "{" + ",".join(f"{json.dumps(key)}:{json.dumps(value)}" for key, value in pairs) + "}"
    raw = draw(st.sampled_from(["", " ", "\n"])) + raw + draw(st.sampled_from(["", "   ", "\n", "\0", "x"]))
    encoded = raw.encode("utf-8", "surrogatepass")
    length = len(encoded) + (draw(st.sampled_from([-1, 1, 2**63])) if draw(st.integers(0, 9)) == 0 else 0)
    return struct.pack("<Q", length) + encoded + bytes(max(0, at))


def judged(path: Path, content: bytes) -> Container:
    path.write_bytes(content)
    return open_container(path)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("oracle") / "a.safetensors"


@settings(max_examples=800, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(layouts())
def test_any_layout_is_judged_as_the_official_reader_judges_it(path: Path, content: bytes) -> None:
    assert judged(path, content).valid == official(content)


@settings(max_examples=800, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(layouts(), st.data())
def test_any_damage_is_judged_as_the_official_reader_judges_it(
    path: Path, content: bytes, data: st.DataObject
) -> None:
    spoiled = bytearray(content)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(spoiled)))
        cut = data.draw(st.integers(0, 2))
        spoiled[at : at + cut] = data.draw(st.binary(max_size=2) | st.sampled_from([b'"', b",", b"}", b"1"]))
    assert judged(path, bytes(spoiled)).valid == official(bytes(spoiled))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(layouts())
def test_what_is_read_is_what_the_official_reader_reads(path: Path, content: bytes) -> None:
    container = judged(path, content)
    if container.header is None or not container.valid:
        return
    theirs = {name: (entry["dtype"], tuple(entry["shape"])) for name, entry in DESERIALIZE(content)}
    ours = {name: (tensor.dtype, tensor.shape) for name, tensor in container.header.tensors.items()}
    assert ours == theirs


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(layouts())
def test_a_file_cut_short_still_tells_what_its_header_says(path: Path, content: bytes) -> None:
    whole = judged(path, content)
    if not whole.valid or len(content) == 8 + int.from_bytes(content[:8], "little"):
        return
    cut = judged(path, content[:-1])
    assert isinstance(cut.error, Truncated)
    assert cut.header is not None and whole.header is not None
    assert (cut.header.tensors, cut.header.metadata) == (whole.header.tensors, whole.header.metadata)
