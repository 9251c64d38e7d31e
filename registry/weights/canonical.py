"""One name for each layer in every dialect: diffusers' path, with fused layers split into their parts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

from .canonical_table import FAMILY_NAMES, NAMES
from .family_table import ARCHITECTURES
from .layer_table import template
from .modules import ModuleFacts
from .unet_names import flatten

_BRACES = re.compile(r"\{([^{}]*)\}")
_WHOLE, _SWAPPED, _SWAPPED_IF_TWICE = "", "~", "?"
_T5 = re.compile(r"(?:encoder_)?block_(\d+)_layer_(\d+)_(SelfAttention|DenseReluDense|EncDecAttention)_(\w+)")
# Families whose diffusers pipeline has T5 as its only text encoder, or as its second.
_T5_FIRST = frozenset({"chroma", "pixart", "auraflow", "wan_1_3b", "wan_5b", "wan_14b", "mochi",
                       "cogvideox_2b", "cogvideox_5b", "ltx_2b", "ltx_13b"})  # fmt: skip
_T5_THIRD = frozenset({"sd3_medium", "sd35_medium", "sd35_large", "hidream"})


@dataclass(frozen=True, slots=True)
class CanonicalPart:
    """A layer in diffusers' names, and which rows of the file's dW belong to it.

    `rows` are the rows (outputs) of the module's dW, None for all of them; `into` are the rows of the
    diffusers layer that they fill, None for all of it.
    """

    component: str
    path: str
    rows: slice | None = None
    into: slice | None = None

    @property
    def key(self) -> str:
        """The name that is equal in every dialect, also where the dots of a path are not known."""
        return f"{self.component}:{flatten(self.path)}"


def canonical_layers(module: ModuleFacts, family: str) -> tuple[CanonicalPart, ...]:
    """The layers of the diffusers model that `module` changes; `family` is the file's, or `unknown`.

    A UNet's and a text encoder's module is one layer. A fused layer of a transformer has one part for each of
    its projections. A layer that no table knows keeps its own path, so that it is at least equal to itself.
    """
    where = module.where
    if where.component.startswith("text_encoder"):
        return (_text_part(module, family),)
    if where.component != "transformer":
        return (CanonicalPart(where.component, where.path),)
    bare, numbers = template(where.flat)
    for group in _groups(family):
        targets = _names(group).get(bare)
        if targets:
            return tuple(_parts(targets, numbers, module.in_dim, module.out_dim))
    dotted = _dotted().get(bare)
    return (CanonicalPart(where.component, _numbered(dotted, numbers) if dotted else where.path),)


def _groups(family: str) -> tuple[str, ...]:
    if family in FAMILY_NAMES:
        return (FAMILY_NAMES[family],)
    # Undecided: the older repository of a name comes first.
    return tuple(NAMES) if family == "unknown" else ()


@dataclass(frozen=True, slots=True)
class _Target:
    path: str
    mode: str = _WHOLE
    place: int | None = None


@lru_cache(maxsize=32)
def _names(group: str) -> dict[str, tuple[_Target, ...]]:
    """Underscored path with `#` for block numbers -> diffusers' path or paths; both spellings are keys."""
    names: dict[str, tuple[_Target, ...]] = {}
    own: dict[str, tuple[_Target, ...]] = {}
    for line in NAMES[group].splitlines():
        left, _, right = (part.strip() for part in line.partition("="))
        if not left:
            continue
        for native, *paths in _expanded(left, _alternatives(right)):
            targets = tuple(_target(path) for path in paths or [native])
            # XLabs' names keep their `processor`, as read_name gives them.
            names[native.replace(".", "_")] = targets
            for target in targets:
                own.setdefault(flatten(target.path), (_Target(target.path),))
    return own | names


def _target(text: str) -> _Target:
    mode = text[0] if text[0] in (_SWAPPED, _SWAPPED_IF_TWICE) else _WHOLE
    path, _, place = text.removeprefix(mode).partition("+")
    return _Target(path, mode, int(place) if place else None)


