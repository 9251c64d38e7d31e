"""Finds the right names for tensors that were renamed wrongly; the numbers are never touched.

Seen for real: every dot of a diffusers name turned into an underscore behind a doubled prefix
(`lora_unet_unet_..._to_k_lora_down.weight`), attention processors without `unet.`, PEFT's
`base_model.model.`, an adapter's name left in (`lora_A.default.weight`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from .dialects import read_name
from .errors import WeightsError
from .header import Header
from .keys import KeyedModule, split_keys
from .spelling import KOHYA_FACTORS, PEFT_FACTORS, diffusers_module, kohya_module
from .unet_names import flatten, text_path, unet_path

_FACTOR = re.compile(
    r"(?P<stem>.+?)[._]"
    r"(?P<factor>lora[._](?:linear[._]layer[._])?(?:down|up|mid)|lora[._](?:A|B|alpha)|"
    r"lora[._]magnitude[._]vector|alpha|dora[._]scale|hada[._][wt][12](?:[._][ab])?|lokr[._][wt][12](?:[._][ab])?)"
    r"(?:[._]default|\.[^._]+(?=\.(?:weight|bias)$))?(?:[._](?P<tail>weight|bias))?"
)
_FACTORS = {
    "lora_down": "down", "lora_linear_layer_down": "down", "lora_A": "down", "lora_up": "up",
    "lora_linear_layer_up": "up", "lora_B": "up", "lora_mid": "mid", "alpha": "alpha", "lora_alpha": "alpha",
    "lora_magnitude_vector": "magnitude",
}  # fmt: skip
# What stands before a layer's path, as often as a renaming script put it there -> the component it names.
_PREFIXES = {
    "base_model_model_": "", "lora_unet_": "unet", "unet_": "unet", "diffusion_model_": "unet",
    "model_diffusion_model_": "unet", "lora_te_": "text_encoder", "lora_te1_": "text_encoder",
    "lora_te2_": "text_encoder_2", "text_encoder_2_": "text_encoder_2", "text_encoder_": "text_encoder",
    "lora_": "",
}  # fmt: skip
# No script was run more often over one file; a name that is nothing but prefixes must not take forever.
_MOST_PREFIXES = 8
_DOTTED = ("base_model.model.", "transformer.", "unet.")
# Names of these dialects load as they are, if their layers are known.
_SOUND = frozenset({
    "kohya", "kohya_double_underscore", "onetrainer", "diffusers_peft", "diffusers_lora", "comfy", "bfl",
    "bfl_control", "xlabs", "cloneofsimo", "lycoris",
})  # fmt: skip
_TWICE = re.compile(
    r"(?:lora_unet_|lora_te\d?_)(?:lora_|unet_|text_encoder_)|(unet|transformer|text_encoder)\.\1\."
)
# LyCORIS spells these alike in every dialect.
_LYCORIS = ("hada_", "lokr_", "dora_scale")
# Only CLIP's larger text encoder is this wide (SDXL's second).
_WIDE_ENCODER = 1280


class NamesCollide(WeightsError):
    """Two tensors of the file would get the same name; which one counts is not ours to choose."""

    code = "names_collide"
    next_step = "Ask the file's author which of the two copies is meant."


@dataclass(frozen=True, slots=True)
class Repair:
    """What a repair would do: old name -> new name, and the modules whose names did not load before.

    `left` are the tensors that belong to no layer that could be found; they keep their names.
    """

    names: Mapping[str, str]
    dialect: str
    modules: int
    left: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Place:
    component: str
    path: str
    factor: str
    tail: str


def find_repair(header: Header, *, two_encoders: bool) -> Repair | None:
    """The names that the file's tensors should have, or None when every module's name is sound.

    A UNet's names become kohya's, which every program loads, or diffusers' where a factor has no name in
    kohya's dialect; a transformer's become diffusers'. All modules of a file end in one dialect.
    `two_encoders` tells a file of SDXL. Raises NamesCollide.
    """
    modules, rest = split_keys(header.tensors)
    places = {name: place for name in header.tensors if (place := _place(name, header)) is not None}
    broken = [module for module in modules.values() if not _is_sound(module)]
    # A renaming can hide a factor so well that no module was seen at all.
    hidden = [name for name in rest if name in places and places[name].factor != "alpha"]
    if not hidden and not any(name in places for module in broken for name in module.factors.values()):
        return None
    kohya = all(place.component != "transformer" and _has_kohya_name(place) for place in places.values())
    names = {name: _name(place, kohya=kohya, two_encoders=two_encoders) for name, place in places.items()}
    counts = Counter(names.get(name, name) for name in header.tensors)
    twice = [name for name, count in counts.items() if count > 1]
    if twice:
        raise NamesCollide(f"Two tensors would be called {twice[0][:200]!r}.")
    changed = {old: new for old, new in names.items() if old != new}
    if not changed:
        return None
    left = tuple(name for name in header.tensors if name not in places)
    return Repair(changed, "kohya" if kohya else "diffusers_peft", len(broken) or len(hidden), left)


def _is_sound(module: KeyedModule) -> bool:
    where = read_name(module)
    if not where.known or _TWICE.match(module.name):
        return False
    if any(_has_adapter_name(name, module.name) for name in module.factors.values()):
        return False
    if where.dialect in ("diffusers_attn_procs", "unprefixed"):
        # A transformer's names may stand without a prefix; a UNet's then load nowhere.
        return where.component == "transformer" or module.name.startswith(("unet.", "text_encoder"))
    return where.dialect in _SOUND


def _has_adapter_name(name: str, module: str) -> bool:
    """Whether PEFT's name of the adapter stands inside: `.lora_A.default.weight`."""
    tail = name.removeprefix(f"{module}.").split(".")
    return tail[0] in ("lora_A", "lora_B") and len(tail) == 3


