"""The weight patcher: what it puts in is the truth, and what it leaves behind is the base."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inference.errors import NonFiniteAdapter, NothingMatched, UnmatchedModules, UnsupportedAdapter, WrongBase
from registry.weights.loading import ModuleTensors
from tests.inference import adapters
from tests.inference.adapters import BLOCK, LINEAR, PROJECTION, TEXT, Sample, random_floats

if TYPE_CHECKING:
    from inference.engine.ladder import Engine

pytestmark = pytest.mark.engine

ALGORITHMS: dict[str, Callable[[], Sample]] = {
    "lora": adapters.lora,
    "lora without alpha": lambda: adapters.lora(alpha=None),
    "lora on a 1x1 convolution": lambda: adapters.lora(PROJECTION),
    "lora of the text encoder": lambda: adapters.lora(TEXT, component="text_encoder"),
    "locon": adapters.locon,
    "locon without alpha": lambda: adapters.locon(None),
    "locon in CP form": adapters.cp_locon,
    "loha": adapters.loha,
    "loha of a convolution": adapters.loha_convolution,
    "loha with cores": adapters.loha_tucker,
    "lokr": adapters.lokr,
    "lokr with a decomposed factor": adapters.lokr_decomposed,
    "lokr of a convolution": adapters.lokr_convolution,
    "full difference": adapters.full,
}


def weight_of(engine: Engine, tensors: ModuleTensors) -> Any:
    """The base's parameter that a module changes."""
    part = {"unet": engine.base.denoiser, "text_encoder": engine.base.text_encoders["text_encoder"]}[
        tensors.component
    ]
    return part.get_submodule(tensors.path.removeprefix("text_model.")).weight


def as_file(*samples: Sample) -> dict[str, ModuleTensors]:
    """What the reader of weights gives for a file of these modules."""
    return {sample.tensors.name: sample.tensors for sample in samples}


@pytest.mark.parametrize("name", ALGORITHMS)
def test_the_patched_weight_is_the_truth_of_its_algorithm(engine: Engine, name: str) -> None:
    from inference.engine.block_weights import everywhere

    sample = ALGORITHMS[name]()
    weight = weight_of(engine, sample.tensors)
    before = weight.detach().clone()
    with engine.patcher.applied([(engine.patcher.fit(as_file(sample)), everywhere(0.7))]) as changed:
        assert changed == 1
        expected = before.double().numpy() + 0.7 * sample.truth.reshape(tuple(before.shape))
        np.testing.assert_allclose(weight.numpy(), expected, atol=2e-6)
        assert not np.allclose(weight.numpy(), before.numpy(), atol=1e-3)
    assert weight.equal(before)


@pytest.mark.parametrize("by_output", [True, False])
@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_dora_moves_the_weight_along_the_line_to_its_renormed_self(
    engine: Engine, by_output: bool, strength: float
) -> None:
    from inference.engine.block_weights import everywhere

    weight = engine.base.denoiser.get_submodule(LINEAR).weight
    before = weight.detach().clone()
    sample = adapters.dora(before.numpy(), by_output=by_output)
    with engine.patcher.applied([(engine.patcher.fit(as_file(sample)), everywhere(strength))]):
        np.testing.assert_allclose(weight.numpy(), before.numpy() + strength * sample.truth, atol=1e-5)


def test_a_dora_scale_equal_to_the_rows_norms_changes_nothing(engine: Engine) -> None:
    from inference.engine.block_weights import everywhere

    weight = engine.base.denoiser.get_submodule(LINEAR).weight
    norms = weight.detach().norm(dim=1).numpy()
    factors = {"up": np.zeros((8, 4), np.float32), "down": random_floats(1, 4, 16), "dora_scale": norms}
    fitted = engine.patcher.fit({"m": adapters.module(LINEAR, "lora", factors, 4.0)})
    before = weight.detach().clone()
    with engine.patcher.applied([(fitted, everywhere(1.0))]):
        np.testing.assert_allclose(weight.numpy(), before.numpy(), atol=1e-6)


def test_two_adapters_add_up(engine: Engine) -> None:
    from inference.engine.block_weights import everywhere

    first, second = adapters.lora(seed=1), adapters.loha()
    fit, weight = engine.patcher.fit, engine.base.denoiser.get_submodule(LINEAR).weight
    before = weight.detach().double().numpy().copy()
    both = [(fit(as_file(first)), everywhere(0.8)), (fit(as_file(second)), everywhere(-0.5))]
    with engine.patcher.applied(both):
        np.testing.assert_allclose(weight.numpy(), before + 0.8 * first.truth - 0.5 * second.truth, atol=2e-6)


def test_each_module_can_have_its_own_weight(engine: Engine) -> None:
    linear, projection = adapters.lora(), adapters.lora(PROJECTION)
    fitted = engine.patcher.fit(as_file(linear, projection))
    layer = engine.base.denoiser.get_submodule(PROJECTION).weight
    untouched = layer.detach().clone()
    with engine.patcher.applied([(fitted, lambda component, path: 0.0 if path == PROJECTION else 1.0)]):
        assert layer.equal(untouched)
        assert not engine.base.denoiser.get_submodule(LINEAR).weight.equal(untouched)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(weights=st.lists(st.floats(-4, 4), min_size=1, max_size=6))
