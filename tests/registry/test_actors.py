"""The name under which a command writes to the audit log."""

from __future__ import annotations

import getpass

import pytest

from registry.management.actors import command_actor


def test_a_command_acts_in_the_name_of_its_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "mika")
    assert command_actor() == "cli:mika"


@pytest.mark.parametrize("error", [KeyError, OSError])
def test_a_user_id_without_a_name_is_no_reason_to_fail(
    monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def nobody() -> str:
        raise error("no such user id")

    monkeypatch.setattr(getpass, "getuser", nobody)
    assert command_actor() == "cli:unknown"
