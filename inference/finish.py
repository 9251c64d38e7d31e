"""From the cells of a sheet to its result: metrics, findings, manifest and contact sheet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils import timezone

from inference.cells import Pixels, read_pixels, sampling_inputs
from inference.contact_sheet import Heading, compose
from inference.errors import SheetRefused
from inference.exports import a1111_parameters, facts_of
from inference.hands import look_at_hands
from inference.metrics import EDITION, PRELIMINARY, Finding, Head, Shot, compare, find_by_recipe, find_hands
from inference.metrics.findings import wrong_base
from inference.metrics.pictures import Measured
from inference.models import Sheet, SheetCell, SheetState
from inference.recipes import Role, SheetPlan
from inference.services import mark_refused, record_check
from registry.errors import KuraError
from registry.storage import store_bytes

MANIFEST_SCHEMA = 1


def finish_sheet(
    sheet: Sheet,
    plan: SheetPlan,
    *,
    environment: Mapping[str, str],
    layout: Mapping[str, object],
    control: Mapping[str, object],
) -> None:
    """Measure the sheet's cells, compose its picture and mark it done, all in one transaction."""
    places = list(sheet.places.select_related("cell__image"))
    pixels = {(place.row, place.column): read_pixels(place.cell) for place in places}
    shots = _shots(plan, places, pixels)
    metrics, findings = find_by_recipe(sheet.recipe, str(plan.recipe.layout), shots, _heads(plan))
    hands = look_at_hands(plan, sheet.base.family, pixels, findings)
    if hands is not None:
        metrics["hands"] = hands.as_dict()
        findings += find_hands(hands)
    sheet.finished = timezone.now()
    manifest = _manifest(sheet, plan, places, findings)
    manifest |= {"environment": dict(environment), "layout": dict(layout), "control": dict(control)}
    if sheet.fallbacks:
        manifest["fallbacks"] = sheet.fallbacks
    manifest["metrics"] = metrics
    picture = compose(plan, pixels, _heading(sheet, findings), manifest)
    image = store_bytes(picture, container="png")
    with transaction.atomic():
        SheetCell.objects.bulk_update(places, ["metrics"])
        sheet.state, sheet.code, sheet.message = SheetState.DONE, "", ""
        sheet.metrics, sheet.manifest, sheet.image = metrics, manifest, image
        sheet.findings = [finding.as_dict() for finding in findings]
        sheet.save()
        record_check(sheet.version)


def refuse_sheet(sheet: Sheet, refusal: KuraError) -> None:
    """Mark the sheet refused; a file that does not fit the base gets its finding, with the numbers."""
    counted = refusal if isinstance(refusal, SheetRefused) else SheetRefused("")
    found = wrong_base(refusal.code, refusal.message, misfits=counted.misfits, modules=counted.modules)
    mark_refused(sheet, refusal.code, refusal.message, [finding.as_dict() for finding in found])


def _shots(plan: SheetPlan, places: list[SheetCell], pixels: Mapping[tuple[int, int], Pixels]) -> list[Shot]:
    """The base and adapter cells as they are measured, each against the base that is sampled alike.

    What is measured of a cell is written to its place on the way, the control's too.
    """
    measured = {spot: Measured(picture) for spot, picture in pixels.items()}
    rows, columns, pairs = plan.rows, plan.columns, _pairs(plan)
    shots = []
    for place in places:
        row, column = rows[place.row], columns[place.column]
        this = measured[place.row, place.column]
        metrics = None
        if column.role is not Role.BASE:
            metrics = compare(this, measured[place.row, column.twin])
            place.metrics = metrics.as_dict()
        if column.role is not Role.CONTROL:
            shots.append(
                Shot(
                    prompt=row.prompt,
                    seed=row.seed,
                    triggered=row.triggered,
                    weight=column.weight,
                    descriptor=this.descriptor,
                    metrics=metrics,
                    usable=bool(place.cell.facts["usable"]),
                    column=place.column,
                    scene=not plan.recipe.prompts[row.prompt].subject,
                    pair=row.scene if row.scene in pairs else None,
                )
            )
    return shots


def _pairs(plan: SheetPlan) -> set[int]:
    """Scenes that are asked for with the trigger words and without."""
    asked = [{row.scene for row in plan.rows if row.triggered is called} for called in (True, False)]
    return asked[0] & asked[1]


def _heads(plan: SheetPlan) -> dict[int, Head]:
    """The adapter columns as the measures of each recipe need them."""
    return {
        number: Head(column.label, column.group, tuple(slot.adapter for slot in column.slots), column.twin)
        for number, column in enumerate(plan.columns)
        if column.role is Role.ADAPTER
    }


def _manifest(
    sheet: Sheet, plan: SheetPlan, places: list[SheetCell], findings: list[Finding]
) -> dict[str, Any]:
    version, base, columns = sheet.version, sheet.base, plan.columns
    facts = facts_of(sheet, plan)
    return {
        "schema": MANIFEST_SCHEMA,
        "adapter": {"version": version.pk, "name": str(version), "sha256": sheet.blob_id},
        "base": {"slug": base.slug, "name": base.name, "family": base.family, "digest": sheet.base_digest},
        "plan": plan.as_dict(),
        "recipe_digest": sheet.recipe_digest,
        "sampling": sampling_inputs(plan.sampled(columns[0])),
        "cells": [
            {
                "row": place.row,
                "column": place.column,
                "role": place.role,
                "weight": columns[place.column].weight,
                "key": place.cell_id,
                "sha256": place.cell.image_id,
                "parameters": a1111_parameters(facts[place.row, place.column]),
            }
            for place in places
        ],
        "findings": [finding.as_dict() for finding in findings],
        "findings_edition": EDITION,
        "findings_preliminary": PRELIMINARY,
        "finished": sheet.finished.isoformat() if sheet.finished else None,
    }


def _heading(sheet: Sheet, findings: list[Finding]) -> Heading:
    adapter, version = sheet.version.adapter.name, sheet.version.name
    return Heading(
        # Adapters without versions of their own have a version of the same name.
        title=adapter if version.casefold() == adapter.casefold() else f"{adapter} {version}".strip(),
        base=sheet.base.name,
        recipe=f"{sheet.recipe} {sheet.recipe_digest[:8]}",
        adapter_digest=sheet.blob_id,
        date=f"{sheet.finished:%Y-%m-%d}" if sheet.finished else "",
        findings=tuple((str(finding.severity), finding.message) for finding in findings),
    )
