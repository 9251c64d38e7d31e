"""`manage.py ingest SOURCE`: takes in adapters from a file, a folder or an upstream."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from registry.management.actors import command_actor
from registry.management.bars import progress_bars
from registry.services import Report, ingest, nothing_usable


class Command(BaseCommand):
    help = "Take in adapters from a file, a folder or an upstream, with all that is said of them there."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "source",
            metavar="SOURCE",
            help="a file, a folder, an upstream's address, civitai:ID, hf:org/repo, a hash, kura:...",
        )
        parser.add_argument("--license", metavar="ID", default="", help="declare this license for all of it")
        parser.add_argument("--base", metavar="NAME", default="", help="decide this base model for all of it")
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        with progress_bars("Looking for adapters") as step:
            report = ingest(
                options["source"],
                license_id=options["license"],
                base=options["base"],
                actor=command_actor(),
                progress=step,
            )
        for failure in report.failed:
            self.stderr.write(f"{failure.source}: {failure.error}")
        if options["json"]:
            self.stdout.write(json.dumps(report.as_dict(), indent=2))
        elif report.usable:
            self._tell(report)
        if not report.usable:
            raise nothing_usable(options["source"], report)

    def _tell(self, report: Report) -> None:
        for versions in report.adapters.values():
            for version in versions.values():
                self.stdout.write(f"version {version.pk}: {version} ({version.vetting})")
        for version in report.missed:
            self.stdout.write(
                f"version {version.pk}: {version} is listed upstream no longer; it stays, marked."
            )
        told = [f"{sum(len(versions) for versions in report.adapters.values())} new or changed"]
        if report.skipped:
            told.append(f"{len(report.skipped)} already stored")
        if report.failed:
            told.append(f"{len(report.failed)} left out")
        self.stdout.write(", ".join(told) + ".")
