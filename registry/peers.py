"""What a Kura tells others of itself and of what it took from others: its identity, a version's path."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from registry.models import ClaimKind, Instance, TermsClaim

# A version that came through more Kuras than this is taken from none of them: someone nearer has it, too.
LONGEST_PATH: Final = 8


def identity() -> str:
    """This Kura's identity: a UUID made when it was first asked for, the same ever after."""
    return str(Instance.objects.get_or_create(pk=1)[0].identity)


def paths_of(versions: Iterable[int]) -> dict[int, list[str]]:
    """Version id -> the Kuras it came through, where it was first known first and this one last. Two queries.

    A version that was not taken from another Kura has this one alone.
    """
    own = identity()
    wanted = list(versions)
    found: dict[int, list[str]] = {version: [own] for version in wanted}
    for version, value in peer_notes(wanted):
        found[version] = [*path_in(value), own]
    return found


def peer_notes(versions: Iterable[int]) -> list[tuple[int, Mapping[str, Any]]]:
    """Version id and value of the current notes on how other Kuras vetted these versions."""
    rows = TermsClaim.objects.filter(
        version__in=list(versions), kind=ClaimKind.PEER_VETTING, superseded=False
    ).order_by("pk")
    return [
        (version, value)
        for version, value in rows.values_list("version", "value")
        if isinstance(value, Mapping)
    ]


def path_in(value: Mapping[str, Any]) -> list[str]:
    """The path that a note or an export states; what is no list of texts gives none."""
    path = value.get("path")
    return [each for each in path if isinstance(each, str)][:100] if isinstance(path, list) else []
