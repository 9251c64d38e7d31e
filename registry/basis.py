"""What decisions rest on at one time: the license table with the house's own licenses, and the rules.

A basis has a digest. Remembered answers are kept under it, and what was decided under another one is decided
anew (registry/recheck.py). Rows are read again only when one of them was changed.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Final

from django.db.models import CharField, Value

from registry.licensing.errors import BadTable
from registry.licensing.schema import license_from_row
from registry.licensing.table import LICENSES, Table
from registry.models import License, TermsBasis, TermsRule
from registry.policies import Rule, rule_of

logger = logging.getLogger(__name__)

_HERE: Final = Path(__file__).parent
_ENGINE: Final = _HERE / "licensing"
# How a profile's terms and the rules become the engine's question.
_ASKING: Final = (_HERE / "policies.py", _HERE / "profiles.py")
Stamp = tuple[str, int, str]


@dataclass(frozen=True, eq=False)
class Basis:
    """The licenses and rules of one moment; two with the same digest decide alike."""

    table: Table
    rules: tuple[Rule, ...]
    digest: str

    def __hash__(self) -> int:
        return hash(self.digest)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Basis) and self.digest == other.digest


def current_basis() -> Basis:
    """The basis as the rows stand now: one query, and the rows themselves only after one has changed."""
    licenses = License.objects.filter(current=True).exclude(license_id__in=LICENSES).order_by()
    rules = TermsRule.objects.filter(current=True, active=True).order_by()
    stamps = licenses.values_list(Value("license", output_field=CharField()), "pk", "sha256").union(
        rules.values_list(Value("rule", output_field=CharField()), "pk", "sha256"), all=True
    )
    return _read(tuple(sorted(stamps)))


def described(basis: Basis) -> TermsBasis:
    """What the basis is made of, as a row that is not saved."""
    return TermsBasis(
        digest=basis.digest,
        licenses={name: [row.revision, row.sha256] for name, row in basis.table.items()},
        rules={rule.key: [rule.revision, rule.sha256] for rule in basis.rules},
    )


def basis_row(basis: Basis) -> TermsBasis:
    """The row that keeps on record what the basis was made of."""
    made = described(basis)
    row, _ = TermsBasis.objects.get_or_create(
        digest=basis.digest, defaults={"licenses": made.licenses, "rules": made.rules}
    )
    return row


@lru_cache(maxsize=4)
def _read(stamps: tuple[Stamp, ...]) -> Basis:
    licenses = []
    for row in License.objects.filter(pk__in=[pk for kind, pk, _ in stamps if kind == "license"]):
        try:
            licenses.append(license_from_row({**row.data, "revision": row.revision}, row.sha256))
        except BadTable:
            # Written past the admin's check. Whatever names it is unknown; everything else goes on.
            logger.exception("The house license %s cannot be read and counts as unknown.", row.license_id)
    rows = TermsRule.objects.filter(pk__in=[pk for kind, pk, _ in stamps if kind == "rule"])
    rules = tuple(sorted(map(rule_of, rows), key=lambda rule: rule.key))
    table = LICENSES.with_rows(licenses) if licenses else LICENSES
    told = "\n".join([table.revision, engine_digest(), *(f"{rule.key} {rule.sha256}" for rule in rules)])
    return Basis(table, rules, hashlib.sha256(told.encode()).hexdigest())


@cache
def engine_digest() -> str:
    """Digest of the engine itself, so that a release that reads the same terms differently is noticed."""
    files = sorted([*_ASKING, *_ENGINE.glob("*.py"), *(_ENGINE / "data").glob("*.toml")])
    parts = (f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}" for path in files)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
