"""The patcher against PEFT itself: a file it saves makes of the base the layers that PEFT merges."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from torch import Tensor

pytestmark = pytest.mark.engine

_UNET = "mid_block.attentions.0.transformer_blocks.0"
LAYERS = {
    "sd1": [f"{_UNET}.attn1.to_q", f"{_UNET}.attn2.to_out.0", f"{_UNET}.ff.net.2"],
    "sdxl": [f"{_UNET}.attn2.to_v", "down_blocks.1.attentions.1.proj_in"],
    "sd3_medium": ["transformer_blocks.0.attn.to_q", "transformer_blocks.1.attn.add_k_proj"],
    "flux1": ["transformer_blocks.1.attn.to_out.0", "single_transformer_blocks.0.proj_mlp"],
}
CONVOLUTIONS = {"sd1": ["mid_block.resnets.0.conv1", "down_blocks.0.attentions.0.proj_in"]}
# name -> (PEFT's configuration, its options)
LINEAR: dict[str, tuple[str, dict[str, Any]]] = {
    "lora": ("LoraConfig", {"r": 4, "lora_alpha": 4}),
    "dora": ("LoraConfig", {"r": 4, "lora_alpha": 4, "use_dora": True}),
    "loha": ("LoHaConfig", {"r": 3, "alpha": 3}),
    "lokr": ("LoKrConfig", {"r": 2, "alpha": 2}),
    "oft": ("OFTConfig", {"oft_block_size": 4, "r": 0}),
    "oft with one block for all": ("OFTConfig", {"oft_block_size": 4, "r": 0, "block_share": True}),
    "ia3": ("IA3Config", {"feedforward_modules": []}),
    "ia3 on inputs": ("IA3Config", {"feedforward_modules": ["all"]}),
}
CONVOLUTION = {name: LINEAR[name] for name in ("lora", "dora", "loha", "lokr", "oft")}
BOFT = ("BOFTConfig", {"boft_block_size": 4, "boft_n_butterfly_factor": 2})


def trained(
    base: Any, config: tuple[str, dict[str, Any]], layers: list[str]
) -> tuple[Any, dict[str, Tensor]]:
    """A copy of the base with PEFT's adapter merged into it, and what PEFT saves."""
    import peft
    import torch

    name, options = config
    if options.get("feedforward_modules"):
        options = options | {"feedforward_modules": layers}
    torch.manual_seed(3)
    model = peft.get_peft_model(copy.deepcopy(base), getattr(peft, name)(target_modules=layers, **options))
    with torch.no_grad():
        for path, parameter in model.named_parameters():
            if parameter.requires_grad:
                # A rotation's generator stays small, as what PEFT trains does.
                scale = 0.05 if "oft" in path else 0.2
                parameter.add_(torch.randn_like(parameter) * scale)
    saved = {key: value.clone() for key, value in peft.get_peft_model_state_dict(model).items()}
    return model.eval().merge_and_unload(), saved


def check(pipeline: Any, family: str, layers: list[str], config: Any, file: Path) -> None:
    """Every layer becomes PEFT's, and then the base's again."""
    import torch
    from safetensors.torch import save_file

    from inference.engine.block_weights import everywhere
    from inference.engine.patcher import WeightPatcher
    from tests.inference.tiny_families import modules_of

    base = getattr(pipeline, "unet", None) or pipeline.transformer
    merged, saved = trained(base, config, layers)
    patcher = WeightPatcher(modules_of(pipeline), family)
    before = {name: value.clone() for name, value in base.state_dict().items()}
    # As PEFT saves it, and as diffusers names the same.
    component = "unet" if hasattr(pipeline, "unet") else "transformer"
    for prefix in ("base_model.model.", f"{component}."):
        save_file(
            {key.replace("base_model.model.", prefix): value.contiguous() for key, value in saved.items()},
            file,
        )
        with patcher.applied([(patcher.load(file), everywhere(1.0))]):
            for path in layers:
                ours, theirs = base.get_submodule(path), merged.get_submodule(path)
                assert not torch.allclose(ours.weight, before[f"{path}.weight"], atol=1e-3)
                torch.testing.assert_close(ours.weight.data, theirs.weight.data, atol=2e-6, rtol=1e-4)
                if theirs.bias is not None:
                    torch.testing.assert_close(ours.bias.data, theirs.bias.data, atol=2e-6, rtol=1e-4)
        after = base.state_dict()
        assert after.keys() == before.keys()
        assert all(after[name].equal(value) for name, value in before.items())


def test_a_bias_of_the_factors_reaches_a_layer_that_has_one_and_one_that_has_none(
    tiny_families: Callable[[str], Any], tmp_path: Path
) -> None:
    """PEFT cannot merge into a layer without a bias, so what its layers give is compared."""
    import peft
    import torch
    from safetensors.torch import save_file

    from inference.engine.block_weights import everywhere
    from inference.engine.patcher import WeightPatcher
    from tests.inference.tiny_families import modules_of

    pipeline = tiny_families("sd1")
    layers = [f"{_UNET}.attn1.to_q", f"{_UNET}.ff.net.2"]
    with warnings.catch_warnings():
        # That it cannot merge, and that a bias has no rank.
        warnings.simplefilter("ignore", peft.utils.warning.PeftWarning)
        config = peft.LoraConfig(target_modules=layers, r=4, lora_alpha=4, lora_bias=True)
        model = peft.get_peft_model(copy.deepcopy(pipeline.unet), config)
        with torch.no_grad():
            for path, parameter in model.named_parameters():
                if "lora_" in path:
                    parameter.add_(torch.randn_like(parameter) * 0.2)
        saved = {key: value.contiguous() for key, value in peft.get_peft_model_state_dict(model).items()}
    adapted: Any = model.base_model.model
    save_file(saved, tmp_path / "a.safetensors")
    patcher = WeightPatcher(modules_of(pipeline), "sd1")
    with patcher.applied([(patcher.load(tmp_path / "a.safetensors"), everywhere(1.0))]) as changed:
        assert changed == 4
        for path in layers:
            ours, theirs = pipeline.unet.get_submodule(path), adapted.get_submodule(path)
            inputs = torch.randn(3, ours.in_features)
            torch.testing.assert_close(ours(inputs), theirs.eval()(inputs), atol=1e-5, rtol=1e-4)
    assert pipeline.unet.get_submodule(layers[0]).bias is None


@pytest.mark.parametrize("family", LAYERS)
@pytest.mark.parametrize("algorithm", LINEAR)
def test_a_linear_layer_becomes_pefts(
    tiny_families: Callable[[str], Any], tmp_path: Path, family: str, algorithm: str
) -> None:
    check(tiny_families(family), family, LAYERS[family], LINEAR[algorithm], tmp_path / "a.safetensors")


@pytest.mark.parametrize("algorithm", CONVOLUTION)
def test_a_convolution_becomes_pefts(
    tiny_families: Callable[[str], Any], tmp_path: Path, algorithm: str
) -> None:
    file = tmp_path / "a.safetensors"
    check(tiny_families("sd1"), "sd1", CONVOLUTIONS["sd1"], CONVOLUTION[algorithm], file)


@pytest.mark.parametrize("family", LAYERS)
def test_a_layer_turned_by_a_butterfly_becomes_pefts(
    tiny_families: Callable[[str], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, family: str
) -> None:
    from tests.inference.peft_boft import chain_factors

    chain_factors(monkeypatch)
    check(tiny_families(family), family, LAYERS[family], BOFT, tmp_path / "a.safetensors")
