"""The adapter page: verdict with reasons, use, download, rights, facts, files, checks, versions, history."""

from __future__ import annotations

import pytest
from django.test import Client

from catalog.pages.reading.adapter import download_of, read_adapter
from catalog.search import index
from registry.models import FileState, UpstreamIdentity, Version, Vetting
from tests.catalog.pages.rows import CLOSED_FLAGS, OPEN_FLAGS, make_adapter, make_file

pytestmark = pytest.mark.database


def show(client: Client, version: Version, **params: str) -> str:
    return client.get(f"/adapters/{version.adapter_id}/", params).content.decode()


def test_the_verdict_answers_the_chosen_act(client: Client, db: None) -> None:
    version = make_adapter("Closed", flags=CLOSED_FLAGS)
    private = client.get(f"/adapters/{version.adapter_id}/?act=use_privately")
    assert private.context["verdict"].outcome == "allowed"
    page = show(client, version, act="generate_and_sell_images")
    assert "At least one layer of terms forbids this." in page
    assert "The author did not tick this permission on Civitai." in page


def test_an_adapter_renamed_upstream_says_what_it_was_called_and_where(client: Client, db: None) -> None:
    version = make_adapter("wash-3", creator="mika")
    former = ["sora/<charcoal>", "mika/charcoal"]
    UpstreamIdentity.objects.create(
        adapter=version.adapter, source="huggingface", identity="65f0", former=former
    )
    page = show(client, version)
    assert "formerly mika/charcoal, sora/&lt;charcoal&gt;" in page
    assert "mika (formerly sora)" in page
    index().refresh([version.adapter_id])
    found = client.get("/browse/", {"q": "sora"}).content.decode()
    assert "wash-3" in found and "formerly mika/charcoal, sora/&lt;charcoal&gt;" in found
    plain = make_adapter("Never renamed")
    assert "formerly" not in show(client, plain)


def test_a_reason_cites_the_snapshot_it_rests_on(client: Client, db: None) -> None:
    version = make_adapter("Closed", flags=CLOSED_FLAGS)
    snapshot = version.claims.get().snapshot
    assert snapshot is not None
    assert snapshot.sha256 in show(client, version)


def test_what_decides_stands_first(client: Client, db: None) -> None:
    version = make_adapter("Closed", flags=CLOSED_FLAGS)
    reasons = client.get(f"/adapters/{version.adapter_id}/").context["reasons"]
    assert [each.deciding for each in reasons] == sorted((each.deciding for each in reasons), reverse=True)
    assert reasons[0].reason.layer.startswith("adapter")


def test_an_unknown_act_falls_back_to_the_usual_question(client: Client, version: Version) -> None:
    response = client.get(f"/adapters/{version.adapter_id}/?act=nonsense")
    assert response.context["act"].id == "generate_and_sell_images"


def test_every_act_has_a_row_in_the_rights_grid(client: Client, version: Version) -> None:
    rights = client.get(f"/adapters/{version.adapter_id}/").context["rights"]
    assert len(rights.rows) == 13
    assert rights.layers[0] == "base"
    for row in rights.rows:
        assert {cell.entry.layer for cell in row.cells if cell.entry} <= set(rights.layers)


def test_each_cell_of_the_grid_opens_what_it_names(client: Client, version: Version) -> None:
    page = show(client, version)
    rights = client.get(f"/adapters/{version.adapter_id}/").context["rights"]
    for row in rights.rows:
        for cell in row.cells:
            if cell.entry:
                assert f'popovertarget="{cell.ident}"' in page
                assert f'id="{cell.ident}" popover' in page


def test_the_lines_for_tools_are_ready_to_paste(client: Client, version: Version) -> None:
    usage = client.get(f"/adapters/{version.adapter_id}/").context["usage"]
    assert usage.prompt == "<lora:ink_lines:0.8> inkline"
    assert usage.comfyui == "ComfyUI/models/loras/ink_lines.safetensors"
    sha256 = version.files.get().blob_id
    assert f"http://testserver/api/v1/files/{sha256}/content" in usage.curl
    assert f"{sha256}  ink_lines.safetensors" in usage.curl


def test_the_newest_vetted_version_is_shown_unless_another_is_chosen(
    client: Client, version: Version
) -> None:
    newer = Version.objects.create(adapter=version.adapter, source_key="2", name="v2")
    assert client.get(f"/adapters/{version.adapter_id}/").context["page"].version == version
    chosen = client.get(f"/adapters/{version.adapter_id}/?version={newer.pk}")
    assert chosen.context["page"].version == newer


@pytest.mark.parametrize("bad", ["999999", "x", "-1", "٣", "9" * 40])
def test_a_version_that_is_not_there_is_not_found(client: Client, version: Version, bad: str) -> None:
    assert client.get(f"/adapters/{version.adapter_id}/", {"version": bad}).status_code == 404


def test_a_version_without_file_sheet_or_terms_still_has_a_page(client: Client, db: None) -> None:
    version = make_adapter("Bare", sheet=False)
    version.files.all().delete()
    page = show(client, version)
    assert "No sheet" in page
    assert "No file is stored" in page


@pytest.mark.parametrize(
    ("vetting", "title"),
    [
        (Vetting.WAITING, "Not vetted yet"),
        (Vetting.REJECTED, "Rejected"),
        (Vetting.QUARANTINED, "Quarantined"),
        (Vetting.WITHDRAWN, "Withdrawn"),
    ],
)
def test_only_vetted_bytes_are_offered(db: None, vetting: str, title: str) -> None:
    version = make_adapter("Some", flags=OPEN_FLAGS, vetting=vetting)
    state = download_of(read_adapter(version.adapter_id, None))
    assert (state.open, state.title) == (False, title)
    assert state.reason


def test_a_vetted_file_is_offered(version: Version) -> None:
    assert download_of(read_adapter(version.adapter_id, None)).open


def test_a_clean_file_is_preferred_to_a_quarantined_one(version: Version) -> None:
    version.files.update(state=FileState.QUARANTINED, reason="a pickle")
    clean = make_file(version, "Clean")
    main = read_adapter(version.adapter_id, None).main_file
    assert main is not None
    assert main.blob == clean


def test_a_disagreement_of_declared_and_detected_base_is_marked(client: Client, version: Version) -> None:
    version.detected_family = "flux1"
    version.save()
    base = client.get(f"/adapters/{version.adapter_id}/").context["page"].facts[0]
    assert base.conflict
    assert (base.declared, base.detected) == ("SDXL 1.0", "FLUX.1")


def test_the_description_is_text_never_markup(client: Client, version: Version) -> None:
    version.adapter.description = "<img src=x onerror=alert(1)>hello"
    version.adapter.save()
    page = show(client, version)
    assert "onerror" not in page
    assert "hello" in page
