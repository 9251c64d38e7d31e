"""Which files of a repository are weights of adapters, and which of them are one version."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.sources.huggingface_files import HubFile, files_of, group_weights

DIGESTS = {name: name[0] * 64 for name in "abcdef"}


def versions(*paths: str, repo: str = "mika/ink") -> dict[str, list[str]]:
    groups = group_weights([HubFile(path) for path in paths], repo)
    return {group.name: [file.path for file in group.files] for group in groups}


def test_one_weights_file_is_one_version() -> None:
    assert versions(".gitattributes", "README.md", "pixel-art-xl.safetensors") == {
        "pixel-art-xl": ["pixel-art-xl.safetensors"]
    }


def test_what_differs_only_in_program_and_precision_is_one_version() -> None:
    assert versions(
        "flux-multi-angles-v2-72poses-comfy.safetensors", "flux-multi-angles-v2-72poses-fal.safetensors"
    ) == {
        "flux-multi-angles-v2-72poses-fal": [
            "flux-multi-angles-v2-72poses-fal.safetensors",
            "flux-multi-angles-v2-72poses-comfy.safetensors",
        ]
    }
    assert versions("ink.safetensors", "ink_fp16.safetensors", "comfyui/ink.safetensors") == {
        "ink": ["ink.safetensors", "comfyui/ink.safetensors", "ink_fp16.safetensors"]
    }


def test_checkpoints_and_several_styles_are_versions_of_their_own() -> None:
    assert list(versions("ink-000500.safetensors", "ink-001000.safetensors", "ink.safetensors")) == [
        "ink-000500",
        "ink-001000",
        "ink",
    ]
    assert list(
        versions(
            "checkpoint-500/pytorch_lora_weights.safetensors",
            "checkpoint-1000/pytorch_lora_weights.safetensors",
        )
    ) == ["checkpoint-1000", "checkpoint-500"]
    assert set(versions("day.safetensors", "night.safetensors")) == {"day", "night"}


def test_a_name_that_the_library_gave_is_the_repositorys() -> None:
    assert list(versions("pytorch_lora_weights.safetensors", repo="mika/inkwash")) == ["inkwash"]


def test_a_pickle_stands_behind_its_safe_copy_and_alone_where_there_is_none() -> None:
    assert versions("pytorch_lora_weights.bin", "pytorch_lora_weights.safetensors") == {
        "ink": ["pytorch_lora_weights.safetensors", "pytorch_lora_weights.bin"]
    }
    (group,) = group_weights([HubFile("pytorch_lora_weights.bin")], "mika/ink")
    assert group.files[0].format == "PickleTensor"


def test_identical_files_are_one_whatever_their_names() -> None:
    same = [
        HubFile("ink.safetensors", sha256=DIGESTS["a"]),
        HubFile("final/best.safetensors", sha256=DIGESTS["a"]),
    ]
    (group,) = group_weights(same, "mika/ink")
    assert [file.path for file in group.files] == ["ink.safetensors", "final/best.safetensors"]


def test_vectors_of_pivotal_tuning_belong_to_the_adapter_beside_them() -> None:
    (group,) = group_weights([HubFile("ink.safetensors"), HubFile("ink_emb.safetensors")], "mika/ink")
    assert [file.path for file in group.beside] == ["ink_emb.safetensors"]


def test_parts_of_a_whole_model_and_of_a_training_run_are_no_adapters() -> None:
    assert not versions(
        "unet/diffusion_pytorch_model.safetensors",
        "text_encoder/model.safetensors",
        "vae/diffusion_pytorch_model.fp16.bin",
        "transformer/diffusion_pytorch_model-00001-of-00003.safetensors",
        "optimizer.bin",
        "scheduler.pt",
        "model-00001-of-00002.safetensors",
    )


def test_the_recorded_description_gives_its_two_variants(recorded_hub: Path) -> None:
    told = json.loads((recorded_hub / "model_info_multi_weights_trimmed.json").read_text())
    (group,) = group_weights(files_of(told["siblings"]), told["id"])
    assert len(group.files) == 2


def test_what_peft_wrote_for_each_part_of_a_model_is_one_version() -> None:
    assert versions("unet/adapter_model.safetensors", "text_encoder/adapter_model.safetensors") == {
        "ink": ["unet/adapter_model.safetensors", "text_encoder/adapter_model.safetensors"]
    }


def test_names_that_are_nothing_but_a_precision_are_one_version() -> None:
    assert list(versions("fp16.safetensors", "fp32.safetensors")) == ["ink"]


def test_a_lone_file_under_the_name_of_a_part_is_left_to_its_header() -> None:
    alone = ("README.md", "diffusion_pytorch_model.safetensors")
    assert list(versions(*alone, repo="a/FLUX.1-Turbo-Alpha")) == ["FLUX.1-Turbo-Alpha"]
    assert not versions(*alone, "model_index.json")
    assert list(versions(*alone, "turbo_lora.safetensors")) == ["turbo_lora"]


@pytest.mark.parametrize(
    "path",
    [
        "../up.safetensors",
        "/root.safetensors",
        "a//b.bin",
        "a\\b.bin",
        "./a.bin",
        "a\n.bin",
        "a\0.bin",
        "\u202ea.bin",
    ],
)
def test_a_path_that_leads_out_or_deceives_is_left_out(path: str) -> None:
    assert files_of([{"rfilename": path}, {"rfilename": "ink.safetensors"}]) == [HubFile("ink.safetensors")]


@pytest.fixture
def recorded_hub() -> Path:
    return Path(__file__).parents[2] / "data" / "hub"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=10),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.sampled_from(["rfilename", "size", "blobId", "lfs", "sha256"]), inner)
        ),
        max_leaves=20,
    )
)
def test_a_malformed_description_gives_what_can_be_read_of_it(siblings: object) -> None:
    for file in files_of(siblings):
        assert file.path
        assert file.size is None or file.size >= 0


@given(st.lists(st.from_regex(r"\A([a-z0-9]{1,4}/)?[a-z0-9_-]{1,8}\.(safetensors|bin)\Z"), unique=True))
def test_every_weights_file_is_in_exactly_one_version(paths: list[str]) -> None:
    groups = group_weights([HubFile(path) for path in paths], "mika/ink")
    held = [file.path for group in groups for file in group.files]
    assert len(held) == len(set(held))
    assert set(held) <= set(paths)
