"""From tensor names to modules: which part of a name is the layer, and which the factor of a known
algorithm.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

# What follows `<module>.` -> the factor it is. Longest first by the number of dots; a name never splits at
# its
# first dot, since dotted dialects have dots in the module and `lora_down.weight` has one in the suffix.
SUFFIXES: dict[str, str] = {
    # LoRA and LoCon: kohya and LyCORIS spelling
    "lora_down.weight": "down", "lora_up.weight": "up", "lora_mid.weight": "mid", "alpha": "alpha",
    "lora_down.bias": "down_bias", "lora_up.bias": "up_bias", "lora_down": "down", "lora_up": "up",
    # PEFT
    "lora_A.weight": "down", "lora_B.weight": "up", "lora_A": "down", "lora_B": "up",
    "lora_A.bias": "down_bias", "lora_B.bias": "up_bias",
    "lora_embedding_A": "embedding_down", "lora_embedding_B": "embedding_up",
    # diffusers before PEFT
    "lora.down.weight": "down", "lora.up.weight": "up", "lora.alpha": "alpha",
    "lora_linear_layer.down.weight": "down", "lora_linear_layer.up.weight": "up",
    # DoRA: LyCORIS, PEFT, AI-toolkit
    "dora_scale": "dora_scale", "lora_magnitude_vector": "dora_scale",
    "lora_magnitude_vector.weight": "dora_scale",
    "magnitude": "dora_scale",
    # LoHa and LoKr
    "hada_w1_a": "hada_w1_a", "hada_w1_b": "hada_w1_b", "hada_w2_a": "hada_w2_a", "hada_w2_b": "hada_w2_b",
    "hada_t1": "hada_t1", "hada_t2": "hada_t2",
    "lokr_w1": "lokr_w1", "lokr_w1_a": "lokr_w1_a", "lokr_w1_b": "lokr_w1_b",
    "lokr_w2": "lokr_w2", "lokr_w2_a": "lokr_w2_a", "lokr_w2_b": "lokr_w2_b", "lokr_t2": "lokr_t2",
    # OFT in its spellings
    "oft_blocks": "oft_blocks", "oft_diag": "oft_blocks", "oft_R.weight": "oft_r",
    "oft_R.scaled_oft": "oft_marker",
    "rescale": "rescale",
    # whole differences
    "diff": "diff", "diff_b": "diff_b", "w_norm": "w_norm", "b_norm": "b_norm",
    "set_weight": "set_weight", "reshape_weight": "reshape_weight",
    "on_input": "on_input",
}  # fmt: skip
# Suffixes so plain that they count only beside the others of their algorithm.
_GLORA = {"a1.weight": "glora_a1", "a2.weight": "glora_a2", "b1.weight": "glora_b1", "b2.weight": "glora_b2"}
_GLORA_CORE = "bm.weight"
_SPELLINGS = {
    "lora_A": "peft", "lora_B": "peft", "lora_down": "kohya", "lora_up": "kohya", "lora_mid": "kohya",
    "lora": "lora.down", "lora_linear_layer": "lora.down",
}  # fmt: skip

_PTI = re.compile(r"(unet|text_encoder):(\d+):(down|up)")
_PEFT_NAMED = re.compile(r"(.+)\.(lora_[AB]|lora_magnitude_vector)\.[^.]+(?:\.(weight|bias))?")
_OFT_LIST = re.compile(r"(.+)\.(oft_blocks\.\d+)")


@dataclass(slots=True)
class KeyedModule:
    """One module as the names give it: factor -> tensor name, and how its factors are spelled.

    `spelling`: kohya, peft, lora.down, attn_procs, xlabs, pti, broken, or plain where the algorithm has one
    only.
    """

    name: str
    spelling: str = "plain"
    factors: dict[str, str] = field(default_factory=dict)


def split_keys(names: Iterable[str]) -> tuple[dict[str, KeyedModule], list[str]]:
    """Group tensor names into modules; the second list holds the names that belong to none."""
    modules: dict[str, KeyedModule] = {}
    rest: list[str] = []
    for name in names:
        found = _split(name)
        if found is None:
            rest.append(name)
            continue
        module, factor, spelling = found
        keyed = modules.setdefault(module, KeyedModule(module))
        if factor in keyed.factors:
            # The same factor in two spellings: the second is not ours to choose between.
            rest.append(name)
            continue
        keyed.factors[factor] = name
        if spelling != "plain":
            keyed.spelling = spelling
    rest = _adopt(modules, rest)
    # An alpha, a scale or an on_input alone is no module.
    for key in [
        k for k, m in modules.items() if not set(m.factors) - {"alpha", "on_input", "rescale", "oft_marker"}
    ]:
        rest += modules.pop(key).factors.values()
    return modules, rest


def _split(name: str) -> tuple[str, str, str] | None:
    """`(module, factor, spelling)` of one tensor name, by the longest known suffix."""
    parts = name.rsplit(".", 3)
    for count in range(min(3, len(parts) - 1), 0, -1):
        suffix = ".".join(parts[-count:])
        if suffix in SUFFIXES:
            module = ".".join(parts[:-count])
            return module, SUFFIXES[suffix], _SPELLINGS.get(parts[-count], "plain")
    if len(parts) >= 3 and parts[-1] == "weight" and parts[-2] in ("down", "up"):
        return _processor(name, parts)
    if len(parts) >= 2 and parts[-1] == "weight" and parts[-2].endswith(("_lora_down", "_lora_up")):
        # A rename that turned every dot into an underscore, `.lora_down` included.
        stem, _, side = name[: -len(".weight")].rpartition("_lora_")
        return stem, side, "broken"
    if match := _PTI.fullmatch(name):
        return f"{match[1]}:{match[2]}", match[3], "pti"
    if match := _PEFT_NAMED.fullmatch(name):
        factor = SUFFIXES[match[2] + (f".{match[3]}" if match[3] == "bias" else "")]
        return match[1], factor, "peft"
    if match := _OFT_LIST.fullmatch(name):
        return match[1], match[2], "plain"
    return None


def _processor(name: str, parts: list[str]) -> tuple[str, str, str] | None:
    """Attention processors: `...processor.to_q_lora.down.weight`, and XLabs'
    `...processor.qkv_lora1.up.weight`.
    """
    layer = parts[-3]
    stem = ".".join(parts[:-3])
    if layer.endswith("_lora"):
        if ".processor" in f".{stem}" and layer in ("qkv_lora", "proj_lora"):
            return f"{stem}.{layer}", parts[-2], "xlabs"
        return f"{stem}.{layer[: -len('_lora')]}", parts[-2], "attn_procs"
    if layer.endswith(("_lora1", "_lora2")):
        return f"{stem}.{layer}", parts[-2], "xlabs"
    return None


def _adopt(modules: dict[str, KeyedModule], rest: list[str]) -> list[str]:
    """Give to modules those plain names that only their siblings explain: (IA)^3 weights, GLoRA, old
    scales.
    """
    left: list[str] = []
    glora: dict[str, dict[str, str]] = {}
    for name in rest:
        stem, _, last = name.rpartition(".")
        if last == "weight" and stem in modules and "on_input" in modules[stem].factors:
            modules[stem].factors["ia3_weight"] = name
            continue
        if last == "scale" and stem in modules:
            modules[stem].factors["scale"] = name
            continue
        outer, _, inner = stem.rpartition(".")
        short = f"{inner}.{last}"
        if outer and (short in _GLORA or short == _GLORA_CORE):
            glora.setdefault(outer, {})[_GLORA.get(short, "glora_bm")] = name
            continue
        left.append(name)
    for stem, factors in glora.items():
        if set(_GLORA.values()) <= set(factors):
            modules.setdefault(stem, KeyedModule(stem)).factors.update(factors)
        else:
            left += factors.values()
    return left
