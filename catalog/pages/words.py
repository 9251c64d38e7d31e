"""Words for the codes of verdicts, conditions, layers and checks, in the reader's language."""

from __future__ import annotations

from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext, gettext_noop
from django.utils.translation import gettext_lazy as _

from registry.licensing import ACTS, CONDITIONS, REASONS

OUTCOMES: Final[dict[str, str | Promise]] = {
    "allowed": _("Allowed"),
    "conditional": _("With conditions"),
    "unknown": _("Unknown"),
    "forbidden": _("Not allowed"),
}

OUTCOME_SENTENCES: Final[dict[str, str | Promise]] = {
    "allowed": _("Every layer of terms allows this."),
    "conditional": _("You may, if you keep the conditions below."),
    "unknown": _("Some terms are missing or silent, so the answer is not known. Unknown is never yes."),
    "forbidden": _("At least one layer of terms forbids this."),
}

STATUSES: Final[dict[str, str | Promise]] = {
    **OUTCOMES,
    "silent": _("Silent"),
    "not_addressed": _("Not addressed"),
}

LAYERS: Final[dict[str, str | Promise]] = {
    "base": _("Base model"),
    "component": _("Component"),
    "adapter": _("Adapter"),
    "evidence": _("Author's reply"),
    "host": _("Host"),
    "tool": _("Tool"),
    "rights": _("Rights in the material"),
    "policy": _("House policy"),
    "overlay": _("Overlay"),
}

CHECKS: Final[dict[str, str | Promise]] = {
    "container_valid": _("The container is sound"),
    "pickle_free": _("No pickle"),
    "weights_finite": _("Weights are finite"),
    "base_conflict": _("Declared and detected base agree"),
    "base_known": _("The base is known"),
    "license_known": _("The license is known"),
    "upstream_state": _("The upstream stands behind it"),
    "bytes_stored": _("The bytes are stored"),
    "material_rights": _("Rights in the material"),
    "sheet": _("Comparison sheet"),
    "hands": _("Hands in the pictures"),
    "lineage": _("Other adapters with these weights"),
    "license_conflict": _("Terms agree with those of its copies"),
    "terms_changed": _("Terms are as they were reviewed"),
}

CONFIDENCES: Final[dict[str, str | Promise]] = {
    "read_in_text": _("Read in the license text"),
    "secondary_source": _("From a secondary source"),
    "from_memory": _("Not read again; treat with care"),
}

# What the gates write when there is nothing to name: English is stored, pages translate it when they show it.
CHECK_SENTENCES: Final = (
    gettext_noop("No sheet has been rendered yet."),
    gettext_noop("No file is a pickle."),
    gettext_noop("Only pickles: loading one runs code."),
    gettext_noop("No file that can be read without running it."),
    gettext_noop("The safetensors reader accepts every file."),
    gettext_noop("The weights have not been read."),
    gettext_noop("Every weight that was read is a finite number."),
    gettext_noop("The weights do not settle which family they are for."),
    gettext_noop("Nothing contradicts the stated base."),
    gettext_noop("Nobody stated the base and the weights do not tell it."),
    gettext_noop("Nothing says under which terms the adapter is given."),
    gettext_noop("Nobody has looked at the rights in the training material."),
    gettext_noop("The comparison sheet shows nothing that stands out."),
    gettext_noop("The comparison sheet is not rendered yet."),
    gettext_noop("Nobody looked for hands yet: the sheet has enlarged crops of busy places."),
    gettext_noop("Look at the hands: the sheet has an enlarged crop of each that was found."),
    gettext_noop("The hand detector saw no hands on the sheet."),
    gettext_noop("A reviewer has decided with the crops before their eyes."),
    gettext_noop("No other adapter here shares its weights."),
    gettext_noop("No copy of these weights has stricter terms."),
    gettext_noop("A reviewer has decided since the terms changed."),
)

FAMILIES: Final[dict[str, str]] = {
    "sd1": "SD 1.x", "sd2": "SD 2.x", "sdxl": "SDXL", "sd3_medium": "SD 3 Medium",
    "sd35_medium": "SD 3.5 Medium", "sd35_large": "SD 3.5 Large", "flux1": "FLUX.1",
    "flux2_dev": "FLUX.2 [dev]", "qwen_image": "Qwen-Image", "z_image": "Z-Image", "chroma": "Chroma",
    "toybox": "Toybox",
}  # fmt: skip

ALGORITHMS: Final[dict[str, str]] = {
    "lora": "LoRA", "locon": "LoCon", "loha": "LoHa", "lokr": "LoKr", "ia3": "(IA)³", "oft": "OFT",
    "boft": "BOFT", "glora": "GLoRA", "full": "Full difference", "mixed": "Mixed",
}  # fmt: skip


def outcome(code: str) -> str:
    """The word of an outcome; an unknown code shows itself."""
    return str(OUTCOMES.get(code, code))


def status(code: str) -> str:
    """The word of what one layer says."""
    return str(STATUSES.get(code, code))


def layer(code: str) -> str:
    """A layer with its name or number. A version is one adapter, so `adapter:1` needs no number."""
    kind, _sep, which = code.partition(":")
    name = str(LAYERS.get(kind, kind))
    return name if which in ("", "1") else f"{name} {which}"


def outcome_sentence(code: str) -> str:
    """What an outcome means, in one sentence."""
    return str(OUTCOME_SENTENCES.get(code, ""))


def reason(code: str) -> str:
    """What a reason's code means, in one sentence."""
    meaning = REASONS.get(code)
    return gettext(meaning[0]) if meaning else code.replace("_", " ")


def check(code: str) -> str:
    """The name of a vetting check."""
    return str(CHECKS.get(code, code.replace("_", " ")))


def confidence(code: str | None) -> str:
    """How well a clause was read."""
    return str(CONFIDENCES.get(code or "", code or "–"))


def act(code: str) -> str:
    """The label of an act; a code that no act has shows itself."""
    found = ACTS.get(code)
    return gettext(found.label) if found else code


def condition(spelled: str) -> str:
    """`revenue_below_usd:1000000` -> `Only below a yearly revenue: 1,000,000`."""
    code, _sep, parameter = spelled.partition(":")
    kind = CONDITIONS.get(code) or next((each for each in CONDITIONS.values() if each.wire == code), None)
    name = gettext(kind.label) if kind else code.replace("_", " ")
    if not parameter:
        return name
    if parameter.isdigit():
        parameter = f"{int(parameter):,}"
    return f"{name}: {parameter.strip('[]')}"


def algorithm(code: str) -> str:
    """The field's own spelling of an algorithm."""
    return ALGORITHMS.get(code, code)


def family(code: str) -> str:
    """The usual spelling of a base family; `unknown` in the reader's language."""
    return gettext("Unknown") if code == "unknown" else FAMILIES.get(code, code)
