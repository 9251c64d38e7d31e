"""Fills the tables of licenses and base models from the license engine's data; safe to run at every start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import transaction

from registry.bases import recognize_declared, versions_on
from registry.checks import assess
from registry.ledger import audit
from registry.licensing import base_models as table
from registry.licensing.schema import row_of
from registry.licensing.table import LICENSES
from registry.models import AliasHost, AuditEvent, BaseModel, BaseModelAlias, License
from registry.recheck import follow
from registry.verdicts import refresh

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
    licenses = _licenses(done)
    families = _families(done)
    bases = _base_models(licenses, families, done)
    _aliases(bases, done)
    if done.base_models or done.aliases:
        # Versions that were there before follow: newly known names, and what their bases' licenses say now.
        for version in recognize_declared():
            assess(version)
        refresh(versions_on(bases.values()))
    # Another table, or another engine, since the last start: what was decided by the old one is decided anew.
    follow()
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


def _licenses(done: Seeded) -> dict[str, License]:
    current = {row.license_id: row for row in License.objects.select_for_update().filter(current=True)}
    for row in LICENSES.values():
        known = current.get(row.id)
        # An administrator's revision carries the digest of the data it was made from, so it stands.
        if known is None or known.sha256 != row.sha256:
            done.licenses += 1
            current[row.id] = new_revision(
                known, row.id, name=row.name, url=row.url, data=row_of(row), sha256=row.sha256
            )
    return current


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


def _families(done: Seeded) -> dict[str, BaseModel]:
    """The root of each family's tree; it is no checkpoint, so it has neither license nor weights."""
    roots = {root.family: root for root in BaseModel.objects.filter(parent=None)}
    for family, name in table.FAMILIES.items():
        if family not in roots:
            done.base_models += 1
            roots[family] = BaseModel.objects.create(slug=_root_slug(family), name=name, family=family)
    return roots


def _root_slug(family: str) -> str:
    plain = family.replace("_", "-")
    taken = {_local(entry).slug for entry in table.BASE_MODELS.values()}
    return f"{plain}-family" if plain in taken else plain


def _local(entry: table.BaseModel) -> Local:
    return LOCAL.get(entry.id) or Local(entry.id, entry.name, "", ())


def _base_models(
    licenses: dict[str, License], families: dict[str, BaseModel], done: Seeded
) -> dict[str, BaseModel]:
    """Entry id -> its row."""
    by_slug = {base.slug: base for base in BaseModel.objects.exclude(parent=None)}
    found = {}
    for entry in table.BASE_MODELS.values():
        local = _local(entry)
        wanted = {
            "name": local.name,
            "family": entry.family,
            "parent_id": families[entry.family].pk,
            "license_id": licenses[entry.license].pk if entry.license else None,
            "weights": local.weights,
        }
        base = by_slug.get(local.slug) or BaseModel(slug=local.slug)
        changed = [name for name, value in wanted.items() if getattr(base, name) != value]
        if base.pk is None or (changed and not edited_by_a_person(base)):
            for name in changed:
                setattr(base, name, wanted[name])
            base.save()
            done.base_models += 1
        found[entry.id] = base
    return found


def edited_by_a_person(base: BaseModel) -> bool:
    """Whether an administrator changed the row; the audit log knows."""
    return AuditEvent.objects.filter(subject=f"base_model:{base.pk}", action="edit").exists()


def _aliases(bases: dict[str, BaseModel], done: Seeded) -> None:
    """Names that are not taken yet; one that an administrator gave to another base stays there."""
    taken = {(host, name.lower()) for host, name in BaseModelAlias.objects.values_list("host", "name")}
    new = []
    for entry in table.BASE_MODELS.values():
        for host, name in (
            *((AliasHost.CIVITAI, name) for name in entry.civitai),
            *((AliasHost.HUGGINGFACE, name) for name in entry.hub),
            *_local(entry).aliases,
        ):
            if (host, name.lower()) not in taken:
                taken.add((host, name.lower()))
                new.append(BaseModelAlias(base_model=bases[entry.id], host=host, name=name))
    BaseModelAlias.objects.bulk_create(new)
    done.aliases += len(new)
