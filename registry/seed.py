"""Fills the tables of licenses and base models from the license engine's data; safe to run at every start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import transaction

from registry.ledger import audit
from registry.licensing import base_models as table
from registry.licensing.table import LICENSES
from registry.licensing.table import License as LicenseRow
from registry.models import AliasHost, AuditEvent, BaseModel, BaseModelAlias, License

ACTOR = "system"


@dataclass(frozen=True, slots=True)
class Local:
    """What this installation adds to a base of the table: names of its own and the weights to render with."""

    slug: str
    name: str
    weights: str
    aliases: tuple[tuple[str, str], ...]


# The demo's base, whose weights come with the project.
LOCAL = {
    "toybox": Local(
        slug="kura-toybox",
        name="Kura Toybox",
        weights="demo/toybox",
        aliases=(
            (AliasHost.CIVITAI, "Kura Toybox"),
            (AliasHost.HUGGINGFACE, "kura/toybox"),
            (AliasHost.METADATA, "Kura Toybox"),
        ),
    )
}


@dataclass(slots=True)
class Seeded:
    """How many rows were made or changed."""

    licenses: int = 0
    base_models: int = 0
    aliases: int = 0

    @property
    def nothing(self) -> bool:
        return not (self.licenses or self.base_models or self.aliases)


@transaction.atomic
def seed() -> Seeded:
    """Bring licenses, base models and aliases up to date with the data files.

    A license whose data changed gets a new revision, and the old one stays. A base model that an
    administrator has edited is left as it is.
    """
    done = Seeded()
    licenses = {row.id: _license(row, done) for row in LICENSES.values()}
    families = {family: _family(family, name, done) for family, name in table.FAMILIES.items()}
    for entry in table.BASE_MODELS.values():
        license_row = licenses[entry.license] if entry.license else None
        _base_model(entry, families[entry.family], license_row, done)
    if not done.nothing:
        audit(
            ACTOR,
            "seed",
            "registry:tables",
            licenses=done.licenses,
            base_models=done.base_models,
            aliases=done.aliases,
        )
    return done


def _license(row: LicenseRow, done: Seeded) -> License:
    current = License.objects.select_for_update().filter(license_id=row.id, current=True).first()
    if current and current.sha256 == row.sha256:
        # An administrator's revision carries the digest of the data it was made from, so it stands, too.
        return current
    done.licenses += 1
    return new_revision(
        current, row.id, name=row.name, url=row.url, data=license_data(row), sha256=row.sha256
    )


def new_revision(
    current: License | None, license_id: str, *, name: str, url: str, data: dict[str, Any], sha256: str
) -> License:
    """Make the next revision of a license the current one; base models that had the one before get it too."""
    if current:
        License.objects.filter(pk=current.pk).update(current=False)
    made = License.objects.create(
        license_id=license_id,
        revision=current.revision + 1 if current else 1,
        name=name,
        url=url,
        data=data,
        sha256=sha256,
    )
    if current:
        BaseModel.objects.filter(license=current).update(license=made)
    return made


def license_data(row: LicenseRow) -> dict[str, Any]:
    """The row as plain JSON: its facts, and for each act status, conditions, clause and note."""
    return {
        "id": row.id,
        "revision": row.revision,
        "spdx": row.spdx,
        "family": row.family,
        "steward": row.steward,
        "version": row.version,
        "confidence": row.confidence,
        "irrevocable": row.irrevocable,
        "lora_is_derivative": row.lora_is_derivative,
        "share_alike_group": row.share_alike_group,
        "sources": list(row.sources),
        "notes": list(row.notes),
        "acts": {
            act: {
                "status": cell.status,
                "conditions": [str(condition) for condition in cell.conditions],
                "clause": cell.clause,
                "note": cell.note,
                "disputed": cell.disputed,
                "host_exempt": sorted(cell.host_exempt),
            }
            for act, cell in row.summary.items()
        },
    }


def _family(family: str, name: str, done: Seeded) -> BaseModel:
    """The root of a family's tree; it is no checkpoint, so it has neither license nor weights."""
    root = BaseModel.objects.filter(parent=None, family=family).first()
    if root is None:
        done.base_models += 1
        root = BaseModel.objects.create(slug=_root_slug(family), name=name, family=family)
    return root


def _root_slug(family: str) -> str:
    plain = family.replace("_", "-")
    taken = {_local(entry).slug for entry in table.BASE_MODELS.values()}
    return f"{plain}-family" if plain in taken else plain


def _local(entry: table.BaseModel) -> Local:
    return LOCAL.get(entry.id) or Local(entry.id, entry.name, "", ())


def _base_model(entry: table.BaseModel, root: BaseModel, license_row: License | None, done: Seeded) -> None:
    local = _local(entry)
    wanted = {
        "name": local.name,
        "family": entry.family,
        "parent": root,
        "license": license_row,
        "weights": local.weights,
    }
    base, created = BaseModel.objects.get_or_create(slug=local.slug, defaults=wanted)
    changed = [name for name, value in wanted.items() if getattr(base, name) != value]
    if not created and changed and not edited_by_a_person(base):
        for name in changed:
            setattr(base, name, wanted[name])
        base.save(update_fields=changed)
        created = True
    done.base_models += created
    for host, name in (
        *((AliasHost.CIVITAI, name) for name in entry.civitai),
        *((AliasHost.HUGGINGFACE, name) for name in entry.hub),
        *local.aliases,
    ):
        _alias(base, host, name, done)


def edited_by_a_person(base: BaseModel) -> bool:
    """Whether an administrator changed the row; the audit log knows."""
    return AuditEvent.objects.filter(subject=f"base_model:{base.pk}", action="edit").exists()


def _alias(base: BaseModel, host: str, name: str, done: Seeded) -> None:
    if not BaseModelAlias.objects.filter(host=host, name__iexact=name).exists():
        BaseModelAlias.objects.create(base_model=base, host=host, name=name)
        done.aliases += 1
