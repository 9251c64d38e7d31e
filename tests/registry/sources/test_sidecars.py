"""Sidecars and cards: what they say is read, and nothing in them can break the reader."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.errors import KuraError
from registry.models import ClaimKind
from registry.sources.cards import read_card
from registry.sources.documents import front_matter
from registry.sources.errors import SidecarUnreadable
from registry.sources.listing import RawDocument, Reading
from registry.sources.sidecars import KINDS, Beside
from registry.sources.text import identifier, json_value, line, moment, plain, text, words
from tests.registry.weight_files import civitai_info

BY_SUFFIX = {kind.suffix: kind.read for kind in KINDS}
RECORDED = Path(__file__).parents[2] / "data" / "civitai"
BESIDE = Beside("ink.safetensors", lambda: "ab" * 32)


def document(value: object) -> RawDocument:
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return RawDocument("file:ink.civitai.info", body)


def read(suffix: str, value: object) -> Reading:
    return BY_SUFFIX[suffix](document(value), BESIDE)


def claim(reading: Reading, kind: str) -> Any:
    return next(each for each in reading.claims if each.kind == kind).value


def test_a_civitai_info_tells_model_version_base_and_permissions() -> None:
    reading = read(".civitai.info", civitai_info(706978, 1050496))
    assert (reading.source, reading.adapter_key, reading.version_key) == ("civitai", "706978", "1050496")
    assert reading.url == "https://civitai.com/models/706978"
    assert (reading.name, reading.creator, reading.base) == ("Ink wash", "mika", "SD 1.5")
    assert reading.trigger_words == ["inkwash", "brush"]
    assert reading.notes == "first"
    assert reading.published == datetime(2024, 11, 11, 11, 49, 42, 64000, tzinfo=UTC)
    flags = claim(reading, ClaimKind.CIVITAI_FLAGS)
    assert flags["allowCommercialUse"] == ["Image", "RentCivit", "Rent", "Sell"]


@pytest.mark.parametrize(
    ("wire", "uses"),
    [
        (["Image", "Rent"], ["Image", "Rent"]),
        ("{Image,RentCivit}", ["Image", "RentCivit"]),
        ("{}", []),
        ([], []),
        (["None"], []),
        ("None", []),
        ("Rent", ["Image", "RentCivit", "Rent"]),
        ("Sell", ["Image", "RentCivit", "Rent", "Sell"]),
        (["Sell", "SomethingNewer"], ["Sell"]),
    ],
)
def test_commercial_use_is_read_in_every_shape_the_wire_has_had(wire: object, uses: list[str]) -> None:
    info = civitai_info()
    info["model"]["allowCommercialUse"] = wire
    assert claim(read(".civitai.info", info), ClaimKind.CIVITAI_FLAGS)["allowCommercialUse"] == uses


@pytest.mark.parametrize("wire", [7, {"Image": True}, "whatever", [["Sell"]]])
def test_a_shape_nobody_knows_is_stated_but_not_recognized(wire: object) -> None:
    info = civitai_info()
    info["model"]["allowCommercialUse"] = wire
    assert claim(read(".civitai.info", info), ClaimKind.CIVITAI_FLAGS) is None


@pytest.mark.parametrize("path", sorted(RECORDED.glob("*.json")), ids=lambda path: path.stem)
def test_recorded_models_of_every_era_tell_base_and_permissions(path: Path) -> None:
    model = json.loads(path.read_text(encoding="utf-8"))
    version = model["modelVersions"][0]
    reading = read(".civitai.info", model | {"modelVersions": [version]})
    assert (reading.adapter_key, reading.version_key) == (str(model["id"]), str(version["id"]))
    assert reading.base == version["baseModel"]
    assert claim(reading, ClaimKind.CIVITAI_FLAGS)["allowCommercialUse"] is not None


def test_a_missing_permission_is_not_a_grant() -> None:
    info = civitai_info()
    del info["model"]["allowCommercialUse"]
    assert claim(read(".civitai.info", info), ClaimKind.CIVITAI_FLAGS)["allowCommercialUse"] is None


def test_a_version_object_without_permissions_claims_none() -> None:
    info = civitai_info(model={"name": "Ink wash", "type": "LORA"}, modelId=5)
    kinds = {each.kind for each in read(".civitai.info", info).claims}
    assert ClaimKind.CIVITAI_FLAGS not in kinds


def test_a_whole_model_object_is_searched_for_the_version_with_this_file() -> None:
    first = {"id": 1, "name": "v1", "baseModel": "SDXL 1.0", "files": [{"name": "other.safetensors"}]}
    second = {"id": 2, "name": "v2", "baseModel": "SD 1.5", "files": [{"hashes": {"SHA256": "AB" * 32}}]}
    model = {"id": 9, "name": "Ink", "allowNoCredit": False, "modelVersions": [first, second]}
    reading = read(".civitai.info", model)
    assert (reading.adapter_key, reading.version_key, reading.base) == ("9", "2", "SD 1.5")


def test_a_real_person_raises_the_question_of_rights() -> None:
    info = civitai_info()
    info["model"]["poi"] = True
    rights = claim(read(".civitai.info", info), ClaimKind.RIGHTS)
    assert rights == {"subject": "person", "state": "unknown"}


def test_a_character_tag_raises_the_question_of_rights() -> None:
    info = civitai_info()
    info["model"]["tags"] = ["anime", "Character"]
    assert claim(read(".civitai.info", info), ClaimKind.RIGHTS)["subject"] == "character"


def test_a_lora_manager_file_is_read_through_its_civitai_object() -> None:
    outer = {"model_name": "mine", "base_model": "SDXL 1.0", "civitai": civitai_info(7, 8), "tags": ["x"]}
    reading = read(".metadata.json", outer)
    assert (reading.adapter_key, reading.base, reading.name) == ("7", "SD 1.5", "Ink wash")


def test_a_lora_manager_file_without_civitai_still_names_its_base() -> None:
    reading = read(".metadata.json", {"model_name": "mine", "base_model": "SDXL 1.0", "civitai": {}})
    assert (reading.source, reading.name, reading.base) == ("", "mine", "SDXL 1.0")
    assert not any(each.kind == ClaimKind.CIVITAI_FLAGS for each in reading.claims)


def test_a_stability_matrix_file_is_read() -> None:
    reading = read(
        ".cm-info.json",
        {"ModelId": 12, "VersionId": 34, "ModelName": "Ink", "BaseModel": "SD 1.5", "TrainedWords": ["ink"]},
    )
    assert (reading.adapter_key, reading.version_key, reading.trigger_words) == ("12", "34", ["ink"])


def test_a_card_gives_license_base_trigger_and_pictures() -> None:
    card = b"""---
