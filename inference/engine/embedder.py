"""Prompts to embeddings: chunks of 75 tokens, emphasis, and equal lengths for the two halves of guidance."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from inference.engine.base import LoadedBase
from inference.engine.emphasis import parse_emphasis

CHUNK = 75
"""Prompt tokens per chunk; with the start and end token they fill CLIP's 77 positions."""

Tokens = list[tuple[int, float]]


class Embedder:
    """Turns texts into `[batch, 77 * chunks, width]` with the base's text encoder as it is at that moment.

    Nothing is cached: an adapter may have changed the text encoder, and encoding is a hundredth of a render.
    """

    def __init__(self, base: LoadedBase) -> None:
        self._base = base

    def embed(self, texts: Sequence[str]) -> Tensor:
        """Embeddings of all texts, each padded with empty chunks to the longest of them."""
        tokens = [self._tokens(text) for text in texts]
        chunks = max(1, *(-(-len(line) // CHUNK) for line in tokens))
        parts = [self._encode([line[CHUNK * n : CHUNK * (n + 1)] for line in tokens]) for n in range(chunks)]
        return torch.cat(parts, dim=1)

    def _tokens(self, text: str) -> Tokens:
        found: Tokens = []
        for piece in parse_emphasis(text):
            ids = self._base.tokenizers["tokenizer"](
                piece.text, add_special_tokens=False, truncation=False, verbose=False
            ).input_ids
            found += [(token, piece.weight) for token in ids]
        return found

    def _encode(self, lines: Sequence[Tokens]) -> Tensor:
        """One chunk of every text, `[batch, 77, width]`."""
        tokenizer = self._base.tokenizers["tokenizer"]
        start, end, pad = tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id
        ids, weights = [], []
        for line in lines:
            fill = CHUNK - len(line)
            # The end token follows the text and the padding follows it, so that a short prompt looks as in
            # training.
            ids.append([start, *(token for token, _ in line), end, *[pad] * fill])
            weights.append([1.0, *(weight for _, weight in line), 1.0, *[1.0] * fill])
        states: Tensor = self._base.text_encoders["text_encoder"](
            torch.tensor(ids, device=self._base.device)
        ).last_hidden_state
        factors = torch.tensor(weights, device=states.device, dtype=torch.float32)
        if bool((factors == 1).all()):
            return states
        return _emphasize(states, factors)


def _emphasize(states: Tensor, factors: Tensor) -> Tensor:
    """Weigh each token and keep each chunk's mean, as AUTOMATIC1111 does.

    Rows without emphasis stay untouched. A layer norm's mean can be zero; then it is left alone, not divided
    by.
    """
    wide = states.to(torch.float32)
    weighed = wide * factors[..., None]
    before, after = wide.mean(dim=(1, 2)), weighed.mean(dim=(1, 2))
    usable = (after.abs() > 1e-6) & (before.abs() > 1e-6)
    ratio = torch.where(
        usable, before / torch.where(usable, after, torch.ones_like(after)), torch.ones_like(after)
    )
    weighed = weighed * ratio[:, None, None]
    plain = (factors == 1).all(dim=1)[:, None, None]
    return torch.where(plain, wide, weighed).to(states.dtype)
