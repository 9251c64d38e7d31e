"""Keeps secrets out of the log: known values, passwords in addresses, and bearer tokens."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable

_PASSWORD_IN_URL = re.compile(r"(?P<before>\b[a-z][a-z0-9+.-]*://[^\s/:@]*:)[^\s/@]+(?=@)", re.IGNORECASE)
_BEARER = re.compile(r"(?P<before>\b(?:bearer|token)[\s=:]+)[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE)
HIDDEN = "[hidden]"


class RedactSecrets(logging.Filter):
    """Replaces secrets in the finished text of a record; lets every record pass."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        super().__init__()
        self.secrets = tuple(secret for secret in secrets if len(secret) >= 8)

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        clean = self.redact(text)
        if clean != text:
            record.msg, record.args = clean, ()
        return True

    def redact(self, text: str) -> str:
        """The text with every secret replaced by [hidden]."""
        for secret in self.secrets:
            text = text.replace(secret, HIDDEN)
        return _BEARER.sub(rf"\g<before>{HIDDEN}", _PASSWORD_IN_URL.sub(rf"\g<before>{HIDDEN}", text))
