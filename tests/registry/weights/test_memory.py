"""How much memory reading takes: bounded whatever the header holds, and little for an honest file."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry.weights import inspect_file
from tests.registry.weights.files import kohya_file, unet_attention, write_shapes

ROOT = Path(__file__).parents[3]
MEBI = 1024 * 1024
LIMIT = 8 * MEBI
# What docs/configuration.md promises for a header of the limit's length.
CAP = 10 * LIMIT + 100 * MEBI

# Run alone, with as much address space as it has after its imports and CAP more.
PROGRAM = f"""
import json, resource, sys
from registry.weights.inspection import inspect_file
used = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmSize")) * 1024
resource.setrlimit(resource.RLIMIT_AS, (used + {CAP}, resource.RLIM_INFINITY))
read = inspect_file(sys.argv[1], hashes=False, header_limit={LIMIT})
print(json.dumps([sorted(sys.modules), read.container, read.error]))
"""


def run(path: Path) -> tuple[set[str], str, dict[str, str] | None]:
    """The modules that were loaded, the container and the error."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    modules, container, error = json.loads(done.stdout)
    return set(modules), container, error


def repeated(start: bytes, item: Callable[[int], bytes], end: bytes) -> bytes:
    """As many items as a header of LIMIT bytes holds, or half a million values."""
    parts, size = [start], len(start) + len(end)
    for number in range(490_000):
        part = item(number)
        size += len(part)
        if size > LIMIT:
            break
        parts.append(part)
    return b"".join(parts).rstrip(b",") + end


def text(key: bytes, content: bytes) -> bytes:
    start, end = b'{"__metadata__":{"' + key + b'":"', b'"}}'
    return start + content[: LIMIT - len(start) - len(end)] + end


ENTRY = b'{"dtype":"F16","shape":[0,4],"data_offsets":[0,0]}'
GREEDY: dict[str, Callable[[], bytes]] = {
    "pairs of metadata": lambda: repeated(b'{"__metadata__":{', lambda n: b'"%x":"%x",' % (n, n), b"}}"),
    "tensors": lambda: repeated(b"{", lambda n: b'"a%x.lora_up.weight":%b,' % (n, ENTRY), b"}"),
    "objects": lambda: repeated(b'{"a":{"x":[', lambda n: b'{"a":{}},', b"]}}"),
    "lists": lambda: repeated(b'{"a":{"x":[', lambda n: b"[],", b"]}}"),
    "numbers": lambda: repeated(b'{"a":{"x":[', lambda n: b"1.5,", b"]}}"),
    # One sign beyond U+FFFF makes Python keep four bytes for each of the rest.
    "wide text": lambda: text(b"ss_tag_frequency", "\U0001f600".encode() + b"a" * LIMIT),
    "JSON within text": lambda: text(b"ss_tag_frequency", b'{\\"a\\":[' + b"[]," * (LIMIT // 3)),
    "tags within text": lambda: text(
        b"ss_tag_frequency", b'{\\"a\\":{' + b",".join(b'\\"%x\\":1' % n for n in range(LIMIT // 12))
    ),
    "PEFT within text": lambda: text(b"lora_adapter_metadata", b"[" + b"[]," * (LIMIT // 3)),
}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux bounds address space")
@pytest.mark.parametrize("name", GREEDY)
def test_no_header_takes_more_memory_than_promised(tmp_path: Path, name: str) -> None:
    raw = GREEDY[name]()
    assert len(raw) <= LIMIT
    path = tmp_path / "a.safetensors"
    path.write_bytes(struct.pack("<Q", len(raw)) + raw)
    _, container, _ = run(path)
    assert container == "safetensors"


def test_a_header_over_the_limit_takes_none(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    with path.open("wb") as file:
        file.write(struct.pack("<Q", 90_000_000) + b"{")
        file.truncate(100_000_000)
    _, _, error = run(path)
    assert error is not None and error["code"] == "header_over_limit"


def test_reading_an_adapter_needs_no_numpy(tmp_path: Path) -> None:
    layers = unet_attention((320, 640, 1280, 1280), 768)
    modules, _, error = run(write_shapes(tmp_path / "a.safetensors", kohya_file(layers)))
    assert error is None
    assert not {"numpy", "scipy", "django", "torch"} & modules


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=8), inner, max_size=6),
    max_leaves=40,
)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("memory") / "a.safetensors"


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.text(max_size=20), JSON, max_size=8), st.integers(1, 200), st.binary(max_size=40))
def test_any_header_is_read_within_the_cap(
    path: Path, document: dict[str, Any], times: int, data: bytes
) -> None:
    # The same values over and over, so that a header of any shape grows large.
    raw = json.dumps({f"{key}{n}": value for n in range(times) for key, value in document.items()}).encode()
    path.write_bytes(struct.pack("<Q", len(raw)) + raw + data)
    tracemalloc.start()
    try:
        json.dumps(inspect_file(path, hashes=False, header_limit=MEBI).as_dict())
        assert tracemalloc.get_traced_memory()[1] < 60 * min(len(raw), MEBI) + 2 * MEBI
    finally:
        tracemalloc.stop()
