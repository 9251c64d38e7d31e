"""The gates of vetting: looks at a version's rows and writes one Check for each question of a reviewer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils import timezone

from registry.bases import read_base
from registry.licensing.table import NO_TEXT
from registry.models import (
    Check,
    CheckOutcome,
    ClaimKind,
    File,
    FileState,
    Inspection,
    Standing,
    TermsClaim,
    Version,
)
from registry.settled import rights_of

# A version with one of these failed can never be approved: its bytes are a danger or are not an adapter.
HARD_GATES = ("container_valid", "pickle_free", "weights_finite")
# Written by whoever renders; kept here only until then.
SHEET = "sheet"
HANDS = "hands"
ANNOUNCED = "announced_hash"
NO_SHEET = "No sheet has been rendered yet."
_PICKLES = {"pickle", "zip"}


@dataclass(frozen=True, slots=True)
class Result:
    """What one gate found, in one sentence, with the evidence it rests on."""

    code: str
    outcome: str
    summary: str
    evidence: dict[str, Any] = field(default_factory=dict)


def assess(version: Version) -> list[Check]:
    """Run every gate and keep its result; a row is touched only when the result is another one."""
    files = list(version.files.exclude(state=FileState.WITHDRAWN).select_related("blob"))
    claims = list(version.claims.filter(superseded=False).select_related("snapshot"))
    readings = latest_inspections(files)
    held = {(version.pk, check.code): check for check in version.checks.all()}
    kept = {code: check for (_, code), check in held.items()}
    results = [(version, result) for result in _results(version, files, readings, claims)]
    kept |= {check.code: check for check in keep_each(results, held)}
    if SHEET not in kept:
        todo = {"outcome": CheckOutcome.TODO, "summary": NO_SHEET}
        kept[SHEET], _ = Check.objects.get_or_create(version=version, code=SHEET, defaults=todo)
    return sorted(kept.values(), key=lambda check: check.code)


def assess_new(versions: Iterable[tuple[Version, Sequence[TermsClaim]]]) -> None:
    """Run every gate for versions that were just made, with their claims and no file; in one query."""
    results = []
    for version, claims in versions:
        results += [(version, result) for result in _results(version, [], {}, list(claims))]
        results.append((version, Result(SHEET, CheckOutcome.TODO, NO_SHEET)))
    keep_each(results, {})


def looked_at(version: Version) -> None:
    """After a reviewer has decided with the sheet before their eyes: nobody has to look at its hands again.

    The evidence stays, so that whoever renders another sheet can tell that it asks for another look.
    """
    version.checks.filter(code=HANDS, outcome=CheckOutcome.TODO).update(
        outcome=CheckOutcome.OK,
        summary="A reviewer has decided with the crops before their eyes.",
        updated=timezone.now(),
    )


def keep_each(
    results: Iterable[tuple[Version, Result]], held: Mapping[tuple[int, str], Check]
) -> list[Check]:
    """Keep the results of gates in two queries; a row is touched only when the result is another one.

    `held`: the checks as they stand, by version and code. Returns those that were made or changed.
    """
    new, changed = [], []
    for version, result in results:
        check = held.get((version.pk, result.code))
        found = {"outcome": result.outcome, "summary": result.summary[:500], "evidence": result.evidence}
        if check is None:
            new.append(Check(version=version, code=result.code, **found))
        elif any(getattr(check, name) != value for name, value in found.items()):
            for name, value in found.items():
                setattr(check, name, value)
            check.updated = timezone.now()
            changed.append(check)
    fields = ["outcome", "summary", "evidence", "updated"]
    Check.objects.bulk_create(
        new, update_conflicts=True, unique_fields=["version", "code"], update_fields=fields
    )
    Check.objects.bulk_update(changed, fields)
    return [*new, *changed]


def latest_inspections(files: Sequence[File]) -> dict[str, Inspection]:
    """The newest inspection of each file's blob, by SHA256."""
    rows = Inspection.objects.filter(blob__in=[file.blob_id for file in files]).order_by("created", "id")
    return {row.blob_id: row for row in rows}


