"""The patcher against LyCORIS itself: a file it saves, in any dialect, makes the base give what it gave."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from torch import Tensor, nn

pytestmark = pytest.mark.engine

UNETS, TRANSFORMERS = ("sd1", "sd2", "sdxl"), ("sd3_medium", "sd35_medium", "flux1")
_MIDDLE = "mid_block.attentions.0.transformer_blocks.0"
# family -> where a file says it adapts (as its own repository names it) -> the base's layers, in order.
PLACES: dict[str, dict[str, list[str]]] = {
    "sd1": {f"{_MIDDLE}.{leaf}": [f"{_MIDDLE}.{leaf}"] for leaf in ("attn1.to_q", "attn2.to_k", "ff.net.2")},
    "sd2": {"mid_block.attentions.0.proj_in": ["mid_block.attentions.0.proj_in"]},
    "sdxl": {
        "middle_block.1.transformer_blocks.9.attn2.to_v": [
            "mid_block.attentions.0.transformer_blocks.9.attn2.to_v"
        ],
        "input_blocks.4.1.proj_in": ["down_blocks.1.attentions.0.proj_in"],
    },
    "sd3_medium": {
        "joint_blocks.0.x_block.attn.qkv": [f"transformer_blocks.0.attn.to_{n}" for n in "qkv"],
        "joint_blocks.1.context_block.attn.qkv": [f"transformer_blocks.1.attn.add_{n}_proj" for n in "qkv"],
        "joint_blocks.1.x_block.mlp.fc1": ["transformer_blocks.1.ff.net.0.proj"],
    },
    "sd35_medium": {
        "joint_blocks.1.x_block.attn2.qkv": [f"transformer_blocks.1.attn2.to_{n}" for n in "qkv"]
    },
    "flux1": {
        "double_blocks.1.img_attn.qkv": [f"transformer_blocks.1.attn.to_{n}" for n in "qkv"],
        "double_blocks.0.txt_attn.qkv": [f"transformer_blocks.0.attn.add_{n}_proj" for n in "qkv"],
        "single_blocks.1.linear1": [
            *(f"single_transformer_blocks.1.attn.to_{n}" for n in "qkv"),
            "single_transformer_blocks.1.proj_mlp",
        ],
        "single_blocks.0.linear2": ["single_transformer_blocks.0.proj_out"],
    },
}  # fmt: skip
CONVOLUTIONS = {
    "sd1": ("down_blocks.1.resnets.0.conv2", "down_blocks.1.resnets.0.conv2"),
    "sd2": ("up_blocks.0.upsamplers.0.conv", "up_blocks.0.upsamplers.0.conv"),
    "sdxl": ("input_blocks.3.0.op", "down_blocks.0.downsamplers.0.conv"),
}
# dialect -> (what goes before the name, whether it keeps its dots)
SPELLINGS = {
    "kohya": ("lora_unet_", False), "LyCORIS": ("lycoris_", False), "ComfyUI": ("diffusion_model.", True),
    "bare": ("", True),
}  # fmt: skip


# As `lycoris_layers` has them; LyCORIS itself is imported only when a test runs.
LINEAR = (
    "lora", "lora with rank-stabilized scale", "dora by outputs", "dora by inputs", "loha", "loha and dora",
    "lokr of two whole factors", "lokr of a whole and a thin factor", "lokr of two thin factors",
    "lokr and dora", "ia3 on outputs", "ia3 on inputs", "oft", "oft with bound and rescaling", "boft",
    "boft with bound and rescaling", "glora", "full difference",
)  # fmt: skip
CONVOLUTION = (
    *(name for name in LINEAR if "thin" not in name), "locon in CP form", "locon in CP form and dora",
    "loha in CP form", "lokr with a thin factor", "lokr in CP form",
)  # fmt: skip


def as_the_file_sees_it(base: nn.Module, paths: list[str]) -> Any:
    """One layer with the weights of these layers one below the other."""
    import torch

    layers: list[Any] = [base.get_submodule(path) for path in paths]
    if len(layers) == 1:
        return copy.deepcopy(layers[0])
    whole = torch.nn.Linear(layers[0].in_features, sum(layer.out_features for layer in layers))
    whole.weight.data = torch.cat([layer.weight for layer in layers])
    whole.bias.data = torch.cat([layer.bias for layer in layers])
    return whole.requires_grad_(False)


def denoiser(pipeline: Any) -> Any:
    return getattr(pipeline, "unet", None) or pipeline.transformer


def check(
    pipeline: Any, family: str, place: str, paths: list[str], case: Any, tmp_path: Path, inputs: Tensor
) -> None:
    """LyCORIS adapts the layer, the file is written in every dialect, and the base's layers give the same."""
    import torch
    from safetensors.torch import save_file

    from inference.engine.patcher import WeightPatcher
    from tests.inference.lycoris_layers import trained
    from tests.inference.tiny_families import modules_of

    base = denoiser(pipeline)
    layer = as_the_file_sees_it(base, paths)
    plain = layer(inputs)
    theirs = trained(case, layer, seed=len(place))
    expected = theirs.forward(inputs)
    assert not torch.allclose(expected, plain, atol=1e-2)
    own = [base.get_submodule(path).weight.clone() for path in paths]
    patcher = WeightPatcher(modules_of(pipeline), family)
    for prefix, dotted in SPELLINGS.values():
        name = prefix + (place if dotted else place.replace(".", "_"))
        file = tmp_path / "adapter.safetensors"
        save_file({f"{name}.{suffix}": value.contiguous() for suffix, value in theirs.saved.items()}, file)
        with patcher.applied([(patcher.load(file), lambda component, path: 1.0)]):
            given = [base.get_submodule(path)(inputs) for path in paths]
        found = given[0] if len(given) == 1 else torch.cat(given, dim=-1)
        torch.testing.assert_close(found, expected, atol=2e-5, rtol=1e-4, msg=name)
        assert all(base.get_submodule(p).weight.equal(w) for p, w in zip(paths, own, strict=True))


