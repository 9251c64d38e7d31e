"""Rows for tests of the pages: adapters with files, readings, terms, checks and sheets of small pictures."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from typing import Any

from django.contrib.auth.models import Permission, User
from django.utils import timezone
from PIL import Image

from catalog.search import index
from inference.models import Cell, Sheet, SheetCell, SheetState
from inference.recipes import Role, SheetPlan, Trigger, get_recipe
from inference.services import record_check
from registry.licensing import BASE_MODELS, LICENSES
from registry.models import (
    Adapter,
    Analysis,
    AnalysisState,
    BaseModel,
    Blob,
    ClaimKind,
    Creator,
    File,
    Inspection,
    License,
    Snapshot,
    Source,
    TermsClaim,
    Version,
    Vetting,
)
from registry.storage import store_bytes
from registry.verdicts import profile_of
from registry.vetting import assess

Paint = Callable[[int, float | None], Image.Image]
OPEN_FLAGS = {
    "allowNoCredit": True,
    "allowCommercialUse": ["Image", "RentCivit", "Rent", "Sell"],
    "allowDerivatives": True,
    "allowDifferentLicense": True,
}
CLOSED_FLAGS = {**OPEN_FLAGS, "allowCommercialUse": []}


def paint(row: int, weight: float | None) -> Image.Image:
    """A small picture that differs by row and changes with the weight."""
    shift = int(150 * (weight or 0))
    return Image.new("RGB", (16, 16), (90 * (row % 2), 200 - shift, 60 + shift))


def make_adapter(
    name: str = "Ink Lines",
    *,
    base: str = "sdxl-1-0",
    flags: dict[str, Any] | None = None,
    license_id: str | None = None,
    vetting: str = Vetting.APPROVED,
    sheet: bool = True,
    painter: Paint = paint,
    words: tuple[str, ...] = ("inkline",),
    tags: tuple[str, ...] = ("style",),
    algorithm: str = "lora",
    rank: int = 16,
    creator: str = "mika",
    effect: float = 0.31,
) -> Version:
    """One adapter with one version; what is not asked for is plain and sound."""
    key = hashlib.sha256(name.encode()).hexdigest()
    model = BaseModel.objects.filter(slug=base).first() or make_base(base)
    who, _ = Creator.objects.get_or_create(source=Source.FOLDER, name=creator)
    adapter = Adapter.objects.create(
        creator=who,
        source=Source.FOLDER,
        source_key=key,
        name=name,
        tags=list(tags),
        description=f"{name} by {creator}.",
    )
    version = Version.objects.create(
        adapter=adapter,
        source_key=key,
        name="v1.0",
        trigger_words=list(words),
        declared_base=model.name if model else "",
        base_declared=model,
        detected_family=model.family if model else "unknown",
    )
    blob = make_file(version, name, algorithm, rank)
    if flags is not None:
        claim(version, ClaimKind.CIVITAI_FLAGS, flags)
    if license_id is not None:
        claim(version, ClaimKind.LICENSE, license_id)
    version.terms_profile = profile_of(version)
    version.vetting, version.vetted_at = vetting, None if vetting == Vetting.WAITING else timezone.now()
    version.save()
    if sheet and model is not None:
        make_sheet(version, blob, model, painter, effect)
    assess(version)
    index().refresh([adapter.pk])
    return version


def make_file(version: Version, name: str, algorithm: str = "lora", rank: int = 16) -> Blob:
    """A stored file whose bytes say what an adapter's would."""
    blob = store_bytes(f"weights of {name}".encode(), container="safetensors")
    file_name = f"{name.replace(' ', '_').lower()}.safetensors"
    File.objects.get_or_create(version=version, blob=blob, defaults={"name": file_name})
    Inspection.objects.get_or_create(
        blob=blob,
        reader="test",
        defaults={
            "data": {"rank": {"min": rank, "median": rank, "max": rank}, "trigger_words": [], "findings": []},
            "valid": True,
            "kind": "adapter",
            "algorithm": algorithm,
            "dialect": "kohya",
            "family": version.detected_family,
            "rank_max": rank,
            "modules": 192,
        },
    )
    return blob


