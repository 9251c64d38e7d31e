"""Which announced digests count, in whatever spelling, and what bytes are judged to be by them."""

from __future__ import annotations

import hashlib
import zlib

import blake3
import pytest

from registry.sources.announced import judge, read_hashes
from registry.sources.upstream_errors import HashMismatch
from registry.weights.digests import Digester, Digests

HEADER, DATA = (10).to_bytes(8, "little") + b'{"a":    }', b"x" * 100
BODY = HEADER + DATA
SHA256 = hashlib.sha256(BODY).hexdigest()
AUTOV3 = hashlib.sha256(DATA).hexdigest()[:12]
CRC32 = f"{zlib.crc32(BODY):08x}"
WRONG = "0" * 63 + "1"


@pytest.fixture(scope="module")
def digests() -> Digests:
    with Digester() as digester:
        digester.update(BODY)
        return digester.finish()


@pytest.mark.parametrize(
    ("told", "accepted"),
    [
        ({"SHA256": SHA256}, "sha256"),
        ({"sha-256": SHA256.upper()}, "sha256"),
        ({"SHA256": f" sha256:{SHA256} "}, "sha256"),
        ({"BLAKE3": blake3.blake3(BODY).hexdigest()}, "blake3"),
        ({"AutoV2": SHA256[:10]}, "autov2"),
        ({"AutoV3": AUTOV3}, "autov3"),
        ({"AutoV3": hashlib.sha256(DATA).hexdigest().upper()}, "autov3"),
        ({"CRC32": CRC32}, "crc32"),
        ({"CRC32": bytes.fromhex(CRC32)[::-1].hex().upper()}, "crc32"),
        # The strongest decides: a wrong weak one beside it is the record's mistake.
        ({"CRC32": "12345678", "SHA256": SHA256}, "sha256"),
    ],
)
def test_bytes_are_accepted_by_the_strongest_digest(
    told: dict[str, object], accepted: str, digests: Digests
) -> None:
    judgment = judge(digests, read_hashes(told), "a")
    assert judgment.accepted == accepted and not judgment.rewritten


@pytest.mark.parametrize(
    "told",
    [
        {"SHA256": WRONG},
        {"SHA256": WRONG, "BLAKE3": blake3.blake3(BODY).hexdigest(), "AutoV2": SHA256[:10]},
        {"CRC32": "12345678"},
        {"AutoV3": "0" * 11 + "1"},
    ],
)
def test_other_bytes_are_refused(told: dict[str, object], digests: Digests) -> None:
    with pytest.raises(HashMismatch):
        judge(digests, read_hashes(told), "a")


def test_a_file_whose_header_alone_is_another_is_accepted_as_rewritten(digests: Digests) -> None:
    judgment = judge(digests, read_hashes({"SHA256": WRONG, "AutoV3": AUTOV3}), "a")
    assert (judgment.accepted, judgment.rewritten) == ("autov3", True)


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"SHA256": ""},
        {"SHA256": None, "BLAKE3": 5, "CRC32": ["a"]},
        {"SHA256": SHA256[:-1]},
        {"SHA256": "g" * 64},
        {"MD5": "0" * 32},
        # Of no bytes at all.
        {
            "SHA256": hashlib.sha256(b"").hexdigest(),
            "BLAKE3": blake3.blake3(b"").hexdigest(),
            "AutoV2": hashlib.sha256(b"").hexdigest()[:10],
            "AutoV3": hashlib.sha256(b"").hexdigest()[:12],
            "CRC32": "00000000",
        },
    ],
)
def test_what_is_no_digest_announces_nothing(told: dict[str, object], digests: Digests) -> None:
    assert read_hashes(told) == {}
    assert judge(digests, read_hashes(told), "a").accepted == ""
