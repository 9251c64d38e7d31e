"""Whether a version is vetted and why not: reviewers' decisions, the queue, what may leave by the API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from registry import verdicts
from registry.checks import HARD_GATES, assess, looked_at
from registry.errors import KuraError
from registry.history import reviewed
from registry.ledger import audit, note_change
from registry.lineage_checks import LICENSE_CONFLICT, assess_lineage
from registry.models import (
    Check,
    CheckOutcome,
    File,
    FileState,
    Review,
    ReviewAction,
    Source,
    Version,
    Vetting,
)
from registry.offers import without_bytes
from registry.upstream_checks import assess_upstream

if TYPE_CHECKING:
    from django.contrib.auth.models import User

__all__ = ["FetchDecision", "assess", "may_fetch", "queue", "review"]

# action -> (states it may start from, state it leads to)
TRANSITIONS: dict[str, tuple[frozenset[str], str]] = {
    ReviewAction.APPROVE: (frozenset({Vetting.WAITING}), Vetting.APPROVED),
    ReviewAction.REJECT: (frozenset({Vetting.WAITING, Vetting.QUARANTINED}), Vetting.REJECTED),
    ReviewAction.WITHDRAW: (frozenset({Vetting.APPROVED}), Vetting.WITHDRAWN),
    ReviewAction.REOPEN: (frozenset({Vetting.REJECTED, Vetting.WITHDRAWN}), Vetting.WAITING),
}
# Decisions that rest on what the sheet shows.
_LOOKS = frozenset({ReviewAction.APPROVE, ReviewAction.REJECT})
NEEDS_REASON = frozenset({ReviewAction.REJECT, ReviewAction.WITHDRAW, ReviewAction.REOPEN})
# Sources with a page on which an author may state terms, and what a verdict says where none are stated.
_PAGES = frozenset({Source.CIVITAI, Source.HUGGINGFACE, Source.KURA})
_UNSTATED = frozenset({"no_terms_stated", "flags_silent", "license_unresolved"})
# Checks that a reviewer may overrule, with a reason of at least so many characters.
NEEDS_EXPLANATION = frozenset({LICENSE_CONFLICT})
SHORTEST_REASON = 3


class ReasonRequired(KuraError):
    """A refusal must say why, for the author and for the next reviewer."""

    code = "reason_required"
    next_step = "Write the reason in a sentence and send the decision again."


class NotReviewable(KuraError):
    """The version is not in a state from which this decision can be taken."""

    code = "not_reviewable"
    next_step = "Reload the page: someone else may have decided meanwhile."


class HardGateFailed(KuraError):
    """A gate that nobody may overrule has failed."""

    code = "hard_gate_failed"
    next_step = "Reject the version, or ask its author for a sound safetensors file."


@transaction.atomic
def review(version: Version, reviewer: User, action: str, reason: str = "") -> Review:
    """Take a reviewer's decision; the checks are looked at anew and kept with it.

    Raises NotReviewable, ReasonRequired, HardGateFailed; then nothing has changed.
    """
    if action not in TRANSITIONS:
        raise NotReviewable(
            f"There is no decision {action!r}.", next_step=f"Use one of {', '.join(TRANSITIONS)}."
        )
    reason = reason.strip()
    locked = Version.objects.select_for_update(no_key=True).get(pk=version.pk)
    allowed_from, leads_to = TRANSITIONS[action]
    if locked.vetting not in allowed_from:
        raise NotReviewable(f"A version that is {locked.vetting} cannot be taken through {action!r}.")
    if action in NEEDS_REASON and not reason:
        raise ReasonRequired(f"The decision {action!r} needs a reason.")
    assess_lineage(locked)
    assess_upstream(locked)
    checks = assess(locked)
    if action == ReviewAction.APPROVE:
        _refuse_failed_gates(checks)
        _refuse_unexplained(checks, reason)
    # A quarantined version comes back to quarantine, not to the queue of those that can be approved.
    if leads_to == Vetting.WAITING and not locked.files.filter(state=FileState.STORED).exists():
        leads_to = Vetting.QUARANTINED
    before = locked.vetting
    locked.vetting = leads_to
    locked.vetted_at = timezone.now()
    locked.save(update_fields=["vetting", "vetted_at", "updated"])
    decision = Review.objects.create(
        version=locked,
        action=action,
        reason=reason,
        reviewer=reviewer,
        checks=[{"code": c.code, "outcome": c.outcome, "summary": c.summary} for c in checks],
    )
    reviewed(locked)
    if action in _LOOKS:
        looked_at(locked)
    audit(
        reviewer.get_username(), action, f"version:{locked.pk}", before=before, after=leads_to, reason=reason
    )
    note_change(locked, f"version_{leads_to}")
    version.vetting, version.vetted_at = locked.vetting, locked.vetted_at
    return decision


def _refuse_failed_gates(checks: list[Check]) -> None:
    failed = [
        c for c in checks if c.code in HARD_GATES and c.outcome not in {CheckOutcome.OK, CheckOutcome.WARN}
    ]
    if failed:
        raise HardGateFailed("; ".join(f"{check.code}: {check.summary}" for check in failed))


def _refuse_unexplained(checks: list[Check], reason: str) -> None:
    """Some failures may be overruled, but only with a reason that stays on record."""
    failed = [c for c in checks if c.code in NEEDS_EXPLANATION and c.outcome == CheckOutcome.FAIL]
    if failed and len(reason) < SHORTEST_REASON:
        told = "; ".join(f"{check.code}: {check.summary}" for check in failed)
        raise ReasonRequired(f"Approving this needs a reason of {SHORTEST_REASON} characters or more. {told}")


def queue() -> QuerySet[Version]:
    """Versions waiting for a reviewer, the oldest first; not those whose bytes have not been fetched."""
    return (
        Version.objects.filter(vetting=Vetting.WAITING)
        .exclude(without_bytes())
        .select_related("adapter__creator", "base_declared", "base_decided")
        .order_by("created", "id")
    )


@dataclass(frozen=True, slots=True)
class FetchDecision:
    """Whether a file's bytes may be handed out; else the code of the refusal and the reason for a person."""

    allowed: bool
    code: str | None = None
    reason: str = ""


