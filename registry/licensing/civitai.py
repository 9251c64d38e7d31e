"""Civitai's permission flags: every wire shape since 2022, and what they say about each act.

Sources: civitai/civitai@ebed661, PermissionIndicator.tsx and ModelUpsertForm.tsx (the labels a person ticks
are the grant), model-version.service.ts (the text printed for SD 1.5 and SDXL 1.0), and the migration of
2024-02-21.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from registry.licensing.conditions import Condition
from registry.licensing.errors import BadCivitaiFlags, ContradictoryTerms, not_one_of
from registry.licensing.schema import Cell
from registry.licensing.vocabulary import Status

COMMERCIAL_USES: Final = ("Image", "RentCivit", "Rent", "Sell")
FLAGS: Final = ("allowNoCredit", "allowCommercialUse", "allowDerivatives", "allowDifferentLicense")
UNSTATED: Final = "unstatedCommercialUse"
SOURCE: Final = "https://github.com/civitai/civitai/blob/ebed661/src/components/PermissionIndicator/"

# Until February 2024 the field held one rung of a ladder; the migration spelled each rung out like this.
_LADDER: Final[Mapping[str, frozenset[str]]] = {
    "none": frozenset(),
    "image": frozenset({"Image"}),
    "rentcivit": frozenset({"Image", "RentCivit"}),
    "rent": frozenset({"Image", "RentCivit", "Rent"}),
    "sell": frozenset(COMMERCIAL_USES),
}
_BY_FOLDED: Final = {use.casefold(): use for use in COMMERCIAL_USES}

# The two readings of the box on changed permissions, where Civitai prints a license text.
_BY_BOX: Final = "The box the author ticks is the grant: ticked, merges may carry other permissions."
_BY_PRINT: Final = (
    "The printed text lists changing the permissions among what is barred when the box is ticked, and bars "
    "nothing when it is not; it seems to have its sign reversed."
)

CREDIT: Final = Condition("attribution")
SAME_PERMISSIONS: Final = Condition("same_permissions_on_merges")
ON_CIVITAI: Final = Condition("host_only", ("civitai",))


@dataclass(frozen=True)
class CivitaiFlags:
    """The four permissions of a Civitai model; None where the source does not state one.

    `commercial_use` is the set of ticked uses. `Sell` does not contain `Image`: the set is read, never the
    badge. `unrecognized` holds values newer than this reader; they never widen anything.
    `unstated_uses`: uses on which a table written by hand has no line, as Civitai's own answers never have.
    """

    no_credit: bool | None = None
    commercial_use: frozenset[str] | None = None
    derivatives: bool | None = None
    different_license: bool | None = None
    unrecognized: tuple[str, ...] = ()
    unstated_uses: frozenset[str] = frozenset()

    @property
    def stated(self) -> bool:
        return any(
            value is not None
            for value in (self.no_credit, self.commercial_use, self.derivatives, self.different_license)
        )

    @property
    def are_default(self) -> bool:
        """Everything allowed, as the upload form is preset: perhaps nobody ever chose it."""
        return (
            self.commercial_use == frozenset(COMMERCIAL_USES)
            and self.no_credit is True
            and self.derivatives is True
            and self.different_license is True
        )

    @property
    def credit(self) -> tuple[Condition, ...]:
        """The duty to credit: waived only by a flag that says so."""
        return () if self.no_credit else (CREDIT,)

    @property
    def limits_commerce(self) -> bool | None:
        """Whether a commercial use is not ticked, so that a share-alike license cannot take the flags up.

        None where the source does not state it.
        """
        if self.commercial_use is None:
            return None
        missing = {"Image", "Rent", "Sell"} - self.commercial_use
        return None if missing and missing <= self.unstated_uses else bool(missing)

    def as_dict(self) -> dict[str, object]:
        """The flags as Civitai's API prints them today."""
        uses = self.commercial_use
        flags: dict[str, object] = {
            "allowNoCredit": self.no_credit,
            "allowCommercialUse": None if uses is None else [use for use in COMMERCIAL_USES if use in uses],
            "allowDerivatives": self.derivatives,
            "allowDifferentLicense": self.different_license,
        }
        if self.unstated_uses:
            flags[UNSTATED] = [use for use in COMMERCIAL_USES if use in self.unstated_uses]
        return flags


def parse_flags(model: Mapping[str, object]) -> CivitaiFlags:
    """Read the flags from a Civitai model object or from the flags alone; other keys are left alone.

    `allowCommercialUse` may be a list, a Postgres literal such as "{Image,RentCivit}", a comma list, the
    single rung of the ladder used until 2024, the boolean used before 2023, or null. Raises
    `BadCivitaiFlags`.
    """
    uses, unrecognized = _commercial_use(model.get("allowCommercialUse"))
    return CivitaiFlags(
        no_credit=_boolean(model, "allowNoCredit"),
        commercial_use=uses,
        derivatives=_boolean(model, "allowDerivatives"),
        different_license=_boolean(model, "allowDifferentLicense"),
        unrecognized=unrecognized,
        unstated_uses=_unstated(model.get(UNSTATED), uses),
    )


