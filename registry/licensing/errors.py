"""Errors of the license engine: what a question or the license table can get wrong."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from registry.errors import KuraError


class LicensingError(KuraError):
    """Base of everything the license engine refuses to answer."""

    code = "licensing_error"


class BadTable(LicensingError):
    """A row of the license table breaks its schema. `problems`: each place in it, and what is wrong there."""

    code = "bad_license_table"

    def __init__(self, message: str, *, problems: Iterable[tuple[str, str]] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


class BadQuestion(LicensingError):
    """The question has the wrong shape: a list where an object belongs, a missing key."""

    code = "bad_question"


class UnknownAct(LicensingError):
    """The act is not one of ACTS."""

    code = "unknown_act"


class UnknownLicense(LicensingError):
    """The license id is not in the table; it is never guessed from a similar one."""

    code = "unknown_license"


class UnknownCondition(LicensingError):
    """A condition is not in the vocabulary, or its parameter is missing or malformed."""

    code = "unknown_condition"


class BadFact(LicensingError):
    """A fact has the wrong type or a value outside its range."""

    code = "bad_fact"


class BadCivitaiFlags(LicensingError):
    """Civitai's permission fields have a shape that no release of Civitai ever sent."""

    code = "bad_civitai_flags"


class ContradictoryTerms(LicensingError):
    """The same thing is said twice, with different content."""

    code = "contradictory_terms"


def not_one_of(given: object, known: Iterable[str]) -> str:
    """The closing half of a message about an unknown word: the nearest ones first, then all of them."""
    names = list(known)
    near = get_close_matches(str(given), names, n=3)
    hint = f"Did you mean {' or '.join(near)}? " if near else ""
    return f"{hint}Known: {', '.join(names)}."
