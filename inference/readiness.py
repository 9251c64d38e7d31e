"""Whether this machine can render, with what, and how fast."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from typing import Any

from django.conf import settings

from inference.base_files import base_files
from inference.batches import sampling_of
from inference.errors import SheetFailed, SheetRefused
from inference.hands import hand_detector
from inference.house_recipes import find_recipe
from inference.recipes import FAMILIES, SheetPlan, Trigger
from inference.services import STANDARD
from inference.warm_bases import warm_engine
from registry.errors import KuraError
from registry.models import BaseModel

# Importing torch takes a minute on a cold disk.
_PROBE_SECONDS = 300


@dataclass(frozen=True, slots=True)
class BaseReport:
    """One base: whether its files are here, why not, and how it renders where that was measured."""

    slug: str
    family: str
    found: bool
    reason: str = ""
    speed: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class HandsReport:
    """The hand detector: its name, "" where none is set up or it cannot be used, which `error` then says."""

    detector: str = ""
    code: str = ""
    error: str = ""
    next_step: str = ""


@dataclass
class Readiness:
    """Devices and libraries as `inference.engine.devices` tells them, the bases, and why it cannot render.

    Without the hand detector it can: the sheets then say why they only have guessed crops.
    """

    devices: list[dict[str, Any]] = field(default_factory=list)
    libraries: dict[str, str] = field(default_factory=dict)
    bases: list[BaseReport] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    hands: HandsReport = field(default_factory=HandsReport)

    @property
    def can_render(self) -> bool:
        """Nothing stands in the way."""
        return not self.reasons

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"can_render": self.can_render, **asdict(self)}


def probe_devices() -> dict[str, Any]:
    """Devices and libraries, asked in a process of its own. Raises OSError with what went wrong."""
    try:
        told = subprocess.run(
            [sys.executable, "-m", "inference.engine.devices"],
            cwd=settings.BASE_DIR,
            capture_output=True,
            text=True,
            timeout=_PROBE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise OSError(f"torch did not answer in {_PROBE_SECONDS} s") from None
    if told.returncode:
        lines = told.stderr.strip().splitlines()
        raise OSError(lines[-1] if lines else f"it ended with {told.returncode}")
    found: dict[str, Any] = json.loads(told.stdout)
    if not found["devices"]:
        raise OSError("torch found nothing to render on")
    return found


def check_machine(base: BaseModel | None = None, *, measured: bool = True) -> Readiness:
    """Look at devices, libraries and bases, and measure `base`, or the toybox or another that is here."""
    found = Readiness(hands=_hands())
    try:
        told = probe_devices()
    except OSError as error:
        found.reasons.append(f"The render engine does not start: {error}.")
        return found
    found.devices, found.libraries = told["devices"], told["libraries"]
    bases = list(BaseModel.objects.exclude(weights="").order_by("slug"))
    here = {each.pk: reason for each in bases if (reason := _missing(each)) is not None}
    known = [each for each in bases if each.pk not in here and each.family in FAMILIES]
    # The toybox first: it is rendered in a second.
    known.sort(key=lambda each: (each != base, each.family != "toybox", each.slug))
    chosen = known[0] if known else None
    if base is not None and chosen != base:
        found.reasons.append(
            here.get(base.pk) or f"{base.name} has no weights here, or its family no recipe."
        )
    elif chosen is None:
        found.reasons.append("No base model has its weights on this machine.")
    speeds: dict[int, dict[str, Any]] = {}
    if measured and chosen is not None and found.can_render:
        try:
            speeds[chosen.pk] = _measure(chosen)
        except (SheetRefused, SheetFailed) as error:
            found.reasons.append(f"{chosen.name} does not render: {error.message}")
    found.bases = [
        BaseReport(each.slug, each.family, each.pk not in here, here.get(each.pk, ""), speeds.get(each.pk))
        for each in bases
    ]
    return found


def _hands() -> HandsReport:
    try:
        detector = hand_detector()
    except KuraError as error:
        return HandsReport(code=error.code, error=error.message, next_step=error.next_step)
    return HandsReport(detector.name if detector is not None else "")


def _missing(base: BaseModel) -> str | None:
    try:
        base_files(base)
    except SheetRefused as error:
        return error.message
    return None


def _measure(base: BaseModel) -> dict[str, Any]:
    """Seconds by one batch of the family's standard recipe."""
    from inference.engine.speed import measure

    started = time.perf_counter()
    engine = warm_engine(base_files(base))
    load = time.perf_counter() - started
    batch = SheetPlan(find_recipe(STANDARD, base.family), Trigger()).batches()[0]
    speed = measure(engine, load, sampling_of(batch.how), batch.texts, batch.seeds)
    rounded = {
        name: round(value, 4) if isinstance(value, float) else value for name, value in asdict(speed).items()
    }
    return rounded | {"width": batch.how.width, "height": batch.how.height, "steps": batch.how.steps}
