"""What the list views share: known parameters only, keyset pages, whole rows with few queries."""

from __future__ import annotations

from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from catalog.api.pagination import KeysetPagination
from catalog.api.parameters import known_only
from inference.services import finished_sheets
from registry.models import Version

PAGING = {"after", "limit"}


class ListViewSet(ListModelMixin, GenericViewSet[Any]):
    """A keyset list. `filterset_fields` or `filterset_class` names the filters, others are refused.

    A program that misspells a filter must not be answered as if it had not asked for one.
    """

    pagination_class = KeysetPagination
    filter_backends = [DjangoFilterBackend]
    filterset_fields: list[str] = []
    filterset_class: Any = None
    keyset = "-pk"

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """One page of the list."""
        filters = self.filterset_class.base_filters if self.filterset_class else self.filterset_fields
        known_only(request, {*filters, *PAGING})
        return super().list(request, *args, **kwargs)


def whole_versions() -> QuerySet[Version]:
    """Versions with all that the Version contract shows, in two queries however many they are."""
    sheets = finished_sheets().filter(version=OuterRef("pk"))
    return (
        Version.objects.select_related("base_decided")
        .prefetch_related("files__blob")
        .annotate(sheet_id=Subquery(sheets.values("pk")[:1]))
    )
