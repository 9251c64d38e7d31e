"""`manage.py convert`: the same adapter under names that load, never a worse file, never one overwritten."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.management import call_command
from safetensors.numpy import load_file, save_file

from inference.conversion import NOTE, convert_file
from inference.converter_errors import NothingToRepair
from registry.weights import inspect_file, read_header
from registry.weights.errors import HtmlPage, Unreadable
from registry.weights.loading import load_adapter_modules
from registry.weights.redialect import DialectImpossible
from registry.weights.writer import OutputExists
from tests.registry.weights.files import unet_attention

ROOT = Path(__file__).parents[2]
LAYERS = unet_attention((320, 640, 1280, 1280), 768)
Floats = np.ndarray[Any, np.dtype[np.float64]]


def naive(path: Path) -> tuple[Path, dict[str, Floats]]:
    """The rename seen in the wild, and the dW of each layer multiplied out from the numbers put in."""
    random = np.random.default_rng(7)
    tensors: dict[str, np.ndarray[Any, Any]] = {}
    truth: dict[str, Floats] = {}
    for layer, (size_in, size_out) in LAYERS.items():
        if not layer.startswith(("down_blocks.0", "mid_block")):
            continue
        down = random.normal(size=(2, size_in)).astype(np.float16)
        up = random.normal(size=(size_out, 2)).astype(np.float16)
        flat = f"lora_unet_unet_{layer.replace('.', '_')}"
        tensors |= {f"{flat}_lora_down.weight": down, f"{flat}_lora_up.weight": up}
        truth[f"unet.{layer}"] = up.astype(float) @ down.astype(float)
    save_file(tensors, path, {"author": "mika"})
    return path, truth


def test_a_repaired_file_makes_the_very_same_change(tmp_path: Path) -> None:
    source, truth = naive(tmp_path / "naive.safetensors")
    done = convert_file(source, tmp_path / "out.safetensors")
    assert done.steps == ["repaired"]
    loaded = load_adapter_modules(tmp_path / "out.safetensors")
    assert loaded.keys() == truth.keys()
    for key, module in loaded.items():
        up, down = module.tensors["up"].astype(float), module.tensors["down"].astype(float)
        assert module.scale == 1.0
        np.testing.assert_array_equal(up @ down, truth[key])


def test_a_repair_touches_no_number_and_keeps_the_metadata(tmp_path: Path) -> None:
    source, _ = naive(tmp_path / "naive.safetensors")
    original = source.read_bytes()
    convert_file(source, tmp_path / "out.safetensors")
    old, new = read_header(source), read_header(tmp_path / "out.safetensors")
    data = (tmp_path / "out.safetensors").read_bytes()[new.data_start :]
    assert data == original[old.data_start :]
    assert new.metadata["author"] == "mika" and "renamed" in new.metadata[NOTE]
    assert source.read_bytes() == original
    before, after = inspect_file(source), inspect_file(tmp_path / "out.safetensors")
    assert before.hashes is not None and after.hashes is not None
    assert before.hashes["autov3"] == after.hashes["autov3"]
    assert (before.family, before.modules) == (after.family, after.modules)
    assert (before.dialect, after.dialect) == ("broken_rename", "kohya")
    assert [f for f in after.findings if f["severity"] == "error"] == []


def test_a_wrong_file_can_be_repaired_and_converted_at_once(tmp_path: Path) -> None:
    source, truth = naive(tmp_path / "naive.safetensors")
    done = convert_file(source, tmp_path / "out.safetensors", to="diffusers")
    assert done.steps == ["repaired", "converted"]
    assert inspect_file(tmp_path / "out.safetensors").dialect == "diffusers_peft"
    assert load_adapter_modules(tmp_path / "out.safetensors").keys() == truth.keys()


def test_a_sound_file_is_left_as_it_is(tmp_path: Path) -> None:
    source, _ = naive(tmp_path / "naive.safetensors")
    convert_file(source, tmp_path / "out.safetensors")
    for to in (None, "kohya"):
        with pytest.raises(NothingToRepair):
            convert_file(tmp_path / "out.safetensors", tmp_path / "again.safetensors", to=to)
    assert not (tmp_path / "again.safetensors").exists()


def test_nothing_is_overwritten_without_being_told_to(tmp_path: Path) -> None:
    source, _ = naive(tmp_path / "naive.safetensors")
    output = tmp_path / "out.safetensors"
    output.write_text("mine")
    with pytest.raises(OutputExists):
        convert_file(source, output)
    with pytest.raises(Unreadable):
        convert_file(tmp_path / "none", output, overwrite=True)
    assert output.read_text() == "mine"
    convert_file(source, output, overwrite=True)
    assert inspect_file(output).valid


@pytest.mark.parametrize("content", [b"", b"<html><body>gone</body></html>", b"\x08\0\0\0\0\0\0\0{}      "])
def test_what_is_no_adapter_is_one_clear_error_and_no_file(tmp_path: Path, content: bytes) -> None:
    source = tmp_path / "x.safetensors"
    source.write_bytes(content)
    with pytest.raises(Exception, match=r"^[a-z_]+: ") as caught:
        convert_file(source, tmp_path / "out.safetensors", to="kohya")
    assert getattr(caught.value, "code", "")
    assert sorted(tmp_path.iterdir()) == [source]
    if content.startswith(b"<html"):
        assert isinstance(caught.value, HtmlPage)


def test_a_half_module_is_not_made_to_look_whole(tmp_path: Path) -> None:
    source, _ = naive(tmp_path / "naive.safetensors")
    tensors = load_file(source)
    del tensors[sorted(tensors)[0]]
    save_file(tensors, source)
    with pytest.raises(DialectImpossible, match="lacks its"):
        convert_file(source, tmp_path / "out.safetensors", to="diffusers")
    assert sorted(tmp_path.iterdir()) == [source]


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    # Nothing listens there: any attempt to connect would fail the command.
    environment = os.environ | {"DATABASE_URL": "postgres://nobody@127.0.0.1:1/none"}
    environment["DJANGO_SETTINGS_MODULE"] = "config.settings"
    return subprocess.run(
        [sys.executable, "manage.py", *map(str, arguments)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_needs_no_database_and_prints_json_only(tmp_path: Path) -> None:
    source, _ = naive(tmp_path / "naive.safetensors")
    done = run("convert", source, tmp_path / "out.safetensors", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    (told,) = json.loads(done.stdout)
    assert (told["source"], told["output"]) == (str(source), str(tmp_path / "out.safetensors"))
    assert (told["steps"], told["inspection"]["dialect"]) == (["repaired"], "kohya")
    again = run("convert", tmp_path / "out.safetensors", tmp_path / "again.safetensors", "--json")
    assert (again.returncode, again.stdout) == (1, "")
    assert again.stderr.startswith("nothing_to_repair: ") and again.stderr.count("\n") == 1


def test_wrong_usage_is_exit_2(tmp_path: Path) -> None:
    assert run("convert").returncode == 2
    assert run("convert", tmp_path / "x").returncode == 2
    assert run("convert", tmp_path / "x", tmp_path / "y", "--to", "latin").returncode == 2


def test_in_words_it_tells_what_was_done(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, _ = naive(tmp_path / "naive.safetensors")
    call_command("convert", str(source), str(tmp_path / "out.safetensors"))
    assert "repaired" in capsys.readouterr().out
