"""The NOTICE bundle: the same bytes every time, complete or saying what it lacks, checkable by digest."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from dataclasses import replace

from registry.licensing import AdapterTerms
from registry.licensing.outputs.notice import Bundle, LicenseText, notice_bundle
from tests.registry.licensing.outputs.stacked import BASE, GOLD, INK, PARTS, RAIL, SELL, decided

MERGE = "redistribute_derivative"
TEXTS = {"CC-BY-4.0": LicenseText("CC-BY-4.0", "Attribution 4.0 International\n...", "a package")}


def bundle(act: str = MERGE, texts: dict[str, LicenseText] | None = None) -> Bundle:
    return notice_bundle(decided(act), PARTS, act, TEXTS if texts is None else texts)


def files(made: Bundle) -> dict[str, str]:
    with zipfile.ZipFile(io.BytesIO(made.data)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name).decode() for name in archive.namelist()}


def test_two_bundles_of_one_stack_are_the_same_bytes() -> None:
    assert bundle().data == bundle().data
    other = notice_bundle(decided(MERGE), (BASE, replace(INK, weight=0.7), GOLD), MERGE, TEXTS)
    assert other.data != bundle().data


def test_every_file_is_in_the_manifest_and_the_sums_with_its_own_digest() -> None:
    made = bundle()
    found = files(made)
    manifest = json.loads(found["manifest.json"])
    listed = {file["path"]: file for file in manifest["files"]}
    assert set(listed) == set(found) - {"manifest.json", "SHA256SUMS"}
    for path, file in listed.items():
        data = found[path].encode()
        assert (file["sha256"], file["size"]) == (hashlib.sha256(data).hexdigest(), len(data))
    sums = {path: digest for digest, path in (line.split("  ") for line in found["SHA256SUMS"].splitlines())}
    assert set(sums) == set(found) - {"SHA256SUMS"}
    assert sums == dict(made.files)


def test_a_license_text_we_hold_is_in_it_and_one_we_lack_is_stated_with_its_address() -> None:
    made = bundle()
    found = files(made)
    assert found["licenses/CC-BY-4.0.txt"].startswith("Attribution 4.0 International")
    [missing] = made.missing
    assert (missing.license, missing.required) == (RAIL, True)
    assert missing.url in found["MISSING.txt"]
    assert "INCOMPLETE" in found["README.txt"]


def test_a_bundle_with_every_text_says_nothing_is_missing() -> None:
    made = bundle(texts={**TEXTS, RAIL: LicenseText(RAIL, "RAIL", "evidence")})
    found = files(made)
    assert made.missing == ()
    assert "MISSING.txt" not in found
    assert "INCOMPLETE" not in found["README.txt"]


def test_users_are_bound_to_the_restrictions_by_reference_to_the_clause() -> None:
    annex = files(bundle())["USER-TERMS.txt"]
    assert RAIL in annex
    assert "github.com/Stability-AI" in annex
    assert "USER-TERMS.txt" not in files(bundle(SELL))


def test_changes_state_what_was_merged_and_how_strongly() -> None:
    changes = files(bundle())["CHANGES.txt"]
    assert "Ink Lines v1.0: merged at weight 0.8" in changes
    assert "SDXL 1.0: modified by merging." in changes
    assert "passed on unchanged" in files(bundle("redistribute_adapter"))["CHANGES.txt"]


def test_the_credit_is_there_for_every_medium_and_language() -> None:
    found = files(bundle())
    assert {path for path in found if path.startswith("credit/")} == {
        *(
            f"credit/{medium}.{language}.txt"
            for medium in ("web", "print", "video")
            for language in ("en", "ja")
        ),
        *(f"credit/web.{language}.{kind}" for language in ("en", "ja") for kind in ("md", "html")),
        *(f"credit/video-description.{language}.txt" for language in ("en", "ja")),
    }


def test_a_bundle_for_what_is_not_cleared_says_so() -> None:
    verdict = decided(SELL, AdapterTerms("CC-BY-NC-4.0"))
    found = files(notice_bundle(verdict, (BASE, INK), SELL, {}))
    assert "The act is not cleared." in found["README.txt"]
    assert json.loads(found["verdict.json"])["outcome"] == "forbidden"


def test_the_verdict_in_it_cites_the_evidence() -> None:
    parts = json.loads(files(bundle())["verdict.json"])["parts"]
    assert parts[1]["evidence"] == list(INK.evidence)
    assert parts[1]["files"][0]["sha256"] == "ab" * 32
