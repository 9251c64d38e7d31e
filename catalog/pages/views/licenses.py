"""Licenses explained: what each says per act, with the clause; found by what it says; two side by side."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from catalog.pages.gate import page
from catalog.pages.reading.explain_license import act_lines, changes, read_license_page, way_of
from catalog.pages.reading.license_list import ListQuery, read_list
from registry.basis import current_basis
from registry.licensing import ACTS, License, Table
from registry.licensing.sentences import DERIVATIVE_SENTENCES, FAMILY_SENTENCES, IRREVOCABLE_SENTENCES


@page
def licenses(request: HttpRequest) -> HttpResponse:
    """All licenses of the table: `q` words, `act` with `answer`, `family`, `only=house`."""
    query = ListQuery.from_params(request.GET)
    table = current_basis().table
    context = {
        "query": query,
        "list": read_list(query, table),
        "all_acts": ACTS.values(),
        "choices": _choices(table),
        "section": "licenses",
    }
    return render(request, "pages/licenses.html", context)


@page
def license_page(request: HttpRequest, license_id: str) -> HttpResponse:
    """One license: every act with status, conditions and clause, its revisions, where it is met."""
    table = current_basis().table
    found = read_license_page(license_id, table)
    if found is None:
        raise Http404(_("There is no such license in the table."))
    context = {
        "page": found,
        "license": found.license,
        **_told(found.license),
        "choices": [each for each in _choices(table) if each.id != license_id],
        "section": "licenses",
    }
    return render(request, "pages/license.html", context)


@page
def compare_licenses(request: HttpRequest) -> HttpResponse:
    """`?a=&b=`: two licenses act by act; `differ=1` leaves out the acts on which they agree."""
    table = current_basis().table
    one, other = (_license(table, request.GET.get(name, "")) for name in ("a", "b"))
    only = request.GET.get("differ") == "1"
    context: dict[str, Any] = {
        "choices": _choices(table),
        "a": one,
        "b": other,
        "only_differing": only,
        "section": "licenses",
    }
    if one is not None and other is not None:
        pairs = [
            {"one": first, "other": second, "way": way_of(first, second)}
            for first, second in zip(act_lines(one), act_lines(other), strict=True)
        ]
        differ = changes(one, other)
        ways = [change.way for change in differ]
        context |= {
            "told": [_told(one), _told(other)],
            "rows": [pair for pair in pairs if pair["way"] or not only],
            "looser": ways.count("looser"),
            "tighter": ways.count("tighter"),
            "exchanged": ways.count("other"),
            "same": len(ACTS) - len(differ),
        }
    return render(request, "pages/license_compare.html", context)


def _choices(table: Table) -> list[License]:
    return sorted(table.values(), key=lambda each: each.name.casefold())


def _license(table: Table, wanted: str) -> License | None:
    """None where none was chosen yet. Raises Http404 for one that does not exist."""
    if not wanted:
        return None
    found = table.get(wanted)
    if found is None:
        raise Http404(_("There is no such license in the table."))
    return found


def _told(license_: License) -> dict[str, Any]:
    """What is said of a license as a whole, in sentences."""
    return {
        "family": FAMILY_SENTENCES.get(license_.family, (license_.family, "")),
        "derivative": DERIVATIVE_SENTENCES[license_.lora_is_derivative or ""],
        "irrevocable": IRREVOCABLE_SENTENCES[license_.irrevocable],
    }
