"""Every finding fires on the toybox adapter that has its fault, and on no good one, on rendered pictures."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.finding_cases import CALIBRATION_CASES, CODES, Case
from benchmarks.finding_sheets import Studio
from benchmarks.findings import codes_of

ON_FILE = [case for case in CALIBRATION_CASES if not case.variant.noise and case.variant.parts[0][1] == 1]


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Studio:
    """One base in memory for all cases, and base cells rendered once."""
    folder: Path = tmp_path_factory.mktemp("sheets")
    return Studio(folder)


@pytest.mark.engine
@pytest.mark.slow
@pytest.mark.parametrize("case", ON_FILE, ids=[case.name for case in ON_FILE])
def test_a_demo_adapter_has_the_findings_of_its_fault_and_no_other(case: Case, studio: Studio) -> None:
    said = codes_of(case, studio)
    assert case.has <= said
    assert not case.lacks & said


def test_every_finding_has_faulty_and_faultless_cases_to_be_tried_on() -> None:
    for code in CODES:
        assert any(code in case.has for case in CALIBRATION_CASES), code
        assert any(code in case.lacks for case in CALIBRATION_CASES), code
