"""`manage.py extract CHECKPOINT --base BASE OUT --rank N`: a LoRA of what a checkpoint adds to its base."""

from __future__ import annotations

import json
import time
from argparse import ArgumentParser, ArgumentTypeError
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from inference.confined import Progress
from inference.extraction import DTYPES, LARGEST_RANK, Options, extract_lora, report_text
from registry.terminal import terminal_text


class Command(BaseCommand):
    """Reads and writes files only: opens no database."""

    help = "Make a LoRA of what a full checkpoint adds to its base, and print how well it fits."
    requires_system_checks: list[str] = []
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "checkpoint", metavar="CHECKPOINT", help="a safetensors file or a diffusers folder"
        )
        parser.add_argument("output", metavar="OUT", help="the LoRA to make")
        parser.add_argument("--base", required=True, help="what the checkpoint was made from, likewise")
        parser.add_argument("--rank", type=_rank, required=True, help="rank of linear layers")
        parser.add_argument("--conv-rank", type=_rank, default=0, help="rank of 3x3 convolutions; else none")
        parser.add_argument(
            "--quantile", type=_share, help="share of each layer's norm to keep; --rank is then the most"
        )
        parser.add_argument("--dtype", choices=DTYPES, default="F16", help="precision of the LoRA")
        parser.add_argument(
            "--diff", action="store_true", help="keep layers that no LoRA holds as whole diffs"
        )
        parser.add_argument("--force", action="store_true", help="replace OUT if it is there")
        parser.add_argument("--json", action="store_true", help="print the result as JSON and nothing else")

    def handle(self, *args: Any, **options: Any) -> None:
        wanted = Options(
            rank=options["rank"],
            conv_rank=options["conv_rank"],
            quantile=options["quantile"],
            dtype=options["dtype"],
            diff=options["diff"],
        )
        done = extract_lora(
            Path(options["checkpoint"]),
            Path(options["base"]),
            Path(options["output"]),
            wanted,
            overwrite=options["force"],
            progress=self._progress(),
        )
        self.stdout.write(
            json.dumps(done.as_dict(), indent=1)
            if options["json"]
            else terminal_text(report_text(done), keep="\n")
        )

    def _progress(self) -> Progress:
        """A line on stderr every few seconds."""
        last = time.monotonic()

        def show(done: int, total: int) -> None:
            nonlocal last
            if time.monotonic() - last > 5:
                last = time.monotonic()
                self.stderr.write(f"{done} of {total} layers")

        return show


def _rank(text: str) -> int:
    # No longer a text is a rank, and Python refuses to read the longest.
    value = int(text) if text.isdecimal() and len(text) < 10 else 0
    if not 1 <= value <= LARGEST_RANK:
        raise ArgumentTypeError(f"must be a whole number from 1 to {LARGEST_RANK}")
    return value


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1:
        raise ArgumentTypeError("must be a number between 0 and 1")
    return value
