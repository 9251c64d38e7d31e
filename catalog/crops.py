"""A part of a picture, enlarged: what a reviewer looks at closely."""

from __future__ import annotations

import io

from PIL import Image, UnidentifiedImageError

from registry.models import Blob
from registry.storage import BlobMissing, open_blob

EDITION = 1
"""Part of the address' entity tag: another way of enlarging makes other bytes of the same box."""
SHOWN_SIDE = 448
"""The longer side that a crop is enlarged to: the width it is shown at, on a screen of twice the pixels."""
LARGEST_SIDE = 1024
SMALL_PICTURE = 200
"""Narrower pictures are shown and enlarged with hard pixels: blur would look like the adapter's doing."""
_QUALITY = 92


def enlarged(blob: Blob, box: tuple[int, int, int, int]) -> bytes | None:
    """The part (left, top, right, bottom) of a stored PNG as WebP, enlarged where it is small.

    None where the bytes are missing or no PNG, or where the box does not lie in the picture.
    """
    left, top, right, bottom = box
    try:
        with open_blob(blob) as file, Image.open(file, formats=["PNG"]) as image:
            if not (left < right <= image.width and top < bottom <= image.height):
                return None
            part = image.crop(box).convert("RGB")
            hard = image.width < SMALL_PICTURE
    except (BlobMissing, UnidentifiedImageError, OSError):
        return None
    longer = max(part.size)
    factor = min(max(SHOWN_SIDE, longer), LARGEST_SIDE) / longer
    size = max(1, round(part.width * factor)), max(1, round(part.height * factor))
    kind = Image.Resampling.NEAREST if hard else Image.Resampling.LANCZOS
    buffer = io.BytesIO()
    # Hard pixels are kept to the bit: what compression does to their edges would be seen.
    part.resize(size, kind).save(buffer, format="WEBP", quality=_QUALITY, lossless=hard)
    return buffer.getvalue()
