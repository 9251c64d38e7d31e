"""Words for what an upstream answered or refused: one sentence for each code."""

from __future__ import annotations

from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

# Codes of registry/sources/upstream_errors.py, and those that triage gives for what it passes by.
MEANINGS: Final[dict[str, str | Promise]] = {
    "host_not_allowed": _("Kura may not ask this host: it is not on the list of allowed ones."),
    "address_not_allowed": _("The host's name leads into a private network."),
    "insecure_address": _(
        "A public host would be asked over plain http, where anybody may change the answer."
    ),
    "bad_address": _("This is no address that can be asked."),
    "upstream_unreachable": _("The upstream could not be reached."),
    "upstream_unavailable": _("The upstream fails or is too slow at the moment."),
    "rate_limited": _("The upstream was asked often enough for now."),
    "too_many_redirects": _("The upstream sends the request on and on."),
    "unexpected_answer": _("The upstream answered something else than what was asked for."),
    "selection_ignored": _("The upstream answered with everything instead of what was asked for."),
    "answer_too_large": _("The answer is larger than any real one of its kind."),
    "request_refused": _("The upstream calls the request wrong."),
    "not_found_upstream": _(
        "The upstream knows nothing under this address, or does not show it to everybody."
    ),
    "gone_upstream": _("The upstream has it no longer."),
    "login_required": _("The upstream gives it only to those with an account."),
    "gated_upstream": _("Its author gives it only to those who asked for it and accepted the terms."),
    "early_access": _("Its author sells early access to it."),
    "purchase_required": _("It has to be bought upstream."),
    "access_refused": _("The upstream refuses the account or this machine."),
    "html_instead_of_file": _("A web page came instead of a file: a log-in, a notice or a block."),
    "not_safetensors": _("What the upstream serves as weights is no sound safetensors file."),
    "size_mismatch": _("The file has another size than the upstream's record says."),
    "hash_mismatch": _("The bytes are not those of the upstream's record; they were thrown away."),
    "not_enough_disk": _("The disk has no room for the file."),
    "download_folder_unusable": _("The folder for downloads cannot be written."),
    "download_stopped": _("The download was stopped; what has come is kept."),
    "download_running": _("Another worker fetches the same file."),
    "upstream_error": _("The upstream did not answer as it should."),
    "taken_down": _("The upstream has taken the adapter down."),
    "no_adapters_found": _("Nothing in it can be taken in."),
    "not_an_adapter": _("It is something else than an adapter."),
    "reference_unclear": _("It is not clear what is meant."),
    "source_not_supported": _("This kind of source cannot be read."),
    "role_not_wanted": _("It is no weights file."),
    "format_not_wanted": _("Files of this format are not fetched."),
    "too_large": _("It is larger than what is fetched."),
    "family_not_wanted": _("It is for a base model whose adapters are not fetched."),
    "license_forbids": _("Its terms forbid everything that it would be fetched for."),
}


def meaning(code: str) -> str:
    """What happened, in one sentence; empty for a code that says nothing about an upstream."""
    return str(MEANINGS.get(code, ""))
