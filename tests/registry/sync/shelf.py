"""An upstream in memory: lists adapters by pages, each with its raw document, and fails when told to."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from registry.models import ClaimKind, Source, SubscriptionKind
from registry.sources.listing import ListedClaim, ListedVersion, Listing, RawDocument, RemoteFile
from registry.sources.pages import Page, Unread
from registry.sources.upstream_errors import NotFoundUpstream, UpstreamError
from registry.sources.walk import Failure
from tests.factories import ALL_FLAGS


@dataclass
class Book:
    """One adapter as it stands upstream. `versions`: key -> what is said of the version."""

    key: str
    name: str
    flags: dict[str, Any] = field(default_factory=lambda: dict(ALL_FLAGS))
    versions: dict[str, dict[str, Any]] = field(default_factory=dict)
    tags: list[str] = field(default_factory=lambda: ["style"])
    downloads: int = 0

    def body(self) -> dict[str, Any]:
        return {"id": self.key, "name": self.name, **self.flags, "versions": self.versions, "tags": self.tags}


class Shelf:
    """The upstream. `refusals`: key -> what asking for it meets; `faults`: page -> errors to come."""

    def __init__(self, count: int = 0, *, versions: int = 1, per_page: int = 10) -> None:
        self.books: dict[str, Book] = {}
        self.per_page = per_page
        self.refusals: dict[str, UpstreamError] = {}
        self.faults: dict[int, list[BaseException]] = {}
        self.broken: set[str] = set()
        self.requests: list[str] = []
        self.read: list[str] = []
        for number in range(count):
            key = str(number + 1)
            self.add(key, [f"{key}{each:03}" for each in range(versions)])

    def add(self, key: str, versions: list[str], **said: Any) -> Book:
        book = Book(key, f"Book {key}")
        for version in versions:
            book.versions[version] = {"name": f"v{version}", "base": "SDXL 1.0"} | said
        self.books[key] = book
        return book

    def pages(self, kind: str, target: str, cursor: str | None) -> Iterator[Page]:
        if kind == SubscriptionKind.ADAPTER:
            self.requests.append(f"adapter {target}")
            if target in self.refusals:
                raise self.refusals[target]
            if target not in self.books:
                raise NotFoundUpstream(f"There is no {target}.")
            yield Page([self.listing(self.books[target])], None)
            return
        start = int(cursor or 0)
        while True:
            self.requests.append(f"page {start}")
            if self.faults.get(start):
                raise self.faults[start].pop(0)
            books = list(self.books.values())
            part = books[start : start + self.per_page]
            end = start + self.per_page
            last = end >= len(books)
            yield Page(
                [self.unread(book) for book in part if book.key not in self.broken],
                None if last else str(end),
                failures=[
                    Failure(f"shelf:{book.key}", UpstreamError("no id"))
                    for book in part
                    if book.key in self.broken
                ],
                total=len(books),
            )
            if last:
                return
            start = end

    def unread(self, book: Book) -> Unread:
        def read() -> Listing:
            self.read.append(book.key)
            return self.listing(book)

        return Unread(Source.CIVITAI, book.key, self.fingerprint(book), read)

    @staticmethod
    def fingerprint(book: Book) -> str:
        return hashlib.sha256(json.dumps(book.body(), sort_keys=True, default=str).encode()).hexdigest()

    def listing(self, book: Book) -> Listing:
        told = book.body() | {"downloads": book.downloads}
        body = json.dumps(told, sort_keys=True, default=str).encode()
        document = RawDocument(f"https://civitai.com/api/v1/models/{book.key}", body, "application/json")
        flags = ListedClaim(ClaimKind.CIVITAI_FLAGS, book.flags, json.dumps(book.flags), document)
        return Listing(
            source=Source.CIVITAI,
            source_key=book.key,
            name=book.name,
            source_url=f"https://civitai.com/models/{book.key}",
            creator="librarian",
            tags=book.tags,
            versions=[self._version(key, said, document, flags) for key, said in book.versions.items()],
            fingerprint=self.fingerprint(book),
        )

    @staticmethod
    def _version(key: str, said: dict[str, Any], document: RawDocument, flags: ListedClaim) -> ListedVersion:
        base = said["base"]
        return ListedVersion(
            source_key=key,
            name=said["name"],
            declared_base=base,
            base_host="civitai",
            trigger_words=said.get("words", []),
            published=said.get("published"),
            documents=[document],
            claims=[flags, ListedClaim(ClaimKind.BASE, base, base, document)],
            remote=[
                RemoteFile(
                    key=f"file {key}",
                    url=f"https://civitai.com/api/download/models/{key}",
                    name=f"{said['name']}.safetensors",
                    size=said.get("size", 1000),
                    sha256=said.get("sha256", hashlib.sha256(key.encode()).hexdigest()),
                    primary=True,
                )
            ],
            availability=said.get("availability", "present"),
            availability_reason=said.get("reason", ""),
        )
