"""Rows for tests: each factory makes a valid row with everything it needs, and nothing it does not."""

from __future__ import annotations

import hashlib
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone
from factory.declarations import LazyAttribute, LazyFunction, Sequence, SubFactory, Trait
from factory.django import DjangoModelFactory

from registry.models import (
    Adapter,
    BaseModel,
    Blob,
    Creator,
    File,
    Inspection,
    License,
    Snapshot,
    Source,
    TermsClaim,
    Version,
)


def sha256(text: object) -> str:
    """A SHA256 that is always the same for the same text."""
    return hashlib.sha256(str(text).encode()).hexdigest()


class UserFactory(DjangoModelFactory[User]):
    class Meta:
        model = User

    username = Sequence(lambda n: f"user{n}")


class CreatorFactory(DjangoModelFactory[Creator]):
    class Meta:
        model = Creator

    source = Source.FOLDER
    name = Sequence(lambda n: f"creator {n}")


class LicenseFactory(DjangoModelFactory[License]):
    class Meta:
        model = License
        django_get_or_create = ("license_id", "revision")

    license_id = "CC0-1.0"
    revision = 1
    name = "Creative Commons Zero"
    sha256 = sha256("license")


class BaseModelFactory(DjangoModelFactory[BaseModel]):
    class Meta:
        model = BaseModel
        django_get_or_create = ("slug",)

    slug = "kura-toybox"
    name = "Kura Toybox"
    family = "toybox"
    license = SubFactory(LicenseFactory)


class AdapterFactory(DjangoModelFactory[Adapter]):
    class Meta:
        model = Adapter

    creator = SubFactory(CreatorFactory)
    source = Source.FOLDER
    source_key = Sequence(lambda n: f"sha256:{sha256(n)}")
    name = Sequence(lambda n: f"adapter {n}")


class VersionFactory(DjangoModelFactory[Version]):
    """A version that waits for review, on the demo's base, without files or claims."""

    class Meta:
        model = Version

    class Params:
        approved = Trait(vetting="approved", vetted_at=LazyFunction(timezone.now))

    adapter = SubFactory(AdapterFactory)
    source_key = Sequence(lambda n: f"sha256:{sha256(n)}")
    name = "v1"
    declared_base = "Kura Toybox"
    base_declared = SubFactory(BaseModelFactory)
    detected_family = "toybox"


class BlobFactory(DjangoModelFactory[Blob]):
    """A row only; the bytes are not stored. Use registry.storage.store_bytes where they matter."""

    class Meta:
        model = Blob

    sha256 = Sequence(lambda n: sha256(f"blob {n}"))
    size = 1000
    container = "safetensors"


class FileFactory(DjangoModelFactory[File]):
    class Meta:
        model = File

    version = SubFactory(VersionFactory)
    blob = SubFactory(BlobFactory)
    name = "adapter.safetensors"


def inspection_data(**changes: Any) -> dict[str, Any]:
    """The inspect contract's object of a small sound LoRA for the demo's base."""
    return {
        "path": "adapter.safetensors",
        "size": 1000,
        "container": "safetensors",
        "valid": True,
        "error": None,
        "kind": "adapter",
        "algorithm": "lora",
        "weight_decomposed": False,
        "dialect": "kohya",
        "family": "toybox",
        "family_candidates": [],
        "modules": 120,
        "rank": {"min": 8, "median": 8, "max": 8},
        "components": [{"name": "unet", "modules": 120, "dialect": "kohya"}],
        "blocks": [],
        "declared_base": None,
        "base_conflict": False,
        "trigger_words": [],
        "training": None,
        "hashes": None,
        "findings": [],
    } | changes


class InspectionFactory(DjangoModelFactory[Inspection]):
    class Meta:
        model = Inspection

    class Params:
        changes: dict[str, Any] = {}

    blob = SubFactory(BlobFactory)
    reader = "1"
    data = LazyAttribute(lambda row: inspection_data(**row.changes))
    valid = LazyAttribute(lambda row: row.data["valid"])
    kind = LazyAttribute(lambda row: row.data["kind"])
    algorithm = LazyAttribute(lambda row: row.data["algorithm"] or "")
    dialect = LazyAttribute(lambda row: row.data["dialect"] or "")
    family = LazyAttribute(lambda row: row.data["family"])
    rank_max = 8
    modules = 120


class SnapshotFactory(DjangoModelFactory[Snapshot]):
    class Meta:
        model = Snapshot

    url = Sequence(lambda n: f"file:sidecar-{n}.civitai.info")
    body = b"{}"
    sha256 = LazyAttribute(lambda row: hashlib.sha256(row.body).hexdigest())


class ClaimFactory(DjangoModelFactory[TermsClaim]):
    """A license the author declares, with the snapshot it was read from."""

    class Meta:
        model = TermsClaim

    version = SubFactory(VersionFactory)
    kind = "license"
    standing = "declared"
    value = "MIT"
    wording = LazyAttribute(lambda row: str(row.value))
    snapshot = SubFactory(SnapshotFactory)


ALL_FLAGS = {
    "allowNoCredit": True,
    "allowCommercialUse": ["Image", "RentCivit", "Rent", "Sell"],
    "allowDerivatives": True,
    "allowDifferentLicense": True,
}
