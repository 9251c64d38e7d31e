"""Lets Django empty the append-only tables between transactional tests, and at no other moment."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connection
from django.test import TransactionTestCase

APPEND_ONLY = (
    "registry_auditevent",
    "registry_review",
    "registry_termsevent",
    "registry_verdictchange",
)


@pytest.fixture(scope="session", autouse=True)
def empty_append_only_tables_after_transactional_tests() -> Iterator[None]:
    """A transactional test ends in TRUNCATE, which the triggers refuse; they are off just for that."""
    original = TransactionTestCase._fixture_teardown  # type: ignore[attr-defined]

    def switch(state: str) -> None:
        with connection.cursor() as cursor:
            for table in APPEND_ONLY:
                cursor.execute(f"ALTER TABLE {table} {state} TRIGGER USER")

    def teardown(self: TransactionTestCase) -> None:
        switch("DISABLE")
        try:
            original(self)
        finally:
            switch("ENABLE")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", teardown)
        yield
