"""The card of recommended settings: weight with its source, settings with pictures, the page's score."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given
from hypothesis import settings as tries
from hypothesis import strategies as st

from catalog.pages.reading.recommended import show_recommended
from catalog.recommended import prompt_of, read_recommended
from registry.models import File, Version
from tests.catalog.pages.rows import OPEN_FLAGS, make_adapter

pytestmark = pytest.mark.database

PICTURES = {"min": 0.6, "default": 0.7, "max": 0.8, "lowest": 0.4, "highest": 1.0, "count": 5}
AUTHOR = {"min": 0.8, "default": 0.9, "max": 1.0, "count": 2, "wording": ["weight: 0.8-1.0"]}
SETTINGS: dict[str, Any] = {
    "weights": {"pictures": {**PICTURES, "named_by": {"name": 3, "hash": 2}}},
    "sampler": {"value": "Euler a", "count": 4, "of": 5, "source": "pictures"},
    "cfg": {"min": 6, "default": 7, "max": 7.5, "count": 5, "source": "pictures"},
    "steps": {"min": 28, "default": 28, "max": 28, "count": 5, "source": "pictures"},
    "pictures": {"shown": 9, "told": 5, "reproducible": 4},
}
PAGE = {
    "score": 0.79,
    "of": 7,
    "lines": [
        {"code": "samples_reproducible", "state": "partly", "found": {"count": 4, "of": 9}},
        {"code": "license", "state": "partly", "found": {"flags_are_default": True}},
        {"code": "trigger_words", "state": "yes", "found": {"words": ["inkline"]}},
    ],
}


def made(settings: object = None, page: object = None, *, sheet: bool = True) -> Version:
    version = make_adapter("Ink Lines", flags=OPEN_FLAGS, sheet=sheet)
    Version.objects.filter(pk=version.pk).update(settings=settings or {}, page=page or {})
    version.refresh_from_db()
    return version


def card(version: Version) -> str:
    page = Client().get(f"/adapters/{version.adapter_id}/").content.decode()
    part = page[page.index('id="recommended"') :]
    return html.unescape(
        re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", part[: part.index('class="panel__part"')]))
    )


def test_pictures_say_the_weight_the_sampler_and_how_many_of_them_do(db: None) -> None:
    shown = card(made(SETTINGS))
    for words in (
        "0.7", "0.6 – 0.8", "The author's pictures", "5 pictures use it", "by its file name: 3",
        "Sampler Euler a 4 of 5 pictures", "CFG scale 7 (6 to 7.5) 5 pictures", "Steps 28 5 pictures",
        "Of 9 pictures 5 tell how they were made, 4 well enough to be made again.",
    ):  # fmt: skip
        assert words in shown, words
    # What the sheet rendered here found stands beside it.
    assert re.search(r"0\.8 \(0\.6 – 0\.9\) The sheet rendered here \d+ pictures compared", shown)


def test_the_author_s_word_comes_first_in_the_card_and_in_what_is_copied(client: Client, db: None) -> None:
    version = made({**SETTINGS, "weights": {"author": AUTHOR, **SETTINGS["weights"]}})
    page = client.get(f"/adapters/{version.adapter_id}/")
    assert page.context["usage"].prompt == "<lora:ink_lines:0.9> inkline"
    assert "adapter_weights=0.9" in page.context["usage"].diffusers
    shown = card(version)
    assert "The author says 2 statements weight: 0.8-1.0" in shown
    assert "0.7 (0.6 – 0.8) The author's pictures" in shown


@pytest.mark.parametrize(
    ("settings", "sheet", "prompt"),
    [
        (SETTINGS, True, "<lora:ink_lines:0.7> inkline"),
        ({}, True, "<lora:ink_lines:0.8> inkline"),
        ({}, False, "<lora:ink_lines:0.8> inkline"),
        ({"weights": {"author": {"default": 1}}}, True, "<lora:ink_lines:1.0> inkline"),
        ({"weights": {"author": {"default": 0.725}}}, True, "<lora:ink_lines:0.72> inkline"),
        ({"weights": {"author": {"default": -0.5}}}, True, "<lora:ink_lines:-0.5> inkline"),
    ],
)
def test_what_is_copied_has_the_recommended_weight(
    client: Client, db: None, settings: dict[str, Any], sheet: bool, prompt: str
) -> None:
    version = made(settings, sheet=sheet)
    page = client.get(f"/adapters/{version.adapter_id}/")
    assert page.context["usage"].prompt == prompt
    assert f'<pre id="use-prompt">{html.escape(prompt)}</pre>' in page.content.decode()
    told = client.get(f"/api/v1/versions/{version.pk}/recommended/").json()
    assert told["prompt"] == prompt


def test_words_and_names_are_copied_as_they_are(db: None) -> None:
    version = made(SETTINGS)
    version.trigger_words = [" word1 ", "", "word2"]
    file = File(version=version, name="モデル v1.0.1 (final).safetensors")
    weight = read_recommended(version, [], 0).weight
    assert prompt_of(version, file, weight) == "<lora:モデル v1.0.1 (final):0.7> word1, word2"


def test_the_page_s_score_says_what_was_found_line_by_line(db: None) -> None:
    shown = card(made(SETTINGS, PAGE))
    for words in (
        "How complete its page is: 79 %", "partly: Pictures can be made again 4 of 9 pictures",
        "partly: States its terms permissions as the upload form presets them",
        "yes: States trigger words inkline",
    ):  # fmt: skip
        assert words in shown.replace("\xa0", " "), words


def test_where_nobody_says_anything_the_card_says_so(db: None) -> None:
    shown = card(made(sheet=False))
    assert "0.8 Nobody says; this is the usual one" in shown
    assert "How complete" not in shown


def test_programs_get_the_same_with_its_evidence(client: Client, db: None) -> None:
    version = made({**SETTINGS, "weights": {"author": AUTHOR, **SETTINGS["weights"]}}, PAGE)
    told = client.get(f"/api/v1/versions/{version.pk}/recommended/").json()
    assert told["weight"] == {
        "source": "author", "min": 0.8, "default": 0.9, "max": 1.0, "count": 2,
        "wording": ["weight: 0.8-1.0"], "named_by": {},
    }  # fmt: skip
    assert [each["source"] for each in told["weights"]] == ["author", "pictures", "sheet"]
    assert told["settings"][0] == {
        "name": "sampler", "value": "Euler a", "min": None, "default": None, "max": None, "count": 4, "of": 5,
    }  # fmt: skip
    assert told["pictures"] == {"shown": 9, "told": 5, "reproducible": 4}
    assert told["page"]["score"] == 0.79
    assert [line["code"] for line in told["page"]["lines"]] == [line["code"] for line in PAGE["lines"]]  # type: ignore[index, union-attr]
    assert client.get("/api/v1/versions/999999/recommended/").status_code == 404


def test_the_card_costs_no_query_and_the_call_a_fixed_number(client: Client, db: None) -> None:
    version = made()
    Version.objects.filter(pk=version.pk).update(settings=SETTINGS, page=PAGE)

    def count(address: str) -> int:
        client.get(address)
        with CaptureQueriesContext(connection) as asked:
            assert client.get(address).status_code == 200
        return len(asked)

    page, call = f"/adapters/{version.adapter_id}/", f"/api/v1/versions/{version.pk}/recommended/"
    full = count(page), count(call)
    Version.objects.filter(pk=version.pk).update(settings={}, page={})
    assert (count(page), count(call)) == full
    assert full[1] <= 3


NAMES = (
    "weights", "author", "pictures", "default", "min", "max", "wording", "named_by", "value", "count", "of",
    "sampler", "cfg", "score", "lines", "code", "state", "found", "shown", "yes", "numbers", "low", "high",
)  # fmt: skip
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5) | st.sampled_from(NAMES),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5),
    max_leaves=12,
)


@given(
    settings=ANYTHING,
    page=ANYTHING,
    findings=st.lists(st.dictionaries(st.sampled_from(["code", "numbers"]), ANYTHING)),
)
@tries(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_another_kura_or_an_old_release_stored_is_no_failure(
    settings: Any, page: Any, findings: list[dict[str, Any]]
) -> None:
    version = Version(settings=settings, page=page, trigger_words=[])
    shown = show_recommended(read_recommended(version, findings, 3))
    assert re.fullmatch(r"-?\d+\.\d{1,2}", shown.weight.value)
