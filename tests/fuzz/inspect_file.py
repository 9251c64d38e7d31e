"""Fuzzes all of `inspect`: header, names, shapes, metadata, findings, and the scanner of pickles.

    pip install -r requirements-fuzz.txt
    python -m tests.fuzz.inspect_file CORPUS -max_total_time=600 -rss_limit_mb=1024 \\
        -dict=tests/fuzz/inspect_file.dict

CORPUS is a folder for inputs that reached new code; it may be empty, for the seeds come from the tests' own
files. A crash is any exception, more than MOST_SECONDS for one input, or more memory than the limit. The
first byte of an input chooses how the rest becomes a file: as it stands, as the JSON of a header with as much
(sparse) data as it asks for, or as a pickle.
"""

from __future__ import annotations

import io
import json
import struct
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["registry.weights", "picklescan", "pickletools"]):
    from registry.weights import inspection
    from registry.weights.container import open_container
    from registry.weights.pickle_scan import scan
    from registry.weights.pickles import PickleReading

DATA = Path(__file__).parents[1] / "data"
MOST_SECONDS = 10
# Room for the data that a header claims; a file with more of it is cut short, which is one of the cases.
MOST_DATA = 1 << 24
WHOLE, HEADER, PICKLE = range(3)


def one_input(content: bytes) -> None:
    """What libFuzzer calls for each input."""
    if not content:
        return
    how, rest = content[0] % 3, content[1:]
    if how == PICKLE:
        scan(io.BytesIO(rest))
        return
    PATH.write_bytes(rest if how == WHOLE else struct.pack("<Q", len(rest)) + rest)
    if how == HEADER:
        header = open_container(PATH).header
        if header is not None:
            size = max((tensor.end for tensor in header.tensors.values()), default=0)
            with PATH.open("r+b") as file:
                file.truncate(header.data_start + min(size, MOST_DATA))
    read = inspection.inspect_file(PATH, hashes=bool(content[0] & 0x80))
    json.dumps(read.as_dict())


def seeds(folder: Path) -> None:
    """Small inputs of every kind: the malformed files, real headers, recorded layouts."""
    for path in sorted((DATA / "malformed").glob("*.safetensors")):
        (folder / path.stem).write_bytes(bytes([WHOLE]) + path.read_bytes()[:20_000])
    for path in sorted((DATA / "state_dicts").glob("*.json")):
        shapes = json.loads(path.read_text())
        entries, at = {}, 0
        for name, shape in list(shapes.items())[:40]:
            size = 2
            for dimension in shape:
                size *= dimension
            entries[name] = {"dtype": "F16", "shape": shape, "data_offsets": [at, at + size]}
            at += size
        (folder / path.stem).write_bytes(bytes([HEADER]) + json.dumps(entries).encode())
    for number, content in enumerate((b"cos\nsystem\n(S'x'\ntR.", b"\x80\x04\x8c\x02os\x8c\x06system\x93.")):
        (folder / f"pickle{number}").write_bytes(bytes([PICKLE]) + content)


if __name__ == "__main__":
    # Its program is fuzzed in this process instead; to start it for every input would take all the time.
    inspection.scan_pickles = lambda path: PickleReading()
    with tempfile.TemporaryDirectory() as scratch:
        PATH = Path(scratch) / "input.safetensors"
        started = Path(scratch) / "seeds"
        started.mkdir()
        seeds(started)
        atheris.Setup([*sys.argv, str(started), f"-timeout={MOST_SECONDS}"], one_input)
        atheris.Fuzz()
