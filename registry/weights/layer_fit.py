"""Which transformer families have every layer of a file in its size and block."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from .family_table import FAMILY_ROWS
from .layer_table import Layer, block_lists, dotted_template, layer_table, template
from .modules import ModuleFacts

# These dialects keep the names of the family's own repository.
_NATIVE_DIALECTS = frozenset(
    {"kohya", "kohya_double_underscore", "comfy", "bfl", "bfl_control", "unprefixed", "xlabs"}
)
_USES: dict[str, frozenset[str]] = {dialect: frozenset({"native"}) for dialect in _NATIVE_DIALECTS}
# FramePack's trainer flattens the names of diffusers.
_USES["kohya"] = frozenset({"native", "flattened"})

Known = list[tuple[ModuleFacts, tuple[int, ...], list[Layer]]]


def known_layers(modules: Sequence[ModuleFacts]) -> Known:
    """Those of the modules that stand in the table, with their block numbers and the layers of that name."""
    table = layer_table()
    known: Known = []
    for module in modules:
        bare, numbers = template(module.where.flat)
        if layers := table.get(bare):
            known.append((module, numbers, layers))
    return known


def fitting_families(known: Known, dialect: str | None, *, sizes: bool) -> list[str]:
    """The families that have every one of the layers, oldest first; [] when none has.

    Without `sizes` only names and block numbers are compared. Of several families, those are kept whose own
    names the dialect keeps, then those whose every block the file touches.
    """
    usual = frozenset({"native", "flattened", "diffusers"})
    rows = _fitting_rows(known, usual, sizes)
    if not rows and sizes:
        rows = _fitting_rows(known, usual | {"rare"}, sizes)
    if _several(rows) and dialect in _USES:
        rows = rows & _fitting_rows(known, _USES[dialect], sizes) or rows
    if _several(rows):
        rows = _complete_rows(rows, known) or rows
    return list(dict.fromkeys(FAMILY_ROWS[row].family for row in sorted(rows)))


def _several(rows: set[int]) -> bool:
    return len({FAMILY_ROWS[row].family for row in rows}) > 1


def _fitting_rows(known: Known, uses: frozenset[str], sizes: bool) -> set[int]:
    left: set[int] | None = None
    for module, numbers, layers in known:
        fits = {
            layer.row
            for layer in layers
            if (left is None or layer.row in left)
            and layer.use in uses
            and _fits(module, numbers, layer, sizes)
        }
        left = fits
        if not left:
            return set()
    return left or set()


def _fits(module: ModuleFacts, numbers: tuple[int, ...], layer: Layer, sizes: bool) -> bool:
    if any(not low <= number <= high for number, (low, high) in zip(numbers, layer.blocks, strict=False)):
        return False
    path = module.where.path
    if layer.dotted and "." in path and dotted_template(path) != layer.dotted:
        return False
    facts = module.facts
    if not sizes or facts.problem:
        return True
    if facts.algorithm == "ia3":
        # One vector, for the inputs or the outputs.
        return None in (facts.out_dim, layer.in_dim, layer.out_dim) or facts.out_dim in (
            layer.in_dim,
            layer.out_dim,
        )
    if facts.vector:
        return True
    wrong_in = None not in (facts.in_dim, layer.in_dim) and facts.in_dim != layer.in_dim
    wrong_out = None not in (facts.out_dim, layer.out_dim) and facts.out_dim != layer.out_dim
    return not (wrong_in or wrong_out)


def _complete_rows(rows: set[int], known: Known) -> set[int]:
    """Those rows whose every block, first to last, of each list the file touches: it was made for just that
    many.
    """
    touched: dict[str, set[int]] = defaultdict(set)
    uses: dict[int, set[str]] = defaultdict(set)
    for module, numbers, layers in known:
        for layer in layers:
            uses[layer.row].add(layer.use)
        if numbers:
            touched[template(module.where.flat)[0].partition("#")[0]].add(numbers[0])
    return {
        row for row in rows if any(_complete(touched, block_lists().get((row, use))) for use in uses[row])
    }


def _complete(touched: dict[str, set[int]], lists: dict[str, int] | None) -> bool:
    return bool(lists) and all(
        touched.get(stem) == set(range(last + 1)) for stem, last in (lists or {}).items()
    )
