"""What the product of a module's factors is multiplied with: the one place where that is worked out."""

from __future__ import annotations

# alpha / rank has a meaning for these; for OFT alpha is a constraint, and the others have none.
_SCALED = frozenset({"lora", "locon", "loha", "lokr", "glora"})


def product_scale(
    algorithm: str, alpha: float | None, rank: int | None, stored: float | None = None
) -> float:
    """A `stored` scale where there is one (AUTOMATIC1111), else alpha / rank, and 1 where either is missing.

    A stored alpha of 0 reads as the rank, as in LyCORIS. LoKr with two whole factors has no rank and so
    ignores its alpha, which there is only the requested dim; rank 0 stands in files that were resized, and
    their product is zero whatever the scale.
    """
    if stored is not None:
        return stored
    return alpha / rank if algorithm in _SCALED and alpha and rank else 1.0
