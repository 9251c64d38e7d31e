"""Facets: for every way to narrow a search, each value with the number of adapters it would leave."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import Case, CharField, Count, F, Func, TextChoices, Value, When
from django.utils.translation import gettext as _

from catalog.search.index import Facet, FacetValue
from catalog.search.matching import BaseTree, Question
from catalog.search.query import OUTCOMES, UNKNOWN
from registry.models import Source, Vetting

# A facet lists this many values, the most frequent first, and always the chosen ones.
LISTED = 100


def all_facets(question: Question) -> list[Facet]:
    """Every facet in the order a page shows them; one SQL query each, whatever is asked."""
    facets = [_bases(question), _vetting(question), _algorithms(question), _tags(question)]
    facets += [_has_sheet(question), _sources(question)]
    if question.query.act:
        facets.insert(0, _outcomes(question))
    return facets


def _adapters() -> Count:
    return Count("adapter_id", distinct=True)


def _bases(question: Question) -> Facet:
    """Base models as a tree: a family counts its own versions and those of every checkpoint below it.

    An adapter may have versions for several bases, so a family's number is not the sum of its children's; the
    database counts distinct adapters over (base, ancestor) pairs.
    """
    tree = question.tree
    pairs = [(pk, above) for pk in tree.by_id for above in tree.line(pk)]
    versions = question.versions(without="base").order_by().values("adapter_id", "effective_base")
    try:
        inner, params = versions.query.sql_with_params()
    except EmptyResultSet:
        # Django sees by itself that nothing can match, for instance a verdict that no terms here have.
        return _facet("base", _("Base model"), [], question.query.bases)
    sql = f"""
        SELECT line.above, count(DISTINCT matching.adapter_id)
        FROM ({inner}) AS matching
        LEFT JOIN unnest(%s::bigint[], %s::bigint[]) AS line(base, above)
            ON line.base = matching.effective_base
        GROUP BY line.above
    """
    with connection.cursor() as cursor:
        cursor.execute(sql, [*params, [pk for pk, _above in pairs], [above for _pk, above in pairs]])
        counts: dict[int | None, int] = dict(cursor.fetchall())
    rows = [(base.slug, base.name, counts.get(pk, 0)) for pk, base in tree.by_id.items()]
    rows.append((UNKNOWN, _("Unknown"), counts.get(None, 0)))
    facet = _facet("base", _("Base model"), rows, question.query.bases)
    return replace(facet, values=_as_tree(facet.values, tree))


def _as_tree(values: list[FacetValue], tree: BaseTree) -> list[FacetValue]:
    """Each checkpoint right below its family; families and siblings stay most frequent first."""
    places = {value.value: place for place, value in enumerate(values)}
    lines = {
        base.slug: [tree.by_id[above].slug for above in reversed(tree.line(pk))]
        for pk, base in tree.by_id.items()
    }

    def listed(value: FacetValue) -> list[int]:
        return [places[slug] for slug in lines.get(value.value, [value.value]) if slug in places]

    return [replace(value, depth=len(listed(value)) - 1) for value in sorted(values, key=listed)]


def _outcomes(question: Question) -> Facet:
    query = question.query
    named = [
        When(question.with_outcome(outcome), then=Value(outcome))
        for outcome in OUTCOMES
        if outcome != UNKNOWN
    ]
    rows = (
        question.versions(without="outcome")
        .annotate(outcome=Case(*named, default=Value(UNKNOWN), output_field=CharField()))
        .order_by()
        .values_list("outcome")
        .annotate(adapters=_adapters())
    )
    counts = dict(rows)
    labels = {
        "allowed": _("Allowed"),
        "conditional": _("With conditions"),
        "unknown": _("Unknown"),
        "forbidden": _("Not allowed"),
    }
    values = [
        FacetValue(each, labels[each], counts.get(each, 0), each in query.outcomes) for each in OUTCOMES
    ]
    return Facet("outcome", _("Verdict"), values)


def _counts(question: Question, facet: str, column: str) -> dict[Any, int]:
    """Value of a column -> adapters, with every filter but this facet's own."""
    rows = question.versions(without=facet).order_by().values_list(column).annotate(adapters=_adapters())
    return dict(rows)


def _choices(choices: type[TextChoices], counts: dict[Any, int], chosen: tuple[str, ...]) -> list[FacetValue]:
    """All values of a closed list in its own order, those that leave nothing too."""
    return [
        FacetValue(each.value, str(each.label), counts.get(each.value, 0), each.value in chosen)
        for each in choices
    ]


def _vetting(question: Question) -> Facet:
    counts = _counts(question, "vetting", "vetting")
    return Facet("vetting", _("Vetting"), _choices(Vetting, counts, question.query.vetting))


def _algorithms(question: Question) -> Facet:
    counts = _counts(question, "algorithm", "algorithm")
    named = [(value, value, count) for value, count in counts.items() if value]
    return _facet("algorithm", _("Algorithm"), named, question.query.algorithms)


def _tags(question: Question) -> Facet:
    tag = Func(F("adapter__tags"), function="unnest", output_field=CharField(), set_returning=True)
    rows = (
        question.versions(without="tag")
        .order_by()
        .annotate(tag=tag)
        .values_list("tag")
        .annotate(adapters=_adapters())
        .order_by("-adapters", "tag")
    )
    return _facet("tag", _("Tags"), ((value, value, count) for value, count in rows), question.query.tags)


def _sources(question: Question) -> Facet:
    counts = _counts(question, "source", "adapter__source")
    return Facet("source", _("Source"), _choices(Source, counts, question.query.sources))


def _has_sheet(question: Question) -> Facet:
    counts = _counts(question, "has_sheet", "has_sheet")
    chosen = question.query.has_sheet
    values = [
        FacetValue("true", _("With a sheet"), counts.get(True, 0), chosen is True),
        FacetValue("false", _("Without a sheet"), counts.get(False, 0), chosen is False),
    ]
    return Facet("has_sheet", _("Comparison sheet"), values)


def _facet(name: str, label: str, rows: Iterable[tuple[str, str, int]], chosen: tuple[str, ...]) -> Facet:
    """Values that leave something, most frequent first, and the chosen ones even if they leave nothing."""
    kept = [row for row in rows if row[2] or row[0] in chosen]
    known = {row[0] for row in kept}
    kept += [(value, value, 0) for value in chosen if value not in known]
    kept.sort(key=lambda row: (-row[2], row[1].casefold(), row[0]))
    listed = [row for place, row in enumerate(kept) if place < LISTED or row[0] in chosen]
    values = [FacetValue(value, text, count, value in chosen) for value, text, count in listed]
    return Facet(name, label, values, more=len(kept) - len(listed))
