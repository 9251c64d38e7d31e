"""Repositories of the Hub server of the tests: commits, branches and tags over real files."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

Content = bytes | Path
_BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
_ids = itertools.count(0x650000000000000000000001)
# What the Hub keeps outside git; everything else is a plain blob.
_LFS = {".safetensors", ".bin", ".pt", ".ckpt", ".png", ".jpg", ".jpeg", ".webp", ".gguf"}


def written(moment: datetime) -> str:
    """A moment as the Hub writes it: milliseconds and a Z."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


@dataclass(frozen=True)
class StoredBlob:
    """One file's content with the names that git and Git LFS give it."""

    content: Content
    size: int
    git: str
    sha256: str = ""

    @property
    def etag(self) -> str:
        return self.sha256 or self.git


def blob_of(path: str, content: Content) -> StoredBlob:
    """git's SHA-1 of the blob, of the pointer file where the content is kept by Git LFS."""
    if PurePosixPath(path).suffix.lower() not in _LFS:
        body = content.read_bytes() if isinstance(content, Path) else content
        return StoredBlob(content, len(body), _git(body))
    if isinstance(content, Path):
        with content.open("rb") as file:
            sha256, size = hashlib.file_digest(file, "sha256").hexdigest(), content.stat().st_size
    else:
        sha256, size = hashlib.sha256(content).hexdigest(), len(content)
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n".encode()
    return StoredBlob(content, size, _git(pointer), sha256)


def _git(body: bytes) -> str:
    return hashlib.sha1(b"blob %d\0%s" % (len(body), body), usedforsecurity=False).hexdigest()


@dataclass(frozen=True)
class Commit:
    """One state of a repository; `touched`: for each path the commit that last changed it."""

    sha: str
    title: str
    date: datetime
    files: dict[str, StoredBlob]
    touched: dict[str, tuple[str, str, datetime]]


@dataclass
class Repo:
    """A model repository. `gated`: False, "auto" or "manual"; `readers`: accounts that may read it then."""

    id: str
    gated: bool | str = False
    private: bool = False
    disabled: bool = False
    readers: set[str] = field(default_factory=set)
    downloads: int = 10
    likes: int = 1
    commits: list[Commit] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    created: datetime = _BEGAN
    # The Hub's own id of it, which a new name does not change; a repository made anew has another.
    object_id: str = field(default_factory=lambda: f"{next(_ids):024x}")

    @property
    def head(self) -> Commit:
        return self.commits[-1]

    def at(self, revision: str) -> Commit | None:
        """The commit of a branch, tag, full or abbreviated SHA."""
        if revision in ("main", "refs/heads/main"):
            return self.head
        wanted = self.tags.get(revision, revision)
        if len(wanted) < 7:
            return None
        return next((each for each in reversed(self.commits) if each.sha.startswith(wanted)), None)

    def commit(
        self, files: Mapping[str, Content | None], title: str, date: datetime | None, tag: str = ""
    ) -> Commit:
        """Add, replace and (None) remove files."""
        last = self.commits[-1] if self.commits else None
        held, touched = (dict(last.files), dict(last.touched)) if last else ({}, {})
        date = date or (last.date + timedelta(hours=1) if last else self.created)
        changed = {path: blob_of(path, body) for path, body in files.items() if body is not None}
        held = {path: blob for path, blob in {**held, **changed}.items() if files.get(path, b"") is not None}
        told = repr((self.id, title, date, len(self.commits), sorted((p, b.etag) for p, b in held.items())))
        sha = hashlib.sha1(told.encode(), usedforsecurity=False).hexdigest()
        touched |= dict.fromkeys(changed, (sha, title, date))
        self.commits.append(Commit(sha, title, date, held, touched))
        if tag:
            self.tags[tag] = sha
        return self.head

    def card(self, commit: Commit) -> dict[str, Any] | None:
        """The front matter as the Hub's `cardData`; None where there is none or it is no mapping."""
        readme = commit.files.get("README.md")
        if readme is None:
            return None
        body = readme.content.read_bytes() if isinstance(readme.content, Path) else readme.content
        rows = body.decode("utf-8", "replace").replace("\r\n", "\n").split("\n")
        if rows[0].strip() != "---" or "---" not in (row.strip() for row in rows[1:]):
            return None
        end = next(number for number, row in enumerate(rows) if number and row.strip() == "---")
        try:
            told = yaml.safe_load("\n".join(rows[1:end]))
        except yaml.YAMLError:
            return None
        return told if isinstance(told, dict) else None

    def hub_tags(self, commit: Commit) -> list[str]:
        """The card's tags, and those that the Hub derives from it."""
        card = self.card(commit) or {}
        named = [str(tag) for tag in card.get("tags") or [] if tag]
        bases = card.get("base_model") or []
        bases = [str(base) for base in (bases if isinstance(bases, list) else [bases])]
        relation = card.get("base_model_relation") or ("adapter" if "lora" in named else "")
        for base in bases:
            named.append(f"base_model:{base}")
            if relation:
                named.append(f"base_model:{relation}:{base}")
        licenses = card.get("license") or []
        for each in licenses if isinstance(licenses, list) else [licenses]:
            named.append(f"license:{each}")
        return [*dict.fromkeys(named), "region:us"]
