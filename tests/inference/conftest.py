"""What the inference tests share: a tiny base in a folder, loaded once and checked to be untouched after
each test.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from inference.engine.ladder import Engine


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A diffusers folder with a random base of 16 x 16 pixels."""
    from tests.inference.tiny import save_tiny

    return save_tiny(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="session")
def tiny_families() -> Callable[[str], Any]:
    """Family -> its tiny diffusers pipeline, built once; who changes a weight puts it back."""

    @cache
    def build(family: str) -> Any:
        import torch

        from tests.inference.tiny_families import tiny_pipeline_of

        torch.set_num_threads(1)
        return tiny_pipeline_of(family)

    return build


@pytest.fixture(scope="session")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Engine]:
    """Family -> an engine that loaded its tiny base from a folder, once."""

    @cache
    def load(family: str) -> Engine:
        from inference.engine.ladder import Engine
        from tests.inference.tiny_families import save_tiny_family

        return Engine.load(save_tiny_family(family, tmp_path_factory.mktemp(family)), threads=1)

    return load


@pytest.fixture(scope="session")
def _loaded_engine(tiny_base: Path) -> Engine:
    from inference.engine.ladder import Engine

    return Engine.load(tiny_base, threads=1)


@pytest.fixture
def engine(_loaded_engine: Engine) -> Iterator[Engine]:
    """The tiny base in memory. A test that leaves one weight changed fails here, not in the next test."""
    import torch

    parts = (
        _loaded_engine.base.denoiser,
        _loaded_engine.base.text_encoders["text_encoder"],
        _loaded_engine.base.vae,
    )
    before = [parameter.clone() for part in parts for parameter in part.parameters()]
    yield _loaded_engine
    after = [parameter for part in parts for parameter in part.parameters()]
    changed = sum(not torch.equal(old, new) for old, new in zip(before, after, strict=True))
    for old, new in zip(before, after, strict=True):
        new.data.copy_(old)
    assert changed == 0, f"{changed} weights of the shared base were left changed"
