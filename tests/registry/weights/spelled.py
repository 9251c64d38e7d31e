"""Spells layers as tensors: any algorithm, in any dialect, from lines like those of the fact sheets."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from itertools import product

from tests.registry.weights.files import Shapes

# dialect -> (what goes before the path, whether the path keeps its dots)
PREFIXES: dict[str, tuple[str, bool]] = {
    "kohya": ("lora_unet_", False),
    "double underscore": ("lora_unet__", False),
    "onetrainer": ("lora_transformer_", False),
    "lycoris": ("lycoris_", False),
    "comfy": ("diffusion_model.", True),
    "diffusers": ("transformer.", True),
    "diffusers unet": ("unet.", True),
    "raw peft": ("base_model.model.", True),
    "bare": ("", True),
    "": ("", True),
}
_GROUP = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d+)-(\d+)")


def layers_of(text: str) -> dict[str, tuple[int, int]]:
    """`path in out`, separated by semicolons or lines; `{0-18}` and `{img,txt}` stand for each."""
    found: dict[str, tuple[int, int]] = {}
    for line in re.split(r"[;\n]", text):
        if line.strip():
            pattern, in_dim, out_dim = line.split()
            found |= {path: (int(in_dim), int(out_dim)) for path in _spread(pattern)}
    return found


def _spread(pattern: str) -> Iterator[str]:
    parts = _GROUP.split(pattern)
    yield from ("".join(c) for c in product(*(_each(p) if i % 2 else [p] for i, p in enumerate(parts))))


def _each(text: str) -> list[str]:
    if match := _RANGE.fullmatch(text):
        return [str(n) for n in range(int(match[1]), int(match[2]) + 1)]
    return text.split(",")


def spelled(text: str, dialect: str, algorithm: str = "lora") -> Shapes:
    """The tensors of every layer of `text`; paths that begin with `lora_te` stand as they are."""
    found: Shapes = {}
    for path, (in_dim, out_dim) in layers_of(text).items():
        prefix, dotted = PREFIXES[dialect]
        if path.startswith(("lora_te", "text_encoder")):
            name = path
        else:
            name = prefix + (path if dotted else path.replace(".", "_"))
        peft = dotted and algorithm in ("lora", "dora")
        found |= _module(name, algorithm, in_dim, out_dim, peft=peft)
    return found


def _module(name: str, algorithm: str, i: int, o: int, *, peft: bool) -> Shapes:
    r = 4
    down, up = ("lora_A", "lora_B") if peft else ("lora_down", "lora_up")
    lora: Shapes = {f"{name}.{down}.weight": (r, i), f"{name}.{up}.weight": (o, r)}
    if not peft:
        lora[f"{name}.alpha"] = ()
    match algorithm:
        case "lora":
            return lora
        case "dora":
            return lora | {f"{name}.dora_scale": (1, i)}
        case "conv":
            return {
                f"{name}.lora_down.weight": (r, i, 3, 3),
                f"{name}.lora_up.weight": (o, r, 1, 1),
                f"{name}.alpha": (),
            }
        case "conv1":
            return {
                f"{name}.lora_down.weight": (r, i, 1, 1),
                f"{name}.lora_up.weight": (o, r, 1, 1),
                f"{name}.alpha": (),
            }
        case "loha":
            halves = {f"{name}.hada_w{n}_a": (o, r) for n in (1, 2)}
            return halves | {f"{name}.hada_w{n}_b": (r, i) for n in (1, 2)} | {f"{name}.alpha": ()}
        case "lokr":
            (ol, ok), (im, n) = _factors(o), _factors(i)
            return {f"{name}.lokr_w1": (ol, im), f"{name}.lokr_w2": (ok, n), f"{name}.alpha": ()}
        case "lokr decomposed":
            (ol, ok), (im, n) = _factors(o), _factors(i)
            return {
                f"{name}.lokr_w1": (ol, im), f"{name}.lokr_w2_a": (ok, r), f"{name}.lokr_w2_b": (r, n),
                f"{name}.alpha": (),
            }  # fmt: skip
        case "ia3":
            return {f"{name}.weight": (o,), f"{name}.on_input": ()}
        case "ia3 on input":
            return {f"{name}.weight": (i,), f"{name}.on_input": ()}
        case "oft":
            return {f"{name}.oft_blocks": (o // 16, 16, 16), f"{name}.alpha": ()}
        case "boft":
            return {f"{name}.oft_blocks": (3, o // 16, 16, 16), f"{name}.alpha": ()}
        case "glora":
            return {
                f"{name}.a1.weight": (i, r), f"{name}.a2.weight": (r, i),
                f"{name}.b1.weight": (o, r), f"{name}.b2.weight": (r, i), f"{name}.alpha": (),
            }  # fmt: skip
        case "full":
            return {f"{name}.diff": (o, i), f"{name}.diff_b": (o,)}
        case "xlabs":
            return {f"{name}.down.weight": (r, i), f"{name}.up.weight": (o, r)}
    raise ValueError(algorithm)


def _factors(dimension: int) -> tuple[int, int]:
    """LyCORIS' factorization without a wish: the two factors that are nearest to each other."""
    small = next(n for n in range(math.isqrt(dimension), 0, -1) if dimension % n == 0)
    return small, dimension // small
