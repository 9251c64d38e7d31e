"""Families under chance: what holds for any part of any adapter, in any order, whatever its metadata says."""

from __future__ import annotations

from functools import cache
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from registry.weights.families import FamilyReading, read_family
from registry.weights.header import Header, TensorInfo
from registry.weights.inspection import file_dialect
from registry.weights.layer_table import layer_table, template
from registry.weights.modules import ModuleFacts, group_modules
from tests.registry.weights.files import Shapes, flux_bfl, kohya_file, peft_file, unet_attention
from tests.registry.weights.reference_models import layers_in, recorded

# ComfyUI calls HunyuanVideo's layers as FLUX's are called; no known trainer does, so a part of a file with
# those names reads as FLUX.1 (the whole does not: it has more blocks).
MODELS = {
    model["name"]: model
    for model in recorded()
    if model["family"] != "unknown" and model["name"] != "hunyuan_video of comfyui"
}
PREFIX = {"native": "diffusion_model.", "diffusers": "transformer."}
UNETS = {
    "sd1": kohya_file(unet_attention((320, 640, 1280, 1280), 768)),
    "sd2": kohya_file(unet_attention((320, 640, 1280, 1280), 1024)),
    "toybox": peft_file(unet_attention((48, 80, 96, 112), 64, 1), "unet."),
}
names = st.sampled_from([*MODELS, *UNETS])
claims = st.sampled_from([None, "sd1", "sdxl", "ssd1b", "flux1", "chroma", "qwen_image", "wan_14b", "toybox"])
trainers = st.sampled_from([None, "ai-toolkit", "sd-scripts", "OneTrainer", "diffusers"])


def modules_of(shapes: Shapes) -> list[ModuleFacts]:
    tensors = {name: TensorInfo("F16", shape, 0, 0) for name, shape in shapes.items()}
    return group_modules(Header(tensors=tensors, metadata={}, length=0))[0]


@cache
def whole(name: str) -> tuple[str, list[ModuleFacts]]:
    if name in UNETS:
        return name, modules_of(UNETS[name])
    model = MODELS[name]
    return model["family"], modules_of(peft_file(layers_in(model), PREFIX[model["names"]]))


def read(modules: list[ModuleFacts], **stated: Any) -> FamilyReading:
    return read_family(modules, file_dialect(modules), **stated)


def part(draw: st.DrawFn, modules: list[ModuleFacts]) -> list[ModuleFacts]:
    """Some of the modules: a few of them, or most."""
    chosen = draw(st.sets(st.integers(0, len(modules) - 1), min_size=1, max_size=12))
    if draw(st.booleans()) and len(chosen) < len(modules):
        return [m for n, m in enumerate(modules) if n not in chosen]
    return [m for n, m in enumerate(modules) if n in chosen]


@settings(max_examples=300, deadline=None)
@given(names, st.data())
def test_a_part_of_an_adapter_is_never_of_another_family(name: str, data: st.DataObject) -> None:
    family, modules = whole(name)
    got = read(data.draw(st.composite(part)(modules)))
    allowed = {family, {"chroma": "flux1"}.get(family, family)}
    assert allowed & {got.family, *got.candidates}
    assert got.family in allowed | {"unknown"}


@settings(max_examples=300, deadline=None)
@given(names, st.data(), st.integers(2, 9))
def test_a_layer_of_another_size_refutes_the_family(name: str, data: st.DataObject, times: int) -> None:
    family, modules = whole(name)
    some = data.draw(st.composite(part)(modules))
    odd = data.draw(st.sampled_from(some))
    in_dim, out_dim = odd.in_dim, odd.out_dim
    layers = layer_table().get(template(odd.where.flat)[0], [])
    # Tables of embeddings may have any size.
    assume(all(layer.in_dim or layer.out_dim for layer in layers))
    # A prime number of times as wide as the layer, both ways: no table has that.
    wrong = {
        f"{odd.name}.lora_A.weight": (4, (in_dim or 0) * 7919 + times),
        f"{odd.name}.lora_B.weight": ((out_dim or 0) * 7919 + times, 4),
    }
    got = read([m for m in some if m is not odd] + modules_of(wrong))
    assert got.family != family


@settings(max_examples=150, deadline=None)
@given(names, st.data())
def test_the_order_of_the_layers_is_irrelevant(name: str, data: st.DataObject) -> None:
    some = data.draw(st.composite(part)(whole(name)[1]))
    first, second = read(some), read(data.draw(st.permutations(some)))
    assert (first.family, first.candidates) == (second.family, second.candidates)


@settings(max_examples=300, deadline=None)
@given(names, st.data(), claims, trainers)
def test_metadata_never_changes_what_the_layers_decide(
    name: str, data: st.DataObject, declared: str | None, trainer: str | None
) -> None:
    some = data.draw(st.composite(part)(whole(name)[1]))
    alone, stated = read(some), read(some, declared=declared, trainer=trainer)
    if alone.family != "unknown":
        assert stated.family in {alone.family, declared}
        # Only a sub-family, which has the very layers, may take its family's place.
        assert stated.family == alone.family or (alone.family, stated.family) in {
            ("flux1", "chroma"),
            ("sdxl", "ssd1b"),
        }
    else:
        assert stated.family == "unknown" or trainer == "ai-toolkit" or declared in ("chroma", "ssd1b")
        assert {stated.family, *stated.candidates} - {"unknown"} <= {*alone.candidates, "chroma", "ssd1b"}


@settings(max_examples=100, deadline=None)
@given(
    st.integers(19, 10**9), st.sampled_from(["double_blocks.{}.img_attn.qkv", "double_blocks.{}.img_mlp.0"])
)
def test_a_block_past_the_last_refutes_flux(number: int, path: str) -> None:
    layers = flux_bfl() | {path.format(number): (3072, 9216 if "qkv" in path else 12288)}
    assert read(modules_of(peft_file(layers, "diffusion_model."))).family != "flux1"
