"""`manage.py subscribe SOURCE KIND TARGET`: follows something upstream; also lists, pauses and forgets."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from registry.management.actors import command_actor
from registry.models import Source, Subscription, SubscriptionKind
from registry.sync import subscriptions
from registry.sync.report import runs
from registry.terminal import one_line


class Command(BaseCommand):
    help = (
        "Follow something upstream: `subscribe civitai creator NAME`, `subscribe huggingface query WORDS`, "
        "`subscribe folder folder PATH`, `subscribe kura catalog ADDRESS`. Without arguments, list what is."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("source", nargs="?", choices=Source.values, help="the upstream")
        parser.add_argument("kind", nargs="?", choices=SubscriptionKind.values, help="what of it")
        parser.add_argument("target", nargs="?", help="name, id, words, path or address")
        parser.add_argument("--title", default="", help="what people see")
        parser.add_argument("--every", type=int, default=subscriptions.DAY, metavar="MINUTES")
        parser.add_argument("--no-fetch", action="store_true", help="keep what is said, fetch no files")
        parser.add_argument("--policy", default="{}", metavar="JSON", help="what to fetch, e.g. families")
        parser.add_argument("--pause", type=int, metavar="ID", help="follow it no longer, for now")
        parser.add_argument("--resume", type=int, metavar="ID", help="follow it again")
        parser.add_argument("--forget", type=int, metavar="ID", help="delete it; what it brought stays")
        parser.add_argument("--json", action="store_true", help="print the list as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        actor = command_actor()
        changes = {
            "pause": subscriptions.pause,
            "resume": subscriptions.resume,
            "forget": subscriptions.unsubscribe,
        }
        asked = [name for name in changes if options[name] is not None]
        for name in asked:
            changes[name](subscriptions.find(options[name]), actor=actor)
        if options["source"]:
            if not (options["kind"] and options["target"]):
                raise CommandError(
                    "Name the upstream, what of it, and which: subscribe civitai creator NAME."
                )
            subscriptions.subscribe(
                options["source"],
                options["kind"],
                options["target"],
                actor=actor,
                title=options["title"],
                every_minutes=options["every"],
                fetch=not options["no_fetch"],
                policy=_policy(options["policy"]),
            )
        self._list(as_json=options["json"])

    def _list(self, *, as_json: bool) -> None:
        rows = [_told(subscription) for subscription in Subscription.objects.all()]
        if as_json:
            self.stdout.write(json.dumps(rows, indent=1))
            return
        for row in rows:
            state = "" if row["active"] else ", paused"
            last = f"last run {row['last_run']}" if row["last_run"] else "not run yet"
            self.stdout.write(
                one_line(f"{row['id']}: {row['source']} {row['kind']} {row['target']} ({last}{state})")
            )
        if not rows:
            self.stdout.write("Nothing is followed yet.")


def _policy(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise CommandError(f"--policy is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise CommandError("--policy must be a JSON object.")
    return found


def _told(subscription: Subscription) -> dict[str, Any]:
    last = runs(subscription).first()
    return {
        "id": subscription.pk,
        "source": subscription.source,
        "kind": subscription.kind,
        "target": subscription.target,
        "title": subscription.title,
        "active": subscription.active,
        "fetch": subscription.fetch,
        "policy": subscription.policy,
        "every_minutes": subscription.every_minutes,
        "due": subscription.due.isoformat(),
        "last_run": last.state if last else None,
    }
