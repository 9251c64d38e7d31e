"""What another Kura decided, and the paths a file is known under: shown to whoever may weigh them."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from registry.models import ClaimKind, File, ScannedPath, Source, TermsClaim, Version
from tests.catalog import build

pytestmark = [pytest.mark.database, pytest.mark.django_db]


def told(**changes: Any) -> dict[str, Any]:
    return {
        "address": "http://kura.example",
        "state": "approved",
        "at": "2026-11-20T10:00:00+00:00",
        "checks": [{"code": "sheet", "outcome": "todo"}, {"code": "pickle_free", "outcome": "ok"}],
        "verdicts": {"use_privately": ["allowed", []], "redistribute_adapter": ["forbidden", []]},
        "conclusions": [{"kind": "license", "value": "MIT"}],
        "base_decided": "sdxl-1-0",
        "source_url": "https://civitai.com/models/1",
    } | changes


def pulled(**changes: Any) -> Version:
    version = build.version(build.adapter("Ink", source=Source.KURA))
    TermsClaim.objects.create(
        version=version, kind=ClaimKind.PEER_VETTING, value=told(**changes), wording="x"
    )
    return version


def page_of(client: Client, version: Version) -> str:
    return client.get(f"/adapters/{version.adapter_id}/").content.decode()


def reviewer() -> Client:
    user = build.user("desk")
    user.user_permissions.add(Permission.objects.get(codename="add_review"))
    client = Client()
    client.force_login(user)
    return client


def test_a_reviewer_sees_what_another_kura_decided(client: Client) -> None:
    version = pulled()
    desk = reviewer()
    for page in (page_of(desk, version), desk.get(f"/review/{version.pk}/").content.decode()):
        assert "Vetting by another Kura" in page and "http://kura.example" in page
        assert "https://civitai.com/models/1" in page and "sdxl-1-0" in page


def test_a_version_that_came_from_elsewhere_shows_no_such_part(client: Client) -> None:
    assert "Vetting by another Kura" not in page_of(client, build.version("Ink"))


@pytest.mark.parametrize(
    "changes",
    [
        {"state": 7, "at": 7, "checks": 7, "verdicts": 7, "conclusions": 7, "address": None},
        {"state": "<b>", "at": "2026-13-45T00:00:00", "checks": [7], "verdicts": {"use_privately": 7}},
        {"verdicts": {"use_privately": [], "no_such_act": ["allowed", []]}, "conclusions": [[], {}]},
    ],
)
def test_a_note_of_another_shape_breaks_no_page(client: Client, changes: dict[str, Any]) -> None:
    page = page_of(client, pulled(**changes))
    assert "Vetting by another Kura" in page and "<b></span>" not in page


def test_the_paths_of_a_file_are_shown_to_known_readers_alone(client: Client) -> None:
    version = build.version("Ink")
    blob = File.objects.get(version=version).blob
    for number, name in enumerate(("/srv/loras/ink.safetensors", "/srv/old/<i>.safetensors")):
        ScannedPath.objects.create(key=f"{number:064x}", path=name, inode="1", size=1, mtime_ns=1, blob=blob)
    assert "/srv/loras" not in page_of(client, version)
    page = page_of(reviewer(), version)
    assert "/srv/loras/ink.safetensors" in page and "/srv/old/&lt;i&gt;.safetensors" in page


def test_a_digest_that_differs_from_the_announced_one_stands_beside_it(client: Client) -> None:
    version = build.version("Ink")
    assert "Announced SHA256" not in page_of(client, version)
    File.objects.filter(version=version).update(announced="ab" * 32)
    page = page_of(client, version)
    assert "Announced SHA256" in page and "ab" * 32 in page
