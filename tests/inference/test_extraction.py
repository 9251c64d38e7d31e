"""`manage.py extract`: what a fine-tune adds to its base comes back as a LoRA, with an honest error."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from django.core.management import call_command
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from inference.confined import Limits
from inference.converter_errors import CheckpointsDiffer, NotACheckpoint, NothingToExtract
from inference.engine.low_rank import factorize
from inference.extraction import Extraction, Options, extract_lora
from registry.weights.checkpoints import layers_of
from registry.weights.errors import EmptyFile, Unreadable
from registry.weights.loading import load_adapter_modules
from registry.weights.spelling import sgm_path
from registry.weights.writer import OutputExists

if TYPE_CHECKING:
    from torch import Tensor

pytestmark = pytest.mark.engine

TOYBOX = Path(__file__).parents[2] / "demo" / "toybox"
LIMITS = Limits(memory_mb=1024, seconds=300, file_mb=512, threads=1)
EXACT = Options(rank=4, dtype="F32")
UNET = "unet/diffusion_pytorch_model.safetensors"
TEXT = "text_encoder/model.safetensors"
Floats = np.ndarray[Any, np.dtype[np.float64]]
Arrays = dict[str, np.ndarray[Any, Any]]


def low_rank(random: np.random.Generator, shape: tuple[int, ...], rank: int, scale: float = 0.01) -> Floats:
    """A matrix of this rank, in the shape of the weight."""
    rows, columns = shape[0], int(np.prod(shape[1:]))
    product = random.normal(size=(rows, rank)) @ random.normal(size=(rank, columns))
    return (product * scale).reshape(shape)


def is_attention(name: str) -> bool:
    return name.endswith(".weight") and any(
        part in name
        for part in (".attn1.to_", ".attn2.to_", ".ff.net", "proj_in", "proj_out", ".self_attn.", ".mlp.")
    )


def tuned(base: Path, folder: Path, rank: int = 4) -> tuple[Path, dict[str, Floats]]:
    """A fine-tune of the folder `base`: a change of known rank in every attention layer, float32."""
    shutil.copytree(base, folder)
    random = np.random.default_rng(5)
    truth = {}
    for part in (UNET, TEXT):
        tensors = load_file(folder / part)
        for name in sorted(filter(is_attention, tensors)):
            before = tensors[name].astype(np.float32)
            tensors[name] = (before + low_rank(random, before.shape, rank)).astype(np.float32)
            truth[f"{part.partition('/')[0]}.{name}"] = tensors[name].astype(float) - before.astype(float)
        save_file(tensors, folder / part)
    return folder, truth


def extracted(checkpoint: Path, base: Path, output: Path, options: Options = EXACT) -> Extraction:
    return extract_lora(checkpoint, base, output, options, limits=LIMITS)


def product(module: Any) -> Floats:
    """dW of a LoRA, multiplied out here."""
    up, down = module.tensors["up"].astype(float), module.tensors["down"].astype(float)
    return np.asarray(module.scale * (up.reshape(len(up), -1) @ down.reshape(len(down), -1)))


@pytest.fixture(scope="module")
def fine_tune(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Floats]]:
    return tuned(tiny_base, tmp_path_factory.mktemp("tuned") / "model")


def test_a_change_of_known_rank_comes_back(
    tiny_base: Path, fine_tune: tuple[Path, dict[str, Floats]], tmp_path: Path
) -> None:
    checkpoint, truth = fine_tune
    done = extracted(checkpoint, tiny_base, tmp_path / "out.safetensors")
    loaded = load_adapter_modules(tmp_path / "out.safetensors")
    assert {f"{key}.weight" for key in loaded} == {
        name.replace("text_encoder.encoder", "text_encoder.text_model.encoder") for name in truth
    }
    for name, change in truth.items():
        key = name.removesuffix(".weight").replace("text_encoder.encoder", "text_encoder.text_model.encoder")
        got = product(loaded[key])
        assert np.linalg.norm(got - change.reshape(got.shape)) < 1e-4 * np.linalg.norm(change)
    assert done.report["overall"]["residual"] < 1e-4
    assert done.report["left_out_count"] == 0
    assert {m.alpha for m in loaded.values()} == {4.0}


def test_the_patcher_makes_the_fine_tune_of_it_within_the_printed_error(
    tiny_base: Path, fine_tune: tuple[Path, dict[str, Floats]], tmp_path: Path
) -> None:
    from inference.engine.loading import load_base
    from inference.engine.patcher import WeightPatcher

    checkpoint, _ = fine_tune
    done = extracted(checkpoint, tiny_base, tmp_path / "out.safetensors", Options(rank=2))
    base, target = load_base(tiny_base), load_base(checkpoint)

    def weights(model: Any) -> Iterator[Tensor]:
        for part in (model.denoiser, *model.text_encoders.values()):
            yield from (parameter.detach().double().clone() for parameter in part.parameters())

    plain, wanted = list(weights(base)), list(weights(target))
    patcher = WeightPatcher(base.modules)
    fitted = patcher.fit(load_adapter_modules(tmp_path / "out.safetensors"))
    with patcher.applied([(fitted, lambda component, path: 1.0)]):
        got = list(weights(base))
    left = sum(float((w - g).square().sum()) for w, g in zip(wanted, got, strict=True)) ** 0.5
    change = sum(float((w - p).square().sum()) for w, p in zip(wanted, plain, strict=True)) ** 0.5
    assert left / change == pytest.approx(done.report["overall"]["residual"], rel=1e-3)
    assert 0.1 < left / change < 0.9


def test_the_errors_of_the_blocks_add_up_to_that_of_the_whole(
    tiny_base: Path, fine_tune: tuple[Path, dict[str, Floats]], tmp_path: Path
) -> None:
    report = extracted(fine_tune[0], tiny_base, tmp_path / "out.safetensors", Options(rank=1)).report
    parts = report["blocks"].values()
    whole = report["overall"]
    assert sum(part["layers"] for part in parts) == whole["layers"]
    assert sum(part["change"] ** 2 for part in parts) == pytest.approx(whole["change"] ** 2)
    left = sum((part["residual"] * part["change"]) ** 2 for part in parts)
    assert left == pytest.approx((whole["residual"] * whole["change"]) ** 2)


def test_a_share_of_the_norm_chooses_the_ranks(
    tiny_base: Path, fine_tune: tuple[Path, dict[str, Floats]], tmp_path: Path
) -> None:
    wanted = Options(rank=16, quantile=0.9, dtype="F32")
    report = extracted(fine_tune[0], tiny_base, tmp_path / "out.safetensors", wanted).report
    # Each layer keeps at least 0.9 of its norm, so at most sqrt(1 - 0.81) of it is left.
    assert report["overall"]["residual"] <= (1 - 0.9**2) ** 0.5
    assert report["rank"]["min"] >= 1 and report["rank"]["max"] <= 4


def test_the_toybox_gives_back_its_fine_tune(tmp_path: Path) -> None:
    checkpoint, truth = tuned(TOYBOX, tmp_path / "tuned")
    done = extracted(checkpoint, TOYBOX, tmp_path / "out.safetensors")
    assert done.inspection.family == "toybox"
    assert done.report["modules"] == len(truth)
    assert done.report["overall"]["residual"] < 1e-3


def test_layers_that_no_lora_holds_are_told_and_kept_only_when_asked(tiny_base: Path, tmp_path: Path) -> None:
    checkpoint, _ = tuned(tiny_base, tmp_path / "tuned")
    tensors = load_file(checkpoint / UNET)
    for name in ("conv_in.weight", "conv_norm_out.weight", "down_blocks.0.resnets.0.conv1.bias"):
        tensors[name] = tensors[name] + np.float32(0.5)
    save_file(tensors, checkpoint / UNET)
    plain = extracted(checkpoint, tiny_base, tmp_path / "plain.safetensors").report
    assert {item["layer"] for item in plain["left_out"]} == {
        "unet.conv_in.weight", "unet.conv_norm_out.weight", "unet.down_blocks.0.resnets.0.conv1.bias",
    }  # fmt: skip
    assert plain["left_out_share"] > 0.5
    whole = extracted(
        checkpoint, tiny_base, tmp_path / "whole.safetensors", Options(rank=4, dtype="F32", diff=True)
    )
    assert (whole.report["left_out_count"], whole.report["diffs"]) == (0, 3)
    loaded = load_adapter_modules(tmp_path / "whole.safetensors")
    assert loaded["unet.conv_in"].tensors["diff"] == pytest.approx(0.5, abs=1e-6)
    assert loaded["unet.down_blocks.0.resnets.0.conv1"].tensors["diff_b"] == pytest.approx(0.5, abs=1e-6)


def test_convolutions_are_taken_in_at_their_own_rank(tiny_base: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_base, tmp_path / "tuned")
    tensors = load_file(tmp_path / "tuned" / UNET)
    name = "down_blocks.1.resnets.0.conv1"
    change = low_rank(np.random.default_rng(1), tensors[f"{name}.weight"].shape, 2)
    tensors[f"{name}.weight"] = (tensors[f"{name}.weight"] + change).astype(np.float32)
    save_file(tensors, tmp_path / "tuned" / UNET)
    with pytest.raises(NothingToExtract, match="conv1"):
        extracted(tmp_path / "tuned", tiny_base, tmp_path / "none.safetensors")
    extracted(
        tmp_path / "tuned", tiny_base, tmp_path / "out.safetensors", Options(rank=4, conv_rank=2, dtype="F32")
    )
    (module,) = load_adapter_modules(tmp_path / "out.safetensors").values()
    assert (module.algorithm, module.path, module.rank) == ("locon", name, 2)
    assert module.tensors["down"].shape[2:] == (3, 3)
    got = product(module)
    assert np.linalg.norm(got - change.reshape(got.shape)) < 1e-4 * np.linalg.norm(change)


def test_saving_more_coarsely_is_not_taken_for_training(tiny_base: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_base, tmp_path / "half")
    for part in (UNET, TEXT):
        tensors = {name: values.astype(np.float16) for name, values in load_file(tiny_base / part).items()}
        save_file(tensors, tmp_path / "half" / part)
    with pytest.raises(NothingToExtract):
        extracted(tmp_path / "half", tiny_base, tmp_path / "out.safetensors")


def test_the_file_says_what_it_was_made_of(
    tiny_base: Path, fine_tune: tuple[Path, dict[str, Floats]], tmp_path: Path
) -> None:
    done = extracted(fine_tune[0], tiny_base, tmp_path / "out.safetensors")
    with safe_open(tmp_path / "out.safetensors", "np") as file:
        metadata = file.metadata()
    assert metadata["ss_training_comment"].startswith("extracted from model against base")
    told = json.loads(metadata["kura_extraction"])
    assert len(told["checkpoint_sha256"]) == len(told["base_sha256"]) == 2
    assert told["residual"] == done.report["overall"]["residual"]


def test_the_same_two_models_give_the_same_file(
    tiny_base: Path, fine_tune: tuple[Path, dict[str, Floats]], tmp_path: Path
) -> None:
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        extracted(fine_tune[0], tiny_base, folder / "out.safetensors")
    assert (tmp_path / "one/out.safetensors").read_bytes() == (tmp_path / "two/out.safetensors").read_bytes()


def test_what_cannot_be_compared_is_one_clear_error(tiny_base: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.safetensors"
    with pytest.raises(CheckpointsDiffer):
        extracted(TOYBOX, tiny_base, output)
    with pytest.raises(NothingToExtract):
        extracted(tiny_base, tiny_base, output)
    with pytest.raises(Unreadable):
        extracted(tmp_path / "none", tiny_base, output)
    with pytest.raises(Unreadable, match="long"):
        extracted(tiny_base, tmp_path / ("a" * 300), output)
    (tmp_path / "empty").touch()
    with pytest.raises(EmptyFile, match="empty: "):
        extracted(tiny_base, tmp_path / "empty", output)
    with pytest.raises(NotACheckpoint):
        extracted(tmp_path, tiny_base, output)
    save_file({"x": np.zeros(3, np.float32)}, tmp_path / "x.safetensors")
    with pytest.raises(NotACheckpoint):
        extracted(tmp_path / "x.safetensors", tiny_base, output)
    output.write_text("mine")
    with pytest.raises(OutputExists):
        extracted(tiny_base, tiny_base, output)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "out.safetensors", "x.safetensors"]


def test_the_command_prints_the_errors(
    tiny_base: Path,
    fine_tune: tuple[Path, dict[str, Floats]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = [
        str(fine_tune[0]),
        str(tmp_path / "out.safetensors"),
        "--base",
        str(tiny_base),
        "--rank",
        "2",
    ]
    call_command("extract", *arguments)
    assert "overall" in capsys.readouterr().out
    call_command("extract", *arguments, "--force", "--json")
    told = json.loads(capsys.readouterr().out)
    assert told["inspection"]["dialect"] == "kohya" and 0 < told["overall"]["residual"] < 1


# --- Single files -------------------------------------------------------------------------------------------


OPEN_CLIP = {
    "self_attn.out_proj": "attn.out_proj", "mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj",
    "layer_norm1": "ln_1", "layer_norm2": "ln_2",
}  # fmt: skip


def open_clip(tensors: Arrays) -> Arrays:
    """A CLIP text encoder in OpenCLIP's names, its projections fused."""
    out: Arrays = {}
    layers = sorted({name.split(".layers.")[1].split(".")[0] for name in tensors if ".layers." in name})
    for number in layers:
        old, new = f"text_model.encoder.layers.{number}", f"transformer.resblocks.{number}"
        for kind in ("weight", "bias"):
            parts = [tensors[f"{old}.self_attn.{p}_proj.{kind}"] for p in "qkv"]
            out[f"{new}.attn.in_proj_{kind}"] = np.concatenate(parts)
            for ours, theirs in OPEN_CLIP.items():
                out[f"{new}.{theirs}.{kind}"] = tensors[f"{old}.{ours}.{kind}"]
    return out


