"""`manage.py analyze [VERSION...|--missing]`: measure the weights of stored versions in this process."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from registry.analysis import analyze, unmeasured
from registry.errors import VersionNotFound
from registry.models import Analysis, Version, VersionDiff
from registry.terminal import terminal_text


class Command(BaseCommand):
    """Statistics of each file, and the difference to the version before; as a worker would do it."""

    help = "Measure the weights of stored versions: statistics, and what changed since the version before."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("versions", nargs="*", type=int, metavar="VERSION", help="id of a version")
        parser.add_argument("--missing", action="store_true", help="all versions that nobody has measured")
        parser.add_argument("--again", action="store_true", help="measure anew what is measured already")
        parser.add_argument("--json", action="store_true", dest="as_json", help="print the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        if bool(options["versions"]) == options["missing"]:
            raise CommandError("Give the ids of versions, or --missing.", returncode=2)
        wanted = unmeasured() if options["missing"] else Version.objects.filter(pk__in=options["versions"])
        ids = list(wanted.values_list("pk", flat=True))
        if unknown := sorted(set(options["versions"]) - set(ids)):
            raise VersionNotFound(f"There is no version {', '.join(map(str, unknown))}.")
        results = []
        for done, pk in enumerate(ids):
            self.stderr.write(f"{done + 1} of {len(ids)}: version {pk}")
            version = Version.objects.select_related("adapter").get(pk=pk)
            rows = analyze(version, again=options["again"])
            results.append({"version": pk, "rows": [_row(row) for row in rows]})
            if not options["as_json"]:
                for row in rows:
                    self.stdout.write(f"  {terminal_text(_sentence(row))}")
        if options["as_json"]:
            self.stdout.write(json.dumps(results, indent=1))


def _row(row: Analysis | VersionDiff) -> dict[str, Any]:
    about: dict[str, Any] = {"state": row.state, "edition": row.edition}
    if isinstance(row, Analysis):
        about |= {"kind": "statistics", "sha256": row.blob_id}
    else:
        about |= {"kind": "difference", "old": row.old_id, "new": row.new_id}
    return about | ({"code": row.code, "message": row.message} if row.code else {"data": row.data})


def _sentence(row: Analysis | VersionDiff) -> str:
    about = str(row)
    if row.code:
        return f"{about}: {row.code}: {row.message}"
    if isinstance(row, Analysis):
        return f"{about}: {row.data['modules']} modules, Frobenius norm {row.data['frobenius']:g}"
    return f"{about}: {row.data['sentence']}"
