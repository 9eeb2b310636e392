"""Whole slides of TIFF's kinds, by tiffslide (extra `slides`): a list of square tiles of one level, row by row
from the upper left. What is left over at the right and below is no tile."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from farfield.errors import InputError

if TYPE_CHECKING:
    from tiffslide import TiffSlide

STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
COLOURED = (
    20  # levels from the least to the largest of a pixel's colours: glass is grey, stained tissue is not
)


def knows(start: bytes) -> bool:
    return start.startswith(STARTS)


def called(side: int, level: int) -> str:
    """The variable (`sources.Stack`) that holds the tiles of `side` pixels of a level, from 0, the largest."""
    return f"tiles of {side} px of level {level}"


@dataclass(frozen=True)
class Tiles:
    slide: "TiffSlide"
    side: int
    level: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of tiles."""
        width, height = self.slide.level_dimensions[self.level]
        return height // self.side, width // self.side

    def __len__(self) -> int:
        return self.shape[0] * self.shape[1]

    def __getitem__(self, number: int | slice) -> Any:
        """uint8 [side, side, 3], or a list of them."""
        if isinstance(number, slice):
            return [self[one] for one in range(len(self))[number]]
        row, column = divmod(number, self.shape[1])
        scale = self.slide.level_downsamples[self.level]
        place = round(column * self.side * scale), round(row * self.side * scale)
        region = self.slide.read_region(place, self.level, (self.side, self.side), as_array=True)
        return np.asarray(region)[..., :3]

    def tissue(self) -> np.ndarray:
        """float [tiles]: the share of each that is coloured, seen in the smallest level."""
        smallest = self.slide.level_count - 1
        width, height = self.slide.level_dimensions[smallest]
        if Image.MAX_IMAGE_PIXELS and width * height > Image.MAX_IMAGE_PIXELS:
            raise InputError(
                f"the smallest level has {width} x {height} pixels, too many to look for tissue in"
            )
        region = np.asarray(self.slide.read_region((0, 0), smallest, (width, height), as_array=True))[..., :3]
        coloured = region.max(axis=2).astype(np.int16) - region.min(axis=2) > COLOURED
        sums = np.zeros((height + 1, width + 1))
        sums[1:, 1:] = coloured.cumsum(axis=0).cumsum(axis=1)
        rows, columns = self.shape
        scale = self.slide.level_downsamples[self.level] / self.slide.level_downsamples[smallest] * self.side
        down = np.clip(np.rint(np.arange(rows + 1) * scale).astype(int), 0, height)
        right = np.clip(np.rint(np.arange(columns + 1) * scale).astype(int), 0, width)
        counts = np.diff(np.diff(sums[down][:, right], axis=0), axis=1)
        areas = np.outer(np.diff(down), np.diff(right))
        return (counts / np.maximum(areas, 1)).ravel()


@contextmanager
def opened(file: IO[bytes], name: str, variable: str) -> Iterator[Any]:
    """The tiles, read as they are asked for."""
    try:
        from tiffslide import TiffSlide
    except ImportError:
        raise InputError(f"{name} is a slide: reading it needs pip install 'farfield[slides]'.") from None
    side, level = (int(word) for word in variable.split() if word.isdigit())
    try:
        slide = TiffSlide(file)
        slide.level_dimensions  # noqa: B018 - it looks at the levels only when asked
    except Exception as error:  # it raises all kinds
        raise InputError(f"{name} is damaged or no slide ({error}).") from error
    with slide:
        if not 0 <= level < slide.level_count:
            raise InputError(
                f"{name} has levels 0 to {slide.level_count - 1}; the card asks for level {level}."
            )
        yield Tiles(slide, side, level)