def _place(name: str, header: Header) -> _Place | None:
    """Which layer and factor a name means, whatever its separators and prefixes."""
    match = _FACTOR.fullmatch(name)
    if match is None:
        return _processor(name)
    written = match["factor"].replace(".", "_")
    factor = _FACTORS.get(written, written)
    tail = match["tail"] or ""
    if tail == "bias":
        factor = f"{factor}_bias"
    layer = _layer(match["stem"], header.tensors[name].shape, factor)
    return layer and _Place(*layer, factor, tail)


def _processor(name: str) -> _Place | None:
    """diffusers' first form, `...attn1.processor.to_q_lora.down.weight`, with or without its prefix."""
    match = re.fullmatch(r"(.+\.)processor\.(to_\w+)_lora\.(down|up)\.weight", name)
    if match is None:
        return None
    layer = _layer(match[1] + match[2], (), match[3])
    return layer and _Place(*layer, match[3], "weight")


def _layer(stem: str, shape: tuple[int, ...], factor: str) -> tuple[str, str] | None:
    """`(component, path)` of a module's name after all prefixes, or None."""
    flat, component = flatten(stem).replace("_processor_", "_"), ""
    for _ in range(_MOST_PREFIXES):
        if component in ("", "unet") and (path := unet_path(flat)):
            return "unet", path
        if component != "unet" and flat.startswith(("text_model_", "encoder_layers_", "text_projection")):
            path = text_path(flat)
            return None if path is None else (component or _encoder(shape, factor), path)
        prefix = next((one for one in _PREFIXES if flat.startswith(one)), None)
        if prefix is None:
            break
        flat, component = flat.removeprefix(prefix), _PREFIXES[prefix] or component
    return _transformer(stem)


def _encoder(shape: tuple[int, ...], factor: str) -> str:
    width = shape[{"down": 1, "up": 0}.get(factor, 0)] if len(shape) == 2 else 0
    return "text_encoder_2" if width in (_WIDE_ENCODER, 4 * _WIDE_ENCODER) else "text_encoder"


def _transformer(stem: str) -> tuple[str, str] | None:
    """A transformer's layer by its dotted path; an underscored one cannot be told from its dots."""
    path = stem
    for _ in range(_MOST_PREFIXES):
        path = path.removeprefix(next((one for one in _DOTTED if path.startswith(one)), ""))
    where = read_name(KeyedModule(f"transformer.{path}"))
    if "." not in path or not where.known or where.component != "transformer":
        return None
    return "transformer", path


def _has_kohya_name(place: _Place) -> bool:
    return place.factor in KOHYA_FACTORS or place.factor.startswith(_LYCORIS)


def _name(place: _Place, *, kohya: bool, two_encoders: bool) -> str:
    table = KOHYA_FACTORS if kohya else PEFT_FACTORS
    spelled = table.get(place.factor) or place.factor + (f".{place.tail}" if place.tail else "")
    if kohya:
        return f"{kohya_module(place.component, place.path, two_encoders=two_encoders)}.{spelled}"
    return f"{diffusers_module(place.component, place.path)}.{spelled}"
