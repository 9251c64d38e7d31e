"""A base that does not fit into memory when it is loaded: others leave, then it waits in main memory, and the
sheet says so; what fits in no way ends with a reason.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from inference import render
from inference.base_errors import BaseDoesNotFit
from inference.base_files import base_files
from inference.errors import BaseNotRenderable
from inference.models import Cell, Sheet, SheetState
from inference.recipes import library
from inference.render import render_sheet
from inference.reproduction import compare_sheet
from inference.services import plan_sheet, request_sheet
from inference.warm_bases import WarmBases, forget_engine, loaded_bases, memory_to_read, warm_engine
from registry import jobs
from registry.models import Job, JobState
from tests.inference.rows import make_base, make_version
from tests.inference.test_render import PROMPTS

pytestmark = [pytest.mark.engine, pytest.mark.database, pytest.mark.django_db]

SAYS = "CUDA out of memory. Tried to allocate 4.00 GiB."


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[None]:
    monkeypatch.setitem(library.FAMILIES, "toybox", library.Native(16, 2, 3.0, PROMPTS))
    settings.INFERENCE_THREADS = 1
    forget_engine()
    render._layouts.forget()
    yield
    forget_engine()


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], list[bool]]:
    """A device that has room for so many bases; what is offloaded takes none. Tells how each was tried."""
    import torch

    from inference.engine.ladder import Engine

    original = Engine.load
    tried: list[bool] = []

    def room(bases: int) -> list[bool]:
        def load(*args: Any, offload: bool = False, **options: Any) -> Engine:
            tried.append(offload)
            if not offload and len(loaded_bases()) >= bases:
                raise torch.OutOfMemoryError(f"{SAYS}\nGPU 0 has a total capacity of ...")
            return original(*args, offload=offload, **options)

        monkeypatch.setattr(Engine, "load", load)
        return tried

    return room


def test_other_bases_leave_before_a_base_is_loaded_with_less(
    tiny_base: Path, tmp_path: Path, card: Callable[[int], list[bool]]
) -> None:
    first, second = base_files(make_base(tiny_base)), base_files(_copy(tiny_base, tmp_path / "other"))
    tried = card(1)
    warm_engine(first)
    engine = warm_engine(second)
    assert tried == [False, False, False]
    assert loaded_bases() == (second,)
    assert not engine.base.offloaded


def test_a_sheet_on_a_base_too_large_for_the_device_is_rendered_from_main_memory_and_says_so(
    tiny_base: Path, card: Callable[[int], list[bool]]
) -> None:
    make_base(tiny_base)
    tried = card(0)
    sheet = plan_sheet(version=make_version(trigger_words=["momo"]), recipe="quick")
    render_sheet(sheet.pk)
    sheet.refresh_from_db()
    assert (sheet.state, tried) == (SheetState.DONE, [False, True])
    layout = {"at_once": 0, "slice_vae": False, "offload": True}
    assert sheet.fallbacks == [{"layout": layout, "pictures": 4, "reason": SAYS}]
    assert sheet.manifest["fallbacks"] == sheet.fallbacks
    assert sheet.manifest["layout"]["offload"] is True
    assert sheet.manifest["control"]["equal"]
    # The layout is part of the keys, so these are no cells of a machine with more memory.
    offloaded = set(Cell.objects.values_list("pk", flat=True))
    assert {cell.inputs["layout"]["offload"] for cell in Cell.objects.all()} == {True}
    assert compare_sheet(sheet.pk).verdict == "equal"

    forget_engine()
    card(9)
    Sheet.objects.filter(pk=sheet.pk).update(state=SheetState.WAITING, fallbacks=[])
    sheet.places.all().delete()
    render_sheet(sheet.pk)
    sheet.refresh_from_db()
    assert sheet.fallbacks == []
    # What moves between memories is the same picture.
    assert not offloaded & set(sheet.places.values_list("cell_id", flat=True))
    usual, moved = (
        sorted(cell.facts["digest"] for cell in Cell.objects.all() if (cell.pk in offloaded) is where)
        for where in (False, True)
    )
    assert usual == moved


def test_the_weights_of_an_offloaded_base_are_at_home_in_main_memory(
    tiny_base: Path, card: Callable[[int], list[bool]]
) -> None:
    import torch

    card(0)
    engine = warm_engine(base_files(make_base(tiny_base)))
    assert engine.base.home == torch.device("cpu")
    assert SAYS in engine.base.offload_reason


def test_a_base_that_fits_in_no_way_ends_the_sheet_with_the_reason_and_is_not_tried_again(
    tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from inference.engine.ladder import Engine

    def load(*_: Any, **__: Any) -> Engine:
        raise torch.OutOfMemoryError(SAYS)

    monkeypatch.setattr(Engine, "load", load)
    make_base(tiny_base)
    sheet = request_sheet(version=make_version(), recipe="quick")
    assert jobs.work("gpu") == 1
    sheet.refresh_from_db()
    assert (sheet.state, sheet.code) == (SheetState.FAILED, "base_does_not_fit")
    assert SAYS in sheet.message
    job = Job.objects.get()
    assert (job.state, job.error_code, job.attempt) == (JobState.FAILED, "base_does_not_fit", 1)
    assert BaseDoesNotFit.permanent and "memory" in BaseDoesNotFit.next_step


def test_too_little_main_memory_is_said_before_the_system_ends_the_process(
    tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from inference.engine import base as engine_base

    base = make_base(tiny_base)
    base.weights_dtype = "bfloat16"
    files = base_files(base)
    monkeypatch.setattr(engine_base, "free_main_memory", lambda: memory_to_read(files) - 1)
    with pytest.raises(BaseDoesNotFit, match=r"needs 0\.0 GiB of main memory"):
        WarmBases().get(files)
    monkeypatch.setattr(engine_base, "free_main_memory", lambda: memory_to_read(files))
    assert WarmBases().get(files).base.size > 0


def test_only_what_has_to_be_turned_into_another_precision_takes_main_memory(tiny_base: Path) -> None:
    base = make_base(tiny_base)
    files = {}
    for dtype in ("float32", "bfloat16"):
        base.weights_dtype = dtype
        files[dtype] = base_files(base)
    assert memory_to_read(files["float32"]) == 0
    whole = sum(path.stat().st_size for path in files["bfloat16"].paths)
    assert 0.4 * whole < memory_to_read(files["bfloat16"]) < 0.5 * whole


def test_what_lies_beside_the_parts_of_a_folder_takes_no_memory(tiny_base: Path, tmp_path: Path) -> None:
    base = _copy(tiny_base, tmp_path / "other")
    before = base_files(base)
    folder = before.weights
    whole = next((folder / "unet").glob("*.safetensors"))
    index = json.loads((folder / "model_index.json").read_text())
    index["safety_checker"] = ["stable_diffusion", "StableDiffusionSafetyChecker"]
    (folder / "model_index.json").write_text(json.dumps(index))
    (folder / "safety_checker").mkdir()
    for name in (
        "all.safetensors",
        "safety_checker/model.safetensors",
        f"unet/{whole.stem}.non_ema.safetensors",
    ):
        shutil.copy(whole, folder / name)
    after = base_files(base)
    assert (after.paths, after.size) == (before.paths, before.size)
    base.vae = str(tiny_base / "vae")
    assert folder / "vae" not in {path.parent for path in base_files(base).paths}
    assert tiny_base / "vae" in {path.parent for path in base_files(base).paths}


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder"])
def test_a_broken_file_of_the_base_is_no_fault_of_the_adapter(
    tiny_base: Path, tmp_path: Path, part: str
) -> None:
    base = _copy(tiny_base, tmp_path / "other")
    (path,) = (tmp_path / "other" / part).glob("*.safetensors")
    whole, version = path.read_bytes(), make_version()
    for data in (b"", b"<!doctype html>", whole[:-10], whole[:100], bytes(300)):
        path.write_bytes(data)
        sheet = plan_sheet(version=version, recipe="quick", base=base)
        with pytest.raises(BaseNotRenderable, match=path.name):
            render_sheet(sheet.pk)
        sheet.refresh_from_db()
        assert (sheet.state, sheet.code) == (SheetState.REFUSED, "base_not_renderable")


def test_the_free_main_memory_of_this_machine_is_more_than_none_and_no_more_than_all() -> None:
    from inference.engine.base import free_main_memory

    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    total = int(next(line for line in lines if line.startswith("MemTotal:")).split()[1]) * 1024
    assert 0 < free_main_memory() <= total


def test_other_errors_of_loading_are_not_taken_for_a_lack_of_memory(tiny_base: Path) -> None:
    tried = []

    def load(files: Any, offload: bool) -> Any:
        tried.append(offload)
        raise RuntimeError("CUDA error: device-side assert triggered")

    with pytest.raises(RuntimeError, match="device-side"):
        WarmBases(load).get(base_files(make_base(tiny_base)))
    assert tried == [False]


def _copy(folder: Path, to: Path) -> Any:
    shutil.copytree(folder, to)
    (to / "notes.txt").write_text("another one")
    return make_base(to, slug="other")
