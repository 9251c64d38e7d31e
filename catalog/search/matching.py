"""Which versions match a search: the annotations and conditions every query of a page is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib.postgres.search import SearchVectorField
from django.db.models import (
    BigIntegerField,
    BooleanField,
    Case,
    Exists,
    F,
    Func,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    TextField,
    Value,
    When,
)
from django.db.models.functions import Coalesce

from catalog.errors import BadQuery
from catalog.models import SearchDocument
from catalog.search.query import UNKNOWN, SearchQuery
from catalog.search.text import TextQuery, read_query
from inference.models import Sheet, SheetState
from registry.models import BaseModel, File, Inspection, Version

# The facets, by URL parameter. Leaving one out of the conditions makes its own counts disjunctive.
FACETS = ("base", "outcome", "vetting", "algorithm", "tag", "source", "has_sheet")


@dataclass(frozen=True)
class BaseTree:
    """All base models, read once a search: few enough to hold, and every facet and label needs them."""

    by_id: dict[int, BaseModel]

    @classmethod
    def read(cls) -> BaseTree:
        return cls({base.pk: base for base in BaseModel.objects.all()})

    def under(self, slug: str) -> set[int]:
        """Ids of the base model and of everything below it."""
        chosen = next((base for base in self.by_id.values() if base.slug == slug), None)
        if chosen is None:
            raise BadQuery("base", f"no base model {slug!r}; /api/v1/base-models/ lists them")
        return {pk for pk in self.by_id if chosen.pk in self.line(pk)}

    def line(self, pk: int) -> list[int]:
        """The base model, its parent and so on up to the family."""
        found: list[int] = []
        at: int | None = pk
        while at is not None and at not in found:
            found.append(at)
            at = self.by_id[at].parent_id
        return found

    def label(self, version: Version) -> str:
        """The version's base in words; the family's id where no base model stands for it; empty = unknown."""
        pk = getattr(version, "effective_base", None)
        if pk in self.by_id:
            return self.by_id[pk].name
        return "" if version.detected_family == UNKNOWN else version.detected_family


@dataclass(frozen=True)
class Question:
    """A search with everything it needs from outside looked up: base ids, profiles by outcome, tokens."""

    query: SearchQuery
    tree: BaseTree
    text: TextQuery
    bases: frozenset[int]
    outcomes: Mapping[int, str]

    @classmethod
    def ask(cls, query: SearchQuery, tree: BaseTree, outcomes: Mapping[int, str]) -> Question:
        bases: set[int] = set()
        for slug in query.bases:
            if slug != UNKNOWN:
                bases |= tree.under(slug)
        return cls(query, tree, read_query(query.text), frozenset(bases), outcomes)

    def versions(self, *, without: str = "") -> QuerySet[Any]:
        """Versions that meet every condition, the ones of facet `without` aside."""
        found = annotated()
        conditions = self._conditions()
        for name in FACETS:
            if name != without and (condition := conditions.get(name)) is not None:
                found = found.filter(condition)
        if self.query.text:
            found = found.filter(self._text())
        return found

    def _conditions(self) -> dict[str, Q]:
        query = self.query
        conditions: dict[str, Q] = {}
        if query.bases:
            of_base = Q(effective_base__in=sorted(self.bases))
            if UNKNOWN in query.bases:
                of_base |= Q(effective_base__isnull=True)
            conditions["base"] = of_base
        if query.outcomes:
            conditions["outcome"] = self.with_outcome(*query.outcomes)
        if query.vetting:
            conditions["vetting"] = Q(vetting__in=query.vetting)
        if query.algorithms:
            conditions["algorithm"] = Q(algorithm__in=query.algorithms)
        if query.tags:
            conditions["tag"] = Q(adapter__tags__overlap=list(query.tags))
        if query.sources:
            conditions["source"] = Q(adapter__source__in=query.sources)
        if query.has_sheet is not None:
            conditions["has_sheet"] = Q(has_sheet=query.has_sheet)
        return conditions

    def with_outcome(self, *wanted: str) -> Q:
        """Versions whose terms profile has one of the outcomes; without a profile it is unknown."""
        condition = Q(terms_profile__in=[pk for pk, outcome in self.outcomes.items() if outcome in wanted])
        if UNKNOWN in wanted:
            decided = [pk for pk, outcome in self.outcomes.items() if outcome != UNKNOWN]
            condition |= Q(terms_profile__isnull=True) | ~Q(terms_profile__in=decided)
        return condition

    def _text(self) -> Q:
        # A text of nothing but signs has no words: it asks for something that no document contains.
        condition = Q(pk__in=[])
        if self.text.tsquery:
            documents = SearchDocument.objects.filter(
                Matches(F("tokens"), Value(self.text.tsquery)), adapter=OuterRef("adapter")
            )
            condition |= Q(Exists(documents))
        if self.text.digest:
            condition |= Q(Exists(File.objects.filter(_holds(self.text.digest), version=OuterRef("pk"))))
        return condition


class Matches(Func):
    """`tokens @@ query`, the query as the text of a tsquery: no parser reads the tokens again."""

    template = "(%(expressions)s::tsquery)"
    arg_joiner = " @@ "
    output_field = BooleanField()


def annotated() -> QuerySet[Any]:
    """Versions with `effective_base` (id or null), `algorithm` (text, empty = not read) and `has_sheet`.

    The base is the reviewer's decision, else the declared one, else the family read from the weights. Where
    the weights contradict what was declared, the weights count.
    """
    family = BaseModel.objects.filter(parent__isnull=True, family=OuterRef("detected_family"))
    readings = Inspection.objects.filter(blob__files__version=OuterRef("pk"))
    reading = readings.order_by("blob__files__id", "-id")
    declared_holds = Q(detected_family=UNKNOWN) | Q(detected_family=F("base_declared__family"))
    return Version.objects.annotate(
        effective_base=Case(
            When(base_decided__isnull=False, then=F("base_decided")),
            When(declared_holds & Q(base_declared__isnull=False), then=F("base_declared")),
            default=Subquery(family.order_by("id").values("pk")[:1]),
            output_field=BigIntegerField(),
        ),
        algorithm=Coalesce(Subquery(reading.values("algorithm")[:1]), Value(""), output_field=TextField()),
        has_sheet=Exists(Sheet.objects.filter(version=OuterRef("pk"), state=SheetState.DONE)),
    )


def _holds(digest: str) -> Q:
    """Files whose blob has the digest, whichever of the digests of that length it is."""
    upper = digest.upper()
    by_length: dict[int, Q] = {
        64: Q(blob=digest.lower()) | Q(blob__blake3=upper),
        12: Q(blob__autov3=upper),
        10: Q(blob__autov2=upper),
        8: Q(blob__autov1=upper),
    }
    return by_length[len(digest)]


def literal(value: Any) -> Any:
    """A tsvector literal as an expression that an INSERT takes."""
    return Func(Value(value), template="(%(expressions)s::tsvector)", output_field=SearchVectorField())
