"""The table of families against the published models themselves, layer by layer."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path
from typing import Any

import pytest

from registry.weights import inspect_file
from registry.weights.family_table import ARCHITECTURES, FAMILY_ROWS
from registry.weights.layer_table import layer_table, template
from tests.registry.weights.files import peft_file, write_shapes
from tests.registry.weights.reference_models import DIFFUSERS, layers_in, recorded, recorded_form

MODELS = recorded()
PREFIX = {"native": "diffusion_model.", "diffusers": "transformer."}


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model["name"])
def test_an_adapter_of_every_layer_of_a_published_model_is_of_its_family(
    tmp_path: Path, model: dict[str, Any]
) -> None:
    shapes = peft_file(layers_in(model), PREFIX[model["names"]])
    got = inspect_file(write_shapes(tmp_path / "a.safetensors", shapes), hashes=False)
    assert (got.family, got.family_candidates) == (model["family"], [])


@pytest.mark.parametrize(
    "model", [m for m in MODELS if m["family"] != "unknown"], ids=lambda model: model["name"]
)
def test_one_size_of_a_family_has_every_layer_of_the_published_model(model: dict[str, Any]) -> None:
    table = layer_table()
    rows = {number for number, row in enumerate(FAMILY_ROWS) if row.family == model["family"]}
    for path, (in_dim, out_dim) in layers_in(model).items():
        bare, numbers = template(path.replace(".", "_"))
        rows &= {
            layer.row
            for layer in table.get(bare, [])
            if layer.in_dim in (None, in_dim)
            and layer.out_dim in (None, out_dim)
            and all(low <= n <= high for n, (low, high) in zip(numbers, layer.blocks, strict=True))
        }
        assert rows, path


@pytest.mark.engine
@pytest.mark.filterwarnings("ignore:.*FluxPosEmbed.*:FutureWarning")
@pytest.mark.parametrize("name", DIFFUSERS)
def test_the_record_is_what_diffusers_builds(name: str) -> None:
    torch = pytest.importorskip("torch")
    package = pytest.importorskip("diffusers.models.transformers")
    diffusers = importlib.import_module("diffusers")
    wanted, settings = DIFFUSERS[name]
    kind = getattr(diffusers, wanted, None) or _found_in(package, wanted)
    with torch.device("meta"):
        model = kind(**settings)
    shapes = {
        key.removesuffix(".weight"): tuple(weight.shape)
        for key, weight in model.state_dict().items()
        if key.endswith(".weight") and weight.ndim > 1
    }
    record = next(model for model in MODELS if model["name"] == f"{name} of diffusers")
    assert recorded_form(shapes) == record["layers"]


def _found_in(package: Any, wanted: str) -> Any:
    for module in pkgutil.iter_modules(package.__path__):
        loaded = importlib.import_module(f"{package.__name__}.{module.name}")
        if hasattr(loaded, wanted):
            return getattr(loaded, wanted)
    pytest.fail(f"this diffusers has no {wanted}")


def test_every_architecture_is_some_family_s() -> None:
    used = {name for row in FAMILY_ROWS for _, name in row.architectures()}
    assert used == set(ARCHITECTURES)


def test_a_path_is_told_from_its_block_numbers() -> None:
    assert template("double_blocks_7_img_mod_lin") == ("double_blocks_#_img_mod_lin", (7,))
    assert template("transformer_blocks_3_attn_to_out_0") == ("transformer_blocks_#_attn_to_out_0", (3,))
    assert all(path == template(path.replace("#", "0"))[0] for path in layer_table())