def make_analysis(blob: Blob, **changes: Any) -> Analysis:
    """What a worker would have measured in the blob: most of the change in the output blocks."""
    shares = {"IN01": 0.05, "IN04": 0.15, "M00": 0.1, "OUT03": 0.4, "OUT05": 0.3, "OUT11": 0.0}
    data = {
        "modules": 192,
        "frobenius": 12.5,
        "spectral": 3.25,
        "effective_rank": {"min": 2.0, "median": 6.0, "max": 9.0},
        "zero": [],
        "not_finite": [],
        "needs_base": False,
        "layout": "17",
        "blocks": [
            {
                "name": name,
                "modules": 12,
                "frobenius": 10 * share,
                "spectral": 3 * share,
                "effective_rank": 6.0,
                "share": share,
            }
            for name, share in shares.items()
        ],
        "profile": [
            {"part": part, "share": share} for part, share in (("IN", 0.2), ("MID", 0.1), ("OUT", 0.7))
        ],
        "presets": [
            {
                "code": "calm_face",
                "layout": "17",
                "lbw": "1,0.3,1",
                "why": "",
                "elements": ["OUT03", "OUT05"],
                "share": 0.7,
            }
        ],
    } | changes
    return Analysis.objects.create(blob=blob, edition="test", state=AnalysisState.DONE, data=data)


def make_base(slug: str) -> BaseModel:
    """A base model of the license table with its license and its family; quicker than filling all tables."""
    known = BASE_MODELS[slug]
    row = LICENSES.get(known.license or "")
    license_ = None
    if row is not None:
        values = {"name": row.name, "sha256": row.sha256, "revision": row.revision}
        license_, _ = License.objects.get_or_create(license_id=row.id, defaults=values)
    family, _ = BaseModel.objects.get_or_create(
        slug=f"{known.family}-family", defaults={"name": f"{known.family} family", "family": known.family}
    )
    fields = {"name": known.name, "family": known.family, "parent": family, "license": license_}
    return BaseModel.objects.get_or_create(slug=slug, defaults=fields)[0]


def claim(version: Version, kind: str, value: Any, url: str = "file:card.json") -> TermsClaim:
    """A statement with the snapshot it was read from."""
    body = repr(value).encode()
    snapshot, _ = Snapshot.objects.get_or_create(
        url=url, sha256=hashlib.sha256(body).hexdigest(), defaults={"body": body}
    )
    return TermsClaim.objects.create(
        version=version, kind=kind, value=value, wording=str(value), snapshot=snapshot
    )


def make_sheet(
    version: Version, blob: Blob, base: BaseModel, painter: Paint = paint, effect: float = 0.31
) -> Sheet:
    """A finished standard sheet of the toybox's prompts."""
    trigger = Trigger(version.trigger_words[0] if version.trigger_words else "")
    plan = SheetPlan(get_recipe("standard", "toybox"), trigger)
    sheet = Sheet.objects.create(
        version=version,
        blob=blob,
        base=base,
        recipe="standard",
        recipe_digest=plan.recipe.digest(),
        state=SheetState.DONE,
        plan=plan.as_dict(),
        cells_total=plan.cells,
        image=store_bytes(_png(Image.new("RGB", (64, 64), "white")), container="png"),
        finished=timezone.now(),
        metrics={
            "weights": [
                {"weight": c.weight, "effect": (c.weight or 0) * effect / 0.8} for c in plan.columns[2:]
            ]
        },
        findings=[
            {
                "code": "recommended_weight",
                "severity": "info",
                "message": "Weights from 0.6 to 0.9 change the picture without damage.",
                "numbers": {"low": 0.6, "high": 0.9},
                "threshold": None,
            }
        ],
    )
    places: list[SheetCell] = []
    cells: dict[str, Cell] = {}
    images: dict[bytes, Blob] = {}
    for row in range(len(plan.rows)):
        for column, head in enumerate(plan.columns):
            shown = None if head.role is Role.BASE else head.weight
            data = _png(painter(row, shown))
            images[data] = images.get(data) or store_bytes(data, container="png")
            # Bases are shared by all adapters, as in real sheets.
            owner = "base" if shown is None else version.pk
            key = hashlib.sha256(f"{owner} {row} {head.role} {shown}".encode()).hexdigest()
            cells[key] = Cell(key=key, inputs={}, image=images[data])
            metrics = {} if shown is None else {"effect": round(shown * effect / 0.8, 3)}
            places.append(
                SheetCell(
                    sheet=sheet, cell_id=key, row=row, column=column, role=str(head.role), metrics=metrics
                )
            )
    Cell.objects.bulk_create(cells.values(), ignore_conflicts=True)
    SheetCell.objects.bulk_create(places)
    record_check(version)
    return sheet


def make_reviewer(name: str = "reviewer", password: str = "a long enough one") -> User:
    """A user who may review."""
    user = User.objects.create_user(name, password=password)
    user.user_permissions.add(Permission.objects.get(codename="add_review"))
    return user


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()
