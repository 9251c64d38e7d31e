"""Civitai on loopback: its API and downloads as clients meet them, with its quirks, over a Catalog.

    with CivitaiServer(Catalog([model(7, [version(70)])])) as server:
        settings.CIVITAI_API = server.api
        ...

Or by itself, for benchmarks and by hand: `python -m tests.upstreams.civitai --models 100000` prints its API's
address and serves until its input ends. The quirks are switches of the server; faults are planned as on every
FaultyServer.
"""

from __future__ import annotations

import argparse
import base64
import json
import re
import sys
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote, urlencode

from tests.upstreams import civitai_answers as answers
from tests.upstreams.civitai_catalog import FIRST_ID, Catalog, slug
from tests.upstreams.faults import FaultyServer
from tests.upstreams.replies import Reply, Request

TOKEN = "only-for-tests"
_BROWSER = re.compile(r"mozilla|chrome|safari|firefox|opera|edge", re.IGNORECASE)
_TYPES = {
    "Checkpoint", "TextualInversion", "Hypernetwork", "LORA", "LoCon", "DoRA", "Controlnet", "VAE", "Other",
}  # fmt: skip
_NOT_FOUND = ({"error": "Model not found"}, 404)


class CivitaiServer(FaultyServer):
    """Switches, all of which a test may turn at any time.

    `uses`: shape of allowCommercialUse (list, postgres, ladder, words). `skips`: with sort=Newest the cursor
    is the first row of the next page, and that row is not in it. `opaque`: cursors are base64, as no release
    had them. `repeats`: a page begins with the last item of the one before. `login`: ids of versions that
    need a token. `early`: version id -> deadline as the API writes it. `storage`: address of another server
    to which downloads are redirected, default this one. `pictures`: name -> PNG, served below /pictures/.
    """

    def __init__(
        self, catalog: Catalog, *, uses: str = "list", skips: bool = True, repeats: bool = False
    ) -> None:
        super().__init__()
        self.catalog = catalog
        self.uses = uses
        self.skips = skips
        self.opaque = False
        self.repeats = repeats
        self.login: set[int] = set()
        self.early: dict[int, str] = {}
        self.storage = ""
        self.pictures: dict[str, bytes] = {}

    @property
    def api(self) -> str:
        """What CIVITAI_API must be."""
        return f"{self.url}/api/v1"

    def answer(self, request: Request) -> Reply:
        routes: tuple[tuple[str, Callable[..., Reply]], ...] = (
            (r"/api/v1/models", self._models),
            (r"/api/v1/models/(\d+)", self._model),
            (r"/api/v1/model-versions/(\d+)", self._version),
            (r"/api/v1/model-versions/mini/(\d+)", self._mini),
            (r"/api/v1/model-versions/by-hash", self._by_hashes),
            (r"/api/v1/model-versions/by-hash/ids", self._ids_by_hashes),
            (r"/api/v1/model-versions/by-hash/(\w+)", self._by_hash),
            (r"/api/v1/images", self._images),
            (r"/api/v1/tags", self._tags),
            (r"/api/download/models/(\d+)", self._download),
            (r"/storage/(\d+)/.*", self._stored),
            (r"/pictures/(.+)", self._picture),
            (r"/login", self._page),
            (r"/models/\d+.*", self._page),
        )
        for pattern, handler in routes:
            if found := re.fullmatch(pattern, request.path):
                return handler(request, *found.groups())
        return Reply.of_json({"error": "Not found"}, 404)

    # --- Models ---------------------------------------------------------------------------------------------

    def _model(self, request: Request, id: str) -> Reply:
        found = self.catalog.get(int(id))
        if found is None:
            return Reply.of_json({"error": f"No model with id {id}"}, 404)
        return Reply.of_json(answers.detail(found, self.url, self.uses))

    def _models(self, request: Request) -> Reply:
        if request.method != "GET":
            return Reply.of_json({"error": "Method not allowed"}, 405)
        if refusal := self._refusal(request):
            return refusal
        limit = int(request.first("limit", "100")) or 1
        rows = self._rows(request)
        if "query" in request.query:
            return self._search(request, limit)
        items: list[dict[str, Any]] = []
        following = None
        for row in rows:
            if len(items) == limit:
                following = row
                break
            items.append(row)
        metadata: dict[str, Any] = {}
        if following is not None:
            row = following if self.skips else items[-1]
            told = f"{self.catalog.at(row['id'])}|{row['id']}"
            metadata["nextCursor"] = base64.b64encode(told.encode()).decode() if self.opaque else told
            query = {name: values for name, values in request.query.items() if name != "cursor"}
            query["cursor"] = [metadata["nextCursor"]]
            metadata["nextPage"] = f"{self.api}/models?{urlencode(query, doseq=True)}"
        listed = [answers.list_item(each, self.url, self.uses) for each in self._narrowed(request, items)]
        return Reply.of_json({"items": listed, "metadata": metadata})

    def _cursor(self, request: Request) -> str:
        told = request.first("cursor")
        return base64.b64decode(told).decode() if self.opaque else told

    def _refusal(self, request: Request) -> Reply | None:
        """What strict parsing answers with 400, and the rest of the doors that are closed."""
        if request.first("username") and not self.catalog.has_creator(slug(request.first("username"))):
            return Reply.of_json({"message": "User not found"}, 404)
        if "favorites" in request.query or "hidden" in request.query:
            return Reply.of_json({"error": "Unauthorized"}, 401)
        limit, page = request.first("limit", "100"), request.first("page", "1")
        bad = [
            name
            for name, wrong in (
                ("limit", not limit.isdigit() or int(limit) > 100),
                ("page", not page.isdigit() or ("query" in request.query and "page" in request.query)),
                ("types", any(value not in _TYPES for value in request.query.get("types", []))),
                ("allowDerivatives", "allowDerivatives" in request.query),
                ("nsfw", request.first("nsfw", "true") not in {"true", "false", "1", "0"}),
            )
            if wrong
        ]
        if bad:
            return Reply.of_json({"error": {"name": "ZodError", "issues": [{"path": bad}]}}, 400)
        if int(page) * int(limit) > 1000:
            words = "You've requested too many pages, please use cursors instead"
            return Reply.of_json({"error": words}, 429)
        if "query" not in request.query and not re.fullmatch(r"|\d+\|\d+", self._cursor(request)):
            return Reply.of_json({"error": "Invalid cursor: wrong number of parts"}, 400)
        return None

    def _rows(self, request: Request) -> Iterator[dict[str, Any]]:
        """Models in order, after the cursor. A page number changes nothing: it never reaches the query."""
        cursor = self._cursor(request)
        key = tuple(int(part) for part in cursor.split("|")) if cursor else None
        before = (key[0], key[1] + 1) if key and self.repeats else key
        for each in self.catalog.newest_before((before[0], before[1]) if before else None):
            if self._shown(request, each):
                yield each

    def _shown(self, request: Request, each: dict[str, Any]) -> bool:
        ids = {part for value in request.query.get("ids", []) for part in value.split(",") if part}
        mature = request.first("nsfw") in {"true", "1"}
        tag = request.first("tag") or request.first("tagname")
        archived = bool(request.first("archived"))
        types = request.query.get("types", [])
        return (
            (not ids or str(each["id"]) in ids)
            and (mature or bool((each.get("nsfwLevel") or 1) & 1))
            and (archived or each.get("mode") != "Archived")
            and not each.get("poi")
            and (not types or each.get("type") in types)
            # An unknown tag drops the filter.
            and (not tag or not self.catalog.has_tag(tag) or tag in (each.get("tags") or []))
            and (not request.first("username") or self._by(each) == slug(request.first("username")))
        )

    @staticmethod
    def _by(each: dict[str, Any]) -> str:
        return slug((each.get("creator") or {}).get("username") or "")

    @staticmethod
    def _narrowed(request: Request, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """A filter by base model takes the other versions out of each item, too."""
        bases = request.query.get("baseModels", [])
        if not bases:
            return items
        cut = [
            each | {"modelVersions": [v for v in each["modelVersions"] if v.get("baseModel") in bases]}
            for each in items
        ]
        return [each for each in cut if each["modelVersions"]]

    def _search(self, request: Request, limit: int) -> Reply:
        """By relevance, with a decimal offset as cursor; filters apply to the page, which may get short."""
        words = request.first("query").casefold()
        offset = int(request.first("cursor", "0") or 0)
        found = [each for each in self.catalog.newest_before(None) if words in each["name"].casefold()]
        page = found[offset : offset + limit]
        told = [answers.list_item(each, self.url, self.uses) for each in page if self._shown(request, each)]
        metadata = {"nextCursor": str(offset + limit)} if offset + limit < len(found) else {}
        return Reply.of_json({"items": told, "metadata": metadata})

    # --- Versions -------------------------------------------------------------------------------------------

    def _version(self, request: Request, id: str) -> Reply:
        if request.method != "GET":
            return Reply.of_json({"error": "Method not allowed"}, 405)
        found = self.catalog.version(int(id))
        if found is None or found[1].get("nsfwLevel") == 0:
            return Reply.of_json(*_NOT_FOUND)
        return Reply.of_json(answers.version_answer(*found, self.url))

    def _mini(self, request: Request, id: str) -> Reply:
        found = self.catalog.version(int(id))
        if found is None:
            return Reply.of_json(*_NOT_FOUND)
        return Reply.of_json(answers.mini(*found, self.url, login=int(id) in self.login))

    def _by_hash(self, request: Request, digest: str) -> Reply:
        found = self.catalog.by_hash(digest)
        return (
            Reply.of_json(answers.version_answer(*found, self.url)) if found else Reply.of_json(*_NOT_FOUND)
        )

    def _by_hashes(self, request: Request) -> Reply:
        asked = self._asked(request, 100)
        if asked is None:
            return Reply.of_json({"error": "Bad request"}, 400)
        found = [self.catalog.by_hash(each) for each in asked]
        # Unordered; a hash that is unknown leaves a hole; the addresses lack their host.
        told = [answers.version_answer(*each, "https://undefined") if each else None for each in found]
        return Reply.of_json(list(reversed(told)))

    def _ids_by_hashes(self, request: Request) -> Reply:
        asked = self._asked(request, 10_000)
        if asked is None:
            return Reply.of_json({"error": "Bad request"}, 400)
        found = [(each, self.catalog.by_hash(each)) for each in asked]
        told = [
            {"modelVersionId": pair[1]["id"], "modelId": pair[0]["id"], "hash": each.upper()}
            for each, pair in found
            if pair
        ]
        return Reply.of_json(told)

    @staticmethod
    def _asked(request: Request, most: int) -> list[str] | None:
        try:
            value = json.loads(request.body)
        except ValueError:
            return None
        sound = isinstance(value, list) and len(value) <= most
        return value if sound and all(re.fullmatch(r"[0-9A-Fa-f]{64}", str(each)) for each in value) else None

    # --- Pictures, tags, files ------------------------------------------------------------------------------

    def _images(self, request: Request) -> Reply:
        """By model id alone the parameters are nested once more, unless they are asked for flat."""
        id = request.first("modelVersionId") or request.first("modelId")
        models = [self.catalog.version(int(id))] if request.first("modelVersionId") else []
        found = [pair[1] for pair in models if pair]
        if not models and id and (model := self.catalog.get(int(id))):
            found = model["modelVersions"]
        told = answers.images({"images": [each for one in found for each in one["images"]]}, meta=True)
        for each in told:
            if request.first("withMeta") != "true":
                each["meta"] = None
            elif not request.first("modelVersionId") and request.first("flatMeta") != "true":
                each["meta"] = {"id": 1, "meta": each["meta"]}
        return Reply.of_json({"items": told, "metadata": {}})

    def _tags(self, request: Request) -> Reply:
        name = request.first("query")
        known = self.catalog.has_tag(name)
        items = [{"name": name, "link": f"{self.api}/models?tag={name}"}] if known else []
        return Reply.of_json({"items": items, "metadata": {}})

    def _picture(self, request: Request, name: str) -> Reply:
        body = self.pictures.get(name)
        return Reply.of_bytes(body, "image/png") if body else Reply.of_json({"error": "Not found"}, 404)

    def _download(self, request: Request, id: str) -> Reply:
        found = self.catalog.version(int(id))
        browser = bool(_BROWSER.search(request.headers.get("user-agent", "")))
        if found is None:
            return Reply.of_json({"error": "File not found"}, 404)
        model, version = found
        if model.get("mode") == "Archived":
            return Reply.of_json({"error": "Model is archived"}, 410)
        if version.get("usageControl", "Download") != "Download":
            words = "The creator of this asset has disabled downloads on this file"
            return Reply.of_json({"error": "Unauthorized", "message": words}, 401)
        if version["id"] in self.early and not self._has_token(request):
            if browser:
                return Reply(307, {"Location": f"{self.url}/models/{model['id']}"})
            words = "This asset is in Early Access. You can use Buzz access it now!"
            told = {"error": "Early Access", "deadline": self.early[version["id"]], "message": words}
            return Reply.of_json(told, 403)
        if version["id"] in self.login and not self._has_token(request):
            if browser:
                return Reply(307, {"Location": f"{self.url}/login?reason=download-auth"})
            words = "The creator of this asset requires you to be logged in to download it"
            return Reply.of_json({"error": "Unauthorized", "message": words}, 401)
        file = self._chosen(request, version)
        if file is None or "body" not in file:
            return Reply.of_json({"error": "File not found"}, 404)
        disposition = quote(f'attachment; filename="{file["name"]}"')
        signed = f"?X-Amz-Signature=abc&response-content-disposition={disposition}"
        key = f"{version['id']}-{file['id']}"
        place = f"{self.storage or self.url}/storage/{file['id']}/{key}.bin{signed}"
        return Reply(307, {"Location": place, "Cache-Control": "no-store, max-age=0"})

    @staticmethod
    def _chosen(request: Request, version: dict[str, Any]) -> dict[str, Any] | None:
        files: list[dict[str, Any]] = version.get("files") or []
        if id := request.first("fileId"):
            return next((each for each in files if str(each["id"]) == id), None)
        asked = {
            name: request.first(name) for name in ("type", "format", "size", "fp") if name in request.query
        }
        if not asked:
            return next((each for each in files if each.get("primary")), None)
        for each in files:
            told = {"type": each.get("type"), **(each.get("metadata") or {})}
            if all(str(told.get(name)) == value for name, value in asked.items()):
                return each
        return None

    @staticmethod
    def _has_token(request: Request) -> bool:
        told = request.headers.get("authorization")
        given = told.split(" ", 1)[-1] if told is not None else request.first("token")
        return given == TOKEN

    def _stored(self, request: Request, id: str) -> Reply:
        """The object storage: a signed address, which refuses a second kind of credential."""
        if "authorization" in request.headers:
            return Reply(
                400, {"Content-Type": "application/xml"}, b"<Error><Code>InvalidArgument</Code></Error>"
            )
        match = re.fullmatch(r"/storage/\d+/(\d+)-(\d+)\.bin", request.path)
        found = self.catalog.version(int(match[1])) if match else None
        wanted = match[2] if match else ""
        for file in found[1]["files"] if found else []:
            if str(file["id"]) == wanted and "body" in file:
                name = request.first("response-content-disposition")
                tag = (file.get("hashes") or {}).get("SHA256", str(file["id"]))
                return Reply.of_file(file["body"], f'"{tag[:32]}"', {"Content-Disposition": name})
        return Reply(404, {"Content-Type": "application/xml"}, b"<Error><Code>NoSuchKey</Code></Error>")

    def _page(self, request: Request) -> Reply:
        return Reply.of_bytes(b"<!DOCTYPE html><html><body>Civitai</body></html>", "text/html")


def main() -> None:
    """Serve a generated catalog until the input ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=2000)
    parser.add_argument("--versions", type=int, default=1, help="of each model")
    options = parser.parse_args()
    with CivitaiServer(Catalog(generated=options.models, versions=options.versions)) as server:
        sys.stdout.write(f"{server.api}\n")
        sys.stdout.flush()
        for line in sys.stdin:
            # Each line is the number of a model to change, counted from 0.
            server.catalog.edit(FIRST_ID + int(line))


if __name__ == "__main__":
    main()
