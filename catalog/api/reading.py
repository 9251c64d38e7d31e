"""licenses/ and base-models/: lists and details that only read."""

from __future__ import annotations

from rest_framework.mixins import RetrieveModelMixin
from rest_framework.serializers import BaseSerializer

from catalog.api.lists import ListViewSet
from catalog.api.serializers import (
    BaseModelSerializer,
    LicenseDetail,
    LicenseHead,
)
from registry.models import BaseModel, License


class Licenses(RetrieveModelMixin, ListViewSet):
    """Licenses in their current revision; the detail says what each act needs, clause by clause."""

    queryset = License.objects.filter(current=True)
    serializer_class = LicenseHead
    keyset = "license_id"
    lookup_field = "license_id"
    lookup_url_kwarg = "id"
    lookup_value_regex = "[^/]+"

    def get_serializer_class(self) -> type[BaseSerializer[License]]:
        """The clauses are long: only one license at a time shows them."""
        return LicenseDetail if self.action == "retrieve" else LicenseHead


class BaseModels(RetrieveModelMixin, ListViewSet):
    """Base model families and their checkpoints."""

    queryset = BaseModel.objects.select_related("parent", "license").prefetch_related("aliases")
    serializer_class = BaseModelSerializer
    filterset_fields = ["family"]
    keyset = "slug"
    lookup_field = "slug"