def may_fetch(file: File) -> FetchDecision:
    """Decide about one file: only a vetted version's clean file leaves, unless its terms forbid DOWNLOAD_ACT.

    What comes from an upstream's page that states no terms does not leave either, until a person has settled
    them: unknown is never yes. Codes of a refusal: quarantined, withdrawn, unvetted, license_blocked.
    """
    version = file.version
    if file.state == FileState.QUARANTINED or version.vetting == Vetting.QUARANTINED:
        reason = file.reason or _("It is kept in quarantine, because loading it could run foreign code.")
        return FetchDecision(False, "quarantined", reason)
    if file.state == FileState.WITHDRAWN or version.vetting == Vetting.WITHDRAWN:
        return FetchDecision(False, "withdrawn", file.reason or _("A reviewer took this version back."))
    if version.vetting != Vetting.APPROVED:
        return FetchDecision(False, "unvetted", _("No reviewer has approved this version."))
    verdict = verdicts.verdict_for(version, settings.DOWNLOAD_ACT, {})
    if verdict.outcome == "forbidden":
        layers: list[Any] = [reason for reason in verdict.reasons if reason.layer in verdict.deciding]
        codes = ", ".join(sorted({f"{reason.layer}: {reason.code}" for reason in layers}))
        reason = _("The terms forbid this use (%(reasons)s).") % {"reasons": codes}
        return FetchDecision(False, "license_blocked", reason)
    if verdict.outcome == "unknown" and version.adapter.source in _PAGES:
        unstated = [each for each in verdict.reasons if each.layer in verdict.deciding]
        if any(each.code in _UNSTATED for each in unstated):
            return FetchDecision(
                False, "license_blocked", _("Its page states no terms, and nobody has settled them.")
            )
    return FetchDecision(True)
