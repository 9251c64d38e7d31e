"""A Hub server on loopback: the endpoints that huggingface_hub and Kura use, over repositories of real files.

    with HubServer() as hub:
        repo = hub.add("mika/ink", {"README.md": card, "ink.safetensors": path}, gated="auto")
        hub.push("mika/ink", {"ink.safetensors": other}, title="Train longer", tag="v2")
        hub.rename("mika/ink", "mika/inkwash")
        hub.accounts["hf_mika"] = "mika"          # a token and whose it is
        repo.readers.add("mika")                  # who may read what is gated or private

It answers as the Hub does (statuses, X-Error-Code, Link, X-Repo-Commit, ETag, X-Linked-*): the official
client is run against it in tests/upstreams/test_hub.py. `hub.cdn`: another server to which large files are
redirected.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlencode

from tests.upstreams.faults import FaultyServer, Reply, Request
from tests.upstreams.hub_repos import Commit, Content, Repo, StoredBlob, written

_SORTS = {
    "lastModified": "lastModified",
    "createdAt": "createdAt",
    "downloads": "downloads",
    "likes": "likes",
}
_LISTED = (
    "_id",
    "id",
    "modelId",
    "likes",
    "private",
    "downloads",
    "tags",
    "pipeline_tag",
    "library_name",
    "createdAt",
)
_FULL = ("author", "gated", "disabled", "lastModified", "sha", "siblings")


class Refused(Exception):
    """The reply that ends a request."""

    def __init__(self, status: int, code: str, message: str, **headers: str) -> None:
        super().__init__(message)
        given = {"X-Error-Message": message, **headers} | ({"X-Error-Code": code} if code else {})
        self.reply = Reply.of_json({"error": message}, status, given)


class CdnServer(FaultyServer):
    """Where the Hub keeps large files: `/blobs/SHA256?signature=...`; no token has any business here."""

    def __init__(self) -> None:
        super().__init__()
        self.blobs: dict[str, Content] = {}

    def answer(self, request: Request) -> Reply:
        content = self.blobs.get(request.path.rpartition("/")[2])
        if content is None or not request.first("signature"):
            return Reply(
                403, {"Content-Type": "application/xml"}, b"<Error><Code>AccessDenied</Code></Error>"
            )
        return Reply.of_file(content, etag=f'"{request.path.rpartition("/")[2]}"')


class HubServer(FaultyServer):
    """The server; see the module. `page`: most items of a list page, whatever is asked for."""

    def __init__(self, *, page: int = 1000, cdn: CdnServer | None = None) -> None:
        super().__init__()
        self.repos: dict[str, Repo] = {}
        self.renamed: dict[str, str] = {}
        self.accounts: dict[str, str] = {}
        self.page = page
        self.cdn = cdn

    # --- What a test does to it -----------------------------------------------------------------------------

    def add(
        self, repo_id: str, files: Mapping[str, Content], *, date: datetime | None = None, **facts: Any
    ) -> Repo:
        """A new repository with one commit; `facts` as the fields of Repo."""
        repo = self.repos[repo_id] = Repo(repo_id, **facts)
        repo.commit(files, "initial commit", date)
        return repo

    def push(
        self,
        repo_id: str,
        files: Mapping[str, Content | None],
        *,
        title: str = "Upload folder",
        date: datetime | None = None,
        tag: str = "",
    ) -> Commit:
        """One more commit; None removes a file."""
        return self.repos[repo_id].commit(files, title, date, tag)

    def rename(self, old: str, new: str) -> None:
        """Move a repository; the Hub redirects from the old name."""
        repo = self.repos.pop(old)
        repo.id = new
        self.repos[new], self.renamed[old] = repo, new

    # --- What a client asks ---------------------------------------------------------------------------------

    def answer(self, request: Request) -> Reply:
        try:
            return self._route(request)
        except Refused as refused:
            return refused.reply

    def _route(self, request: Request) -> Reply:
        account = self._account(request)
        path = request.path
        if path == "/api/models":
            return self._list(request, account)
        if path == "/api/whoami-v2":
            if account is None:
                raise Refused(401, "", "Invalid username or password.")
            return Reply.of_json(
                {
                    "type": "user",
                    "name": account,
                    "fullname": account,
                    "orgs": [],
                    "auth": {"type": "access_token"},
                }
            )
        if path.startswith("/api/models/"):
            return self._api(request, path.removeprefix("/api/models/"), account)
        for verb in ("/resolve/", "/raw/"):
            name, found, rest = path.partition(verb)
            if found:
                return self._file(request, name.strip("/"), rest, account, raw=verb == "/raw/")
        raise Refused(404, "", "Not found")

    def _account(self, request: Request) -> str | None:
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind != "Bearer":
            return None
        if token not in self.accounts:
            raise Refused(401, "", "Invalid credentials in Authorization header")
        return self.accounts[token]

    def _repo(self, request: Request, name: str, account: str | None) -> Repo:
        if (new := self.renamed.get(name)) is not None:
            query = urlencode(request.query, doseq=True)
            target = request.path.replace(name, new, 1) + (f"?{query}" if query else "")
            redirected = Refused(307, "", "Temporary Redirect. Redirecting to " + target, Location=target)
            raise redirected
        repo = self.repos.get(name)
        if repo is None or (repo.private and account not in repo.readers):
            raise Refused(404 if account else 401, "RepoNotFound", "Repository not found")
        return repo

    def _commit(self, repo: Repo, revision: str) -> Commit:
        commit = repo.at(revision)
        if commit is None:
            raise Refused(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return commit

    def _may_read(self, repo: Repo, account: str | None) -> None:
        if repo.disabled:
            raise Refused(403, "", "Access to this resource is disabled.")
        if repo.gated and account not in repo.readers:
            told = f"Access to model {repo.id} is restricted."
            raise Refused(403 if account else 401, "GatedRepo", told)

    def _api(self, request: Request, rest: str, account: str | None) -> Reply:
        parts = rest.split("/")
        verbs = ("revision", "tree", "paths-info", "refs", "auth-check")
        at = next((place for place in (2, 1) if len(parts) > place and parts[place] in verbs), len(parts))
        repo = self._repo(request, "/".join(parts[:at]), account)
        verb, arguments = (parts[at], parts[at + 1 :]) if at < len(parts) else ("", [])
        if verb in ("", "revision"):
            commit = self._commit(repo, unquote("/".join(arguments)) or "main")
            expand = request.query.get("expand") or request.query.get("expand[]") or []
            told = self._info(repo, commit, blobs=request.first("blobs").lower() == "true")
            if expand:
                told = {name: value for name, value in told.items() if name in ("_id", "id", *expand)}
            return Reply.of_json(told)
        if verb == "auth-check":
            self._may_read(repo, account)
            return Reply.of_json({})
        if verb == "refs":
            refs = [{"name": "main", "ref": "refs/heads/main", "targetCommit": repo.head.sha}]
            tags = [
                {"name": name, "ref": f"refs/tags/{name}", "targetCommit": sha}
                for name, sha in repo.tags.items()
            ]
            return Reply.of_json({"branches": refs, "tags": tags, "converts": []})
        commit = self._commit(repo, unquote(arguments[0]))
        if verb == "paths-info":
            form = parse_qs(request.body.decode())
            wanted = [path for path in form.get("paths", []) if path in commit.files]
            with_commits = form.get("expand", ["false"])[0].lower() == "true"
            return Reply.of_json([_entry(commit, path, expand=with_commits) for path in wanted])
        return self._tree(request, commit, unquote("/".join(arguments[1:])))

    def _tree(self, request: Request, commit: Commit, folder: str) -> Reply:
        expand = request.first("expand").lower() == "true"
        inside = [path for path in sorted(commit.files) if not folder or path.startswith(folder + "/")]
        if not inside:
            raise Refused(404, "EntryNotFound", "Entry not found")
        entries = [_entry(commit, path, expand=expand) for path in inside]
        above = {str(parent) for path in inside for parent in PurePosixPath(path).parents} - {".", folder}
        above = {path for path in above if not folder or path.startswith(folder + "/")}
        entries += [
            {
                "type": "directory",
                "oid": hashlib.sha1(path.encode(), usedforsecurity=False).hexdigest(),
                "size": 0,
                "path": path,
            }
            for path in sorted(above)
        ]
        if request.first("recursive").lower() != "true":
            depth = len(PurePosixPath(folder).parts)
            entries = [each for each in entries if len(PurePosixPath(each["path"]).parts) == depth + 1]
        start = int(request.first("cursor") or 0)
        most = 50 if expand else 1000
        headers = {}
        if start + most < len(entries):
            query = {**request.query, "cursor": [str(start + most)]}
            headers["Link"] = f'<{self.url}{request.path}?{urlencode(query, doseq=True)}>; rel="next"'
        return Reply.of_json(entries[start : start + most], headers=headers)

    def _info(self, repo: Repo, commit: Commit, *, blobs: bool) -> dict[str, Any]:
        card = repo.card(commit)
        return {
            "_id": repo.object_id,
            "id": repo.id,
            "modelId": repo.id,
            "author": repo.id.partition("/")[0],
            "sha": commit.sha,
            "lastModified": written(repo.head.date),
            "createdAt": written(repo.created),
            "private": repo.private,
            "disabled": repo.disabled,
            "gated": repo.gated,
            "pipeline_tag": (card or {}).get("pipeline_tag", "text-to-image"),
            "library_name": (card or {}).get("library_name", "diffusers"),
            "tags": repo.hub_tags(commit),
            "downloads": repo.downloads,
            "likes": repo.likes,
            "model-index": None,
            "config": {},
            "cardData": json.loads(json.dumps(card, default=str)),
            "spaces": [],
            "siblings": [_sibling(path, blob, blobs=blobs) for path, blob in sorted(commit.files.items())],
            "usedStorage": sum(blob.size for blob in commit.files.values()),
        }

    def _list(self, request: Request, account: str | None) -> Reply:
        wanted = [tag for each in request.query.get("filter", []) for tag in each.split(",") if tag]
        author, gated = request.first("author"), request.first("gated").lower()
        words = [word.lower() for word in request.query.get("search", [])]
        sort = _SORTS.get(request.first("sort"), "lastModified")
        items = [
            self._info(repo, repo.head, blobs=False)
            for repo in self.repos.values()
            if (not repo.private or account in repo.readers)
            and all(tag in {*repo.hub_tags(repo.head), "diffusers"} for tag in wanted)
            and (not author or repo.id.partition("/")[0] == author)
            and all(word in repo.id.lower() for word in words)
            and (not gated or bool(repo.gated) == (gated == "true"))
        ]
        items.sort(key=lambda item: (item[sort], item["_id"]), reverse=True)
        if cursor := request.first("cursor"):
            after = tuple(json.loads(base64.urlsafe_b64decode(cursor)))
            items = [item for item in items if (item[sort], item["_id"]) < after]
        most = min(int(request.first("limit") or 1000), self.page)
        page, headers = items[:most], {}
        if len(items) > most:
            at = base64.urlsafe_b64encode(json.dumps([page[-1][sort], page[-1]["_id"]]).encode()).decode()
            query = {**request.query, "cursor": [at]}
            headers["Link"] = f'<{self.url}{request.path}?{urlencode(query, doseq=True)}>; rel="next"'
        kept = (*_LISTED, *(_FULL if request.first("full").lower() == "true" else ()))
        if request.first("cardData").lower() == "true":
            kept = (*kept, "cardData")
        return Reply.of_json([{name: item[name] for name in kept} for item in page], headers=headers)

    def _file(self, request: Request, name: str, rest: str, account: str | None, *, raw: bool) -> Reply:
        repo = self._repo(request, unquote(name), account)
        revision, _, path = rest.partition("/")
        path = unquote(path)
        self._may_read(repo, account)
        commit = self._commit(repo, unquote(revision))
        blob = commit.files.get(path)
        if blob is None:
            raise Refused(404, "EntryNotFound", "Entry not found", **{"X-Repo-Commit": commit.sha})
        shown = path.rpartition("/")[2]
        headers = {
            "X-Repo-Commit": commit.sha,
            "Content-Disposition": f"inline; filename*=UTF-8''{quote(shown)};",
            "Access-Control-Expose-Headers": "X-Repo-Commit,X-Error-Code,X-Error-Message,ETag,Link",
        }
        if not blob.sha256:
            return Reply.of_file(
                blob.content, f'"{blob.git}"', {**headers, "Content-Type": "text/plain; charset=utf-8"}
            )
        if self.cdn is not None and not raw:
            self.cdn.blobs[blob.sha256] = blob.content
            where = f"{self.cdn.url}/blobs/{blob.sha256}?signature=s3cret"
            linked = {"X-Linked-Etag": f'"{blob.sha256}"', "X-Linked-Size": str(blob.size), "Location": where}
            return Reply(302, {**headers, **linked}, f"Found. Redirecting to {where}".encode())
        return Reply.of_file(blob.content, f'"{blob.sha256}"', headers)


def _sibling(path: str, blob: StoredBlob, *, blobs: bool) -> dict[str, Any]:
    told: dict[str, Any] = {"rfilename": path}
    if blobs:
        told |= {"size": blob.size, "blobId": blob.git}
        if blob.sha256:
            told["lfs"] = {"sha256": blob.sha256, "size": blob.size, "pointerSize": 134}
    return told


def _entry(commit: Commit, path: str, *, expand: bool) -> dict[str, Any]:
    blob = commit.files[path]
    told: dict[str, Any] = {"type": "file", "oid": blob.git, "size": blob.size, "path": path}
    if blob.sha256:
        told["lfs"] = {"oid": blob.sha256, "size": blob.size, "pointerSize": 134}
    if expand:
        sha, title, date = commit.touched[path]
        told["lastCommit"] = {"id": sha, "title": title, "date": written(date)}
        told["securityFileStatus"] = {"status": "safe", "avScan": None, "pickleImportScan": None}
    return told
