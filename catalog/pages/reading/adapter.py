"""Everything the adapter page shows of one version, in a fixed number of queries."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Prefetch
from django.http import Http404
from django.utils.translation import gettext as _

from catalog.pages.reading.evidence import ShownCheck, show_checks
from catalog.pages.reading.facts import Fact, facts_of
from catalog.pages.reading.grid import Finding, Grid, findings_of, read_findings, read_grid
from catalog.pages.reading.offers import ShownUpstream, read_upstream
from catalog.pages.reading.peers import PeerNote, read_peers
from inference.models import Sheet, SheetState
from inference.refusals import NoSheet, why_no_sheet
from inference.services import STANDARD
from registry.main_files import shown_file
from registry.models import (
    Adapter,
    AliasHost,
    AuditEvent,
    BaseModelAlias,
    File,
    Inspection,
    Review,
    ReviewAction,
    Sample,
    ScannedPath,
    TermsClaim,
    Version,
    Vetting,
)
from registry.vetting import may_fetch

# No list of the page grows without end; the API pages through the rest.
MOST = 50


@dataclass(frozen=True)
class Event:
    """One line of the history. `tone` is good, bad or empty."""

    at: datetime
    title: str
    actor: str
    text: str = ""
    tone: str = ""


@dataclass(frozen=True)
class Download:
    """Whether the main file's bytes may leave, and if not, why and what to do."""

    file: File | None
    open: bool
    title: str
    reason: str


@dataclass(frozen=True)
class AdapterPage:
    """What the page needs; lists are bounded by MOST."""

    adapter: Adapter
    version: Version
    versions: list[Version]
    files: list[File]
    inspections: dict[str, Inspection]
    claims: list[TermsClaim]
    checks: list[ShownCheck]
    sheets: list[Sheet]
    grid: Grid | None
    findings: list[Finding]
    samples: list[Sample]
    history: list[Event]
    facts: list[Fact]
    repository: str
    peers: list[PeerNote]
    upstream: ShownUpstream
    no_sheet: NoSheet | None = None

    @property
    def main_file(self) -> File | None:
        """The version's main file; where it has none, the first that is stored, else the first."""
        return shown_file(self.files)

    @property
    def inspection(self) -> Inspection | None:
        """What the bytes of the main file say."""
        return self.inspections.get(self.main_file.blob_id) if self.main_file else None

    @property
    def contested(self) -> bool:
        """Whether a copy with stricter terms was found, so that approving needs a reason."""
        return any(each.contested for each in self.checks)

    @property
    def sheet(self) -> Sheet | None:
        """The newest sheet, finished ones first."""
        return self.sheets[0] if self.sheets else None

    @property
    def has_pictures(self) -> bool:
        """Whether the newest sheet is finished, so that its pictures can be shown as a result."""
        return self.sheet is not None and self.sheet.state == SheetState.DONE and self.grid is not None


def read_adapter(adapter_id: int, version_id: int | None) -> AdapterPage:
    """The page of one adapter at one version (the newest vetted one unless chosen). Raises Http404."""
    adapter = Adapter.objects.select_related("creator", "upstream_identity").filter(pk=adapter_id).first()
    if adapter is None:
        raise Http404(_("There is no such adapter."))
    versions = list(adapter.versions.select_related("base_declared", "base_decided", "terms_profile")[:MOST])
    version = _choose(versions, version_id)
    version.adapter = adapter
    return _page(adapter, version, versions)


def read_version(version: Version) -> AdapterPage:
    """The same for a version that is already at hand, without its siblings: what a reviewer looks at."""
    return _page(version.adapter, version, [version])


