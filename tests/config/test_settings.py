"""Settings: each is documented, each document line exists, and bad ones stop the start in one line."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command

ROOT: Path = settings.BASE_DIR
READ = re.compile(r"env_(?:str|bool|int|list|choices?|path|secret)\(\s*\"([A-Z][A-Z0-9_]*)\"")
IN_SHELL = re.compile(r"\$\{([A-Z][A-Z0-9_]*):-")
DOCUMENTED = re.compile(r"^\| `([A-Z][A-Z0-9_]*)` \|", re.MULTILINE)
OF_MAKE = {"PYTHON", "TORCH_INDEX", "REQUIRE_ALL"}


def _read_by_the_code() -> set[str]:
    found = set(IN_SHELL.findall((ROOT / "Procfile").read_text()))
    for package in ("config", "registry", "inference", "catalog"):
        for path in (ROOT / package).rglob("*.py"):
            found |= set(READ.findall(path.read_text()))
    return found


def test_every_setting_is_documented_and_every_documented_one_exists() -> None:
    documented = DOCUMENTED.findall((ROOT / "docs" / "configuration.md").read_text())
    assert len(documented) == len(set(documented))
    assert set(documented) - OF_MAKE == _read_by_the_code()


def _run(*arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings"} | changes
    return subprocess.run(
        [sys.executable, "manage.py", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DEBUG", "perhaps"),
        ("DATABASE_URL", "mysql://a:pa55word@b/c"),
        ("CELERY_BROKER_URL", "sqs://"),
        ("SECRET_KEY", "x"),
    ],
)
def test_a_bad_setting_is_one_line_with_its_name(name: str, value: str) -> None:
    answer = _run("check", **{name: value})
    assert answer.returncode == 1
    assert answer.stderr.startswith("bad_setting: ") and name in answer.stderr
    assert answer.stderr.count("\n") == 1
    assert "pa55word" not in answer.stderr


def test_a_command_that_needs_no_database_starts_none(tmp_path: Path) -> None:
    answer = _run("inspect", "--json", str(tmp_path / "absent.safetensors"), VAR_DIR=str(tmp_path / "var"))
    assert answer.returncode == 1, answer.stderr
    assert not (tmp_path / "var" / "postgres").exists()


def test_a_command_that_needs_no_database_works_when_it_cannot_be_reached(tmp_path: Path) -> None:
    answer = _run(
        "inspect",
        "--json",
        str(tmp_path / "absent.safetensors"),
        DATABASE_URL="postgresql://kura@127.0.0.1:1/kura",
    )
    assert answer.returncode == 1
    assert answer.stdout.startswith("[")
    assert "Traceback" not in answer.stderr


def test_the_deployment_checks_find_nothing_on_a_site_behind_tls() -> None:
    answer = _run(
        "check",
        "--deploy",
        "--fail-level",
        "WARNING",
        HTTPS="true",
        BEHIND_PROXY="true",
        HSTS_SECONDS="3600",
        ALLOWED_HOSTS="kura.example",
        SECRET_KEY="a-long-and-varied-key-0123456789-abcdefghijklmnopqrstuvwxyz",
    )
    assert answer.returncode == 0, answer.stderr


@pytest.mark.database
@pytest.mark.django_db
def test_models_and_migrations_agree() -> None:
    call_command("makemigrations", "--check", "--dry-run", verbosity=0)
