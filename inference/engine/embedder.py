"""Texts to embeddings by one text encoder: chunks of its length, emphasis, the layer a family wants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from inference.engine.emphasis import parse_emphasis

CLIP_TOKENS = 77
"""Positions of CLIP, its start and end token among them."""

Tokens = list[tuple[int, float]]


@dataclass(frozen=True, slots=True)
class Encoded:
    """`states` [batch, length * chunks, width]; `pooled` [batch, width] of the first chunk, None for T5."""

    states: Tensor
    pooled: Tensor | None


class TextEncoder:
    """One text encoder of a base with its tokenizer.

    Texts longer than `length` tokens take more chunks, each with a start (CLIP only) and an end token of its
    own, as AUTOMATIC1111 does. Nothing is cached: an adapter may have changed the encoder, and encoding is a
    hundredth of a render.
    """

    def __init__(self, model: Any, tokenizer: Any, *, length: int = CLIP_TOKENS) -> None:
        self._model, self._tokenizer = model, tokenizer
        # T5 begins without a token of its own.
        is_clip = "clip" in model.config.model_type
        self._start = [tokenizer.bos_token_id] if is_clip else []
        self._room = length - 1 - len(self._start)

    def chunks(self, texts: Sequence[str]) -> int:
        """Chunks that the longest of the texts takes, at least one."""
        return max(1, *(-(-len(self._tokens(text)) // self._room) for text in texts))

    def encode(self, texts: Sequence[str], chunks: int, *, layer: int = 1, normed: bool = False) -> Encoded:
        """The first `chunks` chunks of every text; shorter ones are padded with empty chunks.

        `layer` counts from the end, 1 is the encoder's own output; another one passes through the encoder's
        final norm only when `normed`.
        """
        lines = [self._tokens(text) for text in texts]
        room = self._room
        found = [
            self._chunk([line[room * n : room * (n + 1)] for line in lines], layer, normed)
            for n in range(chunks)
        ]
        return Encoded(torch.cat([chunk.states for chunk in found], dim=1), found[0].pooled)

    def _tokens(self, text: str) -> Tokens:
        found: Tokens = []
        for piece in parse_emphasis(text):
            ids = self._tokenizer(
                piece.text, add_special_tokens=False, truncation=False, verbose=False
            ).input_ids
            found += [(token, piece.weight) for token in ids]
        return found

    def _chunk(self, lines: Sequence[Tokens], layer: int, normed: bool) -> Encoded:
        """One chunk of every text."""
        end, pad = self._tokenizer.eos_token_id, self._tokenizer.pad_token_id
        ids, weights = [], []
        for line in lines:
            fill = self._room - len(line)
            # The end token follows the text and the padding follows it, so that a short prompt looks as in
            # training.
            ids.append([*self._start, *(token for token, _ in line), end, *[pad] * fill])
            weights.append([*(1.0 for _ in self._start), *(weight for _, weight in line), 1.0, *[1.0] * fill])
        output = self._model(torch.tensor(ids, device=self._model.device), output_hidden_states=layer != 1)
        states = self._states(output, layer, normed)
        factors = torch.tensor(weights, device=states.device, dtype=torch.float32)
        if not bool((factors == 1).all()):
            states = _emphasize(states, factors)
        return Encoded(states, _pooled(output))

    def _states(self, output: Any, layer: int, normed: bool) -> Tensor:
        if layer == 1:
            own: Tensor = output.last_hidden_state
            return own
        # The list begins with the embeddings, before any layer.
        states: Tensor = output.hidden_states[-min(layer, len(output.hidden_states) - 1)]
        if normed:
            norm = getattr(self._model, "text_model", self._model).final_layer_norm
            states = norm(states)
        return states


def _pooled(output: Any) -> Tensor | None:
    """What CLIP says of the whole text: projected where the model has a projection."""
    pooled: Tensor | None = getattr(output, "text_embeds", None)
    return getattr(output, "pooler_output", None) if pooled is None else pooled


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
