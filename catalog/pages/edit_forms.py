"""The form by which a person corrects what a source says of an adapter and one of its versions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django import forms
from django.utils.translation import gettext_lazy as _

from registry.lines_field import LinesField
from registry.models import Adapter, BaseModel, Version

# Field of the form -> the row it belongs to, and the field there.
PLACES: Final[Mapping[str, tuple[str, str]]] = {
    "name": ("adapter", "name"),
    "description": ("adapter", "description"),
    "tags": ("adapter", "tags"),
    "version_name": ("version", "name"),
    "trigger_words": ("version", "trigger_words"),
    "notes": ("version", "notes"),
    "base_decided": ("version", "base_decided"),
}


@dataclass(frozen=True)
class EditLine:
    """A field of the form. `stated`: what the source said last; `place`: what a button gives back to it."""

    field: forms.BoundField
    edited: bool
    stated: str
    place: str


class EditForm(forms.Form):
    """Only what differs from what the person saw is set: `show_hidden_initial` brings that back with it.

    Whatever a sync changed meanwhile is neither overwritten nor taken for an edit.
    """

    name = forms.CharField(label=_("Name"), max_length=300, show_hidden_initial=True)
    description = forms.CharField(
        label=_("Description"), required=False, widget=forms.Textarea, strip=False, show_hidden_initial=True
    )
    tags = LinesField(
        label=_("Tags, one on each line"), longest=100, required=False, show_hidden_initial=True
    )
    version_name = forms.CharField(label=_("Name of the version"), max_length=200, show_hidden_initial=True)
    trigger_words = LinesField(
        label=_("Trigger words, one on each line"), longest=300, required=False, show_hidden_initial=True
    )
    notes = forms.CharField(
        label=_("Notes on the version"),
        required=False,
        widget=forms.Textarea,
        strip=False,
        show_hidden_initial=True,
    )
    base_decided = forms.ModelChoiceField(
        BaseModel.objects.none(),
        label=_("Base model, decided here"),
        required=False,
        empty_label=_("not decided: what is declared or detected counts"),
        show_hidden_initial=True,
    )

    def __init__(self, adapter: Adapter, version: Version, *args: Any, **kwargs: Any) -> None:
        rows: Mapping[str, Adapter | Version] = {"adapter": adapter, "version": version}
        self._rows = rows
        initial = {name: getattr(rows[row], field) for name, (row, field) in PLACES.items()}
        kwargs["initial"] = initial | {"base_decided": version.base_decided_id}
        super().__init__(*args, **kwargs)
        bases = self.fields["base_decided"]
        assert isinstance(bases, forms.ModelChoiceField)
        bases.queryset = BaseModel.objects.order_by("family", "name")
        for name, field in self.fields.items():
            text = isinstance(field.widget, forms.Textarea)
            choice = isinstance(field.widget, forms.Select)
            field.widget.attrs["class"] = "textarea" if text else "select" if choice else "input"
            if text:
                field.widget.attrs["rows"] = 4
            if self.is_bound and name in self.errors:
                field.widget.attrs["aria-invalid"] = "true"

    @property
    def lines(self) -> list[EditLine]:
        """The fields in order, each with what its source says where it is edited."""
        found = []
        for name, (row, own) in PLACES.items():
            edited, stated = own in self._rows[row].edited, self._rows[row].stated.get(own)
            found.append(EditLine(self[name], edited, _said(stated), f"{row}.{own}"))
        return found

    @property
    def any_edited(self) -> bool:
        """Whether any field is set by hand now."""
        return any(line.edited for line in self.lines)

    def changes(self) -> dict[str, dict[str, Any]]:
        """Row -> the fields that the person changed, with their values; call it on a valid form."""
        found: dict[str, dict[str, Any]] = {"adapter": {}, "version": {}}
        for name in self.changed_data:
            row, own = PLACES[name]
            value = self.cleaned_data[name]
            # A browser ends lines as MIME does (HTML, 4.10.21.3).
            found[row][own] = value.replace("\r\n", "\n") if isinstance(value, str) else value
        return found


def released(place: str) -> tuple[str, str] | None:
    """`adapter.name` -> the row and the field that are given back to their source; None for anything else."""
    row, _dot, own = place.partition(".")
    return (row, own) if (row, own) in PLACES.values() and own != "base_decided" else None


def _said(value: object) -> str:
    """What the source said last, in one text."""
    return ", ".join(str(each) for each in value) if isinstance(value, list) else str(value or "")
