"""The question a verdict's page answers: which version, which act, under which facts, on which base."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

from registry.licensing import ACTS, Act
from registry.models import BaseModel, Version
from registry.terms import canonical


@dataclass(frozen=True)
class Asked:
    """The question: a version, an act, facts, and another base than the version's where one is supposed."""

    version: Version
    act: Act
    facts: Mapping[str, Any]
    other_base: BaseModel | None = None

    def address(self, **changes: Any) -> str:
        """The page of this question with some of it changed: `facts`, `base`, `act`."""
        facts = changes.get("facts", self.facts)
        base = changes.get("base", self.other_base.slug if self.other_base else "")
        asked = {"version": self.version.pk, "act": changes.get("act", self.act.id)}
        if base:
            asked["base"] = base
        if facts:
            asked["facts"] = canonical(dict(facts))
        return f"{reverse('pages:verdict')}?{urlencode(asked)}"


def act_of(name: str, default: str) -> Act | None:
    """The act of an address; the default where none is given, None for one that does not exist."""
    return ACTS.get(name or default)
