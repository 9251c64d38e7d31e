"""A verdict for people and for the file: ledger with evidence, next steps with links, and a digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.utils import timezone
from django.utils.dateparse import parse_datetime

from catalog.pages.reading.asked import Asked
from catalog.pages.reading.explain_steps import StepLine, step_lines
from catalog.pages.reading.what_if import WhatIf, what_if
from registry.basis import Basis
from registry.licensing import LICENSES, LedgerEntry, License, Reason, Verdict
from registry.licensing.sentences import act_sentence
from registry.models import BaseModel, FileState
from registry.terms import Citation, base_terms, canonical, citations_of, terms_of
from registry.verdicts import verdict_of_terms


@dataclass(frozen=True)
class Evidence:
    """Where a layer's terms were read. `snapshot` is None where a person decided."""

    snapshot: int | None
    url: str
    sha256: str
    at: datetime | None
    standing: str


@dataclass(frozen=True)
class LedgerLine:
    """One layer with the row of the license table it used and the bytes its terms were read from."""

    entry: LedgerEntry
    deciding: bool
    license: License | None
    house: bool
    evidence: list[Evidence]


@dataclass(frozen=True)
class ReasonLine:
    """A reason; what decided stands first."""

    reason: Reason
    deciding: bool


@dataclass(frozen=True)
class Record:
    """What makes the page worth filing. `digest` covers question, files, answer, basis and evidence alike.

    It depends on neither language nor time: asked again under the same terms, it is the same.
    """

    at: datetime
    digest: str
    basis: str
    files: list[tuple[str, str]]
    api: str


@dataclass(frozen=True)
class VerdictPage:
    """What the page shows; `sentence` is English and translatable."""

    asked: Asked
    base: BaseModel | None
    verdict: Verdict
    sentence: str
    ledger: list[LedgerLine]
    reasons: list[ReasonLine]
    steps: list[StepLine]
    what_if: WhatIf
    record: Record
    disputed: list[LedgerLine]

    @property
    def later(self) -> list[StepLine]:
        """Steps on which the answer does not hang now, but that stand in the way after it."""
        return [step for step in self.steps if not step.deciding]


def read_verdict(asked: Asked, basis: Basis) -> VerdictPage:
    """The page of one question, in a fixed number of queries. Raises LicensingError for unreadable facts."""
    version = asked.version
    terms = version.terms_profile.terms if version.terms_profile is not None else terms_of(version)
    own_base = version.base_decided or version.base_declared
    if asked.other_base is not None:
        terms = {**terms, **base_terms(asked.other_base), "base_conflict": None}
    base = asked.other_base or own_base

    def ask(facts: Mapping[str, Any]) -> Verdict:
        return verdict_of_terms(terms, asked.act.id, facts, basis)

    verdict = ask(asked.facts)
    citations = citations_of(version)
    # A base that is only supposed rests on no statement of this version.
    cited = [each for each in citations if asked.other_base is None or each.layer != "base"]
    ledger = [_line(entry, verdict, basis, cited) for entry in verdict.ledger]
    return VerdictPage(
        asked=asked,
        base=base,
        verdict=verdict,
        sentence=act_sentence(asked.act.id, verdict.outcome),
        ledger=ledger,
        reasons=_reasons(verdict),
        steps=step_lines(asked, verdict, base, basis.table),
        what_if=what_if(
            ask,
            asked.facts,
            asked.act.id,
            basis.table,
            lambda facts: asked.address(facts=facts),
            terms.get("author_replies", ()),
        ),
        record=_record(asked, verdict, basis, cited),
        disputed=[line for line in ledger if line.entry.disputed or line.entry.other_reading],
    )


def _line(entry: LedgerEntry, verdict: Verdict, basis: Basis, citations: Sequence[Citation]) -> LedgerLine:
    row = basis.table.get(entry.license or "")
    layer = entry.layer.partition(":")[0]
    found = dict.fromkeys(
        Evidence(each.snapshot, each.url or "", each.sha256 or "", parse_datetime(each.at), each.standing)
        for each in citations
        if each.layer == layer
    )
    house = row is not None and row.id not in LICENSES
    return LedgerLine(entry, entry.layer in verdict.deciding, row, house, list(found))


def _reasons(verdict: Verdict) -> list[ReasonLine]:
    lines = [ReasonLine(reason, reason.layer in verdict.deciding) for reason in verdict.reasons]
    return sorted(lines, key=lambda line: not line.deciding)


def _record(asked: Asked, verdict: Verdict, basis: Basis, citations: Sequence[Citation]) -> Record:
    files = asked.version.files.exclude(state=FileState.WITHDRAWN).order_by("pk")
    held = list(files.values_list("name", "blob_id")[:50])
    told = {
        "version": asked.version.pk,
        "files": sorted(digest for _name, digest in held),
        "act": asked.act.id,
        "facts": dict(asked.facts),
        "base": asked.other_base.slug if asked.other_base else None,
        "basis": basis.digest,
        "verdict": verdict.as_dict(),
        "licenses": [[entry.license, entry.revision, entry.sha256] for entry in verdict.ledger],
        "evidence": [each.as_dict() for each in citations],
    }
    query = {"version": asked.version.pk, "act": asked.act.id, "facts": json.dumps(dict(asked.facts))}
    # The address of the API is a contract, so it can be written without asking the API's code.
    return Record(
        at=timezone.now(),
        digest=hashlib.sha256(canonical(told).encode()).hexdigest(),
        basis=basis.digest,
        files=held,
        api="" if asked.other_base else f"/api/v1/verdicts/?{urlencode(query)}",
    )
