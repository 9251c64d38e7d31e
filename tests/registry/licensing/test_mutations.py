"""A wrong cell in a much used license is noticed: nearly every mutant fails a case, a rule or a scenario."""

from __future__ import annotations

import pytest

from registry.licensing import ACTS
from tests.registry.licensing.mutations import ALSO, MOST_USED, caught_by, mutants


@pytest.mark.parametrize("license_id", (*MOST_USED, *ALSO))
def test_a_wrong_cell_is_noticed(license_id: str) -> None:
    caught = {mutant: caught_by(mutant) for mutant in mutants(license_id)}
    valid = {mutant: by for mutant, by in caught.items() if by != "schema"}
    alive = [f"{mutant.act} {mutant.change}" for mutant, by in valid.items() if by is None]
    assert {mutant.act for mutant in valid} == set(ACTS)
    assert len(valid) > 200
    assert len(alive) <= 0.1 * len(valid), alive
