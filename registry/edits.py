"""What a person sets by hand on an adapter or version: it is marked, and no later reading overwrites it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.db import transaction

from registry.bases import find_base
from registry.errors import KuraError
from registry.ledger import audit, note_change
from registry.models import Adapter, Version
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
    row.edited = marked
    fields = [*values, "edited", "updated"]
    if isinstance(row, Version) and "declared_base" in values:
        row.base_declared = find_base(row.declared_base)
        fields.append("base_declared")
    row.save(update_fields=fields)
    _follow(row, actor, "edit", changed)
    return True


@transaction.atomic
def release(row: Adapter | Version, actor: str, *names: str) -> bool:
    """Let later readings set these fields again; the values stay until one does. Whether any was marked."""
    row = _locked(row, {})
    kept = [name for name in row.edited if name not in names]
    if kept == row.edited:
        return False
    row.edited = kept
    row.save(update_fields=["edited", "updated"])
    _follow(row, actor, "release_edit", list(names))
    return True


def _locked(row: Adapter | Version, values: Mapping[str, Any]) -> Any:
    """The row as it stands, locked; the caller's own gets the new values, too."""
    for name, value in values.items():
        setattr(row, name, value)
    return type(row)._default_manager.select_for_update(no_key=True).get(pk=row.pk)


def _follow(row: Adapter | Version, actor: str, action: str, names: list[str]) -> None:
    kind = "adapter" if isinstance(row, Adapter) else "version"
    audit(actor, action, f"{kind}:{row.pk}", fields=names)
    versions = list(row.versions.all()) if isinstance(row, Adapter) else [row]
    # Tags and trigger words bring in rules, the base its license.
    refresh(versions)
    for version in versions:
        note_change(version, "version_updated")
