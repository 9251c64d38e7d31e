"""Settings and page of a Civitai version: what pictures and words tell, counted, with nothing made up."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.sources.civitai_pictures import lora_tags, read_parameters, read_pictures
from registry.sources.civitai_samples import identity, settings_evidence
from registry.sources.stated_weights import stated_weights

INK = identity("70", ["ABCDEF0123" + "0" * 54, "0A1B2C3D4E5F"], ["Ink_Wash v1.safetensors"])


def used(*metas: dict[str, Any], texts: tuple[str, ...] = ()) -> dict[str, Any]:
    return settings_evidence(INK, [read_parameters(meta) for meta in metas], texts)


def with_lora(weight: float, **more: Any) -> dict[str, Any]:
    return {"prompt": f"ink <lora:ink_wash_v1:{weight}>"} | more


# --- Pictures -----------------------------------------------------------------------------------------------

COMFY = {
    "prompt": {
        "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sd15.safetensors"}},
        "5": {
            "class_type": "LoraLoader",
            "inputs": {
                "lora_name": "styles\\Ink_Wash v1.safetensors",
                "strength_model": 0.65,
                "strength_clip": 1.0,
            },
        },
        "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "an ink heron", "clip": ["5", 1]}},
        "7": {"class_type": "CLIPSetLastLayer", "inputs": {"stop_at_clip_layer": -2}},
        "8": {
            "class_type": "KSampler",
            "inputs": {"seed": 9, "steps": 24, "cfg": 6.5, "sampler_name": "euler", "scheduler": "karras"},
        },
    },
    "workflow": {},
}


@pytest.mark.parametrize(
    ("meta", "weight", "named_by"),
    [
        ({"prompt": "x <lora:Ink_Wash v1:0.8> y"}, 0.8, "name"),
        ({"prompt": "x <lora:ink_wash_v1:.35>"}, 0.35, "name"),
        ({"prompt": "x <lyco:Ink_Wash v1:te=0.5:unet=0.9>"}, 0.9, "name"),
        ({"prompt": "x <lora:Ink_Wash v1:0.7:0.4>"}, 0.7, "name"),
        ({"prompt": "x <lora:Ink_Wash v1>"}, 1.0, "name"),
        ({"prompt": "x <lora:Ink_Wash v1:-1.5>"}, -1.5, "name"),
        (
            {
                "prompt": "",
                "resources": [{"type": "lora", "name": "whatever", "weight": 0.6, "hash": "abcdef0123"}],
            },
            0.6,
            "hash",
        ),
        (
            {"resources": [{"type": "lora", "name": "x", "hash": "0a1b2c3d4e5f"}], "prompt": "<lora:x:0.45>"},
            0.45,
            "hash",
        ),
        ({"civitaiResources": [{"type": "lora", "modelVersionId": 70, "weight": 0.55}]}, 0.55, "version"),
        (
            {
                "civitaiResources": [
                    {"type": "lycoris", "modelVersionId": 70, "weight": 0.5},
                    {"type": "lora", "modelVersionId": 71, "weight": 0.2},
                ]
            },
            0.5,
            "version",
        ),
        (
            {
                "additionalResources": [
                    {"type": "lora", "name": "urn:air:sd1:lora:civitai:7@70", "strength": 0.4}
                ]
            },
            0.4,
            "version",
        ),
        (
            {"prompt": "a <lora:x:0.3>", "hashes": {"lora:x": "0a1b2c3d4e5f", "model": "aaaaaaaa"}},
            0.3,
            "hash",
        ),
        ({"prompt": "a <lora:x:0.3>", "Lora hashes": '"x: 0a1b2c3d4e5f, other: 111122223333"'}, 0.3, "hash"),
        (
            {
                "AddNet Model 1": "renamed(0a1b2c3d4e5f)",
                "AddNet Weight A 1": "0.75",
                "AddNet Weight B 1": "0.1",
            },
            0.75,
            "hash",
        ),
        ({"comfy": json.dumps(COMFY)}, 0.65, "name"),
        ({"comfy": COMFY}, 0.65, "name"),
        (
            {
                "comfy": {
                    "prompt": {
                        "1": {
                            "class_type": "Power Lora Loader (rgthree)",
                            "inputs": {
                                "lora_1": {"on": True, "lora": "Ink_Wash v1.safetensors", "strength": 0.9},
                                "lora_2": {"on": False, "lora": "off.safetensors", "strength": 1},
                            },
                        }
                    }
                }
            },
            0.9,
            "name",
        ),
        ({"id": 5, "meta": {"prompt": "<lora:Ink_Wash v1:0.8>"}}, 0.8, "name"),
    ],
)
def test_a_picture_tells_at_which_weight_it_used_the_adapter(
    meta: dict[str, Any], weight: float, named_by: str
) -> None:
    shown = used(meta)["weights"]["pictures"]
    assert (shown["default"], shown["named_by"], shown["count"]) == (weight, {named_by: 1}, 1)


@pytest.mark.parametrize(
    "meta",
    [
        {"prompt": "no adapter here"},
        {"prompt": "<lora:a:0.5> <lora:b:0.7>"},
        {"prompt": "<lora:Ink_Wash v1:0>"},
        {"prompt": "<lora:Ink_Wash v1:multiplier>"},
        {"civitaiResources": [{"type": "lora", "modelVersionId": 71, "weight": 0.5}]},
        {"civitaiResources": [{"type": "checkpoint", "modelVersionId": 70, "weight": 0.5}]},
        {"resources": [{"type": "model", "name": "Ink_Wash v1", "weight": 0.5}]},
        {"prompt": "<lora:Ink_Wash v1:99>"},
    ],
)
def test_a_picture_of_something_else_tells_no_weight(meta: dict[str, Any]) -> None:
    assert "weight" not in used(meta)


def test_a_lone_lora_under_another_name_counts_only_if_all_pictures_agree_on_it() -> None:
    one = used({"prompt": "<lora:epoch_10:0.8>"}, {"prompt": "<lora:epoch_10:0.6>"})
    assert one["weights"]["pictures"]["named_by"] == {"only": 2}
    assert "weight" not in used({"prompt": "<lora:epoch_10:0.8>"}, {"prompt": "<lora:epoch_12:0.6>"})


def test_the_middle_half_of_the_weights_is_recommended() -> None:
    """Quartiles of 0.5, 0.6, 0.7, 0.8, 2.0 by Hyndman and Fan's type 7: 0.6, 0.7, 0.8 (R: quantile(x))."""
    found = used(*(with_lora(weight) for weight in (0.6, 2.0, 0.5, 0.8, 0.7)))
    assert found["weight"] == {"min": 0.6, "default": 0.7, "max": 0.8, "source": "pictures", "count": 5}
    assert found["weights"]["pictures"]["lowest"] == 0.5
    assert found["weights"]["pictures"]["highest"] == 2.0