def _boolean(model: Mapping[str, object], key: str) -> bool | None:
    value = model.get(key)
    if value is None or isinstance(value, bool):
        return value
    raise BadCivitaiFlags(f"{key} must be true, false or null, got {value!r}.")


def _unstated(value: object, uses: frozenset[str] | None) -> frozenset[str]:
    if value is None:
        return frozenset()
    if not isinstance(value, list) or any(use not in COMMERCIAL_USES for use in value):
        raise BadCivitaiFlags(f"{UNSTATED} must be a list of {', '.join(COMMERCIAL_USES)}, got {value!r}.")
    if uses is not None and uses & set(value):
        raise ContradictoryTerms(f"{UNSTATED} names uses that allowCommercialUse grants: {value!r}.")
    return frozenset(value)


def _commercial_use(value: object) -> tuple[frozenset[str] | None, tuple[str, ...]]:
    if value is None:
        return None, ()
    if isinstance(value, bool):
        return _LADDER["sell" if value else "none"], ()
    if isinstance(value, str):
        text = value.strip()
        if text.casefold() in _LADDER:
            return _LADDER[text.casefold()], ()
        if text.startswith("{") and text.endswith("}"):
            text = text[1:-1]
        elif "," not in text:
            raise BadCivitaiFlags(
                f"allowCommercialUse {value!r} is not known. {not_one_of(value, ('None', *COMMERCIAL_USES))}"
            )
        return _set([word.strip().strip('"') for word in text.split(",") if word.strip()])
    if isinstance(value, list) and all(isinstance(word, str) for word in value):
        return _set([word.strip() for word in value])
    raise BadCivitaiFlags(f"allowCommercialUse must be a list, a text, a boolean or null, got {value!r}.")


def _set(words: list[str]) -> tuple[frozenset[str], tuple[str, ...]]:
    granted = frozenset(_BY_FOLDED[word.casefold()] for word in words if word.casefold() in _BY_FOLDED)
    nothing = any(word.casefold() == "none" for word in words)
    if nothing and granted:
        raise ContradictoryTerms(f"allowCommercialUse says None and {', '.join(sorted(granted))} at once.")
    others = sorted(
        {word for word in words if word.casefold() not in _BY_FOLDED and word.casefold() != "none"}
    )
    return granted, tuple(others)


def flag_cell(flags: CivitaiFlags, act: str, *, bespoke: bool) -> Cell:
    """What the flags say about an act, the credit duty included.

    `not_addressed` where no flag speaks on it, `silent` where the flag that speaks is not stated.
    `bespoke`: the base has a printed text, in which the clause on changed permissions seems to have its
    sign reversed.
    """
    if act == "generate_and_share_images":
        return _granted(flags, "Use without crediting me", True)
    if act in ("generate_and_sell_images", "use_in_advertising_or_client_work"):
        return _granted(flags, "Sell generated images", _has(flags, "Image"))
    if act == "run_as_paid_service":
        return _service(flags)
    if act == "sell_adapter":
        return _granted(flags, "Sell this model or merges", _has(flags, "Sell"))
    if act in ("redistribute_derivative", "sell_derivative"):
        return _derivative(flags, selling=act == "sell_derivative")
    if act == "relicense_derivative":
        allowed = _both(flags.derivatives, flags.different_license)
        return _granted(flags, "Use different permissions on merges", allowed, disputed=bespoke)
    return Cell("not_addressed", flags.credit, None)


def _has(flags: CivitaiFlags, use: str) -> bool | None:
    if flags.commercial_use is None or use in flags.unstated_uses:
        return None
    return use in flags.commercial_use


def _both(one: bool | None, other: bool | None) -> bool | None:
    if one is False or other is False:
        return False
    return None if one is None or other is None else True


def _granted(
    flags: CivitaiFlags,
    clause: str,
    allowed: bool | None,
    *,
    more: tuple[Condition, ...] = (),
    disputed: bool = False,
) -> Cell:
    if allowed is None:
        return Cell("silent", (), clause)
    conditions = (*flags.credit, *more) if allowed else ()
    status: Status = "forbidden" if not allowed else "conditional" if conditions else "allowed"
    cell = Cell(status, conditions, clause)
    if disputed:
        return replace(cell, disputed=True, reading=_BY_BOX, other_reading=_BY_PRINT)
    return cell


def _service(flags: CivitaiFlags) -> Cell:
    uses = flags.commercial_use
    if uses is None or uses & {"Rent", "Sell"}:
        return _granted(flags, "Use on other generation services", None if uses is None else True)
    if "RentCivit" in uses:
        return _granted(flags, "Use on Civitai generation service", True, more=(ON_CIVITAI,))
    if flags.unstated_uses & {"RentCivit", "Rent", "Sell"}:
        return _granted(flags, "Use on other generation services", None)
    return _granted(flags, "Use on other generation services", False)


def _derivative(flags: CivitaiFlags, *, selling: bool) -> Cell:
    allowed = flags.derivatives
    clause = "Share merges of this model"
    if selling:
        allowed = _both(allowed, _has(flags, "Sell"))
        clause += "; Sell this model or merges"
    # Only a flag that frees merges from the permissions does so; an unstated one keeps them.
    more = () if flags.different_license else (SAME_PERMISSIONS,)
    return _granted(flags, clause, allowed, more=more)
