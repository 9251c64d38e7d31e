"""Rendering a sheet: what is kept, what is reused, what is refused, and that the control can fail."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.management import call_command
from PIL import Image
from safetensors.numpy import load, save

from inference import warm_bases
from inference.contact_sheet import read_manifest
from inference.errors import NonFiniteAdapter, RestoreFailed, WrongBase
from inference.models import Cell, Sheet, SheetState
from inference.recipes import Prompt, library
from inference.render import render_sheet
from inference.services import plan_sheet
from registry.errors import VersionNotFound
from registry.jobs import JobStopped
from registry.models import Check, CheckOutcome, Version
from registry.storage import open_blob
from tests.inference.rows import kohya_lora, make_base, make_version

pytestmark = [pytest.mark.engine, pytest.mark.database, pytest.mark.django_db]

PROMPTS = (
    Prompt("a cat"),
    Prompt("a house"),
    Prompt("{subject} on a hill", subject="a star", takes_trigger=True),
    Prompt("{subject} by the sea", subject="a boat", takes_trigger=True),
)
BATCHES = 12  # two batches of four in each of six columns


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[None]:
    """Sheets of 16 px in two steps; the base is loaded for each test, so that none inherits a broken one."""
    monkeypatch.setitem(library.FAMILIES, "toybox", library.Native(16, 2, 3.0, PROMPTS))
    settings.INFERENCE_THREADS = 1  # small matrices on shared cores: threads only wait for each other
    yield
    warm_bases.forget_engine()


@pytest.fixture
def version(tiny_base: Path) -> Version:
    """A version with a kohya LoRA of UNet and text encoder, on a base with weights."""
    make_base(tiny_base)
    return make_version(trigger_words=["momo"], tags=["character"])


def stop_after(batches: int) -> Callable[[], bool]:
    """Asks to stop before the batch after these."""
    asked = iter(range(1000))
    return lambda: next(asked) >= batches


def test_a_sheet_shows_base_control_and_four_weights_for_each_prompt_and_seed(version: Version) -> None:
    sheet = plan_sheet(version=version)
    run = render_sheet(sheet.pk)
    sheet.refresh_from_db()
    assert (sheet.state, run.rendered, run.reused, sheet.cells_total) == (SheetState.DONE, 48, 0, 48)
    places = list(sheet.places.all())
    assert len(places) == 48
    assert {place.role for place in places if place.column == 0} == {"base"}
    assert {place.role for place in places if place.column == 1} == {"control"}
    texts = [row["text"] for row in sheet.plan["rows"]]
    assert texts[::2] == ["a cat", "a house", "momo on a hill", "momo by the sea"]


def test_the_control_equals_the_base_to_the_bit_and_the_weights_do_not(version: Version) -> None:
    sheet = plan_sheet(version=version)
    render_sheet(sheet.pk)
    digests = {(p.row, p.column): p.cell.facts["digest"] for p in sheet.places.select_related("cell")}
    keys = {(p.row, p.column): p.cell_id for p in sheet.places.all()}
    for row in range(8):
        assert digests[row, 1] == digests[row, 0]
        assert keys[row, 1] != keys[row, 0]
        assert len({digests[row, column] for column in (0, 2, 3, 4, 5)}) == 5
    sheet.refresh_from_db()
    assert sheet.manifest["control"] == {"equal": True, "compared": 8, "rerendered": 0}


def test_the_picture_carries_the_manifest_and_the_manifest_names_every_cell(version: Version) -> None:
    sheet = plan_sheet(version=version)
    render_sheet(sheet.pk)
    sheet.refresh_from_db()
    assert sheet.image is not None
    with open_blob(sheet.image) as file:
        png = file.read()
    manifest = read_manifest(png)
    assert manifest is not None
    assert json.loads(manifest) == sheet.manifest
    assert len(sheet.manifest["cells"]) == 48
    for cell in sheet.manifest["cells"]:
        assert ("<lora:" in cell["parameters"]) is (cell["role"] == "adapter")
        assert f"Seed: {sheet.plan['rows'][cell['row']]['seed']}," in cell["parameters"]
    assert sheet.manifest["adapter"]["sha256"] == sheet.blob_id
    assert sheet.manifest["environment"]["dtype"] == "float32"
    with Image.open(io.BytesIO(png)) as image:
        assert image.width > 800


def test_a_sheet_that_is_done_is_not_rendered_again(version: Version) -> None:
    sheet = plan_sheet(version=version)
    render_sheet(sheet.pk)
    again = render_sheet(plan_sheet(version=version).pk)
    assert (again.rendered, again.reused) == (0, 48)
    assert Sheet.objects.count() == 1


def test_a_stopped_run_goes_on_after_the_last_finished_batch(version: Version) -> None:
    sheet = plan_sheet(version=version)
    with pytest.raises(JobStopped):
        render_sheet(sheet.pk, should_stop=stop_after(5))
    sheet.refresh_from_db()
    assert sheet.state == SheetState.WAITING
    assert Cell.objects.count() == sheet.places.count() == 5 * 4
    run = render_sheet(sheet.pk)
    assert (run.rendered, run.reused) == ((BATCHES - 5) * 4, 5 * 4)


def test_a_batch_that_broke_leaves_nothing_and_the_ones_before_it_stay(
    version: Version, monkeypatch: pytest.MonkeyPatch
) -> None:
    from inference.engine.ladder import Engine

    original, calls = Engine._sample, []

    def dies_in_the_fourth(self: Engine, *args: Any) -> Any:
        calls.append(1)
        if len(calls) == 4:
            raise SystemError("killed")
        return original(self, *args)

    monkeypatch.setattr(Engine, "_sample", dies_in_the_fourth)
    sheet = plan_sheet(version=version)
    with pytest.raises(SystemError):
        render_sheet(sheet.pk)
    assert Cell.objects.count() == 3 * 4
    run = render_sheet(sheet.pk)
    assert (run.rendered, run.reused) == (36, 12)
    assert len(calls) == 4 + BATCHES - 3


def test_base_cells_are_shared_by_adapters_with_the_same_prompts(version: Version) -> None:
    render_sheet(plan_sheet(version=version).pk)
    same_word = make_version(kohya_lora(seed=50), name="momo2", trigger_words=["momo"], tags=["character"])
    other_word = make_version(kohya_lora(seed=90), name="pip", trigger_words=["pip"], tags=["character"])
    assert render_sheet(plan_sheet(version=same_word).pk).reused == 8
    # Neutral prompts are shared by all; those with another trigger word are other pictures.
    assert render_sheet(plan_sheet(version=other_word).pk).reused == 4


@pytest.mark.parametrize("component", ["unet", "text_encoder"])
def test_a_broken_restore_is_seen_by_the_control(
    version: Version, monkeypatch: pytest.MonkeyPatch, component: str
) -> None:
    from inference.engine.kept import PointedAway

    def leaves_one_behind(self: PointedAway) -> None:
        for number, (parameter, original) in enumerate(self._own):
            # The base's own order: the text encoder's is one of the last.
            wanted = parameter.shape == (16, 16) if component == "text_encoder" else number == 0
            if not wanted:
                parameter.data = original
        self._own.clear()

    monkeypatch.setattr(PointedAway, "restore", leaves_one_behind)
    sheet = plan_sheet(version=version)
    with pytest.raises(RestoreFailed):
        render_sheet(sheet.pk)
    sheet.refresh_from_db()
    assert (sheet.state, sheet.code) == (SheetState.FAILED, "restore_failed")
    assert Check.objects.get(version=version, code="sheet").outcome == CheckOutcome.FAIL
    # Nothing made by that base is kept, and the base itself is gone from memory.
    assert Cell.objects.count() == 0
    assert not warm_bases.loaded_bases()
    monkeypatch.undo()
    monkeypatch.setitem(library.FAMILIES, "toybox", library.Native(16, 2, 3.0, PROMPTS))
    assert render_sheet(plan_sheet(version=version).pk).rendered == 48


def test_a_base_cell_from_elsewhere_is_rendered_again_before_the_control_is_blamed(version: Version) -> None:
    sheet = plan_sheet(version=version)
    with pytest.raises(JobStopped):
        render_sheet(sheet.pk, should_stop=stop_after(2))
    cell = Cell.objects.filter(inputs__role="base").first()
    assert cell is not None
    cell.facts["digest"] = "0" * 64
    cell.save()
    render_sheet(sheet.pk)
    sheet.refresh_from_db()
    assert sheet.state == SheetState.DONE
    assert sheet.manifest["control"]["rerendered"] == 4


@pytest.mark.parametrize("factor", ["alpha", "lora_up.weight", "lora_down.weight"])
def test_nan_in_the_file_refuses_the_sheet_before_any_cell(tiny_base: Path, factor: str) -> None:
    from safetensors.numpy import load, save

    make_base(tiny_base)
    tensors = load(kohya_lora())
    name = next(name for name in sorted(tensors) if name.endswith(factor))
    tensors[name] = np.full_like(tensors[name], np.nan)
    sheet = plan_sheet(version=make_version(save(tensors)))
    with pytest.raises(NonFiniteAdapter):
        render_sheet(sheet.pk)
    sheet.refresh_from_db()
    assert (sheet.state, sheet.code) == (SheetState.REFUSED, "non_finite_adapter")
    assert Cell.objects.count() == 0


def test_an_adapter_without_effect_is_said_to_have_none(tiny_base: Path) -> None:
    make_base(tiny_base)
    version = make_version(kohya_lora(strength=0.0))
    sheet = plan_sheet(version=version)
    render_sheet(sheet.pk)
    sheet.refresh_from_db()
    assert [finding["code"] for finding in sheet.findings] == ["no_effect"]
    assert Check.objects.get(version=version, code="sheet").outcome == CheckOutcome.WARN


def test_the_command_prints_the_contract_and_only_json_on_stdout(version: Version) -> None:
    out, err = io.StringIO(), io.StringIO()
    call_command("render", str(version.pk), "--json", stdout=out, stderr=err)
    printed = json.loads(out.getvalue())
    assert set(printed) == {
        "sheet", "image", "cells", "rendered", "reused", "seconds", "findings", "manifest"
    }  # fmt: skip
    assert (printed["cells"], printed["rendered"]) == (48, 48)
    assert Path(printed["image"]).read_bytes().startswith(b"\x89PNG")
    assert "48 of 48" in err.getvalue()


def test_the_command_names_a_version_that_is_not_there() -> None:
    with pytest.raises(VersionNotFound):
        call_command("render", "4711")


def test_the_command_refuses_an_adapter_of_another_family(tiny_base: Path) -> None:
    make_base(tiny_base)
    version = make_version(detected_family="sd1")
    with pytest.raises(WrongBase, match="sd1"):
        call_command("render", str(version.pk), "--base", "TOYBOX-V1")
    sheet = Sheet.objects.get()
    assert (sheet.state, sheet.code) == (SheetState.REFUSED, "wrong_base")


def test_a_file_that_does_not_fit_says_how_many_of_its_modules(tiny_base: Path) -> None:
    make_base(tiny_base)
    tensors = load(kohya_lora())
    name = next(key for key in tensors if key.endswith("attn2_to_k.lora_down.weight"))
    version = make_version(save(tensors | {name: np.zeros((2, 24), dtype=np.float32)}))
    with pytest.raises(WrongBase):
        call_command("render", str(version.pk))
    (finding,) = Sheet.objects.get().findings
    assert finding["code"] == "wrong_base"
    assert finding["numbers"] == {"misfits": 1.0, "modules": 4.0}
