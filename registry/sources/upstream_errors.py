"""Errors of asking an upstream over HTTP: one class per cause, with what to do and whom to ask."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from registry.messages import gettext_noop
from registry.sources.errors import SourceError
from registry.weights.errors import ContainerError

ADMINISTRATOR = gettext_noop("the administrator of this Kura")
UPSTREAM = gettext_noop("the upstream's operator")
AUTHOR = gettext_noop("the adapter's author")
NOBODY = ""


@dataclass(frozen=True, slots=True)
class Subject:
    """What a refusal is about: an adapter by its source's key, or one version by its own.

    `adapter` "": the version's key alone is known; `version` "": the whole adapter.
    """

    source: str
    adapter: str
    version: str = ""


class UpstreamError(SourceError):
    """Base of everything that can go wrong with a request to an upstream.

    `who_to_ask` names who can change it; `status` is the HTTP status where there was an answer,
    `retry_after` the seconds to wait where they are known, `subject` what was asked for where the answer
    would say something about it. Messages name host and path alone: never a query,
    which may carry a signature, and never a token.
    """

    code = "upstream_error"
    permanent = False
    next_step = gettext_noop("Try again later.")
    who_to_ask: ClassVar[str] = UPSTREAM

    def __init__(
        self,
        message: str,
        *,
        next_step: str | None = None,
        status: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, next_step=next_step)
        self.status = status
        self.retry_after = retry_after
        self.subject: Subject | None = None

    def __str__(self) -> str:
        return super().__str__() + (f" Whom to ask: {self.who_to_ask}." if self.who_to_ask else "")

    def as_dict(self) -> dict[str, str]:
        """`{code, message, next_step, who_to_ask}`."""
        return {**super().as_dict(), "who_to_ask": self.who_to_ask}


@contextmanager
def about(source: str, adapter: str, version: str = "") -> Iterator[None]:
    """Names what an UpstreamError is about that is raised meanwhile, unless it says so already."""
    try:
        yield
    except UpstreamError as error:
        error.subject = error.subject or Subject(source, adapter, version)
        raise


# --- Not asked at all ---------------------------------------------------------------------------------------


class HostNotAllowed(UpstreamError):
    """The address names a host that is not on the allow-list."""

    code = "host_not_allowed"
    permanent = True
    next_step = gettext_noop("Add the host to UPSTREAM_HOSTS if it is one to be trusted.")
    who_to_ask = ADMINISTRATOR


class AddressNotAllowed(UpstreamError):
    """The host's name leads to a private, loopback or link-local network address."""

    code = "address_not_allowed"
    permanent = True
    next_step = gettext_noop("Add host and port to UPSTREAM_PRIVATE_HOSTS if it is a machine of your own.")
    who_to_ask = ADMINISTRATOR


class InsecureAddress(UpstreamError):
    """A public host would be asked over plain http, where anybody on the way can change the answer."""

    code = "insecure_address"
    permanent = True
    next_step = gettext_noop("Use its https address.")
    who_to_ask = ADMINISTRATOR


class BadAddress(UpstreamError):
    """This is no http or https address."""

    code = "bad_address"
    permanent = True
    next_step = gettext_noop("Give an address such as https://host/path.")
    who_to_ask = NOBODY


# --- No usable answer ---------------------------------------------------------------------------------------


class UpstreamUnreachable(UpstreamError):
    """The upstream's host has no address, takes no connection, or does not prove who it is."""

    code = "upstream_unreachable"
    next_step = gettext_noop("Check the network and the host's name, then try again.")


class UpstreamUnavailable(UpstreamError):
    """The upstream fails, is too slow, or ended the connection, each time it was asked."""

    code = "upstream_unavailable"
    next_step = gettext_noop("Try again later; nothing that was stored is lost.")


class RateLimited(UpstreamError):
    """The upstream or this site's own budget for it allows no request for longer than a request may wait."""

    code = "rate_limited"
    next_step = gettext_noop("Wait until the time in the message; a job does so by itself.")


class TooManyRedirects(UpstreamError):
    """The upstream sends the request on and on."""

    code = "too_many_redirects"
    permanent = True
    next_step = gettext_noop("Check the address in a browser.")


class UnexpectedAnswer(UpstreamError):
    """The answer is not what was asked for: another kind of content, or no readable JSON."""

    code = "unexpected_answer"
    next_step = gettext_noop(
        "Try again later; if it stays so, the upstream has changed and Kura must be updated."
    )


