"""From the bytes of a file to pixels: `registry` finds the decoder, `rgb` makes what networks see."""

from farfield.datasets.decoders.picture import look
from farfield.datasets.decoders.registry import SUFFIXES, begins_as_image, holds_image, read
from farfield.datasets.decoders.rgb import Decoded, decode, show
from farfield.datasets.decoders.values import UnreadableImageError, Values

__all__ = [
    "SUFFIXES",
    "Decoded",
    "UnreadableImageError",
    "Values",
    "begins_as_image",
    "decode",
    "holds_image",
    "look",
    "read",
    "show",
]
