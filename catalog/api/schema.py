"""What the OpenAPI generator cannot see by itself: the parameters of a search, the bearer scheme."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter

from catalog.search.query import LIMIT, LIMIT_MAX, OUTCOMES, SORTS
from registry.models import Source, Vetting


def _many(name: str, description: str, values: tuple[str, ...] = ()) -> OpenApiParameter:
    return OpenApiParameter(name, OpenApiTypes.STR, many=True, description=description, enum=values or None)


ACT = OpenApiParameter(
    "act", OpenApiTypes.STR, description="What you want to do, e.g. generate_and_sell_images."
)
FACTS = OpenApiParameter(
    "facts",
    OpenApiTypes.STR,
    description='Your facts as a JSON object, e.g. {"territory": "EU"}; nothing is assumed for others.',
)
SEARCH_PARAMETERS = [
    OpenApiParameter(
        "q", OpenApiTypes.STR, description="Words, a quoted phrase, or a SHA256, AutoV2 or AutoV3."
    ),
    _many("base", "Slug of a base model or family, or `unknown`."),
    ACT,
    FACTS,
    _many("outcome", "Verdict for the act.", OUTCOMES),
    _many("vetting", "Where the version stands in review.", tuple(Vetting.values)),
    _many("algorithm", "Adapter algorithm read from the weights."),
    _many("tag", "Tag of the adapter."),
    _many("source", "Kind of upstream.", tuple(Source.values)),
    OpenApiParameter(
        "has_sheet", OpenApiTypes.BOOL, description="Whether a finished comparison sheet exists."
    ),
    OpenApiParameter(
        "sort", OpenApiTypes.STR, enum=SORTS, default="newest", description="Order of the results."
    ),
    OpenApiParameter("after", OpenApiTypes.STR, description="Where the page starts; taken from `next`."),
    OpenApiParameter(
        "limit", OpenApiTypes.INT, default=LIMIT, description=f"How many adapters at most, up to {LIMIT_MAX}."
    ),
]


def with_problems(result: Any, generator: Any, request: Any, public: bool) -> Any:
    """Hook of the generator: every call can also answer with a problem document."""
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for path in result["paths"].values():
        for operation in path.values():
            operation["responses"].setdefault("default", {"description": "A failure.", "content": content})
    return result


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Tells the schema what BearerAuthentication takes."""

    target_class = "catalog.api.authentication.BearerAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        """The OpenAPI security scheme."""
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "A token made with `manage.py token create USER NAME`.",
        }
