"""A render process that is killed: what it finished stays, and the next one goes on with the batch after."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.conf import settings

from inference.house_recipes import save_house_recipe
from inference.models import Cell, Sheet, SheetCell, SheetState
from inference.recipes import get_recipe
from inference.services import plan_sheet
from registry.models import Version
from tests.catalog.outside import outside_environment
from tests.inference.rows import make_base, make_version

pytestmark = [pytest.mark.engine, pytest.mark.database, pytest.mark.django_db(transaction=True)]

STEPS = 200  # so that a batch of the tiny base takes long enough to be killed in


def six_batches() -> str:
    """A house recipe of one batch in each of six columns; returns its name."""
    spec = get_recipe("quick", "toybox").as_dict()
    del spec["version"]
    spec |= {"name": "six", "width": 16, "height": 16, "steps": STEPS, "weights": [0.4, 0.6, 0.8, 1.0]}
    return save_house_recipe(spec).name


def render(version: Version, recipe: str) -> subprocess.Popen[str]:
    """`manage.py render` in a process of its own."""
    command = [sys.executable, "manage.py", "render", str(version.pk), "--recipe", recipe, "--json"]
    environment = outside_environment() | {"INFERENCE_THREADS": "1"}
    return subprocess.Popen(
        command,
        cwd=settings.BASE_DIR,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_kill_9_after_two_of_six_batches_resumes_with_the_third(tiny_base: Path) -> None:
    make_base(tiny_base)
    version, recipe = make_version(), six_batches()
    sheet = plan_sheet(version=version, recipe=recipe)
    assert (sheet.cells_total, len(sheet.plan["columns"])) == (24, 6)
    process = render(version, recipe)
    try:
        until = time.monotonic() + 240
        while SheetCell.objects.count() < 8 and process.poll() is None and time.monotonic() < until:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        assert process.wait(timeout=30) == -signal.SIGKILL
    finally:
        process.kill()
        process.communicate()
    kept = dict(Cell.objects.values_list("pk", "created"))
    assert len(kept) == 8
    sheet.refresh_from_db()
    assert sheet.state == SheetState.RENDERING

    again = render(version, recipe)
    out, errors = again.communicate(timeout=300)
    assert again.returncode == 0, errors
    result = json.loads(out)
    assert (result["rendered"], result["reused"]) == (16, 8)
    assert Sheet.objects.get().state == SheetState.DONE
    # The first two batches are the very rows that the killed process wrote.
    assert dict(Cell.objects.filter(pk__in=kept).values_list("pk", "created")) == kept
    assert Cell.objects.count() == 24
