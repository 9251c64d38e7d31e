"""Next steps of a verdict as things to click: ask the author, register, take another base or adapter."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.translation import gettext as _

from catalog.pages.reading.asked import Asked
from registry.licensing import Table, Verdict
from registry.models import BaseModel
from registry.next_steps import Step, steps_of
from registry.terms import canonical


@dataclass(frozen=True)
class Link:
    """Where a step can be taken. `outside` leads away from this site; `reviewers` only they can follow.

    `outcome`: what the answer would be there, for another base.
    """

    address: str
    text: str
    outside: bool = False
    reviewers: bool = False
    outcome: str = ""


@dataclass(frozen=True)
class StepLine:
    """One thing to do; `text` is English and translatable. `deciding`: the answer hangs on it."""

    text: str
    deciding: bool = True
    layers: list[str] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)


def step_lines(asked: Asked, verdict: Verdict, base: BaseModel | None, table: Table) -> list[StepLine]:
    """What could be done now, the strongest obstacle first, each step once, with where to do it."""
    found: dict[str, StepLine] = {}
    shown: list[Link] = []
    for step in steps_of(asked.version, verdict, asked.act.id, asked.facts):
        line = found.setdefault(step.text, StepLine(step.text, step.layer in verdict.deciding))
        if step.layer not in line.layers:
            line.layers.append(step.layer)
        for link in _links(asked, step, verdict, base, table):
            if link not in shown:
                shown.append(link)
                line.links.append(link)
    lines = sorted(found.values(), key=lambda line: not line.deciding)
    another = _other_adapters(asked, base)
    if verdict.outcome in ("unknown", "forbidden") and another not in shown:
        place = sum(line.deciding for line in lines)
        lines.insert(place, StepLine(_("Or use another adapter."), links=[another]))
    return lines


def _links(
    asked: Asked, step: Step, verdict: Verdict, base: BaseModel | None, table: Table
) -> Iterator[Link]:
    review = reverse("pages:review-version", args=[asked.version.pk])
    entry = next((each for each in verdict.ledger if each.layer == step.layer and each.license), None)
    row = table.get(entry.license or "") if entry else None
    if step.kind == "ask_author":
        yield Link(f"{review}#question", _("Ask the author (review page)"), reviewers=True)
        if source := _http(asked.version.adapter.source_url):
            yield Link(source, _("See it at its source"), outside=True)
    elif step.kind == "drop_adapter":
        yield _other_adapters(asked, base)
    elif step.kind == "register":
        if place := _http(step.url):
            name = row.steward or row.name if row else place
            yield Link(place, _("Register with %(name)s") % {"name": name}, outside=True)
        done = {**asked.facts, "registered": True}
        yield Link(asked.address(facts=done), _("I have registered: ask again"))
    elif step.kind == "ask_licensor":
        if place := _http(step.url):
            yield Link(place, _("The licensor's page"), outside=True)
        done = {**asked.facts, "permission_on_file": True}
        if step.condition:
            yield Link(asked.address(facts=done), _("The permission is on file: ask again"))
    elif step.kind == "other_base":
        for other in step.bases:
            text = _("On %(name)s instead") % {"name": other.name}
            yield Link(asked.address(base=other.slug), text, outcome=other.outcome)
    elif step.kind in ("settle_base", "read_license", "read_terms", "clear_rights"):
        yield Link(review, _("Settle it on the review page"), reviewers=True)
    if row is not None and step.kind not in ("settle_base", "drop_adapter"):
        text = _("What the license says: %(name)s") % {"name": row.name}
        yield Link(f"{reverse('pages:license', args=[row.id])}#act-{asked.act.id}", text)


def _other_adapters(asked: Asked, base: BaseModel | None) -> Link:
    query = [("act", asked.act.id), ("outcome", "allowed"), ("outcome", "conditional")]
    if base is not None:
        query.append(("base", base.slug))
    if asked.facts:
        query.append(("facts", canonical(dict(asked.facts))))
    return Link(f"{reverse('pages:browse')}?{urlencode(query)}", _("Adapters that pass for this question"))


def _http(address: str) -> str:
    """The address if a browser may follow it; house licenses and sources may hold any text."""
    return address if address.startswith(("https://", "http://")) else ""
