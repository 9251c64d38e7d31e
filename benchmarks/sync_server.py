"""The Civitai server of the benchmark `sync`: its list pages are made before they are asked for."""

from __future__ import annotations

import json
import sys

from tests.upstreams import civitai_answers as answers
from tests.upstreams.civitai import CivitaiServer
from tests.upstreams.civitai_catalog import FIRST_ID, Catalog
from tests.upstreams.replies import Reply, Request


class ReadyServer(CivitaiServer):
    """Answers the whole catalog's list from memory, by cursor alone; everything else as always."""

    def __init__(self, catalog: Catalog) -> None:
        super().__init__(catalog)
        self.ready: dict[str, Reply] = {}

    def answer(self, request: Request) -> Reply:
        if request.path != "/api/v1/models":
            return super().answer(request)
        if "ids" not in request.query:
            return self.ready[request.first("cursor")]
        found = (self.catalog.get(int(id)) for id in request.first("ids").split(","))
        items = [answers.list_item(each, self.url, self.uses) for each in found if each]
        return Reply.of_json({"items": items, "metadata": {}})

    def warm(self) -> None:
        """Make every page of the list."""
        self.ready, cursor = {}, ""
        while True:
            query = {"limit": ["100"], "nsfw": ["true"], **({"cursor": [cursor]} if cursor else {})}
            reply = super().answer(Request("GET", "/api/v1/models", query, {}, b"", 0.0))
            self.ready[cursor] = reply
            told = json.loads(reply.body if isinstance(reply.body, bytes) else b"")
            following = told["metadata"].get("nextCursor")
            if not following:
                return
            cursor = following


def main(models: str) -> None:
    """Print the API's address, then do what each line of the input says: `warm`, or `edit N`."""
    catalog = Catalog(generated=int(models))
    with ReadyServer(catalog) as server:
        sys.stdout.write(f"{server.api}\n")
        sys.stdout.flush()
        for line in sys.stdin:
            word, _, number = line.strip().partition(" ")
            if word == "warm":
                server.warm()
            else:
                catalog.edit(FIRST_ID + int(number))
            sys.stdout.write("done\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
