"""SearchDocument: what the catalog knows of one adapter, in the words people search by."""

from __future__ import annotations

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import models

from registry.models import Adapter


class SearchDocument(models.Model):
    """Adapter-level text document; `tokens` holds words and CJK bigrams made in Python (config `simple`)."""

    adapter = models.OneToOneField(
        Adapter, on_delete=models.CASCADE, primary_key=True, related_name="search_document"
    )
    tokens = SearchVectorField()
    refreshed = models.DateTimeField(auto_now=True)

    class Meta:
        indexes = [GinIndex(fields=["tokens"], name="search_tokens_gin")]

    def __str__(self) -> str:
        return f"search document of adapter {self.adapter_id}"


class Cursor(models.Model):
    """How far a consumer of the change log has read."""

    consumer = models.CharField(max_length=60, primary_key=True)
    last_change = models.BigIntegerField(default=0)
    updated = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"{self.consumer} at {self.last_change}"
