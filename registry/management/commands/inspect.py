"""`manage.py inspect PATH...`: what the bytes of adapter files tell, without a database."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from typing import IO, Any, cast

from django.conf import settings
from django.core.management.base import BaseCommand
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from registry.terminal import terminal_text
from registry.weights import Inspection, inspect_file

# The errors of a path, as opposed to those of the bytes found there.
PATH_ERRORS = ("unreadable", "is_a_folder")
_SEVERITY_STYLE = {"error": "bold red", "warning": "yellow", "info": "dim"}


class Command(BaseCommand):
    """Reads files only: no system checks, no migrations, no connection."""

    help = "Say what the bytes of adapter files tell, without a database."
    requires_system_checks: list[str] = []
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("paths", nargs="+", metavar="PATH", help="a file")
        parser.add_argument(
            "--json", action="store_true", dest="as_json", help="print one JSON list and nothing else"
        )
        parser.add_argument(
            "--no-hash", action="store_false", dest="hashes", help="read the header and the alphas only"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        inspections = []
        for path in options["paths"]:
            inspection = inspect_file(path, hashes=options["hashes"], header_limit=settings.HEADER_LIMIT)
            inspections.append(inspection)
            if not options["as_json"]:
                self._show(inspection)
        if options["as_json"]:
            # ASCII, so that a name with half a character in it cannot break the output.
            self.stdout.write(json.dumps([one.as_dict() for one in inspections], indent=1))
        failed = [one for one in inspections if one.error and one.error["code"] in PATH_ERRORS]
        if failed:
            for one in failed:
                self.stderr.write(_failure(one))
            sys.exit(1)

    def _show(self, inspection: Inspection) -> None:
        console = Console(file=cast(IO[str], self.stdout), highlight=False)
        # A digest must stay in one piece to be copied.
        console.width = max(console.width, 100)
        console.print(f"[bold]{_plain(inspection.path)}[/bold]")
        table = Table(show_header=False, box=None, padding=(0, 2, 0, 2))
        table.add_column(style="dim", no_wrap=True)
        table.add_column(overflow="fold")
        for label, value in _lines(inspection):
            table.add_row(label, _plain(value))
        console.print(table)
        for finding in inspection.findings:
            style = _SEVERITY_STYLE[finding["severity"]]
            text = _plain(f"{finding['code']}: {finding['message']}")
            console.print(f"  [{style}]{finding['severity']}[/] {text}")
        console.print()


def _failure(inspection: Inspection) -> str:
    error = inspection.error or {}
    return f"{error.get('code')}: {terminal_text(inspection.path)}: {error.get('message')}"


def _plain(text: str) -> str:
    """Printable text that rich does not read as markup."""
    return escape(terminal_text(text))


def _lines(one: Inspection) -> list[tuple[str, str]]:
    """Label and value of each line that has something to say."""
    if one.error is not None and one.kind == "unreadable":
        lines = [("error", f"{one.error['code']}: {one.error['message']}")]
        if one.size is not None:
            lines.insert(0, ("file", f"{one.container}, {_size(one.size)}"))
        return lines + _hash_lines(one)
    family = one.family
    if one.family_candidates:
        family += f" (possible: {', '.join(one.family_candidates)})"
    lines = [
        ("file", f"{one.container}, {_size(one.size or 0)}, {'valid' if one.valid else 'not valid'}"),
        ("kind", one.kind),
        ("family", family),
    ]
    if one.error is not None:
        lines.insert(1, ("error", f"{one.error['code']}: {one.error['message']}"))
    if one.algorithm:
        ranks = one.rank
        rank = "" if ranks is None else f", rank {ranks['min']}"
        if ranks is not None and ranks["min"] != ranks["max"]:
            rank = f", rank {ranks['min']} to {ranks['max']} (median {ranks['median']})"
        lines.append(("algorithm", one.algorithm + (" with DoRA" if one.weight_decomposed else "") + rank))
    if one.dialect:
        parts = ", ".join(f"{part['modules']} in {part['name']}" for part in one.components)
        lines.append(("dialect", f"{one.dialect}; modules: {parts}"))
    if one.blocks:
        lines.append(("blocks", " ".join(one.blocks)))
    if one.declared_base:
        told = f"{one.declared_base['value']} ({one.declared_base['source']})"
        lines.append(("declared base", told + (", which the layers contradict" if one.base_conflict else "")))
    if one.trigger_words:
        lines.append(("trigger words", ", ".join(word["word"] for word in one.trigger_words)))
    for name, value in (one.training or {}).items():
        if isinstance(value, str | int | float):
            lines.append((name.replace("_", " "), str(value)[:200]))
    return lines + _hash_lines(one)


def _hash_lines(one: Inspection) -> list[tuple[str, str]]:
    return [(name, value) for name, value in (one.hashes or {}).items() if value]


def _size(size: int) -> str:
    amount = float(size)
    for unit in ("bytes", "kB", "MB", "GB"):
        if amount < 1000 or unit == "GB":
            return f"{size} bytes" if unit == "bytes" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{size} bytes"
