"""The lines of the family table spelled out: each layer's underscored path, and who has it in which size."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

from .family_table import ARCHITECTURES, FAMILY_ROWS, FamilyRow

# Digits that count blocks stand after one of these words.
_INDEX = re.compile(r"(?<=s_)\d+(?=_|$)|(?<=refiner_)\d+(?=_|$)|(?<=injector_)\d+(?=_|$)")
_DOTTED_INDEX = re.compile(r"(?<=s\.)\d+(?=\.|$)|(?<=refiner\.)\d+(?=\.|$)|(?<=injector\.)\d+(?=\.|$)")
_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d+)\.\.(\d+)")
_TERM = re.compile(r"(\d*)([a-z]+)|(\d+)")
_MARK = re.compile(r"#(?:(\w+)\+)?(\w+)")


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer of one row of the table: the sizes it must have (None: any) and the lowest and highest number
    of each block list. `use` is native, flattened, diffusers or rare, as in `FamilyRow`. `dotted` is the path
    with its dots and `#`, where two families' paths differ in their dots alone; else it is empty.
    """

    row: int
    use: str
    in_dim: int | None
    out_dim: int | None
    blocks: tuple[tuple[int, int], ...]
    dotted: str = ""


def template(flat: str) -> tuple[str, tuple[int, ...]]:
    """An underscored path with its block numbers taken out: `double_blocks_7_img_mod_lin` -> `..._#_...`,
    (7,).
    """
    numbers: list[int] = []

    def take(match: re.Match[str]) -> str:
        numbers.append(int(match[0][:9]))
        return "#"

    return _INDEX.sub(take, flat), tuple(numbers)


def dotted_template(path: str) -> str:
    """A dotted path with `#` for its block numbers."""
    return _DOTTED_INDEX.sub("#", path)


@lru_cache(maxsize=1)
def layer_table() -> dict[str, list[Layer]]:
    """Underscored path with `#` for each block number -> the layers of that name, in every row that
    has one.
    """
    table: dict[str, list[Layer]] = defaultdict(list)
    lines = {name: [_read(line) for line in _lines(text)] for name, text in ARCHITECTURES.items()}
    spellings: dict[str, set[str]] = defaultdict(set)
    for read in lines.values():
        for paths, *_ in read:
            for path in paths:
                spellings[path.replace(".", "_")].add(path)
    for number, row in enumerate(FAMILY_ROWS):
        for use, architecture in row.architectures():
            for paths, in_text, out_text, marks in lines[architecture]:
                blocks = tuple(
                    (_number(below, row) + 1 if below else 0, _number(last, row)) for below, last in marks
                )
                sizes = _size(in_text, row.sizes), _size(out_text, row.sizes)
                plain = Layer(number, use, *sizes, blocks)
                for path in paths:
                    flat = path.replace(".", "_")
                    alike = len(spellings[flat]) > 1
                    table[flat].append(Layer(number, use, *sizes, blocks, path) if alike else plain)
    return dict(table)


@lru_cache(maxsize=1)
def block_lists() -> dict[tuple[int, str], dict[str, int]]:
    """Row and use -> the words before each block number -> the highest number. Lists whose length is the
    same in all families (a refiner's two) are left out.
    """
    lists: dict[tuple[int, str], dict[str, int]] = defaultdict(dict)
    for number, row in enumerate(FAMILY_ROWS):
        for use, architecture in row.architectures():
            for line in _lines(ARCHITECTURES[architecture]):
                for stem, last in _stems(line.split()[0], row):
                    known = lists[number, use]
                    known[stem] = max(last, known.get(stem, -1))
    return dict(lists)


def _lines(text: str) -> list[str]:
    return [line for line in text.split("\n") if line.strip()]


def _read(line: str) -> tuple[list[str], str, str, list[tuple[str, str]]]:
    pattern, in_text, out_text = line.split()
    bare = _MARK.sub("#", pattern)
    return list(_expand(bare)), in_text, out_text, _MARK.findall(pattern)


def _stems(pattern: str, row: FamilyRow) -> Iterable[tuple[str, int]]:
    match = _MARK.search(pattern)
    if match is None or match[2].isdigit():
        return
    for stem in _expand(pattern[: match.start()]):
        yield stem.replace(".", "_"), row.sizes[match[2]]


def _number(mark: str, row: FamilyRow) -> int:
    return int(mark) if mark.isdigit() else row.sizes[mark]


def _size(text: str, sizes: dict[str, int]) -> int | None:
    if text == "-":
        return None
    total = 0
    for times, name, number in _TERM.findall(text):
        total += int(number) if number else int(times or 1) * sizes[name]
    return total


def _expand(path: str) -> Iterable[str]:
    """Every path that the braces of `path` stand for."""
    parts = _BRACES.split(path)
    choices = [_choices(part) if index % 2 else [part] for index, part in enumerate(parts)]
    return ("".join(choice) for choice in product(*choices))


def _choices(text: str) -> list[str]:
    if match := _RANGE.fullmatch(text):
        return [str(number) for number in range(int(match[1]), int(match[2]) + 1)]
    return text.split(",")
