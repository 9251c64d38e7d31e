"""A command that cannot do its work says why in one line: the database is away, or empty."""

from __future__ import annotations

import os
import subprocess
import sys

import psycopg
import pytest
from django.conf import settings
from django.db.utils import ProgrammingError

from config.command_line import report


def test_a_database_that_does_not_answer_is_one_line_and_exit_1() -> None:
    environment = os.environ | {"DATABASE_URL": "postgres://nobody@127.0.0.1:1/none"}
    done = subprocess.run(
        [sys.executable, "manage.py", "lineage", "1"],
        cwd=settings.BASE_DIR,
        env=environment | {"DJANGO_SETTINGS_MODULE": "config.settings"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith("database_unavailable: ")


def test_a_database_without_tables_says_to_migrate(capsys: pytest.CaptureFixture[str]) -> None:
    def command() -> None:
        raise ProgrammingError("relation does not exist") from psycopg.errors.UndefinedTable()

    assert report(command) == 1
    assert capsys.readouterr().err.startswith("database_not_migrated: ")


def test_a_fault_in_a_query_of_ours_is_not_hidden() -> None:
    def command() -> None:
        raise ProgrammingError("syntax error") from psycopg.errors.SyntaxError()

    with pytest.raises(ProgrammingError):
        report(command)
