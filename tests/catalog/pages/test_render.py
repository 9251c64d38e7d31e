"""The page that asks for a sheet: recipes, cost, and the button."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.test import Client

from inference.models import Sheet
from tests.inference.rows import make_base, make_version

pytestmark = [pytest.mark.database, pytest.mark.django_db]


def test_a_reviewer_sees_the_cost_before_anything_is_queued(desk: Client, tmp_path: Path) -> None:
    make_base(tmp_path)
    version = make_version()
    page = desk.get(f"/versions/{version.pk}/render/", {"recipe": "quick"}).content.decode()
    assert "12 pictures, 12 of them to render." in page
    assert "<option selected>quick</option>" in page
    assert not Sheet.objects.exists()


def test_the_button_queues_the_sheet_and_leads_to_it(desk: Client, tmp_path: Path) -> None:
    make_base(tmp_path)
    version = make_version()
    answer = desk.post(f"/versions/{version.pk}/render/", {"recipe": "quick"})
    sheet = Sheet.objects.get()
    assert (answer.status_code, answer.headers["Location"]) == (302, f"/sheets/{sheet.pk}/")
    assert f"/versions/{version.pk}/render/" in desk.get(f"/sheets/{sheet.pk}/").content.decode()


@pytest.mark.parametrize(("recipe", "code"), [("stack", "recipe_does_not_fit"), ("grand", "no_recipe")])
def test_what_does_not_fit_is_said_with_what_to_do(
    desk: Client, tmp_path: Path, recipe: str, code: str
) -> None:
    make_base(tmp_path)
    address = f"/versions/{make_version().pk}/render/"
    assert code in desk.get(address, {"recipe": recipe}).content.decode()
    refused = desk.post(address, {"recipe": recipe})
    assert (refused.status_code, code in refused.content.decode()) == (400, True)
    assert not Sheet.objects.exists()


def test_readers_neither_see_the_page_nor_the_way_there(client: Client, tmp_path: Path) -> None:
    make_base(tmp_path)
    version = make_version()
    assert client.get(f"/versions/{version.pk}/render/").status_code == 302
    assert client.get("/versions/99/render/").status_code == 302
