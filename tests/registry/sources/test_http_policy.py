"""Who may be asked, and with which token: the policy of the settings, without a network."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from config.env import ConfigError
from config.upstreams import per_host_numbers, upstream_tokens, upstream_user_agent
from registry.sources.http import Credentials, credentials_for
from registry.sources.transport.policy import current_policy, without_secrets, without_tokens
from registry.sources.upstream_errors import BadAddress, HostNotAllowed, InsecureAddress


@pytest.mark.parametrize(
    "url",
    [
        "https://civitai.com/api/v1/models",
        "https://CIVITAI.com./api",
        "https://civitai.com:443/api",
        "https://www.civitai.red/models/1",
        "https://image.civitai.com/a/b.jpeg",
        "https://huggingface.co/api/models",
    ],
)
def test_the_usual_upstreams_may_be_asked(url: str) -> None:
    assert current_policy().check(url).scheme == "https"


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/",
        "https://civitai.com.example.org/",
        "https://notcivitai.com/",
        "https://civitai.com@example.org/",
        "https://civitai.com:8443/",
        "https://example.org/#civitai.com",
        "https://127.0.0.1/",
        "https://2130706433/",
        "https://[::1]/",
        # Where files lie: only a redirect leads there.
        "https://bucket.r2.cloudflarestorage.com/a",
    ],
)
def test_no_other_host_may_be_asked(url: str) -> None:
    with pytest.raises(HostNotAllowed):
        current_policy().check(url)


@pytest.mark.parametrize(
    "url", ["", "file:///etc/passwd", "ftp://civitai.com/", "https://", "https://[/", "a b"]
)
def test_what_is_no_web_address_is_refused(url: str) -> None:
    with pytest.raises(BadAddress):
        current_policy().check(url)


def test_a_mirror_is_a_matter_of_settings(settings: Settings) -> None:
    mirror = "https://civitai.mirror.example/api/v1/models"
    with pytest.raises(HostNotAllowed):
        current_policy().check(mirror)
    settings.UPSTREAM_HOSTS = ["civitai.mirror.example"]
    assert current_policy().check(mirror).hostname == "civitai.mirror.example"
    with pytest.raises(HostNotAllowed):
        current_policy().check("https://civitai.com/")


def test_plain_http_is_for_machines_of_ones_own(settings: Settings) -> None:
    with pytest.raises(InsecureAddress):
        current_policy().check("http://civitai.com/")
    settings.UPSTREAM_PRIVATE_HOSTS = ["kura.lan:8000", "store.lan", "[fd00::5]:*"]
    for url in ("http://kura.lan:8000/", "http://store.lan/", "https://store.lan/", "http://[fd00::5]:9/"):
        current_policy().check(url)
    for url in ("http://kura.lan/", "http://store.lan:8000/", "http://sub.store.lan/"):
        with pytest.raises(HostNotAllowed):
            current_policy().check(url)


def test_an_upstream_may_redirect_to_its_files_and_not_into_the_lan(settings: Settings) -> None:
    settings.UPSTREAM_PRIVATE_HOSTS = ["kura.lan"]
    policy = current_policy()
    policy.check("https://b.r2.cloudflarestorage.com/a", redirected_from="https://civitai.com/")
    policy.check("http://kura.lan/b", redirected_from="http://kura.lan/a")
    with pytest.raises(HostNotAllowed):
        policy.check("http://kura.lan/", redirected_from="https://civitai.com/")


def test_each_token_belongs_to_its_hosts(settings: Settings) -> None:
    settings.UPSTREAM_TOKENS = upstream_tokens(
        "kura.lan:8000=for-the-lan",
        civitai=("for-civitai", ("civitai.com", "civitai.red")),
        hub=("", ("hf.co",)),
    )
    found = credentials_for("https://civitai.red/api/v1/models")
    assert found is not None and found.token == "for-civitai"
    assert found.covers("https://civitai.com/") and not found.covers("https://image.civitai.com/")
    assert not found.covers("http://civitai.com:8000/")
    lan = credentials_for("http://kura.lan:8000/api/v1/adapters/")
    assert lan is not None and lan.token == "for-the-lan"
    assert credentials_for("https://hf.co/") is None
    assert "for-" not in repr([found, lan])


@pytest.mark.parametrize("raw", ["secret-token", "civitai.com=", "=secret-token"])
def test_a_bad_list_of_tokens_is_refused_without_showing_them(raw: str) -> None:
    with pytest.raises(ConfigError) as refused:
        upstream_tokens(raw)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("raw", [["civitai.com"], ["civitai.com=0"], ["civitai.com=many"]])
def test_a_number_for_a_host_is_a_number(raw: list[str]) -> None:
    with pytest.raises(ConfigError):
        per_host_numbers("UPSTREAM_HOST_REQUESTS_PER_MINUTE", raw)


@pytest.mark.parametrize("contact", ["https://operations.example", "https://knowledge.example", "a\nb", "蔵"])
def test_a_user_agent_that_looks_like_a_browsers_is_refused(contact: str) -> None:
    # "operations" has opera in it, "knowledge" edge: Civitai would answer with pages.
    with pytest.raises(ConfigError):
        upstream_user_agent("0.1.0", contact)
    assert upstream_user_agent("0.1.0", "https://kura.example") == "Kura/0.1.0 (+https://kura.example)"


def test_what_is_stored_of_an_address_has_no_secret_in_it() -> None:
    asked = "https://me:pass@civitai.com/api/download/models/5?token=abc&fileId=7&X-Amz-Signature=def"
    assert without_secrets(asked) == "https://civitai.com/api/download/models/5?fileId=7"
    assert without_tokens(asked) == ("https://civitai.com/api/download/models/5?fileId=7&X-Amz-Signature=def")


QUERY = st.text(st.sampled_from("abcXYZ09-_.~%2F+&=éж "), max_size=40)


@given(QUERY)
def test_an_address_without_secrets_is_asked_as_it_is_written(query: str) -> None:
    url = f"https://civitai.com/models?{query}".replace(" ", "%20")
    assert without_tokens(url) == url.rstrip("?")


def test_credentials_of_one_host_never_cover_a_longer_name() -> None:
    assert not Credentials(("civitai.com",), "t").covers("https://civitai.com.example.org/")
