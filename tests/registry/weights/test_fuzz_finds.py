"""What fuzzing found once, so that it is never found again."""

from __future__ import annotations

from pathlib import Path

from registry.weights import inspect_file
from tests.registry.weights.files import kohya, merge, write_shapes


def test_layers_that_contradict_each_other_are_a_finding_and_no_crash(tmp_path: Path) -> None:
    shapes = merge(
        [
            kohya("lora_unet_blocks_0_cross_attn_k_proj", 2048, 2048, 8),
            kohya("lora_unet_blocks_0_cross_attn_q_proj", 2048, 2048, 0),
            kohya("lora_te_layers_0_mlp_down_proj", 2816, 1024, 8),
            kohya("lora_te_layers_0_mlp_up_proj", 1048, 2816, 8),
        ]
    )
    read = inspect_file(write_shapes(tmp_path / "a.safetensors", shapes))
    assert read.family == "unknown"
    assert "contradicting_layers" in [each["code"] for each in read.findings]
