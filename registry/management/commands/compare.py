"""`manage.py compare A B [C]`: how adapters get into each other's way, or how two versions differ."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from registry.terminal import terminal_text
from registry.weights import inspect_file, read_header
from registry.weights.errors import WeightsError
from registry.weights.stacks import ROLES, Stack, stack_files
from registry.weights.versions import MetadataDiff, WeightDiff, diff_metadata, diff_weights

_MOST = 3


class Command(BaseCommand):
    """Reads files only: no system checks, no migrations, no connection."""

    help = (
        "Compare two or three adapter files: overlap, interference, weights to begin with; or two versions."
    )
    requires_system_checks: list[str] = []
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("paths", nargs="+", metavar="FILE", help="two or three adapter files")
        parser.add_argument(
            "--roles",
            default=",".join(ROLES),
            help=f"what each file is for, in order, of {', '.join(ROLES)} (default: %(default)s)",
        )
        parser.add_argument(
            "--versions", action="store_true", help="the first file is an older version of the second"
        )
        parser.add_argument("--json", action="store_true", dest="as_json", help="print JSON and nothing else")

    def handle(self, *args: Any, **options: Any) -> None:
        paths: list[str] = options["paths"]
        roles = [role.strip() for role in options["roles"].split(",")]
        most = 2 if options["versions"] else _MOST
        if not 2 <= len(paths) <= most:
            raise CommandError(f"Give {'two' if most == 2 else 'two or three'} files.", returncode=2)
        if not set(roles) <= set(ROLES) or len(roles) < len(paths):
            known = ", ".join(ROLES)
            raise CommandError(f"--roles needs one of {known} for each file, in order.", returncode=2)
        for path in paths:
            _check(path)
        if options["versions"]:
            self._versions(paths[0], paths[1], as_json=options["as_json"])
        else:
            self._stack(stack_files(paths, roles), as_json=options["as_json"])

    def _stack(self, stack: Stack, *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps(stack.as_dict(), indent=1))
            return
        for pair in stack.pairs:
            told = pair.as_dict()
            self.stdout.write(terminal_text(f"{pair.first}\n{pair.second}", keep="\n"))
            cosine = "-" if pair.cosine is None else f"{pair.cosine:.3f}"
            self.stdout.write(
                f"  interference {pair.interference:.2f}, cosine {cosine}, {pair.shared} layers in common"
            )
            self.stdout.write(f"  {told['sentence']}")
        self.stdout.write("Weights to begin with:")
        for member in stack.members:
            self.stdout.write(
                terminal_text(f"  {member.weight:.2f}  {member.role}  {member.name}: {member.why}")
            )

    def _versions(self, old: str, new: str, *, as_json: bool) -> None:
        weights = diff_weights(old, new)
        metadata = diff_metadata(inspect_file(old).as_dict(), inspect_file(new).as_dict())
        if as_json:
            told = {"old": old, "new": new, "weights": weights.as_dict(), "metadata": metadata.as_dict()}
            self.stdout.write(json.dumps(told, indent=1))
            return
        for line in (*_weight_lines(weights), *_metadata_lines(metadata)):
            self.stdout.write(terminal_text(line))


def _check(path: str) -> None:
    """Raise what is wrong with one of the files under its name: two are read at once later."""
    try:
        if (error := read_header(path).error) is not None:
            raise error
    except WeightsError as error:
        raise type(error)(f"{path}: {error.message}") from None


def _weight_lines(diff: WeightDiff) -> list[str]:
    cosine = "-" if diff.cosine is None else f"{diff.cosine:.3f}"
    lines = [
        diff.sentence,
        f"  cosine {cosine}, norm {diff.old:.3g} -> {diff.new:.3g}, {diff.shared} layers in common, "
        f"{len(diff.added)} added, {len(diff.removed)} removed, {len(diff.rank_changed)} of another rank",
    ]
    for block in diff.blocks:
        cosine = "-" if block.cosine is None else f"{block.cosine:.3f}"
        lines.append(f"  {block.name:8} cosine {cosine:>6}, norm {block.old:.3g} -> {block.new:.3g}")
    return lines


def _metadata_lines(diff: MetadataDiff) -> list[str]:
    if diff.empty:
        return ["The metadata state the same."]
    lines = ["Metadata:"]
    lines += [f"  {key}: {old} -> {new}" for key, (old, new) in diff.changed.items()]
    lines += [f"  {key}: now {value}" for key, value in diff.added.items()]
    lines += [f"  {key}: no longer {value}" for key, value in diff.removed.items()]
    lines += [f"  trigger word added: {word}" for word in diff.words_added]
    lines += [f"  trigger word removed: {word}" for word in diff.words_removed]
    return lines
