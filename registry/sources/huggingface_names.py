"""What a person writes for a repository on the Hub: short names, page, file and API addresses."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from django.conf import settings

from registry.sources.errors import ReferenceUnclear, SourceNotSupported

SITES = frozenset({"huggingface.co", "www.huggingface.co", "hf.co", "www.hf.co"})
# huggingface_hub, utils/_validators.py: letters, digits, `-`, `_`, `.`; no `--`, no `..`, at most 96 long.
_NAME = r"[A-Za-z0-9][\w.-]*"
_REPO = re.compile(rf"(?!.*(?:--|\.\.))(?:{_NAME}/)?{_NAME}(?<![.-])", re.ASCII)
_SHORT = re.compile(r"hf:(?!//)(?P<repo>[^@:]+)(?:@(?P<revision>[^:]*))?(?::(?P<path>.*))?", re.DOTALL)
# As huggingface_hub's file system writes it: hf://org/repo@revision/path; a revision's slashes are encoded.
_FILE_SYSTEM = re.compile(
    r"hf://(?:models/)?(?P<repo>[^@/]+/[^@/]+)(?:@(?P<revision>[^/]*))?(?:/(?P<path>.*))?", re.DOTALL
)
# First words of addresses that are no model's.
_OTHERS = frozenset(
    {
        *("datasets", "spaces", "docs", "blog", "papers", "collections", "models", "posts", "organizations"),
        *("settings", "join", "login", "pricing", "tasks", "learn", "enterprise", "api"),
    }
)
_VERBS = frozenset({"tree", "blob", "resolve", "raw", "commit", "revision", "commits"})
_HOW = (
    "Write hf:org/repo, hf:org/repo@revision, hf:org/repo:file.safetensors, or paste the address of its page."
)


@dataclass(frozen=True, slots=True)
class Reference:
    """A repository and what of it is meant. `revision` "": its default branch; `path` "": all its weights."""

    repo: str
    revision: str = ""
    path: str = ""


def read_reference(source: str) -> Reference:
    """Take apart what a person wrote. Raises ReferenceUnclear, SourceNotSupported (datasets, spaces ...)."""
    told = source.strip()
    if match := _SHORT.fullmatch(told) or _FILE_SYSTEM.fullmatch(told):
        short = not told.startswith("hf://")
        revision = match["revision"] or ""
        return _reference(
            told, match["repo"], revision if short else unquote(revision), (match["path"] or "").strip("/")
        )
    try:
        parts = urlsplit(told)
        host = (parts.hostname or "").lower()
    except ValueError:
        raise ReferenceUnclear("The address cannot be read.", next_step=_HOW) from None
    own = urlsplit(settings.HF_ENDPOINT)
    path = parts.path
    if host in SITES:
        pass
    elif parts.netloc.lower() == own.netloc.lower() and path.startswith(own.path):
        path = path.removeprefix(own.path)
    else:
        raise ReferenceUnclear(f"{host or 'The address'} is not the Hub.", next_step=_HOW)
    return _of_page(told, [part for part in path.split("/") if part])


def _of_page(told: str, words: list[str]) -> Reference:
    if words[:2] == ["api", "models"]:
        words = words[2:]
    if not words or words[0] in _OTHERS:
        raise SourceNotSupported("This is an address on the Hub, but not that of a model.", next_step=_HOW)
    at = next((place for place in (2, 1) if len(words) > place + 1 and words[place] in _VERBS), None)
    if at is None:
        if len(words) < 2:
            raise ReferenceUnclear(f"{words[0]} is an account on the Hub, not a repository.", next_step=_HOW)
        return _reference(told, "/".join(words[:2]), "", "")
    revision, rest = unquote(words[at + 1]) if len(words) > at + 1 else "", words[at + 2 :]
    if revision == "refs" and len(rest) >= 2:
        # refs/pr/1 and refs/convert/parquet, where they were not encoded.
        revision, rest = "/".join([revision, *rest[:2]]), rest[2:]
    path = "" if words[at] in ("tree", "commit", "commits") else unquote("/".join(rest))
    return _reference(told, "/".join(words[:at]), revision, path)


def _reference(told: str, repo: str, revision: str, path: str) -> Reference:
    repo = repo.strip("/ ")
    if not _REPO.fullmatch(repo) or any(len(part) > 96 for part in repo.split("/")):
        raise ReferenceUnclear(f"{told[:200]!r} names no repository on the Hub.", next_step=_HOW)
    if ".." in path.split("/") or "\0" in told:
        raise ReferenceUnclear("The path leads out of the repository.", next_step=_HOW)
    return Reference(repo, revision.strip(), path)
