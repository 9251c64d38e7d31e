"""Looks whether a picture beside an adapter is one, and a harmless one, before it is kept."""

from __future__ import annotations

import warnings
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from registry.sources.errors import PictureUnreadable
from registry.sources.text import file_name

LARGEST = 32 * 1024 * 1024
MOST_PIXELS = 64_000_000
_FORMATS = ("PNG", "JPEG", "WEBP")


def check_picture(path: Path) -> str:
    """The picture's format in lower case (png, jpeg, webp). Raises PictureUnreadable.

    Only the header is decoded: a small file can claim a picture that fills the memory.
    """
    name = file_name(path)
    try:
        if not path.is_file():
            raise PictureUnreadable(f"{name} is not a plain file.")
        if path.stat().st_size > LARGEST:
            raise PictureUnreadable(f"{name} is larger than {LARGEST // 2**20} MiB.")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path, formats=_FORMATS) as picture:
                width, height = picture.size
                kind = str(picture.format)
    except (OSError, UnidentifiedImageError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise PictureUnreadable(f"{name} is not a PNG, JPEG or WebP picture.") from None
    if width * height > MOST_PIXELS:
        raise PictureUnreadable(f"{name} has {width} x {height} pixels.")
    return kind.lower()
