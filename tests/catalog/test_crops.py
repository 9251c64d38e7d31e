"""Crops: the part that was asked for, enlarged, for whoever may see the picture; nothing outside of it."""

from __future__ import annotations

import io

import numpy as np
import pytest
from django.test import Client
from django.urls import reverse
from PIL import Image
from pytest_django.fixtures import Settings

from catalog.crops import LARGEST_SIDE, SHOWN_SIDE, enlarged
from inference.models import Cell
from registry.models import Blob
from registry.storage import blob_storage, store_bytes
from tests.catalog import build

pytestmark = [pytest.mark.database, pytest.mark.django_db]


def stored(width: int, height: int, kind: str = "PNG") -> Blob:
    """A picture whose red grows to the right and whose green grows downwards."""
    x, y = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    pixels = np.stack([x, y, np.zeros_like(x)], axis=2).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format=kind)
    return store_bytes(buffer.getvalue(), container="png")


def read(data: bytes | None) -> Image.Image:
    assert data is not None
    with Image.open(io.BytesIO(data)) as image:
        assert image.format == "WEBP"
        return image.convert("RGB")


@pytest.fixture
def cell() -> Cell:
    return Cell.objects.create(key="c" * 64, inputs={}, image=stored(512, 512))


def address(key: str, *box: int) -> str:
    return reverse("images:crop", args=[key, *box])


def test_the_part_that_was_asked_for_is_enlarged(client: Client, cell: Cell) -> None:
    response = client.get(address(cell.key, 256, 128, 384, 256))
    assert (response.status_code, response["Content-Type"]) == (200, "image/webp")
    image = read(response.content)
    assert image.size == (SHOWN_SIDE, SHOWN_SIDE)
    pixels = np.asarray(image).astype(int)
    # The corners have the colors of the corners of the box.
    for (row, column), (red, green) in {
        (2, 2): (128, 64), (2, -3): (191, 64), (-3, 2): (128, 127), (-3, -3): (191, 127),
    }.items():  # fmt: skip
        assert abs(pixels[row, column, 0] - red) < 8 and abs(pixels[row, column, 1] - green) < 8


def test_small_pictures_keep_hard_pixels_to_the_bit() -> None:
    blob = stored(64, 64)
    image = read(enlarged(blob, (0, 0, 16, 16)))
    assert image.size == (448, 448)
    colors = np.unique(np.asarray(image).reshape(-1, 3), axis=0)
    assert len(colors) == 16 * 16


@pytest.mark.parametrize(("side", "shown"), [(100, SHOWN_SIDE), (600, 600), (1500, LARGEST_SIDE)])
def test_a_crop_is_neither_small_nor_huge(side: int, shown: int) -> None:
    assert read(enlarged(stored(1600, 1600), (0, 0, side, side // 2))).size == (shown, shown // 2)


@pytest.mark.parametrize(
    "box",
    [(0, 0, 0, 8), (8, 8, 4, 16), (0, 0, 513, 8), (0, 500, 8, 600), (600, 0, 700, 8), (0, 0, 10**30, 8)],
)
def test_what_does_not_lie_in_the_picture_is_404(
    client: Client, cell: Cell, box: tuple[int, int, int, int]
) -> None:
    assert client.get(address(cell.key, *box)).status_code == 404


def test_what_is_no_picture_here_is_404(client: Client, cell: Cell) -> None:
    assert client.get(address("d" * 64, 0, 0, 8, 8)).status_code == 404
    text = Cell.objects.create(key="e" * 64, inputs={}, image=store_bytes(b"<svg onload=alert(1)>"))
    photo = Cell.objects.create(key="f" * 64, inputs={}, image=stored(64, 64, "JPEG"))
    assert client.get(address(text.key, 0, 0, 8, 8)).status_code == 404
    assert client.get(address(photo.key, 0, 0, 8, 8)).status_code == 404
    sha256 = cell.image.sha256
    blob_storage().delete(f"{sha256[:2]}/{sha256[2:4]}/{sha256}")
    assert client.get(address(cell.key, 0, 0, 8, 8)).status_code == 404


def test_a_browser_keeps_it_for_ever_and_asks_again_for_nothing(client: Client, cell: Cell) -> None:
    first = client.get(address(cell.key, 0, 0, 64, 64))
    assert first["Cache-Control"] == "public, max-age=31536000, immutable"
    assert "sandbox" in first["Content-Security-Policy"]
    assert first["X-Content-Type-Options"] == "nosniff"
    again = client.get(address(cell.key, 0, 0, 64, 64), headers={"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get(address(cell.key, 0, 0, 64, 65))["ETag"] != first["ETag"]


def test_a_site_that_requires_a_login_keeps_crops_to_itself(
    client: Client, cell: Cell, settings: Settings
) -> None:
    settings.REQUIRE_LOGIN = True
    assert client.get(address(cell.key, 0, 0, 8, 8)).status_code == 302
    assert client.get(address("d" * 64, 0, 0, 8, 8)).status_code == 302
    client.force_login(build.user())
    assert client.get(address(cell.key, 0, 0, 8, 8))["Cache-Control"].startswith("private")


def test_a_condition_that_fails_is_told_and_kept_by_nobody(client: Client, cell: Cell) -> None:
    for url in (address(cell.key, 0, 0, 8, 8), reverse("images:cell", args=[cell.key])):
        response = client.get(url, headers={"If-Match": '"another"'})
        assert (response.status_code, response["Cache-Control"]) == (412, "no-store")
        assert response.json()["code"] == "precondition_failed"


@pytest.mark.parametrize("end", [".png", "/0,0,8,8.webp"])
def test_what_is_no_key_of_a_cell_is_404(client: Client, cell: Cell, end: str) -> None:
    whole = reverse("images:cell", args=[cell.key])
    assert client.get(whole.replace(f"{cell.key}.png", f"c%00c{end}")).status_code == 404
