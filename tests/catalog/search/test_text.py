"""Words and CJK runs as tokens; what PostgreSQL then finds is asked of PostgreSQL."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.search.text import LAST_POSITION, document, fold, pieces, read_query


def test_accents_case_and_width_do_not_matter() -> None:
    assert pieces("Crème BRÛLÉE") == ["creme", "brulee"]
    assert pieces("ＳＤＸＬ　Ｌｏｒａ") == ["sdxl", "lora"]
    assert pieces("STRASSE Straße") == ["strasse", "strasse"]
    assert pieces("my_ink-style.v2") == ["my", "ink", "style", "v2"]


def test_kana_keep_their_voicing_and_half_width_ones_become_whole() -> None:
    assert fold("か") != fold("が")
    assert fold("ｶﾞ") == "ガ"
    assert pieces("水彩・画") == ["水彩", "画"]


@settings(deadline=None)
@given(st.text(max_size=60))
def test_folding_twice_is_folding_once(text: str) -> None:
    assert fold(fold(text)) == fold(text)


def matches(fields: list[str], text: str) -> bool:
    query = read_query(text).tsquery
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s::tsvector @@ %s::tsquery", [document(fields), query])
        return bool(cursor.fetchone()[0])


@pytest.mark.database
@pytest.mark.django_db
@pytest.mark.parametrize(
    ("fields", "text", "found"),
    [
        (["Dragon scales"], "dragon", True),
        (["Dragon scales"], "drag", True),
        (["Dragon scales"], "rag", False),
        (["Dragon scales"], "drag scales", False),
        (["Dragon scales"], "scales drag", True),
        (["Dragon scales"], '"dragon scales"', True),
        (["Dragon scales"], '"scales dragon"', False),
        (["Dragon", "scales"], '"dragon scales"', False),
        (["Dragon", "scales"], "dragon scales", True),
        (["Crème brûlée"], "creme BRULEE", True),
        (["東京水彩画風"], "水", True),
        (["東京水彩画風"], "水彩画", True),
        (["東京水彩画風"], "水画", False),
        # The pairs are all there, but not next to each other: a bag of pairs would be fooled.
        (["水彩 彩画"], "水彩画", False),
        (["水彩画とSDXL"], '"水彩画とsdxl"', True),
        (["水彩画とSDXL"], "sdxl 彩画", True),
        (["수채화 스타일"], "수채화", True),
        (["it's a \\ test"], "it's \\", True),
        (["a ' b"], "' & | ! ( ) : * <->", False),
    ],
)
def test_the_database_finds_what_a_person_means(fields: list[str], text: str, found: bool) -> None:
    if not read_query(text).tsquery:
        assert not found
        return
    assert matches(fields, text) is found


@pytest.mark.database
@pytest.mark.django_db
@settings(max_examples=150, deadline=None)
@given(st.lists(st.text(max_size=30), max_size=4), st.text(max_size=30))
def test_any_text_makes_a_document_and_a_query_that_postgresql_takes(fields: list[str], text: str) -> None:
    fields = [field.replace("\0", "") for field in fields]
    if any("\ud800" <= letter <= "\udfff" for letter in "".join([*fields, text])):
        return
    if read_query(text).tsquery:
        matches(fields, text)


@pytest.mark.database
@pytest.mark.django_db
@settings(max_examples=100, deadline=None)
@given(st.text(st.sampled_from("水彩画風あカab "), min_size=1, max_size=12), st.data())
def test_every_part_of_a_run_is_found_in_it(text: str, data: Any) -> None:
    whole = "".join(pieces(text))
    start = data.draw(st.integers(0, len(text)))
    part = text[start : start + data.draw(st.integers(1, 6))]
    run = "".join(letter for letter in part if letter in "水彩画風あカ")
    if run and run in text and whole:
        assert matches([text], run)


@pytest.mark.database
@pytest.mark.django_db
def test_a_very_long_description_is_cut_where_positions_end_and_keeps_its_name() -> None:
    long = " ".join(f"word{number}" for number in range(LAST_POSITION + 500)) + " 水" * 4000
    assert matches(["Inkpot", long], "inkpot")
    assert matches(["Inkpot", "ink " * 3000], "ink")


def test_a_pasted_digest_is_known_by_its_length() -> None:
    assert read_query("AB" * 32).digest == "AB" * 32
    assert read_query("sha256:" + "ab" * 32).digest == "ab" * 32
    assert read_query("0123456789").digest == "0123456789"
    assert read_query("0123456789ab").digest == "0123456789ab"
    assert read_query("0123456").digest == ""
    assert read_query("not hex at all").digest == ""
