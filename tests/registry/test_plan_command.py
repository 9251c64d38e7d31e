"""`manage.py plan`: a stack's verdict, what would make it pass, and the files it writes."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from registry.models import Version
from tests.catalog.pages.rows import CLOSED_FLAGS, OPEN_FLAGS, make_adapter

pytestmark = [pytest.mark.database, pytest.mark.django_db]
SELL = "generate_and_sell_images"


@pytest.fixture
def ink(db: None) -> Version:
    return make_adapter("Ink Lines", flags={**OPEN_FLAGS, "allowNoCredit": False}, sheet=False)


@pytest.fixture
def gold(db: None) -> Version:
    return make_adapter("Gold Leaf", flags=CLOSED_FLAGS, sheet=False)


def run(*arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr."""
    out, err = io.StringIO(), io.StringIO()
    try:
        call_command("plan", *arguments, stdout=out, stderr=err)
    except SystemExit as ended:
        return int(ended.code or 0), out.getvalue(), err.getvalue()
    return 0, out.getvalue(), err.getvalue()


def test_the_plan_is_json_and_nothing_else(ink: Version, gold: Version) -> None:
    code, out, err = run(
        "--base", "sdxl-1-0", "--adapter", f"{ink.pk}@0.8", "--adapter", str(gold.pk), "--act", SELL, "--json"
    )
    told: dict[str, Any] = json.loads(out)
    assert (code, err) == (0, "")
    assert told["verdict"]["outcome"] == "forbidden"
    assert [each["weight"] for each in told["adapters"]] == [0.8, None]
    assert told["removals"] == [[gold.pk]]
    assert told["contributions"][1]["without"] == {"outcome": "conditional", "conditions": ["attribution"]}


def test_without_json_a_person_can_read_what_would_help(ink: Version, gold: Version) -> None:
    _, out, _ = run("--adapter", f"{ink.pk}@0.8", "--adapter", str(gold.pk), "--act", SELL)
    assert out.startswith("Sell images on SDXL 1.0: FORBIDDEN")
    assert f"{ink.pk} Ink Lines v1.0 at 0.8" in out
    assert "Passes without Gold Leaf v1.0" in out


def test_the_credit_the_bundle_and_the_bill_are_written(ink: Version, tmp_path: Path) -> None:
    notice, bom = tmp_path / "notice.zip", tmp_path / "bom.json"
    code, out, _ = run(
        "--adapter", f"{ink.pk}@0.8", "--act", SELL, "--credit", "print", "--language", "ja",
        "--notice", str(notice), "--bom", str(bom), "--json",
    )  # fmt: skip
    told = json.loads(out)
    assert code == 0
    assert "作者: mika" in told["credit"]["text"]
    assert told["notice"]["path"] == str(notice)
    assert "verdict.json" in zipfile.ZipFile(notice).namelist()
    assert json.loads(bom.read_text())["bomFormat"] == "CycloneDX"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bom.json", "notice.zip"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--adapter", "999999", "--act", SELL), "version_not_found"),
        (("--base", "nothing", "--act", SELL), "unknown_base"),
        (("--act", "sell"), "unknown_act"),
        (("--act", SELL, "--facts", "{"), "bad_fact"),
        (("--act", SELL, "--facts", "[]"), "bad_fact"),
        (("--act", SELL, "--facts", '{"revenue": 1}'), "unknown_fact"),
        (("--act", SELL, "--notice", "/no/such/folder/x.zip"), "output_unwritable"),
    ],
)
def test_bad_input_is_one_line_with_a_code(ink: Version, arguments: tuple[str, ...], code: str) -> None:
    ended, out, err = run(*arguments)
    assert (ended, out) == (1, "")
    assert err.startswith(f"{code}: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize("adapter", ["ink", "1@", "1@strong", "-1", "１"])
def test_an_adapter_that_is_no_id_is_wrong_usage(db: None, adapter: str) -> None:
    with pytest.raises(CommandError):
        run(f"--adapter={adapter}", "--act", SELL)


def test_a_name_cannot_steer_the_terminal(ink: Version) -> None:
    ink.adapter.name = "Ink\x1b[2JLines"
    ink.adapter.save()
    _, out, _ = run("--adapter", str(ink.pk), "--act", SELL, "--credit", "web")
    assert "\x1b" not in out
