"""The search index in PostgreSQL alone: live rows for every filter, token documents for the text."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Lower

from catalog.errors import BadQuery
from catalog.models import SearchDocument
from catalog.search.facets import all_facets
from catalog.search.index import SearchHit, SearchPage
from catalog.search.matching import BaseTree, Question, annotated
from catalog.search.query import UNKNOWN, SearchQuery
from catalog.search.refresh import behind, refresh
from inference.services import finished_sheets
from registry.models import Adapter, Inspection, Version
from registry.verdicts import Basis, current_basis, outcomes_by_profile, verdict_of_profile


class PostgresIndex:
    """Exact answers straight from the rows: right at any time, quick for some thousand adapters."""

    def search(self, query: SearchQuery) -> SearchPage:
        """See SearchIndex.search; a fixed number of SQL queries whatever is found."""
        tree = BaseTree.read()
        basis = current_basis() if query.act else None
        outcomes = outcomes_by_profile(query.act, query.facts, basis) if query.act else {}
        question = Question.ask(query, tree, outcomes)
        matching = question.versions()
        adapters, following = _page(query, matching)
        count = matching.order_by().aggregate(adapters=Count("adapter_id", distinct=True))["adapters"]
        facets = all_facets(question)
        asked = next((facet for facet in facets if facet.name == "outcome"), None)
        return SearchPage(
            hits=_hits(adapters, question, basis),
            count=count,
            next=following,
            facets=facets,
            outcome_counts={each.value: each.count for each in asked.values} if asked else {},
        )

    def refresh(self, adapters: Collection[int]) -> int:
        """See SearchIndex.refresh."""
        return refresh(adapters)

    def health(self) -> Mapping[str, int]:
        """See SearchIndex.health."""
        return {"documents": SearchDocument.objects.count(), "behind": behind()}


def _page(query: SearchQuery, matching: QuerySet[Version]) -> tuple[list[Any], str | None]:
    """The adapters of the page, each with `newest_matching`, and the key of the next page."""
    of_adapter = matching.filter(adapter=OuterRef("pk"))
    adapters = (
        Adapter.objects.select_related("creator", "upstream_identity")
        .annotate(
            lower_name=Lower("name"),
            newest_matching=Subquery(of_adapter.order_by("-created", "-id").values("pk")[:1]),
        )
        .filter(Exists(of_adapter))
    )
    if query.sort == "name":
        adapters = adapters.order_by("lower_name", "id")
        if query.after:
            name, pk = _decode(query)
            adapters = adapters.filter(Q(lower_name__gt=name) | Q(lower_name=name, pk__gt=pk))
    else:
        adapters = adapters.order_by("-created", "-id")
        if query.after:
            created, pk = _decode(query)
            adapters = adapters.filter(created__lte=created).filter(Q(created__lt=created) | Q(pk__lt=pk))
    rows = list(adapters[: query.limit + 1])
    if len(rows) <= query.limit:
        return rows, None
    rows.pop()
    last = rows[-1]
    key = last.lower_name if query.sort == "name" else last.created.isoformat()
    return rows, _encode(query.sort, key, last.pk)


def _encode(sort: str, key: str, pk: int) -> str:
    raw = json.dumps([sort, key, pk], ensure_ascii=False).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _decode(query: SearchQuery) -> tuple[Any, int]:
    try:
        raw = base64.b64decode(query.after + "=" * (-len(query.after) % 4), altchars=b"-_", validate=True)
        sort, key, pk = json.loads(raw)
        if (
            sort != query.sort
            or not isinstance(key, str)
            or type(pk) is not int
            or not 0 < pk < 2**63
            or "\0" in key
        ):
            raise ValueError(sort)
        key.encode()  # a lone surrogate comes through JSON and is no text
        if sort == "name":
            return key, pk
        created = datetime.fromisoformat(key)
        if created.tzinfo is None:
            raise ValueError(key)
        return created, pk
    except (ValueError, TypeError, binascii.Error, UnicodeError, RecursionError):
        raise BadQuery("after", "is not the `next` of a page with the same sort") from None


def _hits(adapters: Sequence[Any], question: Question, basis: Basis | None) -> list[SearchHit]:
    keys = [adapter.newest_matching for adapter in adapters]
    versions = {
        version.pk: version
        for version in annotated()
        .filter(pk__in=keys)
        .select_related("base_declared", "base_decided", "terms_profile")
        .prefetch_related("files__blob")
    }
    sheets = {
        sheet.version_id: sheet
        for sheet in finished_sheets("version_id")
        .filter(version__in=keys)
        .select_related("base")
        .distinct("version_id")
    }
    readings = {
        reading.of_version: reading
        for reading in Inspection.objects.filter(blob__files__version__in=keys)
        .annotate(of_version=F("blob__files__version"))
        .order_by("of_version", "blob__files__id", "-id")
        .distinct("of_version")
    }
    hits = []
    for adapter in adapters:
        version = versions[adapter.newest_matching]
        version.adapter = adapter
        outcome, conditions = _verdict(question.query, version, basis)
        hits.append(
            SearchHit(
                adapter=adapter,
                version=version,
                outcome=outcome,
                conditions=conditions,
                sheet=sheets.get(version.pk),
                base_label=question.tree.label(version),
                inspection=readings.get(version.pk),
            )
        )
    return hits


def _verdict(query: SearchQuery, version: Version, basis: Basis | None) -> tuple[str | None, list[str]]:
    """Outcome and conditions for the act that was asked; terms that nobody has read yet are unknown."""
    if not query.act:
        return None, []
    if version.terms_profile is None:
        return UNKNOWN, []
    verdict = verdict_of_profile(version.terms_profile, query.act, query.facts, basis)
    return verdict.outcome, list(verdict.conditions)
