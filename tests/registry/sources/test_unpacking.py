"""Unpacking block by block gives what Python's own gzip and zlib give, however the bytes come."""

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as some

from registry.sources.transport.unpacking import BLOCK, unpacker_of
from registry.sources.upstream_errors import UnexpectedAnswer, UpstreamUnavailable


def unpacked(body: bytes, encoding: str, step: int) -> bytes:
    unpacker = unpacker_of(encoding, "host/path")
    assert unpacker is not None
    out = []
    for at in range(0, len(body), step):
        for block in unpacker.take(body[at : at + step]):
            assert 0 < len(block) <= BLOCK
            out.append(block)
    unpacker.end()
    return b"".join(out)


def bare(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()


BODIES = some.one_of(
    some.binary(max_size=300),
    some.tuples(some.binary(min_size=1, max_size=9), some.integers(1, 60_000)).map(
        lambda two: two[0] * two[1]
    ),
)


@given(parts=some.lists(BODIES, min_size=1, max_size=3), step=some.integers(1, 5000))
def test_gzip_in_any_number_of_members_comes_out_whole(parts: list[bytes], step: int) -> None:
    body = b"".join(gzip.compress(part) for part in parts)
    assert unpacked(body, "gzip", step) == gzip.decompress(body)
    # Padding of tapes, which gzip leaves out.
    assert unpacked(body + b"\0" * 40, "x-gzip", step) == gzip.decompress(body)


@given(body=BODIES, step=some.integers(1, 5000))
def test_deflate_comes_out_whole_in_both_its_forms(body: bytes, step: int) -> None:
    assert unpacked(zlib.compress(body), "deflate", step) == body
    assert unpacked(bare(body), " Deflate, identity", step) == body


@given(body=BODIES, missing=some.integers(1, 20))
def test_what_breaks_off_is_not_taken_for_whole(body: bytes, missing: int) -> None:
    packed = gzip.compress(body)
    with pytest.raises(UpstreamUnavailable):
        unpacked(packed[: max(1, len(packed) - missing)], "gzip", 64)


@pytest.mark.parametrize(
    "body", [b"{}", b"\x1f\x8b\x07rubbish", gzip.compress(b"x", mtime=0)[:10] + b"\xff" * 20]
)
def test_what_is_not_packed_as_it_says_is_refused(body: bytes) -> None:
    with pytest.raises((UnexpectedAnswer, UpstreamUnavailable)):
        unpacked(body, "gzip", 64)


@pytest.mark.parametrize("encoding", ["", "identity", " , Identity"])
def test_what_is_not_packed_needs_no_unpacking(encoding: str) -> None:
    assert unpacker_of(encoding, "host/path") is None


@pytest.mark.parametrize("encoding", ["br", "zstd", "compress", "gzip, gzip", "deflate,br"])
def test_what_nobody_asked_for_is_refused(encoding: str) -> None:
    with pytest.raises(UnexpectedAnswer):
        unpacker_of(encoding, "host/path")


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_no_body_at_all_is_an_empty_one(encoding: str) -> None:
    assert unpacked(b"", encoding, 9) == b""
