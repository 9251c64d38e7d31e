"""Every recorded answer of Civitai parses to what it says; gates, files and fingerprints follow the rules."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from registry.models import ClaimKind
from registry.sources.civitai_files import access, remote_files
from registry.sources.civitai_listing import fingerprint, is_adapter, list_model, list_version
from registry.sources.json_slices import slices
from registry.sources.listing import ListedVersion, Listing, RawDocument, RemoteFile
from tests.registry.sources.civitai_golden import MODELS, Expected

RECORDED = Path(__file__).parents[2] / "data" / "civitai" / "recorded"
NOW = datetime(2026, 8, 20, tzinfo=UTC)


def recorded(name: str) -> Any:
    return json.loads((RECORDED / f"{name}.json").read_text(encoding="utf-8"))


def listing(model: dict[str, Any], **more: Any) -> Listing:
    document = RawDocument(f"https://civitai.com/api/v1/models/{model.get('id')}", json.dumps(model).encode())
    return list_model(document, model, **{"now": NOW} | more)


def claims(version: ListedVersion, kind: str) -> list[Any]:
    return [each for each in version.claims if each.kind == kind]


def test_the_table_knows_every_recorded_model() -> None:
    assert sorted(MODELS) == sorted(path.stem for path in RECORDED.glob("model_*.json"))


@pytest.mark.parametrize("name", sorted(MODELS))
def test_a_recorded_model_says_what_the_table_says(name: str) -> None:
    expected, model = MODELS[name], recorded(name)
    read = listing(model)
    assert (read.name, read.source_key) == (expected.name, str(model["id"]))
    assert read.creator == model["creator"]["username"]
    assert [version.source_key for version in read.versions] == list(expected.versions)
    for version in read.versions:
        (flags,) = claims(version, ClaimKind.CIVITAI_FLAGS)
        credit, uses, derivatives, different = expected.flags
        assert flags.value == {
            "allowNoCredit": credit,
            "allowCommercialUse": uses,
            "allowDerivatives": derivatives,
            "allowDifferentLicense": different,
        }
        assert flags.hints.get("flags_are_default", False) is expected.default
        assert [each.value["subject"] for each in claims(version, ClaimKind.RIGHTS)] == (
            [expected.shows] if expected.shows else []
        )
        _assert_version(version, expected.versions[str(version.source_key)])


def _assert_version(version: ListedVersion, expected: Expected) -> None:
    (base,) = claims(version, ClaimKind.BASE)
    assert base.value == version.declared_base == expected.base
    assert version.trigger_words[: len(expected.words)] == expected.words
    assert bool(version.trigger_words) == bool(expected.words)
    assert [(each.key, each.role, each.primary, each.about) for each in version.remote] == expected.files
    assert version.availability == expected.state
    weight = version.settings.get("weight")
    told = (weight["min"], weight["default"], weight["max"]) if weight else None
    assert (told, weight["source"] if weight else "") == (expected.weight, expected.source)


# --- Other recordings ---------------------------------------------------------------------------------------


def test_the_documented_list_item_is_a_checkpoint_with_its_flags() -> None:
    (item,) = recorded("docs_list_827184")["items"]
    assert not is_adapter(item)
    (version,) = listing(item).versions
    (flags,) = claims(version, ClaimKind.CIVITAI_FLAGS)
    assert flags.value["allowCommercialUse"] == ["Image", "RentCivit"]
    assert flags.hints["wire"] == "postgres"
    (file,) = version.remote
    # The sample's digests are cut short: none of them announces anything.
    assert (file.key, file.primary, file.sha256) == ("2402203", True, "")
    assert dict(file.hashes) == {"AutoV2": "A5F58EB1C3"}


@pytest.mark.parametrize(
    "name",
    ["docs_version_0", "modelversion_1050496", "modelversion_242807_RepoCivitaiVersionMetadata1"],
)
def test_a_version_alone_states_a_base_and_no_terms(name: str) -> None:
    """The endpoint of versions has no permission flags: what it says must never look like a permission."""
    version = recorded(name)
    document = RawDocument(f"https://civitai.com/api/v1/model-versions/{version['id']}", b"{}")
    read = list_version(document, {}, version, now=NOW)
    assert [each.kind for each in read.claims] == [ClaimKind.BASE]
    assert read.declared_base == version["baseModel"]


def test_the_recorded_hashes_of_a_version_are_announced_as_they_are() -> None:
    version = recorded("modelversion_1050496")
    (file,) = remote_files(version)
    assert file.sha256 == "21437ec26670e230b067ca936f6657caf5ca063f15aec333ef249bec7c0f0dc0"
    assert dict(file.hashes)["CRC32"] == "F8F2BE29"
    assert (file.key, file.name, file.about) == ("956231", "aeshteticv5.safetensors", 171969416)


def test_gates_of_2026_are_seen_though_the_version_says_public() -> None:
    timed, permanent, endless, free = recorded("versions_gated_2026-08")
    told = [access({}, each, NOW) for each in (timed, permanent, endless, free)]
    assert [(each.state, each.requires) for each in told] == [
        ("early_access", "early_access"),
        ("gated", "purchase"),
        ("gated", "purchase"),
        ("present", ""),
    ]
    assert told[0].until == datetime(2026, 8, 23, 20, 55, 59, 248000, tzinfo=UTC)
    assert access({}, timed, datetime(2026, 8, 24, tzinfo=UTC)).state == "present"


# --- Gates --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "version", "state"),
    [
        ({}, {}, "present"),
        ({"mode": None}, {"availability": "Public"}, "present"),
        ({"mode": "Archived"}, {"paidAccess": {"permanent": True}}, "archived"),
        ({"mode": "TakenDown"}, {}, "taken_down"),
        ({}, {"model": {"mode": "TakenDown"}}, "taken_down"),
        ({}, {"usageControl": "Generation"}, "gated"),
        ({}, {"usageControl": "Download"}, "present"),
        # As it was told until 2024: days from the publication.
        ({}, {"earlyAccessTimeFrame": 7, "publishedAt": "2026-08-15T00:00:00Z"}, "early_access"),
        ({}, {"earlyAccessTimeFrame": 7, "createdAt": "2026-08-15T00:00:00Z"}, "early_access"),
        ({}, {"earlyAccessTimeFrame": 7, "publishedAt": "2026-08-01T00:00:00Z"}, "present"),
        ({}, {"earlyAccessTimeFrame": 0, "publishedAt": "2026-08-19T00:00:00Z"}, "present"),
        ({}, {"availability": "EarlyAccess", "earlyAccessEndsAt": "2026-09-01T00:00:00Z"}, "early_access"),
        ({}, {"availability": "EarlyAccess", "earlyAccessEndsAt": "2026-08-01T00:00:00Z"}, "present"),
        ({}, {"availability": "EarlyAccess"}, "early_access"),
        # Null says that nothing is to be paid, whatever an older field still holds.
        ({}, {"paidAccess": None, "earlyAccessDeadline": "2026-09-01T00:00:00Z"}, "present"),
        ({}, {"earlyAccessDeadline": "2026-09-01T00:00:00Z"}, "early_access"),
        ({}, {"paidAccess": {"endsAt": "no date"}}, "gated"),
        ({}, {"paidAccess": {}}, "gated"),
    ],
)
def test_a_gate_of_any_year_is_seen(model: dict[str, Any], version: dict[str, Any], state: str) -> None:
    assert access(model, version, NOW).state == state


def test_the_end_of_an_early_access_changes_the_fingerprint() -> None:
    paid = {"permanent": False, "endsAt": "2026-08-23T00:00:00Z"}
    model = {"id": 1, "modelVersions": [{"id": 2, "paidAccess": paid}]}
    before, after = datetime(2026, 8, 22, tzinfo=UTC), datetime(2026, 8, 24, tzinfo=UTC)
    assert fingerprint(model, before) != fingerprint(model, after)


# --- Files --------------------------------------------------------------------------------------------------


def files(*told: dict[str, Any]) -> list[RemoteFile]:
    return remote_files({"id": 70, "files": list(told)})


def test_addresses_are_built_from_ids_whatever_was_announced(settings: Settings) -> None:
    settings.CIVITAI_API = "https://mirror.example/civitai/api/v1/"
    announced = [
        "https://undefined/api/download/models/70",
        "https://civitai.com/api/download/models/70?type=Model&format=SafeTensor&token=secret",
        "https://evil.example/file.safetensors",
        None,
    ]
    read = files(
        *({"id": at + 1, "name": "a.safetensors", "downloadUrl": url} for at, url in enumerate(announced))
    )
    start = "https://mirror.example/civitai/api/download/models/70"
    assert [each.url for each in read] == [
        f"{start}?fileId=1",
        f"{start}?type=Model&format=SafeTensor&fileId=2",
        f"{start}?fileId=3",
        f"{start}?fileId=4",
    ]


def test_a_linked_vae_keeps_the_version_that_it_belongs_to() -> None:
    url = "https://civitai.com/api/download/models/333"
    (vae,) = files({"id": 9, "name": "v.safetensors", "type": "VAE", "downloadUrl": url})
    assert vae.role == "vae" and "/models/333?" in vae.url and not vae.primary


@pytest.mark.parametrize(
    ("told", "primary"),
    [
        ([{"primary": True}, {}], "1"),
        ([{}, {"primary": True}], "2"),
        ([{}, {}], "1"),
        ([{"primary": True}, {"primary": True}], "1"),
        ([{"name": "a.ckpt", "primary": True}, {"primary": True}], "2"),
        ([{"name": "a.pt"}, {}], "2"),
        ([{"type": "Training Data", "primary": True}, {}], "2"),
    ],
)
def test_one_file_with_weights_is_primary_however_many_are_called_so(
    told: list[dict[str, Any]], primary: str
) -> None:
    read = files(*({"id": at + 1, "name": f"{at}.safetensors"} | each for at, each in enumerate(told)))
    assert [each.key for each in read if each.primary] == [primary]


@pytest.mark.parametrize("hashes", [None, {}, [], {"SHA256": ""}, {"SHA256": None}, {"SHA256": "AB" * 31}])
def test_a_file_without_hashes_announces_none(hashes: Any) -> None:
    (read,) = files({"id": 1, "name": "a.safetensors", "hashes": hashes})
    assert (read.sha256, dict(read.hashes).get("SHA256", "")) == (
        "",
        "AB" * 31 if "AB" in str(hashes) else "",
    )


def test_names_and_sizes_are_made_safe() -> None:
    read = files(
        {"id": 1, "name": "../../etc/passwd", "sizeKB": -3},
        {"id": 2, "name": "..\\evil\u202e.safetensors", "sizeKB": "big"},
        {"id": 3, "name": None, "sizeKB": 1.5},
        {"id": 3, "name": "twice.safetensors"},
        {"id": True, "name": ""},
    )
    assert [(each.key, each.name, each.about) for each in read] == [
        ("1", "passwd", None),
        ("2", "evil.safetensors", None),
        ("3", "70-3", 1536),
    ]


# --- Words and pages ----------------------------------------------------------------------------------------


def test_each_trained_word_is_one_word() -> None:
    read = listing(
        {"id": 1, "modelVersions": [{"id": 2, "trainedWords": ["a，b、c", "<lora:x:1>", "d (e, f)"]}]}
    )
    assert read.versions[0].trigger_words == ["a", "b", "c", "d (e, f)"]


def page(model: dict[str, Any]) -> dict[str, tuple[str, Any]]:
    read = listing(model).versions[0].page
    return {each["code"]: (each["state"], each["found"]) for each in read["lines"]}


def test_a_full_page_has_every_line() -> None:
    meta = {
        "prompt": "ink <lora:ink:0.8>", "seed": 1, "steps": 20, "sampler": "Euler", "cfgScale": 7,
        "Model": "dream_8",
    }  # fmt: skip
    first = {"id": 1, "publishedAt": "2024-01-01T00:00:00Z", "description": "<p>First.</p>"}
    second = {
        "id": 2,
        "publishedAt": "2024-02-01T00:00:00Z",
        "description": "<p>Cleaner lines than v1. Weight 0.7-0.9.</p>",
        "baseModel": "SD 1.5",
        "trainedWords": ["inkwash"],
        "files": [{"id": 3, "name": "ink.safetensors"}],
        "images": [{"url": "https://image.civitai.com/1.png", "meta": meta}],
    }
    model = {
        "id": 9, "modelVersions": [second, first], "allowNoCredit": False, "allowCommercialUse": ["Image"],
        "allowDerivatives": True, "allowDifferentLicense": True,
    }  # fmt: skip
    assert {code: state for code, (state, _) in page(model).items()} == {
        "version_differences": "yes",
        "samples_reproducible": "yes",
        "dependencies": "yes",
        "update_history": "yes",
        "trigger_words": "yes",
        "recommended_settings": "yes",
        "license": "yes",
    }
    read = listing(model)
    assert (read.versions[0].page["score"], read.versions[0].page["of"]) == (1.0, 7)
    assert page(model)["dependencies"][1]["checkpoints"] == ["dream_8"]


def test_an_empty_page_says_what_is_missing() -> None:
    found = page({"id": 9, "modelVersions": [{"id": 1}]})
    assert {code: state for code, (state, _) in found.items()} == {
        "version_differences": "not_applicable",
        "samples_reproducible": "no",
        "dependencies": "no",
        "update_history": "not_applicable",
        "trigger_words": "no",
        "recommended_settings": "no",
        "license": "no",
    }


def test_flags_as_the_form_presets_them_are_half_a_statement() -> None:
    model = {
        "id": 9, "modelVersions": [{"id": 1}], "allowNoCredit": True, "allowDerivatives": True,
        "allowDifferentLicense": True, "allowCommercialUse": ["Image", "RentCivit", "Rent", "Sell"],
    }  # fmt: skip
    assert page(model)["license"] == ("partly", {"flags_are_default": True})


def test_pictures_whose_parameters_were_not_asked_for_leave_settings_and_page_alone() -> None:
    """What an earlier, full answer gave must not be replaced by half of the evidence."""
    image = {"url": "https://image.civitai.com/1.png", "hasMeta": True}
    version = {"id": 1, "images": [image], "description": "weight 0.5"}
    (read,) = listing({"id": 9, "modelVersions": [version]}).versions
    assert (read.settings, read.page) == ({}, {})


# --- Anything -----------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


@given(data=st.data(), name=st.sampled_from(sorted(MODELS)))
def test_no_value_of_any_key_breaks_the_reader(data: st.DataObject, name: str) -> None:
    """A recorded model with any key of it, its versions, files or pictures replaced by any JSON at all."""
    model = recorded(name)
    objects = [model, *model["modelVersions"]]
    objects += [each for version in model["modelVersions"] for each in version.get("files", [])]
    target = data.draw(st.sampled_from(objects))
    target[data.draw(st.sampled_from(sorted(target)))] = data.draw(JSON)
    read = listing(model)
    for version in read.versions:
        json.dumps([version.settings, version.page])


@given(
    st.lists(JSON, max_size=5),
    st.dictionaries(st.text(max_size=8), JSON, max_size=3),
    st.sampled_from([None, 1]),
)
def test_slices_are_what_the_whole_answer_says(
    items: list[Any], others: dict[str, Any], indent: int | None
) -> None:
    """The standard library's reading of the whole is the oracle, for the values and for each slice."""
    others.pop("items", None)
    body = json.dumps({**others, "items": items}, indent=indent).encode()
    whole = json.loads(body)
    found, rest = slices(body, "items")
    assert repr([value for value, _ in found]) == repr(whole["items"])
    assert repr([json.loads(piece) for _, piece in found]) == repr(whole["items"])
    assert repr(rest) == repr({key: value for key, value in whole.items() if key != "items"})
    at = 0
    for _, piece in found:
        at = body.index(piece, at) + len(piece)


@pytest.mark.parametrize("cut", range(0, 40, 3))
def test_a_truncated_list_is_refused(cut: int) -> None:
    body = b'{"items": [{"id": 1}, {"id": 2}], "m": 1}'
    with pytest.raises(ValueError):
        slices(body[:cut], "items")
