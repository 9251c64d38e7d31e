"""`manage.py sync [ID ...]`: runs subscriptions here and now, from where they stopped, and reports."""

from __future__ import annotations

import json
import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from registry.management.actors import command_actor
from registry.management.bars import progress_bars
from registry.models import RunState, Subscription, SyncRun
from registry.sync import terms_reread
from registry.sync.report import run_report
from registry.sync.subscriptions import find
from registry.sync.worker import sync
from registry.terminal import one_line


class Command(BaseCommand):
    help = "Run subscriptions now (all active ones unless named), and tell what came of it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("subscription", nargs="*", type=int, metavar="ID")
        parser.add_argument("--due", action="store_true", help="only those whose time has come")
        parser.add_argument("--wait", action="store_true", help="wait where an upstream asks for patience")
        parser.add_argument("--reread-terms", action="store_true", help="ask for terms read long ago, too")
        parser.add_argument("--json", action="store_true", help="print the reports as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        chosen = [find(each) for each in options["subscription"]] or _active(due=options["due"])
        reports = []
        for subscription in chosen:
            report = run_report(self._run(subscription, wait=options["wait"]))
            reports.append(report.as_dict())
            if not options["json"]:
                self._tell(subscription, report.line, report.as_dict())
        told: dict[str, Any] = {"runs": reports}
        if options["reread_terms"]:
            done = terms_reread.reread(terms_reread.due(), actor=command_actor())
            told["terms"] = done.as_dict()
            if not options["json"]:
                self.stdout.write(
                    f"terms: {done.asked} asked, {done.changed} changed, {done.absent} absent, "
                    f"{done.failed.total()} failed"
                )
        if options["json"]:
            self.stdout.write(json.dumps(told, indent=1))
        elif not chosen:
            self.stdout.write("Nothing is to be synced.")

    def _run(self, subscription: Subscription, *, wait: bool) -> SyncRun:
        name = one_line(str(subscription), 60)
        with progress_bars(name) as step:

            def show(done: int, total: int) -> None:
                step(done, total, name)

            run = sync(subscription, progress=show)
            while wait and run.state == RunState.STOPPED and run.error_code:
                subscription.refresh_from_db()
                pause = (subscription.due - timezone.now()).total_seconds()
                self.stderr.write(f"{run.error_code}: waiting until {subscription.due:%H:%M:%S}.")
                time.sleep(max(pause, 0))
                run = sync(subscription, progress=show)
        return run

    def _tell(self, subscription: Subscription, line: str, report: dict[str, Any]) -> None:
        self.stdout.write(one_line(f"{subscription.pk} {subscription}: {report['state']}, {line}"))
        if report["bytes_saved"]:
            passed = report["files"].get("passed_by", 0)
            self.stdout.write(f"  not fetched: {passed} files, {report['bytes_saved']} bytes saved")
        for note in report["notes"]:
            self.stdout.write(one_line(f"  {note}"))
        if report["error"]:
            self.stdout.write(one_line(f"  {report['error']['code']}: {report['error']['message']}"))
        for problem in report["problems"]:
            self.stdout.write(one_line(f"  {problem['what']}: {problem['code']}: {problem['message']}"))
        if report["more_problems"]:
            self.stdout.write(f"  and {report['more_problems']} more")


def _active(*, due: bool) -> list[Subscription]:
    rows = Subscription.objects.filter(active=True)
    return list(rows.filter(due__lte=timezone.now()) if due else rows)