def latest_inspection(sha256: str) -> Inspection | None:
    """The newest inspection of one blob, None where it was not read."""
    return Inspection.objects.filter(blob=sha256).order_by("created", "id").last()


def family_candidates(readings: dict[str, Inspection]) -> list[str]:
    """The families that the weights allow where they do not settle on one."""
    found = {name for row in readings.values() for name in row.data.get("family_candidates") or []}
    return sorted(name for name in found if isinstance(name, str))


def _results(
    version: Version, files: list[File], readings: dict[str, Inspection], claims: list[TermsClaim]
) -> Iterator[Result]:
    clean = [file for file in files if file.blob.container not in _PICKLES]
    yield _pickle_free(files, readings)
    yield _container_valid(clean, readings)
    yield _weights_finite(clean, readings)
    yield from _announced(files)
    yield from _base(version, readings)
    yield _license(claims)
    yield _material(claims)


def _announced(files: list[File]) -> Iterator[Result]:
    """Whether each file has the SHA256 that its source announces; nothing where none announces any."""
    told = [file for file in files if file.announced]
    other = [file for file in told if file.announced != file.blob_id]
    if not told:
        return
    if not other:
        yield Result(ANNOUNCED, CheckOutcome.OK, "Each file has the SHA256 that its source announces.")
        return
    text = "; ".join(
        f"{file.name} has the SHA256 {file.blob_id[:10]}…, its source announces {file.announced[:10]}…"
        for file in other
    )
    evidence = {
        "files": [{"name": file.name, "sha256": file.blob_id, "announced": file.announced} for file in other]
    }
    yield Result(ANNOUNCED, CheckOutcome.WARN, f"{text}. The bytes may be another file's.", evidence)


def _pickle_free(files: list[File], readings: dict[str, Inspection]) -> Result:
    pickles = [file for file in files if file.blob.container in _PICKLES]
    if not pickles:
        return Result("pickle_free", CheckOutcome.OK, "No file is a pickle.")
    names = [file.name for file in pickles]
    # What picklescan found is shown to the reviewer; it never makes a pickle fit to be handed out.
    found = [each for file in pickles if (row := readings.get(file.blob_id)) for each in findings(row)]
    evidence = {"files": names, "findings": found}
    grave = " ".join(str(each["message"]) for each in found if each["severity"] == "error")
    if len(pickles) < len(files):
        text = f"{', '.join(names)}: a pickle, kept in quarantine beside clean files. {grave}".strip()
        return Result("pickle_free", CheckOutcome.WARN, text, evidence)
    text = f"Only pickles: loading one runs code. {grave}".strip()
    return Result("pickle_free", CheckOutcome.FAIL, text, evidence)


def _container_valid(files: list[File], readings: dict[str, Inspection]) -> Result:
    code = "container_valid"
    if not files:
        return Result(code, CheckOutcome.TODO, "No file that can be read without running it.")
    problems: dict[str, list[str]] = {}
    for file in files:
        row = readings.get(file.blob_id)
        if row is None:
            return Result(code, CheckOutcome.TODO, f"{file.name} has not been inspected.")
        found = [] if row.valid else [str((row.data.get("error") or {}).get("code", "invalid"))]
        found += [finding["code"] for finding in findings(row) if finding["severity"] == "error"]
        found = [each for each in found if each != _NOT_FINITE]
        if found:
            problems[file.name] = sorted(set(found))
    if problems:
        text = "; ".join(f"{name}: {', '.join(found)}" for name, found in problems.items())
        return Result(code, CheckOutcome.FAIL, text, problems)
    return Result(code, CheckOutcome.OK, "The safetensors reader accepts every file.")


_NOT_FINITE = "not_finite"


def _weights_finite(files: list[File], readings: dict[str, Inspection]) -> Result:
    code = "weights_finite"
    rows = [(file, readings[file.blob_id]) for file in files if file.blob_id in readings]
    if not rows:
        return Result(code, CheckOutcome.TODO, "The weights have not been read.")
    bad = [file.name for file, row in rows if any(each["code"] == _NOT_FINITE for each in findings(row))]
    if bad:
        text = f"{', '.join(bad)}: NaN or infinite weights."
        return Result(code, CheckOutcome.FAIL, text, {"files": bad})
    return Result(code, CheckOutcome.OK, "Every weight that was read is a finite number.")


