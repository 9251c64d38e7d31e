"""Rules beside the licenses: house policy, hosts, services, tools and guidelines, read from rows and applied.

A question's facts say where and with what it runs (`host`, `tool`); its terms say which base, licenses and
tags are concerned. The rules that fit become overlays of the license engine. What no row speaks for is looked
up among the engine's built-in tools, and one that nobody knows leaves every act unknown: nothing is invented.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.db import transaction

from registry.errors import KuraError
from registry.ledger import audit
from registry.licensing.conditions import parse_condition
from registry.licensing.errors import BadFact, LicensingError, not_one_of
from registry.licensing.expressions import named_in
from registry.licensing.facts import require_unicode
from registry.licensing.question import CellTerms, Overlay, OverlayKind
from registry.licensing.table import folded_id
from registry.licensing.vocabulary import ACTS, STATUSES
from registry.messages import gettext_noop
from registry.models import RuleKind, Snapshot, TermsRule

TOOL: Final = "tool"
"""The fact that names the program used; the license engine takes it as the question's tools."""
NOT_READ: Final = "terms not read"
HELD: Final = gettext_noop("Ask counsel: the house does not rely on a disputed clause.")
# A host that is nobody else's has no terms of its own.
OWN: Final = frozenset({"own", "local", "localhost", "self", "self-hosted", "on-premises", "own-server"})
_SCOPES: Final = ("base_models", "licenses", "tags")
_OVERLAY_KINDS: Final[dict[str, OverlayKind]] = {
    RuleKind.POLICY: "policy",
    RuleKind.HOST: "host",
    RuleKind.SERVICE: "host",
    RuleKind.TOOL: "tool",
    RuleKind.OVERLAY: "overlay",
}


class BadRule(KuraError):
    """A rule names an act, status, condition or scope that does not exist, or says what its kind cannot."""

    code = "bad_rule"
    next_step = "Correct the rule and save it again."


@dataclass(frozen=True)
class Rule:
    """The current revision of one rule. `names`: all spellings by which a fact can name it."""

    kind: str
    name: str
    revision: int
    title: str
    names: frozenset[str]
    read: bool
    acts: Mapping[str, CellTerms]
    holds_disputed: bool
    base_models: frozenset[str]
    licenses: frozenset[str]
    tags: frozenset[str]
    clause: str
    next_step: str
    source: str
    sha256: str

    @property
    def key(self) -> str:
        return f"{self.kind}:{self.name}"

    @property
    def cited(self) -> str:
        """What a verdict's ledger names as the source."""
        return " ".join(part for part in (self.title, f"(revision {self.revision})", self.source) if part)

    def overlay(self) -> Overlay:
        """Its layer. Terms that nobody has read leave every act open."""
        own = self.kind == RuleKind.POLICY  # The house knows what it wrote.
        acts = self.acts if self.read or own else dict.fromkeys(ACTS, ("silent", ()))
        return Overlay(
            name=self.name,
            acts=acts,
            kind=_OVERLAY_KINDS[self.kind],
            clause=(self.clause if self.read or own else NOT_READ) or None,
            source=self.cited,
            disputed=("silent", ()) if self.holds_disputed else None,
        )


def spelled(name: object) -> str:
    """One spelling of a host's or tool's name: `Tensor.Art` and `tensor_art` are `tensor-art`."""
    return re.sub(r"[\s._/-]+", "-", str(name).strip().casefold()).strip("-")


def rule_of(row: TermsRule) -> Rule:
    """The rule of a row."""
    scope: Mapping[str, Any] = row.applies_to or {}
    return Rule(
        kind=row.kind,
        name=row.name,
        revision=row.revision,
        title=row.title,
        names=frozenset({spelled(row.name), *map(spelled, row.aliases or ())}),
        read=row.read,
        acts={
            act: (cell["status"], tuple(cell.get("conditions", ()))) for act, cell in (row.acts or {}).items()
        },
        holds_disputed=row.holds_disputed,
        base_models=frozenset(scope.get("base_models", ())),
        licenses=frozenset(folded_id(name) for name in scope.get("licenses", ())),
        tags=frozenset(tag.casefold() for tag in scope.get("tags", ())),
        clause=row.clause,
        next_step=row.next_step,
        source=row.source,
        sha256=row.sha256,
    )


# --- Which rules apply --------------------------------------------------------------------------------------


def applied(
    rules: Iterable[Rule], terms: Mapping[str, Any], facts: Mapping[str, object]
) -> tuple[list[Rule], list[str]]:
    """The rules that bind a question about these terms under these facts; the hosts and tools that the facts
    name and no rule speaks for.

    Raises BadFact where the fact `tool` is no text; the engine checks the other facts.
    """
    known, unspoken = list(rules), []
    everywhere = (RuleKind.POLICY, RuleKind.OVERLAY)
    found = [rule for rule in known if rule.kind in everywhere and _concerns(rule, terms)]
    for fact, kinds in (("host", (RuleKind.HOST, RuleKind.SERVICE)), (TOOL, (RuleKind.TOOL,))):
        stated = facts.get(fact)
        if not (isinstance(stated, str) and stated.strip()):
            if fact == TOOL and stated is not None:
                raise BadFact(f"The fact tool must be a text, got {stated!r}.")
            continue
        require_unicode(fact, stated)
        named = [rule for rule in known if rule.kind in kinds and spelled(stated) in rule.names]
        found += [rule for rule in named if _concerns(rule, terms)]
        if not named and not (fact == "host" and spelled(stated) in OWN):
            unspoken.append(stated)
    return found, unspoken


