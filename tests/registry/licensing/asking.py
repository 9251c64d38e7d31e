"""Asking questions in tests: one call for an act and a stack."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from registry.licensing import AdapterTerms, Question, Verdict, decide

OPEN_FLAGS = {
    "allowNoCredit": True,
    "allowCommercialUse": ["Image", "RentCivit", "Rent", "Sell"],
    "allowDerivatives": True,
    "allowDifferentLicense": True,
}


def ask(
    act: str, *adapters: AdapterTerms | str | None, base: str | None = "Apache-2.0", **more: Any
) -> Verdict:
    terms = [item if isinstance(item, AdapterTerms) else AdapterTerms(item) for item in adapters]
    return decide(Question(act, base_license=base, adapters=terms, **more))


def codes(verdict: Verdict) -> Sequence[str]:
    return [reason.code for reason in verdict.reasons]
