"""Rotations against the trainers themselves: older releases of PEFT, OneTrainer and kohya, whose layers are
kept in `data/rotations` as they made them (`make.py` there says how), and PEFT's BOFT as it runs here.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from inference.errors import UnsupportedAdapter, WrongBase

if TYPE_CHECKING:
    from torch import Tensor, nn

pytestmark = pytest.mark.engine

DATA = Path(__file__).parent / "data" / "rotations"
FILES = (
    "peft_013", "peft_013_shared", "peft_013_uneven", "peft_015", "peft_015_shared", "onetrainer",
    "onetrainer_shared", "onetrainer_scaled", "kohya", "kohya_bound", "kohya_flux",
)  # fmt: skip


def parts_of(name: str) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Tensor]]:
    """(base's weights by path, the trainer's file, the weights that the trainer makes) of one kept file."""
    from safetensors.torch import load_file

    found: dict[str, dict[str, Tensor]] = {"base": {}, "adapter": {}, "made": {}}
    for key, value in load_file(DATA / f"{name}.safetensors").items():
        kind, _, rest = key.partition(".")
        found[kind][rest if kind == "adapter" else rest.removesuffix(".weight")] = value
    return found["base"], found["adapter"], found["made"]


def layer_of(weight: Tensor) -> nn.Module:
    import torch

    outputs, inputs, *kernel = weight.shape
    layer: Any
    if kernel:
        layer = torch.nn.Conv2d(inputs, outputs, (kernel[0], kernel[1]))
    else:
        layer = torch.nn.Linear(inputs, outputs)
    layer.weight.data = weight.clone()
    return layer.requires_grad_(False)  # type: ignore[no-any-return]


def patched(base: dict[str, Tensor], adapter: dict[str, Tensor], tmp_path: Path) -> dict[str, Tensor]:
    """The base's weights with the adapter's file at 1.0."""
    from safetensors.torch import save_file

    from inference.engine.block_weights import everywhere
    from inference.engine.patcher import WeightPatcher

    component = "transformer" if "transformer_blocks" in next(iter(base))[:18] else "unet"
    layers = {path: layer_of(weight) for path, weight in base.items()}
    save_file(adapter, tmp_path / "a.safetensors")
    patcher = WeightPatcher({component: layers}, "flux1" if component == "transformer" else "sd1")
    with patcher.applied([(patcher.load(tmp_path / "a.safetensors"), everywhere(1.0))]):
        found = {path: weight_of(layer).clone() for path, layer in layers.items()}
    assert all(weight_of(layer).equal(base[path]) for path, layer in layers.items())
    return found


def weight_of(layer: nn.Module) -> Tensor:
    from torch import Tensor

    assert isinstance(layer.weight, Tensor)
    return layer.weight.data


def test_every_kept_file_is_tried() -> None:
    assert {path.stem for path in DATA.glob("*.safetensors")} == set(FILES)


@pytest.mark.parametrize("name", FILES)
def test_a_layer_becomes_what_its_trainer_made_of_it(tmp_path: Path, name: str) -> None:
    import torch

    base, adapter, made = parts_of(name)
    found = patched(base, adapter, tmp_path)
    for path, weight in made.items():
        assert not torch.allclose(weight, base[path], atol=1e-2)
        torch.testing.assert_close(found[path], weight, atol=3e-6, rtol=1e-4, msg=f"{name}: {path}")


# --- PEFT's BOFT ---


@pytest.mark.parametrize(
    ("factors", "size"), [(1, 4), (1, 3), (2, 4), (3, 2), (4, 2)], ids=lambda number: str(number)
)
def test_a_layer_becomes_what_pefts_boft_makes_of_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, factors: int, size: int
) -> None:
    import peft
    import torch

    from tests.inference.peft_boft import chain_factors

    chain_factors(monkeypatch)
    block = "mid_block.attentions.0"
    layers: dict[str, Any] = {
        f"{block}.transformer_blocks.0.attn1.to_q": torch.nn.Linear(48, 20),
        f"{block}.proj_in": torch.nn.Conv2d(48, 20, 1),
        "mid_block.resnets.0.conv1": torch.nn.Conv2d(16, 20, 3, padding=1),
    }
    base = {path: layer.weight.data.clone() for path, layer in layers.items()}
    torch.manual_seed(5)
    config = peft.BOFTConfig(
        target_modules=list(layers), boft_block_size=size, boft_n_butterfly_factor=factors, init_weights=False
    )
    model = peft.get_peft_model(tree(layers), config)
    saved = {key: value.contiguous() for key, value in peft.get_peft_model_state_dict(model).items()}
    assert {value.shape[0] for key, value in saved.items() if key.endswith("boft_R")} == {factors}
    found = patched(base, saved, tmp_path)
    whole: Any = model.merge_and_unload()
    for path, weight in base.items():
        made = whole.get_submodule(path).weight.data
        assert not torch.allclose(made, weight, atol=1e-2)
        torch.testing.assert_close(found[path], made, atol=3e-6, rtol=1e-4, msg=path)


def tree(layers: dict[str, nn.Module]) -> nn.Module:
    """A model with these layers under their dotted paths."""
    from torch import nn

    root = nn.Module()
    for path, layer in layers.items():
        here = root
        *outer, last = path.split(".")
        for part in outer:
            if part not in here._modules:
                here.add_module(part, nn.Module())
            here = here.get_submodule(part)
        here.add_module(last, layer)
    return root


# --- What does not fit ---


@pytest.mark.parametrize(
    ("name", "shape", "told"),
    [
        ("peft_013", (30, 16), "turns 24 outputs"),
        ("peft_013_uneven", (31, 16), "turns 25 outputs"),
        ("peft_015", (24, 20), "turns 16 inputs"),
        ("peft_015_shared", (30, 16), "scales 24 outputs"),
        ("onetrainer", (24, 20), "turns 16 inputs"),
        ("kohya", (30, 16), "turns 24 outputs"),
    ],
)
def test_a_rotation_of_another_layer_is_refused(
    tmp_path: Path, name: str, shape: tuple[int, int], told: str
) -> None:
    import torch

    base, adapter, _ = parts_of(name)
    path = next(path for path in base if path.endswith("to_q"))
    only = {key: value for key, value in adapter.items() if "to_q" in key}
    with pytest.raises(WrongBase, match=told):
        patched({path: torch.zeros(shape)}, only, tmp_path)


def test_a_butterfly_that_cannot_be_paired_is_refused(tmp_path: Path) -> None:
    import torch

    path = "mid_block.attentions.0.transformer_blocks.0.attn1.to_q"
    adapter = {
        f"base_model.model.{path}.boft_R": torch.zeros(3, 6, 2, 2),
        f"base_model.model.{path}.boft_s": torch.ones(8, 1),
    }
    with pytest.raises(WrongBase, match="not a butterfly"):
        patched({path: torch.zeros(8, 12)}, adapter, tmp_path)


@pytest.mark.parametrize("shape", [(0, 1, 1), (0, 6, 6), (1, 0, 2), (0, 15), (2, 0), (0,), ()])
def test_rotations_of_nothing_are_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    import torch

    from registry.weights import WeightsError

    path = "mid_block.attentions.0.transformer_blocks.0.attn1.to_q"
    for marker in ({}, {f"unet.{path}.oft_R.scaled_oft": torch.ones(1)}):
        adapter = {f"unet.{path}.oft_R.weight": torch.zeros(shape), **marker}
        with pytest.raises((WrongBase, UnsupportedAdapter, WeightsError)):
            patched({path: torch.zeros(8, 12)}, adapter, tmp_path)
