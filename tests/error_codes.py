"""Collects every error of the project and writes docs/errors.md: `.venv/bin/python -m tests.error_codes`."""

from __future__ import annotations

import importlib
import os
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import django

DOCUMENT = Path(__file__).parents[1] / "docs" / "errors.md"
SECTIONS = {
    "registry.sources": "Taking adapters in",
    "registry.sync": "Following upstreams",
    "registry.storage": "Storage",
    "registry.lineage_index": "Storage",
    "registry.weights": "Reading weights",
    "registry.licensing": "Licenses and verdicts",
    "registry.policies": "Licenses and verdicts",
    "registry.vetting": "Review",
    "registry.claims": "Review",
    "registry.jobs": "Jobs",
    "registry": "Commands",
    "inference.converter_errors": "Converting and extracting",
    "inference": "Sheets",
    "catalog": "Searching and downloading",
    "config": "Set-up and database",
}
HEAD = """# Error codes

Every error that Kura shows has a code that stays the same from release to release: on the command line as
`code: what happened. What to do now.`, in the API as `code` of an RFC 9457 problem document, in reports of
`manage.py ingest` and in failed jobs. *Tries again* tells whether a job repeats the work by itself.

This page is written by `.venv/bin/python -m tests.error_codes` from the classes themselves.
"""
COLUMNS = "| code | what happened | what to do | tries again |\n|---|---|---|---|"
APPS = ("config", "registry", "inference", "catalog")
# Where the class has no fixed step, each message ends with the one for its case.
OWN_STEP = "The message says what to use instead."


def all_errors() -> list[type[Exception]]:
    """Every class with a stable code, wherever it is defined; the engine is left out since it needs torch."""
    from config.env import ConfigError
    from registry.errors import KuraError

    for app in APPS:
        for name in _modules(app):
            importlib.import_module(name)
    # Tests make errors of their own.
    ours = (child for child in _below(KuraError) if child.__module__.partition(".")[0] in APPS)
    return [ConfigError, *ours]


def _modules(package: str) -> Iterator[str]:
    for found in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
        if ".migrations" not in found.name and not found.name.startswith("inference.engine"):
            yield found.name


def _below(parent: type[Exception]) -> Iterator[type[Exception]]:
    for child in parent.__subclasses__():
        yield child
        yield from _below(child)


def section_of(error: type[Exception]) -> str:
    """The heading an error stands under: the longest prefix of its module decides."""
    prefixes = [prefix for prefix in SECTIONS if f"{error.__module__}.".startswith(f"{prefix}.")]
    return SECTIONS[max(prefixes, key=len)]


def render() -> str:
    """The whole page."""
    rows: dict[str, dict[str, str]] = {}
    for error in all_errors():
        code: str = getattr(error, "code", "")
        meaning = " ".join((error.__doc__ or "").split("\n\n")[0].split())
        step = getattr(error, "next_step", "") or OWN_STEP
        again = "no" if getattr(error, "permanent", True) else "yes"
        row = f"| `{code}` | {_cell(meaning)} | {_cell(step)} | {again} |"
        known = rows.setdefault(section_of(error), {})
        # Two classes may share a code, as a base and its nearest case do; the one with a step says more.
        if code not in known or OWN_STEP in known[code]:
            known[code] = row
    parts = [HEAD]
    for title in dict.fromkeys(SECTIONS.values()):
        if title in rows:
            table = "\n".join(rows[title][code] for code in sorted(rows[title]))
            parts.append(f"## {title}\n\n{COLUMNS}\n{table}\n")
    return "\n".join(parts)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    DOCUMENT.write_text(render(), encoding="utf-8")
