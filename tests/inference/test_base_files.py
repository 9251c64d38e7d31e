"""Where a base is rendered from: a folder, or a single file with its layout, and which bytes count for it."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file, save_file

from inference import base_checkpoints
from inference.base_errors import (
    BaseLacksParts,
    LayoutDoesNotFit,
    NoBaseLayout,
    PickledBase,
    QuantizedBase,
)
from inference.base_files import base_files
from inference.errors import BaseNotRenderable
from inference.models import SheetState
from inference.recipes import library
from inference.render import render_sheet
from inference.services import plan_sheet
from inference.warm_bases import forget_engine
from registry.models import BaseModel
from registry.weights.errors import Unreadable
from tests.inference.rows import make_base, make_version
from tests.inference.test_render import PROMPTS
from tests.inference.test_single_file import write_lora

pytestmark = [pytest.mark.engine, pytest.mark.database, pytest.mark.django_db]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """(folder, single file) of the tiny SD1."""
    from tests.inference.single_files import save_single_file
    from tests.inference.tiny_families import tiny_pipeline_of

    where = tmp_path_factory.mktemp("sd1")
    pipeline = tiny_pipeline_of("sd1")
    pipeline.save_pretrained(where / "folder", safe_serialization=True)
    return where / "folder", save_single_file("sd1", pipeline, where / "base.safetensors")


@pytest.fixture
def single(made: tuple[Path, Path], tmp_path: Path) -> BaseModel:
    """A row of the single file with a layout without weights, both of its own."""
    from tests.inference.single_files import layout_of

    layout = layout_of(made[0], tmp_path / "layout")
    file = shutil.copy(made[1], tmp_path / "base.safetensors")
    base = make_base(file)
    base.weights_layout = str(layout)
    base.save()
    return base


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[None]:
    monkeypatch.setitem(library.FAMILIES, "toybox", library.Native(32, 2, 3.0, PROMPTS))
    settings.INFERENCE_THREADS = 1
    yield
    forget_engine()


def test_a_sheet_on_a_single_file_has_the_pictures_of_the_folder(
    single: BaseModel, made: tuple[Path, Path], small: None, tmp_path: Path
) -> None:
    version = make_version(write_lora(tmp_path / "lora.safetensors").read_bytes())
    folder = make_base(made[0], slug="folder")
    shown = []
    for base in (single, folder):
        sheet = plan_sheet(version=version, recipe="quick", base=base)
        render_sheet(sheet.pk)
        sheet.refresh_from_db()
        assert (sheet.state, sheet.code) == (SheetState.DONE, "")
        places = sheet.places.select_related("cell").order_by("row", "column")
        shown.append([place.cell.facts["digest"] for place in places])
        assert {place.cell.inputs["base"] for place in places} == {sheet.base_digest}
    assert shown[0] == shown[1]


def test_a_moved_or_renamed_file_is_the_same_base(single: BaseModel, tmp_path: Path) -> None:
    before = base_files(single)
    assert before.lacking == () and before.size == Path(single.weights).stat().st_size
    single.weights = str(Path(single.weights).rename(tmp_path / "renamed.safetensors"))
    assert base_files(single).digest == before.digest


def test_other_weights_tokenizers_or_predictions_are_another_base(
    single: BaseModel, made: tuple[Path, Path]
) -> None:
    digests = [base_files(single).digest]
    (Path(single.weights_layout) / "tokenizer" / "extra.json").write_text("{}")
    digests.append(base_files(single).digest)
    single.weights_prediction = "v_prediction"
    digests.append(base_files(single).digest)
    tensors = load_file(single.weights)
    save_file({name: tensor * 2 for name, tensor in tensors.items()}, single.weights)
    digests.append(base_files(single).digest)
    assert len(set(digests)) == 4


def test_weights_of_the_layout_count_only_where_the_file_lacks_them(
    single: BaseModel, made: tuple[Path, Path], tmp_path: Path
) -> None:
    whole = Path(shutil.copytree(made[0], tmp_path / "whole"))
    single.weights_layout = str(whole)
    before = base_files(single).digest
    vae = whole / "vae" / "diffusion_pytorch_model.safetensors"
    save_file({name: tensor + 1 for name, tensor in load_file(vae).items()}, vae, {"format": "pt"})
    assert base_files(single).digest == before
    tensors = load_file(single.weights)
    without = {name: each for name, each in tensors.items() if not name.startswith("first_stage_model.")}
    save_file(without, single.weights)
    found = base_files(single)
    assert found.lacking == ("vae",) and vae in found.paths
    save_file({name: tensor * 3 for name, tensor in load_file(vae).items()}, vae, {"format": "pt"})
    assert base_files(single).digest != found.digest


def test_the_layout_is_that_of_the_nearest_ancestor(
    single: BaseModel, made: tuple[Path, Path], tmp_path: Path
) -> None:
    layout, single.weights_layout = single.weights_layout, ""
    with pytest.raises(NoBaseLayout, match="neither it nor a parent has a layout"):
        base_files(single)
    family = make_base(made[0], slug="family")
    between = BaseModel.objects.create(slug="between", name="Between", family="toybox", parent=family)
    single.parent = between
    assert base_files(single).layout == made[0]
    between.weights_layout = layout
    assert base_files(single).layout == Path(layout)
    single.weights_layout = str(tmp_path / "nowhere")
    with pytest.raises(NoBaseLayout, match="no diffusers folder"):
        base_files(single)


def test_what_neither_file_nor_layout_has_is_named(single: BaseModel, made: tuple[Path, Path]) -> None:
    tensors = load_file(single.weights)
    without = {name: each for name, each in tensors.items() if not name.startswith("cond_stage_model.")}
    save_file(without, single.weights)
    with pytest.raises(BaseLacksParts, match="has no text_encoder"):
        base_files(single)
    single.vae = str(made[0] / "vae")
    save_file(
        {n: each for n, each in tensors.items() if not n.startswith("first_stage_model.")}, single.weights
    )
    # A VAE of the row's own is enough.
    assert base_files(single).lacking == ()


def test_a_pickle_is_refused_with_what_to_do(single: BaseModel, tmp_path: Path) -> None:
    for name, data in (("a.ckpt", pickle.dumps({"state_dict": {}})), ("b.ckpt", _zip(tmp_path))):
        (tmp_path / name).write_bytes(data)
        single.weights = str(tmp_path / name)
        with pytest.raises(PickledBase, match="can run code") as caught:
            base_files(single)
        assert "safetensors" in caught.value.next_step
    single.save()
    assert plan_sheet(version=make_version(), base=single).base_digest == ""


def _zip(tmp_path: Path) -> bytes:
    import torch

    torch.save({"state_dict": {}}, tmp_path / "zipped")
    return (tmp_path / "zipped").read_bytes()


def test_files_that_are_no_base_say_why(single: BaseModel, tmp_path: Path) -> None:
    file = Path(single.weights)
    (tmp_path / "cut.safetensors").write_bytes(file.read_bytes()[:-10])
    (tmp_path / "page.safetensors").write_bytes(b"<!doctype html><html></html>")
    (tmp_path / "a.gguf").write_bytes(b"GGUF" + bytes(60))
    save_file({"decoder.conv_in.weight": load_file(file)[_CONV_IN]}, tmp_path / "vae.safetensors")
    for name, error, says in (
        ("cut.safetensors", BaseNotRenderable, "cut.safetensors"),
        ("page.safetensors", BaseNotRenderable, "page.safetensors"),
        ("a.gguf", QuantizedBase, "GGUF"),
        ("vae.safetensors", BaseNotRenderable, "no file of Stable Diffusion"),
    ):
        single.weights = str(tmp_path / name)
        with pytest.raises(error, match=says):
            base_files(single)


def test_a_file_that_could_not_be_read_for_a_moment_is_read_again(
    single: BaseModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(path: str) -> Any:
        raise Unreadable("Stale file handle.")

    with monkeypatch.context() as patched:
        patched.setattr(base_checkpoints, "open_container", away)
        with pytest.raises(BaseNotRenderable, match="Stale file handle"):
            base_files(single)
    assert base_files(single).digest


_CONV_IN = "first_stage_model.decoder.conv_in.weight"


def test_a_layout_of_another_family_refuses_the_sheet_before_any_picture(
    single: BaseModel, small: None, tmp_path: Path
) -> None:
    from tests.inference.tiny_families import save_tiny_family

    single.weights_layout = str(save_tiny_family("sdxl", tmp_path / "sdxl"))
    single.save()
    sheet = plan_sheet(version=make_version(), recipe="quick", base=single)
    # The file has no second text encoder, which this layout has with weights.
    with pytest.raises(LayoutDoesNotFit, match="family sd1, sdxl of sdxl"):
        render_sheet(sheet.pk)
    sheet.refresh_from_db()
    assert (sheet.state, sheet.code) == (SheetState.REFUSED, "layout_does_not_fit")
    assert sheet.places.count() == 0
