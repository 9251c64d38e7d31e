"""One cell against its base twin: the same prompt and seed without the adapter."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from scipy import ndimage
from skimage.color import deltaE_ciede2000
from skimage.metrics import structural_similarity

from inference.metrics.pictures import Floats, Measured, border_mask, distance

# Xue et al. 2014, "Gradient magnitude similarity deviation", the constant for brightness 0..255.
_GMSD_C = 170.0


@dataclass(frozen=True, slots=True)
class CellMetrics:
    """Differences from the base twin.

    color_mean, color_p95: CIEDE2000; lightness, green_red, blue_yellow: mean change of L*, a*, b*; border:
    CIEDE2000 of the border band; ssim 1 = same structure; gmsd 0 = same edges; noise: added gray levels;
    sharpness: ratio;
    clipped: added share of clipped pixels; chroma: ratio; effect: descriptor distance.
    """

    color_mean: float
    color_p95: float
    lightness: float
    green_red: float
    blue_yellow: float
    border: float
    ssim: float
    gmsd: float
    noise: float
    sharpness: float
    clipped: float
    chroma: float
    effect: float

    def as_dict(self) -> dict[str, float]:
        """Values rounded for storage."""
        return {name: round(value, 5) for name, value in asdict(self).items()}


def compare(cell: Measured, twin: Measured) -> CellMetrics:
    """All differences of two pictures of one size. Raises ValueError when the sizes differ."""
    if cell.pixels.shape != twin.pixels.shape:
        raise ValueError(f"A cell of {cell.pixels.shape} has no twin of {twin.pixels.shape}.")
    colors: Floats = deltaE_ciede2000(twin.lab, cell.lab)  # type: ignore[no-untyped-call]
    shift = (cell.lab - twin.lab).mean(axis=(0, 1))
    return CellMetrics(
        color_mean=float(colors.mean()),
        color_p95=float(np.percentile(colors, 95)),
        lightness=float(shift[0]),
        green_red=float(shift[1]),
        blue_yellow=float(shift[2]),
        border=float(colors[border_mask(*colors.shape)].mean()),
        ssim=_ssim(cell, twin),
        gmsd=_gmsd(cell.gray, twin.gray),
        noise=cell.noise - twin.noise,
        sharpness=_ratio(cell.sharpness, twin.sharpness),
        clipped=cell.clipped - twin.clipped,
        chroma=_ratio(cell.chroma, twin.chroma),
        effect=distance(cell.descriptor, twin.descriptor),
    )


def _ratio(value: float, reference: float) -> float:
    # A flat reference has nothing to be compared with; the floor keeps the ratio finite and large.
    return (value + 1e-3) / (reference + 1e-3)


def _ssim(cell: Measured, twin: Measured) -> float:
    """Structural similarity (Wang et al. 2004); the window shrinks with pictures under 7 px."""
    side = min(cell.pixels.shape[:2])
    window = min(7, side if side % 2 else side - 1)
    options = {"channel_axis": -1, "data_range": 255, "win_size": window}
    return float(structural_similarity(cell.pixels, twin.pixels, **options))  # type: ignore[no-untyped-call]


def _gmsd(cell: Floats, twin: Floats) -> float:
    # The published measure halves the picture first, which also removes pixel noise.
    a, b = (_gradient(ndimage.uniform_filter(gray, 2)[::2, ::2]) for gray in (cell, twin))
    similarity = (2 * a * b + _GMSD_C) / (a**2 + b**2 + _GMSD_C)
    return float(similarity.std())


def _gradient(gray: Floats) -> Floats:
    strength: Floats = np.hypot(ndimage.prewitt(gray, 0) / 3, ndimage.prewitt(gray, 1) / 3)
    return strength
