"""A sheet whose batches do not fit into memory: it is rendered all the same, in one layout, and says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from inference import render
from inference.errors import OutOfMemory
from inference.models import Cell, Sheet, SheetState
from inference.recipes import library
from inference.render import render_sheet
from inference.services import plan_sheet
from inference.warm_bases import forget_engine
from registry.models import Version
from tests.inference.rows import kohya_lora, make_base, make_version
from tests.inference.test_render import BATCHES, PROMPTS

pytestmark = [pytest.mark.database, pytest.mark.django_db]

Lack = Callable[[int], None]


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[None]:
    monkeypatch.setitem(library.FAMILIES, "toybox", library.Native(16, 2, 3.0, PROMPTS))
    settings.INFERENCE_THREADS = 1
    render._layouts.forget()
    yield
    render._layouts.forget()
    forget_engine()


@pytest.fixture
def version(tiny_base: Path) -> Version:
    make_base(tiny_base)
    return make_version(trigger_words=["momo"], tags=["character"])


@pytest.fixture
def room_for(monkeypatch: pytest.MonkeyPatch) -> Lack:
    """Lets no more than so many pictures through the denoiser at once."""
    import torch

    from inference.engine.ladder import Engine

    original = Engine._sample

    def limit(pictures: int) -> None:
        def sample(self: Engine, texts: Any, *args: Any) -> Any:
            if len(texts) > pictures:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.\nGPU 0 ...")
            return original(self, texts, *args)

        monkeypatch.setattr(Engine, "_sample", sample)

    return limit


def test_a_sheet_that_does_not_fit_is_rendered_in_smaller_batches_and_says_so(
    version: Version, room_for: Lack
) -> None:
    room_for(2)
    sheet = plan_sheet(version=version)
    render_sheet(sheet.pk)
    sheet.refresh_from_db()
    assert sheet.state == SheetState.DONE
    assert [step["layout"] for step in sheet.fallbacks] == [
        {"at_once": 0, "slice_vae": True, "offload": False},
        {"at_once": 2, "slice_vae": True, "offload": False},
    ]
    assert sheet.fallbacks[0]["reason"] == "CUDA out of memory. Tried to allocate 20.00 GiB."
    assert sheet.manifest["fallbacks"] == sheet.fallbacks
    assert sheet.manifest["layout"] | {"at_once": 2, "slice_vae": True} == sheet.manifest["layout"]
    assert sheet.manifest["control"]["equal"]


def test_memory_that_runs_out_in_the_middle_leaves_no_two_layouts_on_one_sheet(
    version: Version, room_for: Lack, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = []

    def told(finished: int, total: int) -> None:
        done.append(finished)
        if len(done) == 5:
            room_for(2)

    sheet = plan_sheet(version=version)
    run = render_sheet(sheet.pk, progress=told)
    layouts = {str(place.cell.inputs.get("layout")) for place in sheet.places.select_related("cell").all()}
    assert layouts == {"{'at_once': 2, 'slice_vae': True}"}
    assert sheet.places.count() == 48
    # What was made before stays for other sheets; it is not shown on this one.
    assert Cell.objects.count() == 48 + 5 * 4
    assert (run.rendered, run.reused) == (48 + 5 * 4, 0)


def test_the_next_sheet_of_that_size_begins_where_the_last_one_ended(
    version: Version, room_for: Lack
) -> None:
    room_for(2)
    render_sheet(plan_sheet(version=version).pk)
    other = plan_sheet(version=make_version(kohya_lora(seed=50), name="pip", trigger_words=["pip"]))
    render_sheet(other.pk)
    other.refresh_from_db()
    assert [step["layout"]["at_once"] for step in other.fallbacks] == [2]
    assert "before" in other.fallbacks[0]["reason"]


def test_a_stopped_sheet_goes_on_in_the_layout_it_has(version: Version, room_for: Lack) -> None:
    from registry.jobs import JobStopped

    room_for(1)
    asked = iter(range(1000))
    sheet = plan_sheet(version=version)
    with pytest.raises(JobStopped):
        render_sheet(sheet.pk, should_stop=lambda: next(asked) >= 7)
    placed = sheet.places.count()
    assert placed > 0
    render._layouts.forget()
    run = render_sheet(sheet.pk)
    assert (run.rendered, run.reused) == (BATCHES * 4 - placed, placed)


def test_memory_for_not_even_one_picture_is_an_error_another_worker_may_mend(
    version: Version, room_for: Lack
) -> None:
    room_for(0)
    sheet = plan_sheet(version=version)
    with pytest.raises(OutOfMemory, match="Tried to allocate"):
        render_sheet(sheet.pk)
    assert OutOfMemory.permanent is False
    assert Sheet.objects.get(pk=sheet.pk).fallbacks == []


def test_other_bases_leave_before_anything_gets_narrower(
    version: Version, room_for: Lack, monkeypatch: pytest.MonkeyPatch
) -> None:
    room_for(0)
    asked: list[bool] = []

    def forget_others(files: object) -> bool:
        asked.append(True)
        room_for(4)
        return len(asked) == 1

    monkeypatch.setattr(render, "forget_other_bases", forget_others)
    sheet = plan_sheet(version=version)
    render_sheet(sheet.pk)
    sheet.refresh_from_db()
    assert (sheet.fallbacks, asked) == ([], [True])
