"""Sub-families: hints only, each with its evidence and how strong that is; the family never follows them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.weights import inspect_file
from registry.weights.container import read_header
from registry.weights.modules import ModuleFacts, group_modules
from registry.weights.sub_families import STRENGTHS, function_of, sub_family_of
from tests.registry.weights.files import write_shapes
from tests.registry.weights.spelled import spelled

SDXL = "down_blocks.2.attentions.1.transformer_blocks.9.attn2.to_k 2048 1280"
PONY_TAGS = '{"10_x": {"score_9": 40, "1girl": 12}}'


def modules_of(tmp_path: Path, layers: str, dialect: str) -> list[ModuleFacts]:
    path = write_shapes(tmp_path / "a.safetensors", spelled(layers, dialect))
    return group_modules(read_header(path))[0]


@pytest.mark.parametrize(
    ("family", "metadata", "name", "strength"),
    [
        ("sdxl", {"ss_sd_model_name": "ponyDiffusionV6XL_v6.safetensors"}, "Pony", "stated"),
        ("sdxl", {"ss_sd_model_name": "/models/pony/illustriousXL_v01.safetensors"}, "Illustrious", "stated"),
        ("sdxl", {"ss_sd_model_name": "C:\\sd\\noobaiXLNAIXL_vPred10.safetensors"}, "NoobAI", "stated"),
        ("sdxl", {"ss_sd_model_name": "waiNSFWIllustrious_v110.safetensors"}, "Illustrious", "stated"),
        ("sdxl", {"ss_sd_model_name": "animagine-xl-3.1"}, "Animagine", "stated"),
        ("sdxl", {"ss_sd_model_name": "playground-v2.5"}, "Playground", "stated"),
        ("sdxl", {"ss_sd_model_name": "segmind-vega.safetensors"}, "Vega", "stated"),
        ("sdxl", {"modelspec.title": "Kolors ink"}, "Kolors", "named"),
        ("sdxl", {"ss_output_name": "hero_il_v2"}, "Illustrious", "named"),
        ("sdxl", {"ss_output_name": "my_PDXL_style"}, "Pony", "named"),
        ("sdxl", {"ss_new_sd_model_hash": "67ab2fd8ec" + "0" * 54}, "Pony", "named"),
        ("sdxl", {"ss_tag_frequency": PONY_TAGS}, "Pony", "tags"),
        ("sdxl", {"ss_tag_frequency": '{"x": {"very awa": 3}}'}, "NoobAI", "tags"),
        ("sdxl", {"ss_tag_frequency": '{"x": {"absurdres": 3}}'}, "Illustrious", "tags"),
        ("sdxl", {"modelspec.prediction_type": "v"}, "NoobAI v-prediction", "settings"),
        ("sdxl", {"ss_zero_terminal_snr": "True"}, "NoobAI v-prediction", "settings"),
        ("sdxl", {"ss_clip_skip": "2", "ss_tag_frequency": '{"x": {"1girl": 3}}'}, "anime SDXL", "settings"),
        ("sd2", {"ss_base_model_version": "sd_v2_v"}, "SD 2 768-v", "settings"),
        ("flux1", {"ss_base_model_version": "flux_kontext"}, "FLUX.1 Kontext", "stated"),
        ("flux1", {"modelspec.architecture": "flux-1-schnell/lora"}, "FLUX.1 Schnell", "stated"),
        ("flux1", {"ss_sd_model_name": "flux1-krea-dev.safetensors"}, "FLUX.1 Krea", "stated"),
        ("auraflow", {"modelspec.title": "Pony V7 watercolour"}, "Pony V7", "named"),
        ("qwen_image", {"ss_base_model_version": "qwen_image_edit"}, "Qwen-Image-Edit", "stated"),
        ("hunyuan_video", {"ss_base_model_version": "framepack"}, "FramePack", "stated"),
        ("wan_14b", {"ss_output_name": "walk_HN"}, "Wan 2.2 high noise", "named"),
    ],
)
def test_metadata_hints_at_a_fine_tune(
    family: str, metadata: dict[str, str], name: str, strength: str
) -> None:
    found = sub_family_of(metadata, family, [])
    assert found is not None
    assert (found.name, found.strength) == (name, strength)
    assert found.evidence


@pytest.mark.parametrize(
    ("family", "metadata"),
    [
        ("sd1", {"ss_sd_model_name": "ponyDiffusionV6XL"}),
        ("sdxl", {}),
        ("sdxl", {"ss_sd_model_name": "/home/pony/sd_xl_base_1.0.safetensors"}),
        ("sdxl", {"ss_output_name": "family_portrait_silk_illustration"}),
        ("sdxl", {"ss_tag_frequency": '{"x": {"score": 3, "1girl": 5}}', "ss_clip_skip": "1"}),
        ("sdxl", {"ss_sd_model_hash": ""}),
        ("flux1", {"ss_base_model_version": "flux1"}),
        ("wan_14b", {"ss_output_name": "highland_flowers"}),
    ],
)
def test_nothing_hints_at_what_is_not_there(family: str, metadata: dict[str, str]) -> None:
    assert sub_family_of(metadata, family, []) is None


def test_stronger_evidence_comes_first() -> None:
    both = {"ss_sd_model_name": "illustriousXL", "ss_output_name": "pony", "ss_tag_frequency": PONY_TAGS}
    found = sub_family_of(both, "sdxl", [])
    assert found is not None
    assert found.name == "Illustrious"
    assert STRENGTHS.index(found.strength) < STRENGTHS.index("named")


def test_a_layer_s_size_is_the_strongest_evidence(tmp_path: Path) -> None:
    kolors = modules_of(tmp_path, "add_embedding.linear_1 5632 1280", "diffusers unet")
    found = sub_family_of({"ss_sd_model_name": "pony"}, "sdxl", kolors)
    assert found is not None
    assert (found.name, found.strength) == ("Kolors", "tensors")
    fill = modules_of(tmp_path, "img_in 384 3072", "comfy")
    filled = sub_family_of({}, "flux1", fill)
    assert filled is not None
    assert (filled.name, filled.strength) == ("FLUX.1 Fill", "tensors")


def test_of_a_pair_of_files_only_the_name_tells_the_noise() -> None:
    high = sub_family_of({}, "wan_14b", [], "wan22-dance-high-noise.safetensors")
    low = sub_family_of({}, "wan_14b", [], "dance_LN_e20.safetensors")
    assert high is not None
    assert low is not None
    assert (high.name, low.name) == ("Wan 2.2 high noise", "Wan 2.2 low noise")


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("LCM LoRA SDXL", "LCM"),
        ("Hyper-SDXL-8steps", "Hyper-SD"),
        ("sdxl_lightning_4step", "Lightning"),
        ("Wan2.1 lightx2v distilled", "Lightning"),
        ("zit turbo", "Turbo"),
        ("dmd2_sdxl_4step", "DMD2"),
        ("a hyperbolic vase", None),
        ("dreamy turbos", None),
    ],
)
def test_a_speed_up_is_a_function_and_no_family(title: str, name: str | None) -> None:
    found = function_of({"modelspec.title": title})
    assert (found and found.name) == name


def test_hints_are_findings_and_change_no_family(tmp_path: Path) -> None:
    metadata = {"ss_sd_model_name": "ponyDiffusionV6XL", "ss_output_name": "neon lightning style"}
    path = write_shapes(tmp_path / "a.safetensors", spelled(SDXL, "diffusers unet"), metadata)
    got = inspect_file(path, hashes=False)
    assert (got.family, got.base_conflict) == ("sdxl", False)
    hints = {f["code"]: (f["severity"], f["message"]) for f in got.findings}
    assert hints["sub_family_hint"][0] == hints["function_hint"][0] == "info"
    assert "Pony" in hints["sub_family_hint"][1]
    assert "ss_sd_model_name" in hints["sub_family_hint"][1]


@given(
    st.dictionaries(
        st.sampled_from(["ss_sd_model_name", "ss_output_name", "ss_tag_frequency", "modelspec.title"]),
        st.text(max_size=200),
    ),
    st.sampled_from(["sdxl", "flux1", "wan_14b", "sd2", "unknown"]),
    st.text(max_size=80),
)
def test_no_metadata_breaks_the_reading(metadata: dict[str, str], family: str, file_name: str) -> None:
    found = sub_family_of(metadata, family, [], file_name)
    assert found is None or (found.strength in STRENGTHS and len(found.evidence) < 400)
    function_of(metadata, file_name)
