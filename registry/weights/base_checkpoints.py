"""What a base model's single file holds: family, parts and prediction, by names and shapes of its tensors.

Names as published: LDM (SD1, SD2), SGM (SDXL), Stability AI's and Black Forest Labs' transformers, and what
ComfyUI writes around those; a lone denoiser may also be in diffusers' names. The marks `v_pred` and `ztsnr`
are those of AUTOMATIC1111 and ComfyUI (`comfy/supported_models.py: SDXL.model_type`), the prediction in the
metadata that of ModelSpec (Stability-AI/ModelSpec, `modelspec.prediction_type`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from .header import Header, TensorInfo

DENOISER, VAE = "denoiser", "vae"
_UNET = "model.diffusion_model."
# What a name starts with -> the part; of text encoders the place among the file's, which the family reads.
_PARTS = (
    (_UNET, DENOISER),
    ("diffusion_model.", DENOISER),
    ("cond_stage_model.", "first"),
    ("conditioner.embedders.0.", "first"),
    ("conditioner.embedders.1.", "second"),
    ("text_encoders.clip_l.", "clip_l"),
    ("text_encoders.clip_g.", "clip_g"),
    ("text_encoders.t5xxl.", "t5"),
    ("first_stage_model.", VAE),
    ("vae.", VAE),
)
# What may lie beside a lone denoiser: copies for training, and marks that are no weights.
_BESIDE = re.compile(r"model_ema\.|v_pred$|ztsnr$|edm_|denoiser\.|global_step$")
_STABLE_DIFFUSION_3 = {"clip_l": "text_encoder", "clip_g": "text_encoder_2", "t5": "text_encoder_3"}
_TEXTS: dict[str, dict[str, str]] = {
    "sd1": {"first": "text_encoder"},
    "sd2": {"first": "text_encoder"},
    "sdxl": {"first": "text_encoder", "second": "text_encoder_2"},
    "sd3_medium": _STABLE_DIFFUSION_3,
    "sd35_medium": _STABLE_DIFFUSION_3,
    "sd35_large": _STABLE_DIFFUSION_3,
    "flux1": {"clip_l": "text_encoder", "t5": "text_encoder_2"},
}
FAMILIES = tuple(_TEXTS)
"""Families whose single files are known."""
# Without this tensor a text encoder or VAE is not in the file, though some rest of it may be.
_PRESENT = re.compile(r".+(?:token_embedding\.weight|\.shared\.weight|decoder\.conv_in\.weight)")
# Old merges leave out a level of CLIP's names (AUTOMATIC1111, `checkpoint_dict_replacements_sd1`).
_SHORT_CLIP = re.compile(
    r"((?:cond_stage_model|conditioner\.embedders\.0)\.transformer)\.(embeddings|encoder|final_layer_norm)\."
)
# bitsandbytes' and ComfyUI's scaled precisions: the numbers mean nothing without what stands beside them.
_SCALES = re.compile(
    r"(?:.*\.)?(?:scaled_fp8|scale_weight|weight_scale(?:_2)?|scale_input|input_scale|comfy_quant|absmax|"
    r"quant_map|quant_state\..+|nested_absmax|SCB)"
)
_WHOLE = frozenset({"F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2"})
_PREDICTIONS = {"v": "v_prediction", "v_prediction": "v_prediction", "epsilon": "epsilon", "eps": "epsilon"}


@dataclass(frozen=True, slots=True)
class BaseCheckpoint:
    """A single file as a base to render with.

    `parts`: unet or transformer, vae, text_encoder ... -> name in the file -> published name. `prediction`
    is "epsilon" or "v_prediction", "" where the file does not say; `zero_snr` whether its noise schedule
    ends without signal. `distilled`: guidance is an input of the model. `problem` says why nothing can be
    rendered with it, and then `family` may be ""; `quantized` that the reason is its precision.
    """

    family: str
    parts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    prediction: str = ""
    zero_snr: bool = False
    distilled: bool = False
    problem: str = ""
    quantized: bool = False

    @property
    def denoiser(self) -> str:
        """diffusers' name of the part that removes the noise."""
        return "unet" if self.family in ("sd1", "sd2", "sdxl") else "transformer"


def read_base_checkpoint(header: Header) -> BaseCheckpoint:
    """What the file of this header is as a base; no number of it is read."""
    tensors = header.tensors
    split = _split(tensors)
    inside = {name.removeprefix(_UNET): tensors[own].shape for own, name in split.get(DENOISER, {}).items()}
    family, problem = _family(inside, split)
    if not problem and (marks := [name for name in tensors if name.startswith(("edm_mean", "edm_vpred"))]):
        problem = f"It has EDM's noise schedule ({marks[0]}), which the samplers do not know."
    if quantized := _quantized(tensors, split):
        return BaseCheckpoint(family, problem=quantized, quantized=True)
    if problem:
        return BaseCheckpoint(family, problem=problem)
    parts = {"unet" if family in ("sd1", "sd2", "sdxl") else "transformer": split[DENOISER]}
    for place, part in {**_TEXTS[family], VAE: VAE}.items():
        if any(map(_PRESENT.fullmatch, split.get(place, {}).values())):
            parts[part] = split[place]
    if twice := _twice(parts):
        return BaseCheckpoint(family, problem=f"It holds two tensors for {twice[:120]}.")
    told = header.metadata.get("modelspec.prediction_type", "").strip().casefold()
    return BaseCheckpoint(
        family,
        parts,
        prediction="v_prediction" if "v_pred" in tensors else _PREDICTIONS.get(told, ""),
        zero_snr="ztsnr" in tensors,
        distilled=any(name.startswith(("guidance_in.", "time_text_embed.guidance")) for name in inside),
    )


