"""The license engine: what may be done with an adapter, under whose terms, and why. Pure, without a clock.

`decide(Question(...), table)` is the one decision; LICENSES is the built-in table, to which `Table.with_rows`
adds house licenses; `identify_license` turns what a source declares into an id of that table.
"""

from registry.licensing.base_models import BASE_MODELS, FAMILIES, BaseModel, find_base_model
from registry.licensing.civitai import CivitaiFlags, parse_flags
from registry.licensing.errors import LicensingError
from registry.licensing.identify import Identification, identify, identify_hub, identify_license
from registry.licensing.question import AdapterTerms, AuthorReply, BaseConflict, Component, Overlay, Question
from registry.licensing.reasons import REASONS, Reason
from registry.licensing.schema import Cell, License, license_from_row, problems, row_of
from registry.licensing.table import LICENSES, Table, find_license
from registry.licensing.verdict import OUTCOMES, LedgerEntry, Verdict, decide
from registry.licensing.vocabulary import ACTS, CONDITIONS, FACTS, Act
from registry.licensing.wire import question_from_wire

__all__ = [
    "ACTS",
    "BASE_MODELS",
    "CONDITIONS",
    "FACTS",
    "FAMILIES",
    "LICENSES",
    "OUTCOMES",
    "REASONS",
    "Act",
    "AdapterTerms",
    "AuthorReply",
    "BaseConflict",
    "BaseModel",
    "Cell",
    "CivitaiFlags",
    "Component",
    "Identification",
    "LedgerEntry",
    "License",
    "LicensingError",
    "Overlay",
    "Question",
    "Reason",
    "Table",
    "Verdict",
    "decide",
    "find_base_model",
    "find_license",
    "identify",
    "identify_hub",
    "identify_license",
    "license_from_row",
    "parse_flags",
    "problems",
    "question_from_wire",
    "row_of",
]
