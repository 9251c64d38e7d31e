"""The check `hands` of a version: what a reviewer has still to look at on its sheet."""

from __future__ import annotations

from typing import Any

from inference.models import Sheet
from registry.checks import HANDS
from registry.models import Check, CheckOutcome


def record_hands(sheet: Sheet) -> None:
    """Bring the check in step with the finished sheet that speaks for the version.

    To do until a reviewer has decided about the version with this very sheet; none where its pictures hold no
    hands to be judged.
    """
    told = sheet.metrics.get("hands")
    if not told or not (told["cells"] or told["detector"]):
        Check.objects.filter(version=sheet.version_id, code=HANDS).delete()
        return
    evidence: dict[str, Any] = {
        "sheet": sheet.pk,
        "finished": sheet.finished.isoformat() if sheet.finished else None,
        "detector": told["detector"],
        "looked": told["looked"],
        "pictures": len(told["cells"]),
    }
    if told["code"]:
        evidence["detector_failed"] = told["code"]
    held = Check.objects.filter(version=sheet.version_id, code=HANDS).first()
    if held is not None and held.evidence == evidence:
        return
    outcome, summary = _outcome(told)
    Check.objects.update_or_create(
        version=sheet.version,
        code=HANDS,
        defaults={"outcome": outcome, "summary": summary, "evidence": evidence},
    )


def _outcome(told: dict[str, Any]) -> tuple[CheckOutcome, str]:
    if not told["cells"]:
        return CheckOutcome.OK, "The hand detector saw no hands on the sheet."
    if told["detector"]:
        return (
            CheckOutcome.TODO,
            "Look at the hands: the sheet has an enlarged crop of each that was found.",
        )
    return (
        CheckOutcome.TODO,
        "Nobody looked for hands yet: the sheet has enlarged crops of busy places.",
    )