license: other
license_name: flux-1-dev-non-commercial-license
base_model: black-forest-labs/FLUX.1-dev
instance_prompt: TOK, in the style of
tags: [lora, text-to-image, ink]
widget:
- text: a cat
  output: {url: images/cat.png}
---
# Ink [LoRA](x)

Body.
"""
    reading = read_card(RawDocument("file:README.md", card))
    assert reading is not None
    assert claim(reading, ClaimKind.LICENSE) == "flux-1-dev-nc-1.1.1"
    assert (reading.base, reading.name, reading.description) == (
        "black-forest-labs/FLUX.1-dev",
        "Ink LoRA",
        "Body.",
    )
    assert reading.trigger_words == ["TOK", "in the style of"]
    assert reading.tags == ["ink"]
    assert reading.pictures == [("images/cat.png", {"prompt": "a cat"})]


def test_several_licenses_in_a_card_name_none() -> None:
    reading = read_card(RawDocument("file:README.md", b"---\nlicense: [mit, cc-by-nc-4.0]\n---\n"))
    assert reading is not None
    assert claim(reading, ClaimKind.LICENSE) is None


@pytest.mark.parametrize("body", [b"# Just a readme\n", b"", b"---\nnever closed\n"])
def test_a_readme_without_front_matter_is_no_card(body: bytes) -> None:
    assert read_card(RawDocument("file:README.md", body)) is None


def test_windows_line_ends_and_a_byte_order_mark_are_accepted() -> None:
    data, body = front_matter(RawDocument("file:README.md", b"\xef\xbb\xbf---\r\nlicense: mit\r\n---\r\nHi"))
    assert (data, body) == ({"license": "mit"}, "Hi")


def test_scalars_stay_what_the_author_typed() -> None:
    data, _ = front_matter(RawDocument("file:README.md", b"---\na: no\nb: 2024-13-45\nc: 1.0\n---\n"))
    assert data == {"a": "no", "b": "2024-13-45", "c": "1.0"}


@pytest.mark.parametrize("body", [b"---\n: [\n---\n", b"---\n{[}\n---\n", b"---\n? - [\n---\n"])
def test_a_card_that_is_not_yaml_has_a_code(body: bytes) -> None:
    with pytest.raises(SidecarUnreadable):
        read_card(RawDocument("file:README.md", body))


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b"1" * 10_000])
@pytest.mark.parametrize("suffix", BY_SUFFIX)
def test_what_is_not_a_json_object_has_a_code(suffix: str, body: bytes) -> None:
    with pytest.raises(SidecarUnreadable):
        read(suffix, body)


# --- Anything at all ----------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
FIELDS = st.sampled_from(
    [
        *("id", "modelId", "name", "baseModel", "trainedWords", "publishedAt", "description", "model"),
        *("creator", "images", "files", "modelVersions", "civitai", "tags", "ModelId", "Tags", "BaseModel"),
        *("TrainedWords", "allowCommercialUse", "allowNoCredit", "poi", "hashes", "username", "url", "meta"),
    ]
)
OBJECTS = st.recursive(
    st.dictionaries(FIELDS, JSON, max_size=8),
    lambda inner: st.dictionaries(FIELDS, JSON | inner | st.lists(inner, max_size=3), max_size=8),
    max_leaves=6,
)


def assert_storable(value: Any) -> None:
    """PostgreSQL takes it as text, as an array or as JSON, within the columns' lengths."""
    if isinstance(value, str):
        assert "\x00" not in value
        value.encode("utf-8")
    elif isinstance(value, dict):
        for key, item in value.items():
            assert_storable(key)
            assert_storable(item)
    elif isinstance(value, list | tuple):
        for item in value:
            assert_storable(item)


