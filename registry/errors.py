"""Errors of Kura: one class per cause, each with a stable code and the next step for a person."""

from __future__ import annotations

from typing import ClassVar


class KuraError(Exception):
    """Base of every error a user may see.

    `code` is stable and documented in docs/errors.md; `permanent` tells a job whether trying again can help;
    `next_step` is one sentence that says what to do now; `who_to_ask` names who can change it where that is
    somebody else than the reader, else it is empty.
    """

    code: ClassVar[str] = "error"
    permanent: ClassVar[bool] = True
    next_step: str = ""
    who_to_ask: ClassVar[str] = ""

    def __init__(self, message: str, *, next_step: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if next_step is not None:
            self.next_step = next_step

    def __str__(self) -> str:
        return f"{self.code}: {self.message}" + (f" {self.next_step}" if self.next_step else "")

    def as_dict(self) -> dict[str, str]:
        """`{code, message, next_step}`: the shape used by --json output and problem documents."""
        return {"code": self.code, "message": self.message, "next_step": self.next_step}


def error_class(code: str, parent: type[KuraError] = KuraError) -> type[KuraError] | None:
    """The class of error with this code, as a stored one names it; None for one that no release has any more.

    Of a base class and its plainest case, which share a code, the case.
    """
    for child in parent.__subclasses__():
        found = error_class(code, child) or (child if child.code == code else None)
        if found is not None:
            return found
    return None


class VersionNotFound(KuraError):
    """No version with this id."""

    code = "version_not_found"
    next_step = "Take an id that `manage.py ingest --json` printed or that the adapter's page shows."
