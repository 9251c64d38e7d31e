"""Words for what the weights tell: parts of a model, block-weight presets, in the reader's language."""

from __future__ import annotations

from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from catalog.pages.numbers import percent
from registry.models import Relation

PARTS: Final[dict[str, str | Promise]] = {
    "TE": _("Text encoder"),
    "IN": _("Input blocks"),
    "MID": _("Middle block"),
    "OUT": _("Output blocks"),
    "DOUBLE": _("Double blocks"),
    "SINGLE": _("Single blocks"),
    "EARLY": _("Early layers"),
    "MIDDLE": _("Middle layers"),
    "LATE": _("Late layers"),
    "OTHER": _("Other layers"),
}

PRESETS: Final[dict[str, tuple[str | Promise, str | Promise]]] = {
    "calm_face": (_("Calmer faces"), _("Users who tried block by block tie faces to them.")),
    "calm_clothing": (_("Calmer clothing"), _("Users who tried block by block tie clothing to them.")),
    "calm_background": (
        _("Calmer background"),
        _("Users who tried block by block tie the background to them."),
    ),
}


def preset(code: str) -> str:
    """What a block-weight preset is for."""
    return str(PRESETS[code][0]) if code in PRESETS else code.replace("_", " ")


def preset_why(code: str) -> str:
    """Why its blocks are the ones to lower; empty for an unknown code."""
    return str(PRESETS[code][1]) if code in PRESETS else ""


def part(code: str) -> str:
    """The name of a part of the model; a code that is not known shows itself."""
    return str(PARTS.get(code.upper(), code))


# From this cosine of the two changes on: in words. 1 is the same direction, 0 nothing in common.
_CLOSENESS: Final[tuple[tuple[float, str | Promise], ...]] = (
    (0.99, _("the same but for rounding")),
    (0.9, _("nearly the same")),
    (0.6, _("closely related")),
    (0.4, _("has a good part in common")),
    (0.0, _("has a little in common")),
)


def relation(code: str) -> str:
    """How two adapters are related."""
    return str(Relation(code).label) if code in Relation else code.replace("_", " ")


def closeness(cosine: float) -> str:
    """A cosine of two changes in words."""
    return str(next((words for least, words in _CLOSENESS if cosine >= least), _("points the other way")))


DIRECTIONS: Final[dict[str, str | Promise]] = {
    "looser": _("looser"),
    "tighter": _("tighter"),
    "unknown": _("no longer known"),
    "other": _("different"),
}


def direction(code: str) -> str:
    """Which way an act went from one version to the next."""
    return str(DIRECTIONS.get(code, code))


def change(*, same: bool, shared: int, cosine: float | None, change: float | None) -> str:
    """What became of the weights from one version to the next, in one sentence."""
    if same:
        return gettext("The weights make the same change.")
    if not shared:
        return gettext("The two versions change no layer in common.")
    if change is not None and change >= 1.05:
        strength = gettext("It is %(share)s stronger.") % {"share": percent(change - 1)}
    elif change is not None and change <= 0.95:
        strength = gettext("It is %(share)s weaker.") % {"share": percent(1 - change)}
    else:
        strength = gettext("It is about as strong.")
    if (cosine or 0.0) >= 0.9:
        way = gettext("The same direction, a little changed.")
    elif (cosine or 0.0) >= 0.4:
        way = gettext("Trained further or mixed: partly the same direction.")
    else:
        way = gettext("Trained anew: another direction.")
    return f"{way} {strength}"
