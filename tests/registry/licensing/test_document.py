"""docs/licenses.md is current and complete, and every code the engine can utter has words."""

from __future__ import annotations

import re
from pathlib import Path

from registry.licensing import ACTS, BASE_MODELS, CONDITIONS, FACTS, LICENSES, REASONS
from registry.licensing.document import render

ROOT = Path(__file__).parents[3]


def test_the_committed_page_is_what_the_table_says() -> None:
    committed = (ROOT / "docs" / "licenses.md").read_text(encoding="utf-8")
    assert committed == render(), "run: python -m registry.licensing.document > docs/licenses.md"


def test_every_license_act_condition_fact_and_reason_is_documented() -> None:
    page = render()
    for license_id in LICENSES:
        assert f"\n### {license_id}\n" in page
    spelled = [*ACTS, *(c.wire for c in CONDITIONS.values()), *(f.wire for f in FACTS.values()), *REASONS]
    for word in spelled:
        assert f"| `{word}` |" in page, word
    for base in BASE_MODELS.values():
        assert f"| {base.name} |" in page


def test_every_act_condition_fact_and_reason_has_words() -> None:
    for act in ACTS.values():
        assert act.label
        assert act.description.endswith(".")
    for condition in CONDITIONS.values():
        assert condition.label
        assert condition.step.endswith(".")
    for fact in FACTS.values():
        assert fact.label
    for meaning, _ in REASONS.values():
        assert meaning.endswith(".")


def test_every_reason_code_in_the_engine_is_a_known_one_and_is_used() -> None:
    engine = [path for path in (ROOT / "registry" / "licensing").glob("*.py") if path.name != "reasons.py"]
    written = {
        word for path in engine for word in re.findall(r'"([a-z_]+)"', path.read_text(encoding="utf-8"))
    }
    # Notes on replies are composed from the state of the question.
    states = {code for code in REASONS if code.startswith("author_")}
    assert set(REASONS) - states <= written


def test_the_page_uses_the_american_spelling_except_for_words_of_the_wire() -> None:
    words = set(re.findall(r"\w*licen[c]e\w*", render(), flags=re.IGNORECASE))
    assert words <= {"keep_licence_snapshot", "base_commercial_licence"}
