"""What a sheet will cost, before it is asked for: cells that are not there yet, and the seconds they take."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from inference.cells import keyed_cells, sampling_inputs
from inference.house_recipes import find_recipe
from inference.layouts import BatchLayout
from inference.models import Cell, SheetCell
from inference.recipes import Batch, Role, is_distilled
from inference.services import STANDARD, choose_base, digest_here
from inference.shown import Other, content_of
from registry.models import BaseModel, Version

# Sheets of the base that are looked at for seconds, and cells of them.
_SHEETS, _CELLS = 12, 1200
# Samplers that ask the denoiser twice a step.
_TWICE = frozenset({"dpmpp_sde_karras"})


@dataclass(frozen=True, slots=True)
class Cost:
    """`cells` on the sheet, of which `new_cells` have to be rendered, in about `seconds`.

    Seconds are those that cells of the same layout took on the machine that rendered this base last: the
    loading of the base is not in them. None where nothing was rendered on it yet. `measured` is false where
    another layout had to be scaled, by pixels and by how often the denoiser is asked.
    """

    cells: int
    new_cells: int
    seconds: float | None
    measured: bool

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def cost_of(
    version: Version, recipe: str = STANDARD, base: BaseModel | None = None, others: Sequence[Other] = ()
) -> Cost:
    """What this sheet would cost now; nothing is planned or written. Raises what plan_sheet raises."""
    base = base or choose_base(version)
    content = content_of(version, find_recipe(recipe, base.family), others)
    made = _last_cells(base)
    batches = content.plan.batches()
    if not made:
        return Cost(content.plan.cells, content.plan.cells, None, measured=False)
    environment = made[0].inputs["environment"]
    digest = digest_here(base) or made[0].inputs["base"]
    layout = BatchLayout(**made[0].inputs.get("layout", {}))
    adapters = [file.blob_id for _, file, _ in content.files]
    keyed = [
        keyed_cells(batch, base=digest, adapters=adapters, environment=environment, layout=layout)
        for batch in batches
    ]
    keys = [cell.key for cells in keyed for cell in cells]
    here = set(Cell.objects.filter(pk__in=keys).values_list("pk", flat=True))
    missing = []
    for batch, cells in zip(batches, keyed, strict=True):
        own = {cell.key for cell in cells}
        if not own <= here:
            missing.append(batch)
            here |= own  # a column that samples as another one does is rendered once
    alike = [cell for cell in made if cell.inputs["environment"] == environment]
    seconds, measured = _seconds(missing, alike, distilled=is_distilled(content.plan.recipe.family))
    return Cost(content.plan.cells, sum(len(batch.texts) for batch in missing), seconds, measured)


def _last_cells(base: BaseModel) -> list[Cell]:
    """Cells of the base's last sheets, the newest first."""
    sheets = base.sheets.order_by("-pk").values_list("pk", flat=True)[:_SHEETS]
    places = SheetCell.objects.filter(sheet__in=list(sheets)).select_related("cell")[:_CELLS]
    found = {place.cell_id: place.cell for place in places}
    return sorted(found.values(), key=lambda cell: cell.created, reverse=True)


def _seconds(batches: Sequence[Batch], made: Sequence[Cell], *, distilled: bool) -> tuple[float | None, bool]:
    """What the batches take by what cells took, and whether all of it was measured in their own layout."""
    if not batches:
        return 0.0, True
    alike: dict[Any, list[float]] = defaultdict(list)
    rates = []
    for cell in made:
        sampling, pictures = cell.inputs["sampling"], len(cell.inputs["batch"])
        alike[_layout(sampling, pictures, cell.inputs["role"], distilled)].append(cell.seconds)
        rates.append(cell.seconds / _work(sampling, distilled))
    total, measured = 0.0, True
    for batch in batches:
        sampling, pictures = sampling_inputs(batch.how), len(batch.texts)
        seconds = alike.get(_layout(sampling, pictures, str(batch.column.role), distilled))
        if seconds is None:
            measured = False
        total += pictures * (median(seconds) if seconds else median(rates) * _work(sampling, distilled))
    return round(total, 1), measured


def _layout(sampling: Mapping[str, Any], pictures: int, role: str, distilled: bool) -> tuple[Any, ...]:
    """What decides how long a picture takes: words do not. A patched batch takes longer."""
    hires = sampling.get("hires") or {}
    sides = (sampling["width"], sampling["height"], sampling["steps"], sampling["sampler"])
    halves = _halves(sampling, distilled)
    return (*sides, *sorted(hires.items()), halves, pictures, role == Role.ADAPTER)


def _halves(sampling: Mapping[str, Any], distilled: bool) -> int:
    """Predictions for one picture and step: guidance by a negative half takes a second one."""
    guidance = sampling.get("true_cfg", 1) if distilled else sampling["cfg"]
    return 1 if guidance == 1 else 2


def _work(sampling: Mapping[str, Any], distilled: bool) -> float:
    """Pixels times how often the denoiser is asked for them."""
    asked = (2 if sampling["sampler"] in _TWICE else 1) * _halves(sampling, distilled)
    once = float(sampling["width"] * sampling["height"])
    work: float = once * sampling["steps"] * asked
    if hires := sampling.get("hires"):
        work += once * hires["scale"] ** 2 * hires["steps"] * hires["strength"] * asked
    return work
