"""From tensor names to modules: which part of a name is the layer, and which the factor of a known
algorithm.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

# What follows `<module>.` -> the factor it is. Longest first by the number of dots; a name never splits at
# its first dot: dotted dialects have dots in the module, and `lora_down.weight` has one in the suffix.
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
    # (IA)^3 as PEFT names it: a factor of the weight where LyCORIS stores what is added to 1
    "ia3_l": "ia3_l",
    # LoHa and LoKr
    "hada_w1_a": "hada_w1_a", "hada_w1_b": "hada_w1_b", "hada_w2_a": "hada_w2_a", "hada_w2_b": "hada_w2_b",
    "hada_t1": "hada_t1", "hada_t2": "hada_t2",
    "lokr_w1": "lokr_w1", "lokr_w1_a": "lokr_w1_a", "lokr_w1_b": "lokr_w1_b",
    "lokr_w2": "lokr_w2", "lokr_w2_a": "lokr_w2_a", "lokr_w2_b": "lokr_w2_b", "lokr_t2": "lokr_t2",
    "lokr_t1": "lokr_t1",
    # OFT in its spellings
    "oft_blocks": "oft_blocks", "oft_diag": "oft_blocks", "oft_R.weight": "oft_r",
    "oft_R.scaled_oft": "oft_marker", "oft_R": "oft_r", "oft_r": "oft_r",
    "oft_s": "oft_s", "boft_R": "boft_r", "boft_s": "boft_s",
    "rescale": "rescale",
    # whole differences
    "diff": "diff", "diff_b": "diff_b", "w_norm": "w_norm", "b_norm": "b_norm",
    "set_weight": "set_weight", "reshape_weight": "reshape_weight",
    "on_input": "on_input",
}  # fmt: skip
# These alone are no module.
_NO_MODULE = frozenset({"alpha", "on_input", "rescale", "oft_marker"})
# Suffixes so plain that they count only beside the others of their algorithm.
_GLORA = {"a1.weight": "glora_a1", "a2.weight": "glora_a2", "b1.weight": "glora_b1", "b2.weight": "glora_b2"}
_GLORA_CORE = "bm.weight"
_SPELLINGS = {
    "lora_A": "peft", "lora_B": "peft", "lora_down": "kohya", "lora_up": "kohya", "lora_mid": "kohya",
    "lora": "lora.down", "lora_linear_layer": "lora.down",
}  # fmt: skip

_PTI = re.compile(r"(unet|text_encoder):(\d+):(down|up)")
# PEFT's own state dict keeps the adapter's name behind the factor: `lora_A.default.weight`, `oft_R.default`.
_NAMED = re.compile(
    r"(.+)\.(lora_[AB]|lora_down|lora_up|lora_magnitude_vector|lora_embedding_[AB]|hada_[wt][12](?:_[ab])?|"
    r"lokr_[wt][12](?:_[ab])?|ia3_l|oft_[rRs]|boft_[Rs])\.[^.]+(?:\.(weight|bias))?"
)
# What quantizers leave beside a tensor.
_QUANTIZED = re.compile(
    r"\.(?:comfy_quant|weight_scale(?:_2)?|input_scale|scale_(?:weight|input)|absmax|quant_state\.[\w.]+)$"
)
_LONGEST_MARK = 80
_OFT_LIST = re.compile(r"(.+)\.(oft_blocks\.\d+)")
# A rename that turned every dot into an underscore, those inside the suffix included.
_BROKEN = re.compile(r"(.+?)_lora(?:_linear_layer)?_(down|up|A|B)[._]weight")
_BROKEN_SIDES = {"A": "down", "B": "up"}
# A fused layer of which each part has an adapter of its own: `qkv.0`, `linear1.3` (OneTrainer, OMI).
_PART = re.compile(r"(.+[._](?:qkv|linear1|in_proj|kv_linear|to_qkv|to_kv|kv))[._](\d)")


@dataclass(slots=True)
class KeyedModule:
    """One module as the names give it: factor -> tensor name, and how its factors are spelled.

    `spelling`: kohya, peft, lora.down, attn_procs, xlabs, pti, broken, or plain where the algorithm has one
    only. Where a fused layer is adapted part by part, each factor ends in its part's number: `down.0`.
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
    for key in [k for k, m in modules.items() if set(m.factors) <= _NO_MODULE]:
        rest += modules.pop(key).factors.values()
    return _join_parts(modules), rest


def _join_parts(modules: dict[str, KeyedModule]) -> dict[str, KeyedModule]:
    """One module for the parts of each fused layer, in the place of its first part."""
    joined: dict[str, KeyedModule] = {}
    for name, part in modules.items():
        match = _PART.fullmatch(name)
        if match is None or match[1] in modules:
            joined[name] = part
            continue
        whole = joined.setdefault(match[1], KeyedModule(match[1], part.spelling))
        whole.factors |= {f"{factor}.{match[2]}": key for factor, key in part.factors.items()}
    return joined


def quantization_leftovers(names: Iterable[str]) -> list[str]:
    """Those tensor names that only say how another tensor was quantized."""
    return [name for name in names if _QUANTIZED.search(name[-_LONGEST_MARK:])]


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
    if match := _BROKEN.fullmatch(name):
        return match[1], _BROKEN_SIDES.get(match[2], match[2]), "broken"
    if match := _PTI.fullmatch(name):
        return f"{match[1]}:{match[2]}", match[3], "pti"
    if _QUANTIZED.search(name[-_LONGEST_MARK:]):
        return None
    if match := _NAMED.fullmatch(name):
        return _named(match[1], match[2], match[3])
    if match := _OFT_LIST.fullmatch(name):
        return match[1], match[2], "plain"
    return None


def _named(module: str, factor: str, last: str | None) -> tuple[str, str, str] | None:
    """A name with an adapter's name between the factor and what may follow it."""
    suffix = factor if last is None else f"{factor}.{last}"
    if suffix not in SUFFIXES and last == "weight":
        suffix = factor
    return (module, SUFFIXES[suffix], _SPELLINGS.get(factor, "peft")) if suffix in SUFFIXES else None


def _processor(name: str, parts: list[str]) -> tuple[str, str, str] | None:
    """Attention processors: `...processor.to_q_lora.down.weight`, and XLabs'
    `...processor.qkv_lora1.up.weight`.
    """
    *outer, layer, side, _ = parts
    stem = "".join(f"{part}." for part in outer)
    if layer.endswith("_lora"):
        if "processor." in stem and layer in ("qkv_lora", "proj_lora"):
            return stem + layer, side, "xlabs"
        return stem + layer.removesuffix("_lora"), side, "attn_procs"
    if layer.endswith(("_lora1", "_lora2")):
        return stem + layer, side, "xlabs"
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
