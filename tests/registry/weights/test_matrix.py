"""Every dialect with every algorithm that is written in it: what `inspect` says of a small real-like file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from registry.weights import inspect_file
from tests.registry.weights import wild
from tests.registry.weights.files import write_shapes
from tests.registry.weights.wild import RANK, Layers, Shapes, Trainer, write

KOHYA_WRITES = (
    ("lora", wild.lora_kohya, RANK),
    ("lora", wild.dora_kohya, RANK),
    ("lora", wild.dora_on_output, RANK),
    ("loha", wild.loha, RANK),
    ("loha", wild.loha_dora, RANK),
    ("lokr", wild.lokr_full, None),
    ("lokr", wild.lokr_half, RANK),
    ("lokr", wild.lokr_both, RANK),
    ("ia3", wild.ia3, None),
    ("oft", wild.diag_oft, RANK),
    ("boft", wild.boft, RANK),
    ("glora", wild.glora, RANK),
    ("full", wild.full, None),
)
PEFT_WRITES = (
    ("lora", wild.lora_peft, RANK),
    ("lora", wild.lora_default, RANK),
    ("lora", wild.lora_biased, RANK),
    ("lora", wild.dora_peft, RANK),
    ("lora", wild.dora_peft_weight, RANK),
    ("oft", wild.oft_peft, RANK),
)
OTHERS = (
    ("kohya", "oft_unet_", True, wild.SDXL_LAYERS, "sdxl", "oft", wild.oft_kohya, RANK),
    ("kohya", "oft_unet_", True, wild.SD1_LAYERS, "sd1", "oft", wild.oft_kohya, RANK),
    ("kohya_double_underscore", "lora_unet__", True, wild.WAN_14B, "wan_14b", "lora", wild.lora_kohya, RANK),
    ("onetrainer", "lora_transformer_", True, wild.FLUX_DIFFUSERS, "flux1", "lora", wild.lora_kohya, RANK),
    ("onetrainer", "lora_transformer_", True, wild.FLUX_DIFFUSERS, "flux1", "lora", wild.dora_kohya, RANK),
    ("onetrainer", "lora_transformer_", True, wild.FLUX_DIFFUSERS, "flux1", "loha", wild.loha, RANK),
    ("onetrainer", "lora_transformer_", True, wild.FLUX_DIFFUSERS, "flux1", "oft", wild.oft_onetrainer, RANK),
    ("onetrainer", "unet.", False, wild.SDXL_SGM, "sdxl", "lora", wild.lora_kohya, RANK),
    ("diffusers_lora", "unet.", False, wild.SD1_LAYERS, "sd1", "lora", wild.lora_old_diffusers, RANK),
    ("comfy", "diffusion_model.", False, wild.FLUX_BFL, "flux1", "lora", wild.lora_peft, RANK),
    ("comfy", "diffusion_model.", False, wild.FLUX_BFL, "flux1", "lora", wild.dora_ai_toolkit, RANK),
    ("comfy", "diffusion_model.", False, wild.FLUX_BFL, "flux1", "lora", wild.lora_kohya, RANK),
    ("comfy", "diffusion_model.", False, wild.FLUX_BFL, "flux1", "lokr", wild.lokr_full, None),
    ("comfy", "diffusion_model.", False, wild.WAN_14B, "wan_14b", "lora", wild.lora_biased, RANK),
    ("comfy", "model.diffusion_model.", False, wild.WAN_14B, "wan_14b", "lora", wild.lora_peft, RANK),
    ("bfl", "", False, wild.FLUX_BFL, "flux1", "lora", wild.lora_peft, RANK),
    ("bfl", "", False, wild.FLUX_BFL, "flux1", "lora", wild.dora_kohya, RANK),
    ("lycoris", "lycoris_", True, wild.FLUX_DIFFUSERS, "flux1", "lokr", wild.lokr_full, None),
    ("lycoris", "lycoris_", True, wild.SDXL_LAYERS, "sdxl", "lokr", wild.lokr_half, RANK),
    ("unprefixed", "", False, wild.WAN_14B, "wan_14b", "lora", wild.lora_default, RANK),
    ("unprefixed", "", False, wild.FLUX_DIFFUSERS, "flux1", "lora", wild.lora_default, RANK),
    ("unprefixed", "", False, wild.FLUX_DIFFUSERS, "flux1", "lora", wild.lora_bare, RANK),
)  # fmt: skip
KOHYA_MODELS = (
    (wild.SD1_LAYERS, "sd1"),
    (wild.SDXL_LAYERS, "sdxl"),
    (wild.SDXL_SGM, "sdxl"),
    (wild.FLUX_BFL, "flux1"),
    (wild.WAN_14B, "wan_14b"),
)
PEFT_MODELS = (
    ("diffusers_peft", "unet.", wild.SD1_LAYERS, "sd1"),
    ("diffusers_peft", "transformer.", wild.FLUX_DIFFUSERS, "flux1"),
    ("peft_raw", "base_model.model.", wild.FLUX_DIFFUSERS, "flux1"),
    ("peft_raw", "base_model.model.transformer.", wild.FLUX_DIFFUSERS, "flux1"),
    ("peft_raw", "unet.base_model.model.", wild.SD1_LAYERS, "sd1"),
)
CASES = [
    *(
        ("kohya", "lora_unet_", True, layers, family, *algorithm)
        for layers, family in KOHYA_MODELS
        for algorithm in KOHYA_WRITES
    ),
    *(
        (dialect, prefix, False, layers, family, *algorithm)
        for dialect, prefix, layers, family in PEFT_MODELS
        for algorithm in PEFT_WRITES
    ),
    *OTHERS,
]


def read(tmp_path: Path, shapes: Shapes, metadata: dict[str, str] | None = None) -> dict[str, Any]:
    return inspect_file(write_shapes(tmp_path / "a.safetensors", shapes, metadata), hashes=False).as_dict()


@pytest.mark.parametrize(
    ("dialect", "prefix", "flat", "layers", "family", "algorithm", "trainer", "rank"),
    CASES,
    ids=[f"{c[0]}-{c[4]}-{getattr(c[6], '__name__', '')}-{n}" for n, c in enumerate(CASES)],
)
def test_a_trainers_file_is_read_as_what_it_is(
    tmp_path: Path, dialect: str, prefix: str, flat: bool, layers: Layers, family: str,
    algorithm: str, trainer: Trainer, rank: int | None,
) -> None:  # fmt: skip
    got = read(tmp_path, write(layers, prefix, trainer, flat=flat))
    assert (got["kind"], got["dialect"], got["algorithm"]) == ("adapter", dialect, algorithm)
    assert got["modules"] == len(layers)
    assert got["rank"] == (None if rank is None else {"min": rank, "median": rank, "max": rank})
    dressed = set(trainer(64, 64)) & {"dora_scale", "magnitude", "lora_magnitude_vector"}
    dressed |= {name for name in trainer(64, 64) if name.startswith("lora_magnitude")}
    assert got["weight_decomposed"] == bool(dressed)
    # A wrong family is never named. OFT and (IA)^3 tell one side of a layer only, and in diffusers' names
    # HunyuanVideo has every one of these layers of FLUX.
    assert family in (got["family"], *got["family_candidates"])
    if algorithm not in ("ia3", "oft", "boft") and layers is not wild.FLUX_DIFFUSERS:
        assert got["family"] == family
    assert "damaged_modules" not in {finding["code"] for finding in got["findings"]}


@pytest.mark.parametrize(
    ("dialect", "family", "modules", "shapes"),
    [
        ("diffusers_attn_procs", "sd1", 4, wild.attn_procs(wild.SD1_LAYERS, "unet.")),
        ("diffusers_attn_procs", "sd1", 4, wild.attn_procs(wild.SD1_LAYERS, "")),
        ("xlabs", "flux1", 12, wild.xlabs()),
        ("xlabs", "flux1", 18, wild.uso()),
        ("cloneofsimo", "sd1", 144 + 48, wild.pti()),
        ("cloneofsimo", "sd1", 128 + 48, wild.pti(geglu=False)),
        ("broken_rename", "sd1", 4, wild.broken(wild.SD1_LAYERS)),
        ("broken_rename", "sdxl", 3, wild.broken(wild.SDXL_LAYERS)),
        ("onetrainer", "flux1", 2 * 8 + 3, wild.omi_flux()),
    ],
)
def test_a_dialect_with_names_of_its_own_is_read(
    tmp_path: Path, dialect: str, family: str, modules: int, shapes: Shapes
) -> None:
    got = read(tmp_path, shapes)
    assert (got["kind"], got["algorithm"]) == ("adapter", "lora")
    assert (got["dialect"], got["family"], got["modules"]) == (dialect, family, modules)


@pytest.mark.parametrize("trainer", [wild.lora_kohya, wild.dora_kohya, wild.loha, wild.lokr_half])
def test_metadata_changes_no_fact_of_the_tensors(tmp_path: Path, trainer: Trainer) -> None:
    lies = {"ss_base_model_version": "flux1", "ss_network_dim": "128", "ss_network_module": "networks.oft"}
    shapes = write(wild.SDXL_LAYERS, "lora_unet_", trainer, flat=True)
    plain, told = read(tmp_path, shapes), read(tmp_path, shapes, lies)
    for fact in ("kind", "algorithm", "weight_decomposed", "dialect", "modules", "rank", "family", "blocks"):
        assert plain[fact] == told[fact]
    assert told["base_conflict"]


@pytest.mark.parametrize("dtype", ["F32", "BF16", "F8_E4M3", "F64"])
def test_the_dtype_changes_no_fact(tmp_path: Path, dtype: str) -> None:
    shapes = write(wild.FLUX_BFL, "lora_unet_", wild.lora_kohya, flat=True)
    got = inspect_file(write_shapes(tmp_path / "b.safetensors", shapes, dtype=dtype), hashes=False).as_dict()
    plain = read(tmp_path, shapes)
    assert {**got, "path": "", "size": 0} == {**plain, "path": "", "size": 0}


def test_any_one_layer_alone_is_read_like_the_whole(tmp_path: Path) -> None:
    for layers, family in KOHYA_MODELS:
        for path, size in layers.items():
            got = read(tmp_path, write({path: size}, "lora_unet_", wild.lora_kohya, flat=True))
            assert (got["kind"], got["dialect"], got["modules"]) == ("adapter", "kohya", 1)
            assert family in (got["family"], *got["family_candidates"])
