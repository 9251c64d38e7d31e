"""Bases stay loaded as long as memory has room for them, and what is loaded is what the row says."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from inference.base_files import BaseFiles, base_files
from inference.errors import BaseNotRenderable
from inference.warm_bases import WarmBases, memory_for_bases
from tests.inference.rows import make_base

MIB = 1 << 20


class Sized:
    """An engine of which only the size is known."""

    def __init__(self, size: int) -> None:
        self.base = self
        self.size = size


@pytest.fixture
def warm(settings: Any) -> WarmBases:
    """Room for ten megabytes; each base takes as many as its digest says."""
    settings.INFERENCE_BASES_MB = 10
    load: Any = lambda files, offload: Sized(int(files.digest) * MIB)  # noqa: E731
    return WarmBases(load)


def files(name: str, megabytes: int) -> BaseFiles:
    return BaseFiles(Path("/nowhere") / name, None, "", str(megabytes))


@pytest.mark.engine
def test_a_base_that_is_loaded_is_not_loaded_again(warm: WarmBases) -> None:
    first = warm.get(files("a", 4))
    warm.get(files("b", 4))
    assert warm.get(files("a", 4)) is first


@pytest.mark.engine
def test_the_base_used_longest_ago_leaves_first(warm: WarmBases) -> None:
    a, b, c = files("a", 4), files("b", 4), files("c", 4)
    for used in (a, b, a, c):
        warm.get(used)
    assert warm.loaded == (a, c)


@pytest.mark.engine
def test_a_base_larger_than_all_the_room_is_kept_alone(warm: WarmBases) -> None:
    warm.get(files("a", 4))
    warm.get(files("huge", 40))
    assert warm.loaded == (files("huge", 40),)


@pytest.mark.engine
def test_room_is_made_before_the_next_base_comes(settings: Any, tmp_path: Path) -> None:
    settings.INFERENCE_BASES_MB = 10
    beside: list[int] = []

    def load(files: BaseFiles, offload: bool) -> Any:
        beside.append(len(bases.loaded))
        return Sized(6 * MIB)

    bases = WarmBases(load)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.safetensors").write_bytes(bytes(6 * MIB))
        bases.get(BaseFiles(tmp_path / name, None, "", name))
    assert beside == [0, 0]


@pytest.mark.engine
def test_a_folder_with_other_bytes_takes_the_place_of_the_old_ones(warm: WarmBases) -> None:
    warm.get(files("a", 1))
    warm.get(files("a", 2))
    assert warm.loaded == (files("a", 2),)


@pytest.mark.engine
def test_an_engine_out_of_memory_can_have_the_others_dropped(warm: WarmBases) -> None:
    for used in (files("a", 1), files("b", 1)):
        warm.get(used)
    assert warm.forget(keep=files("b", 1))
    assert warm.loaded == (files("b", 1),)
    assert not warm.forget(keep=files("b", 1))


@pytest.mark.engine
def test_half_of_the_memory_is_for_bases_unless_it_is_said(settings: Any) -> None:
    settings.INFERENCE_BASES_MB = 0
    assert memory_for_bases() > MIB
    settings.INFERENCE_BASES_MB = 3
    assert memory_for_bases() == 3 * MIB


@pytest.mark.engine
@pytest.mark.django_db
def test_the_rows_precision_and_vae_reach_the_engine_and_the_digest(
    tiny_base: Path, tmp_path: Path, settings: Any
) -> None:
    import torch

    settings.INFERENCE_THREADS = 1
    base = make_base(tiny_base)
    plain = base_files(base)
    shutil.copytree(tiny_base / "vae", tmp_path / "vae")
    base.vae, base.weights_dtype = str(tmp_path / "vae"), "bfloat16"
    other = base_files(base)
    assert other.digest != plain.digest
    engine = WarmBases().get(other)
    assert engine.base.denoiser.dtype == torch.bfloat16
    assert Path(engine.base.vae.config._name_or_path) == tmp_path / "vae"


@pytest.mark.django_db
def test_a_vae_that_is_not_here_is_named(tiny_base: Path) -> None:
    base = make_base(tiny_base)
    base.vae = "nowhere/vae"
    with pytest.raises(BaseNotRenderable, match="VAE of Base toybox-v1 are not on this machine"):
        base_files(base)
