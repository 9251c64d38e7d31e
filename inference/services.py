"""Planning of sheets: which file on which base by which recipe, as rows; rendering itself is in render.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Case, Q, QuerySet, Value, When
from django.utils import timezone

from inference.base_files import base_files
from inference.errors import (
    BaseNotRenderable,
    NoBaseWeights,
    NotReproducible,
    SheetRefused,
    WrongBase,
)
from inference.hand_checks import record_hands
from inference.house_recipes import find_recipe
from inference.metrics import Finding
from inference.metrics.findings import not_renderable, wrong_base
from inference.models import Sheet, SheetAdapter, SheetState
from inference.shown import Content, Other, content_of
from registry.checks import latest_inspection
from registry.jobs import enqueue
from registry.models import BaseModel, Check, CheckOutcome, Job, Version

RENDER_JOB, COMPARE_JOB = "render_sheet", "compare_sheet"
STANDARD = "standard"


def plan_sheet(
    *,
    version: Version,
    recipe: str = STANDARD,
    base: BaseModel | None = None,
    others: Sequence[Other] = (),
) -> Sheet:
    """The sheet of a version's file on a base: a new row, or the one that is there.

    What can be seen to be impossible from rows alone gives a sheet in state refused with its code and
    message. A sheet that failed, was refused, or whose plan or base has changed since is planned anew.
    `others` are the other adapters of a stack, or the earlier version. Raises NoAdapterFile, NoBaseWeights,
    NoRecipe or RecipeDoesNotFit when there is not even enough for a row.
    """
    base = base or choose_base(version)
    content = content_of(version, find_recipe(recipe, base.family), others)
    plan = content.plan
    refusals = (refusal_of(each, base) for each, _, _ in content.files)
    refusal = next(filter(None, refusals), None)
    folder_digest = "" if refusal else digest_here(base)
    with transaction.atomic():
        sheet, _ = Sheet.objects.select_for_update().get_or_create(
            version=version,
            blob=content.files[0][1].blob,
            base=base,
            recipe_digest=plan.recipe.digest(),
            others=content.others,
            defaults={"recipe": recipe, "cells_total": plan.cells},
        )
        same_base = not (folder_digest and sheet.base_digest) or sheet.base_digest == folder_digest
        current = sheet.plan == plan.as_dict() and same_base
        anew = not current or sheet.state in {SheetState.FAILED, SheetState.REFUSED}
        if anew:
            _plan_anew(sheet, content, folder_digest, refusal)
    if anew:
        # What stood in the way before, or that nobody asked, is no longer so.
        record_check(version)
    return sheet


def request_sheet(
    *,
    version: Version,
    recipe: str = STANDARD,
    base: BaseModel | None = None,
    others: Sequence[Other] = (),
    priority: int = 0,
) -> Sheet:
    """Plan a sheet and have a GPU worker render it; smaller priorities go first.

    Raises what plan_sheet raises.
    """
    with transaction.atomic():
        sheet = plan_sheet(version=version, recipe=recipe, base=base, others=others)
        if sheet.state in {SheetState.WAITING, SheetState.RENDERING}:
            _enqueue(RENDER_JOB, sheet, priority)
    return sheet


def request_comparison(sheet: Sheet, *, priority: int = 0) -> Job:
    """Have a GPU worker render a finished sheet's pictures again; its `reproduction` tells what came of it.

    Raises NotReproducible when it is not finished.
    """
    if sheet.state != SheetState.DONE:
        raise NotReproducible(f"Sheet {sheet.pk} is not finished.")
    return _enqueue(COMPARE_JOB, sheet, priority)


def _enqueue(kind: str, sheet: Sheet, priority: int) -> Job:
    """The job of a GPU worker for this sheet, now or again."""
    return enqueue(
        kind,
        str(sheet.pk),
        payload={"sheet": sheet.pk},
        queue="gpu",
        priority=priority,
        max_attempts=settings.SHEET_TRIES,
        family=sheet.base.family,
        base=sheet.base.slug,
        again=True,
    )


def choose_base(version: Version) -> BaseModel:
    """The base to show a version on: decided, else declared, else any of its family, with weights where
    there are.

    Raises NoBaseWeights when no base of the family has weights.
    """
    named = version.base_decided or version.base_declared
    if named is not None and named.weights:
        return named
    family = (
        version.detected_family if version.detected_family != "unknown" else named.family if named else ""
    )
    found = BaseModel.objects.filter(family=family).exclude(weights="").order_by("pk").first()
    if found is None:
        raise NoBaseWeights(f"No base model of the family {family or 'unknown'} has weights to render with.")
    return found


def find_base(name: str) -> BaseModel:
    """A base model by slug or name, whatever its case. Raises NoBaseWeights with the names there are."""
    found = BaseModel.objects.filter(Q(slug__iexact=name) | Q(name__iexact=name)).order_by("pk").first()
    if found is None:
        known = BaseModel.objects.exclude(weights="").order_by("slug").values_list("slug", flat=True)[:10]
        raise NoBaseWeights(f"No base model {name!r}; with weights there are: {', '.join(known) or 'none'}.")
    return found


def finished_sheets(*first: str) -> QuerySet[Sheet]:
    """Sheets that are done: of each version the standard one before other recipes, then the newest.

    `first` are fields to order by before that.
    """
    standard = Case(When(recipe=STANDARD, then=Value(0)), default=Value(1))
    return Sheet.objects.filter(state=SheetState.DONE).order_by(*first, standard, "-id")


def mark_failed(sheet: Sheet, code: str, message: str) -> None:
    """Record why a sheet came to nothing, and tell vetting."""
    sheet.state = SheetState.FAILED
    sheet.code, sheet.message, sheet.finished = code, message, timezone.now()
    sheet.save(update_fields=["state", "code", "message", "finished"])
    record_check(sheet.version)


def mark_refused(sheet: Sheet, code: str, message: str, findings: list[dict[str, Any]]) -> None:
    """Record that the adapter is not shown on this base, with what that tells, and tell vetting."""
    sheet.state, sheet.finished = SheetState.REFUSED, timezone.now()
    sheet.code, sheet.message, sheet.findings = code, message, findings
    sheet.save(update_fields=["state", "code", "message", "findings", "finished"])
    record_check(sheet.version)


def record_check(version: Version) -> None:
    """The `sheet` gate of a version: what its best sheet tells, or why there is none."""
    sheet = speaking_sheet(version)
    if sheet is None:
        return
    outcome, summary = _gate(sheet)
    evidence = {
        "sheet": sheet.pk,
        "code": sheet.code,
        "findings": [finding["code"] for finding in sheet.findings],
    }
    Check.objects.update_or_create(
        version=version,
        code="sheet",
        defaults={"outcome": outcome, "summary": summary[:500], "evidence": evidence},
    )
    if sheet.state == SheetState.DONE:
        record_hands(sheet)


def speaking_sheet(version: Version) -> Sheet | None:
    """The sheet by which a version is judged: the newest finished one, else the newest.

    A standard sheet speaks first: a stack or a tuning tells of more than this file.
    """
    own = version.sheets.order_by("-created", "-pk")
    sheets = list(own.filter(recipe=STANDARD)[:20]) or list(own[:20])
    done = next((sheet for sheet in sheets if sheet.state == SheetState.DONE), None)
    return done or (sheets[0] if sheets else None)


def _gate(sheet: Sheet) -> tuple[CheckOutcome, str]:
    if sheet.state == SheetState.DONE:
        loud = [finding["message"] for finding in sheet.findings if finding["severity"] != "info"]
        if loud:
            return CheckOutcome.WARN, " ".join(loud)
        return CheckOutcome.OK, "The comparison sheet shows nothing that stands out."
    if sheet.state == SheetState.REFUSED:
        return CheckOutcome.WARN, f"No comparison sheet: {sheet.message}"
    if sheet.state == SheetState.FAILED:
        return CheckOutcome.FAIL, f"The comparison sheet failed: {sheet.message}"
    return CheckOutcome.TODO, "The comparison sheet is not rendered yet."


def refusal_of(version: Version, base: BaseModel) -> SheetRefused | None:
    """Why rows alone say that the version cannot be shown on this base; None where they do not."""
    if version.detected_family not in {"unknown", base.family}:
        return WrongBase(
            f"The file is an adapter of {version.detected_family}, the base is of {base.family}."
        )
    return None if base.weights else NoBaseWeights(f"{base.name} has no weights to render with.")


def planning_findings(refusal: SheetRefused, modules: int) -> list[Finding]:
    """What a refusal before anything was loaded tells; `modules` of the file were read, 0 for none."""
    if isinstance(refusal, NoBaseWeights):
        # Named by hand, of the file's own family: what is lacking are its weights.
        return [not_renderable(refusal.message, known=True, bases=0, recipes=1, modules=modules)]
    return wrong_base(refusal.code, refusal.message, modules=modules)


def stored_modules(sha256: str) -> int:
    """How many modules the newest reading of a file found; 0 where it was not read."""
    reading = latest_inspection(sha256)
    return reading.modules if reading is not None else 0


def digest_here(base: BaseModel) -> str:
    """The digest of the base's weights, or nothing: a site may plan what only its workers can render."""
    try:
        return base_files(base).digest
    except BaseNotRenderable:
        return ""


def _plan_anew(sheet: Sheet, content: Content, folder_digest: str, refusal: SheetRefused | None) -> None:
    plan = content.plan
    sheet.plan, sheet.base_digest, sheet.cells_total = plan.as_dict(), folder_digest, plan.cells
    sheet.state = SheetState.WAITING if refusal is None else SheetState.REFUSED
    sheet.code, sheet.message = (refusal.code, refusal.message) if refusal else ("", "")
    found = planning_findings(refusal, stored_modules(sheet.blob_id)) if refusal else []
    sheet.findings = [finding.as_dict() for finding in found]
    sheet.finished = None if refusal is None else timezone.now()
    sheet.save()
    # Places of an earlier plan would show pictures of other prompts.
    sheet.places.all().delete()
    sheet.adapters.all().delete()
    if len(content.files) > 1:
        SheetAdapter.objects.bulk_create(
            SheetAdapter(sheet=sheet, slot=slot, version=version, blob=file.blob, role=role)
            for slot, (version, file, role) in enumerate(content.files)
        )
