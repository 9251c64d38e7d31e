"""`manage.py lineage FILE|VERSION`: of which stored adapters a file is made; `--reindex` looks anew."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from registry.errors import VersionNotFound
from registry.lineage import Made, made_of, made_of_blob, reindex, sketches_of
from registry.models import File, Version
from registry.terminal import terminal_text


class Command(BaseCommand):
    """Reads a file without taking it in, or a version that is stored."""

    help = "Say of which stored adapters a file or version is made, whatever it is called."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "subject", nargs="?", metavar="FILE|VERSION", help="an adapter file, or the id of a version"
        )
        parser.add_argument(
            "--reindex", action="store_true", help="sketch what has none, build the index anew"
        )
        parser.add_argument("--json", action="store_true", dest="as_json", help="print the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        subject = options["subject"]
        if bool(subject) == options["reindex"]:
            raise CommandError("Give a file or the id of a version, or --reindex.", returncode=2)
        result = self._reindex() if options["reindex"] else self._made(subject)
        if options["as_json"]:
            self.stdout.write(json.dumps(result, indent=1))
        elif options["reindex"]:
            self.stdout.write(f"{result['sketched']} adapters sketched; index: {result['partitions']}")
        else:
            self._show(result)

    def _reindex(self) -> dict[str, Any]:
        sketched, partitions = reindex(lambda done, total: self.stderr.write(f"{done} of {total}"))
        return {"sketched": sketched, "partitions": partitions}

    def _made(self, subject: str) -> dict[str, Any]:
        if not subject.isdecimal() or Path(subject).exists():
            return _as_dict(made_of(Path(subject)))
        version = Version.objects.filter(pk=int(subject[:18])).first()
        if version is None:
            raise VersionNotFound(f"There is no version {subject[:18]}.")
        rows = sketches_of(version)
        if not rows:
            raise CommandError(f"Version {version.pk} has no file that could be sketched.")
        return _as_dict(made_of_blob(rows[0]))

    def _show(self, result: dict[str, Any]) -> None:
        self.stdout.write(f"{result['modules']} layers of the family {result['family']}")
        for copy in result["copies"]:
            self.stdout.write(f"  a copy of {_names(copy['versions'])} (cosine {copy['cosine']:.3f})")
        for part in result["ingredients"]:
            told = f"{part['share']:.0%} {_names(part['versions'])} at weight {part['weight']:.2f}"
            self.stdout.write(f"  {told} (cosine {part['cosine']:.3f})")
        self.stdout.write(f"  {result['residual']:.0%} of nothing that is known here")


def _as_dict(made: Made) -> dict[str, Any]:
    blobs = [*(blob for blob, _ in made.copies), *(part[0] for part in made.ingredients)]
    files = File.objects.filter(blob__in=blobs).select_related("version__adapter").order_by("version")
    versions: dict[str, list[dict[str, Any]]] = {blob: [] for blob in blobs}
    for file in files:
        adapter = file.version.adapter
        versions[file.blob_id].append(
            {"id": file.version_id, "adapter": adapter.pk, "name": str(file.version)}
        )
    return {
        "family": made.family,
        "modules": made.modules,
        "copies": [
            {"sha256": blob, "cosine": round(cosine, 4), "versions": versions[blob]}
            for blob, cosine in made.copies
        ],
        "ingredients": [
            {
                "sha256": blob,
                "weight": round(weight, 4),
                "share": round(share, 4),
                "cosine": round(cosine, 4),
                "versions": versions[blob],
            }
            for blob, weight, share, cosine in made.ingredients
        ],
        "residual": round(made.residual, 4),
    }


def _names(versions: Sequence[dict[str, Any]]) -> str:
    shown = ", ".join(f"{each['name']} (version {each['id']})" for each in versions[:3])
    return terminal_text(shown) or "a file that no version has"
