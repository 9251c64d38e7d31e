"""`manage.py fetch_base SLUG`: fetches a base model's weights from the Hub, to render with, or the layout of
one in a single file.
"""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from registry.base_weights import fetch_base
from registry.management.actors import command_actor
from registry.terminal import one_line


class Command(BaseCommand):
    help = "Fetch the weights of a base model from the Hub. Cut off, it goes on where it stopped."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", metavar="SLUG", help="the base model's name in its address, such as sdxl")
        parser.add_argument(
            "--repo", metavar="ORG/NAME", default="", help="a repository other than the table's"
        )
        parser.add_argument(
            "--revision",
            metavar="REV",
            default="",
            help="a branch, tag or commit; the commit is kept from then on",
        )

        parser.add_argument(
            "--layout",
            action="store_true",
            help="only what configures the base's single file: configurations, tokenizers, and what it lacks",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
        with Progress(
            *columns, TimeRemainingColumn(), console=console, transient=True, disable=not console.is_terminal
        ) as bar:
            task = bar.add_task("Asking the Hub", total=None)

            def show(name: str, done: int, total: int) -> None:
                bar.update(task, completed=done, total=total or None, description=one_line(name, 60))

            found = fetch_base(
                options["slug"],
                repo=options["repo"],
                revision=options["revision"],
                layout=options["layout"],
                actor=command_actor(),
                progress=show,
            )
        self.stdout.write(
            f"{found.repo} at {found.revision}: {found.size} bytes, {found.fetched} of them fetched."
        )
        self.stdout.write(str(found.folder))
