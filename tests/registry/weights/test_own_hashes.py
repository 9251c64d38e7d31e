"""The hashes a file states of itself: that of nothing identifies no file, and a stale one is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry.weights import inspect_file
from registry.weights.own_hashes import stale_hash
from registry.weights.training import read_training
from tests.registry.weights.files import write_shapes

NOTHING = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
MODULE = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"
SHAPES = {f"{MODULE}.lora_down.weight": (4, 768), f"{MODULE}.lora_up.weight": (320, 4)}


@pytest.mark.parametrize(
    "metadata",
    [
        {"sshs_model_hash": NOTHING},
        {"sshs_legacy_hash": "e3b0c442"},
        {"modelspec.hash_sha256": "0x" + NOTHING.upper()},
        {"ss_sd_model_hash": "e3b0c442"},
    ],
)
def test_the_hash_of_nothing_is_told(metadata: dict[str, str]) -> None:
    findings = read_training(metadata, {}, autov3="0123456789AB").findings
    assert [code for code, _ in findings] == ["placeholder_hash"]


def codes(path: Path, *, hashes: bool = True) -> set[str]:
    return {finding["code"] for finding in inspect_file(path, hashes=hashes).findings}


def test_a_hash_of_other_weights_is_told_when_the_file_is_hashed(tmp_path: Path) -> None:
    path = write_shapes(tmp_path / "a.safetensors", SHAPES, {"sshs_model_hash": "ab" * 32})
    assert "stale_hash" in codes(path)
    assert "stale_hash" not in codes(path, hashes=False)


def test_the_hash_of_these_weights_is_not(tmp_path: Path) -> None:
    seen = inspect_file(write_shapes(tmp_path / "a.safetensors", SHAPES))
    assert seen.hashes is not None
    own = (seen.hashes["autov3"] or "").lower()
    path = write_shapes(tmp_path / "b.safetensors", SHAPES, {"sshs_model_hash": own + "0" * 52})
    assert "stale_hash" not in codes(path)


def test_hashes_that_cannot_be_compared_are_not_called_stale() -> None:
    stated = {"sshs_model_hash": "ab" * 32}
    assert not stale_hash(stated, None, 100)
    assert not stale_hash(stated, "FFFFFFFFFFFF", 16 * 1024 * 1024)
    assert not stale_hash({"sshs_model_hash": "none"}, "FFFFFFFFFFFF", 100)