def test_every_layer_that_lycoris_trains_here_is_tried() -> None:
    from tests.inference import lycoris_layers

    assert set(LINEAR) == set(lycoris_layers.LINEAR)
    assert set(CONVOLUTION) == set(lycoris_layers.CONVOLUTION)


@pytest.mark.parametrize("family", [*UNETS, *TRANSFORMERS])
@pytest.mark.parametrize("algorithm", LINEAR)
def test_a_linear_layer_gives_what_it_gave_in_lycoris(
    tiny_families: Callable[[str], Any], tmp_path: Path, family: str, algorithm: str
) -> None:
    import torch

    from tests.inference import lycoris_layers

    pipeline = tiny_families(family)
    for place, paths in PLACES[family].items():
        layer: Any = denoiser(pipeline).get_submodule(paths[0])
        shape = (3, layer.weight.shape[1], 2, 2) if layer.weight.dim() == 4 else (5, layer.weight.shape[1])
        inputs = torch.randn(shape, generator=torch.Generator().manual_seed(1))
        check(pipeline, family, place, paths, lycoris_layers.LINEAR[algorithm], tmp_path, inputs)


@pytest.mark.parametrize("family", UNETS)
@pytest.mark.parametrize("algorithm", CONVOLUTION)
def test_a_convolution_gives_what_it_gave_in_lycoris(
    tiny_families: Callable[[str], Any], tmp_path: Path, family: str, algorithm: str
) -> None:
    import torch

    from tests.inference import lycoris_layers

    pipeline = tiny_families(family)
    place, path = CONVOLUTIONS[family]
    channels = denoiser(pipeline).get_submodule(path).weight.shape[1]
    inputs = torch.randn((2, channels, 6, 6), generator=torch.Generator().manual_seed(1))
    check(pipeline, family, place, [path], lycoris_layers.CONVOLUTION[algorithm], tmp_path, inputs)


@pytest.mark.parametrize(
    ("family", "place", "path"),
    [
        ("sd1", f"{_MIDDLE}.norm2", f"{_MIDDLE}.norm2"),
        ("sdxl", "input_blocks.4.1.norm", "down_blocks.1.attentions.0.norm"),
    ],
)
def test_a_norm_gives_what_it_gave_in_lycoris(
    tiny_families: Callable[[str], Any], tmp_path: Path, family: str, place: str, path: str
) -> None:
    import torch

    from tests.inference.lycoris_layers import NORM

    pipeline = tiny_families(family)
    inputs = torch.randn((2, 32, 32), generator=torch.Generator().manual_seed(1))
    check(pipeline, family, place, [path], NORM, tmp_path, inputs)


# family -> a fused layer as its own repository names it -> the base's layers that are its parts, in order.
FUSED = {
    "flux1": ("double_blocks.1.img_attn.qkv", PLACES["flux1"]["double_blocks.1.img_attn.qkv"]),
    "sd3_medium": (
        "joint_blocks.0.x_block.attn.qkv",
        PLACES["sd3_medium"]["joint_blocks.0.x_block.attn.qkv"],
    ),
}


@pytest.mark.parametrize("family", FUSED)
@pytest.mark.parametrize("algorithm", LINEAR)
def test_parts_of_a_fused_layer_give_what_they_gave_in_lycoris(
    tiny_families: Callable[[str], Any], tmp_path: Path, family: str, algorithm: str
) -> None:
    """As OneTrainer names them in the words of a model's own repository: `qkv.0`, `qkv.1` ..."""
    import torch
    from safetensors.torch import save_file

    from inference.engine.patcher import WeightPatcher
    from tests.inference import lycoris_layers
    from tests.inference.tiny_families import modules_of

    pipeline = tiny_families(family)
    base, (name, paths) = denoiser(pipeline), FUSED[family]
    inputs = torch.randn((5, base.get_submodule(paths[0]).in_features))
    saved, expected = {}, []
    for number, path in enumerate(paths):
        layer = as_the_file_sees_it(base, [path])
        theirs = lycoris_layers.trained(lycoris_layers.LINEAR[algorithm], layer, seed=number)
        saved |= {f"diffusion_model.{name}.{number}.{key}": value for key, value in theirs.saved.items()}
        expected.append(theirs.forward(inputs))
    save_file({key: value.contiguous() for key, value in saved.items()}, tmp_path / "a.safetensors")
    patcher = WeightPatcher(modules_of(pipeline), family)
    with patcher.applied([(patcher.load(tmp_path / "a.safetensors"), lambda component, path: 1.0)]):
        given = [base.get_submodule(path)(inputs) for path in paths]
    for path, found, truth in zip(paths, given, expected, strict=True):
        torch.testing.assert_close(found, truth, atol=2e-5, rtol=1e-4, msg=path)
