"""A search written as a URL and read back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.http import QueryDict
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.errors import BadQuery
from catalog.search import SearchQuery
from catalog.search.query import LIMIT_MAX, MULTI, OUTCOMES, PARAMETERS
from registry.licensing import ACTS

words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
some = st.lists(words, max_size=4)


@settings(deadline=None)
@given(
    text=words,
    bases=some,
    tags=some,
    algorithms=some,
    act=st.sampled_from(["", *ACTS]),
    outcomes=st.lists(st.sampled_from(OUTCOMES), max_size=4),
    has_sheet=st.sampled_from(["", "true", "false"]),
    sort=st.sampled_from(["", "name", "newest"]),
    facts=st.sampled_from(["", "{}", '{"territory": "DE"}']),
    after=words,
    limit=st.integers(1, LIMIT_MAX),
)
def test_a_search_survives_being_written_as_a_url_and_read_back(
    text: str,
    bases: list[str],
    tags: list[str],
    algorithms: list[str],
    act: str,
    outcomes: list[str],
    has_sheet: str,
    sort: str,
    facts: Any,
    after: str,
    limit: int,
) -> None:
    params = {
        "q": text,
        "base": bases,
        "tag": tags,
        "algorithm": algorithms,
        "act": act,
        "outcome": outcomes if act else [],
        "has_sheet": has_sheet,
        "sort": sort,
        "facts": facts,
        "after": after,
        "limit": str(limit),
    }
    query = SearchQuery.from_params(params)
    assert SearchQuery.from_params(QueryDict(query.urlencode()), strict=True) == query


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(PARAMETERS)), st.lists(st.text(max_size=30), max_size=3)))
def test_whatever_is_sent_is_a_search_or_a_bad_query_that_names_the_parameter(params: dict[str, Any]) -> None:
    try:
        query = SearchQuery.from_params(params)
    except BadQuery as error:
        assert error.parameter in params
    else:
        assert isinstance(query, SearchQuery)


@settings(deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | words, lambda inner: st.lists(inner)
    )
)
def test_facts_that_are_no_facts_are_a_bad_query(value: object) -> None:
    with pytest.raises(BadQuery) as caught:
        SearchQuery.from_params({"facts": json.dumps(value)})
    assert caught.value.parameter == "facts"


@settings(deadline=None)
@given(
    st.dictionaries(st.sampled_from(["territory", "annual_revenue_usd", "made_up"]), st.integers() | words)
)
def test_facts_of_any_type_are_read_or_refused(facts: Any) -> None:
    try:
        assert SearchQuery.from_params({"facts": json.dumps(facts)}).facts == facts
    except BadQuery as error:
        assert error.parameter == "facts"


@pytest.mark.parametrize(
    ("params", "parameter"),
    [
        ({"act": "steal"}, "act"),
        ({"outcome": "allowed"}, "outcome"),
        ({"act": "sell_adapter", "outcome": "yes"}, "outcome"),
        ({"vetting": "perhaps"}, "vetting"),
        ({"source": "elsewhere"}, "source"),
        ({"has_sheet": "maybe"}, "has_sheet"),
        ({"sort": "random"}, "sort"),
        ({"limit": "0"}, "limit"),
        ({"limit": "101"}, "limit"),
        ({"limit": "ten"}, "limit"),
        ({"limit": "1" * 5000}, "limit"),
        ({"q": "x" * 301}, "q"),
        ({"q": "a\0b"}, "q"),
        ({"q": ["a", "b"]}, "q"),
        ({"tag": [str(n) for n in range(51)]}, "tag"),
        ({"facts": "[1]"}, "facts"),
        ({"facts": "{"}, "facts"),
        ({"facts": '{"annual_revenue_usd": NaN}'}, "facts"),
        ({"facts": "[" * 3000}, "facts"),
        ({"facts": '{"annual_revenue_usd": ' + "9" * 5000 + "}"}, "facts"),
        ({"facts": '{"host": "\\ud800"}'}, "facts"),
        ({"facts": '{"mood": "\\ud800"}'}, "facts"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_by_the_name_of_its_parameter(
    params: dict[str, Any], parameter: str
) -> None:
    with pytest.raises(BadQuery) as caught:
        SearchQuery.from_params(params)
    assert caught.value.parameter == parameter
    assert caught.value.code == "bad_query"


def test_a_misspelled_filter_is_refused_where_a_program_asks() -> None:
    with pytest.raises(BadQuery) as caught:
        SearchQuery.from_params({"outcomes": "allowed"}, strict=True)
    assert caught.value.parameter == "outcomes"
    assert SearchQuery.from_params({"utm_source": "mail"}) == SearchQuery()


def test_empty_fields_of_a_form_count_as_not_given() -> None:
    empty = dict.fromkeys([*MULTI, "q", "act", "facts", "has_sheet", "sort", "after", "limit"], "")
    assert SearchQuery.from_params(empty, strict=True) == SearchQuery()
    assert SearchQuery().params() == []


def test_a_chip_adds_and_removes_one_value_and_starts_at_the_first_page() -> None:
    query = SearchQuery(text="ink", bases=("sdxl",), after="key")
    wider = query.with_("base", "flux1")
    assert wider.bases == ("sdxl", "flux1")
    assert wider.after == ""
    assert wider.without("base", "sdxl").bases == ("flux1",)
    assert wider.without("base").bases == ()
    assert wider.without("q").text == ""
    assert query.toggle("base", "sdxl").bases == ()
    assert query.toggle("has_sheet", "true").has_sheet is True
    assert query.toggle("has_sheet", "true").toggle("has_sheet", "true").has_sheet is None


def test_taking_the_act_away_takes_its_outcomes_away() -> None:
    query = SearchQuery(act="sell_adapter", outcomes=("allowed",))
    assert query.without("act") == SearchQuery()


def test_the_chips_are_the_filters_without_order_and_paging() -> None:
    query = SearchQuery(text="ink", tags=("a", "b"), has_sheet=False, sort="name", after="x", limit=5)
    assert query.chips() == [("q", "ink"), ("has_sheet", "false"), ("tag", "a"), ("tag", "b")]
