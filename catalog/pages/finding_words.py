"""A sheet's findings as sentences in the reader's language, made from their code and numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from django.utils.formats import number_format
from django.utils.translation import gettext as _

Numbers = Mapping[str, float]
# Below this mean change of L*, a* or b* a color shift has no direction worth naming.
_NAMED_FROM = 3.0


def finding_sentence(code: str, numbers: Numbers, message: str, where: str = "") -> str:
    """The sentence of a finding about the column `where`; `message` as the worker wrote it where code or
    numbers are unknown here.
    """
    make, placed = _SENTENCES.get(code), _PLACED.get(code)
    try:
        if placed and where:
            return placed(numbers, where)
        return make(numbers) if make else message
    except (KeyError, TypeError, ValueError):
        return message


def _weight(numbers: Numbers, name: str = "weight") -> str:
    return number_format(float(numbers[name]), decimal_pos=1)


def _collapse(numbers: Numbers) -> str:
    how = {
        "noise": _("much noise is added"),
        "clipped": _("large parts are burnt out"),
        "sharpness": _("everything blurs"),
        "ssim": _("nothing of the base's structure is left"),
    }
    named = next(text for name, text in how.items() if name in numbers)
    return _("Pictures fall apart from weight %(weight)s on (%(how)s).") % {
        "weight": _weight(numbers),
        "how": named,
    }


def _ignores_prompt(numbers: Numbers) -> str:
    if "prompt_grip" in numbers:
        text = _("From weight %(weight)s on the seed decides more of the picture than the prompt does.")
    else:
        text = _("From weight %(weight)s on the prompt hardly matters: different prompts look alike.")
    return text % {"weight": _weight(numbers)}


def _colors(numbers: Numbers) -> str:
    directions = (
        ("lightness", _("darker"), _("lighter")),
        ("green_red", _("greener"), _("redder")),
        ("blue_yellow", _("bluer"), _("yellower")),
    )
    named = [
        above if numbers[name] > 0 else below
        for name, below, above in directions
        if abs(numbers[name]) > _NAMED_FROM
    ]
    if not named:
        return _("Colors shift at weight %(weight)s, in no common direction.") % {"weight": _weight(numbers)}
    return _("Colors shift at weight %(weight)s: %(directions)s.") % {
        "weight": _weight(numbers),
        "directions": _(", ").join(named),
    }


def _recommended(numbers: Numbers) -> str:
    low, high = _weight(numbers, "low"), _weight(numbers, "high")
    if low == high:
        return _("Recommended: weight %(weight)s.") % {"weight": high}
    return _("Recommended: weights %(low)s to %(high)s.") % {"low": low, "high": high}


def _wrong_base(numbers: Numbers) -> str:
    if not numbers.get("modules"):
        return _("The file is an adapter for another base model.")
    if not numbers.get("misfits"):
        return _("The file is for another family of base models, with all of its %(modules)d modules.") % {
            "modules": int(numbers["modules"])
        }
    return _("The file is for another base model: %(misfits)d of its %(modules)d modules do not fit.") % {
        "misfits": int(numbers["misfits"]),
        "modules": int(numbers["modules"]),
    }


def _not_renderable(numbers: Numbers) -> str:
    if not numbers["family_known"]:
        return _("No sheet: nobody knows for which family of base models the file is.")
    if not numbers["recipes"]:
        return _("No sheet: Kura does not render the file's family of base models.")
    return _("No sheet: no base model of the file's family has its weights here.")


def _hands(numbers: Numbers) -> str:
    if numbers["detected"]:
        return _("Look at the hands in %(count)d pictures.") % {"count": int(numbers["pictures"])}
    if numbers.get("failed"):
        return _(
            "Look at the hands yourself: the hand detector could not be used, and the crops only show busy "
            "places."
        )
    return _("Look at the hands yourself: no hand detector is set up, the crops only show busy places.")


def _share(numbers: Numbers, name: str) -> int:
    return round(100 * max(0.0, float(numbers[name])))


_SENTENCES: dict[str, Callable[[Numbers], str]] = {
    "no_effect": lambda numbers: (
        _("The adapter changes nothing that can be seen, even at weight %(weight)s.")
        % {"weight": _weight(numbers)}
    ),
    "black_images": lambda numbers: (
        _("%(count)d pictures are black, flat or not finite.") % {"count": int(numbers["pictures"])}
    ),
    "overfit": lambda numbers: (
        _("From weight %(weight)s on different prompts and seeds give nearly the same picture.")
        % {"weight": _weight(numbers)}
    ),
    "little_variety": lambda numbers: (
        _(
            "From weight %(weight)s on different seeds give nearly the same picture, though the prompt still "
            "decides what it shows."
        )
        % {"weight": _weight(numbers)}
    ),
    "ignores_prompt": _ignores_prompt,
    "collapses_at": _collapse,
    "colour_shift": _colors,
    "background_drift": lambda numbers: (
        _("The background changes with the adapter at weight %(weight)s.") % {"weight": _weight(numbers)}
    ),
    "trigger_not_needed": lambda numbers: _(
        "The adapter acts as much without its trigger words as with them."
    ),
    "recommended_weight": _recommended,
    "wrong_base": _wrong_base,
    "not_renderable": _not_renderable,
    "look_at_hands": _hands,
    "block_carries": lambda numbers: (
        _("One block alone makes %(share)d percent of the effect.") % {"share": _share(numbers, "share")}
    ),
    "spoil_each_other": lambda numbers: _("Together the adapters show a fault that none of them has alone."),
    "drowned_out": lambda numbers: (
        _("Of adapter %(adapter)d only %(kept)d percent of its change is left beside the others.")
        % {"adapter": int(numbers["adapter"]), "kept": _share(numbers, "kept")}
    ),
    "versions_alike": lambda numbers: _("Both versions draw the same pictures."),
    "version_worse": lambda numbers: (
        _("From weight %(weight)s on this version has a fault that the earlier one lacks.")
        % {"weight": _weight(numbers)}
    ),
    "version_better": lambda numbers: (
        _("At weight %(weight)s this version lacks a fault of the earlier one.")
        % {"weight": _weight(numbers)}
    ),
    "setting_spoils": lambda numbers: _("One value of a setting brings a fault that other values avoid."),
}
# The same for findings that know the name of their column.
_PLACED: dict[str, Callable[[Numbers, str], str]] = {
    "block_carries": lambda numbers, where: (
        _("Block %(block)s alone makes %(share)d percent of the effect.")
        % {"block": where, "share": _share(numbers, "share")}
    ),
    "spoil_each_other": lambda numbers, where: (
        _("Together (%(which)s) the adapters show a fault that none of them has alone.") % {"which": where}
    ),
    "drowned_out": lambda numbers, where: (
        _("Of adapter %(adapter)d only %(kept)d percent of its change is left in %(which)s.")
        % {"adapter": int(numbers["adapter"]), "kept": _share(numbers, "kept"), "which": where}
    ),
    "setting_spoils": lambda numbers, where: (
        _("%(value)s brings a fault that other values of the setting avoid.") % {"value": where}
    ),
}
KNOWN = frozenset(_SENTENCES)
"""Codes with a sentence; a test compares them with the findings that exist."""
