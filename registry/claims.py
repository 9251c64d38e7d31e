"""Terms that a person pastes: kept as a snapshot, read into claims, and decided anew at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final
from urllib.parse import urlsplit

from django.db import transaction
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from registry import checks, verdicts
from registry.errors import KuraError
from registry.ledger import audit
from registry.licensing.claims.circle_table import parse_circle_table
from registry.licensing.claims.hub import read_card_terms
from registry.licensing.claims.statement import Statement, bounded
from registry.licensing.claims.texts import read_license_text
from registry.licensing.claims.words import read_words
from registry.lineage_checks import assess_lineage
from registry.models import Snapshot, TermsClaim, Version
from registry.sources.documents import front_matter
from registry.sources.evidence import keep_claim, keep_snapshot
from registry.sources.listing import RawDocument, listed

LONGEST: Final = 400_000
_LONGEST_ADDRESS: Final = 1_900


class BadPaste(KuraError):
    """The pasted text cannot be taken: empty, too long, of an unknown kind, or with a bad address."""

    code = "bad_paste"
    next_step = "Correct what the message names and paste it again; nothing was stored."


class PasteNotUnderstood(KuraError):
    """Nothing in the pasted text could be read as what it was said to be."""

    code = "paste_not_understood"
    next_step = "Paste the whole table or text, or choose the kind that it is; nothing was stored."


@dataclass(frozen=True, slots=True)
class PastedKind:
    """One kind of text that can be pasted; `read` gives its statements, none where it understands nothing."""

    id: str
    label: str | Promise
    media_type: str
    read: Callable[[RawDocument], list[Statement]]


def _text(document: RawDocument) -> str:
    return document.body.decode("utf-8", errors="replace")


def _circle_table(document: RawDocument) -> list[Statement]:
    table = parse_circle_table(_text(document))
    wording = bounded("\n".join(table.lines))
    found: list[Statement] = []
    if table.flags:
        hints = {"wire": "circle_table"}
        found.append(Statement("civitai_flags", table.flags, wording, unread=table.unread, hints=hints))
    if table.forbidden:
        value = {"forbidden": list(table.forbidden), "contact": [], "credit": False, "licenses": []}
        found.append(Statement("text_terms", value, wording, unread=table.unread))
    return found


def _license_text(document: RawDocument) -> list[Statement]:
    found = read_license_text(_text(document))
    return [] if found is None else [found]


def _card(document: RawDocument) -> list[Statement]:
    front, body = front_matter(document)
    return read_card_terms(front, body)


def _service_terms(document: RawDocument) -> list[Statement]:
    """The terms of a site or program: kept as evidence for the service's own layer, and read by a person."""
    text = _text(document)
    first = next((line.strip(" #*\t") for line in text.splitlines() if line.strip(" #*=-\t")), "")
    if not first:
        return []
    read = read_words(text)
    hints: dict[str, object] = {"sentences": read.wording} if read else {}
    return [Statement("service_terms", None, bounded(first, 300), unread=(bounded(first, 300),), hints=hints)]


KINDS: Final[Mapping[str, PastedKind]] = MappingProxyType(
    {
        kind.id: kind
        for kind in (
            PastedKind("circle_table", _("Circle and cross table"), "text/plain", _circle_table),
            PastedKind("license_text", _("License text"), "text/plain", _license_text),
            PastedKind("card_text", _("Model card or description"), "text/markdown", _card),
            PastedKind("service_terms", _("Terms of a service"), "text/plain", _service_terms),
        )
    }
)


def read_pasted(kind: str, text: str, url: str = "") -> list[Statement]:
    """What would be understood, with nothing stored: for a preview.

    Raises BadPaste, PasteNotUnderstood, and SidecarUnreadable for a card with broken front matter.
    """
    known = _kind(kind)
    return _read(known, _document(known, text, url))


@transaction.atomic
def record_pasted(version: Version, kind: str, text: str, url: str, actor: str) -> list[TermsClaim]:
    """Keep a pasted text as evidence and read it into claims; checks and verdicts follow at once.

    kind: a key of KINDS. url: where the text was copied from, "" where nobody knows. actor: the user's name,
    for the audit log. Returns the current claims of this snapshot; pasting the same text again changes
    nothing. A later paste from the same address supersedes the earlier one. Raises what `read_pasted`
    raises; then nothing is stored.
    """
    known = _kind(kind)
    document = _document(known, text, url)
    statements = _read(known, document)
    locked = Version.objects.select_for_update(no_key=True).get(pk=version.pk)
    snapshot = keep_snapshot(document)
    changed = [keep_claim(locked, listed(each, document), {document: snapshot}) for each in statements]
    if any(changed):
        audit(actor, "paste_terms", f"version:{locked.pk}", kind=kind, url=url, sha256=snapshot.sha256)
        assess_lineage(locked)
        checks.assess(locked)
        # Last, since it writes the change log.
        verdicts.refresh([locked])
    version.terms_profile_id = locked.terms_profile_id
    return _claims(locked, snapshot)


def _claims(version: Version, snapshot: Snapshot) -> list[TermsClaim]:
    return list(
        TermsClaim.objects.filter(version=version, snapshot=snapshot, superseded=False).order_by("id")
    )


def _kind(kind: str) -> PastedKind:
    if kind not in KINDS:
        raise BadPaste(f"There is no kind of text {kind!r}. Known: {', '.join(KINDS)}.")
    return KINDS[kind]


def _document(kind: PastedKind, text: str, url: str) -> RawDocument:
    if not text.strip():
        raise BadPaste("The text is empty.")
    if len(text) > LONGEST:
        raise BadPaste(f"The text is longer than {LONGEST} characters.")
    address = url.strip()
    try:
        parts = urlsplit(address)
        sound = not address or (parts.scheme in ("http", "https") and bool(parts.hostname))
    except ValueError:
        sound = False
    if not sound or len(address) > _LONGEST_ADDRESS or len(address.split()) > 1:
        raise BadPaste(f"{bounded(address, 200)!r} is no address of a page.")
    return RawDocument(_source(kind, address), text.encode("utf-8", errors="replace"), kind.media_type)


def _source(kind: PastedKind, address: str) -> str:
    """What a later paste is compared by: the page, whose link still works, and the kind; or the kind."""
    if not address:
        return f"paste:{kind.id}"
    return f"{address}{';' if '#' in address else '#'}pasted={kind.id}"


def _read(kind: PastedKind, document: RawDocument) -> list[Statement]:
    statements = kind.read(document)
    if not statements:
        raise PasteNotUnderstood(f"Nothing in it reads as {kind.id.replace('_', ' ')}.")
    return statements
