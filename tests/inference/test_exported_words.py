"""Learned words of an adapter in the exports of a cell: how each program gets them, or that it does not."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors import safe_open
from safetensors.numpy import load, save, save_file

from inference.exported_words import LearnedWord, a1111_text, words_of
from inference.exports import (
    Applied,
    CellFacts,
    a1111_parameters,
    comfyui_workflow,
    diffusers_script,
    facts_of,
)
from inference.recipes import Sampled, plan_from_dict
from inference.services import plan_sheet
from registry.weights import read_header
from registry.weights.embeddings import learned_tokens
from tests.inference.adapters import random_floats
from tests.inference.rows import kohya_lora, make_base, make_version
from tests.inference.test_words_on_sheets import inspected, with_words

HOW = Sampled(steps=4, cfg=7.0, width=16, height=16, sampler="dpmpp_2m_karras", negative="")


def cell(
    *tensors: str, word: str = "ink", prompt: str = "ink, a pink cat", family: str = "sd1", negative: str = ""
) -> CellFacts:
    """A cell of an adapter that brings one word under these names of tensors."""
    learned = LearnedWord(word, "a b.safetensors", tensors)
    applied = Applied("a b.safetensors", "ab" * 32, 0.8, 0.8, words=(learned,))
    return CellFacts(prompt, 11, replace(HOW, negative=negative), "Base", "", family, (applied,))


# --- AUTOMATIC1111 ---


@pytest.mark.parametrize(
    ("family", "word", "tensors", "told"),
    [
        ("sd1", "ink", ["bundle_emb.ink.string_to_param.*"], ""),
        ("sd1", "ink", ["bundle_emb.ink.clip_l"], ""),
        ("sdxl", "ink", ["bundle_emb.ink.clip_l", "bundle_emb.ink.clip_g"], ""),
        ("sdxl", "ink", ["bundle_emb.ink.clip_g"], "both text encoders"),
        ("sd1", "ink", ["bundle_emb.ink.clip_l", "bundle_emb.ink.clip_l_out"], "file is not loaded"),
        ("sd1", "ink", ["bundle_emb.ink"], "file is not loaded"),
        (
            "sdxl",
            "ink",
            ["bundle_emb.ink.clip_l", "bundle_emb.ink.clip_g", "bundle_emb.ink.clip_g_out"],
            "behind the text encoder",
        ),
        ("sd1", "i.nk", ["bundle_emb.i.nk.string_to_param.*"], "up to a dot"),
        ("sd1", "<s1>", ["<s1>"], "only bundle_emb is read"),
        ("sdxl", "<s0>", ["clip_l", "clip_g"], "only bundle_emb is read"),
        ("flux1", "ink", ["bundle_emb.ink.clip_l", "bundle_emb.ink.t5"], "no word is read for this model"),
    ],
)
def test_the_parameters_say_where_automatic1111_does_not_read_a_word_as_it_is(
    family: str, word: str, tensors: list[str], told: str
) -> None:
    last = a1111_parameters(cell(*tensors, word=word, prompt=word, family=family)).splitlines()[-1]
    # As AUTOMATIC1111 reads its own line: name: value or "value in quotes".
    read = dict(re.findall(r'\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)', last))
    assert read["RNG"] == "CPU"
    assert ("Learned words" in read) is bool(told)
    assert told in read.get("Learned words", "")


def test_a_word_that_no_prompt_says_is_told_of_only_where_it_stops_the_file() -> None:
    assert "Learned words" not in a1111_parameters(cell("<s1>", word="<s1>", prompt="a cat"))
    broken = cell("bundle_emb.ink.clip_l", "bundle_emb.ink.clip_l_out", prompt="a pink cat")
    assert "file is not loaded" in a1111_parameters(broken)


def test_words_of_signs_stand_apart_for_automatic1111_and_others_as_they_are() -> None:
    words = [LearnedWord(word, "a", (f"bundle_emb.{word}.clip_l",)) for word in ("<s0>", "<s1>", "momo")]
    assert a1111_text("(<s0><s1>:1.2), Momo, a cat", words) == "( <s0> <s1> :1.2), Momo, a cat"


# --- ComfyUI ---


def texts(graph: dict[str, Any]) -> list[str]:
    return [node["inputs"]["text"] for node in graph.values() if node["class_type"] == "CLIPTextEncode"]


def test_comfyui_gets_the_name_of_a_file_to_be_made_and_what_belongs_into_it() -> None:
    graph = comfyui_workflow(
        cell("bundle_emb.ink.clip_l", "bundle_emb.ink.clip_g", family="sdxl", negative="INK")
    )
    assert texts(graph) == ["embedding:a-b-ink , a pink cat", "embedding:a-b-ink"]
    (note,) = graph["2"]["_meta"]["notes"]
    assert note == (
        "ComfyUI does not read ink from a b.safetensors. Save bundle_emb.ink.clip_l as clip_l,"
        " bundle_emb.ink.clip_g as clip_g in models/embeddings/a-b-ink.safetensors."
    )


def test_comfyui_hears_of_rows_of_missing_encoders_and_of_vectors_that_it_cannot_take() -> None:
    pivotal = comfyui_workflow(cell("clip_l", "clip_g", word="<s1>", prompt="<s1>", family="sdxl"))
    assert "clip_l[1:2] as clip_l, clip_g[1:2] as clip_g" in pivotal["2"]["_meta"]["notes"][0]
    one = comfyui_workflow(cell("bundle_emb.ink.t5", family="flux1"))["2"]["_meta"]["notes"][0]
    assert "bundle_emb.ink.t5 as t5xxl" in one
    assert "without vectors" in one
    behind = comfyui_workflow(cell("bundle_emb.ink.clip_l_out"))
    assert texts(behind)[0] == "ink, a pink cat"
    assert "have no place there" in behind["2"]["_meta"]["notes"][0]


def test_a_cell_without_the_word_has_no_notes() -> None:
    graph = comfyui_workflow(cell("bundle_emb.ink.clip_l", prompt="a pink cat"))
    assert texts(graph)[0] == "a pink cat"
    assert "notes" not in graph["2"]["_meta"]


# --- diffusers ---


def test_the_script_says_what_diffusers_does_not_read() -> None:
    behind = diffusers_script(cell("bundle_emb.ink.clip_l", "bundle_emb.ink.clip_l_out"))
    assert "# 'ink' has vectors behind a text encoder, which diffusers does not read." in behind
    flow = cell("bundle_emb.ink.clip_l", family="sd3_medium")
    script = diffusers_script(replace(flow, how=replace(HOW, sampler="euler_flow")))
    assert "load_textual_inversion" not in script
    assert "'ink' is text there" in script
    assert "prompt='ink, a pink cat'" in script


WORDS: dict[str, tuple[str, dict[str, tuple[int, ...]], str]] = {
    "bundled": ("toybox", {"bundle_emb.ink.string_to_param.*": (2, 16)}, "a pink cat, Ink"),
    "pivotal": ("sdxl", {"clip_l": (2, 32), "clip_g": (2, 40)}, "a cat in <s0><s1>, by day"),
    "one_encoder": ("sdxl", {"bundle_emb.ink.clip_g": (1, 40)}, "a pink cat, ink"),
}


@pytest.mark.engine
@pytest.mark.parametrize("case", WORDS)
def test_the_script_makes_the_picture_of_the_engine(
    case: str, tiny_base: Path, engine: Any, engines: Callable[[str], Any], tmp_path: Path
) -> None:
    from inference.engine.ladder import Sampling
    from tests.inference.tiny_families import save_tiny_family

    family, tensors, prompt = WORDS[case]
    vectors = {name: random_floats(n, *shape, scale=1.0) for n, (name, shape) in enumerate(tensors.items())}
    file = tmp_path / "ink.safetensors"
    if family == "toybox":
        loaded, folder, layers = engine, tiny_base, load(kohya_lora(text_encoder=False))
    else:
        loaded, folder = engines(family), save_tiny_family(family, tmp_path / "base")
        layer = "unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q"
        layers = {
            f"{layer}.lora_A.weight": random_floats(1, 4, 32, scale=0.3),
            f"{layer}.lora_B.weight": random_floats(2, 32, 4, scale=0.3),
        }
    save_file(layers | vectors, file, {"made": "here"})
    found = learned_tokens(read_header(file).tensors, vectors)
    words = tuple(LearnedWord(word, str(file), tuple(names)) for word, names in found.items())
    applied = Applied(str(file), "ab" * 32, 0.8, 0.8, words=words)
    script = diffusers_script(CellFacts(prompt, 11, HOW, str(folder), "", family, (applied,)))
    (tmp_path / "cell.py").write_text(script)
    environment = os.environ | {"HF_HUB_OFFLINE": "1"}
    subprocess.run(
        [sys.executable, "cell.py"], cwd=tmp_path, env=environment, check=True, capture_output=True
    )
    theirs = np.asarray(Image.open(tmp_path / "cell.png"), dtype=np.int16)
    sampling = Sampling(4, HOW.cfg, 16, 16, HOW.sampler, "")
    (ours,) = loaded.render_adapter([prompt], [11], sampling, loaded.load_adapter(file), 0.8)
    save_file(layers, tmp_path / "silent.safetensors")
    silent = loaded.load_adapter(tmp_path / "silent.safetensors")
    (plain,) = loaded.render_adapter([prompt], [11], sampling, silent, 0.8)
    assert np.abs(theirs - ours.pixels.astype(np.int16)).max() <= 2
    assert np.abs(theirs - plain.pixels.astype(np.int16)).max() > 2
    with safe_open(tmp_path / "a0.safetensors", "np") as layers_alone:
        assert layers_alone.metadata() == {"made": "here"}


# --- Of a sheet ---


@pytest.mark.database
@pytest.mark.django_db
def test_the_cells_of_a_sheet_know_the_words_of_their_file(tmp_path: Path) -> None:
    make_base(tmp_path)
    data = with_words("ink")
    version = make_version(data, trigger_words=["ink"])
    file = inspected(version, data, tmp_path / "a.safetensors")
    sheet = plan_sheet(version=version)
    facts = facts_of(sheet, plan_from_dict(sheet.plan))
    said = {place for place, each in facts.items() if each.words}
    columns = {column for _, column in said}
    assert columns == {2, 3, 4, 5}
    assert {row for row, _ in said} == {n for n, row in enumerate(sheet.plan["rows"]) if row["triggered"]}
    assert [word.tensors for word in words_of(file.blob_id, "a")] == [("bundle_emb.ink.string_to_param.*",)]


@pytest.mark.database
@pytest.mark.django_db
def test_a_file_whose_author_states_the_word_brings_it_all_the_same(tmp_path: Path) -> None:
    data = save(load(with_words("ink")), {"trigger_words": "ink"})
    version = make_version(data)
    file = inspected(version, data, tmp_path / "a.safetensors")
    assert [word.word for word in words_of(file.blob_id, "a")] == ["ink"]
