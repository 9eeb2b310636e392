"""The values of a file as a grey or coloured picture: which bands, in which range, on which ground."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from farfield.datasets.cards import Packing
from farfield.datasets.decoders import bands, ranges
from farfield.datasets.decoders.ranges import Range
from farfield.datasets.decoders.values import UnreadableImageError, Values
from farfield.datasets.sources import Box

NO_OPACITY = "opacity that is full nowhere is left out"


@dataclass(frozen=True)
class Look:
    """What a file says of the range of its data set. kind: of files that share one. quantiles: of its values, or
    of those of each channel where channels are kept."""

    kind: str
    quantiles: list[float] | list[list[float]]


def look(values: Values, packing: Packing, box: Box | None = None) -> Look | None:
    """What is asked of a file whose range its data set must give; None if it needs none."""
    if own_range(values, packing) is not None:
        return None
    part, _ = _cut(values, box, packing)
    found = ranges.quantiles(part.array, part.valid)
    return None if found is None else Look(kind_of(values), found)


def kind_of(values: Values) -> str:
    """Of files that are shown in one range: of one modality, or one type of numbers, and as many bands."""
    if not isinstance(values.held, np.ndarray):
        return f"uint8 x {values.bands}"
    return f"{values.modality or values.held.dtype.newbyteorder('=').name} x {values.bands}"


def to_picture(
    values: Values,
    packing: Packing,
    box: Box | None = None,
    span: Range | None = None,
    known: Mapping[str, Range] | None = None,
) -> tuple[Image.Image, Range, str]:
    """The part of the values in `box` as an image of mode L or RGB by the table of `rgb`, not yet turned; the
    range that it is shown in; what else was done."""
    part, opacity = _cut(values, box, packing, span)
    remarks = [values.remark, bands.shown(values.bands - values.alpha, values.colour, packing.channels)]
    if values.alpha and not part.alpha:
        remarks.append(NO_OPACITY)
    remark = "; ".join(filter(None, remarks))
    if not isinstance(part.held, np.ndarray):
        return _on_white(part.held, part.alpha), (0.0, 255.0), remark
    array = part.held
    if span is not None:
        _require_within(array, span)
    low, high = _range(part, packing, span, known, kind_of(values))
    grey = (
        array if array.dtype == np.uint8 and (low, high) == (0, 255) else ranges.to_grey(array, (low, high))
    )
    if part.inverted and span is None:
        grey = np.subtract(255, grey)
    grey = _filled(grey, array, part.valid)
    return _image(grey, None if opacity is None else _opacity(opacity)), (low, high), remark


def _cut(
    values: Values, box: Box | None, packing: Packing, span: Range | None = None
) -> tuple[Values, np.ndarray | None]:
    """What lies in the box, as one band or three, and opacity [h, w] in the file's own numbers if it counts
    (`alpha`) and an image of Pillow does not hold it."""
    held, valid = values.held, values.valid
    alpha = values.alpha and _opaque_somewhere(held)
    if box is not None:
        left, top, right, bottom = inside(values.size, box)
        if isinstance(held, np.ndarray):
            held = held[top:bottom, left:right]
        else:
            held = held.crop((left, top, right, bottom))
        valid = None if valid is None else valid[top:bottom, left:right]
    plain = span is None and valid is None and not packing.channels and not packing.range
    if not isinstance(held, np.ndarray) and plain:
        return replace(values, held=held, alpha=alpha), None
    array = replace(values, held=held).array
    colours = array[..., :-1] if values.alpha else array
    colours = bands.to_three(bands.chosen(colours, packing.channels), values.colour and not packing.channels)
    return replace(values, held=colours, alpha=alpha, valid=valid), array[..., -1] if alpha else None


def _opaque_somewhere(held: "np.ndarray | Image.Image") -> bool:
    """Whether opacity is opacity: bands of another meaning, and what exports leave empty, are full nowhere."""
    if not isinstance(held, np.ndarray):
        return int(held.getextrema()[-1][1]) == 255  # type: ignore[index]
    return bool((held[..., -1] == _largest(held.dtype)).any())


def _largest(dtype: np.dtype) -> float:
    return float(np.iinfo(dtype).max) if dtype.kind in "ui" else 1.0


def inside(size: tuple[int, int], box: Box) -> Box:
    """The part of a box that lies in an image of this width and height. UnreadableImageError if none does."""
    left, top, right, bottom = box
    inside = max(left, 0), max(top, 0), min(right, size[0]), min(bottom, size[1])
    if inside[0] >= inside[2] or inside[1] >= inside[3]:
        raise UnreadableImageError(f"no pixel of {size[0]} x {size[1]} lies in its box {box}")
    return inside


def own_range(part: Values, packing: Packing) -> Range | None:
    """The range that needs no other file; None if the data set must give it."""
    if packing.range:
        return packing.range
    if part.stated is not None:
        return part.stated
    if not isinstance(part.held, np.ndarray):
        return 0.0, 255.0
    if part.held.dtype.kind == "b":
        return 0.0, 1.0
    return (0.0, 255.0) if part.bits <= 8 and not part.signed else None


def _range(
    part: Values, packing: Packing, span: Range | None, known: Mapping[str, Range] | None, kind: str
) -> Range:
    if span is not None:
        return span
    own = own_range(part, packing)
    if own is None:
        own = (known or {}).get(kind)
    if own is None:
        found = ranges.quantiles(part.array, part.valid)
        if found is None:
            return 0.0, 1.0  # no value is a number: all of it becomes mid-grey
        own = ranges.pooled_range([found])
    return own if own[0] != own[1] else ranges.without_contrast(part.array.dtype, own[0])


def _require_within(array: np.ndarray, span: Range) -> None:
    black, white = span
    if not np.isfinite(array).all():
        raise UnreadableImageError(f"it holds values that are no numbers, not {black:g} to {white:g}")
    if array.min() < min(span) or array.max() > max(span):
        reach = f"from {array.min():g} to {array.max():g}"
        raise UnreadableImageError(f"its values reach {reach}, not from {black:g} to {white:g}")


def _filled(grey: np.ndarray, array: np.ndarray, valid: np.ndarray | None) -> np.ndarray:
    invalid = None if valid is None else ~valid
    if array.dtype.kind == "f" and not (finite := np.isfinite(array)).all():
        invalid = ~finite if invalid is None else ~finite | invalid[..., None]
    return grey if invalid is None else ranges.filled(grey, invalid)


def _opacity(band: np.ndarray) -> np.ndarray:
    return ranges.to_grey(band, (0.0, _largest(band.dtype)))


def _image(grey: np.ndarray, opacity: np.ndarray | None) -> Image.Image:
    if grey.shape[2] == 1:
        grey = np.repeat(grey, 3, axis=2) if opacity is not None else grey[..., 0]
    if opacity is not None:
        grey = np.concatenate([grey, opacity[..., None]], axis=2)
    return _on_white(Image.fromarray(np.ascontiguousarray(grey)), opacity is not None)


def _on_white(image: Image.Image, alpha: bool) -> Image.Image:
    if alpha:
        canvas = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(canvas, image.convert("RGBA"))
    return image if image.mode == "L" else image.convert("RGB")
