"""Printed words: masks of text, from fonts that come with matplotlib, so that every machine has them."""

from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from farfield.seeds import stream

FACES = {  # regular and bold
    "typewriter": ("DejaVuSansMono", "DejaVuSansMono-Bold"),
    "roman": ("STIXGeneral", "STIXGeneralBol"),
    "slab": ("DejaVuSerif", "DejaVuSerif-Bold"),
    "grotesque": ("DejaVuSans", "DejaVuSans-Bold"),
}
SYLLABLES = (
    "a", "al", "an", "ar", "be", "ca", "co", "de", "di", "e", "en", "er", "es", "fo", "ga", "ha", "i", "in",
    "is", "la", "le", "li", "lo", "ma", "me", "mi", "na", "ne", "no", "o", "on", "or", "pa", "per", "po",
    "ra", "re", "ri", "ro", "sa", "se", "si", "st", "ta", "te", "ti", "to", "tra", "un", "ur", "va", "ve",
)  # fmt: skip
SIZES = (6, 7, 8, 9, 10, 11, 12, 14, 16, 18, 20, 24, 28, 33, 38, 44)  # pixels; type comes in steps
WIDTH = 700  # of a specimen, at least, in pixels


@cache
def type_size(size: int) -> int:
    """The size of type nearest to `size`."""
    return min(SIZES, key=lambda known: abs(known - size))


@cache
def _font(face: str, size: int, bold: bool) -> ImageFont.FreeTypeFont:
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    # The basic engine: the other one is not in every build of Pillow.
    return ImageFont.truetype(folder / f"{FACES[face][bold]}.ttf", size, layout_engine=ImageFont.Layout.BASIC)


@lru_cache(maxsize=8192)
def lettering(text: str, face: str, size: int, bold: bool = False) -> Image.Image:
    """The mask ("L", 255 is ink) of one line of text at `size` pixels."""
    font = _font(face, size, bold)
    mask = Image.new("L", (max(1, round(font.getlength(text))), round(1.3 * size)))
    ImageDraw.Draw(mask).text((0, 0), text, fill=255, font=font)
    return mask


@dataclass(frozen=True)
class Specimen:
    """Lines of made-up words in one font, out of which texts are cut: far quicker than setting each line."""

    mask: Image.Image
    starts: tuple[np.ndarray, ...]  # of the words of each line, in pixels
    height: int

    def cut(self, rng: np.random.Generator, width: float) -> Image.Image:
        """Whole words, from anywhere in the specimen, that fill at most `width` (but at least one word)."""
        row = int(rng.integers(len(self.starts)))
        starts = self.starts[row]
        first = int(rng.integers(len(starts) - 1))
        if starts[first] + width > starts[-1]:
            first = 0
        last = max(first + 1, int(np.searchsorted(starts, starts[first] + width, side="right")) - 1)
        return self.mask.crop((starts[first], row * self.height, starts[last], (row + 1) * self.height))


@cache
def specimen(face: str, size: int, bold: bool = False, capitals: bool = False) -> Specimen:
    """The specimen of a font at `size` pixels; the words are the same for all seeds."""
    rng = stream(0, "documents", "words", face, size)
    font, height, wide = _font(face, size, bold), round(1.3 * size), WIDTH + 12 * size
    rows = 8 if size < 12 else 3
    mask = Image.new("L", (wide, rows * height))
    pen = ImageDraw.Draw(mask)
    starts = []
    for row in range(rows):
        words, ends = [], [0.0]
        while ends[-1] < WIDTH:
            word = "".join(rng.choice(SYLLABLES, int(rng.integers(1, 5))))
            words.append(word.upper() if capitals else word.capitalize() if rng.random() < 0.12 else word)
            ends.append(ends[-1] + font.getlength(words[-1] + " "))
        pen.text((0, row * height), " ".join(words), fill=255, font=font)
        starts.append(np.asarray(ends).round().astype(int))
    return Specimen(mask, tuple(starts), height)
