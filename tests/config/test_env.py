"""Environment variables: what is not plainly right is refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config import env
from config.env import ConfigError, database_from_url


@pytest.mark.parametrize(
    ("raw", "value"), [("true", True), ("Yes", True), ("1", True), ("off", False), ("0", False)]
)
def test_a_switch_understands_the_usual_words(monkeypatch: pytest.MonkeyPatch, raw: str, value: bool) -> None:
    monkeypatch.setenv("SWITCH", raw)
    assert env.env_bool("SWITCH", not value) is value


@pytest.mark.parametrize("raw", ["ture", "2", "*", "enabled"])
def test_a_switch_refuses_everything_else(monkeypatch: pytest.MonkeyPatch, raw: str) -> None:
    monkeypatch.setenv("SWITCH", raw)
    with pytest.raises(ConfigError, match="SWITCH must be true or false"):
        env.env_bool("SWITCH", False)


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMPTY", "  ")
    assert env.env_bool("EMPTY", True) is True
    assert env.env_int("EMPTY", 7) == 7
    assert env.env_list("EMPTY", ("a",)) == ["a"]


@pytest.mark.parametrize(
    ("raw", "problem"), [("many", "whole number"), ("0", "at least 1"), ("70000", "at most 65535")]
)
def test_a_number_has_bounds(monkeypatch: pytest.MonkeyPatch, raw: str, problem: str) -> None:
    monkeypatch.setenv("PORT", raw)
    with pytest.raises(ConfigError, match=problem):
        env.env_int("PORT", 8000, minimum=1, maximum=65535)


def test_a_list_drops_blanks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOSTS", " a.example , ,b.example,")
    assert env.env_list("HOSTS") == ["a.example", "b.example"]


def test_a_choice_must_be_one_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_LEVEL", "loud")
    with pytest.raises(ConfigError, match="one of INFO, ERROR"):
        env.env_choice("LOG_LEVEL", "INFO", ("INFO", "ERROR"))


def test_a_path_becomes_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VAR", "here")
    assert env.env_path("VAR", Path("/nowhere")) == tmp_path / "here"


# --- Secrets ------------------------------------------------------------------------------------------------


def test_a_secret_can_come_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret\n")
    monkeypatch.setenv("TOKEN_FILE", str(tmp_path / "token"))
    assert env.env_secret("TOKEN") == "s3cret"


def test_a_secret_given_twice_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TOKEN", "one")
    monkeypatch.setenv("TOKEN_FILE", str(tmp_path / "token"))
    with pytest.raises(ConfigError, match="not both"):
        env.env_secret("TOKEN")


def test_a_secret_file_that_is_missing_or_empty_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TOKEN_FILE", str(tmp_path / "token"))
    with pytest.raises(ConfigError, match="cannot read"):
        env.env_secret("TOKEN")
    (tmp_path / "token").touch()
    with pytest.raises(ConfigError, match="is empty"):
        env.env_secret("TOKEN")


# --- Database addresses -------------------------------------------------------------------------------------


def test_a_database_address_is_taken_apart() -> None:
    entry = database_from_url("postgresql://kura:p%40ss%2Fword@db.example:6432/ku%20ra?sslmode=require")
    assert (entry["NAME"], entry["USER"], entry["PASSWORD"]) == ("ku ra", "kura", "p@ss/word")
    assert (entry["HOST"], entry["PORT"], entry["OPTIONS"]) == ("db.example", "6432", {"sslmode": "require"})


def test_a_socket_folder_is_an_option_of_the_address() -> None:
    entry = database_from_url("postgres://kura@/kura?host=%2Frun%2Fpostgresql")
    assert (entry["HOST"], entry["PORT"], entry["PASSWORD"]) == ("/run/postgresql", "", "")


def test_an_address_with_an_ipv6_host_works() -> None:
    assert database_from_url("postgresql://kura@[::1]:5433/kura")["HOST"] == "::1"


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("mysql://kura@host/kura", "must start with postgresql://"),
        ("kura", "must start with postgresql://"),
        ("postgresql://kura@host", "must end with one database name"),
        ("postgresql://kura@host/a/b", "must end with one database name"),
        ("postgresql://kura@host:port/kura", "port"),
        ("postgresql://kura@host:99999/kura", "port"),
    ],
)
def test_a_bad_database_address_is_refused(url: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        database_from_url(url)


@given(
    password=st.text(min_size=4, alphabet="abcdefghXYZ0123456789"),
    bad=st.sampled_from(["mysql", "postgresql"]),
)
def test_an_error_about_the_address_never_tells_the_password(password: str, bad: str) -> None:
    with pytest.raises(ConfigError) as caught:
        database_from_url(f"{bad}://kura:PW{password}WP@host:noport/kura")
    assert f"PW{password}WP" not in str(caught.value)


def test_words_of_a_list_that_are_no_choices_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHEETS_VETTING", "approved, perhaps")
    with pytest.raises(env.ConfigError, match="perhaps"):
        env.env_choices("SHEETS_VETTING", (), ("waiting", "approved"))
    monkeypatch.setenv("SHEETS_VETTING", "approved,waiting")
    assert env.env_choices("SHEETS_VETTING", (), ("waiting", "approved")) == ["approved", "waiting"]
