"""Callers of the interface: anonymous, with a token, a reviewer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from catalog import access
from tests.catalog import build


@dataclass(frozen=True)
class Caller:
    """A client of the interface that knows one token, or none."""

    user: User | None = None
    token: str = ""

    def get(self, path: str, query: dict[str, Any] | None = None, **headers: str) -> Any:
        """GET /api/v1/PATH."""
        return Client().get(f"/api/v1/{path}", query or {}, headers=self._headers(headers))

    def head(self, path: str, **headers: str) -> Any:
        """HEAD /api/v1/PATH."""
        return Client().head(f"/api/v1/{path}", headers=self._headers(headers))

    def post(self, path: str, body: Any, **headers: str) -> Any:
        """POST JSON to /api/v1/PATH."""
        return Client().post(
            f"/api/v1/{path}", body, content_type="application/json", headers=self._headers(headers)
        )

    def _headers(self, given: dict[str, str]) -> dict[str, str]:
        headers = {name.replace("_", "-"): value for name, value in given.items()}
        return headers | ({"Authorization": f"Bearer {self.token}"} if self.token else {})


@pytest.fixture
def anybody(db: None) -> Caller:
    """No token."""
    return Caller()


@pytest.fixture
def downloader(db: None) -> Caller:
    """A token with the scope download."""
    user = build.user("downloader")
    return Caller(user, access.create(user, "laptop")[1])


@pytest.fixture
def reviewer(db: None) -> Caller:
    """A member of the group Reviewers with a token for reviewing."""
    user = build.user("reviewer")
    user.groups.add(Group.objects.get_or_create(name="Reviewers")[0])
    return Caller(user, access.create(user, "desk", ["review"])[1])
