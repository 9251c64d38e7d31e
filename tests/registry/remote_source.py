"""A tiny upstream: files on loopback, and listings that offer them, as any reader of an upstream yields."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest
from django.apps import apps
from PIL import Image

from registry.licensing.claims.statement import Statement
from registry.models import ClaimKind
from registry.services import Report
from registry.sources import READERS
from registry.sources.findings import Findings
from registry.sources.listing import ListedVersion, Listing, RawDocument, RemoteFile, RemoteSample, listed
from registry.weights.digests import Digester, Digests
from tests.upstreams.faults import FaultyServer, Reply, Request


def digests(body: bytes) -> Digests:
    with Digester() as digester:
        digester.update(body)
        return digester.finish()


def picture(color: str = "red") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 8), color).save(out, "PNG")
    return out.getvalue()


class Shelf(FaultyServer):
    """Serves `files` by path, with ranges and ETag."""

    def __init__(self) -> None:
        super().__init__()
        self.files: dict[str, bytes] = {}

    def put(self, name: str, body: bytes) -> str:
        """The address of these bytes."""
        self.files[f"/{name}"] = body
        return f"{self.url}/{name}"

    def answer(self, request: Request) -> Reply:
        body = self.files.get(request.path)
        if body is None:
            return Reply.of_json({"error": "File not found"}, 404)
        return Reply.of_file(body, etag=f'"{hashlib.sha256(body).hexdigest()}"')

    def asked(self, name: str) -> int:
        """How often this file was asked for."""
        return sum(request.path == f"/{name}" for request in self.requests)


def offered(shelf: Shelf, path: str, body: bytes, key: str = "", /, **changes: Any) -> RemoteFile:
    """A file on the shelf as an honest upstream describes it."""
    facts: dict[str, Any] = {
        "key": key or path,
        "url": shelf.put(path, body),
        "name": path,
        "sha256": hashlib.sha256(body).hexdigest(),
        "about": len(body),
        "primary": not key,
        "format": "SafeTensor",
    }
    return RemoteFile(**facts | changes)


def mit(url: str = "https://example.test/model/1") -> tuple[RawDocument, list[Any]]:
    """A page that states the MIT license, and the claim read from it."""
    document = RawDocument(url, b'{"license": "mit"}', "application/json")
    return document, [listed(Statement(ClaimKind.LICENSE, "MIT", "mit"), document)]


def version(*remote: RemoteFile, key: str = "11", licensed: bool = True, **changes: Any) -> ListedVersion:
    """A version of a Civitai page, with a license unless it is not `licensed`."""
    document, claims = mit() if licensed else (RawDocument("https://example.test/model/1", b"{}"), [])
    facts: dict[str, Any] = {
        "source_key": key,
        "name": f"v{key}",
        "declared_base": "SD 1.5",
        "base_host": "civitai",
        "trigger_words": ["inkwash"],
        "documents": [document],
        "claims": claims,
        "remote": list(remote),
    }
    return ListedVersion(**facts | changes)


def sample(url: str, **parameters: Any) -> RemoteSample:
    return RemoteSample(url, parameters)


@dataclass
class Upstream:
    """What the reader of `test:` yields; change it between two runs."""

    versions: list[ListedVersion] = field(default_factory=list)
    name: str = "Ink wash"
    description: str = "As its author describes it."
    tags: list[str] = field(default_factory=lambda: ["style"])
    changed: datetime | None = None

    def read(self, source: str) -> Findings:
        return Findings(listings=self._listings(), total=len(self.versions))

    def _listings(self) -> Iterator[Listing]:
        yield Listing(
            source="civitai",
            source_key="1",
            name=self.name,
            source_url="https://civitai.com/models/1",
            creator="mika",
            description=self.description,
            tags=list(self.tags),
            # A reader makes new ones each time; ingest adds its own claims to them.
            versions=[_copy(each) for each in self.versions],
        )


def _copy(listed_version: ListedVersion) -> ListedVersion:
    values = {name: getattr(listed_version, name) for name in ListedVersion.__slots__}
    return ListedVersion(
        **{name: list(value) if isinstance(value, list) else value for name, value in values.items()}
    )


def install(monkeypatch: pytest.MonkeyPatch, upstream: Upstream) -> None:
    """Let SOURCE `test:` be read from `upstream`."""
    readers = ((re.compile("test:"), upstream.read), *READERS)
    monkeypatch.setattr("registry.sources.READERS", readers)


def codes(report: Report) -> list[str]:
    """The codes of what failed, in order."""
    return [failure.error.code for failure in report.failed]


def rows() -> dict[str, list[Any]]:
    """Every row of every table of the registry, but for those about requests and transfers."""
    models = apps.get_app_config("registry").get_models()
    left_out = {"HostBudget", "Transfer", "UpstreamHost", "UpstreamRefusal"}
    return {
        model.__name__: list(model._default_manager.order_by("pk").values())
        for model in models
        if model.__name__ not in left_out
    }