def _split(tensors: Mapping[str, TensorInfo]) -> dict[str, dict[str, str]]:
    """Part -> name in the file -> published name. What no prefix tells is the denoiser where none has one."""
    found: dict[str, dict[str, str]] = {}
    bare: list[str] = []
    for name in tensors:
        if _BESIDE.match(name):
            continue
        for prefix, part in _PARTS:
            if name.startswith(prefix):
                published = f"model.{name}" if prefix == "diffusion_model." else name
                found.setdefault(part, {})[name] = _SHORT_CLIP.sub(r"\1.text_model.\2.", published)
                break
        else:
            bare.append(name)
    if DENOISER not in found and bare:
        found[DENOISER] = {name: _published(name) for name in bare}
    return found


def _published(name: str) -> str:
    """A lone denoiser's name: in diffusers' own as it stands, else with the prefix that files have."""
    for prefix in ("unet.", "transformer."):
        name = name.removeprefix(prefix)
    ours = ("down_blocks.", "up_blocks.", "mid_block.", "conv_", "time_embedding.", "add_embedding.",
            "transformer_blocks.", "single_transformer_blocks.", "time_text_embed.", "norm_out.", "proj_out.",
            "pos_embed.", "context_embedder.", "x_embedder.")  # fmt: skip
    return name if name.startswith(ours) else f"{_UNET}{name}"


Shapes = Mapping[str, tuple[int, ...]]


def _family(inside: Shapes, split: Mapping[str, Mapping[str, str]]) -> tuple[str, str]:
    """The family, and why it cannot be rendered with, "" for no reason."""
    if "input_blocks.0.0.weight" in inside:
        return _unet(inside, inside["input_blocks.0.0.weight"], "label_emb.0.0.weight", split)
    if "down_blocks.0.resnets.0.conv1.weight" in inside and "conv_in.weight" in inside:
        return _unet(inside, inside["conv_in.weight"], "add_embedding.linear_1.weight", split)
    if any(name.startswith("distilled_guidance_layer.") for name in inside):
        return "", "It is a Chroma model, which the engine does not drive."
    if any(name.startswith("double_stream_modulation_img.") for name in inside):
        return "", "It is a FLUX.2 model, which the engine does not drive."
    for image, text, out, block in (
        ("img_in.weight", "vector_in.in_layer.weight", "final_layer.linear.weight",
         "double_blocks.0.img_attn.qkv.weight"),
        ("x_embedder.weight", "time_text_embed.text_embedder.linear_1.weight", "proj_out.weight",
         "single_transformer_blocks.0.proj_mlp.weight"),
    ):  # fmt: skip
        if {image, text, out, block} <= inside.keys():
            if inside[image][-1] != inside[out][0]:
                return "flux1", "It takes a picture besides the text, as FLUX.1 Fill, Canny and Depth do."
            return "flux1", ""
    for block, second, norm in (
        ("joint_blocks.0.x_block.attn.qkv.weight", ".attn2.", ".ln_q."),
        ("transformer_blocks.0.attn.add_q_proj.weight", ".attn2.", ".norm_q."),
    ):
        embedded = {"y_embedder.mlp.0.weight", "time_text_embed.text_embedder.linear_1.weight"}
        if block in inside and embedded & inside.keys():
            if any(second in name for name in inside):
                return "sd35_medium", ""
            return ("sd35_large" if any(norm in name for name in inside) else "sd3_medium"), ""
    if not split.get(DENOISER):
        return "", "It holds no UNet or transformer: a VAE or a text encoder alone is no base."
    return "", "It is no file of Stable Diffusion or FLUX.1 that the engine knows."


def _unet(
    inside: Shapes, first: tuple[int, ...], added: str, split: Mapping[str, Mapping[str, str]]
) -> tuple[str, str]:
    xl = added in inside
    linear = any(len(shape) == 2 for name, shape in inside.items() if name.endswith(".proj_in.weight"))
    family = "sdxl" if xl else "sd2" if linear else "sd1"
    open_clip_first = any("embedders.0.model." in name for name in split.get("first", {}))
    if len(first) != 4 or first[1] != 4:
        taken = first[1] if len(first) > 1 else 0
        return family, f"Its UNet takes {taken} channels: it is made for inpainting or editing, not for text."
    if xl and (open_clip_first or first[0] == 384):
        return family, "It is SDXL's refiner, which goes on from the pictures of another base."
    if xl and any(name.startswith("cond_stage_model.") for name in split.get("first", {})):
        return family, "Its UNet takes more than text, as unCLIP and upscalers do."
    return family, ""


def _twice(parts: Mapping[str, Mapping[str, str]]) -> str:
    """A published name that two names in the file stand for, of which one would be left out; "" for none."""
    for names in parts.values():
        counted = Counter(names.values())
        if len(counted) < len(names):
            return counted.most_common(1)[0][0]
    return ""


def _quantized(tensors: Mapping[str, TensorInfo], split: Mapping[str, Mapping[str, str]]) -> str:
    """What tells that the file's numbers are not the weights themselves, "" for nothing."""
    scale = next(filter(_SCALES.fullmatch, tensors), None)
    if scale is not None:
        return f"Its weights are quantized (it holds {scale[:120]})."
    for names in split.values():
        for name in names:
            if name.endswith(".weight") and tensors[name].dtype not in _WHOLE:
                return f"Its weights are quantized ({name[:120]} is {tensors[name].dtype})."
    return ""
