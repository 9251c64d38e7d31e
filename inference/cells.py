"""Pictures as rows: the key of a cell, finding stored ones, and storing a finished batch."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from django.db import transaction
from PIL import Image

from inference.layouts import WHOLE, BatchLayout
from inference.models import Cell, Sheet, SheetCell
from inference.recipes import Batch, Place, Role, Sampled, Slot, digest
from registry.storage import open_blob, store_bytes

if TYPE_CHECKING:
    from inference.engine.decoding import Picture

Pixels = npt.NDArray[np.uint8]
Inputs = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Keyed:
    """A place on the sheet with the key of the cell that belongs there and all that the key stands for."""

    place: Place
    role: Role
    key: str
    inputs: Inputs


def sampling_inputs(how: Sampled) -> Inputs:
    """How a column samples, as it goes into keys and manifests.

    What says nothing is left out, so that cells made before it could be said keep their keys.
    """
    inputs: Inputs = {
        "steps": how.steps,
        "cfg": how.cfg,
        "width": how.width,
        "height": how.height,
        "sampler": how.sampler,
        "negative": how.negative,
        "noise": "cpu",
    }
    if how.clip_skip != 1:
        inputs["clip_skip"] = how.clip_skip
    if how.true_cfg != 1:
        inputs["true_cfg"] = how.true_cfg
    if how.hires is not None:
        inputs["hires"] = asdict(how.hires)
    return inputs


def keyed_cells(
    batch: Batch,
    *,
    base: str,
    adapters: Sequence[str],
    environment: Mapping[str, str],
    layout: BatchLayout = WHOLE,
) -> list[Keyed]:
    """The cells of a batch with their keys; `base` and `adapters` are digests, in the order of the slots.

    A key holds the whole batch, because what else is in a batch can change a picture's last bits. A base
    batch holds nothing of the adapter, so every adapter with the same texts shares it.
    """
    shared: Inputs = {
        "environment": dict(environment),
        "base": base,
        "sampling": sampling_inputs(batch.how),
        "batch": [[text, seed] for text, seed in zip(batch.texts, batch.seeds, strict=True)],
        "role": str(batch.column.role),
    } | _applied(batch.column.slots, adapters)
    if layout != WHOLE:
        shared["layout"] = layout.as_dict()
    found = []
    for place in batch.places:
        inputs = {**shared, "position": place.position}
        found.append(Keyed(place, batch.column.role, digest(inputs), inputs))
    return found


def _applied(slots: Sequence[Slot], adapters: Sequence[str]) -> Inputs:
    """One adapter at one weight is written as it always was; the order counts, since sums are rounded."""
    if not slots:
        return {}
    if len(slots) == 1 and slots[0].plain:
        return {"adapter": {"sha256": adapters[slots[0].adapter], "weight": slots[0].unet}}
    return {
        "adapters": [
            {
                "sha256": adapters[slot.adapter],
                "unet": slot.unet,
                "text_encoder": slot.text_encoder,
                "blocks": slot.blocks,
            }
            for slot in slots
        ]
    }


def stored_cells(keys: Sequence[str]) -> dict[str, Cell]:
    """The cells that are there already, by key."""
    return Cell.objects.select_related("image").in_bulk(list(keys))


def store_batch(cells: Sequence[Keyed], pictures: Sequence[Picture], seconds: float) -> dict[str, Cell]:
    """Keep a finished batch, all of it or nothing; `seconds` is what the whole batch took."""
    images = [store_bytes(to_png(picture.pixels), container="png") for picture in pictures]
    rows = {}
    with transaction.atomic():
        for cell, picture, image in zip(cells, pictures, images, strict=True):
            facts = {
                "finite": picture.finite,
                "usable": picture.usable,
                "deviation": round(picture.deviation, 6),
                "digest": picture.digest,
            }
            values = {"inputs": cell.inputs, "image": image, "facts": facts}
            values["seconds"] = round(seconds / len(cells), 4)
            rows[cell.key], _ = Cell.objects.update_or_create(key=cell.key, defaults=values)
    return rows


def place_cells(sheet: Sheet, cells: Sequence[Keyed], rows: Mapping[str, Cell]) -> None:
    """Put cells on the sheet, so that pages can show a sheet while it grows."""
    SheetCell.objects.bulk_create(
        [
            SheetCell(
                sheet=sheet,
                cell=rows[cell.key],
                row=cell.place.row,
                column=cell.place.column,
                role=str(cell.role),
            )
            for cell in cells
        ],
        update_conflicts=True,
        unique_fields=["sheet", "row", "column"],
        update_fields=["cell", "role"],
    )


def discard_cells(keys: Sequence[str]) -> None:
    """Forget cells whose pictures cannot be trusted; their places go first."""
    with transaction.atomic():
        SheetCell.objects.filter(cell__in=keys).delete()
        Cell.objects.filter(pk__in=keys).delete()


def read_pixels(cell: Cell) -> Pixels:
    """The cell's picture, RGB bytes [height, width, 3]."""
    with open_blob(cell.image) as file, Image.open(file) as image:
        return np.asarray(image.convert("RGB"))


def to_png(pixels: Pixels) -> bytes:
    """The picture as PNG, without loss."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()
