"""`manage.py render VERSION`: render or resume a version's comparison sheet in this process."""

from __future__ import annotations

import json
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from inference.cost import Cost, cost_of
from inference.errors import NotReproducible, PicturesDiffer, SheetRefused
from inference.models import Sheet, SheetState
from inference.recipes import RECIPE_NAMES
from inference.render import Rendered, render_sheet
from inference.reproduction import compare_sheet
from inference.services import STANDARD, find_base, plan_sheet
from inference.shown import find_version, read_others
from registry.storage import local_path


class Command(BaseCommand):
    """Base, weight-0 control and four weights, with the same prompts and seeds, on one picture."""

    help = "Render or resume the comparison sheet of a version in this process."

    def add_arguments(self, parser: CommandParser) -> None:
        """The arguments of the contract."""
        parser.add_argument("version", type=int, nargs="?", help="id of the version")
        parser.add_argument(
            "--compare",
            type=int,
            metavar="SHEET",
            help="render a finished sheet's pictures again and compare",
        )
        parser.add_argument(
            "--recipe", default=STANDARD, help=f"one of: {', '.join(RECIPE_NAMES)}; or one of the house's"
        )
        parser.add_argument("--base", help="slug or name of the base model; else the version's own")
        parser.add_argument(
            "--with",
            dest="others",
            default="",
            metavar="VERSION[:ROLE[:WEIGHT]],...",
            help="the other versions on the sheet: those of a stack, or the earlier one",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="print what the sheet would cost and render nothing"
        )
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Plan, render, print."""
        if options["compare"] is not None:
            self._compare(options["compare"], as_json=options["json"])
            return
        if options["version"] is None:
            raise CommandError("Name a version to render, or a sheet with --compare.")
        version = find_version(options["version"])
        base = find_base(options["base"]) if options["base"] else None
        others = read_others(options["others"])
        if options["dry_run"]:
            self._print_cost(cost_of(version, options["recipe"], base, others), as_json=options["json"])
            return
        sheet = plan_sheet(version=version, recipe=options["recipe"], base=base, others=others)
        if sheet.state == SheetState.REFUSED:
            raise _refusal(sheet)
        run = render_sheet(sheet.pk, progress=self._progress())
        self._print(run, as_json=options["json"])

    def _compare(self, number: int, *, as_json: bool) -> None:
        if not Sheet.objects.filter(pk=number).exists():
            raise NotReproducible(f"There is no sheet {number}.")
        found = compare_sheet(number, progress=self._progress())
        if as_json:
            self.stdout.write(json.dumps(found.as_dict(), ensure_ascii=False, indent=2))
        else:
            where = (
                "as the sheet was made" if found.alike else "elsewhere or otherwise than the sheet was made"
            )
            equal = f"{found.equal} of {found.cells} pictures are equal to the last bit"
            self.stdout.write(f"Sheet {number}: {found.verdict}. {equal}, rendered {where}.")
            for each in found.as_dict()["worst"]:
                apart = f"{each['mean']:g} levels of 255 in the mean, {each['largest']} at most"
                self.stdout.write(f"  row {each['row']} column {each['column']}: {apart}")
        if not found.as_expected:
            raise PicturesDiffer(
                f"{found.cells - found.equal} pictures of sheet {number} are not what was rendered then."
            )

    def _progress(self) -> Any:
        """A line on stderr at most once a second."""
        last = 0.0

        def show(done: int, total: int) -> None:
            nonlocal last
            if done == total or time.monotonic() - last > 1:
                last = time.monotonic()
                self.stderr.write(f"{done} of {total} cells")

        return show

    def _print_cost(self, cost: Cost, *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps(cost.as_dict(), indent=2))
            return
        time_needed = "time not known yet" if cost.seconds is None else f"about {cost.seconds:g} s"
        self.stdout.write(f"{cost.cells} cells, {cost.new_cells} of them to render: {time_needed}")

    def _print(self, run: Rendered, *, as_json: bool) -> None:
        sheet = Sheet.objects.select_related("image").get(pk=run.sheet.pk)
        image = str(local_path(sheet.image)) if sheet.image else None
        result = {
            "sheet": sheet.pk,
            "image": image,
            "cells": sheet.cells_total,
            "rendered": run.rendered,
            "reused": run.reused,
            "seconds": run.seconds,
            "findings": sheet.findings,
            "manifest": sheet.manifest,
        }
        if as_json:
            self.stdout.write(json.dumps(result, ensure_ascii=False, indent=2))
            return
        self.stdout.write(
            f"Sheet {sheet.pk}: {run.rendered} cells rendered, {run.reused} reused, {run.seconds} s"
        )
        for finding in sheet.findings:
            self.stdout.write(f"  {finding['severity']}: {finding['message']}")
        self.stdout.write(f"  {image}")


def _refusal(sheet: Sheet) -> SheetRefused:
    classes = {cls.code: cls for cls in SheetRefused.__subclasses__()}
    return classes.get(sheet.code, SheetRefused)(sheet.message)
