"""Reads the digests that an upstream announces for a file, and judges fetched bytes by them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from registry.sources.upstream_errors import HashMismatch
from registry.weights.digests import Digests

# Kind -> the numbers of hexadecimal digits it may have, the strongest first. AutoV3 shows twelve digits;
# older rows of Civitai's have all 64.
LENGTHS: Final[Mapping[str, tuple[int, ...]]] = {
    "sha256": (64,),
    "blake3": (64,),
    "autov2": (10,),
    "autov3": (12, 64),
    "crc32": (8,),
    "autov1": (8,),
}
# AutoV1 covers 64 KiB of the file and is the same for many: it neither proves nor refutes anything.
_JUDGES: Final = tuple(kind for kind in LENGTHS if kind != "autov1")
# Digests of no bytes at all: what a tool announces that hashed nothing.
_NOTHING: Final = (
    "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855",
    "AF1349B9F5F9A1A6A0404DEA36DCC9499BCB25C9ADC112B7CC9A93CAE41F3262",
    "00000000",
)


@dataclass(frozen=True, slots=True)
class Judgment:
    """How bytes agree with what was announced: by kind of digest, and by which kind they were accepted.

    `accepted`: empty where nothing was announced. `rewritten`: the tensors are those announced, the header is
    another one.
    """

    agree: Mapping[str, bool]
    accepted: str
    rewritten: bool

    def as_dict(self) -> dict[str, object]:
        return {"agree": dict(self.agree), "accepted": self.accepted, "rewritten": self.rewritten}


def read_hashes(hashes: Mapping[str, object]) -> dict[str, str]:
    """The digests by kind in lower case, as upper-case digits, however they are spelled.

    What is no digest at all (empty, another length, the digest of nothing) is left out: it announces nothing.
    """
    found: dict[str, str] = {}
    for name, value in hashes.items():
        kind = re.sub(r"[^a-z0-9]", "", str(name).lower())
        digits = _digits(value)
        if len(digits) in LENGTHS.get(kind, ()) and not any(each.startswith(digits) for each in _NOTHING):
            found[kind] = digits
    return found


def announced_for(sha256: str, name: str, told: Sequence[tuple[str, str]]) -> str:
    """The SHA256 that is announced for bytes with this one (lower-case hex); empty where none is.

    `told`: name and SHA256 of the files that a source describes together. It is the one that the bytes have,
    else the one under their name, else the only one: a renamed copy still has the sidecar of its original.
    """
    if any(digest == sha256 for _, digest in told):
        return sha256
    named = [digest for other, digest in told if other == name]
    return named[0] if named else told[0][1] if len(told) == 1 else ""


def judge(digests: Digests, told: Mapping[str, str], name: str) -> Judgment:
    """Whether the bytes are those announced (`told` as of read_hashes). Raises HashMismatch.

    The strongest digest announced decides: SHA256, BLAKE3, AutoV2 (the first digits of SHA256), AutoV3,
    CRC32. If it differs while AutoV3 agrees, the bytes are accepted as `rewritten`: AutoV3 is the SHA256 of
    all that follows the safetensors header, so every tensor is the one announced, and an older scanner of
    Civitai's rewrote the header of stored files to repair their `sshs_model_hash`, so that the SHA256 of a
    record may be that of the file before (civitai/model-scanner @ afd1e035). Identity is in any case the
    SHA256 computed here.
    """
    agree = {kind: _agrees(digests, kind, told[kind]) for kind in _JUDGES if kind in told}
    if not agree:
        return Judgment({}, "", False)
    strongest = next(iter(agree))
    if agree[strongest]:
        return Judgment(agree, strongest, False)
    if agree.get("autov3"):
        return Judgment(agree, "autov3", True)
    have = _computed(digests, strongest)
    raise HashMismatch(
        f"{name}: the upstream announces {strongest.upper()} {told[strongest]}, the bytes have {have}."
    )


def _agrees(digests: Digests, kind: str, told: str) -> bool:
    have = _computed(digests, kind)
    if kind == "crc32":
        # Civitai prints the four bytes in reverse, other tools do not.
        return told in (have, bytes.fromhex(have)[::-1].hex().upper())
    return bool(have) and told[: len(have)] == have


def _computed(digests: Digests, kind: str) -> str:
    return str(getattr(digests, kind) or "")


def _digits(value: object) -> str:
    text = value.strip().lower() if isinstance(value, str) else ""
    text = re.sub(r"^(sha-?256|blake3|crc32|autov[123])[:=]|^0x", "", text)
    return text.upper() if re.fullmatch(r"[0-9a-f]+", text) else ""
