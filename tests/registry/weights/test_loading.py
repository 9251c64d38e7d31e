"""Loading: the same change comes out of every dialect, and what cannot be applied whole is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from registry.weights import IncompleteModule, iter_modules
from registry.weights.loading import load_adapter, load_adapter_modules
from tests.registry.weights import wild
from tests.registry.weights.files import write_arrays

Array = npt.NDArray[Any]
PATH = "mid_block.attentions.0.transformer_blocks.0.attn1.to_q"
FLAT = PATH.replace(".", "_")
SGM = "middle_block_1_transformer_blocks_0_attn1_to_q"
RNG = np.random.default_rng(3)


def numbers(*shape: int) -> Array:
    return RNG.standard_normal(shape).astype(np.float32)


DOWN, UP = numbers(4, 112), numbers(112, 4)
BLOCK, _, LAYER = PATH.rpartition(".")


@pytest.mark.parametrize(
    ("down", "up"),
    [
        (f"lora_unet_{FLAT}.lora_down.weight", f"lora_unet_{FLAT}.lora_up.weight"),
        (f"lora_unet_{SGM}.lora_down.weight", f"lora_unet_{SGM}.lora_up.weight"),
        (f"lycoris_{FLAT}.lora_down.weight", f"lycoris_{FLAT}.lora_up.weight"),
        (f"unet.{PATH}.lora_A.weight", f"unet.{PATH}.lora_B.weight"),
        (f"unet.{PATH}.lora_A.default.weight", f"unet.{PATH}.lora_B.default.weight"),
        (f"unet.{PATH}.lora.down.weight", f"unet.{PATH}.lora.up.weight"),
        (f"unet.{PATH}.lora_down.weight", f"unet.{PATH}.lora_up.weight"),
        (f"{PATH}.lora_A", f"{PATH}.lora_B"),
        (f"unet.base_model.model.{PATH}.lora_A.weight", f"unet.base_model.model.{PATH}.lora_B.weight"),
        (f"base_model.model.{PATH}.lora_A.weight", f"base_model.model.{PATH}.lora_B.weight"),
        (f"diffusion_model.{PATH}.lora_A.weight", f"diffusion_model.{PATH}.lora_B.weight"),
        (f"{BLOCK}.processor.{LAYER}_lora.down.weight", f"{BLOCK}.processor.{LAYER}_lora.up.weight"),
        (
            f"unet.{BLOCK}.processor.{LAYER}_lora.down.weight",
            f"unet.{BLOCK}.processor.{LAYER}_lora.up.weight",
        ),
        ("unet:135:down", "unet:135:up"),
        (f"lora_unet_unet_{FLAT}_lora_down.weight", f"lora_unet_unet_{FLAT}_lora_up.weight"),
    ],
)
def test_every_dialect_gives_the_same_layer_and_factors(tmp_path: Path, down: str, up: str) -> None:
    loaded = load_adapter_modules(write_arrays(tmp_path / "a.safetensors", {down: DOWN, up: UP}))
    assert list(loaded) == [f"unet.{PATH}"]
    tensors = loaded[f"unet.{PATH}"].tensors
    np.testing.assert_array_equal(tensors["down"], DOWN)
    np.testing.assert_array_equal(tensors["up"], UP)


@pytest.mark.parametrize(
    ("name", "metadata", "turns"),
    [
        (f"lora_unet_{FLAT}", {}, True),
        (f"base_model.model.{PATH}", {}, False),
        (f"unet.{PATH}", {}, False),
        (f"unet.{PATH}", {"ot_branch": "master"}, True),
    ],
)
def test_a_packed_rotation_tells_who_turned_the_kernels(
    tmp_path: Path, name: str, metadata: dict[str, str], turns: bool
) -> None:
    arrays = {f"{name}.oft_R.weight": numbers(4, 6)}
    path = write_arrays(tmp_path / "a.safetensors", arrays, metadata)
    (module,) = load_adapter_modules(path).values()
    assert module.turns_kernels is turns


def test_onetrainers_scaled_rotation_is_divided_as_onetrainer_does(tmp_path: Path) -> None:
    packed = numbers(4, 15)  # blocks of 6
    arrays = {
        f"lora_unet_{FLAT}.oft_R.weight": packed,
        f"lora_unet_{FLAT}.oft_R.scaled_oft": np.asarray(1, np.float32),
    }
    (module,) = load_adapter_modules(write_arrays(tmp_path / "a.safetensors", arrays)).values()
    np.testing.assert_allclose(module.tensors["r"], packed / (2 * 5**0.5), rtol=1e-6)


@pytest.mark.parametrize(
    ("trainer", "algorithm", "factors"),
    [
        (wild.lora_kohya, "lora", {"up", "down"}),
        (wild.dora_kohya, "lora", {"up", "down", "dora_scale"}),
        (wild.dora_peft, "lora", {"up", "down", "dora_scale"}),
        (wild.dora_ai_toolkit, "lora", {"up", "down", "dora_scale"}),
        (wild.lora_biased, "lora", {"up", "down", "up_bias"}),
        (wild.loha, "loha", {"w1_a", "w1_b", "w2_a", "w2_b"}),
        (wild.lokr_full, "lokr", {"w1", "w2"}),
        (wild.lokr_half, "lokr", {"w1", "w2_a", "w2_b"}),
        (wild.lokr_both, "lokr", {"w1_a", "w1_b", "w2_a", "w2_b", "dora_scale"}),
        (wild.ia3, "ia3", {"weight", "on_input"}),
        (wild.diag_oft, "oft", {"blocks", "rescale"}),
        (wild.oft_peft, "oft", {"r"}),
        (wild.oft_onetrainer, "oft", {"r"}),
        (wild.boft, "boft", {"blocks"}),
        (wild.glora, "glora", {"a1", "a2", "b1", "b2"}),
        (wild.full, "full", {"diff", "diff_b"}),
    ],
)
def test_each_algorithm_comes_under_its_factors_names(
    tmp_path: Path, trainer: wild.Trainer, algorithm: str, factors: set[str]
) -> None:
    arrays = {f"lora_unet_{FLAT}.{factor}": numbers(*shape) for factor, shape in trainer(128, 128).items()}
    (module,) = load_adapter_modules(write_arrays(tmp_path / "a.safetensors", arrays)).values()
    assert (module.algorithm, set(module.tensors), module.path) == (algorithm, factors, PATH)


def parts(prefix: str, alphas: list[float | None]) -> tuple[dict[str, Array], list[Array]]:
    """A fused layer of three parts, and the change of each."""
    arrays, changes = {}, []
    for n, alpha in enumerate(alphas):
        down, up = numbers(2 + n, 48), numbers(16, 2 + n)
        arrays |= {f"{prefix}.{n}.lora_down.weight": down, f"{prefix}.{n}.lora_up.weight": up}
        if alpha is not None:
            arrays[f"{prefix}.{n}.alpha"] = np.asarray(alpha, np.float32)
        changes.append(up @ down * (1.0 if not alpha else alpha / (2 + n)))
    return arrays, changes


def test_parts_of_a_fused_layer_make_one_change(tmp_path: Path) -> None:
    arrays, changes = parts("transformer.double_blocks.0.img_attn.qkv", [1.0, None, 8.0])
    path = write_arrays(tmp_path / "a.safetensors", arrays)
    (module,) = load_adapter_modules(path).values()
    assert (module.scale, module.tensors["up"].shape, module.tensors["down"].shape) == (1.0, (48, 9), (9, 48))
    np.testing.assert_allclose(
        module.tensors["up"] @ module.tensors["down"], np.concatenate(changes), rtol=1e-5, atol=1e-5
    )
    (facts,) = iter_modules(path)
    assert (facts.rank, facts.in_dim, facts.out_dim, facts.facts.parts) == (4, 48, 48, 3)


def test_parts_with_a_gap_are_not_applied(tmp_path: Path) -> None:
    arrays, _ = parts("transformer.double_blocks.0.img_attn.qkv", [1.0, 1.0, 1.0])
    left = {name: array for name, array in arrays.items() if ".qkv.1." not in name}
    with pytest.raises(IncompleteModule, match="parts of a layer"):
        load_adapter_modules(write_arrays(tmp_path / "a.safetensors", left))


@pytest.mark.parametrize(
    ("name", "vectors"),
    [
        ("bundle_emb.ink.emb_params", numbers()),
        ("<s1>", numbers(0)),
    ],
)
def test_a_learned_word_that_is_no_list_of_vectors_is_told(tmp_path: Path, name: str, vectors: Array) -> None:
    arrays = {f"unet.{PATH}.lora_A.weight": DOWN, f"unet.{PATH}.lora_B.weight": UP, name: np.asarray(vectors)}
    with pytest.raises(IncompleteModule, match="no list of vectors"):
        load_adapter(write_arrays(tmp_path / "a.safetensors", arrays))


def test_parts_of_very_unlike_ranks_cannot_fill_the_memory(tmp_path: Path) -> None:
    prefix = "transformer.double_blocks.0.img_attn.qkv"
    arrays = {
        f"{prefix}.0.lora_down.weight": numbers(1, 4),
        f"{prefix}.0.lora_up.weight": numbers(3000, 1),
        f"{prefix}.1.lora_down.weight": numbers(3000, 4),
        f"{prefix}.1.lora_up.weight": numbers(1, 3000),
    }
    with pytest.raises(IncompleteModule, match="unlike ranks"):
        load_adapter_modules(write_arrays(tmp_path / "a.safetensors", arrays))


@pytest.mark.engine
@pytest.mark.parametrize("feedforward", [False, True])
def test_pefts_ia3_is_read_as_what_is_added_to_one(tmp_path: Path, feedforward: bool) -> None:
    torch = pytest.importorskip("torch")
    peft = pytest.importorskip("peft")
    model = torch.nn.Sequential(torch.nn.Linear(6, 10, bias=False))
    weight = model[0].weight.detach().numpy().copy()
    config = peft.IA3Config(target_modules=["0"], feedforward_modules=["0"] if feedforward else [])
    adapted = peft.get_peft_model(model, config)
    stored = {}
    for name, tensor in peft.get_peft_model_state_dict(adapted).items():
        tensor.copy_(torch.from_numpy(numbers(*tensor.shape)))
        stored[name.replace("base_model.model.0", f"unet.{PATH}")] = tensor.numpy()
    (module,) = load_adapter_modules(write_arrays(tmp_path / "a.safetensors", stored)).values()
    merged = adapted.merge_and_unload()[0].weight.detach().numpy()
    factor = 1 + module.tensors["weight"]
    ours = weight * (factor if module.tensors["on_input"] else factor[:, None])
    assert bool(module.tensors["on_input"]) is feedforward
    np.testing.assert_allclose(ours, merged, rtol=1e-5, atol=1e-6)
