"""What a sheet shows and what it costs: the others on it, cells that are there, seconds as they were."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from inference.cost import cost_of
from inference.errors import RecipeDoesNotFit
from inference.house_recipes import save_house_recipe
from inference.models import Cell, Sheet, SheetState
from inference.recipes import Prompt, get_recipe, library
from inference.render import forget_engine, render_sheet
from inference.services import plan_sheet
from inference.shown import Other, content_of, negative_of, read_others
from registry.errors import VersionNotFound
from registry.models import File, Inspection, Sample, Version
from registry.storage import store_bytes
from tests.inference.rows import kohya_lora, make_base, make_version

pytestmark = [pytest.mark.database, pytest.mark.django_db]

PROMPTS = (
    Prompt("a cat"),
    Prompt("a house"),
    Prompt("{subject} on a hill", subject="a star", takes_trigger=True),
    Prompt("{subject} by the sea", subject="a boat", takes_trigger=True),
)


@pytest.fixture
def small(tiny_base: Path, monkeypatch: pytest.MonkeyPatch, settings: Any) -> Any:
    """Sheets of 16 px in two steps on the tiny base."""
    monkeypatch.setitem(library.FAMILIES, "toybox", library.Native(16, 2, 3.0, PROMPTS))
    settings.INFERENCE_THREADS = 1
    yield make_base(tiny_base)
    forget_engine()


def earlier_and_later() -> tuple[Version, Version]:
    """Two versions of one adapter, each with a file of its own."""
    old = make_version(kohya_lora(seed=7), name="momo", trigger_words=["momo1"])
    new = Version.objects.create(
        adapter=old.adapter, source_key="2", name="v2", detected_family="toybox", trigger_words=["momo2"]
    )
    blob = store_bytes(kohya_lora(seed=8), container="safetensors")
    File.objects.create(version=new, blob=blob, name="momo2.safetensors")
    return old, new


def test_the_version_before_is_found_and_named(tmp_path: Path) -> None:
    make_base(tmp_path)
    old, new = earlier_and_later()
    sheet = plan_sheet(version=new, recipe="version")
    assert [(row.slot, row.version, row.blob_id) for row in sheet.adapters.all()] == [
        (0, new, new.files.get().blob_id),
        (1, old, old.files.get().blob_id),
    ]
    with pytest.raises(RecipeDoesNotFit, match="earlier"):
        plan_sheet(version=old, recipe="version")


def test_a_stack_is_another_sheet_for_other_adapters_and_the_same_one_for_the_same(tmp_path: Path) -> None:
    make_base(tmp_path)
    momo, ink, hat = (make_version(kohya_lora(seed=n), name=f"a{n}") for n in (1, 2, 3))
    with_ink = plan_sheet(version=momo, recipe="stack", others=[Other(ink)])
    assert plan_sheet(version=momo, recipe="stack", others=[Other(hat)]) != with_ink
    assert plan_sheet(version=momo, recipe="stack", others=[Other(ink)]) == with_ink
    assert with_ink.cells_total == 8 * 5
    for others in ([], [Other(momo)], [Other(ink), Other(hat), Other(momo)]):
        with pytest.raises(RecipeDoesNotFit):
            plan_sheet(version=momo, recipe="stack", others=others)


def test_roles_weights_and_words_of_a_stack_come_from_what_is_known_of_its_adapters(db: None) -> None:
    momo = make_version(name="Momo", tags=["character"], trigger_words=["momo"])
    ink = make_version(kohya_lora(seed=2), name="Ink", tags=["style"], trigger_words=["ink wash"])
    ink.settings = {"weight": {"min": 0.4, "default": 0.6, "max": 0.8, "source": "author", "count": 1}}
    ink.save()
    plan = content_of(momo, get_recipe("stack", "toybox"), [Other(ink)]).plan
    assert [(each.role, each.weight) for each in plan.adapters] == [("character", 0.0), ("style", 0.6)]
    assert [column.note for column in plan.columns if column.group] == ["0.8", "0.6", "0.8 + 0.6"]
    assert plan.rows[4].text == "ink wash, momo on a hill by day"
    by_hand = content_of(momo, get_recipe("stack", "toybox"), [Other(ink, "paint", 0.3)]).plan.adapters[1]
    assert (by_hand.role, by_hand.weight) == ("paint", 0.3)


def test_the_authors_negative_prompt_is_the_one_of_most_pictures(db: None) -> None:
    version = make_version()
    with pytest.raises(RecipeDoesNotFit, match="negative"):
        content_of(version, get_recipe("negative", "toybox"))
    for number, text in enumerate(["blurry", "bad  hands", "bad hands", ""]):
        blob = store_bytes(b"picture %d" % number, container="png")
        Sample.objects.create(version=version, blob=blob, parameters={"negativePrompt": text})
    assert negative_of(version) == "bad hands"
    plan = content_of(version, get_recipe("negative", "toybox")).plan
    assert {plan.sampled(column).negative for column in plan.columns} == {"", "bad hands"}


def test_blocks_are_those_that_the_file_touches(db: None) -> None:
    version = make_version()
    Inspection.objects.create(
        blob=version.files.get().blob,
        reader="1",
        valid=True,
        kind="adapter",
        data={"blocks": ["BASE", "IN01"]},
    )
    plan = content_of(version, get_recipe("blocks", "toybox")).plan
    assert [column.label for column in plan.columns] == ["base", "0", "all", "BASE", "IN01"]


@pytest.mark.parametrize("text", ["x", "1:a:b", "1:a:2.5", "-1", "1:a:0.5:c"])
def test_others_that_cannot_be_read_are_named(db: None, text: str) -> None:
    with pytest.raises(RecipeDoesNotFit, match="VERSION"):
        read_others(text)


def test_an_other_that_is_not_there_is_said_so(db: None) -> None:
    with pytest.raises(VersionNotFound, match="99"):
        read_others("99:style")


def test_nothing_is_known_of_the_seconds_before_anything_was_rendered(tmp_path: Path) -> None:
    make_base(tmp_path)
    cost = cost_of(make_version())
    assert (cost.cells, cost.new_cells, cost.seconds, cost.measured) == (48, 48, None, False)
    assert not Sheet.objects.exists()


# torchsde rounds the ends of its interval to six digits and warns of what it rounded away.
@pytest.mark.filterwarnings("ignore:Should have t:UserWarning")
@pytest.mark.engine
def test_the_cost_counts_the_cells_that_a_run_then_renders(small: Any) -> None:
    first = make_version(name="a", trigger_words=["momo"])
    before = cost_of(first, "quick")
    run = render_sheet(plan_sheet(version=first, recipe="quick").pk)
    assert (before.new_cells, run.rendered) == (12, 12)
    assert cost_of(first, "quick").new_cells == 0
    # The quick sheet is a part of the standard one, and of the tuning all that is sampled as usual.
    for recipe, version in (
        ("standard", first),
        ("tuning", first),
        ("standard", make_version(kohya_lora(seed=50), name="b", trigger_words=["momo"])),
    ):
        cost = cost_of(version, recipe)
        run = render_sheet(plan_sheet(version=version, recipe=recipe).pk)
        assert (cost.new_cells, cost.cells) == (run.rendered, run.rendered + run.reused), recipe


@pytest.mark.engine
def test_seconds_are_those_of_cells_of_the_same_layout_else_scaled_by_work(small: Any) -> None:
    version = make_version(trigger_words=["momo"])
    render_sheet(plan_sheet(version=version, recipe="quick").pk)
    Cell.objects.update(seconds=0.5)
    same = cost_of(make_version(kohya_lora(seed=9), name="b", trigger_words=["momo"]), "quick")
    assert (same.new_cells, same.seconds, same.measured) == (8, 4.0, True)
    hires = cost_of(version, "hires")
    # Eight cells of two steps, and one step more at 1.5 x 1.5 the pixels.
    assert (hires.new_cells, hires.measured) == (8, False)
    assert hires.seconds == pytest.approx(8 * 0.5 * (2 + 2.25 * 2 * 0.5) / 2, abs=0.1)


@pytest.mark.engine
def test_a_true_guidance_beside_a_distilled_one_costs_twice(
    small: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = make_version(trigger_words=["momo"])
    blob = store_bytes(b"picture", container="png")
    Sample.objects.create(version=version, blob=blob, parameters={"negativePrompt": "blurry"})
    render_sheet(plan_sheet(version=version, recipe="quick").pk)
    Cell.objects.update(seconds=0.5)
    # As if the guidance of the cells that are there had been the distilled one alone.
    monkeypatch.setitem(library.FAMILIES, "toybox", replace(library.FAMILIES["toybox"], true_cfg=2.0))
    cost = cost_of(version, "negative")
    assert (cost.measured, cost.seconds) == (False, pytest.approx(2 * 0.5 * cost.new_cells, abs=0.1))
    # No cell of a sheet without it is the same.
    assert cost.new_cells == cost.cells == 40


@pytest.mark.engine
def test_guidance_of_one_costs_half(small: Any) -> None:
    version = make_version(trigger_words=["momo"])
    render_sheet(plan_sheet(version=version, recipe="quick").pk)
    Cell.objects.update(seconds=0.5)
    spec = get_recipe("quick", "toybox").as_dict() | {"name": "plain", "cfg": 1.0}
    save_house_recipe({name: value for name, value in spec.items() if name != "version"})
    cost = cost_of(version, "plain")
    assert (cost.new_cells, cost.measured, cost.seconds) == (12, False, pytest.approx(3.0, abs=0.1))


@pytest.mark.engine
def test_a_dry_run_prints_the_cost_and_renders_nothing(small: Any, capsys: Any) -> None:
    version = make_version()
    call_command("render", version.pk, "--dry-run", "--json")
    assert json.loads(capsys.readouterr().out) == cost_of(version).as_dict()
    call_command("render", version.pk, "--recipe", "quick", "--dry-run")
    assert "12 cells, 12 of them to render" in capsys.readouterr().out
    assert not Sheet.objects.exists()


@pytest.mark.engine
@pytest.mark.parametrize("recipe", ["stack", "version", "blocks", "hires", "overfit", "negative"])
def test_every_recipe_renders_to_a_sheet_that_is_done(small: Any, recipe: str) -> None:
    _, new = earlier_and_later()
    blob = store_bytes(b"picture", container="png")
    Sample.objects.create(version=new, blob=blob, parameters={"negativePrompt": "blurry"})
    others = [Other(make_version(kohya_lora(seed=70), name="ink"), "style", 0.5)] if recipe == "stack" else []
    sheet = plan_sheet(version=new, recipe=recipe, others=others)
    run = render_sheet(sheet.pk)
    sheet.refresh_from_db()
    assert (sheet.state, sheet.code) == (SheetState.DONE, "")
    assert run.rendered + run.reused == sheet.cells_total == sheet.places.count()
    assert sheet.image is not None
    columns = sheet.plan["columns"]
    for place in sheet.places.select_related("cell"):
        if place.role == "adapter":
            twin = sheet.places.get(row=place.row, column=columns[place.column]["twin"])
            assert place.cell.inputs["sampling"] == twin.cell.inputs["sampling"]
            assert place.cell.inputs["batch"] == twin.cell.inputs["batch"]


@pytest.mark.engine
def test_all_of_a_stack_is_the_sum_and_not_one_of_it(small: Any) -> None:
    momo = make_version(name="momo")
    ink = make_version(kohya_lora(seed=70), name="ink")
    sheet = plan_sheet(version=momo, recipe="stack", others=[Other(ink)])
    render_sheet(sheet.pk)
    digests = [place.cell.facts["digest"] for place in sheet.places.filter(row=0).select_related("cell")]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 4
    alone = plan_sheet(version=ink, recipe="standard")
    render_sheet(alone.pk)
    at = {column["label"]: number for number, column in enumerate(alone.plan["columns"])}["0.8"]
    # The second adapter alone at 0.8 is the very cell of its own sheet.
    assert alone.places.get(row=0, column=at).cell_id == sheet.places.get(row=0, column=3).cell_id