def test_any_ladder_of_weights_ends_where_it_began(engine: Engine, weights: list[float]) -> None:
    from inference.engine.block_weights import everywhere

    samples = (adapters.lora(), adapters.locon(), adapters.lora(TEXT, component="text_encoder"))
    fitted = engine.patcher.fit(as_file(*samples))
    before = [weight_of(engine, sample.tensors).detach().clone() for sample in samples]
    for weight in weights:
        with engine.patcher.applied([(fitted, everywhere(weight))]):
            pass
    assert all(weight_of(engine, s.tensors).equal(b) for s, b in zip(samples, before, strict=True))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_is_restored_to_the_bit_too(tiny_base: Any, dtype: str) -> None:
    import torch

    from inference.engine.block_weights import everywhere
    from inference.engine.loading import load_base
    from inference.engine.patcher import WeightPatcher

    base = load_base(tiny_base)
    base.denoiser.to(getattr(torch, dtype))
    weight = base.denoiser.get_submodule(LINEAR).weight
    before = weight.detach().clone()
    patcher = WeightPatcher(base.modules)
    fitted = patcher.fit(as_file(adapters.lora()))
    for _ in range(5):
        with patcher.applied([(fitted, everywhere(0.9))]):
            assert not weight.equal(before)
    assert weight.equal(before)


def test_the_base_is_restored_when_rendering_breaks(engine: Engine) -> None:
    from inference.engine.block_weights import everywhere

    fitted = engine.patcher.fit(as_file(adapters.lora()))
    weight = engine.base.denoiser.get_submodule(LINEAR).weight
    before = weight.detach().clone()
    with pytest.raises(ZeroDivisionError), engine.patcher.applied([(fitted, everywhere(1.0))]):
        raise ZeroDivisionError
    assert weight.equal(before)


def test_an_overflowing_change_is_refused_and_leaves_the_base_alone(engine: Engine) -> None:
    from inference.engine.block_weights import everywhere

    huge = {"up": np.full((8, 4), 1e30, np.float32), "down": np.full((4, 16), 1e30, np.float32)}
    good = adapters.lora(PROJECTION)
    fitted = engine.patcher.fit({**as_file(good), "m": adapters.module(LINEAR, "lora", huge)})
    with pytest.raises(NonFiniteAdapter), engine.patcher.applied([(fitted, everywhere(1.0))]):
        pytest.fail("the block must not be entered")


def test_other_shapes_are_a_wrong_base_and_the_message_shows_both(engine: Engine) -> None:
    factors = {"up": random_floats(1, 320, 4), "down": random_floats(2, 4, 768)}
    with pytest.raises(WrongBase, match=r"\[320, 768\] in the adapter and \[8, 16\] in the base"):
        engine.patcher.fit({"m": adapters.module(LINEAR, "lora", factors)})


def test_an_adapter_without_a_single_known_module_is_refused(engine: Engine) -> None:
    sample = adapters.lora()
    flux = replace(sample.tensors, path="transformer_blocks.0.attn.to_q", component="transformer")
    with pytest.raises(NothingMatched):
        engine.patcher.fit({"m": flux})


def test_one_unmatched_module_refuses_the_whole_adapter(engine: Engine) -> None:
    sample = adapters.lora()
    missing = replace(sample.tensors, path=f"{BLOCK}.attn9.to_k")
    with pytest.raises(UnmatchedModules, match="1 of 2"):
        engine.patcher.fit({**as_file(sample), "unet.attn9": missing})


def test_nan_in_a_factor_is_refused_before_any_pixel(engine: Engine) -> None:
    sample = adapters.lora()
    sample.tensors.tensors["up"][0, 0] = np.nan
    with pytest.raises(NonFiniteAdapter, match="factor up"):
        engine.patcher.fit(as_file(sample))


@pytest.mark.parametrize(
    ("algorithm", "factors"),
    [("vera", {"lambda_b": random_floats(1, 8)}), ("lora", {"up": random_floats(1, 8, 4)})],
)
def test_what_has_no_formula_is_refused(engine: Engine, algorithm: str, factors: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedAdapter):
        engine.patcher.fit({"m": adapters.module(LINEAR, algorithm, factors)})


def test_a_factor_no_formula_uses_is_refused_rather_than_dropped(engine: Engine) -> None:
    sample = adapters.lora()
    sample.tensors.tensors["t1"] = random_floats(1, 8)
    with pytest.raises(UnsupportedAdapter, match="t1"):
        engine.patcher.fit(as_file(sample))


def test_diffusers_agrees_where_diffusers_is_right(engine: Engine) -> None:
    """A plain LoRA with one alpha for all modules is what diffusers loads correctly."""
    import torch

    from inference.engine.block_weights import everywhere
    from tests.inference.tiny import tiny_pipeline

    paths = [f"{BLOCK}.attn{n}.{name}" for n in (1, 2) for name in ("to_q", "to_out.0")]
    modules, state = {}, {}
    for number, path in enumerate(paths):
        size_out, size_in = engine.base.denoiser.get_submodule(path).weight.shape
        up, down = random_floats(number, size_out, 4), random_floats(number + 50, 4, size_in)
        modules[path] = adapters.module(path, "lora", {"up": up, "down": down})
        state[f"unet.{path}.lora_A.weight"] = torch.tensor(down)
        state[f"unet.{path}.lora_B.weight"] = torch.tensor(up)
    theirs = tiny_pipeline()
    theirs.load_lora_weights(state, adapter_name="a")
    theirs.set_adapters(["a"], [0.6])
    generator = torch.Generator().manual_seed(3)
    sample, text = torch.randn(2, 4, 8, 8, generator=generator), torch.randn(2, 77, 16, generator=generator)
    with torch.inference_mode():
        expected = theirs.unet(sample, 500, encoder_hidden_states=text).sample
        with engine.patcher.applied([(engine.patcher.fit(modules), everywhere(0.6))]):
            ours = engine.base.denoiser(sample, 500, encoder_hidden_states=text).sample
        plain = engine.base.denoiser(sample, 500, encoder_hidden_states=text).sample
    assert torch.allclose(ours, expected, atol=1e-5)
    assert not torch.allclose(ours, plain, atol=1e-3)
