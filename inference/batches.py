"""Renders the batches of one sheet, and steps down to a narrower layout when memory runs out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from inference.errors import OutOfMemory
from inference.layouts import WHOLE, BatchLayout, first_line
from inference.recipes import Batch, Role, Sampled, SheetPlan, Slot

if TYPE_CHECKING:
    from inference.engine.block_weights import WeightOf
    from inference.engine.decoding import Picture
    from inference.engine.ladder import Engine, Sampling
    from inference.engine.patcher import FittedAdapter

OFFLOADED = "The base did not fit into the device's memory when it was loaded."
LACKED_BEFORE = "A sheet of this size has run out of memory on this worker before."


@dataclass(frozen=True, slots=True)
class Fallback:
    """One step down: the layout from there on, how many pictures the batch had, what was said."""

    layout: BatchLayout
    pictures: int
    reason: str

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values, as the sheet's row and its manifest keep them."""
        return {"layout": asdict(self.layout), "pictures": self.pictures, "reason": self.reason}


def fallback_of_loading(engine: Engine, layout: BatchLayout, pictures: int) -> Fallback | None:
    """The step down of a base that was loaded with less, None where `layout` says that already."""
    base = engine.base
    if not base.offloaded or layout.offload:
        return None
    return Fallback(replace(layout, offload=True), pictures, base.offload_reason or OFFLOADED)


def fallback_from_dict(data: Mapping[str, Any]) -> Fallback:
    """The step that `as_dict` described."""
    return Fallback(BatchLayout(**data["layout"]), data["pictures"], data["reason"])


class NarrowerLayout(Exception):
    """Not an error: memory did not suffice for a batch, and the sheet begins anew in this layout."""

    def __init__(self, fallback: Fallback) -> None:
        super().__init__(fallback.reason)
        self.fallback = fallback


class BatchRenderer:
    """The batches of one sheet on a loaded base, all in one layout, so that each is made as its base twin."""

    def __init__(
        self,
        engine: Engine,
        adapters: Sequence[FittedAdapter],
        family: str,
        layout: BatchLayout,
        make_room: Callable[[], bool] = lambda: False,
    ) -> None:
        """`make_room` frees what this sheet does not need and says whether there was anything."""
        self._engine, self._adapters, self._family = engine, adapters, family
        self._layout, self._make_room = layout, make_room

    def render(self, batch: Batch) -> list[Picture]:
        """The batch with its adapters applied; a control has them applied at 1.0 and taken out before.

        Raises NarrowerLayout when memory did not suffice, and OutOfMemory when there is no narrower one.
        """
        from inference.engine.base import release_memory
        from inference.engine.memory import ran_out

        while True:
            try:
                return self._render(batch)
            except Exception as error:
                if not ran_out(error):
                    raise
                reason = first_line(error)
            # Outside of the handler: while the error is at hand its traceback holds the batch's tensors.
            release_memory()
            if not self._make_room():
                raise self._step_down(len(batch.texts), reason)

    def _step_down(self, pictures: int, reason: str) -> NarrowerLayout | OutOfMemory:
        narrower = self._layout.narrower(pictures)
        if narrower is None:
            return OutOfMemory(f"Memory does not suffice for one picture: {reason}")
        return NarrowerLayout(Fallback(narrower, pictures, reason))

    def _render(self, batch: Batch) -> list[Picture]:
        slots, how = batch.column.slots, sampling_of(batch.how)
        if batch.column.role is Role.CONTROL:
            adapters = [self._adapters[slot.adapter] for slot in slots]
            return self._engine.render_control(batch.texts, batch.seeds, how, adapters, self._layout)
        applied = [(self._adapters[slot.adapter], self._weight_of(slot)) for slot in slots]
        return self._engine.render(batch.texts, batch.seeds, how, applied, self._layout)

    def _weight_of(self, slot: Slot) -> WeightOf:
        from inference.engine.block_weights import weight_of

        return weight_of(slot.unet, slot.text_encoder, slot.blocks, self._family)


class LayoutMemory:
    """What this process has learned: the layouts that sheets of a size had to be rendered in.

    A worker that starts anew tries the whole batch again; memory may have been taken by something else.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, int], Fallback] = {}

    def recall(self, base: str, plan: SheetPlan) -> Fallback | None:
        """How the last sheet of this size on this base went, None where it went as usual."""
        return self._known.get(_size(base, plan))

    def learn(self, base: str, plan: SheetPlan, fallback: Fallback) -> None:
        """Remember a step down."""
        self._known[_size(base, plan)] = Fallback(fallback.layout, fallback.pictures, LACKED_BEFORE)

    def forget(self) -> None:
        """Try whole batches again."""
        self._known.clear()


def _size(base: str, plan: SheetPlan) -> tuple[str, str, int]:
    sizes = sorted({f"{b.how.width}x{b.how.height} {b.how.hires or ''}" for b in plan.batches()})
    return base, "; ".join(sizes), plan.batch_size


def layout_of(fallbacks: Sequence[Fallback]) -> BatchLayout:
    """The layout after these steps."""
    return fallbacks[-1].layout if fallbacks else WHOLE


def sampling_of(how: Sampled) -> Sampling:
    """The engine's words for how a column is sampled."""
    from inference.engine.ladder import Sampling

    return Sampling(**{field.name: getattr(how, field.name) for field in fields(how)})
