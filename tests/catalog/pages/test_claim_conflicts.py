"""What a reviewer is shown when a version's own claims contradict each other."""

from __future__ import annotations

import pytest
from django.template.loader import render_to_string

from catalog.pages.reading.evidence import show_checks
from registry.lineage_checks import assess_lineage
from registry.models import Check
from tests.factories import ALL_FLAGS, ClaimFactory, VersionFactory

pytestmark = [pytest.mark.database, pytest.mark.django_db]


def test_both_sides_of_the_conflict_stand_side_by_side_in_their_own_words() -> None:
    version = VersionFactory()
    flags = ClaimFactory(version=version, kind="civitai_flags", value=ALL_FLAGS, wording="{all open}")
    ban = {"forbidden": ["sell_adapter"], "contact": [], "credit": False, "licenses": []}
    ClaimFactory(
        version=version,
        kind="text_terms",
        value=ban,
        wording="<b>Do not sell it.</b>",
        snapshot=flags.snapshot,
    )
    assess_lineage(version)
    (shown,) = show_checks(Check.objects.filter(version=version, code="license_conflict"))
    assert shown.contested
    (conflict,) = shown.conflicts
    assert "which the author's words forbid" in conflict.title
    assert [clash.act for clash in conflict.acts] == ["sell_adapter"]
    assert conflict.stated[0][1:] == ("<b>Do not sell it.</b>", "{all open}")
    page = render_to_string("pages/_checks.html", {"checks": [shown]})
    assert "&lt;b&gt;Do not sell it.&lt;/b&gt;" in page and "The stricter side" in page
