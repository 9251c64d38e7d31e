"""`manage.py plan`: may this be done with a stack of stored adapters, what would help, what to write."""

from __future__ import annotations

import hashlib
import json
import sys
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from registry.errors import KuraError
from registry.licensing import ACTS
from registry.licensing.facts import facts_from_json
from registry.licensing.outputs.credit import MEDIA
from registry.licensing.outputs.phrases import LANGUAGES
from registry.stack_outputs import Outputs
from registry.stack_report import report
from registry.stacks import Wanted, read_stack
from registry.terminal import one_line, terminal_text
from registry.weights.writer import OutputUnwritable


class Command(BaseCommand):
    help = (
        "Decide for a base with several adapters, show what would make it pass, write credit, notice and BOM."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--base", metavar="NAME", help="slug or name; else the base all adapters agree on"
        )
        parser.add_argument(
            "--adapter", action="append", type=_wanted, default=[], metavar="VERSION[@WEIGHT]",
            help="id of a version, with the weight it is used at; once for each adapter",
        )  # fmt: skip
        parser.add_argument("--act", required=True, metavar="ACT", help=f"one of {', '.join(ACTS)}")
        parser.add_argument("--facts", default="{}", metavar="JSON", help='such as {"territory": "JP"}')
        parser.add_argument("--credit", choices=MEDIA, help="print the credit for this medium")
        parser.add_argument("--language", choices=LANGUAGES, default="en", help="of the credit")
        parser.add_argument("--notice", type=Path, metavar="OUT.zip", help="write the NOTICE bundle")
        parser.add_argument(
            "--bom", type=Path, metavar="OUT.json", help="write the CycloneDX bill of materials"
        )
        parser.add_argument("--json", action="store_true", help="print JSON and nothing else")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            told = _answer(options)
        except KuraError as error:
            self.stderr.write(one_line(str(error)))
            sys.exit(1)
        if options["json"]:
            self.stdout.write(json.dumps(told, indent=2))
        else:
            self.stdout.write("\n".join(map(terminal_text, _in_words(told))))


def _answer(options: dict[str, Any]) -> dict[str, Any]:
    stack = read_stack(options["base"], options["adapter"], options["act"], facts_from_json(options["facts"]))
    plan = stack.plan()
    told = report(stack, plan)
    outputs = Outputs(stack, plan.verdict)
    if options["credit"]:
        told["credit"] = outputs.credit(options["credit"], options["language"]).as_dict()
    if options["notice"]:
        bundle = outputs.notice()
        _write(options["notice"], bundle.data)
        told["notice"] = {
            "path": str(options["notice"]),
            "sha256": hashlib.sha256(bundle.data).hexdigest(),
            "missing": [each.as_dict() for each in bundle.missing],
        }
    if options["bom"]:
        _write(options["bom"], outputs.bom(timezone.now()).encode())
        told["bom"] = {"path": str(options["bom"])}
    return told


def _wanted(text: str) -> Wanted:
    version, at, weight = text.partition("@")
    if not (version.isascii() and version.isdigit() and len(version) < 19):
        raise ArgumentTypeError(f"{text!r} is not the id of a version; write 12 or 12@0.8")
    try:
        return Wanted(int(version), float(weight) if at else None)
    except ValueError:
        raise ArgumentTypeError(f"{weight!r} is no weight; write {version}@0.8") from None


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all: the name appears once the bytes are there."""
    partial = path.with_name(f"{path.name}.part")
    try:
        partial.write_bytes(data)
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise OutputUnwritable(f"{path}: {error.strerror or error}.") from error


def _in_words(told: dict[str, Any]) -> Iterator[str]:
    names = {each["version"]: each["name"] for each in told["adapters"]} | {None: "the base"}
    verdict = told["verdict"]
    base = told["base"]["name"] if told["base"] else "base not known"
    yield f"{ACTS[told['act']].label} on {base}: {verdict['outcome'].upper()}"
    yield from (f"  condition: {condition}" for condition in verdict["conditions"])
    yield from (f"  always: {rule}" for rule in verdict["standing"])
    for each, adapter in zip(told["contributions"], told["adapters"], strict=True):
        weight = "" if adapter["weight"] is None else f" at {adapter['weight']:g}"
        yield f"{adapter['version']} {adapter['name']}{weight}"
        if adapter["made_for_another_family"]:
            yield "  its weights are for another family of base models"
        if each["brings"]:
            yield f"  brings: {', '.join(each['brings'])}"
        yield f"  without it: {each['without']['outcome']}"
    for clash in told["clashes"]:
        yield f"Clash of {names[clash['first']]} and {names[clash['second']]}: {clash['code']}"
    for found in told["removals"]:
        yield f"Passes without {', '.join(names[version] for version in found)}"
    for other in told["other_bases"]:
        yield f"Passes on {other['name']} ({other['slug']}): {other['outcome']}"
    for each in told["alternatives"]:
        yield f"Instead of {names[each['replaces']]}: {each['version']} {each['name']} ({each['outcome']})"
    for reason in verdict["reasons"]:
        if reason["next_step"]:
            yield f"{reason['layer']}: {reason['code']} -> {reason['next_step']}"
    if "credit" in told:
        yield ""
        yield from told["credit"]["text"].splitlines()
        if told["credit"]["description"]:
            yield ""
            yield from told["credit"]["description"].splitlines()
        for duty in told["credit"]["duties_left"]:
            yield f"Not met by the credit: {duty}"
    for each in told.get("notice", {}).get("missing", ()):
        yield f"Missing in the bundle: {each['name']} {each['url']}".rstrip()
