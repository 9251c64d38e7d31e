"""What a page does not list and is no less there: versions of other revisions, files that are no versions."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from django.core.management import call_command

from registry.models import Version
from tests.registry.sources.hub_fixture import CARD, hub
from tests.registry.weight_files import write_lora
from tests.upstreams.hub import HubServer

__all__ = ["hub"]

pytestmark = [
    pytest.mark.database,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("blobs", "seeded", "lineage_folder"),
]


def take_in(source: str) -> None:
    call_command("ingest", source, "--json", stdout=io.StringIO(), stderr=io.StringIO())


def states() -> list[str]:
    return list(Version.objects.order_by("pk").values_list("availability", flat=True))


def test_a_version_of_another_revision_is_not_missed_on_the_default_branch(
    hub: HubServer, tmp_path: Path
) -> None:
    old, new = (write_lora(tmp_path / f"{seed}.safetensors", seed=seed) for seed in (1, 2))
    hub.add("mika/ink", {"README.md": CARD, "ink.safetensors": old})
    first = hub.repos["mika/ink"].at("main")
    assert first
    hub.push("mika/ink", {"ink.safetensors": new})
    take_in(f"hf:mika/ink@{first.sha}")
    take_in("hf:mika/ink")
    take_in("hf:mika/ink")
    assert states() == ["present", "present"]


def test_a_file_that_is_no_version_by_the_page_is_not_missed(hub: HubServer, tmp_path: Path) -> None:
    main, early = (write_lora(tmp_path / f"{seed}.safetensors", seed=seed) for seed in (1, 2))
    saved = "checkpoint-500/ink.safetensors"
    hub.add("mika/ink", {"README.md": CARD, "ink.safetensors": main, saved: early})
    take_in(f"hf:mika/ink:{saved}")
    take_in("hf:mika/ink")
    assert states() == ["present", "present"]
    hub.push("mika/ink", {saved: None})
    take_in("hf:mika/ink")
    assert states() == ["not_found", "present"]
