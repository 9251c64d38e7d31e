"""`manage.py recheck`: decides terms anew, and with --dry-run only shows which verdicts would change."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from registry import recheck


class Command(BaseCommand):
    """Reads claims anew and follows changed licenses and rules; done twice it changes nothing."""

    help = "Decide anew what may be done with each version; --dry-run shows what would change."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        # Django's own --version, which prints Django's, gives way to ours.
        return super().create_parser(prog_name, subcommand, conflict_handler="resolve", **kwargs)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="show what would change, change nothing")
        parser.add_argument("--license", default="", metavar="ID", help="only terms that name this license")
        parser.add_argument("--version", type=int, metavar="ID", help="only this version")
        parser.add_argument("--json", action="store_true", dest="as_json", help="print the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        scope = recheck.scope_of(options["license"], options["version"])
        found = recheck.plan(scope, self._progress)
        result = {"dry_run": options["dry_run"], **found.as_dict()}
        if not options["dry_run"]:
            moved, told = recheck.apply(scope, self._progress)
            result |= {"moved": moved, "told": told}
        if options["as_json"]:
            self.stdout.write(json.dumps(result, indent=1))
            return
        self._show(found, "would change" if options["dry_run"] else "changed")

    def _progress(self, done: int, total: int) -> None:
        if done % 1000 == 0:
            self.stderr.write(f"{done} of {total} versions read")

    def _show(self, found: recheck.Plan, verb: str) -> None:
        if not found.rows:
            self.stdout.write(f"{found.versions} versions, {found.profiles} profiles: no verdict {verb}.")
            return
        for act, directions in found.counts.items():
            told = ", ".join(f"{count} {direction}" for direction, count in sorted(directions.items()))
            self.stdout.write(f"{act}: {told}")
        for row in found.rows:
            of = (
                f"version {row.version}"
                if row.version
                else f"profile {row.profile} ({row.versions} versions)"
            )
            why = ", ".join(f"{each['kind']} {each['id']}" for each in row.why)
            self.stdout.write(f"{of}: {why}")
            for each in row.changes:
                before, after = (" ".join([side[0], *side[1]]) for side in (each.before, each.after))
                self.stdout.write(f"  {each.act}: {before} -> {after} ({each.direction})")
