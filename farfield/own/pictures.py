"""Small pictures of a user's images as data URIs, so that a page is one file."""

import base64
import io

import numpy as np
from PIL import Image

from farfield.own.images import OwnImages


def data_uri(data: bytes, kind: str) -> str:
    """kind: as in "image/png"."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def thumbnail(own: OwnImages, row: int, side: int) -> str:
    """The image, its longer side of `side` pixels, in the proportions of its file."""
    return encoded(own.picture(row).resize(_shown(own, row, side), Image.Resampling.BOX))


def contact_sheet(own: OwnImages, rows: np.ndarray, side: int, columns: int) -> str:
    """One picture of many images in squares of `side` pixels, from left to right and down, on nothing."""
    columns = min(columns, len(rows))
    sheet = Image.new("RGBA", (columns * side, -(-len(rows) // columns) * side))
    for place, row in enumerate(rows.tolist()):
        size = _shown(own, row, side - 2)
        picture = own.picture(row).resize(size, Image.Resampling.BOX)
        left, top = place % columns * side, place // columns * side
        sheet.paste(picture, (left + (side - size[0]) // 2, top + (side - size[1]) // 2))
    return encoded(sheet)


def _shown(own: OwnImages, row: int, side: int) -> tuple[int, int]:
    """(width, height). The packed square was squeezed, so the file's proportions are given back."""
    width, height = own.sizes[row].tolist()
    scale = side / max(width, height)
    return max(1, round(scale * width)), max(1, round(scale * height))


def encoded(picture: Image.Image) -> str:
    """As WebP in a data URI."""
    buffer = io.BytesIO()
    picture.save(buffer, format="WEBP", quality=75, method=2)
    return data_uri(buffer.getvalue(), "image/webp")
