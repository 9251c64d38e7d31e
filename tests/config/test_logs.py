"""Secrets stay out of the log."""

from __future__ import annotations

import logging

import pytest

from config.logs import RedactSecrets


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("key is very-secret-key here", "key is [hidden] here"),
        ("connect to postgresql://kura:hunter2@db/kura", "connect to postgresql://kura:[hidden]@db/kura"),
        ("amqp://guest:guest@localhost// is away", "amqp://guest:[hidden]@localhost// is away"),
        ("Authorization: Bearer hf_abcdefghijkl", "Authorization: Bearer [hidden]"),
        ("GET /download?token=abcdefgh12345678&x=1", "GET /download?token=[hidden]&x=1"),
        ("nothing to hide at http://127.0.0.1:8000/", "nothing to hide at http://127.0.0.1:8000/"),
    ],
)
def test_a_secret_is_replaced(text: str, clean: str) -> None:
    assert RedactSecrets(["very-secret-key"]).redact(text) == clean


def test_secrets_in_the_arguments_of_a_record_are_replaced_too() -> None:
    record = logging.LogRecord(
        "kura", logging.INFO, __file__, 1, "broker %s", ("redis://:hunter22@host/0",), None
    )
    assert RedactSecrets().filter(record)
    assert record.getMessage() == "broker redis://:[hidden]@host/0"


def test_a_short_value_does_not_hide_ordinary_words() -> None:
    assert RedactSecrets(["on"]).redact("no connection") == "no connection"