def findings(row: Inspection) -> list[dict[str, Any]]:
    """The inspection's findings, as `{code, severity, message}`."""
    return [
        {"code": str(each.get("code")), "severity": str(each.get("severity")), "message": each.get("message")}
        for each in row.data.get("findings") or []
        if isinstance(each, dict)
    ]


def _base(version: Version, readings: dict[str, Inspection]) -> Iterator[Result]:
    reading = read_base(version, family_candidates(readings))
    evidence = {
        "declared": version.declared_base,
        "detected": version.detected_family,
        "decided": version.base_decided.slug if version.base_decided else None,
    }
    if reading.conflict:
        yield Result("base_conflict", CheckOutcome.FAIL, reading.conflict, evidence)
    elif reading.base and not reading.confirmed:
        text = "The weights do not settle which family they are for."
        yield Result("base_conflict", CheckOutcome.WARN, text, evidence)
    else:
        yield Result("base_conflict", CheckOutcome.OK, "Nothing contradicts the stated base.", evidence)
    if reading.base:
        who = "decided by a person" if reading.decided else "declared by the author"
        yield Result("base_known", CheckOutcome.OK, f"{reading.base.name}, {who}.", evidence)
    elif version.declared_base:
        text = f"{version.declared_base!r} is in no table of base models."
        yield Result("base_known", CheckOutcome.WARN, text, evidence)
    elif version.detected_family != "unknown":
        text = f"Nobody stated the base; the weights are of family {version.detected_family}."
        yield Result("base_known", CheckOutcome.WARN, text, evidence)
    else:
        text = "Nobody stated the base and the weights do not tell it."
        yield Result("base_known", CheckOutcome.WARN, text, evidence)


def _license(claims: list[TermsClaim]) -> Result:
    code = "license_known"
    stated = [claim for claim in claims if claim.kind in {ClaimKind.LICENSE, ClaimKind.CIVITAI_FLAGS}]
    decided = [claim for claim in stated if claim.standing == Standing.DECIDED]
    evidence = {"claims": [claim.pk for claim in decided or stated]}
    unread = [claim.wording for claim in decided or stated if claim.value is None]
    if not stated:
        text = "Nothing says under which terms the adapter is given."
        return Result(code, CheckOutcome.WARN, text, evidence)
    if unread:
        text = f"Stated, but in no table of licenses: {'; '.join(unread)}"
        return Result(code, CheckOutcome.WARN, text, evidence)
    licenses = sorted({str(claim.value) for claim in decided or stated if claim.kind == ClaimKind.LICENSE})
    if NO_TEXT.intersection(licenses):
        text = f"The stated license is a placeholder without a text: {', '.join(licenses)}."
        return Result(code, CheckOutcome.WARN, text, evidence)
    text = ", ".join(licenses) or "Civitai permissions"
    return Result(code, CheckOutcome.OK, f"Terms are stated: {text}.", evidence)


def _material(claims: list[TermsClaim]) -> Result:
    code = "material_rights"
    raised = [claim for claim in claims if claim.kind == ClaimKind.RIGHTS]
    decided = [claim for claim in raised if claim.standing == Standing.DECIDED]
    evidence = {"claims": [claim.pk for claim in decided or raised]}
    if decided:
        # A conclusion about one kind of right leaves the others open.
        states = rights_of(claims)
        found = {states} if isinstance(states, str) else set((states or {}).values())
        outcome = CheckOutcome.OK if found == {"cleared"} else CheckOutcome.WARN
        return Result(code, outcome, f"Decided: {', '.join(sorted(found))}.", evidence)
    if raised:
        signs = "; ".join(claim.wording for claim in raised)
        text = f"Rights in what the adapter shows are not cleared ({signs})."
        return Result(code, CheckOutcome.WARN, text, evidence)
    return Result(
        code, CheckOutcome.TODO, "Nobody has looked at the rights in the training material.", evidence
    )
