"""Safetensors files that are another format at once; the official reader takes every one of them."""

from __future__ import annotations

import io
import json
import pickle
import struct
import zipfile


def split(content: bytes) -> tuple[bytes, bytes]:
    """The JSON entries of a safetensors file without its metadata and braces, and its data."""
    length = int.from_bytes(content[:8], "little")
    head = json.loads(content[8 : 8 + length])
    head.pop("__metadata__", None)
    return json.dumps(head)[1:-1].encode(), content[8 + length :]


def _joined(metadata: str, length: int, entries: bytes, data: bytes) -> bytes:
    """A file whose header takes `length` bytes and begins with this text of metadata, as it stands."""
    head = b'{"__metadata__":{"a":"' + metadata.encode() + b'"},' + entries + b"}"
    assert len(head) <= length
    return struct.pack("<Q", length) + head.ljust(length) + data


def pickle_polyglot(content: bytes) -> bytes:
    """`content` made a pickle that imports, too.

    The header's length reads as MARK and BINBYTES, whose 24 bytes swallow the zeros and the JSON up to the
    metadata's text. There BINPUT swallows the lead byte of U+008C and U+0093, and what is left of them is
    SHORT_BINUNICODE (32 bytes, the blank says) and STACK_GLOBAL.
    """
    code = "q\x8c " + "m" * 32 + "q\x8c " + "n" * 32 + "q\x93."
    return _joined(code, int.from_bytes(b"(B\x18\0\0\0\0\0", "little"), *split(content))


def tar_polyglot(content: bytes) -> bytes:
    """`content` made an old tar archive of one empty member, too, whose numbers are the metadata's text."""
    entries, data = split(content)
    blank = _joined("0" * 600, 640 + len(entries), entries, data)
    sums = sum(blank[:512]) - sum(blank[148:156]) + 8 * ord(" ")
    return blank[:148] + b"%07o " % sums + blank[156:]


def zip_polyglot(content: bytes) -> bytes:
    """`content` with a zip archive as the data of one more tensor."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({}))
    entries, data = split(content)
    begin, end = len(data), len(data) + len(target.getvalue())
    more = {"more": {"dtype": "U8", "shape": [end - begin], "data_offsets": [begin, end]}}
    entries += b"," + json.dumps(more)[1:-1].encode()
    return _joined("", 64 + len(entries), entries, data + target.getvalue())
