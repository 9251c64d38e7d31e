"""Rows for the tests of the catalog: adapters with versions, files, readings, terms and sheets."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone
from PIL import Image

from inference.models import Sheet, SheetState
from registry.models import (
    Adapter,
    BaseModel,
    Blob,
    Creator,
    File,
    Inspection,
    Source,
    TermsProfile,
    Version,
    Vetting,
)
from registry.storage import store_bytes

_numbers = itertools.count(1)

APACHE = {"base_license": "Apache-2.0", "license": "Apache-2.0"}
NOT_COMMERCIAL = {"base_license": "Apache-2.0", "license": "CC-BY-NC-4.0"}
NOTHING_SAID = {"base_license": None, "license": None}


def base(slug: str, *, family: str = "", parent: BaseModel | None = None) -> BaseModel:
    """A base model; its family is its slug unless it has a parent."""
    return BaseModel.objects.create(
        slug=slug, name=slug.upper(), family=parent.family if parent else family or slug, parent=parent
    )


def profile(terms: dict[str, Any]) -> TermsProfile:
    """The terms profile of these terms."""
    whole = {
        "base_model": None,
        "components": [],
        "base_conflict": None,
        "civitai": None,
        "rights": None,
        "overlays": [],
        **terms,
    }
    digest = hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()
    return TermsProfile.objects.get_or_create(digest=digest, defaults={"terms": whole})[0]


def adapter(name: str = "", **fields: Any) -> Adapter:
    """An adapter without versions."""
    number = next(_numbers)
    given = {"source": Source.FOLDER, "source_key": f"adapter-{number}", "name": name or f"Adapter {number}"}
    return Adapter.objects.create(**(given | fields))


def version(
    of: Adapter | str = "",
    *,
    terms: dict[str, Any] | None = None,
    algorithm: str = "",
    sheet_on: BaseModel | None = None,
    vetting: str = Vetting.WAITING,
    blob: Blob | None = None,
    file_name: str = "adapter.safetensors",
    **fields: Any,
) -> Version:
    """A version with one file. `of` is an adapter, or the name of a new one."""
    number = next(_numbers)
    made = Version.objects.create(
        adapter=of if isinstance(of, Adapter) else adapter(of),
        source_key=f"version-{number}",
        name=fields.pop("name", f"v{number}"),
        terms_profile=profile(terms) if terms is not None else None,
        vetting=vetting,
        vetted_at=timezone.now() if vetting == Vetting.APPROVED else None,
        **fields,
    )
    blob = blob or row_only_blob()
    File.objects.create(version=made, blob=blob, name=file_name)
    if algorithm:
        read(blob, algorithm)
    if sheet_on:
        sheet(made, sheet_on)
    return made


def row_only_blob() -> Blob:
    """A blob whose bytes nobody will ask for."""
    sha256 = hashlib.sha256(f"blob {next(_numbers)}".encode()).hexdigest()
    return Blob.objects.create(
        sha256=sha256,
        size=1,
        autov2=sha256[:10].upper(),
        autov3=sha256[20:32].upper(),
        container="safetensors",
    )


def read(blob: Blob, algorithm: str, *, reader: str = "1") -> Inspection:
    """What a reader found in the blob."""
    return Inspection.objects.create(
        blob=blob, reader=reader, data={}, valid=True, kind="adapter", algorithm=algorithm
    )


def picture(color: str = "red") -> Blob:
    """A small stored PNG."""
    target = io.BytesIO()
    Image.new("RGB", (8, 8), color).save(target, "png")
    return store_bytes(target.getvalue())


def sheet(of: Version, on: BaseModel) -> Sheet:
    """A finished sheet."""
    return Sheet.objects.create(
        version=of,
        blob=of.files.get().blob,
        base=on,
        recipe="standard",
        recipe_digest="0" * 64,
        state=SheetState.DONE,
        image=picture(),
        finished=timezone.now(),
    )


def creator(name: str) -> Creator:
    """A person on an upstream."""
    return Creator.objects.create(source=Source.CIVITAI, name=name)


def user(name: str = "ada", **fields: Any) -> User:
    """An account."""
    return User.objects.create_user(name, password="correct horse", **fields)
