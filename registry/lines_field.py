"""A form field for a list of short texts, one on each line: commas and blanks belong to the texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _


class LinesField(forms.CharField):
    """Its value is a list without blank and repeated lines; each has at most `longest` characters."""

    widget = forms.Textarea

    def __init__(self, *args: Any, longest: int, most: int = 200, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.longest, self.most = longest, most

    def prepare_value(self, value: Any) -> Any:
        """The list as it is written; what a person typed as it was typed."""
        return value if isinstance(value, str) or value is None else "\n".join(value)

    def to_python(self, value: Any) -> Any:
        """The list, of a list or of lines."""
        parts: Sequence[str] = str(value or "").splitlines() if not isinstance(value, list) else value
        return list(dict.fromkeys(part.strip() for part in parts if part.strip()))

    def validate(self, value: Any) -> None:
        """Raises ValidationError for too many or too long lines, and for none where some are required."""
        if self.required and not value:
            raise ValidationError(self.error_messages["required"], code="required")
        if len(value) > self.most:
            raise ValidationError(_("At most %(most)d lines."), code="too_many", params={"most": self.most})
        if any(len(part) > self.longest for part in value):
            raise ValidationError(
                _("At most %(longest)d characters on a line."),
                code="too_long",
                params={"longest": self.longest},
            )

    def run_validators(self, value: Any) -> None:
        """Those of the superclass are for one text: each line is looked at."""
        for part in value:
            super().run_validators(part)

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Whether another list is meant, however it is written."""
        return not self.disabled and self.to_python(initial) != self.to_python(data)
