"""The base model that a file's metadata declares: the name as written, and the families it can mean.

Names: what kohya-ss/sd-scripts and musubi-tuner, ostris/ai-toolkit and bghira/SimpleTuner write as
`ss_base_model_version` or `modelspec.architecture`, Nerogar/OneTrainer's model types, the ids of
Stability-AI/ModelSpec, Civitai's base model names, and the publishers' own repositories and files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from .metadata_values import file_name, mapping_of, printable, text_of

# Keys that name a base by its architecture, then those that name the checkpoint itself.
_ARCHITECTURE_KEYS = ("ss_base_model_version", "modelspec.architecture", "ss_model_type", "ss_base_model")
_CHECKPOINT_KEYS = ("ss_sd_model_name", "base_model", "ss_base_checkpoint")
_FLUX2 = ("flux2_dev", "flux2_klein_4b", "flux2_klein_9b")
_SD3 = ("sd3_medium", "sd35_medium", "sd35_large")
_SD35 = ("sd35_medium", "sd35_large")
_WAN = ("wan_1_3b", "wan_14b", "wan_5b")
_LTX = ("ltx_2b", "ltx_13b")
_COG = ("cogvideox_2b", "cogvideox_5b")
# Pattern of the whole name, in lower case, blanks and underscores alike -> the families it can mean.
_NAMES: list[tuple[re.Pattern[str], tuple[str, ...]]] = [
    (re.compile(pattern), families if isinstance(families, tuple) else (families,))
    for pattern, families in (
        (r"chroma([_-]?1)?([_-](radiance|base|hd|flash|preview))*", "chroma"),
        (r"flux[._-]?2[._-]?klein[_-](base[_-])?4b(-base)?", "flux2_klein_4b"),
        (r"flux[._-]?2[._-]?klein[_-](base[_-])?9b(-base)?", "flux2_klein_9b"),
        (r"flux[._-]?2[._-]?klein.*", ("flux2_klein_4b", "flux2_klein_9b")),
        (r"flux_2", _FLUX2),
        (r"flux[._-]?2([_-](dev|d))?", "flux2_dev"),
        (r"flux([_-]?1)?|flux[._-]1.*", "flux1"),
        (r"flux1?[_-](dev|schnell|krea|kontext|fluxbooru|libreflux|fill)([_-].*)?", "flux1"),
        (r"(stable[_-]diffusion[_-]xl[_-](v1[_-])?refiner|sdxl[_-]refiner|sd_xl_refiner).*", "sdxl_refiner"),
        (r"stable[_-]diffusion[_-]xl([_-](v1|base|edit|turbo|10)).*|xl[_-]turbo.*", "sdxl"),
        (r"sdxl([_-].*)?|sd_xl_(base|turbo).*|sdxl1\.0|ssd[_-]?xl", "sdxl"),
        (r"pony|pony_v6|illustrious([_-].*)?|noobai([_-].*)?", "sdxl"),
        (r"ssd-?1b|segmind.*ssd.*", "ssd1b"),
        (r"sd_v1(_v)?|sd_1\.[45](_(lcm|hyper))?|sd1(\.[45]|x.*)?|stable[_-]diffusion[_-]v?1.*", "sd1"),
        (r"stable_diffusion_15.*|v1-5-pruned.*", "sd1"),
        (r"sd_v2(_v)?|sd_2\.[01](_.*)?|sd2.*|v2-1_(512|768).*", "sd2"),
        (r"stable[_-]diffusion[_-]v?2[_-].*|stable_diffusion_2[01].*", "sd2"),
        (r"5-medium|stable[_-]diffusion[_-]3[.-]5[_-]medium.*|sd_?3\.5[-_]medium", "sd35_medium"),
        (r"5-large(-turbo)?|stable[_-]diffusion[_-]3[.-]5[_-]large.*|sd_?3\.5[-_]large.*", "sd35_large"),
        (r"medium|sd3_medium.*|stable[_-]diffusion[_-](3|v3)[_-]medium.*", "sd3_medium"),
        (r"sd_?3\.5|stable[_-]diffusion[_-]35|stable[_-]diffusion[_-]3[.-]5", _SD35),
        (r"sd_?3|sd3-(medium|large)|stable[_-]diffusion[_-]3", _SD3),
        (r"hunyuan_?-?video[_-]?1[._]5.*|hunyuanvideo[_-].*", "hunyuan_video_15"),
        (r"hunyuan_?-?video([_-]1)?|framepack", "hunyuan_video"),
        (r"hunyuan[_-]image.*", "hunyuan_image"),
        (r"hunyuan[_-]?dit.*|hunyuan_1", "hunyuan_dit"),
        (r"wan.*(?<!\d)5b.*", "wan_5b"),
        (r"wan.*14b.*", "wan_14b"),
        (r"wan.*1[._]3b.*", "wan_1_3b"),
        (r"wan([_-]?(video[_-]?)?2[._][12].*)?|wan_video", _WAN),
        (r"qwen[-_]image.*|qwen([_-]2)?", "qwen_image"),
        (r"z_?-?image.*", "z_image"),
        (r"lumina(-?2|2?[_-]?image.*|2-.*)?", "lumina2"),
        (r"anima([_-].*)?", "anima"),
        (r"krea[_-]?2.*", "krea2"),
        (r"ideogram([_-]?4.*|-fp8|-nf4)", "ideogram4"),
        (r"kandinsky[_-]?5.*", "kandinsky5"),
        (r"hidream([_-]?(i1|dev|full|fast).*)?|hi_dream_full", "hidream"),
        (r"omnigen2", "omnigen2"),
        (r"pixart.*", "pixart"),
        (r"aura_?flow.*|pony_v7", "auraflow"),
        (r"sana([_-].*)?", "sana"),
        (r"ltx-?2.*|ltxvideo2.*|ltx_2(\.\d)?|ltxv2.*", "ltx2"),
        (r"ltx.*13b.*", "ltx_13b"),
        (r"ltx.*(2b|-0\.9\.[0-5]).*", "ltx_2b"),
        (r"ltx-?video.*|ltxv", _LTX),
        (r"cog_?video_?x?.*2b.*", "cogvideox_2b"),
        (r"cog_?video_?x?.*5b.*", "cogvideox_5b"),
        (r"cog_?video_?x?", _COG),
        (r"mochi.*", "mochi"),
        (r"stable[_-]cascade.*|wuerstchen.*", "cascade"),
        (r"stable[_-]video[_-]diffusion.*|svd([_-]xt)?", "svd"),
        (r"toybox(-v?\d+)?|kura-toybox.*", "toybox"),
    )
]  # fmt: skip

# The file and repository names of those who published a base.
_PUBLISHED = re.compile(
    r"flux[._-]?1[._-](dev|schnell)|flux[._-]?1[._-](kontext|krea|fill)[._-]dev|flux1-(dev|schnell)(-fp8)?"
    r"|flux\.2-dev|flux\.2-klein-(base-)?[49]b|sd_xl_base_(0\.9|1\.0(_0\.9vae)?)|sd_xl_refiner_1\.0"
    r"|stable-diffusion-xl-(base|refiner)-(0\.9|1\.0)|stable-diffusion-v1-[45]|v1-5-pruned(-emaonly)?"
    r"|stable-diffusion-2(-1)?(-base)?|v2-1_(512|768)-ema-pruned|stable-diffusion-3(\.5)?-(medium|large(-turbo)?)"
    r"(-diffusers)?|sd3(\.5)?_(medium|large).*|qwen-image(-edit)?(-\d{4})?|z-image(-turbo)?|chroma1-(hd|base|flash)"
    r"|wan2\.[12]-.*|hunyuanvideo-1\.5|lumina-image-2\.0|kura-toybox.*"
)


@dataclass(frozen=True, slots=True)
class DeclaredBase:
    """What the metadata calls the base model: `value` under key `source`, and the family it names.

    `families` are all that the name can mean ("wan_2.1" leaves the size open); `family` is the one, or None
    where there are several or where we do not know the name.
    """

    value: str
    source: str
    families: tuple[str, ...] = ()

    @property
    def family(self) -> str | None:
        return self.families[0] if len(self.families) == 1 else None

    def as_dict(self) -> dict[str, str | None]:
        return {"value": self.value, "source": self.source, "family": self.family}


def families_named(text: str) -> tuple[str, ...]:
    """The families that an architecture's name in metadata can mean; none where we do not know it."""
    name = re.sub(r"\s+", "_", text.strip().lower().partition("/")[0][:120])
    return next((families for pattern, families in _NAMES if pattern.fullmatch(name)), ())


