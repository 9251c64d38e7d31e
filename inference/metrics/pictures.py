"""Measures of one picture: Lab colors, brightness, noise, sharpness, burn, and a descriptor without learned
weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage
from skimage.color import rgb2lab

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]

COLOR_SIDE = 128
"""Colors are compared on a picture no larger than this: the mean differs by 0.2 %, the time by a factor of
16.
"""
GRID = 16
EDGE_SIDE, EDGE_CELL, ORIENTATIONS = 64, 8, 8
VISIBLE = 0.02
"""Mean gradient of a cell, in brightness per pixel, at which its edges count half."""
BORDER = 8  # the border band is side / BORDER wide on each edge

# Immerkaer 1996, "Fast noise variance estimation": a mask that answers to noise and hardly to structure.
_NOISE_MASK = np.array([[1.0, -2.0, 1.0], [-2.0, 4.0, -2.0], [1.0, -2.0, 1.0]])


@dataclass(frozen=True)
class Measured:
    """One picture, RGB bytes [height, width, 3], and what is measured on it once."""

    pixels: Pixels

    @cached_property
    def lab(self) -> Floats:
        """CIE L*a*b* of the picture or of its 128 px thumbnail, [height, width, 3]."""
        height, width = self.pixels.shape[:2]
        image = Image.fromarray(self.pixels)
        if max(height, width) > COLOR_SIDE:
            factor = COLOR_SIDE / max(height, width)
            image = image.resize((round(width * factor), round(height * factor)), Image.Resampling.BOX)
        return np.asarray(rgb2lab(np.asarray(image) / 255.0), dtype=np.float64)

    @cached_property
    def gray(self) -> Floats:
        """Brightness 0..255, [height, width] (Rec. 601)."""
        gray: Floats = self.pixels.astype(np.float64) @ np.array([0.299, 0.587, 0.114])
        return gray

    @cached_property
    def noise(self) -> float:
        """Standard deviation of the noise in gray levels (Immerkaer)."""
        height, width = self.gray.shape
        answer = np.abs(ndimage.convolve(self.gray, _NOISE_MASK)[1:-1, 1:-1]).sum()
        return float(answer * np.sqrt(np.pi / 2) / (6 * (width - 2) * (height - 2)))

    @cached_property
    def sharpness(self) -> float:
        """Variance of the Laplacian of the brightness."""
        return float(ndimage.laplace(self.gray).var())

    @cached_property
    def clipped(self) -> float:
        """Share of pixels with a channel at 0 or 255: what a burnt picture has much of."""
        return float(((self.pixels == 0) | (self.pixels == 255)).any(axis=-1).mean())

    @cached_property
    def chroma(self) -> float:
        """Mean colorfulness in Lab."""
        return float(np.hypot(self.lab[..., 1], self.lab[..., 2]).mean())

    @cached_property
    def descriptor(self) -> Floats:
        """What the picture shows, roughly: a 16 x 16 grid of Lab colors and oriented edges, 1280 numbers.

        Both halves are scaled so that two unrelated pictures are about 1 apart (`distance`).
        """
        image = Image.fromarray(self.pixels)
        grid = rgb2lab(np.asarray(image.resize((GRID, GRID), Image.Resampling.BOX)) / 255.0)
        gray = np.asarray(image.convert("L").resize((EDGE_SIDE, EDGE_SIDE), Image.Resampling.BOX)) / 255.0
        colors = grid.ravel() / (40.0 * np.sqrt(grid.size))
        edges = _oriented_edges(gray)
        return np.concatenate([colors, edges / np.sqrt(edges.size / ORIENTATIONS)])


def _oriented_edges(gray: Floats) -> Floats:
    """Histograms of gradient directions in cells of 8 x 8 (after Dalal and Triggs 2005), each up to length 1.

    Both steps are soft, so that noise which nobody sees changes nothing: a direction is shared by its two
    nearest bins, and contrast too weak to be seen counts as none instead of being normalized up.
    """
    down, right = np.gradient(gray)
    strength = np.clip(np.hypot(down, right) - VISIBLE / 2, 0, None)
    position = (np.arctan2(down, right) % np.pi) * ORIENTATIONS / np.pi
    cells = EDGE_SIDE // EDGE_CELL
    histogram = np.zeros((cells, cells, ORIENTATIONS))
    for orientation in range(ORIENTATIONS):
        away = np.abs(position - orientation)
        # Directions are a circle: the last bin is the first one's neighbor.
        share = np.clip(1 - np.minimum(away, ORIENTATIONS - away), 0, None)
        layer = strength * share
        histogram[..., orientation] = layer.reshape(cells, EDGE_CELL, cells, EDGE_CELL).mean(axis=(1, 3))
    norm = np.sqrt((histogram**2).sum(axis=-1, keepdims=True) + VISIBLE**2)
    soft: Floats = (histogram / norm).ravel()
    return soft


def distance(a: Floats, b: Floats) -> float:
    """How differently two descriptors look: 0 for equal ones, about 1 for unrelated pictures."""
    return float(np.linalg.norm(a - b))


def border_mask(height: int, width: int) -> npt.NDArray[np.bool_]:
    """The band along the edges, where a background is and a subject mostly is not."""
    band_y, band_x = max(1, height // BORDER), max(1, width // BORDER)
    mask = np.ones((height, width), dtype=bool)
    mask[band_y:-band_y, band_x:-band_x] = False
    return mask