def _page(adapter: Adapter, version: Version, versions: list[Version]) -> AdapterPage:
    known = ScannedPath.objects.order_by("path").only("path", "blob_id")[:MOST]
    aliases = Prefetch("blob__scanned_paths", queryset=known, to_attr="aliases")
    files = list(version.files.select_related("blob").prefetch_related(aliases)[:MOST])
    readings = Inspection.objects.filter(blob__in=[file.blob_id for file in files])
    inspections = {each.blob_id: each for each in readings.order_by("created", "id")}
    claims = list(version.claims.select_related("snapshot").defer("snapshot__body")[:MOST])
    # The standard sheet is what versions are compared by; others tell of settings or of other files too.
    sheets = sorted(
        version.sheets.select_related("base")[:MOST],
        key=lambda sheet: (sheet.state != SheetState.DONE, sheet.recipe != STANDARD),
    )
    main = shown_file(files)
    no_sheet = None if sheets else why_no_sheet(version)
    return AdapterPage(
        adapter=adapter,
        version=version,
        versions=versions,
        files=files,
        inspections=inspections,
        claims=claims,
        checks=show_checks(version.checks.all()[:MOST]),
        sheets=sheets,
        grid=read_grid(sheets[0]) if sheets else None,
        findings=findings_of(sheets[0]) if sheets else _why(no_sheet),
        samples=list(version.samples.all()[:MOST]),
        history=_history(version),
        facts=facts_of(version, inspections.get(main.blob_id) if main else None, claims),
        repository=_repository(version),
        peers=read_peers(version),
        upstream=read_upstream(version),
        no_sheet=no_sheet,
    )


def _why(no_sheet: NoSheet | None) -> list[Finding]:
    return read_findings([finding.as_dict() for finding in no_sheet.findings]) if no_sheet else []


def download_of(page: AdapterPage) -> Download:
    """Whether the main file's bytes may leave, as the API would answer, in words for a person."""
    file = page.main_file
    if file is None:
        return Download(None, False, _("No file is stored"), _("Only what the source says is known so far."))
    file.version = page.version
    decision = may_fetch(file)
    if decision.allowed:
        return Download(
            file, True, _("Ready to download"), _("With an access token: by curl, or by any client.")
        )
    if page.version.vetting == Vetting.REJECTED:
        return Download(
            file, False, _("Rejected"), _("A reviewer rejected this version; the history says why.")
        )
    titles = {
        "quarantined": _("Quarantined"),
        "withdrawn": _("Withdrawn"),
        "license_blocked": _("Blocked by its license"),
        "unvetted": _("Not vetted yet"),
    }
    return Download(file, False, titles.get(decision.code or "", _("Not handed out")), decision.reason)


def _choose(versions: list[Version], version_id: int | None) -> Version:
    if version_id is not None:
        chosen = next((each for each in versions if each.pk == version_id), None)
        if chosen is None:
            raise Http404(_("The adapter has no such version."))
        return chosen
    if not versions:
        raise Http404(_("The adapter has no version yet."))
    return next((each for each in versions if each.vetting == Vetting.APPROVED), versions[0])


def _repository(version: Version) -> str:
    base = version.base_decided or version.base_declared
    if base is None:
        return ""
    alias = BaseModelAlias.objects.filter(base_model=base, host=AliasHost.HUGGINGFACE).order_by("id").first()
    return alias.name if alias else ""


def _history(version: Version) -> list[Event]:
    reviews = Review.objects.filter(version=version).select_related("reviewer")[:MOST]
    subjects = [f"version:{version.pk}", f"adapter:{version.adapter_id}"]
    audit = AuditEvent.objects.filter(subject__in=subjects)[:MOST]
    events = [*_review_events(reviews), *_audit_events(audit)]
    events.append(Event(version.created, _("Taken in"), "", _("First seen by this storehouse.")))
    return sorted(events, key=lambda event: event.at, reverse=True)[:MOST]


def _review_events(reviews: Iterable[Review]) -> list[Event]:
    tone = {ReviewAction.APPROVE: "good", ReviewAction.REJECT: "bad", ReviewAction.WITHDRAW: "bad"}
    return [
        Event(
            review.created,
            review.get_action_display(),
            review.reviewer.get_username(),
            review.reason,
            tone.get(ReviewAction(review.action), ""),
        )
        for review in reviews
    ]


def _audit_events(events: Iterable[AuditEvent]) -> list[Event]:
    """The audit log without what the reviews already tell."""
    return [
        Event(event.at, event.action.replace("_", " ").replace(".", ": "), event.actor, _line(event.data))
        for event in events
        if event.action not in ReviewAction.values
    ]


def _line(data: Any) -> str:
    if not isinstance(data, dict):
        return ""
    told = {
        key: ", ".join(map(str, value)) if isinstance(value, list) else value for key, value in data.items()
    }
    return "; ".join(
        f"{key}: {value}" for key, value in told.items() if isinstance(value, str | int | float)
    )[:300]
