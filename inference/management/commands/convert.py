"""`manage.py convert IN OUT`: a safetensors file that programs load, of a pickle or of wrong names."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from inference.conversion import convert_file, report_text
from inference.converter_errors import NotQuarantined
from inference.quarantine import convert_blob
from registry.management.actors import command_actor
from registry.models import Blob
from registry.terminal import terminal_text
from registry.weights.redialect import DIALECTS

_STORED = "sha256:"


class Command(BaseCommand):
    """With files it opens no database; `sha256:` converts one that lies in quarantine."""

    help = "Make a safetensors file that programs load: of a pickle, of wrong names, or in another dialect."
    requires_system_checks: list[str] = []
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("source", metavar="IN", help="a file, or sha256:HASH of one in quarantine here")
        parser.add_argument("output", metavar="OUT", nargs="?", help="the file to make, if IN is a file")
        parser.add_argument("--to", choices=list(DIALECTS), help="also write it in this dialect")
        parser.add_argument("--force", action="store_true", help="replace OUT if it is there")
        parser.add_argument(
            "--json", action="store_true", help="print a JSON list of what was made and nothing else"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["source"].startswith(_STORED):
            self._convert_stored(options["source"].removeprefix(_STORED), options)
            return
        if options["output"] is None:
            raise CommandError("OUT is missing: the file to make.", returncode=2)
        done = convert_file(
            Path(options["source"]), Path(options["output"]), to=options["to"], overwrite=options["force"]
        )
        # ASCII, so that a name with half a character in it cannot break the output.
        self.stdout.write(
            json.dumps([done.as_dict()], indent=1)
            if options["json"]
            else terminal_text(report_text(done), keep="\n")
        )

    def _convert_stored(self, digest: str, options: dict[str, Any]) -> None:
        """The quarantined file's versions get the converted one beside it, and go back to review."""
        if options["output"] is not None or options["to"] is not None or options["force"]:
            raise CommandError("With sha256: neither OUT nor an option is needed.", returncode=2)
        blob = Blob.objects.filter(sha256=digest.lower()).first()
        if blob is None:
            raise NotQuarantined(f"Nothing stored here has the SHA256 {digest[:64]}.")
        files = convert_blob(blob, command_actor())
        rows = [
            {
                "source": f"{_STORED}{blob.sha256}",
                "output": file.name,
                "version": file.version_id,
                "sha256": file.blob_id,
            }
            for file in files
        ]
        if options["json"]:
            self.stdout.write(json.dumps(rows, indent=1))
            return
        for row in rows:
            self.stdout.write(
                terminal_text(
                    f"version {row['version']}: {row['output']} ({row['sha256']}), waiting for review"
                )
            )
