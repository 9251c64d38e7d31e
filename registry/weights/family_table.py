"""The fingerprints of the base model families, as data: which layers each has, of which size, in how many
blocks.

One line of an architecture is evidence for every family that has that layer in that size, and a refutation
of every family that has a layer of that name in another size, or too few blocks. Families with a UNet stand
in `unet_fit`, text encoders in `text_fit`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .architectures import IMAGE_ARCHITECTURES
from .video_architectures import VIDEO_ARCHITECTURES

ARCHITECTURES = IMAGE_ARCHITECTURES | VIDEO_ARCHITECTURES


@dataclass(frozen=True, slots=True)
class FamilyRow:
    """One size of one family, and the architectures whose layers it has.

    `native` are the names of the family's own repository, which kohya, ComfyUI and unprefixed files keep;
    `diffusers` those that diffusers gives; `flattened` those of diffusers that a kohya-style trainer writes,
    too; `rare` names that a loader understands and no known trainer writes: they speak only where every other
    family is refuted. `sizes` give the letters of a line their meaning.
    """

    family: str
    native: str
    diffusers: str
    sizes: dict[str, int]
    flattened: str = ""
    rare: str = ""

    def architectures(self) -> list[tuple[str, str]]:
        """`(use, architecture)` of each."""
        return [
            (use, architecture)
            for use in ("native", "flattened", "diffusers", "rare")
            for architecture in getattr(self, use).split()
        ]


def _row(
    family: str, native: str, diffusers: str, *, flattened: str = "", rare: str = "", **sizes: int
) -> FamilyRow:
    return FamilyRow(family, native, diffusers, sizes, flattened, rare)


_FLUX = "flux flux_single"
_FLUX_MODULATED = f"{_FLUX} flux_time flux_modulation flux_single_modulation"
_PLAIN_JOINT = "joint_attention joint_feed_forward joint_ends"
_JOINT = f"{_PLAIN_JOINT} joint_modulation"
_FLUX1 = f"{_JOINT} joint_norm1 single_stream single_modulation"
_HUNYUAN = "joint_attention joint_feed_forward joint_norm1 joint_modulation hunyuan_diffusers"
_HUNYUAN_SINGLE = f"{_HUNYUAN} single_stream single_modulation"
_FLUX2_OWN = f"{_FLUX} flux_time flux2_modulation"
_FLUX2 = "joint_attention joint_ends flux2_diffusers"
_LTX = "cross_attention plain_feed_forward"

# Older families first.
FAMILY_ROWS: list[FamilyRow] = [
    _row("pixart", "pixart", "cross_attention plain_feed_forward adaln_single pixart_sizes",
         D=27, h=1152, t=4096),
    _row("hunyuan_dit", "hunyuan_dit", "hunyuan_dit_diffusers", D=39, h=1408),
    _row("sd3_medium", "sd3 sd3_modulation", f"{_JOINT} joint_norm1 sd3_diffusers",
         D=23, h=1536, m=6144, t=4096, p=2048),
    _row("auraflow", "auraflow", "auraflow_diffusers", h=3072),
    _row("flux1", f"{_FLUX_MODULATED} xlabs", _FLUX1, D=18, S=37, h=3072, m=12288, u=12288, t=4096, p=768),
    _row("cogvideox_2b", "", "cogvideox", D=29, h=1920),
    _row("cogvideox_5b", "", "cogvideox", D=41, h=3072),
    _row("sd35_large", "sd3 sd3_modulation", f"{_JOINT} joint_norm1 sd3_diffusers",
         D=37, h=2432, m=9728, t=4096, p=2048),
    _row("sd35_medium", "sd3 sd35_second_attention",
         f"{_JOINT} sd3_diffusers sd35_second_attention_diffusers",
         D=23, A=12, h=1536, m=6144, t=4096, p=2048),
    _row("mochi", "mochi", "mochi_diffusers", D=47),
    _row("hunyuan_video", "hunyuan_video hunyuan_single hunyuan_pooled", "",
         flattened=f"{_HUNYUAN_SINGLE} framepack", rare=f"{_FLUX_MODULATED} hunyuan_comfy",
         D=19, S=39, h=3072, m=12288, u=12288, t=4096, p=768),
    _row("sana", "", "cross_attention sana time_embed_single", D=59, h=2240, t=2304),
    _row("sana", "", "cross_attention sana time_embed_single", D=27, h=1152, t=2304),
    _row("ltx_2b", f"{_LTX} adaln_single ltx", "time_embed_single ltx_diffusers", D=27, h=2048, t=4096),
    _row("ltx_13b", f"{_LTX} adaln_single ltx", "time_embed_single ltx_diffusers", D=47, h=4096, t=4096),
    _row("lumina2", "next_dit", "lumina_diffusers", D=25, h=2304, q=3840, k=768, f=9216, e=1024, t=2304),
    _row("wan_1_3b", "wan", "wan_diffusers", D=29, V=14, h=1536, f=8960),
    _row("wan_14b", "wan", "wan_diffusers", D=39, V=7, h=5120, f=13824),
    _row("chroma", f"{_FLUX} chroma", f"{_PLAIN_JOINT} single_stream chroma",
         D=18, S=37, h=3072, m=12288, u=12288, t=4096),
    _row("hidream", "hidream", "", D=15, S=31, h=2560),
    _row("omnigen2", "lumina_diffusers", "", D=31, h=2520, k=840, f=10240, t=2048),
    _row("wan_5b", "wan", "wan_diffusers", D=29, V=14, h=3072, f=14336),
    _row("qwen_image", "joint_attention qwen", "", D=59, h=3072, m=12288, t=3584),
    _row("hunyuan_image", f"hunyuan_video hunyuan_single hunyuan_glyphs hunyuan_comfy {_FLUX_MODULATED}",
         f"{_HUNYUAN_SINGLE} hunyuan_image_diffusers",
         D=19, S=39, h=3584, m=14336, u=14336, t=3584, p=768),
    _row("kandinsky5", "kandinsky5", "", D=31, T=1, h=1792, f=7168, e=512),
    _row("kandinsky5", "kandinsky5", "", D=49, T=1, h=2560, f=10240, e=512),
    _row("kandinsky5", "kandinsky5", "", D=59, T=3, h=4096, f=16384, e=1024),
    _row("hunyuan_video_15", "hunyuan_video hunyuan_split hunyuan_glyphs hunyuan_comfy flux flux_modulation",
         f"{_HUNYUAN} hunyuan_video_15_diffusers",
         D=53, h=2048, m=8192, u=8192, t=3584, p=768),
    _row("flux2_dev", _FLUX2_OWN, _FLUX2, D=7, S=47, h=6144, m=36864, u=18432, t=15360),
    _row("z_image", "next_dit z_image_ends", "", D=29, h=3840, q=11520, k=3840, f=10240, e=256, t=2560),
    _row("anima", "cosmos anima", "", D=27, h=2048),
    _row("flux2_klein_9b", _FLUX2_OWN, _FLUX2, D=7, S=23, h=4096, m=24576, u=12288, t=12288),
    _row("flux2_klein_4b", _FLUX2_OWN, _FLUX2, D=4, S=19, h=3072, m=18432, u=9216, t=7680),
    _row("ltx2", f"{_LTX} adaln_single ltx ltx2_audio", "time_embed_single ltx_diffusers",
         D=47, h=4096, t=3840),
    _row("krea2", "krea2", "krea2_diffusers", D=27, h=6144, k=1536, m=16384, t=2560),
    _row("ideogram4", "ideogram4", "", D=33, h=4608, f=12288),
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Marked:
    """A family known by layers of its own inside a UNet, whose other layers are those of another family.

    `marks` finds such a layer in its underscored path; its sizes are multiples of `unit` up to `most`, or
    among `others`. The rest of the file must fit one of `beside`.
    """

    family: str
    marks: re.Pattern[str]
    unit: int
    most: int
    others: frozenset[int]
    beside: frozenset[str]


MARKED: list[Marked] = [
    Marked("animatediff", re.compile(r"(?:^|_)motion_modules_"), 320, 10240, frozenset(),
           frozenset({"sd1", "sdxl"})),
    Marked("svd", re.compile(r"temporal_transformer_blocks_|spatial_res_block|temporal_res_block"
                             r"|attentions_\d_time_pos_embed"), 320, 10240, frozenset({1024}),
           frozenset({"sd2"})),
]  # fmt: skip
# Stage C of Stable Cascade, whole and lite: its hidden width, that of its conditions, and multiples of both.
CASCADE_SIZES = frozenset({16, 64, 768, 1280, 1536, 2048, 3072, 4096, 6144, 8192})

# Families with the very layers of another, fewer of them: without a layer of their own, only a statement in
# the metadata names them, and only where nothing refutes them.
SUB_FAMILIES: dict[str, str] = {"chroma": "flux1", "ssd1b": "sdxl"}
# What a trainer cannot train, where its signature stands in the metadata.
TRAINER_LACKS: dict[str, frozenset[str]] = {
    "ai-toolkit": frozenset({"hunyuan_video", "hunyuan_image", "hunyuan_video_15"}),
}
