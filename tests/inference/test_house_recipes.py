"""House recipes: validated, versioned by every edit, hashed, and used like any other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from inference.errors import NoRecipe
from inference.house_recipes import find_recipe, recipe_names, save_house_recipe
from inference.models import HouseRecipe
from inference.recipes import get_recipe
from inference.services import plan_sheet
from tests.inference.rows import make_base, make_version

pytestmark = [pytest.mark.database, pytest.mark.django_db]

ADD = "/admin/inference/houserecipe/add/"
FORM: dict[str, Any] = {
    "name": "client", "family": "toybox", "description": "for clients", "layout": "ladder",
    "prompts": "a white cat by the sea at night\n{subject} on a hill by day | a yellow star\n",
    "seeds": "1, 2, 3", "weights": "0.5, 1", "batch_prompts": "2", "axes": "", "hires": "null",
    "steps": "4", "cfg": "5", "width": "64", "height": "64", "sampler": "dpmpp_2m_karras",
    "negative": "", "clip_skip": "1", "true_cfg": "1",
}  # fmt: skip


def values(**changes: Any) -> dict[str, Any]:
    """A house recipe as the service takes it."""
    spec = get_recipe("quick", "toybox").as_dict() | {"name": "client"} | changes
    del spec["version"]
    return spec


@pytest.fixture
def admin(client: Client, db: None) -> Client:
    client.force_login(User.objects.create_superuser("root"))
    return client


def test_an_edit_makes_a_new_version_and_the_old_one_stays() -> None:
    first = save_house_recipe(values())
    second = save_house_recipe(values(steps=9))
    assert [(row.version, row.spec["steps"]) for row in HouseRecipe.objects.all()] == [
        (2, 9),
        (1, first.spec["steps"]),
    ]
    assert first.digest != second.digest == find_recipe("client", "toybox").digest()
    assert save_house_recipe(values(steps=9)) == second


def test_a_retired_recipe_is_found_no_more_and_hides_the_ones_before_it() -> None:
    save_house_recipe(values())
    row = save_house_recipe(values(steps=9))
    HouseRecipe.objects.filter(pk=row.pk).update(retired=True)
    assert "client" not in recipe_names("toybox")
    with pytest.raises(NoRecipe):
        find_recipe("client", "toybox")


def test_a_recipe_belongs_to_its_family() -> None:
    save_house_recipe(values())
    assert "client" in recipe_names("toybox")
    assert "client" not in recipe_names("sd1")
    with pytest.raises(NoRecipe, match="client"):
        find_recipe("clients", "toybox")


@pytest.mark.parametrize(
    "change",
    [
        {"name": "standard"}, {"name": "Two Words"}, {"width": 4096}, {"height": 60}, {"steps": 1000},
        {"weights": [1, 0.5]}, {"seeds": list(range(100))}, {"layout": "spiral"}, {"prompts": []},
        {"axes": [{"field": "size", "values": [1]}]}, {"true_cfg": 2.0}, {"true_cfg": 0.5},
        {"family": "flux1", "negative": "ugly"},
    ],
)  # fmt: skip
def test_what_cannot_be_rendered_or_looked_at_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        save_house_recipe(values(**change))
    assert not HouseRecipe.objects.exists()


def test_a_negative_prompt_for_flux_comes_with_a_true_guidance() -> None:
    row = save_house_recipe(values(family="flux1", negative="ugly", true_cfg=3.0))
    assert find_recipe("client", "flux1").true_cfg == row.spec["true_cfg"] == 3.0


def test_the_admin_writes_a_version_for_each_edit(admin: Client) -> None:
    assert admin.post(ADD, FORM).status_code == 302
    row = HouseRecipe.objects.get()
    assert (row.version, row.created_by) == (1, User.objects.get())
    recipe = find_recipe("client", "toybox")
    assert (recipe.seeds, recipe.weights, recipe.rows) == ((1, 2, 3), (0.5, 1.0), 6)
    assert [prompt.takes_trigger for prompt in recipe.prompts] == [False, True]
    page = admin.get(f"/admin/inference/houserecipe/{row.pk}/change/")
    assert b"{subject} on a hill by day | a yellow star" in page.content
    assert (
        admin.post(f"/admin/inference/houserecipe/{row.pk}/change/", FORM | {"steps": "5"}).status_code == 302
    )
    assert list(HouseRecipe.objects.values_list("version", "spec__steps")) == [(2, 5), (1, 4)]
    row.refresh_from_db()
    assert row.digest != find_recipe("client", "toybox").digest()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": "quick"}, "library"), ({"batch_prompts": "3"}, "whole batches"),
        ({"weights": "1, 0.5"}, "ascend"),
        ({"seeds": "a"}, "invalid literal"), ({"prompts": "{subject} here"}, "subject"),
        ({"layout": "axes"}, "axes"), ({"hires": "[1]"}, "no value"),
        ({"layout": "axes", "axes": '[{"field": "cfg"}]'}, "values"),
    ],
)  # fmt: skip
def test_the_admin_says_what_is_wrong_and_writes_nothing(
    admin: Client, change: dict[str, Any], words: str
) -> None:
    page = admin.post(ADD, FORM | change)
    assert (page.status_code, words in page.content.decode()) == (200, True)
    assert not HouseRecipe.objects.exists()


def test_a_sheet_keeps_the_version_it_was_made_with(tmp_path: Path) -> None:
    make_base(tmp_path)
    version = make_version()
    save_house_recipe(values())
    first = plan_sheet(version=version, recipe="client")
    save_house_recipe(values(steps=9))
    second = plan_sheet(version=version, recipe="client")
    assert first != second
    assert (first.plan["recipe"]["version"], second.plan["recipe"]["version"]) == (1, 2)