def _alternatives(text: str) -> list[str]:
    """`a.<b|c>` -> a.b, a.c; nothing for an empty text."""
    stem, _, inner = text.partition("<")
    return [stem + part for part in inner.rstrip(">").split("|")] if inner else [stem] if stem else []


def _expanded(left: str, rights: list[str]) -> Iterator[list[str]]:
    """Every way to fill the braces of `left`, those of each right side filled in step with them."""
    choices = [part.split(",") for part in _BRACES.findall(left)]
    for picked in product(*(range(len(choice)) for choice in choices)):
        yield [_fill(left, picked), *(_fill(right, picked) for right in rights)]


def _fill(pattern: str, picked: tuple[int, ...]) -> str:
    parts = _BRACES.split(pattern)
    taken = iter(picked)
    return "".join(part.split(",")[next(taken)] if index % 2 else part for index, part in enumerate(parts))


@lru_cache(maxsize=1)
def _dotted() -> dict[str, str]:
    """Underscored path with `#` -> the dotted one, for every layer of the family table."""
    found: dict[str, str] = {}
    for lines in ARCHITECTURES.values():
        for line in lines.splitlines():
            if line.strip():
                pattern = re.sub(r"#[\w+]+", "#", line.split()[0])
                found |= {flatten(path): path for (path,) in _expanded(pattern, [])}
    return found


def _numbered(path: str, numbers: tuple[int, ...]) -> str:
    for number in numbers:
        path = path.replace("#", str(number), 1)
    return path


def _parts(
    targets: tuple[_Target, ...], numbers: tuple[int, ...], in_dim: int | None, out_dim: int | None
) -> Iterator[CanonicalPart]:
    paths = [_numbered(target.path, numbers) for target in targets]
    if len(targets) > 1:
        bounds = _split(len(targets), in_dim, out_dim)
        for path, begin, end in zip(paths, bounds, bounds[1:], strict=False):
            yield CanonicalPart("transformer", path, slice(begin, end))
        return
    target, path = targets[0], paths[0]
    twice = in_dim is not None and out_dim == 2 * in_dim
    if out_dim and (target.mode == _SWAPPED or (target.mode == _SWAPPED_IF_TWICE and twice)):
        half = out_dim // 2
        yield CanonicalPart("transformer", path, slice(0, half), slice(out_dim - half, out_dim))
        yield CanonicalPart("transformer", path, slice(half, out_dim), slice(0, out_dim - half))
    elif target.place is not None and in_dim and out_dim:
        begin = target.place * in_dim
        yield CanonicalPart("transformer", path, None, slice(begin, begin + out_dim))
    else:
        yield CanonicalPart("transformer", path)


def _split(count: int, in_dim: int | None, out_dim: int | None) -> list[int]:
    """Where a fused layer's parts begin and end along its outputs; empty when the shapes do not tell."""
    if not out_dim:
        return []
    if count == 2:
        return [0, out_dim // 2, out_dim]
    if count == 4:
        return [0, in_dim, 2 * in_dim, 3 * in_dim, out_dim] if in_dim and out_dim > 3 * in_dim else []
    query = in_dim if in_dim and in_dim < out_dim and (out_dim - in_dim) % 2 == 0 else out_dim // 3
    return [0, query, query + (out_dim - query) // 2, out_dim]


def _text_part(module: ModuleFacts, family: str) -> CanonicalPart:
    """Text encoders as the family's diffusers pipeline numbers them, whatever number the trainer gave."""
    where = module.where
    component = where.component.partition(":")[0]
    flat = where.flat.removeprefix("transformer_")
    if match := _T5.fullmatch(flat):
        block, layer, kind, leaf = match.groups()
        slot = "" if family in _T5_FIRST else "_3" if family in _T5_THIRD else "_2"
        return CanonicalPart(f"text_encoder{slot}", f"encoder.block.{block}.layer.{layer}.{kind}.{leaf}")
    if where.known:
        return CanonicalPart(component, where.path)
    # A language model: `model.layers.0`, `language_model.layers.0` and `layers.0` are the same layer.
    return CanonicalPart(component, re.sub(r"^(?:language_model[._]|model[._])+", "", where.path))
