"""`manage.py render_worker`: renders what waits, one process per card; `--check` tells whether it could."""

from __future__ import annotations

import json
import signal
import threading
from argparse import ArgumentParser
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand

from inference import readiness
from inference.errors import CannotRender
from inference.hands import hand_detector
from inference.readiness import Readiness
from inference.services import find_base
from inference.worker import DeviceBroken, Supervisor, serve
from registry.models import JobQueue

# For the supervisor and other programs: the process was well, its card was not.
DEVICE_BROKEN = 3
_MB = 1 << 20


class Command(BaseCommand):
    """Needs the database and the storage of files, and no broker: it looks for work itself."""

    help = "Render sheets, one process per card. Ends on SIGTERM or SIGINT after the batch in hand."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Without arguments: one process for each card of this machine, started again when it dies."""
        parser.add_argument("--queue", default=JobQueue.GPU.value, choices=JobQueue.values)
        parser.add_argument("--device", type=int, help="work in this process, on this card only")
        parser.add_argument("--once", action="store_true", help="do what waits, in this process, and end")
        parser.add_argument(
            "--check", action="store_true", help="tell whether and how fast this machine renders"
        )
        parser.add_argument("--base", help="with --check: the base model to measure; else the toybox")
        parser.add_argument("--json", action="store_true", help="with --check: print JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Check, work, or keep workers."""
        if options["check"]:
            base = find_base(options["base"]) if options["base"] else None
            self._tell(readiness.check_machine(base), as_json=options["json"])
            return
        stopping = _stop_on_signals()
        if options["once"] or options["device"] is not None:
            try:
                taken = serve(options["queue"], stopping, once=options["once"])
            except DeviceBroken as error:
                self.stderr.write(f"The card answers nothing but errors: {error}")
                raise SystemExit(DEVICE_BROKEN) from None
            if options["once"]:
                self.stderr.write(f"{taken} jobs.")
            return
        try:
            found = readiness.probe_devices()["devices"]
        except OSError as error:
            raise CannotRender(f"The render engine does not start: {error}.") from None
        self.stderr.write("Rendering on " + ", ".join(device["name"] for device in found) + ".")
        Supervisor(options["queue"], len(found)).run(stopping)

    def _tell(self, found: Readiness, *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps(found.as_dict(), ensure_ascii=False, indent=2))
        else:
            self._tell_people(found)
        if not found.can_render:
            raise CannotRender(" ".join(found.reasons))
        # It renders all the same, but not as the settings say.
        hand_detector()

    def _tell_people(self, found: Readiness) -> None:
        libraries = ", ".join(f"{name} {release}" for name, release in found.libraries.items() if release)
        if libraries:
            self.stdout.write(libraries)
        for device in found.devices:
            memory = f"{device['memory'] // _MB} MiB"
            self.stdout.write(f"device {device['index']}: {device['name']}, {memory}, {device['dtype']}")
        for base in found.bases:
            self.stdout.write(f"base {base.slug} ({base.family}): {'here' if base.found else base.reason}")
            if (speed := base.speed) is not None:
                size = f"{speed['width']} x {speed['height']}, {speed['steps']} steps"
                self.stdout.write(
                    f"  loaded in {speed['load']:.1f} s\n"
                    f"  {speed['image']:.2f} s per picture of {size}, {speed['pictures']} at once\n"
                    f"  {speed['patch']:.2f} s to put an adapter of {speed['layers']} layers in and out"
                )
        hands = found.hands
        if hands.code:
            self.stdout.write(f"hand detector: {hands.code}: {hands.error} {hands.next_step}")
        else:
            self.stdout.write(f"hand detector: {hands.detector or 'none is set up'}")
        self.stdout.write("This machine can render." if found.can_render else "This machine cannot render:")
        for reason in found.reasons:
            self.stdout.write(f"  {reason}")


def _stop_on_signals() -> threading.Event:
    stopping = threading.Event()

    def ask_to_stop(signum: int, frame: FrameType | None) -> None:
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ask_to_stop)
    return stopping
