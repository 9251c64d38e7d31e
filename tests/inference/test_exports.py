"""A cell for other programs: what they print, what they load, and a script that makes the same picture."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from inference.exports import Applied, CellFacts, a1111_parameters, comfyui_workflow, diffusers_script
from inference.recipes import Hires, Sampled
from tests.inference.rows import kohya_lora

HOW = Sampled(steps=28, cfg=7.0, width=512, height=768, sampler="dpmpp_2m_karras", negative="blurry")
INK = Applied("ink v1.safetensors", "ab" * 32, 0.8, 0.8)
CELL = CellFacts("a cat, (night:1.2)", 11, HOW, "Base", "c0ffee" + "0" * 58, "sd1", (INK,))


def test_the_parameters_read_as_automatic1111_writes_them() -> None:
    assert a1111_parameters(CELL) == (
        "a cat, (night:1.2) <lora:ink v1:0.8>\n"
        "Negative prompt: blurry\n"
        "Steps: 28, Sampler: DPM++ 2M Karras, CFG scale: 7, Seed: 11, Size: 512x768, Model: Base, "
        'Model hash: c0ffee0000, Lora hashes: "ink v1: abababababab", RNG: CPU'
    )


def test_text_encoder_and_blocks_have_their_places_in_the_tag() -> None:
    both = replace(INK, text_encoder=0.5, blocks="1,0,0,0,0,0,0,0,0,0,0,0")
    assert both.tag == "<lora:ink v1:0.5:0.8:lbw=1,0,0,0,0,0,0,0,0,0,0,0>"


def test_the_base_alone_names_no_adapter_anywhere() -> None:
    alone = replace(CELL, adapters=())
    assert "lora" not in a1111_parameters(alone).casefold()
    assert "LoraLoader" not in {node["class_type"] for node in comfyui_workflow(alone).values()}
    assert "load_lora_weights" not in diffusers_script(alone)


@pytest.mark.parametrize("family", ["sd1", "sdxl", "flux1"])
@pytest.mark.parametrize("hires", [None, Hires(1.5, 10, 0.5)])
def test_every_input_of_the_workflow_leads_to_an_output_of_another_node(
    family: str, hires: Hires | None
) -> None:
    outputs = {
        "CheckpointLoaderSimple": 3, "LoraLoader": 2, "CLIPTextEncode": 1, "KSampler": 1, "VAEDecode": 1,
        "EmptyLatentImage": 1, "EmptySD3LatentImage": 1, "CLIPSetLastLayer": 1, "ImageScaleBy": 1,
        "VAEEncode": 1, "FluxGuidance": 1, "SaveImage": 0,
    }  # fmt: skip
    second = Applied("gold.safetensors", "cd" * 32, 0.5, 0.25)
    graph = comfyui_workflow(
        replace(CELL, family=family, how=replace(HOW, hires=hires, clip_skip=2), adapters=(INK, second))
    )
    reached = set()
    for node in graph.values():
        for value in node["inputs"].values():
            if isinstance(value, list):
                source, output = value
                assert output < outputs[graph[source]["class_type"]]
                reached.add(source)
    # Nothing hangs loose but what saves the picture.
    assert {graph[name]["class_type"] for name in graph.keys() - reached} == {"SaveImage"}
    strengths = [
        (node["inputs"]["strength_model"], node["inputs"]["strength_clip"])
        for node in graph.values()
        if node["class_type"] == "LoraLoader"
    ]
    assert strengths == [(0.8, 0.8), (0.5, 0.25)]


def test_flux_says_which_guidance_is_distilled_and_which_is_true() -> None:
    how = replace(HOW, sampler="euler_flow", cfg=3.5, true_cfg=2.0, negative="blurry")
    flux = replace(CELL, family="flux1", how=how)
    assert "CFG scale: 2, Distilled CFG Scale: 3.5" in a1111_parameters(flux).replace(
        "Seed: 11, Size: 512x768, Model: Base, ", ""
    )
    graph = comfyui_workflow(flux)
    sampler = next(node["inputs"] for node in graph.values() if node["class_type"] == "KSampler")
    assert sampler["cfg"] == 2.0
    told = [graph[sampler[side][0]]["inputs"] for side in ("positive", "negative")]
    assert [each["guidance"] for each in told] == [3.5, 3.5]
    texts = [graph[each["conditioning"][0]]["inputs"]["text"] for each in told]
    assert texts == [CELL.prompt, "blurry"]
    script = diffusers_script(flux)
    assert "negative_prompt='blurry'" in script and "true_cfg_scale=2.0" in script
    plain = diffusers_script(replace(flux, how=replace(how, negative="", true_cfg=1.0)))
    assert "negative_prompt" not in plain and "true_cfg" not in plain


@pytest.mark.engine
def test_the_script_makes_the_picture_of_the_engine(tiny_base: Path, engine: Any, tmp_path: Path) -> None:
    from inference.engine.ladder import Sampling

    file = tmp_path / "ink.safetensors"
    file.write_bytes(kohya_lora(text_encoder=False))
    how = replace(HOW, steps=4, width=16, height=16, negative="")
    applied = Applied(str(file), "ab" * 32, 0.8, 0.8)
    cell = CellFacts("a cat", 11, how, str(tiny_base), "", "toybox", (applied,))
    script = tmp_path / "cell.py"
    script.write_text(diffusers_script(cell))
    environment = os.environ | {"HF_HUB_OFFLINE": "1"}
    subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, env=environment, check=True, capture_output=True
    )
    theirs = np.asarray(Image.open(tmp_path / "cell.png"), dtype=np.int16)
    sampling = Sampling(4, how.cfg, 16, 16, how.sampler, "")
    (ours,) = engine.render_adapter(["a cat"], [11], sampling, engine.load_adapter(file), 0.8)
    (plain,) = engine.render(["a cat"], [11], sampling)
    assert np.abs(theirs - ours.pixels.astype(np.int16)).max() <= 2
    assert np.abs(theirs - plain.pixels.astype(np.int16)).max() > 2


def test_a_second_pass_enlarges_the_picture_and_names_the_steps_it_takes() -> None:
    twice = replace(CELL, how=replace(HOW, hires=Hires(1.5, 20, 0.5)))
    assert "Denoising strength: 0.5, Hires upscale: 1.5, Hires steps: 10" in a1111_parameters(twice)
    passes = [node["inputs"] for node in comfyui_workflow(twice).values() if node["class_type"] == "KSampler"]
    assert [(each["steps"], each["denoise"]) for each in passes] == [(28, 1.0), (10, 0.5)]
