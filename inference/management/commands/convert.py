"""`manage.py convert IN OUT`: a safetensors file that programs load, of a pickle or of wrong names."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from inference.conversion import convert_file, report_text
from registry.weights.redialect import DIALECTS


class Command(BaseCommand):
    """Reads and writes files only: opens no database."""

    help = "Make a safetensors file that programs load: of a pickle, of wrong names, or in another dialect."
    requires_system_checks: list[str] = []
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("source", metavar="IN", help="a file")
        parser.add_argument("output", metavar="OUT", help="the file to make")
        parser.add_argument("--to", choices=list(DIALECTS), help="also write it in this dialect")
        parser.add_argument("--force", action="store_true", help="replace OUT if it is there")
        parser.add_argument("--json", action="store_true", help="print the result as JSON and nothing else")

    def handle(self, *args: Any, **options: Any) -> None:
        done = convert_file(
            Path(options["source"]), Path(options["output"]), to=options["to"], overwrite=options["force"]
        )
        # ASCII, so that a name with half a character in it cannot break the output.
        self.stdout.write(json.dumps(done.as_dict(), indent=1) if options["json"] else report_text(done))
