"""The patcher on every family: each dialect finds its layers, the base comes back, and what is made for
another one is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pytest
from safetensors.numpy import save_file

from inference.errors import NonFiniteAdapter, NothingMatched, SheetRefused, UnmatchedModules, WrongBase
from registry.weights.spelling import kohya_module, sgm_path
from tests.inference.adapters import random_floats

if TYPE_CHECKING:
    from inference.engine.patcher import WeightPatcher

pytestmark = pytest.mark.engine

Floats = npt.NDArray[np.float32]
FAMILIES = ("sd1", "sd2", "sdxl", "sd3_medium", "sd35_medium", "flux1")
KOHYA, PEFT, DIFFUSERS, XLABS = (
    ("lora_down.weight", "lora_up.weight"), ("lora_A.weight", "lora_B.weight"),
    ("lora.down.weight", "lora.up.weight"), ("down.weight", "up.weight"),
)  # fmt: skip
_BLOCK = "mid_block.attentions.0.transformer_blocks.0.attn1"
_FLAT = f"{_BLOCK}.to_q".replace(".", "_")
_TEXT = "text_model.encoder.layers.1.self_attn.q_proj"
_FLAT_TEXT = _TEXT.replace(".", "_")
_T5 = "encoder.block.1.layer.0.SelfAttention.k"
_FLAT_T5 = _T5.replace(".", "_")
_FLUX, _SINGLE = "transformer_blocks.1.attn", "single_transformer_blocks.1"


# (family, how a file names a module and its factors, the base's layers that it changes, in order)
SPELLINGS: list[tuple[str, str, tuple[str, str], str, tuple[str, ...]]] = [
    ("sd1", f"lora_unet_{_FLAT}", KOHYA, "unet", (f"{_BLOCK}.to_q",)),
    ("sd1", "lora_unet_middle_block_1_transformer_blocks_0_attn1_to_q", KOHYA, "unet", (f"{_BLOCK}.to_q",)),
    ("sd1", f"lycoris_{_FLAT}", KOHYA, "unet", (f"{_BLOCK}.to_q",)),
    ("sd1", f"unet.{_BLOCK}.to_q", PEFT, "unet", (f"{_BLOCK}.to_q",)),
    ("sd1", f"unet.{_BLOCK}.to_q", DIFFUSERS, "unet", (f"{_BLOCK}.to_q",)),
    ("sd1", f"unet.{_BLOCK}.processor.to_q_lora", XLABS, "unet", (f"{_BLOCK}.to_q",)),
    ("sd1", f"{_BLOCK}.processor.to_out_lora", XLABS, "unet", (f"{_BLOCK}.to_out.0",)),
    ("sd1", f"base_model.model.{_BLOCK}.to_q", PEFT, "unet", (f"{_BLOCK}.to_q",)),
    ("sd1", f"diffusion_model.{_BLOCK}.to_q", PEFT, "unet", (f"{_BLOCK}.to_q",)),
    ("sd1", f"{_BLOCK}.to_q", PEFT, "unet", (f"{_BLOCK}.to_q",)),
    ("sd1", f"lora_te_{_FLAT_TEXT}", KOHYA, "text_encoder", (_TEXT,)),
    ("sd2", f"lora_te_{_FLAT_TEXT}", KOHYA, "text_encoder", (_TEXT,)),
    ("sd1", f"text_encoder.{_TEXT}", PEFT, "text_encoder", (_TEXT,)),
    ("sdxl", f"lora_te1_{_FLAT_TEXT}", KOHYA, "text_encoder", (_TEXT,)),
    ("sdxl", f"lora_te2_{_FLAT_TEXT}", KOHYA, "text_encoder_2", (_TEXT,)),
    ("sdxl", f"text_encoder_2.{_TEXT}", PEFT, "text_encoder_2", (_TEXT,)),
    ("sdxl", f"text_encoders.clip_g.transformer.{_TEXT}", PEFT, "text_encoder_2", (_TEXT,)),
    ("sdxl", "lora_unet_output_blocks_2_1_proj_in", KOHYA, "unet", ("up_blocks.0.attentions.2.proj_in",)),
    ("sdxl", "lora_unet_up_blocks_0_attentions_2_proj_in", KOHYA, "unet",
     ("up_blocks.0.attentions.2.proj_in",)),
    ("sd3_medium", "lora_unet_joint_blocks_0_x_block_attn_qkv", KOHYA, "transformer",
     tuple(f"transformer_blocks.0.attn.to_{n}" for n in "qkv")),
    ("sd3_medium", "transformer.transformer_blocks.1.attn.to_add_out", PEFT, "transformer",
     ("transformer_blocks.1.attn.to_add_out",)),
    ("sd3_medium", f"lora_te3_{_FLAT_T5}", KOHYA, "text_encoder_3", (_T5,)),
    ("sd3_medium", f"lora_te2_{_FLAT_TEXT}", KOHYA, "text_encoder_2", (_TEXT,)),
    ("flux1", "lora_unet_double_blocks_1_img_attn_qkv", KOHYA, "transformer",
     tuple(f"{_FLUX}.to_{n}" for n in "qkv")),
    ("flux1", "lora_unet_single_blocks_1_linear1", KOHYA, "transformer",
     (*(f"{_SINGLE}.attn.to_{n}" for n in "qkv"), f"{_SINGLE}.proj_mlp")),
    ("flux1", "diffusion_model.double_blocks.1.txt_attn.qkv", PEFT, "transformer",
     tuple(f"{_FLUX}.add_{n}_proj" for n in "qkv")),
    ("flux1", "double_blocks.1.processor.qkv_lora2", XLABS, "transformer",
     tuple(f"{_FLUX}.add_{n}_proj" for n in "qkv")),
    ("flux1", "lora_transformer_single_transformer_blocks_1_attn_to_q", KOHYA, "transformer",
     (f"{_SINGLE}.attn.to_q",)),
    ("flux1", f"transformer.{_SINGLE}.proj_out", PEFT, "transformer", (f"{_SINGLE}.proj_out",)),
    ("flux1", f"base_model.model.{_SINGLE}.proj_out", PEFT, "transformer", (f"{_SINGLE}.proj_out",)),
    ("flux1", f"lora_te1_{_FLAT_TEXT}", KOHYA, "text_encoder", (_TEXT,)),
    # sd-scripts calls FLUX's T5 the third text encoder, OneTrainer the second; diffusers has two.
    ("flux1", f"lora_te3_{_FLAT_T5}", KOHYA, "text_encoder_2", (_T5,)),
    ("flux1", f"lora_te2_{_FLAT_T5}", KOHYA, "text_encoder_2", (_T5,)),
]  # fmt: skip


class Base:
    """A tiny pipeline beside its patcher."""

    def __init__(self, pipeline: Any, family: str, **options: Any) -> None:
        from inference.engine.patcher import WeightPatcher
        from tests.inference.tiny_families import modules_of

        # A module's attributes may be tensors or modules; these have weights.
        self.modules: dict[str, dict[str, Any]] = modules_of(pipeline)  # type: ignore[assignment]
        self.patcher: WeightPatcher = WeightPatcher(self.modules, family, **options)

    def weight(self, component: str, path: str) -> Any:
        """A weight of the base; newer transformers leave `text_model.` out."""
        found = self.modules[component]
        return found[path if path in found else path.removeprefix("text_model.")].weight

    def copy(self) -> dict[str, Any]:
        """Every parameter as it is."""
        return {
            f"{component}.{path}.{name}": parameter.detach().clone()
            for component, found in self.modules.items()
            for path, module in found.items()
            for name, parameter in module.named_parameters(recurse=False)
        }

    def is_still(self, before: Mapping[str, Any]) -> bool:
        after = self.copy()
        return after.keys() == before.keys() and all(after[name].equal(before[name]) for name in before)


@pytest.fixture
def base_of(tiny_families: Callable[[str], Any]) -> Iterator[Callable[..., Base]]:
    """Family -> its base; that nothing is left changed in it is checked after each test."""
    made: list[tuple[Base, dict[str, Any]]] = []

    def make(family: str, **options: Any) -> Base:
        base = Base(tiny_families(family), family, **options)
        made.append((base, base.copy()))
        return base

    yield make
    assert all(base.is_still(before) for base, before in made)


def lora(file: Path, name: str, spelling: tuple[str, str], out: int, into: int) -> Floats:
    """Write a LoRA of rank 4 of one layer; its dW at weight 1."""
    down, up = random_floats(1, 4, into), random_floats(2, out, 4)
    tensors = {f"{name}.{spelling[0]}": down, f"{name}.{spelling[1]}": up}
    if spelling is KOHYA:
        tensors[f"{name}.alpha"] = np.array(2.0, np.float32)
    save_file(tensors, file)
    return up @ down * np.float32(0.5 if spelling is KOHYA else 1.0)


@pytest.mark.parametrize(("family", "name", "spelling", "component", "paths"), SPELLINGS)
def test_a_module_finds_its_layers_in_every_dialect(
    base_of: Callable[[str], Base],
    tmp_path: Path,
    family: str,
    name: str,
    spelling: tuple[str, str],
    component: str,
    paths: tuple[str, ...],
) -> None:
    from inference.engine.block_weights import everywhere

    base = base_of(family)
    weights = [base.weight(component, path) for path in paths]
    before = np.concatenate([weight.numpy().copy() for weight in weights])
    change = lora(tmp_path / "a.safetensors", name, spelling, *before.shape)
    fitted = base.patcher.load(tmp_path / "a.safetensors")
    assert fitted.components == (component,)
    with base.patcher.applied([(fitted, everywhere(0.5))]) as changed:
        after = np.concatenate([base.weight(component, path).numpy() for path in paths])
    assert changed == len(paths)
    np.testing.assert_allclose(after, before + 0.5 * change, atol=1e-6)


def test_halves_that_the_repository_keeps_the_other_way_round_are_swapped(
    base_of: Callable[[str], Base], tmp_path: Path
) -> None:
    """FLUX's last modulation is (shift, scale), diffusers' is (scale, shift)."""
    from inference.engine.block_weights import everywhere

    base = base_of("flux1")
    before = base.weight("transformer", "norm_out.linear").numpy().copy()
    name = "lora_unet_final_layer_adaLN_modulation_1"
    change = lora(tmp_path / "a.safetensors", name, KOHYA, *before.shape)
    half = len(before) // 2
    with base.patcher.applied([(base.patcher.load(tmp_path / "a.safetensors"), everywhere(1.0))]):
        after = base.weight("transformer", "norm_out.linear").numpy().copy()
    np.testing.assert_allclose(after[:half], before[:half] + change[half:], atol=1e-6)
    np.testing.assert_allclose(after[half:], before[half:] + change[:half], atol=1e-6)


def test_kohyas_rotations_of_the_parts_of_a_layer_are_those_of_its_parts(
    base_of: Callable[[str], Base], tiny_families: Callable[[str], Any], tmp_path: Path
) -> None:
    """sd-scripts keeps one stack of blocks for query, key and value each, of as many blocks."""
    import copy

    import torch
    from safetensors.torch import save_file as save_tensors

    from inference.engine.block_weights import everywhere
    from tests.inference import lycoris_layers

    base = base_of("flux1")
    paths = [f"{_FLUX}.to_{n}" for n in "qkv"]
    tensors: dict[str, Any] = {"oft_unet_double_blocks_1_img_attn_qkv.alpha": torch.tensor(0.02)}
    inputs, expected = torch.randn(3, 32, generator=torch.Generator().manual_seed(1)), []
    case = (lycoris_layers.LINEAR["oft"][0], {"lora_dim": 8, "constraint": 0.02})
    for number, path in enumerate(paths):
        layer = copy.deepcopy(tiny_families("flux1").transformer.get_submodule(path))
        theirs = lycoris_layers.trained(case, layer, seed=number)
        tensors[f"oft_unet_double_blocks_1_img_attn_qkv.oft_blocks.{number}"] = theirs.saved["oft_blocks"]
        expected.append(theirs.forward(inputs))
    save_tensors(tensors, tmp_path / "a.safetensors")
    with base.patcher.applied([(base.patcher.load(tmp_path / "a.safetensors"), everywhere(1.0))]):
        given = [base.modules["transformer"][path](inputs) for path in paths]
    for found, wanted in zip(given, expected, strict=True):
        torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-4)


def test_onetrainers_scaled_rotation_is_the_plain_one_of_a_smaller_generator(
    base_of: Callable[[str], Base], tmp_path: Path
) -> None:
    from inference.engine.block_weights import everywhere

    base, name = base_of("sd1"), f"lora_unet_{_FLAT}.oft_R"
    generator = random_floats(1, 8, 6, scale=0.05)
    plain, scaled = tmp_path / "plain.safetensors", tmp_path / "scaled.safetensors"
    save_file({f"{name}.weight": generator}, plain)
    # Blocks of 4: the generator is divided by 2 sqrt(3).
    larger = generator * np.float32(2 * 3**0.5)
    save_file({f"{name}.weight": larger, f"{name}.scaled_oft": np.array(True)}, scaled)
    found = []
    for file in (plain, scaled):
        with base.patcher.applied([(base.patcher.load(file), everywhere(1.0))]):
            found.append(base.weight("unet", f"{_BLOCK}.to_q").numpy().copy())
    np.testing.assert_allclose(found[0], found[1], atol=1e-6)
    assert not np.allclose(found[0], base.weight("unet", f"{_BLOCK}.to_q").numpy(), atol=1e-3)


def test_a_fused_and_a_split_adapter_add_up_in_the_layer_that_both_change(
    base_of: Callable[[str], Base], tmp_path: Path
) -> None:
    from inference.engine.block_weights import everywhere

    base, path = base_of("flux1"), f"{_FLUX}.to_k"
    before = base.weight("transformer", path).numpy().copy()
    fused = lora(tmp_path / "f.safetensors", "lora_unet_double_blocks_1_img_attn_qkv", KOHYA, 96, 32)
    split = lora(tmp_path / "s.safetensors", f"transformer.{path}", PEFT, 32, 32)
    adapters = [base.patcher.load(tmp_path / name) for name in ("f.safetensors", "s.safetensors")]
    with base.patcher.applied([(adapters[0], everywhere(0.7)), (adapters[1], everywhere(-0.4))]) as changed:
        after = base.weight("transformer", path).numpy().copy()
    assert changed == 3
    np.testing.assert_allclose(after, before + 0.7 * fused[32:64] - 0.4 * split, atol=2e-6)


def whole_lora(base: Base, family: str, file: Path) -> int:
    """A kohya LoRA of every linear layer and convolution of a UNet base; the number of its modules."""
    tensors: dict[str, Floats] = {}
    two = "text_encoder_2" in base.modules
    for component, found in base.modules.items():
        for path, module in found.items():
            shape = tuple(module.weight.shape)
            if len(shape) < 2 or "embeddings" in path or path == "text_projection":
                continue
            own = path if component == "unet" else f"text_model.{path.removeprefix('text_model.')}"
            name = kohya_module(component, own, two_encoders=two)
            tensors[f"{name}.lora_down.weight"] = random_floats(len(tensors), 2, *shape[1:], scale=0.1)
            ones = (1,) * (len(shape) - 2)
            tensors[f"{name}.lora_up.weight"] = random_floats(len(tensors), shape[0], 2, *ones, scale=0.1)
    save_file(tensors, file)
    return len(tensors) // 2


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("way", ["PointedAway", "WrittenOver"])
@pytest.mark.parametrize("family", ["sd1", "sdxl"])
def test_a_whole_adapter_is_taken_out_to_the_bit_in_every_precision(
    tmp_path: Path, family: str, way: str, dtype: str
) -> None:
    import torch

    from inference.engine import kept
    from inference.engine.block_weights import everywhere
    from tests.inference.tiny_families import COMPONENTS, tiny_pipeline_of

    pipeline = tiny_pipeline_of(family)
    for name in COMPONENTS:
        if (part := getattr(pipeline, name, None)) is not None:
            part.to(getattr(torch, dtype))
    keeps = kept.PointedAway() if way == "PointedAway" else kept.WrittenOver(pinned=False)
    base = Base(pipeline, family, kept=keeps)
    modules = whole_lora(base, family, tmp_path / "a.safetensors")
    fitted = base.patcher.load(tmp_path / "a.safetensors")
    # All the layers that sd-scripts trains, and the convolutions beside them.
    assert len(fitted.targets) == modules > {"sd1": 264, "sdxl": 986}[family]
    before = base.copy()
    for weight in (0.4, 1.0, -2.0, 0.4):
        with base.patcher.applied([(fitted, everywhere(weight))]) as changed:
            assert changed == modules
            assert not base.is_still(before)
        assert base.is_still(before)
    with base.patcher.applied([(fitted, everywhere(0.0))]) as changed:
        assert changed == 0
        assert base.is_still(before)
    overflowing = everywhere(1e39)
    with pytest.raises(NonFiniteAdapter), base.patcher.applied([(fitted, overflowing)]):
        pytest.fail("the block must not be entered")
    assert base.is_still(before)


def test_sgm_names_of_the_whole_of_sdxl_are_the_722_layers_of_sd_scripts(
    base_of: Callable[[str], Base], tmp_path: Path
) -> None:
    base = base_of("sdxl")
    tensors: dict[str, Floats] = {}
    for path, module in base.modules["unet"].items():
        if "attentions" not in path or "norm" in path:
            continue
        name = f"lora_unet_{sgm_path(path).replace('.', '_')}"
        tensors[f"{name}.lora_down.weight"] = np.zeros((1, module.weight.shape[1]), np.float32)
        tensors[f"{name}.lora_up.weight"] = np.zeros((module.weight.shape[0], 1), np.float32)
    save_file(tensors, tmp_path / "a.safetensors")
    fitted = base.patcher.load(tmp_path / "a.safetensors")
    assert len({target.path for target in fitted.targets}) == len(fitted.targets) == 722


@pytest.mark.parametrize(
    ("made_for", "name", "size", "loaded_into", "error"),
    [
        ("sd2", f"lora_unet_{_FLAT.replace('attn1_to_q', 'attn2_to_k')}", (32, 48), "sd1", WrongBase),
        ("sdxl", "lora_unet_middle_block_1_transformer_blocks_9_attn2_to_v", (32, 72), "sd1", NothingMatched),
        (
            "flux1",
            "transformer.single_transformer_blocks.0.proj_out",
            (32, 160),
            "sd3_medium",
            NothingMatched,
        ),
        ("flux1", "lora_unet_double_blocks_0_img_attn_qkv", (96, 32), "sd1", NothingMatched),
        ("sd1", f"lora_unet_{_FLAT}", (32, 32), "flux1", NothingMatched),
        ("flux1", "lora_unet_double_blocks_0_img_attn_qkv", (192, 64), "flux1", WrongBase),
        ("flux1", "lora_unet_double_blocks_18_img_attn_qkv", (96, 32), "flux1", NothingMatched),
    ],
)
def test_what_is_made_for_another_base_is_refused_before_any_pixel(
    base_of: Callable[[str], Base],
    tmp_path: Path,
    made_for: str,
    name: str,
    size: tuple[int, int],
    loaded_into: str,
    error: type[SheetRefused],
) -> None:
    spelling = PEFT if name.startswith("transformer.") else KOHYA
    lora(tmp_path / "a.safetensors", name, spelling, *size)
    with pytest.raises(error):
        base_of(loaded_into).patcher.load(tmp_path / "a.safetensors")


def test_one_layer_that_the_base_lacks_refuses_the_whole_file(
    base_of: Callable[[str], Base], tmp_path: Path
) -> None:
    names = [f"lora_unet_double_blocks_{n}_img_attn_proj" for n in (0, 7)]
    factors = {"lora_down.weight": random_floats(1, 4, 32), "lora_up.weight": random_floats(2, 32, 4)}
    tensors = {f"{name}.{factor}": array for name in names for factor, array in factors.items()}
    save_file(tensors, tmp_path / "a.safetensors")
    with pytest.raises(UnmatchedModules, match="1 of 2"):
        base_of("flux1").patcher.load(tmp_path / "a.safetensors")


def test_fewer_ranks_are_the_first_rows_at_the_scale_of_all(
    base_of: Callable[[str], Base], tmp_path: Path
) -> None:
    from inference.engine.block_weights import everywhere

    base = base_of("sd1")
    before = base.weight("unet", f"{_BLOCK}.to_q").numpy().copy()
    lora(tmp_path / "a.safetensors", f"lora_unet_{_FLAT}", KOHYA, 32, 32)
    down, up = random_floats(1, 4, 32), random_floats(2, 32, 4)
    fitted = base.patcher.load(tmp_path / "a.safetensors").truncated(2)
    with base.patcher.applied([(fitted, everywhere(1.0))]):
        after = base.weight("unet", f"{_BLOCK}.to_q").numpy().copy()
    np.testing.assert_allclose(after, before + up[:, :2] @ down[:2] * 0.5, atol=1e-6)


def test_words_learned_with_an_adapter_come_with_it(base_of: Callable[[str], Base], tmp_path: Path) -> None:
    file = tmp_path / "a.safetensors"
    vectors = random_floats(5, 2, 32)
    save_file(
        {
            f"lora_unet_{_FLAT}.lora_down.weight": random_floats(1, 4, 32),
            f"lora_unet_{_FLAT}.lora_up.weight": random_floats(2, 32, 4),
            "bundle_emb.ink.string_to_param.*": vectors,
            "<s1>": vectors[0],
        },
        file,
    )
    words = base_of("sd1").patcher.load(file).words["text_encoder"]
    np.testing.assert_array_equal(words["ink"].inputs.numpy(), vectors)
    np.testing.assert_array_equal(words["<s1>"].inputs.numpy(), vectors[:1])
