"""`manage.py token`: make, list and switch off access tokens."""

from __future__ import annotations

import argparse
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand
from django.utils import timezone

from catalog import access
from catalog.errors import NoSuchUser, NotFound
from catalog.models import AccessToken


class Command(BaseCommand):
    """Access tokens for programs that download or review."""

    help = "Make, list and switch off access tokens."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """`create USER NAME`, `list [USER]`, `revoke ID`."""
        verbs = parser.add_subparsers(dest="verb", required=True)
        create = verbs.add_parser("create", help="make a token and print it, this once")
        create.add_argument("user")
        create.add_argument("name", help="what it is for")
        create.add_argument("--scope", action="append", choices=access.SCOPES, help="default: download")
        create.add_argument("--days", type=int, help="how long it is good; default: until it is revoked")
        listing = verbs.add_parser("list", help="show tokens without their secret")
        listing.add_argument("user", nargs="?")
        verbs.add_parser("revoke", help="switch a token off").add_argument("id", type=int)

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the verb; the token itself goes to stdout alone, so that a script can keep it."""
        match options["verb"]:
            case "create":
                self._create(options)
            case "list":
                self._list(options["user"])
            case "revoke":
                self._revoke(options["id"])

    def _create(self, options: dict[str, Any]) -> None:
        user = User.objects.filter(username=options["user"]).first()
        if user is None:
            raise NoSuchUser(f"There is no user {options['user']!r}.")
        expires = timezone.now() + timedelta(days=options["days"]) if options["days"] is not None else None
        row, token = access.create(
            user, options["name"], options["scope"] or [access.DOWNLOAD], expires=expires
        )
        self.stderr.write(
            f"Token {row.pk} of {user.username} for {', '.join(row.scopes)}; it is not shown again:"
        )
        self.stdout.write(token)

    def _list(self, username: str | None) -> None:
        tokens = AccessToken.objects.select_related("user")
        for row in tokens.filter(user__username=username) if username else tokens:
            state = "revoked" if row.revoked else f"until {row.expires:%Y-%m-%d}" if row.expires else "good"
            scopes = ",".join(row.scopes)
            self.stdout.write(f"{row.pk}\t{row.user.username}\t{row.hint}…\t{scopes}\t{state}\t{row.name}")

    def _revoke(self, pk: int) -> None:
        row = AccessToken.objects.filter(pk=pk).first()
        if row is None:
            raise NotFound(f"There is no token {pk}.", next_step="`manage.py token list` shows them.")
        access.revoke(row)
        self.stderr.write(f"Token {pk} is switched off.")
