"""The hashes that a file states of itself: those of nothing, and those that no longer fit.

Recipes: `sshs_model_hash` is SHA-256 over the data section and `sshs_legacy_hash` a SHA-256 over 64 KiB from
1 MiB on (kohya-ss/sd-scripts, `precalculate_safetensors_hashes`); `modelspec.hash_sha256` is over all tensor
contents (Stability-AI/ModelSpec), but OneTrainer takes them in the order of their names, so that a difference
there proves nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

# SHA-256 of no bytes at all: what remains where a trainer hashed a slice beyond the end, or an empty buffer.
_NOTHING = "e3b0c442"
_KEYS = (
    "sshs_model_hash",
    "sshs_legacy_hash",
    "modelspec.hash_sha256",
    "ss_sd_model_hash",
    "ss_new_sd_model_hash",
)
# Civitai does not skip a header of 16 MiB or more, so that its AutoV3 then is no hash of the data section.
_COMPARABLE_HEADER = 16 * 1024 * 1024


def is_hash_of_nothing(value: str | None) -> bool:
    return value is not None and value.strip().lower().removeprefix("0x").startswith(_NOTHING)


def placeholder_hashes(metadata: Mapping[str, str]) -> list[str]:
    """The keys whose hash is that of nothing; they identify no file and must not join duplicates."""
    return [key for key in _KEYS if is_hash_of_nothing(metadata.get(key))]


def stale_hash(metadata: Mapping[str, str], autov3: str | None, header_length: int) -> bool:
    """Whether `sshs_model_hash` is not the hash of the data section, of which `autov3` is the start.

    Then another program saved, merged or cast the weights and copied the metadata along.
    """
    stated = metadata.get("sshs_model_hash", "").strip().lower().removeprefix("0x")
    if autov3 is None or header_length >= _COMPARABLE_HEADER or is_hash_of_nothing(stated):
        return False
    length = min(len(stated), len(autov3))
    return length >= 8 and stated[:length] != autov3[:length].lower()
