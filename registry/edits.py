"""What a person sets by hand on an adapter or version: it is marked, and no later reading overwrites it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.db import transaction

from registry.bases import find_base
from registry.checks import assess
from registry.errors import KuraError
from registry.ledger import audit, note_change
from registry.models import Adapter, AliasHost, BaseModel, Standing, Version
from registry.review_items import keep_items
from registry.verdicts import refresh

EDITABLE: Final[Mapping[type[Adapter] | type[Version], tuple[str, ...]]] = {
    Adapter: ("name", "description", "tags", "source_url"),
    Version: ("name", "notes", "trigger_words", "declared_base"),
}


class NotEditable(KuraError):
    """The field is no one that a person may set by hand, or the value does not fit it."""

    code = "not_editable"
    next_step = "Set the name, description, tags, notes, trigger words or declared base."


@transaction.atomic
def change(
    row: Adapter | Version, actor: str, values: Mapping[str, Any], released: Sequence[str] = ()
) -> bool:
    """What a form or a call asks for at once: `edit` these fields, `release` those; whether anything changed.

    Of a version also `base_decided`, a BaseModel or None. Raises NotEditable; then nothing has changed.
    """
    fields = dict(values)
    changed = False
    if isinstance(row, Version) and "base_decided" in fields:
        changed |= decide_base(row, actor, fields.pop("base_decided"))
    if both := sorted(fields.keys() & set(released)):
        raise NotEditable(f"{', '.join(both)} cannot be set and released at once.")
    if fields:
        changed |= edit(row, actor, **fields)
    if released:
        changed |= release(row, actor, *released)
    return changed


@transaction.atomic
def edit(row: Adapter | Version, actor: str, **values: Any) -> bool:
    """Set these fields as `actor` says, and keep them from every later reading; whether anything changed.

    Setting a field to what it is already marks it, too: the person wants it so. Raises NotEditable.
    """
    allowed = EDITABLE[type(row)]
    if unknown := sorted(values.keys() - set(allowed)):
        raise NotEditable(f"{', '.join(unknown)} cannot be set by hand.")
    row = _locked(row, values)
    before = {name: getattr(row, name) for name in values}
    for name, value in values.items():
        setattr(row, name, value)
    try:
        row.clean_fields(exclude=[field.name for field in row._meta.fields if field.name not in values])
    except (ValidationError, ValueError, TypeError) as error:
        told = "; ".join(error.messages) if isinstance(error, ValidationError) else str(error)
        raise NotEditable(f"A value does not fit its field: {told}") from None
    marked = sorted({*row.edited, *values})
    changed = [name for name in values if before[name] != values[name]]
    if not changed and marked == row.edited:
        return False
    # What stood there until now is what the source said last.
    row.stated = {**{name: value for name, value in before.items() if name not in row.edited}, **row.stated}
    row.edited = marked
    fields = [*values, "edited", "stated", "updated"]
    if isinstance(row, Version) and "declared_base" in values:
        row.base_declared = find_base(row.declared_base)
        fields.append("base_declared")
    row.save(update_fields=fields)
    _follow(row, actor, "edit", changed)
    return True


@transaction.atomic
def release(row: Adapter | Version, actor: str, *names: str) -> bool:
    """Give these fields back to the source: they get what it said last, and later readings set them again.

    Whether any was marked. Raises NotEditable for what is no field that can be edited.
    """
    if unknown := sorted(set(names) - set(EDITABLE[type(row)])):
        raise NotEditable(f"{', '.join(unknown)} cannot be set by hand.")
    own, row = row, _locked(row, {})
    given = [name for name in row.edited if name in names]
    if not given:
        return False
    back = {name: row.stated[name] for name in given if name in row.stated}
    row.edited = [name for name in row.edited if name not in given]
    row.stated = {name: value for name, value in row.stated.items() if name not in given}
    for name, value in back.items():
        setattr(row, name, value)
        setattr(own, name, value)
    fields = [*back, "edited", "stated", "updated"]
    if isinstance(row, Version) and "declared_base" in back:
        row.base_declared = find_base(row.declared_base, _host(row))
        fields.append("base_declared")
    row.save(update_fields=fields)
    _follow(row, actor, "release_edit", given)
    return True


@transaction.atomic
def decide_base(version: Version, actor: str, base: BaseModel | None) -> bool:
    """Set the base that holds here whatever the source and the weights say, or None; whether it is another.

    Raises NotEditable where a reviewer has concluded it as an item of the review, which has evidence.
    """
    row = _locked(version, {})
    if row.base_decided_id == (base and base.pk):
        return False
    if row.claims.filter(standing=Standing.DECIDED, superseded=False, hints__item="base").exists():
        raise NotEditable(
            "A reviewer has concluded the base of this version.",
            next_step="Open that item again on its review page, then conclude it anew.",
        )
    row.base_decided = version.base_decided = base
    row.save(update_fields=["base_decided", "updated"])
    audit(actor, "decide_base", f"version:{row.pk}", base=base.slug if base else None)
    _settle([row])
    return True


def keep_stated(row: Adapter | Version, values: Mapping[str, Any]) -> None:
    """Note what the source says now of fields that a person has set; the fields themselves stay as they are.

    What the source leaves empty is no statement: absence never erases.
    """
    said = {name: value for name, value in values.items() if value and name in row.edited}
    if any(row.stated.get(name) != value for name, value in said.items()):
        row.stated = {**row.stated, **said}
        row.save(update_fields=["stated"])


def _locked(row: Adapter | Version, values: Mapping[str, Any]) -> Any:
    """The row as it stands, locked; the caller's own gets the new values, too."""
    for name, value in values.items():
        setattr(row, name, value)
    return type(row)._default_manager.select_for_update(no_key=True).get(pk=row.pk)


def _host(version: Version) -> str:
    """Whose names of base models the source uses."""
    source = str(version.adapter.source)
    return source if source in AliasHost.values else ""


def _follow(row: Adapter | Version, actor: str, action: str, names: list[str]) -> None:
    kind = "adapter" if isinstance(row, Adapter) else "version"
    audit(actor, action, f"{kind}:{row.pk}", fields=names)
    _settle(list(row.versions.all()) if isinstance(row, Adapter) else [row])


def _settle(versions: Sequence[Version]) -> None:
    """Bring up to date what follows: tags and trigger words bring in rules, the base its license."""
    for version in versions:
        assess(version)
        keep_items(version)
    refresh(versions)
    for version in versions:
        note_change(version, "version_updated")
