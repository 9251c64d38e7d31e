"""What people paste for a repository on the Hub leads to it, and what is no repository is told so."""

from __future__ import annotations

import pytest
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from registry.errors import KuraError
from registry.sources.errors import ReferenceUnclear, SourceNotSupported
from registry.sources.huggingface_names import Reference, read_reference

SHA = "0123456789abcdef0123456789abcdef01234567"
SITE = "https://huggingface.co"


@pytest.mark.parametrize(
    ("told", "reference"),
    [
        ("hf:nerijs/pixel-art-xl", Reference("nerijs/pixel-art-xl")),
        ("hf:gpt2", Reference("gpt2")),
        ("hf:a/b@v1.0", Reference("a/b", "v1.0")),
        (f"hf:a/b@{SHA}", Reference("a/b", SHA)),
        ("hf:a/b@refs/pr/3:ink.safetensors", Reference("a/b", "refs/pr/3", "ink.safetensors")),
        ("hf:a/b:sub/ink (1).safetensors", Reference("a/b", "", "sub/ink (1).safetensors")),
        ("hf://a/b@refs%2Fpr%2F3/sub/ink.safetensors", Reference("a/b", "refs/pr/3", "sub/ink.safetensors")),
        ("hf://a/b", Reference("a/b")),
        (f"{SITE}/a/b", Reference("a/b")),
        (f"{SITE}/a/b/", Reference("a/b")),
        (f"{SITE}/a/b?library=diffusers#usage", Reference("a/b")),
        ("https://hf.co/a/b/tree/main", Reference("a/b", "main")),
        (f"{SITE}/a/b/tree/main/sub", Reference("a/b", "main")),
        (f"{SITE}/a/b/blob/main/ink.safetensors", Reference("a/b", "main", "ink.safetensors")),
        (
            f"{SITE}/a/b/resolve/main/ink%20wash.safetensors?download=true",
            Reference("a/b", "main", "ink wash.safetensors"),
        ),
        (
            f"{SITE}/a/b/resolve/refs%2Fpr%2F3/ink.safetensors",
            Reference("a/b", "refs/pr/3", "ink.safetensors"),
        ),
        (f"{SITE}/a/b/blob/refs/pr/3/ink.safetensors", Reference("a/b", "refs/pr/3", "ink.safetensors")),
        (f"{SITE}/a/b/commit/{SHA}", Reference("a/b", SHA)),
        (f"{SITE}/api/models/a/b", Reference("a/b")),
        (f"{SITE}/api/models/a/b/revision/v1", Reference("a/b", "v1")),
        (f"{SITE}/a/tree", Reference("a/tree")),
    ],
)
def test_an_address_names_repository_revision_and_file(told: str, reference: Reference) -> None:
    assert read_reference(told) == reference


@pytest.mark.parametrize(
    "told",
    [
        "hf:",
        "hf:a/b/c",
        "hf:../b",
        "hf:a--b/c",
        "hf:a/b.",
        "hf:a/b:../../etc/passwd",
        f"{SITE}/mika",
        "https://example.com/a/b",
    ],
)
def test_what_names_no_repository_is_refused(told: str) -> None:
    with pytest.raises(ReferenceUnclear):
        read_reference(told)


@pytest.mark.parametrize(
    "told", [f"{SITE}/datasets/a/b", f"{SITE}/spaces/a/b", f"{SITE}/docs/hub", f"{SITE}/"]
)
def test_other_things_on_the_hub_are_told_apart(told: str) -> None:
    with pytest.raises(SourceNotSupported):
        read_reference(told)


def test_addresses_on_the_mirror_of_the_settings_count(settings: Settings) -> None:
    settings.HF_ENDPOINT = "https://mirror.example/hub"
    assert read_reference("https://mirror.example/hub/a/b/tree/v1") == Reference("a/b", "v1")


@given(st.text(max_size=60))
def test_whatever_is_written_gives_a_reference_or_one_clear_error(told: str) -> None:
    for source in (f"hf:{told}", f"{SITE}/{told}"):
        try:
            reference = read_reference(source)
        except KuraError as error:
            assert error.next_step
        else:
            assert ".." not in reference.path.split("/")


@given(st.from_regex(r"\A[\w.-]{1,12}(/[\w.-]{1,12})?\Z"))
def test_a_name_is_taken_only_if_the_official_client_takes_it(repo: str) -> None:
    try:
        taken = read_reference(f"hf:{repo}").repo
    except KuraError:
        return
    try:
        validate_repo_id(taken)
    except HFValidationError as error:
        pytest.fail(f"{taken}: {error}")