@given(OBJECTS, st.sampled_from(sorted(BY_SUFFIX)))
def test_no_json_object_breaks_a_reader(value: dict[str, Any], suffix: str) -> None:
    reading = read(suffix, value)
    assert len(reading.name) <= 300 and len(reading.version_name) <= 200 and len(reading.base) <= 300
    assert all(len(word) <= 300 for word in reading.trigger_words)
    assert all(len(tag) <= 100 for tag in reading.tags)
    for name in (
        "name",
        "version_name",
        "creator",
        "url",
        "description",
        "notes",
        "tags",
        "trigger_words",
        "base",
    ):
        assert_storable(getattr(reading, name))
    for each in reading.claims:
        assert_storable(json_value(each.value))
        assert_storable(each.wording)


@given(st.binary(max_size=400))
def test_no_bytes_break_the_card_reader(body: bytes) -> None:
    try:
        read_card(RawDocument("file:README.md", b"---\n" + body + b"\n---\n# x\n"))
    except KuraError as error:
        assert error.code in {"sidecar_unreadable", "sidecar_too_large"}


@given(st.dictionaries(st.sampled_from(["license", "base_model", "tags", "instance_prompt", "widget"]), JSON))
def test_no_front_matter_breaks_the_card_reader(value: dict[str, Any]) -> None:
    # Every JSON document is a YAML document.
    body = f"---\n{json.dumps(value)}\n---\n".encode()
    try:
        reading = read_card(RawDocument("file:README.md", body))
    except SidecarUnreadable:
        return
    assert reading is not None
    assert_storable([reading.base, reading.tags, reading.trigger_words, reading.description])


@given(st.text(max_size=300))
def test_cleaned_text_can_be_stored_whatever_it_was(raw: str) -> None:
    for cleaned in (line(raw, 50), text(raw, 50), plain(raw, 50), *words(raw)):
        assert_storable(cleaned)
    assert len(line(raw, 50)) <= 50 and "\n" not in line(raw, 50)
    assert len(plain(raw, 50)) <= 50


@given(JSON)
def test_json_values_can_be_stored_whatever_they_were(value: Any) -> None:
    cleaned = json_value(value)
    assert_storable(cleaned)
    json.dumps(cleaned, allow_nan=False)


def test_html_becomes_plain_text() -> None:
    assert plain("<p>One &amp; two</p><script>alert(1)</script><ul><li>a</li></ul>") == "One & two\n\na"


def test_trigger_words_keep_commas_in_brackets() -> None:
    assert words("a (b, c), <lora:x:1>, d") == ["a (b, c)", "<lora:x:1>", "d"]


@pytest.mark.parametrize("value", [True, 0, -3, 1.5, "x", "1e5", "12345678901234567890", None, [1]])
def test_what_is_not_an_id_is_none(value: object) -> None:
    assert identifier(value) == ""


@pytest.mark.parametrize("value", ["", "yesterday", "2024-13-01", 7, None, "9" * 50])
def test_what_is_not_a_time_is_none(value: object) -> None:
    assert moment(value) is None
