"""Keyset pages of a list ordered by one unique column: `{results, next, count}`, never an offset."""

from __future__ import annotations

import base64
import json
from typing import Any

from django.db.models import Model
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param
from rest_framework.views import APIView

from catalog.errors import BadQuery
from catalog.search.query import read_limit

LIMIT = 50
LIMIT_MAX = 200
# Counting more rows than this is no longer cheap: the count is then null.
COUNT_MAX = 10_000
KEY_MAX = 600


class KeysetPagination(BasePagination):
    """Walks a list by its key; a row that comes or goes meanwhile neither repeats nor hides another.

    A view names the column in `keyset`, `-pk` where it does not: unique, not null, an integer or a text.
    """

    def paginate_queryset(self, queryset: Any, request: Request, view: APIView | None = None) -> list[Any]:
        """The rows of the page that `after` and `limit` ask for. Raises BadQuery."""
        keyset: str = getattr(view, "keyset", "-pk")
        field = keyset.removeprefix("-")
        limit = read_limit(request.query_params.get("limit", ""), default=LIMIT, most=LIMIT_MAX)
        ordered = queryset.order_by(keyset)
        # Counted before `after`: the count is the list's, the same on every page.
        counted = queryset.order_by().values("pk")[: COUNT_MAX + 1].count()
        self.count = counted if counted <= COUNT_MAX else None
        if after := request.query_params.get("after", ""):
            key = _decode(after, queryset.model, field)
            ordered = ordered.filter(**{f"{field}__{'lt' if keyset.startswith('-') else 'gt'}": key})
        rows = list(ordered[: limit + 1])
        self.next: str | None = None
        if len(rows) > limit:
            rows.pop()
            last = getattr(rows[-1], field)
            self.next = replace_query_param(request.build_absolute_uri(), "after", encode(last))
        return rows

    def get_paginated_response(self, data: Any) -> Response:
        """`{results, next, count}`."""
        return Response({"results": data, "next": self.next, "count": self.count})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """The same for OpenAPI."""
        return list_schema(schema)

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:
        """`after` and `limit` for OpenAPI."""
        return [
            {
                "name": "after",
                "in": "query",
                "required": False,
                "description": "Where the page starts; taken from `next`.",
                "schema": {"type": "string"},
            },
            {
                "name": "limit",
                "in": "query",
                "required": False,
                "description": "How many rows at most.",
                "schema": {"type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT},
            },
        ]


def list_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """OpenAPI of `{results, next, count}` around the schema of the results."""
    return {
        "type": "object",
        "required": ["results", "next", "count"],
        "properties": {
            "results": schema,
            "next": {"type": "string", "format": "uri", "nullable": True},
            "count": {"type": "integer", "nullable": True},
        },
    }


def encode(key: int | str) -> str:
    """A key as the opaque text of `after`."""
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode().rstrip("=")


def _decode(after: str, model: type[Model], field: str) -> Any:
    wanted: type = int if field == "pk" and model._meta.pk.get_internal_type() != "CharField" else str
    try:
        if len(after) > KEY_MAX:
            raise ValueError
        raw = base64.b64decode(after + "=" * (-len(after) % 4), altchars=b"-_", validate=True)
        key: Any = json.loads(raw)
        if type(key) is not wanted or (isinstance(key, int) and not 0 <= key < 2**63):
            raise ValueError
        if isinstance(key, str):
            key.encode()
            if "\0" in key:
                raise ValueError
    except (ValueError, RecursionError):
        raise BadQuery("after", "is not the `next` of a page of this list") from None
    return key