def single_file(folder: Path, path: Path, *, fused: bool) -> Path:
    """The folder as one file in LDM's names, the text encoder as SD1 or, fused, as SD2 has it."""
    tensors: Arrays = {}
    for name, values in load_file(folder / UNET).items():
        layer, _, kind = name.rpartition(".")
        tensors[f"model.diffusion_model.{sgm_path(layer)}.{kind}"] = values
    text = load_file(folder / TEXT)
    text = {name if name.startswith("text_model.") else f"text_model.{name}": v for name, v in text.items()}
    if fused:
        tensors |= {f"cond_stage_model.model.{name}": values for name, values in open_clip(text).items()}
    else:
        tensors |= {f"cond_stage_model.transformer.{name}": values for name, values in text.items()}
    tensors["first_stage_model.decoder.conv_in.weight"] = np.zeros((4, 4, 3, 3), np.float32)
    save_file(tensors, path)
    return path


@pytest.mark.parametrize("fused", [False, True])
def test_a_single_file_compares_with_a_folder_layer_by_layer(tmp_path: Path, fused: bool) -> None:
    # The toybox has two layers a block, as LDM's names take for granted.
    checkpoint, truth = tuned(TOYBOX, tmp_path / "tuned")
    one = single_file(checkpoint, tmp_path / "tuned.safetensors", fused=fused)
    done = extracted(one, TOYBOX, tmp_path / "out.safetensors")
    assert done.report["modules"] == len(truth)
    assert done.report["overall"]["residual"] < 1e-3
    assert {part["name"] for part in done.inspection.components} == {"unet", "text_encoder"}


