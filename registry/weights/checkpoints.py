"""Which layer each tensor of a base model belongs to, whoever wrote the file.

Known are single files in LDM's names (SD1, SD2) and SGM's (SDXL), diffusers' own folders, and bare UNets and
text encoders. All end in diffusers' paths; the layers of other models keep their own names. OpenCLIP's text
encoders (SD2, SDXL's second) keep query, key and value in one matrix: mlfoundations/open_clip,
`transformer.py: ResidualAttentionBlock`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .tensors import Array
from .unet_names import text_path, unet_path

# What a tensor's name starts with -> its component, and whether the rest is in OpenCLIP's names.
_PREFIXES = (
    ("model.diffusion_model.", "unet", False),
    ("diffusion_model.", "unet", False),
    ("cond_stage_model.transformer.", "text_encoder", False),
    ("cond_stage_model.model.", "text_encoder", True),
    ("conditioner.embedders.0.transformer.", "text_encoder", False),
    ("conditioner.embedders.0.model.", "text_encoder_2", True),
    ("conditioner.embedders.1.model.", "text_encoder_2", True),
)
_TEXT_ENCODERS = ("text_encoder", "text_encoder_2")
_RESBLOCK = re.compile(r"transformer\.resblocks\.(\d+)\.(.+)")
_OPEN_CLIP_LAYERS = {
    "attn.out_proj": "self_attn.out_proj", "mlp.c_fc": "mlp.fc1", "mlp.c_proj": "mlp.fc2",
    "ln_1": "layer_norm1", "ln_2": "layer_norm2",
}  # fmt: skip
_OPEN_CLIP_TOP = {
    "ln_final.weight": ("text_model.final_layer_norm", "weight"),
    "ln_final.bias": ("text_model.final_layer_norm", "bias"),
    "token_embedding.weight": ("text_model.embeddings.token_embedding", "weight"),
    "positional_embedding": ("text_model.embeddings.position_embedding", "weight"),
}  # fmt: skip
_ATTENTION = re.compile(r".+\.attentions\.\d+\.(?:proj_in|proj_out|transformer_blocks\.\d+\.(?:attn|ff).+)")
_CONVOLUTION = re.compile(
    r".+\.(?:resnets\.\d+\.(?:conv1|conv2|time_emb_proj|conv_shortcut)|(?:down|up)samplers\.0\.conv)"
)
_TEXT = re.compile(r".+\.layers\.\d+\.(?:self_attn|mlp)\..+")


@dataclass(frozen=True, slots=True, order=True)
class Layer:
    """One parameter of the model: `kind` is weight or bias."""

    component: str
    path: str
    kind: str

    @property
    def block(self) -> str:
        """The part of the model that the layer stands in: `down_blocks.1`, `mid_block`, or the component."""
        if self.component != "unet":
            return self.component
        head, _, rest = self.path.partition(".")
        return f"{head}.{rest.partition('.')[0]}" if head in ("down_blocks", "up_blocks") else head

    @property
    def role(self) -> str:
        """attention and convolution as sd-scripts' networks.lora takes them in; other is left to a diff."""
        if self.kind != "weight":
            return "other"
        if self.component != "unet":
            return "attention" if _TEXT.fullmatch(self.path) else "other"
        if _ATTENTION.fullmatch(self.path):
            return "attention"
        return "convolution" if _CONVOLUTION.fullmatch(self.path) else "other"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a layer's numbers lie: a tensor, and which third of its rows for a fused projection.

    `transposed` tells of OpenCLIP's text projection, which is multiplied from the other side.
    """

    tensor: str
    third: int | None = None
    transposed: bool = False

    def cut(self, values: Array) -> Array:
        """The layer's own numbers among those of the tensor."""
        if self.third is not None:
            size = len(values) // 3
            values = values[self.third * size : (self.third + 1) * size]
        return values.T if self.transposed else values


def layers_of(names: Iterable[str], component: str = "") -> Iterator[tuple[Layer, Place]]:
    """The layers of Stable Diffusion that these tensors are.

    `component` is that of a diffusers folder, "" for a single file. Tensors of other parts (VAE, buffers, an
    EMA copy) are passed over.
    """
    for name in names:
        found, rest, open_clip = _split(name)
        part = component or found
        yield from _open_clip(part, rest, name) if open_clip else _diffusers(part, rest, name)


def weights_of(names: Iterable[str], component: str = "") -> Iterator[tuple[Layer, Place]]:
    """The weights of any base model among these tensors: `layers_of`, and what it passes over by its own name
    as part of `component` or, where neither that nor the name tells, of the transformer.
    """
    for name in names:
        known = list(layers_of([name], component))
        if known:
            yield from ((layer, place) for layer, place in known if layer.kind == "weight")
        elif name.endswith(".weight"):
            found, rest, _ = _split(name)
            part = component or ("transformer" if found in ("", "unet") else found)
            yield Layer(part, rest.removesuffix(".weight"), "weight"), Place(name)


def _split(name: str) -> tuple[str, str, bool]:
    """The component that a tensor's name tells ("" for none), the rest of it, whether that is OpenCLIP's."""
    for prefix, component, open_clip in _PREFIXES:
        if name.startswith(prefix):
            return component, name.removeprefix(prefix), open_clip
    path = name.rpartition(".")[0]
    if unet_path(path) is not None:
        return "unet", name, False
    return "text_encoder" if text_path(path) is not None else "", name, False


def _diffusers(component: str, rest: str, name: str) -> Iterator[tuple[Layer, Place]]:
    path, _, kind = rest.rpartition(".")
    read = unet_path if component == "unet" else text_path if component in _TEXT_ENCODERS else None
    if read is not None and kind in ("weight", "bias") and (canonical := read(path)) is not None:
        yield Layer(component, canonical, kind), Place(name)


def _open_clip(component: str, rest: str, name: str) -> Iterator[tuple[Layer, Place]]:
    if rest in _OPEN_CLIP_TOP:
        yield Layer(component, *_OPEN_CLIP_TOP[rest]), Place(name)
    elif rest == "text_projection":
        yield Layer(component, "text_projection", "weight"), Place(name, transposed=True)
    elif match := _RESBLOCK.fullmatch(rest):
        layer = f"text_model.encoder.layers.{match[1]}"
        if match[2] in ("attn.in_proj_weight", "attn.in_proj_bias"):
            kind = match[2].rpartition("_")[2]
            for third, projection in enumerate(("q_proj", "k_proj", "v_proj")):
                yield Layer(component, f"{layer}.self_attn.{projection}", kind), Place(name, third)
            return
        stem, _, kind = match[2].rpartition(".")
        if stem in _OPEN_CLIP_LAYERS and kind in ("weight", "bias"):
            yield Layer(component, f"{layer}.{_OPEN_CLIP_LAYERS[stem]}", kind), Place(name)
