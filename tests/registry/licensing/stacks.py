"""Stacks of terms by chance, for the laws of the algebra: any base, adapters, parts, rules and facts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Final, TypeVar

from registry.licensing import (
    ACTS,
    LICENSES,
    AdapterTerms,
    AuthorReply,
    BaseConflict,
    Component,
    Overlay,
    Question,
)
from registry.licensing.question import RIGHTS_KINDS

T = TypeVar("T")

VALUES: Final[dict[str, list[Any]]] = {
    "annual_revenue_usd": [0, 999_999, 1_000_000, 9_999_999, 10**12],
    "mau": [0, 10**6, 10**8, 10**12],
    "monthly_visits": [0, 10**6, 10**12],
    "territory": ["JP", "US", "DE", "FR", "GB", "UK", "EU", "KR", "BR"],
    "commercial": [True, False],
    "purpose": ["research", "fun"],
    "registered": [True, False],
    "is_individual": [True, False],
    "team_size": [1, 10, 11],
    "host": ["own", "civitai", "huggingface", "pixai", "nowhere else"],
    "model_run_commercial": [True, False],
    "base_commercial_license": [True, False],
    "permission_on_file": [True, False],
    "rights_cleared": [True, False],
    "trains_competing_model": [True, False],
    "competes_with_licensor": [True, False],
    "medium": ["print", "web"],
}
CONDITIONS: Final = [
    "attribution", "share_alike", "noncommercial_only", "individuals_only", "contact_licensor",
    "revenue_below_usd:1000000", "mau_below:100000000", "territory_excludes:[EU,UK]", "host_only:[civitai]",
    "host_only:[civitai,pixai]", 'naming_prefix:"Krea"', "use_based_restrictions", "keep_licence_snapshot",
]  # fmt: skip
IDS: Final = list(LICENSES)
_USES: Final = ("Image", "RentCivit", "Rent", "Sell")
_STATUSES: Final = ("allowed", "conditional", "forbidden", "silent", "not_addressed")


def question(dice: Random) -> Question:
    """Any question that can be asked."""
    return Question(
        act=dice.choice(list(ACTS)),
        base_license=_maybe(dice, 0.9, license_text),
        base_model=dice.choice([None, "SD 1.5", "SDXL 1.0", "Pony", "Flux.1 D"]),
        adapters=_some(dice, 3, adapter),
        components=_some(dice, 1, component),
        overlays=_some(dice, 2, overlay),
        tools=_some(dice, 1, lambda dice: dice.choice(["ComfyUI", "A1111", "NovelAI", "some new service"])),
        facts={name: dice.choice(values) for name, values in VALUES.items() if dice.random() < 0.3},
        base_conflict=BaseConflict("SDXL 1.0", "Flux.1 D", "shapes") if dice.random() < 0.1 else None,
    )


def license_text(dice: Random) -> str:
    """An id, or two of them joined."""
    if dice.random() < 0.75:
        return dice.choice(IDS)
    return f"{dice.choice(IDS)} {dice.choice(['AND', 'OR'])} {dice.choice(IDS)}"


def adapter(dice: Random) -> AdapterTerms:
    """Any terms an adapter can come with, contradictory ones included."""
    return AdapterTerms(
        license=_maybe(dice, 0.7, license_text),
        civitai=_maybe(dice, 0.5, flags),
        extra=_some(dice, 1, reading),
        author_reply=_maybe(dice, 0.2, reply),
        license_now=_maybe(dice, 0.2, lambda dice: dice.choice(IDS)),
        snapshot=dice.random() < 0.5,
        rights=_maybe(dice, 0.4, rights),
        concluded=reading(dice) if dice.random() < 0.1 else {},
    )


def flags(dice: Random) -> dict[str, Any]:
    """Civitai's flags in any of their shapes, some of them missing."""
    uses: Any = [use for use in _USES if dice.random() < 0.5]
    stated = {
        "allowCommercialUse": dice.choice([uses, uses, "None", "Image", "Sell", "{Image,RentCivit}", None]),
        "allowNoCredit": dice.choice([True, False, None]),
        "allowDerivatives": dice.choice([True, True, False, None]),
        "allowDifferentLicense": dice.choice([True, True, False, None]),
    }
    return {name: value for name, value in stated.items() if dice.random() < 0.8}


def reading(dice: Random) -> dict[str, Any]:
    """What a person wrote down about some acts."""
    return {
        act: (dice.choice(_STATUSES), _some(dice, 3, lambda dice: dice.choice(CONDITIONS)))
        for act in dice.sample(list(ACTS), dice.randint(1, 8))
    }


def reply(dice: Random) -> AuthorReply:
    """An author's answer, or the lack of one."""
    return AuthorReply(
        grants=dice.sample(list(ACTS), 5),
        refusals=dice.sample(list(ACTS), 1),
        conditions=_some(dice, 2, lambda dice: dice.choice(CONDITIONS)),
        state=dice.choice(["answered", "no_reply", "withdrawn", "sent"]),
    )


def rights(dice: Random) -> Any:
    """The record on rights in the material, as a whole or kind by kind."""
    states = ["cleared", "unknown", "uncleared", "refused"]
    if dice.random() < 0.6:
        return dice.choice(states)
    return {kind: dice.choice(states) for kind in RIGHTS_KINDS if dice.random() < 0.5}


def component(dice: Random) -> Component:
    """A part beside the base."""
    if dice.random() < 0.1:
        return Component(None, "merge recipe", unknown_recipe=True)
    return Component(_maybe(dice, 0.9, lambda dice: dice.choice(IDS)), "part")


def overlay(dice: Random) -> Overlay:
    """A rule of somebody else's."""
    return Overlay(
        name=dice.choice(["guideline", "house"]),
        acts=reading(dice),
        kind=dice.choice(["overlay", "policy"]),
        disputed=dice.choice([None, None, ("silent", []), ("conditional", ["contact_licensor"])]),
    )


def _maybe(dice: Random, chance: float, make: Callable[[Random], T]) -> T | None:
    return make(dice) if dice.random() < chance else None


def _some(dice: Random, most: int, make: Callable[[Random], T]) -> Sequence[T]:
    return [make(dice) for _ in range(dice.randint(0, most))]
