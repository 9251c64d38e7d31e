"""The credit a version's verdict asks for, ready to copy, for each medium."""

from __future__ import annotations

from django.utils.translation import get_language
from django.utils.translation import gettext as _

from registry.errors import KuraError
from registry.licensing.outputs.credit import MEDIA, CreditText
from registry.models import Version
from registry.stack_outputs import Outputs
from registry.stacks import Wanted, read_stack


def read_credits(version: Version, act: str) -> list[tuple[str, CreditText]]:
    """(name of the medium, credit) in the reader's language; empty where none can be written."""
    names = {"web": _("Web page"), "print": _("Print imprint"), "video": _("Video end card")}
    language = "ja" if (get_language() or "").startswith("ja") else "en"
    try:
        stack = read_stack(None, [Wanted(version.pk)], act, {})
        outputs = Outputs(stack, stack.decide())
        return [(names[medium], outputs.credit(medium, language)) for medium in MEDIA]
    except KuraError:
        return []
