"""Why a version can have no sheet, told before anything is planned: one finding, with its numbers."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from inference.errors import NoBaseWeights, NoRecipe, SheetRefused
from inference.house_recipes import find_recipe
from inference.metrics import Finding
from inference.metrics.findings import not_renderable
from inference.models import Sheet
from inference.recipes import FAMILIES
from inference.services import STANDARD, choose_base, planning_findings, refusal_of, stored_modules
from registry.checks import NO_SHEET, SHEET
from registry.main_files import MEASURABLE
from registry.models import BaseModel, Check, CheckOutcome, File, Version

# Told in one pass, so that a large import does not hold up the sheets of others.
MOST_TOLD = 500
_KEPT = "The file can be kept and offered; it cannot be rendered."
_SETTLE = "Settle the version's base model in its review; a sheet is planned then."


@dataclass(frozen=True, slots=True)
class NoSheet:
    """Why there can be none: the error that asking for one would give, and what that tells."""

    error: SheetRefused
    findings: tuple[Finding, ...]


def why_no_sheet(version: Version) -> NoSheet | None:
    """What stands in the way of the version's standard sheet: its family, or that no base is here for it.

    None where it can be planned, and where it has no stored file of which one could be made.
    """
    file = version.files.filter(MEASURABLE).order_by("pk").first()
    if file is None:
        return None
    modules = stored_modules(file.blob_id)
    try:
        base = choose_base(version)
        find_recipe(STANDARD, base.family)
    except (NoBaseWeights, NoRecipe) as error:
        finding = _finding(version, error, modules)
        # Weights and recipes help a family that is known and can be rendered, and no other.
        if not finding.numbers["family_known"]:
            error.next_step = _SETTLE
        elif not finding.numbers["recipes"]:
            error.next_step = _KEPT
        return NoSheet(error, (finding,))
    refusal = refusal_of(version, base)
    if refusal is None:
        return None
    return NoSheet(refusal, tuple(planning_findings(refusal, modules)))


def tell_refusals() -> int:
    """Write into the check `sheet` why versions can have none, and take it back where they now can.

    Returns how many were told. A version that was told is not looked at again until then.
    """
    told = 0
    for version in _untold().order_by("pk")[:MOST_TOLD]:
        told += tell_refusal(version)
    taken_back = [check.pk for check in _told_of_renderable() if why_no_sheet(check.version) is None]
    # Asked again: a sheet may have been planned, and the check written, meanwhile.
    Check.objects.filter(pk__in=taken_back, evidence__has_key="refusal").update(
        outcome=CheckOutcome.TODO,
        summary=NO_SHEET,
        evidence={},
        updated=timezone.now(),
    )
    return told


def tell_refusal(version: Version) -> bool:
    """The same for one version; whether there is anything to tell."""
    found = why_no_sheet(version)
    if found is None:
        return False
    findings = [finding.as_dict() for finding in found.findings]
    evidence = {
        "sheet": None,
        "code": found.error.code,
        "findings": [finding["code"] for finding in findings],
        "refusal": findings,
    }
    summary = f"No comparison sheet: {found.error.message}"[:500]
    held = Check.objects.filter(version=version, code=SHEET).first()
    if held is not None and held.evidence == evidence:
        return True
    Check.objects.update_or_create(
        version=version,
        code=SHEET,
        defaults={"outcome": CheckOutcome.WARN, "summary": summary, "evidence": evidence},
    )
    return True


def _finding(version: Version, error: SheetRefused, modules: int) -> Finding:
    family = version.detected_family
    named = version.base_decided or version.base_declared
    if family == "unknown" and named is not None:
        family = named.family
    return not_renderable(
        error.message,
        known=family != "unknown",
        bases=BaseModel.objects.filter(family=family).exclude(weights="").count(),
        recipes=int(family in FAMILIES),
        modules=modules,
    )


def _renderable() -> QuerySet[Version]:
    """Versions for which there is a base with weights, of a family that has recipes."""
    bases = BaseModel.objects.filter(family__in=FAMILIES).exclude(weights="")
    named = Q(base_decided__in=bases) | Q(base_declared__in=bases)
    return Version.objects.filter(named | Q(detected_family__in=bases.values("family")))


def _told_of_renderable() -> QuerySet[Check]:
    """What was told of versions that have a base now; that it can be used is not said by this: a reviewer's
    decided base goes first, whatever it lacks.
    """
    told = Check.objects.filter(code=SHEET, evidence__has_key="refusal", version__in=_renderable())
    unshown = told.exclude(Exists(Sheet.objects.filter(version=OuterRef("version"))))
    return unshown.select_related("version__base_decided", "version__base_declared")


def _untold() -> QuerySet[Version]:
    """Versions with a stored file, for which there is no base and no sheet, and of which nobody was told."""
    stored = File.objects.filter(MEASURABLE, version=OuterRef("pk"))
    shown = Sheet.objects.filter(version=OuterRef("pk"))
    looked = Check.objects.filter(version=OuterRef("pk"), code=SHEET).exclude(outcome=CheckOutcome.TODO)
    return (
        Version.objects.filter(Exists(stored), ~Exists(shown), ~Exists(looked))
        .exclude(pk__in=_renderable().values("pk"))
        .select_related("base_decided", "base_declared")
    )
