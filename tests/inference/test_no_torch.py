"""The web process never loads torch: everything it imports is imported in a fresh interpreter and looked
at.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "diffusers", "transformers", "peft", "accelerate", "onnxruntime")


@pytest.mark.parametrize(
    "modules",
    [
        ("config.urls", "config.wsgi", "config.celery"),
        ("inference.models", "inference.services", "inference.tasks", "inference.render"),
        ("inference.recipes", "inference.metrics", "inference.contact_sheet"),
        ("inference.management.commands.render",),
    ],
)
def test_nothing_a_web_process_imports_brings_torch(modules: tuple[str, ...], tmp_path: Path) -> None:
    lines = ["import sys, importlib, django", "django.setup()"]
    lines += [f"importlib.import_module({name!r})" for name in modules]
    lines += [f"print(*[name for name in {HEAVY!r} if name in sys.modules])"]
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings", "VAR_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", "; ".join(lines)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == []
