"""Errors of the catalog: what a search, a token or a download can go wrong with."""

from __future__ import annotations

from registry.errors import KuraError


class BadQuery(KuraError):
    """A parameter of a search or a list has a value that cannot be used; `parameter` names it."""

    code = "bad_query"
    next_step = "Correct the named parameter; docs/api.md lists what each one takes."

    def __init__(self, parameter: str, problem: str, *, next_step: str | None = None) -> None:
        super().__init__(f"{parameter}: {problem}", next_step=next_step)
        self.parameter = parameter


class NotFound(KuraError):
    """There is no such thing here."""

    code = "not_found"
    next_step = "Check the address; lists show what exists."


class TokenMissing(KuraError):
    """Bytes are asked for without a bearer token."""

    code = "token_missing"
    next_step = "Send `Authorization: Bearer TOKEN`; `manage.py token create USER NAME` makes a token."


class TokenUnknown(KuraError):
    """The bearer token is not one of ours."""

    code = "token_unknown"
    next_step = "Check that the whole token was copied, or make a new one."


class TokenExpired(KuraError):
    """The bearer token's time is over."""

    code = "token_expired"
    next_step = "Make a new token with `manage.py token create USER NAME`."


class TokenRevoked(KuraError):
    """The bearer token, or the account it belongs to, was switched off."""

    code = "token_revoked"
    next_step = "Ask an administrator why, or make a new token."


class ScopeMissing(KuraError):
    """The token is good but was not made for this."""

    code = "scope_missing"
    next_step = "Make a token with the named scope: `manage.py token create USER NAME --scope SCOPE`."


class NoSuchUser(KuraError):
    """A token is asked for a user that does not exist."""

    code = "no_such_user"
    next_step = "Create the user first with `manage.py createsuperuser` or in the admin."


class BadToken(KuraError):
    """A token is asked for with a name, scope or life time that cannot be used."""

    code = "bad_token"
    next_step = "Scopes are download and review; the name is 1 to 100 characters."


class DownloadRefused(KuraError):
    """The file exists but its bytes may not leave."""

    code = "unvetted"


class Unvetted(DownloadRefused):
    """No reviewer has approved the version."""

    code = "unvetted"
    next_step = "Wait for the review; the version's page shows which checks are open."


class LicenseBlocked(DownloadRefused):
    """The terms known for the version do not let this site hand it out."""

    code = "license_blocked"
    next_step = "See the verdict for the act redistribute_adapter; fetch the file at its source instead."


class Quarantined(DownloadRefused):
    """The file, or the version it belongs to, is locked away as unsafe."""

    code = "quarantined"
    next_step = "Ask a reviewer; a pickle must be converted to safetensors before it can be handed out."


class Withdrawn(DownloadRefused):
    """The version was taken back."""

    code = "withdrawn"
    next_step = "Stop using the file; the version's reviews say why it was withdrawn."


class RangeNotSatisfiable(KuraError):
    """A byte range lies wholly past the end of the file."""

    code = "range_not_satisfiable"
    next_step = "Ask for bytes below the length in Content-Range, or for the whole file."

    def __init__(self, size: int) -> None:
        super().__init__(f"The file has {size} bytes and the range begins after them.")
        # RFC 9110, section 14.4: how a client that resumes learns the length.
        self.headers = {"Content-Range": f"bytes */{size}", "Accept-Ranges": "bytes"}


class PreconditionFailed(KuraError):
    """If-Match names another content than the one stored here."""

    code = "precondition_failed"
    next_step = "Start the download again without If-Match."


class BackendUnusable(KuraError):
    """DOWNLOAD_BACKEND=redirect needs a storage that can sign addresses."""

    code = "download_backend_unusable"
    next_step = "Set DOWNLOAD_BACKEND=internal, or store blobs in S3."
