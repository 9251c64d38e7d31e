"""Rules between the acts of one license hold for every row of the table."""

from __future__ import annotations

import pytest

from registry.licensing import LICENSES, License
from tests.registry.licensing.invariants import EXCEPT, RULES, broken


@pytest.mark.parametrize("license", LICENSES.values(), ids=lambda license: license.id)
def test_the_acts_of_a_license_agree_with_each_other(license: License) -> None:
    assert broken(license) == []


def test_every_exception_is_still_one() -> None:
    rules = {rule.__name__: rule for rule in RULES}
    for (license_id, rule), why in EXCEPT.items():
        assert why
        assert list(rules[rule](LICENSES[license_id])), (license_id, rule)
