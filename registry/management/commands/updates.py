"""`manage.py updates`: newer versions of what is held, for the same base; and which of them nobody wants."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from registry.errors import VersionNotFound
from registry.management.actors import command_actor
from registry.models import Version
from registry.sync.updates import Update, heed, ignore, updates
from registry.terminal import one_line


class Command(BaseCommand):
    help = "List updates that are updates: newer, same base, not ignored, not held already."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--ignore", type=int, metavar="VERSION", help="never tell this version again")
        parser.add_argument("--heed", type=int, metavar="VERSION", help="tell it again")
        parser.add_argument("--reason", default="", help="why it is ignored")
        parser.add_argument("--json", action="store_true", help="print the list as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["ignore"] is not None:
            ignore(_version(options["ignore"]), actor=command_actor(), reason=options["reason"])
        if options["heed"] is not None:
            heed(_version(options["heed"]), actor=command_actor())
        found = updates()
        if options["json"]:
            self.stdout.write(json.dumps([each.as_dict() for each in found], indent=1))
            return
        for each in found:
            self.stdout.write(one_line(_line(each)))
        if not found:
            self.stdout.write("Everything that is held is the newest of its kind.")


def _version(pk: int) -> Version:
    found = Version.objects.filter(pk=pk).first()
    if found is None:
        raise VersionNotFound(f"There is no version {pk}.")
    return found


def _line(update: Update) -> str:
    size = "size unknown" if update.size_delta is None else f"{update.size_delta:+,} bytes"
    about = "about " if update.about else ""
    rights = ", ".join(f"{each['act']} {each['direction']}" for each in update.rights) or "same rights"
    more = f", {len(update.also)} more between" if update.also else ""
    return (
        f"{update.line} (version {update.held} -> {update.offered}, {update.base}, {about}{size}, "
        f"{rights}{more})"
    )
