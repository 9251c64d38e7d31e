"""Which part may import which, and what a web process must never load."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

ROOT: Path = settings.BASE_DIR
ENGINE = ("torch", "diffusers", "transformers", "peft", "accelerate", "torchvision")


def test_the_contracts_between_the_parts_hold() -> None:
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stdout[-4000:]


@pytest.mark.parametrize(
    "loads",
    [
        "import django; django.setup(); import config.urls, config.wsgi",
        "import django; django.setup(); import registry.tasks, inference.tasks",
    ],
    ids=["a web process", "a CPU worker"],
)
def test_a_process_that_renders_nothing_never_loads_torch(loads: str) -> None:
    code = f"{loads}; import sys; print([name for name in {ENGINE} if name in sys.modules])"
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings"}
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert answer.stdout.strip() == "[]", answer.stderr


def test_a_command_reads_the_license_table_only_when_it_needs_it() -> None:
    code = (
        "import django; django.setup(); import registry.management.commands.inspect, sys; "
        "print([name for name in ('registry.licensing', 'registry.admin') if name in sys.modules])"
    )
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings"}
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert answer.stdout.strip() == "[]", answer.stderr


def test_no_file_is_longer_than_400_lines() -> None:
    folders = ("config", "registry", "inference", "catalog", "client", "demo", "benchmarks", "tests")
    files = [
        path for folder in folders for path in (ROOT / folder).rglob("*.py") if "migrations" not in path.parts
    ]
    long = {
        str(path.relative_to(ROOT)): lines
        for path in files
        if (lines := len(path.read_text().splitlines())) >= 400
    }
    assert long == {}


def test_every_file_says_its_job_in_its_first_line() -> None:
    folders = ("config", "registry", "inference", "catalog")
    silent = [
        str(path.relative_to(ROOT))
        for folder in folders
        for path in (ROOT / folder).rglob("*.py")
        if "migrations" not in path.parts and path.stat().st_size and not path.read_text().startswith('"""')
    ]
    assert silent == []
