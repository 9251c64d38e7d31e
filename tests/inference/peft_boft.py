"""PEFT's BOFT without the CUDA kernel that it compiles."""

from __future__ import annotations

import pytest
import torch
from peft.tuners.boft import layer
from torch import Tensor


class _Diagonal:
    """What the kernel computes: the blocks of each factor along its diagonal."""

    @staticmethod
    def apply(blocks: Tensor) -> Tensor:
        return torch.stack([torch.block_diag(*factor) for factor in blocks])


def chain_factors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let PEFT chain several factors, which it does only where its kernel is. Permutations and order stay
    its own.
    """
    monkeypatch.setattr(layer, "get_fbd_cuda", lambda: True)
    monkeypatch.setattr(layer, "FastBlockDiag", _Diagonal)
