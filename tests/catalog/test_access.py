"""Tokens: shown once, kept as a digest, and good only while they should be."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from catalog import access
from catalog.errors import (
    BadToken,
    NoSuchUser,
    NotFound,
    ScopeMissing,
    TokenExpired,
    TokenRevoked,
    TokenUnknown,
)
from catalog.models import AccessToken
from tests.catalog import build

pytestmark = [pytest.mark.database, pytest.mark.django_db]


def test_only_the_digest_of_a_token_is_kept() -> None:
    row, token = access.create(build.user(), "laptop")
    assert token.startswith("kura_")
    assert row.digest == hashlib.sha256(token.encode()).hexdigest()
    for value in AccessToken.objects.values().get().values():
        assert token not in str(value)
    assert len(row.hint) < len(token) / 4
    assert access.find(token) == row


def test_a_token_that_is_not_ours_is_unknown() -> None:
    access.create(build.user(), "laptop")
    for token in ("", "kura_", "kura_" + "x" * 43, "\ud800"):
        with pytest.raises(TokenUnknown):
            access.find(token)


def test_a_token_ends_with_its_time() -> None:
    now = timezone.now()
    _row, token = access.create(build.user(), "laptop", expires=now + timedelta(days=1))
    access.find(token)
    with time_machine.travel(now + timedelta(days=1), tick=False), pytest.raises(TokenExpired):
        access.find(token)


def test_a_revoked_token_and_a_switched_off_account_are_refused() -> None:
    user = build.user()
    row, token = access.create(user, "laptop")
    _other, second = access.create(user, "desk")
    access.revoke(row)
    first_date = AccessToken.objects.get(pk=row.pk).revoked
    access.revoke(row)
    assert AccessToken.objects.get(pk=row.pk).revoked == first_date
    with pytest.raises(TokenRevoked):
        access.find(token)
    access.find(second)
    user.is_active = False
    user.save()
    with pytest.raises(TokenRevoked):
        access.find(second)


def test_a_scope_is_given_when_the_token_is_made() -> None:
    row, _token = access.create(build.user(), "laptop", ["download"])
    access.require_scope(row, "download")
    with pytest.raises(ScopeMissing, match="review"):
        access.require_scope(row, "review")


@pytest.mark.parametrize(
    ("name", "scopes", "days"),
    [
        ("", ["download"], None),
        ("x" * 101, ["download"], None),
        ("x", [], None),
        ("x", ["all"], None),
        ("x", ["download"], -1),
    ],
)
def test_a_token_that_makes_no_sense_is_not_made(name: str, scopes: list[str], days: int | None) -> None:
    expires = timezone.now() + timedelta(days=days) if days is not None else None
    with pytest.raises(BadToken):
        access.create(build.user(), name, scopes, expires=expires)
    assert not AccessToken.objects.exists()


def test_its_use_is_noted_once_a_minute(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    now = timezone.now()
    row, token = access.create(build.user(), "laptop")
    with time_machine.travel(now, tick=False), django_assert_num_queries(2):
        access.find(token)
    with time_machine.travel(now + timedelta(seconds=59), tick=False), django_assert_num_queries(1):
        access.find(token)
    with time_machine.travel(now + timedelta(seconds=61), tick=False), django_assert_num_queries(2):
        access.find(token)
    row.refresh_from_db()
    assert row.last_used == now + timedelta(seconds=61)


def test_the_command_prints_the_token_alone_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    build.user("ada")
    call_command("token", "create", "ada", "laptop", "--scope", "review", "--days", "7")
    captured = capsys.readouterr()
    row = access.find(captured.out.strip())
    assert row.scopes == ["review"]
    assert row.expires is not None
    assert captured.out.strip() not in captured.err
    call_command("token", "list", "ada")
    listed = capsys.readouterr().out
    assert "laptop" in listed
    assert captured.out.strip() not in listed
    call_command("token", "revoke", str(row.pk))
    with pytest.raises(TokenRevoked):
        access.find(captured.out.strip())


def test_the_command_says_what_is_wrong() -> None:
    with pytest.raises(NoSuchUser):
        call_command("token", "create", "nobody", "laptop")
    with pytest.raises(NotFound):
        call_command("token", "revoke", "1")
    with pytest.raises(CommandError):
        call_command("token", "create", "ada", "laptop", "--scope", "everything")
