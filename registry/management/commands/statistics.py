"""`manage.py statistics FILE...`: how large an adapter's change is and where it sits, without a database."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from typing import IO, Any, cast

from django.core.management.base import BaseCommand
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from registry.errors import KuraError
from registry.terminal import terminal_text
from registry.weights.base_norms import as_json, norms_of, read_norms, shipped_norms
from registry.weights.errors import WeightsError
from registry.weights.statistics import Statistics, statistics_of


class Command(BaseCommand):
    """Reads files only: no system checks, no migrations, no connection."""

    help = "Say how large the change of adapter files is and which blocks carry it, without a database."
    requires_system_checks: list[str] = []
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("paths", nargs="+", metavar="FILE", help="an adapter file")
        parser.add_argument(
            "--base",
            action="append",
            default=[],
            metavar="[COMPONENT=]FILE",
            help="a safetensors file of the base model, or a .json that --norms wrote, to measure against; "
            "COMPONENT (text_encoder_2, transformer) where the names in it do not tell; may be repeated",
        )
        parser.add_argument(
            "--norms",
            action="store_true",
            help="FILE is of a base model: print the norms of its weights as JSON, for --base",
        )
        parser.add_argument("--modules", action="store_true", help="with --json: every module, too")
        parser.add_argument(
            "--json", action="store_true", dest="as_json", help="print one JSON list and nothing else"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        paths: list[str] = options["paths"]
        if options["norms"]:
            self.stdout.write(as_json(_norms(paths)), ending="")
            return
        norms = _norms(options["base"])
        found: list[dict[str, Any]] = []
        failures = []
        for path in paths:
            try:
                one = statistics_of(path, norms=norms, base="given")
                if not norms and (shipped := shipped_norms(one.family)):
                    one = one.against(shipped, one.family)
            except KuraError as error:
                found.append({"path": path, "error": error.as_dict()})
                failures.append(f"{error.code}: {path}: {error.message} {error.next_step}")
                continue
            found.append({"path": path, "error": None, **one.as_dict()})
            if options["modules"]:
                found[-1]["each"] = [module.as_dict() for module in one.each]
            if not options["as_json"]:
                self._show(path, one)
        if options["as_json"]:
            # ASCII, so that a name with half a character in it cannot break the output.
            self.stdout.write(json.dumps(found, indent=1))
        for failure in failures:
            self.stderr.write(terminal_text(failure))
        if failures:
            sys.exit(1)

    def _show(self, path: str, one: Statistics) -> None:
        told = one.as_dict()
        console = Console(file=cast(IO[str], self.stdout), highlight=False)
        console.print(f"[bold]{_plain(path)}[/bold]")
        console.print(f"  {told['modules']} modules, norm {told['frobenius']:g}, family {one.family}")
        if (ranks := told["effective_rank"]) is not None:
            console.print(
                f"  effective rank {ranks['min']:.1f} to {ranks['max']:.1f}, median {ranks['median']:.1f}"
            )
        if one.strength is not None:
            console.print(f"  {100 * one.strength:.2g} % of the norm of the base's weights that it changes")
        if told["needs_base"]:
            console.print("  A part of what it does cannot be told without the base's weights.")
        for count, words in (
            (told["zero_count"], "modules change nothing"),
            (told["not_finite_count"], "modules hold NaN or infinity"),
            (told["left_out_count"], "modules could not be measured"),
        ):
            if count:
                console.print(f"  {count} {words}")
        table = Table(box=None, padding=(0, 2, 0, 2))
        for name in ("block", "share", "norm", "spectral", "effective rank"):
            table.add_column(name, justify="left" if name == "block" else "right")
        for block in one.blocks:
            rank = "" if block.effective_rank is None else f"{block.effective_rank:.1f}"
            row = (f"{100 * block.share:.1f} %", f"{block.frobenius:.3g}", f"{block.spectral:.3g}", rank)
            table.add_row(_plain(block.name), *row)
        console.print(table)
        for preset in one.presets:
            # In one piece, to be copied.
            console.print(f"  {preset.code}: lbw={preset.as_dict()['lbw']}", soft_wrap=True)
            console.print(f"    {preset.why}", soft_wrap=True)
        console.print()


def _norms(sources: list[str]) -> dict[str, float]:
    """The norms of every source together. Raises a WeightsError that names the source."""
    norms: dict[str, float] = {}
    for source in sources:
        component, equals, path = source.partition("=")
        if not equals:
            component, path = "", source
        try:
            norms |= read_norms(path) if path.endswith(".json") else norms_of(path, component)
        except WeightsError as error:
            raise type(error)(f"{path}: {error.message}") from None
    return norms


def _plain(text: str) -> str:
    """Printable text that rich does not read as markup."""
    return escape(terminal_text(text))