class AnswerTooLarge(UpstreamError):
    """The answer is larger than any real one of its kind."""

    code = "answer_too_large"
    permanent = True
    next_step = gettext_noop("Raise UPSTREAM_ANSWER_MB or UPSTREAM_FILE_GB if it is to be read all the same.")
    who_to_ask = ADMINISTRATOR


# --- Refused ------------------------------------------------------------------------------------------------


class RequestRefused(UpstreamError):
    """The upstream calls the request wrong."""

    code = "request_refused"
    permanent = True
    next_step = gettext_noop(
        "Check the address; if it is right, the upstream has changed and Kura must be updated."
    )


class NotFoundUpstream(UpstreamError):
    """The upstream knows nothing under this address, or does not show it to everybody."""

    code = "not_found_upstream"
    permanent = True
    next_step = gettext_noop(
        "Check the address. What is private needs a token; what was stored before stays here."
    )


class GoneUpstream(UpstreamError):
    """The upstream has it no longer."""

    code = "gone_upstream"
    permanent = True
    next_step = gettext_noop(
        "Ask its author for the file and ingest that; what was stored before stays here."
    )
    who_to_ask = AUTHOR


class LoginRequired(UpstreamError):
    """The upstream gives it to those with an account alone."""

    code = "login_required"
    permanent = True
    next_step = gettext_noop(
        "Set CIVITAI_TOKEN, HF_TOKEN or UPSTREAM_TOKENS, or check that the token there is still valid."
    )
    who_to_ask = ADMINISTRATOR


class GatedUpstream(UpstreamError):
    """Its author gives it to those alone who asked and accepted the terms."""

    code = "gated_upstream"
    permanent = True
    next_step = gettext_noop("Accept the terms on its page with the account of the token, then try again.")
    who_to_ask = AUTHOR


class EarlyAccess(UpstreamError):
    """Its author sells early access to it."""

    code = "early_access"
    permanent = True
    next_step = gettext_noop("Wait until it is free, or buy access with the account of the token.")
    who_to_ask = AUTHOR

    def __init__(
        self,
        message: str,
        *,
        next_step: str | None = None,
        status: int | None = None,
        retry_after: float | None = None,
        until: datetime | None = None,
    ) -> None:
        super().__init__(message, next_step=next_step, status=status, retry_after=retry_after)
        self.until = until


class AccessRefused(UpstreamError):
    """The upstream refuses the account or this machine's network address."""

    code = "access_refused"
    permanent = True
    next_step = gettext_noop(
        "Look at the item's page with the account of the token; ask the upstream why it is refused."
    )


# --- Files --------------------------------------------------------------------------------------------------


class HtmlInsteadOfFile(UpstreamError):
    """A web page came where a file was asked for: a log-in page, a notice, a block."""

    code = "html_instead_of_file"
    permanent = True
    next_step = gettext_noop(
        "Open the address in a browser to see what it says; a token is often what is missing."
    )
    who_to_ask = ADMINISTRATOR


class NotSafetensors(UpstreamError, ContainerError):
    """What the upstream serves as a weights file is none: a web page, a pointer, or a damaged file."""

    code = "not_safetensors"
    permanent = True
    next_step = gettext_noop(
        "Open its page in a browser: a log-in or a notice may be in the way. Nothing was stored."
    )
    who_to_ask = UPSTREAM


class SizeMismatch(UpstreamError):
    """The file has another size than the upstream's record of it."""

    code = "size_mismatch"
    permanent = True
    next_step = gettext_noop("Read the upstream's record again: the file may have been replaced.")


class HashMismatch(UpstreamError):
    """The bytes have another SHA256 than the upstream's record says; they were thrown away."""

    code = "hash_mismatch"
    permanent = True
    next_step = gettext_noop(
        "Read the upstream's record again: the file may have been replaced. Do not use it until they agree."
    )


class NotEnoughDisk(UpstreamError):
    """The disk has no room for the file."""

    code = "not_enough_disk"
    next_step = gettext_noop("Free some space, then try again; what has been fetched is kept.")
    who_to_ask = ADMINISTRATOR


class DownloadFolderUnusable(UpstreamError):
    """The folder for the download cannot be written."""

    code = "download_folder_unusable"
    next_step = gettext_noop("Check that the folder exists and that Kura's user may write it.")
    who_to_ask = ADMINISTRATOR


class DownloadStopped(UpstreamError):
    """The download was paused or canceled; what has been fetched is kept."""

    code = "download_stopped"
    next_step = gettext_noop("Start it again; it goes on where it stopped.")
    who_to_ask = NOBODY


class DownloadRunning(UpstreamError):
    """Another worker is fetching the same file."""

    code = "download_running"
    next_step = gettext_noop("Wait for the other one.")
    who_to_ask = NOBODY