SD1 = {"block_out_channels": (320, 640, 1280, 1280), "cross_attention_dim": 768}
SDXL = {
    "block_out_channels": (320, 640, 1280), "cross_attention_dim": 2048, "use_linear_projection": True,
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "transformer_layers_per_block": (1, 2, 10), "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256, "projection_class_embeddings_input_dim": 2816,
}  # fmt: skip


@pytest.mark.parametrize("config", [SD1, SDXL], ids=["sd1", "sdxl"])
def test_names_of_single_files_are_those_that_diffusers_reads(config: dict[str, Any]) -> None:
    """diffusers' own converter, given our names of every layer, must find every layer of the real UNet."""
    import torch
    from diffusers import UNet2DConditionModel
    from diffusers.loaders import single_file_utils

    # diffusers is only half typed.
    unet: Any = UNet2DConditionModel
    convert: Any = single_file_utils.convert_ldm_unet_checkpoint
    with torch.device("meta"):
        model = unet(**config)
    paths = {name.rpartition(".")[0] for name in model.state_dict()}
    # SD1's first upsampler follows no attention, so it is the second part of its block there.
    ldm = {path: sgm_path(path) for path in paths}
    if config is SD1:
        ldm["up_blocks.0.upsamplers.0.conv"] = "output_blocks.2.1.conv"
    split = {name: name.rpartition(".") for name in model.state_dict()}
    names = {f"model.diffusion_model.{ldm[path]}.{kind}": name for name, (path, _, kind) in split.items()}
    read = convert(dict(names), dict(model.config))
    assert read == {name: name for name in model.state_dict()}
    found = {layer.path for layer, _ in layers_of(names)}
    assert found == paths


