"""`manage.py decide`: the contract seen from outside, with the database out of reach."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
GOOD: dict[str, Any] = {
    "id": "good",
    "act": "generate_and_sell_images",
    "base_model": "SDXL 1.0",
    "base_licence": "creativeml-openrail-plusplus-m",
    "adapters": [{"licence": "CC-BY-4.0"}],
    "facts": {"medium": "print"},
}


def run(*arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
    """The command with a database address that nothing answers at."""
    return subprocess.run(
        [sys.executable, "manage.py", "decide", *arguments],
        cwd=ROOT,
        input=text,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "DATABASE_URL": "postgres://nobody@127.0.0.1:1/nothing"},
    )


def test_one_object_gives_one_object_in_the_shape_of_the_contract() -> None:
    done = run("--json", "-", text=json.dumps(GOOD))
    assert (done.returncode, done.stderr) == (0, "")
    verdict = json.loads(done.stdout)
    assert list(verdict) == [
        "id", "outcome", "conditions", "standing", "deciding", "reasons", "ledger", "ignored",
    ]  # fmt: skip
    assert verdict["outcome"] == "conditional"
    assert verdict["conditions"] == ["attribution"]
    assert verdict["standing"] == ["use_based_restrictions"]
    assert set(verdict["reasons"][0]) == {"code", "layer", "clause", "evidence", "next_step"}
    assert set(verdict["ledger"][0]) == {
        "layer", "status", "conditions", "clause", "source", "confidence", "disputed",
    }  # fmt: skip
    assert [entry["layer"] for entry in verdict["ledger"]] == ["base", "adapter:1"]


def test_a_bad_item_keeps_its_place_and_the_good_ones_are_answered(tmp_path: Path) -> None:
    questions = tmp_path / "questions.json"
    asked = [GOOD, {**GOOD, "id": "bad", "act": "fly"}, 7, {**GOOD, "id": "last", "base_licence": None}]
    questions.write_text(json.dumps(asked), encoding="utf-8")

    done = run("--json", str(questions))

    assert done.returncode == 1
    rows = json.loads(done.stdout)
    assert [row["id"] for row in rows] == ["good", "bad", None, "last"]
    assert rows[1]["error"]["code"] == "unknown_act"
    assert "use_privately" in rows[1]["error"]["message"]
    assert rows[2]["error"]["code"] == "bad_question"
    assert rows[3]["outcome"] == "unknown"
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("unknown_act: ")


@pytest.mark.parametrize(
    ("spoiled", "code"),
    [
        ('"facts": {"mau": NaN}', "bad_fact"),
        ('"facts": {"mau": -Infinity}', "bad_fact"),
        (f'"facts": {{"mau": {"9" * 5000}}}', "bad_fact"),
        ('"facts": {"mau": 1, "mau": 2}', "bad_fact"),
        ('"act": "use_privately"', "unknown_act"),
        ('"base_licence": "\\ud800"', "contradictory_terms"),
    ],
)
def test_numbers_that_are_none_and_keys_that_contradict_spoil_one_question_only(
    spoiled: str, code: str
) -> None:
    """Each is put into a question that has an act and a base license already."""
    bare = {key: value for key, value in GOOD.items() if key != "facts"}
    plain = json.dumps({**bare, "base_license": GOOD["base_licence"]})
    done = run("--json", text=f"[{plain[:-1]}, {spoiled}}}, {plain}]")
    rows = json.loads(done.stdout)
    assert done.returncode == 1
    assert (rows[0]["id"], rows[0]["error"]["code"]) == ("good", code)
    assert rows[1]["outcome"] == "conditional"


def test_a_key_given_twice_with_one_value_is_no_contradiction() -> None:
    text = json.dumps(GOOD)
    done = run("--json", text=f'{text[:-1]}, "act": "generate_and_sell_images"}}')
    assert json.loads(done.stdout)["outcome"] == "conditional"


def test_a_number_of_any_size_is_a_number() -> None:
    gated = {**GOOD, "base_licence": "krea-2-community", "facts": {"annual_revenue_usd": 10**400}}
    assert json.loads(run("--json", text=json.dumps(gated)).stdout)["outcome"] == "forbidden"


@pytest.mark.parametrize("name", ['"\\ud800"', "NaN", '"\u65e5\u672c"'])
def test_an_id_that_cannot_be_printed_as_it_stands_loses_no_answer(name: str) -> None:
    text = json.dumps(GOOD).replace('"good"', name)
    verdict = json.loads(run("--json", text=text).stdout)
    assert verdict["id"] == (None if name == "NaN" else json.loads(name))
    assert verdict["outcome"] == "conditional"


def test_a_list_gives_a_list_and_an_empty_one_an_empty_one() -> None:
    assert json.loads(run("--json", text=json.dumps([GOOD])).stdout)[0]["id"] == "good"
    assert json.loads(run("--json", text="[]").stdout) == []


@pytest.mark.parametrize(
    ("arguments", "text", "code"),
    [
        (("--json", "-"), "{", "invalid_json"),
        (("--json", "-"), "", "invalid_json"),
        (("--json", "/no/such/file"), "", "questions_unreadable"),
        (("--json", "/"), "", "questions_unreadable"),
    ],
)
def test_what_cannot_be_read_is_one_line_with_a_code(
    arguments: tuple[str, ...], text: str, code: str
) -> None:
    done = run(*arguments, text=text)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"{code}: ")
    assert done.stderr.count("\n") == 1


def test_wrong_usage_ends_with_two() -> None:
    assert run("--loudly").returncode == 2


def test_without_json_a_person_can_read_the_answer() -> None:
    done = run(text=json.dumps(GOOD))
    assert done.returncode == 0
    assert done.stdout.startswith("good: Sell images: CONDITIONAL")
    assert "condition: attribution" in done.stdout
    assert "Name the author" in done.stdout
