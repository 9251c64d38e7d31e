"""The weights on the adapter page: chart, sentences, presets, and every state before there are numbers."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from registry.analysis import ANALYZE_JOB, request_analysis
from registry.models import Analysis, AnalysisState, FileState, Job, JobState, Version
from tests.catalog.pages.rows import make_analysis

pytestmark = pytest.mark.database


def show(client: Client, version: Version) -> Any:
    return client.get(f"/adapters/{version.adapter_id}/?version={version.pk}")


def section(client: Client, version: Version) -> str:
    page: str = show(client, version).content.decode()
    return page.partition('id="weights"')[2].partition('id="training"')[0]


@pytest.fixture
def analysis(version: Version) -> Analysis:
    """What was measured in the version's file."""
    return make_analysis(version.files.get().blob)


def test_the_highest_bar_is_the_strongest_block_and_the_others_are_to_scale(
    client: Client, version: Version, analysis: Analysis
) -> None:
    bars = {bar.name: bar for bar in show(client, version).context["weights"].bars}
    assert bars["OUT03"].height == "100.00%"
    assert bars["OUT05"].height == "75.00%"
    for bar in bars.values():
        assert float(bar.top[:-1]) + float(bar.height[:-1]) == pytest.approx(100)


def test_each_bar_can_be_chosen_and_tells_its_numbers_without_script(
    client: Client, version: Version, analysis: Analysis
) -> None:
    page = section(client, version)
    assert page.count('type="radio" name="block"') == 6
    tips = re.sub(r"<[^>]+>", "", page)
    assert "OUT03 40 % · 12 modules · norm 4.00 · effective rank 6.0" in tips.replace("\xa0", " ")
    assert "OUT11 no change" in tips


def test_a_table_holds_every_number_of_the_chart(
    client: Client, version: Version, analysis: Analysis
) -> None:
    table = section(client, version).partition("<table")[2].partition("</table>")[0]
    for block in analysis.data["blocks"]:
        assert f'<th scope="row">{block["name"]}</th>' in table


def test_sentences_name_the_part_and_the_three_strongest_blocks(
    client: Client, version: Version, analysis: Analysis
) -> None:
    text = section(client, version).replace("\xa0", " ")
    assert "Most of the change sits in one part: Output blocks, 70 %." in text
    assert "Strongest blocks: OUT03 (40 %), OUT05 (30 %), IN04 (15 %)." in text


def test_a_part_below_half_is_not_called_most_of_it(client: Client, version: Version) -> None:
    profile = [{"part": "IN", "share": 0.3}, {"part": "MID", "share": 0.3}, {"part": "OUT", "share": 0.4}]
    make_analysis(version.files.get().blob, profile=profile)
    text = section(client, version)
    assert "Most of the change" not in text
    assert "The largest part of the change: Output blocks" in text


def test_how_much_of_the_rank_is_used_is_said_in_words(
    client: Client, version: Version, analysis: Analysis
) -> None:
    assert "Of rank 16 about 6 carry the change; a smaller rank would hold most of it." in section(
        client, version
    )


def test_a_preset_is_copied_as_one_tag(client: Client, version: Version, analysis: Analysis) -> None:
    [preset] = show(client, version).context["weights"].presets
    assert preset.tag == "<lora:ink_lines:1:lbw=1,0.3,1>"
    shown = re.search(r'<pre class="vector" id="preset-1">(.*?)</pre>', section(client, version))
    assert shown is not None
    # A browser copies the text without the places where the line may break.
    assert shown[1].replace("<wbr>", "") == "&lt;lora:ink_lines:1:lbw=1,0.3,1&gt;"


def test_what_depends_on_the_base_says_so(client: Client, version: Version) -> None:
    make_analysis(version.files.get().blob, needs_base=True)
    assert "depends on the base model" in section(client, version)


def test_an_adapter_of_zeros_has_no_chart_and_says_why(client: Client, version: Version) -> None:
    names = [f"module_{number}" for number in range(20)]
    blocks = [{"name": "IN01", "modules": 400, "frobenius": 0.0, "spectral": 0.0, "share": 0.0}]
    blob = version.files.get().blob
    make_analysis(blob, blocks=blocks, profile=[], zero=names, zero_count=400, frobenius=0.0)
    text = section(client, version)
    assert "It changes nothing" in text
    assert "400 modules are zero" in text
    assert 'name="block"' not in text


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"blocks": None, "profile": "x", "presets": [1], "effective_rank": 3},
        {"blocks": [{"name": 1, "share": "much"}, 7], "frobenius": "?", "modules": None},
    ],
)
def test_numbers_of_another_edition_never_break_the_page(
    client: Client, version: Version, broken: dict[str, Any]
) -> None:
    blob = version.files.get().blob
    Analysis.objects.create(blob=blob, edition="old", state=AnalysisState.DONE, data=broken)
    assert show(client, version).status_code == 200


def test_what_nobody_measured_names_the_command_that_does(client: Client, version: Version) -> None:
    assert f"manage.py analyze {version.pk}" in section(client, version)


@pytest.mark.parametrize(("running", "text"), [(False, "as soon as it is free"), (True, "A worker is at it")])
def test_waiting_says_what_is_waited_for(client: Client, version: Version, running: bool, text: str) -> None:
    request_analysis(version)
    if running:
        now = timezone.now()
        jobs = Job.objects.filter(kind=ANALYZE_JOB)
        jobs.update(state=JobState.RUNNING, worker="w", lease_until=now, started=now)
    assert text in section(client, version)


def test_a_failure_is_told_with_its_code_and_hurts_nothing_else(client: Client, version: Version) -> None:
    Analysis.objects.create(
        blob=version.files.get().blob,
        edition="1",
        state=AnalysisState.FAILED,
        code="no_modules",
        message="The file holds no module.",
    )
    text = section(client, version)
    assert "The file holds no module." in text
    assert "no_modules" in text


def test_a_file_in_quarantine_is_not_asked_about(client: Client, version: Version) -> None:
    version.files.update(state=FileState.QUARANTINED, reason="a pickle")
    assert "never opened" in section(client, version)


def test_in_japanese_svg_numbers_stay_as_svg_needs_them(
    client: Client, version: Version, analysis: Analysis
) -> None:
    client.cookies["django_language"] = "ja"
    assert re.search(r'y="25.00%" width="100%" height="75.00%"', section(client, version))