# --- The approximation itself -------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(640, 768), (1280, 320), (2560, 640), (40, 3000)])
@pytest.mark.parametrize("decay", [0.3, 1.0])
def test_the_approximation_is_the_best_of_its_rank(shape: tuple[int, int], decay: float) -> None:
    """Singular values that fall as i ** -decay, so the best residual is known."""
    random = np.random.default_rng(2)
    small = min(shape)
    left, _ = np.linalg.qr(random.normal(size=(shape[0], small)))
    right, _ = np.linalg.qr(random.normal(size=(shape[1], small)))
    values = np.arange(1, small + 1) ** -decay
    matrix = (left * values) @ right.T
    found = factorize(matrix.astype(np.float32), 32)
    best = np.sqrt(np.sum(values[32:] ** 2))
    got = np.linalg.norm(matrix - found.up.astype(float) @ found.down.astype(float))
    assert found.rank == min(32, small)
    assert got <= best * (1 + 1e-5) + 1e-5


def test_rank_never_exceeds_the_layer() -> None:
    assert factorize(np.ones((3, 5), np.float32), 64).rank == 3


def test_a_matrix_of_zeros_has_factors_of_zeros() -> None:
    found = factorize(np.zeros((6, 4), np.float32), 2)
    assert not found.up.any() and not found.down.any()
