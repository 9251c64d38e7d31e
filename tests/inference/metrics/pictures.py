"""Synthetic pictures whose differences are known because they were made."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

Pixels = npt.NDArray[np.uint8]
SIDE = 64


def scene(x: int = 32, y: int = 32, color: str = "#3060c0", ground: str = "#e8c890") -> Pixels:
    """A disc with a square window on a plain ground with a darker floor."""
    image = Image.new("RGB", (SIDE, SIDE), ground)
    pen = ImageDraw.Draw(image)
    pen.rectangle((0, 48, SIDE, SIDE), fill="#806040")
    pen.ellipse((x - 14, y - 14, x + 14, y + 14), fill=color, outline="#101010")
    pen.rectangle((x - 4, y - 4, x + 4, y + 4), fill="#f8f8f8")
    return np.asarray(image)


def noisy(pixels: Pixels, sigma: float, seed: int = 0) -> Pixels:
    """The picture with normal noise of `sigma` gray levels."""
    noise = np.random.default_rng(seed).standard_normal(pixels.shape) * sigma
    return np.clip(pixels + noise, 0, 255).astype(np.uint8)


def blurred(pixels: Pixels) -> Pixels:
    """The picture out of focus."""
    return np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(2)))


def tinted(pixels: Pixels, red: int, blue: int) -> Pixels:
    """The picture with red and blue moved."""
    moved: Pixels = np.clip(np.add(pixels, (red, 0, blue), dtype=int), 0, 255).astype(np.uint8)
    return moved


def burnt(pixels: Pixels) -> Pixels:
    """The picture with its contrast driven into the limits."""
    driven: Pixels = np.clip((pixels.astype(float) - 128) * 4 + 128, 0, 255).astype(np.uint8)
    return driven