def test_the_authors_word_is_recommended_and_the_pictures_stand_beside_it() -> None:
    found = used(with_lora(0.7), with_lora(1.0), texts=("Use it at weight 0.6-0.8.",))
    assert found["weight"] == {"min": 0.6, "default": 0.7, "max": 0.8, "source": "author", "count": 1}
    assert found["weights"]["author"]["wording"] == ["weight 0.6-0.8"]
    assert found["weights"]["pictures"]["count"] == 2


def test_sampler_guidance_and_steps_come_with_their_counts() -> None:
    first = with_lora(0.7, sampler="Euler a", cfgScale="7", steps="20", seed="5", **{"Clip skip": "2"})
    second = with_lora(0.7, sampler="Euler a", cfgScale=5, steps=30, seed=6)
    third = with_lora(0.7, sampler="DPM++ 2M Karras")
    found = used(first, second, third)
    assert found["sampler"] == {"value": "Euler a", "count": 2, "of": 3, "source": "pictures"}
    assert (found["cfg"]["default"], found["cfg"]["count"]) == (6.0, 2)
    assert found["clip_skip"]["default"] == 2
    assert found["pictures"] == {"shown": 3, "told": 3, "reproducible": 2}


def test_a_workflow_tells_sampler_prompt_and_checkpoint() -> None:
    assert read_parameters({"comfy": json.dumps(COMFY)}) == {
        "prompt": "an ink heron",
        "steps": 24,
        "sampler": "euler",
        "scheduler": "karras",
        "cfgScale": 6.5,
        "seed": 9,
        "clipSkip": 2,
        "Model": "sd15.safetensors",
        "loras": [{"name": "styles\\Ink_Wash v1.safetensors", "weight": 0.65}],
    }


def test_videos_are_no_pictures() -> None:
    assert read_pictures([{"url": "https://x/1.mp4", "type": "video"}, {"url": "https://x/2.png"}]) == [
        ("https://x/2.png", {})
    ]


# --- Words --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        ("Recommended weight: 0.6-0.8", 0.6, 0.8),
        ("Weights between 0.5 and 1 work.", 0.5, 1.0),
        ("Use a strength of 0.7.", 0.7, 0.7),
        ("LoRA strength at around 0.65", 0.65, 0.65),
        ("weight=1", 1.0, 1.0),
        ("推荐权重为1.1-0.8", 0.8, 1.1),
        ("權重：0,5～0,7", 0.5, 0.7),
        ("強度は0.6", 0.6, 0.6),
        ("strength ~.8", 0.8, 0.8),
        ("<lora:ink:0.8> works quite well between 0.2 and 1", 0.2, 1.0),
    ],
)
def test_weights_in_words_are_found(text: str, least: float, most: float) -> None:
    assert [(low, high) for low, high, _ in stated_weights(text)] == [(least, most)]


@pytest.mark.parametrize(
    "text",
    [
        "denoising strength of 0.3 to 0.5",
        "Denoise strength: 0.4",
        "ControlNet weight 0.5",
        "ss_prior_loss_weight: 1.0",
        "weight: 7-1",
        "weight 150 kg",
        "The weight of the file is small. 0.5 is nice.",
        "lightweight 0.5",
        "strength 80%",
    ],
)
def test_other_numbers_are_no_weights(text: str) -> None:
    assert stated_weights(text) == []


def test_an_upper_bound_has_no_least() -> None:
    assert [(low, high) for low, high, _ in stated_weights("权重<=0.9")] == [(None, 0.9)]


# --- Anything -----------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
META_KEYS = st.sampled_from(
    [
        "prompt",
        "resources",
        "civitaiResources",
        "additionalResources",
        "hashes",
        "comfy",
        "seed",
        "meta",
        "steps",
        "AddNet Model 1",
        "AddNet Weight A 1",
        "Lora hashes",
        "Clip skip",
    ]
)


@given(st.dictionaries(META_KEYS, JSON, max_size=6))
def test_no_meta_breaks_the_reader(meta: dict[str, Any]) -> None:
    facts = read_parameters(meta)
    json.dumps(facts, allow_nan=False)
    settings_evidence(INK, [facts], [str(meta)])


@given(st.floats(min_value=-5, max_value=5).filter(lambda number: abs(number) > 0.001))
def test_a_tag_is_read_back_as_it_was_written(weight: float) -> None:
    (found,) = lora_tags(f"a <lora:ink:{weight:.4f}> b")
    assert found.weight == pytest.approx(weight, abs=1e-4)