def family_named(text: str) -> str | None:
    """The family that a base model's name in metadata means, or None."""
    families = families_named(text)
    return families[0] if len(families) == 1 else None


def declared_base(metadata: Mapping[str, str]) -> DeclaredBase | None:
    """The first stated name that means a family; else the first stated one; None where nothing is stated."""
    first: DeclaredBase | None = None
    for key, value, families in _stated(metadata):
        stated = DeclaredBase(printable(value, 200), key, families)
        if families:
            return stated
        # A checkpoint's name that means nothing to us is a fact of the training, not a declaration.
        if first is None and key in _ARCHITECTURE_KEYS:
            first = stated
    return first


def _stated(metadata: Mapping[str, str]) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    for key in _ARCHITECTURE_KEYS:
        if (text := text_of(metadata.get(key), 200)) is not None:
            yield key, text, families_named(text)
    if metadata.get("ss_v2", "").strip().lower() == "true":
        yield "ss_v2", metadata["ss_v2"], ("sd2",)
    config = mapping_of(metadata.get("ot_config"))
    if isinstance(kind := config.get("model_type"), str):
        yield "ot_config", kind, families_named(kind)
    for key in _CHECKPOINT_KEYS:
        if (text := text_of(metadata.get(key), 200)) is not None:
            yield key, text, _checkpoint_families(text)
    for key, value in mapping_of(metadata.get("lora_adapter_metadata")).items():
        if key.endswith("base_model_name_or_path") and isinstance(value, str) and value.strip():
            yield "lora_adapter_metadata", value, _checkpoint_families(value)


def _checkpoint_families(text: str) -> tuple[str, ...]:
    """The families of a publisher's own repository or file ("black-forest-labs/FLUX.1-dev").

    Anybody else's name for a checkpoint says too little: a merge may be called anything.
    """
    name = file_name(text).lower().rpartition("/")[2].removesuffix(".safetensors").removesuffix(".ckpt")
    return families_named(name) if _PUBLISHED.fullmatch(name) else ()
