"""Digests: Civitai's spellings, one pass, and the same result whatever the pieces."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.weights import Digester, Unreadable, digest_file

MEBI = 1024 * 1024


def digest(*pieces: bytes) -> dict[str, str | None]:
    with Digester() as digester:
        for piece in pieces:
            digester.update(piece)
        return digester.finish().as_dict()


def test_digests_are_spelled_as_civitai_spells_them() -> None:
    # The test vector of civitai/model-scanner.
    assert digest(b"hello world") == {
        "sha256": "B94D27B9934D3E08A52E52D7DA7DABFAC484EFE37A5380EE9088F7ACE2EFCDE9",
        "blake3": "D74981EFA70A0C880B8D8C1985D075DBCBF679B99A5F9914E5AAF96B831A9E24",
        "crc32": "85114A0D",
        "autov1": None,
        "autov2": "B94D27B993",
        "autov3": None,
    }


def test_autov3_is_of_the_data_after_the_header() -> None:
    data = b"\1\2\3\4"
    assert digest((2).to_bytes(8, "little") + b"{}" + data)["autov3"] == sha256(data)[:12]


def test_autov3_does_not_skip_a_header_of_16_mebibytes() -> None:
    rest = b" " * (16 * MEBI) + b"data"
    assert digest((16 * MEBI).to_bytes(8, "little"), rest)["autov3"] == sha256(rest)[:12]


def test_autov3_is_absent_where_there_is_no_header() -> None:
    assert digest(b"\x80\x02}q\x00." + b"\xff" * 100)["autov3"] is None


@pytest.mark.parametrize(("size", "present"), [(2 * MEBI - 1, False), (2 * MEBI, True)])
def test_autov1_is_absent_below_two_mebibytes(size: int, present: bool) -> None:
    content = bytes(range(256)) * (size // 256) + b"\0" * (size % 256)
    expected = sha256(content[0x100000:0x110000])[:8] if present else None
    assert digest(content)["autov1"] == expected


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 3 * MEBI),
    st.lists(st.integers(0, 700_000) | st.integers(0, 12), max_size=12),
    st.booleans(),
)
def test_the_pieces_do_not_change_the_digests(size: int, cuts: list[int], mutable: bool) -> None:
    content = (40).to_bytes(8, "little") + bytes(size)
    pieces, at = [], 0
    for cut in cuts:
        pieces.append(content[at : at + cut])
        at += cut
    pieces.append(content[at:])
    with Digester() as digester:
        for piece in pieces:
            buffer = bytearray(piece)
            digester.update(buffer if mutable else piece)
            # A mutable buffer may be filled again as soon as update returns.
            buffer[:] = b"\xff" * len(buffer)
        assert digester.finish().as_dict() == digest(content)


def test_a_file_is_digested_like_its_bytes(tmp_path: Path) -> None:
    content = (2).to_bytes(8, "little") + b"{}" + bytes(range(256)) * 40_000
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)
    found = digest_file(path, block=MEBI)
    assert found.size == len(content)
    assert found.as_dict() == digest(content)


def test_a_digester_left_half_way_leaves_no_thread() -> None:
    before = threading.active_count()
    with Digester() as digester:
        digester.update(bytes(MEBI))
    assert threading.active_count() == before


def test_a_missing_file_is_unreadable(tmp_path: Path) -> None:
    with pytest.raises(Unreadable):
        digest_file(tmp_path / "none")


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest().upper()
