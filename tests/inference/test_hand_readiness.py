"""`render_worker --check` tells of the hand detector, and ends with its error when it cannot be used."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from inference import readiness
from inference.errors import HandDetectorMissing, HandDetectorUnusable
from tests.inference.onnx_models import no_detector, red_finder, save
from tests.inference.rows import make_base

pytestmark = [pytest.mark.database, pytest.mark.django_db]


@pytest.fixture(autouse=True)
def _machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that renders, as far as this is about."""
    (tmp_path / "model_index.json").write_text("{}")
    make_base(tmp_path)
    card = {"index": 0, "name": "a card", "memory": 1 << 30, "dtype": "float32"}
    monkeypatch.setattr(readiness, "probe_devices", lambda: {"devices": [card], "libraries": {}})
    monkeypatch.setattr(readiness, "_measure", lambda base: None)


def check(**options: Any) -> str:
    out = io.StringIO()
    call_command("render_worker", "--check", stdout=out, **options)
    return out.getvalue()


def test_a_machine_without_a_detector_says_so() -> None:
    told = check()
    assert "hand detector: none is set up" in told
    assert "This machine can render." in told


def test_the_detector_is_named(settings: Any, tmp_path: Path) -> None:
    settings.HAND_DETECTOR = str(save(red_finder(), tmp_path / "hands.onnx"))
    assert "hand detector: hands.onnx " in check()
    assert json.loads(check(json=True))["hands"]["detector"].startswith("hands.onnx ")


def test_a_detector_that_is_not_there_is_the_error_of_the_check(settings: Any, tmp_path: Path) -> None:
    settings.HAND_DETECTOR = str(tmp_path / "gone.onnx")
    out = io.StringIO()
    with pytest.raises(HandDetectorMissing, match="gone"):
        call_command("render_worker", "--check", stdout=out)
    assert "hand detector: hand_detector_missing: " in out.getvalue()
    assert "This machine can render." in out.getvalue()


def test_a_model_of_another_layout_is_the_error_of_the_check(settings: Any, tmp_path: Path) -> None:
    path = save(no_detector(shape=(1, 300, 6)), tmp_path / "end_to_end.onnx")
    settings.HAND_DETECTOR = str(path)
    out = io.StringIO()
    with pytest.raises(HandDetectorUnusable, match="300, 6"):
        call_command("render_worker", "--check", "--json", stdout=out)
    told = json.loads(out.getvalue())
    assert told["can_render"] is True
    assert told["hands"]["code"] == "hand_detector_unusable"
    assert "300, 6" in told["hands"]["error"]
