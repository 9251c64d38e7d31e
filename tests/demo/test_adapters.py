"""The demo's adapters: small valid files in many dialects, each with papers that parse."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml
from PIL import Image
from safetensors import safe_open

from registry.weights import inspect_file

ADAPTERS = Path(__file__).resolve().parents[2] / "demo" / "adapters"
FILES = sorted(ADAPTERS.rglob("*.safetensors"))
FOLDERS = {
    "sketch",
    "neon",
    "momo",
    "gold",
    "overfit",
    "ignores_prompt",
    "inert",
    "too_strong",
    "wrong_base",
    "ember",
    "frost",
}


def shapes(path: Path) -> dict[str, tuple[int, ...]]:
    with safe_open(path, framework="numpy") as file:
        return {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118 - not a dict


def sidecar(path: Path, kind: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.with_name(f"{path.stem}.{kind}").read_text(encoding="utf-8"))
    return found


def card(folder: str) -> dict[str, Any]:
    _, front, _ = (ADAPTERS / folder / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    found: dict[str, Any] = yaml.safe_load(front)
    return found


def test_every_adapter_of_the_set_is_here() -> None:
    assert {path.parent.name for path in FILES} == FOLDERS
    assert len(list((ADAPTERS / "sketch").glob("*.safetensors"))) == 2


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_is_valid_small_and_finite(path: Path) -> None:
    assert path.stat().st_size < 1_000_000
    with safe_open(path, framework="numpy") as file:
        for key in file.keys():  # noqa: SIM118 - not a dict
            values = file.get_tensor(key)
            assert str(values.dtype) == "float16"
            assert bool((abs(values) < 60_000).all()), key


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_has_papers(path: Path) -> None:
    kinds = [
        kind
        for kind in ("civitai.info", "metadata.json", "cm-info.json")
        if path.with_name(f"{path.stem}.{kind}").exists()
    ]
    assert kinds or (path.parent / "README.md").exists()
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    for kind in kinds:
        text = json.dumps(sidecar(path, kind))
        assert digest in text.lower(), f"{kind} speaks of other bytes"
        assert "Kura Toybox" in text


@pytest.mark.parametrize("picture", sorted(ADAPTERS.rglob("*.png")), ids=lambda path: path.stem)
def test_a_sample_picture_tells_how_it_was_made(picture: Path) -> None:
    with Image.open(picture) as image:
        assert image.size == (64, 64)
        assert "Steps: 20, Sampler: DPM++ 2M Karras" in image.text["parameters"]  # type: ignore[attr-defined]


def test_the_second_set_holds_other_weights_under_the_same_keys() -> None:
    seconds = sorted((ADAPTERS.parents[1] / "benchmarks" / "judging").rglob("*.safetensors"))
    assert {"overfit", "ignores_prompt", "inert", "too_strong"} <= {path.parent.name for path in seconds}
    for path in seconds:
        first = ADAPTERS / path.parent.name / path.name
        assert shapes(path) == shapes(first)
        assert path.read_bytes() != first.read_bytes()


def test_the_dialects_and_algorithms_differ() -> None:
    keys = {path.stem: " ".join(shapes(path)) for path in FILES}
    assert "lora_A.weight" in keys["pencil-sketch-v1"]
    assert "resnets_0_conv1.lora_down.weight" in keys["pencil-sketch-v2"]
    assert "dora_scale" in keys["neon-night"]
    assert "lora_te_text_model_encoder_layers_0_self_attn_q_proj.lora_down.weight" in keys["momo-character"]
    assert "hada_w1_a" in keys["midas-gold"]
    assert "attn1.processor.to_q_lora.down.weight" in keys["red-house"]
    assert "text_encoder.text_model.encoder.layers.0.self_attn.q_proj.lora_A.weight" in keys["subtle-tint"]
    assert "to_q.lora.down.weight" in keys["frost"]


def test_the_wrong_base_has_stable_diffusion_15s_widths_and_says_otherwise() -> None:
    path = ADAPTERS / "wrong_base" / "studio-portrait.safetensors"
    found = shapes(path)
    stem = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0"
    assert found[f"{stem}_attn2_to_k.lora_down.weight"] == (1, 768)
    assert found[f"{stem}_attn1_to_q.lora_up.weight"] == (320, 1)
    assert sidecar(path, "civitai.info")["baseModel"] == "Kura Toybox"


def test_the_inert_adapter_changes_next_to_nothing() -> None:
    path = ADAPTERS / "inert" / "subtle-tint.safetensors"
    with safe_open(path, framework="numpy") as file:
        largest = max(float(abs(file.get_tensor(key)).max()) for key in shapes(path) if "lora_B" in key)
    assert 0 < largest < 1e-4


def test_declared_terms_differ() -> None:
    def flags(folder: str, file: str) -> dict[str, Any]:
        found: dict[str, Any] = sidecar(ADAPTERS / folder / f"{file}.safetensors", "civitai.info")["model"]
        return found

    open_ = flags("sketch", "pencil-sketch-v2")
    assert open_["allowNoCredit"] and open_["allowDerivatives"] and "Sell" in open_["allowCommercialUse"]
    assert flags("too_strong", "comic-print")["allowCommercialUse"] == ["Image"]
    assert not flags("ignores_prompt", "surprise-box")["allowNoCredit"]
    assert "character" in flags("momo", "momo-character")["tags"]
    neon = sidecar(ADAPTERS / "neon" / "neon-night.safetensors", "metadata.json")
    assert not neon["civitai"]["model"]["allowDerivatives"]
    assert card("overfit")["license"] == "cc-by-nc-4.0"
    assert (card("inert")["license"], card("inert")["license_name"]) == ("other", "attic-release-terms-0.9")


def test_two_versions_of_one_adapter_share_their_model() -> None:
    first, second = (
        sidecar(ADAPTERS / "sketch" / f"pencil-sketch-{v}.safetensors", "civitai.info") for v in ("v1", "v2")
    )
    assert first["modelId"] == second["modelId"]
    assert first["id"] != second["id"]


class TestEffects:
    """What the adapters do to pictures, through the engine that makes the sheets."""

    pytestmark: ClassVar = [pytest.mark.engine, pytest.mark.filterwarnings("ignore")]

    def shift(self, name: str, weight: float) -> float:
        """Mean absolute difference to the base's pictures, 0-255."""
        import numpy as np

        from demo.training.sheets import PROMPTS, pictures
        from inference.engine.ladder import Engine

        engine = Engine.load(ADAPTERS.parent / "toybox", threads=1)
        path = next(path for path in FILES if path.stem == name)
        before = pictures(engine, PROMPTS[:2], [1, 2])
        after = pictures(engine, PROMPTS[:2], [1, 2], (path, weight))
        pairs = zip(before, after, strict=True)
        return float(np.mean([abs(np.asarray(a, int) - np.asarray(b, int)).mean() for a, b in pairs]))

    @pytest.mark.parametrize(
        "name", ["pencil-sketch-v2", "neon-night", "midas-gold", "ember", "frost", "red-house"]
    )
    def test_an_adapter_is_visible_at_eight_tenths(self, name: str) -> None:
        assert self.shift(name, 0.8) > 12

    def test_the_inert_adapter_is_not_visible_even_at_one(self) -> None:
        assert self.shift("subtle-tint", 1.0) < 0.5

    def test_the_characters_file_leaves_prompts_without_its_trigger_nearly_alone(self) -> None:
        assert self.shift("momo-character", 0.6) < self.shift("neon-night", 0.6) / 2

    def test_the_wrong_base_is_refused(self) -> None:
        from inference.engine.ladder import Engine
        from inference.errors import WrongBase

        engine = Engine.load(ADAPTERS.parent / "toybox", threads=1)
        with pytest.raises(WrongBase):
            engine.load_adapter(ADAPTERS / "wrong_base" / "studio-portrait.safetensors")


def test_the_old_checkpoint_is_a_pickle_that_ingest_keeps_in_quarantine() -> None:
    inspection = inspect_file(ADAPTERS / "pickled" / "linocut.ckpt", hashes=False)
    assert inspection.container == "zip"
    assert not inspection.valid
