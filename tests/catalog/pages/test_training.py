"""Training on the adapter page: trigger words with their source, scorecard, facts, tags behind a click."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from registry.models import Inspection, Version
from tests.catalog.pages.rows import make_adapter

pytestmark = pytest.mark.database


def read_as(version: Version, **changes: Any) -> None:
    """Change what the reader found in the version's file."""
    row = Inspection.objects.get(blob__files__version=version)
    row.data |= changes
    row.save()


def context(client: Client, version: Version, name: str) -> Any:
    return client.get(f"/adapters/{version.adapter_id}/").context[name]


def section(client: Client, version: Version) -> str:
    page = client.get(f"/adapters/{version.adapter_id}/").content.decode()
    return page.partition('id="training"')[2].partition('id="files"')[0]


def test_the_authors_words_are_shown_and_400_tags_stay_behind_a_click(client: Client, db: None) -> None:
    version = make_adapter("Momo", words=("momo", "pink hair"))
    tags = [{"tag": f"tag {number}", "count": 400 - number} for number in range(400)]
    found = [{"word": "momo", "source": "ss_tag_frequency folder"}, {"word": "1girl", "source": "x"}]
    read_as(version, training={"top_tags": tags, "distinct_tags": 400}, trigger_words=found)
    training = context(client, version, "training")
    assert [each.word for each in training.words] == ["momo", "pink hair"]
    assert [each.word for each in training.guesses] == ["1girl"]
    assert (len(training.tags), training.tag_count) == (400, 400)
    text = section(client, version)
    before, _, behind = text.partition("Training tags (400)")
    assert "tag 399" not in before
    assert "tag 399" in behind


def test_what_is_copied_is_the_tag_with_the_words_and_nothing_else(client: Client, db: None) -> None:
    version = make_adapter("Momo", words=("word1", "word2"))
    assert '<pre id="use-words">&lt;lora:momo:0.8&gt; word1, word2</pre>' in section(client, version)


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        (None, "from the author<"),
        ("modelspec.trigger_phrase", "from the author, in the file<"),
        ("ss_tag_frequency folder", "from the name of a training folder<"),
        ("ss_tag_frequency", "from a tag on nearly every picture<"),
    ],
)
def test_each_word_says_where_it_is_from(
    client: Client, version: Version, source: str | None, shown: str
) -> None:
    if source:
        read_as(version, trigger_words=[{"word": "INKLINE", "source": source}])
    assert shown in section(client, version)


def test_words_that_nobody_stated_are_offered_as_found(client: Client, db: None) -> None:
    version = make_adapter("Quiet", words=())
    read_as(version, trigger_words=[{"word": "ohwx", "source": "ss_tag_frequency folder"}])
    text = section(client, version)
    assert "Nobody stated any; these were found in the file (1)" in text
    assert 'data-copy="ohwx"' in text
    assert context(client, version, "usage").words == []


def test_what_is_not_stated_is_gray_and_never_a_warning(client: Client, version: Version) -> None:
    read_as(version, training={"steps": 2000, "learning_rate": 0.01, "optimizer_name": "AdamW"})
    score = context(client, version, "score")
    standing = {line.code: line.standing for line in score.lines}
    assert (standing["steps"], standing["learning_rate"]) == ("good", "high")
    assert {line.standing for line in score.silent} == {"not_stated"}
    text = section(client, version)
    listed = text.partition('<ul class="score">')[2].partition("</ul>")[0]
    for line in score.silent:
        assert f'<span class="strong">{line.label}</span>' not in listed
    assert "Not stated:" in text


def test_each_line_has_value_range_and_reason(client: Client, version: Version) -> None:
    read_as(version, training={"distinct_images": 24, "title": "ink style"})
    [line] = [line for line in context(client, version, "score").lines if line.code == "image_count"]
    assert (line.value, line.standing) == ("24", "good")
    text = section(client, version)
    assert line.range in text
    assert line.why in text


def test_a_file_that_says_nothing_is_not_blamed(client: Client, version: Version) -> None:
    assert "The file says nothing about its training" in section(client, version)


def test_facts_are_text_whatever_anybody_wrote_into_the_file(client: Client, version: Version) -> None:
    read_as(
        version,
        training={
            "title": "<script>alert(1)</script>",
            "network_args": {"conv_dim": "4", "deep": {"a": [1, None, True]}},
            "resolution": [512, 768],
            "started": 1e300,
            "finished": 1700000000,
            "comment": "x" * 5000,
        },
    )
    facts = {fact.label: fact.value for fact in context(client, version, "training").facts}
    assert facts["Resolution"] == "512 × 768"
    assert facts["Finished"] == "Nov. 14, 2023"
    assert "Started" not in facts
    assert len(facts["Comment"]) == 300
    text = section(client, version)
    assert "<script>" not in text
    assert re.search(r"&lt;script&gt;", text)