def step_of(rule: Rule) -> str:
    """What to do when the rule stands in the way; empty where the engine's own words will do."""
    return rule.next_step or (HELD if rule.holds_disputed else "")


def _concerns(rule: Rule, terms: Mapping[str, Any]) -> bool:
    if not (rule.base_models or rule.licenses or rule.tags):
        return True
    texts = [terms.get(key) or "" for key in ("base_license", "license", "license_now")]
    named = named_in(" ".join([*texts, *terms.get("components", ())]))
    return (
        terms["base_model"] in rule.base_models
        or not rule.licenses.isdisjoint(named)
        or rule.key in terms["overlays"]
    )


def named_by_tags(words: Iterable[str], rules: Iterable[Rule] | None = None) -> list[str]:
    """`kind:name` of the rules whose tags are among an adapter's tags and trigger words, sorted.

    `rules`: the current ones, where they are at hand.
    """
    own = {word.casefold() for word in words}
    if rules is None:
        rows = TermsRule.objects.filter(current=True, active=True, applies_to__has_key="tags")
        rules = map(rule_of, rows)
    return sorted(rule.key for rule in rules if not rule.tags.isdisjoint(own))


# --- Writing rules ------------------------------------------------------------------------------------------


def problems(values: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong with a rule, field by field; empty when it can be kept."""
    found: dict[str, str] = {}
    acts = values.get("acts") or {}
    if not isinstance(acts, dict):
        found["acts"] = "acts must be an object: act to status and conditions."
    else:
        said = [text for act, cell in acts.items() if (text := _wrong_cell(act, cell))]
        if said:
            found["acts"] = " ".join(said)
    scope = values.get("applies_to") or {}
    if not isinstance(scope, dict) or not all(_texts(each) for each in scope.values()):
        found["applies_to"] = "applies_to must be an object of lists of texts."
    elif extra := sorted(set(scope) - set(_SCOPES)):
        found["applies_to"] = f"There is no scope {', '.join(extra)}. Known: {', '.join(_SCOPES)}."
    if not _texts(values.get("aliases") or []):
        found["aliases"] = "aliases must be a list of texts."
    kind = values.get("kind")
    if kind not in RuleKind.values:
        found["kind"] = f"There is no kind {kind!r}. {not_one_of(kind, RuleKind.values)}"
    if values.get("name") != spelled(values.get("name", "")) or not values.get("name"):
        found["name"] = "The name must be in lower case, with - between words."
    if values.get("holds_disputed") and kind != RuleKind.POLICY:
        found["holds_disputed"] = "Only a house policy can hold what is disputed."
    if acts and not values.get("read") and kind != RuleKind.POLICY:
        found["read"] = "A rule whose terms were not read cannot say anything on an act."
    if acts and not values.get("clause"):
        found["clause"] = "Name the clause that says so."
    return found


def _wrong_cell(act: object, cell: object) -> str:
    if act not in ACTS:
        return f"There is no act {act!r}. {not_one_of(act, ACTS)}"
    if not isinstance(cell, dict) or set(cell) - {"status", "conditions"} or "status" not in cell:
        return f"{act} must be an object with status and conditions."
    if cell["status"] not in STATUSES:
        return f"{act}: there is no status {cell['status']!r}. {not_one_of(cell['status'], STATUSES)}"
    conditions = cell.get("conditions", [])
    if not _texts(conditions):
        return f"{act}: conditions must be a list of texts."
    try:
        for text in conditions:
            parse_condition(text)
    except LicensingError as error:
        return f"{act}: {error.message}"
    if cell["status"] == "conditional" and not conditions:
        return f"{act}: conditional without a condition."
    return ""


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) and each.strip() for each in value)


_FIELDS: Final = (
    "title", "aliases", "active", "read", "acts", "holds_disputed", "applies_to", "clause", "next_step",
    "source",
)  # fmt: skip
_DEFAULTS: Final[dict[str, Any]] = {
    "title": "", "aliases": [], "active": True, "read": False, "acts": {}, "holds_disputed": False,
    "applies_to": {}, "clause": "", "next_step": "", "source": "",
}  # fmt: skip


@transaction.atomic
def save_rule(
    kind: str, name: str, *, actor: str, snapshot: Snapshot | None = None, **values: Any
) -> TermsRule:
    """Make the next revision of a rule the current one; the row that stands if it says the same already.

    `values`: title, aliases, active, read, acts, holds_disputed, applies_to, clause, next_step, source.
    Raises BadRule with everything that is wrong. Verdicts follow when `registry.recheck.follow` is called.
    """
    kept = _DEFAULTS | values
    wrong = problems(kept | {"kind": kind, "name": name})
    if wrong:
        raise BadRule(" ".join(wrong.values()))
    before = TermsRule.objects.select_for_update().filter(kind=kind, name=name, current=True).first()
    digest = _digest(kind, name, kept, snapshot)
    if before and before.sha256 == digest:
        return before
    if before:
        TermsRule.objects.filter(pk=before.pk).update(current=False)
    made = TermsRule.objects.create(
        kind=kind,
        name=name,
        revision=before.revision + 1 if before else 1,
        sha256=digest,
        snapshot=snapshot,
        **{field: kept[field] for field in _FIELDS},
    )
    audit(actor, "edit_rule" if before else "add_rule", f"rule:{kind}:{name}", revision=made.revision)
    return made


def _digest(kind: str, name: str, values: Mapping[str, Any], snapshot: Snapshot | None) -> str:
    told = {field: values[field] for field in _FIELDS} | {
        "kind": kind,
        "name": name,
        "snapshot": snapshot.sha256 if snapshot else None,
    }
    text = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
