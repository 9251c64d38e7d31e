"""`manage.py demo`: fills the catalog from demo/; with --watch, tells how to get in and shows progress."""

from __future__ import annotations

import time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from catalog.demo import a_vetted_file, fill, keys, sheets_over

POLL_SECONDS = 1.0


class Command(BaseCommand):
    """What `make demo` runs before it serves, and while it does."""

    help = "Fill the catalog with the demo's adapters (repeats no work), or watch its sheets being rendered."

    def add_arguments(self, parser: CommandParser) -> None:
        """Options."""
        parser.add_argument("--watch", action="store_true", help="show progress until every sheet is over")
        parser.add_argument("--address", default="http://127.0.0.1:8000", help="where the catalog is served")

    def handle(self, *args: Any, **options: Any) -> None:
        """Fill, or watch."""
        if options["watch"]:
            self._tell(options["address"])
            self._watch()
        else:
            self._fill()

    def _fill(self) -> None:
        with _progress() as bars:
            task = bars.add_task("Adapters", total=None)
            report = fill(
                settings.BASE_DIR / "demo",
                lambda done, total, name: bars.update(task, completed=done, total=total),
            )
        new = sum(len(versions) for versions in report.adapters.values())
        self.stderr.write(
            f"Adapters: {new} versions new, {len(report.skipped)} known, {len(report.failed)} refused."
        )
        for failure in report.failed:
            self.stderr.write(f"  {failure.error} ({failure.as_dict()['source']})")

    def _tell(self, address: str) -> None:
        login, file = keys(), a_vetted_file()
        self.stdout.write(f"\nKura is up:  {address}/")
        self.stdout.write(f"  sign in    {login.user} / {login.password}")
        self.stdout.write(f"  API token  {login.token}")
        if file is not None:
            self.stdout.write(
                f'  try        curl -OJ -H "Authorization: Bearer {login.token}" '
                f"{address}/api/v1/files/{file.blob_id}/content"
            )
        self.stdout.write("  stop       Ctrl-C\n")

    def _watch(self) -> None:
        over, all_of_them = sheets_over()
        if over == all_of_them:
            self.stderr.write(f"All {all_of_them} comparison sheets are there.")
            return
        with _progress() as bars:
            task = bars.add_task("Comparison sheets", total=all_of_them, completed=over)
            while over < all_of_them:
                time.sleep(POLL_SECONDS)
                over, all_of_them = sheets_over()
                bars.update(task, completed=over, total=all_of_them)


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
    )
