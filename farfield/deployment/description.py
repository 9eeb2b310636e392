"""What must be known to use a classifier: `Description`, and classifier.json, which holds it.

classifier.json says of itself and of the weights beside it what their bytes are (sha256), so that one which
was edited, cut short or put beside other weights is refused before it answers anything.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from farfield.backbones import build
from farfield.backbones.backbone import Backbone
from farfield.datasets.cards import Packing
from farfield.errors import InputError
from farfield.files import file_hash, write_json
from farfield.networks.by_threes import by_threes
from farfield.probing.features import BLOCKS
from farfield.training.images import MEAN, STD, expect

DESCRIPTION = "classifier.json"
OWN, BESIDE = "sha256", "weights_sha256"  # of the rest of classifier.json, and of the weights
GRAPHS = "graphs_sha256"  # of the ONNX files, by name, for what reads them without farfield

_STRICT = {"extra": "forbid", "allow_inf_nan": False}
Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Sets:
    """Prediction sets: the classes whose probability is at least their own `least` [classes], which hold the
    truth of `coverage` percent of images like those that were left out; the likeliest class is always among
    them."""

    __pydantic_config__ = _STRICT
    coverage: float
    least: tuple[float, ...]


@dataclass(frozen=True)
class Description:
    """class_names: by class index, the order of the logits. packing: how a file becomes a square of
    `packing.size` pixels, of which networks see the central `image_size`. backbone, width: as of
    `farfield.backbones.build`. scale: of the head. mean, std: of the normalisation, for pixels in 0..1.
    weights_mean, weights_std: what the weights expect in their place; none: the same. blocks, mirrored: what
    the head reads, as of `ImageClassifier`. ranges: the values of black and white of each kind of file that
    does not state them, as in `datasets.decoders.ranges`; files of the kinds that it was fitted to are shown
    in these. bands: the numbers of the bands of a file, from 1, that the network is shown in place of RGB,
    three at a time (`networks.by_threes`); none: RGB. band_ranges: as ranges, of each of these. sets: none where
    no image was left out. facts: where all of it comes from, for people.

    InputError if the fields cannot be meant together.
    """

    __pydantic_config__ = _STRICT
    class_names: tuple[str, ...]
    image_size: int
    packing: Packing
    backbone: str
    width: int
    scale: float | None
    mean: Triple = MEAN
    std: Triple = STD
    weights_mean: tuple[float, ...] | None = None
    weights_std: tuple[float, ...] | None = None
    blocks: tuple[str, ...] = ()
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)
    bands: tuple[int, ...] = ()
    band_ranges: dict[str, tuple[tuple[float, float], ...]] = field(default_factory=dict)
    mirrored: bool = False
    sets: Sets | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names, shape = self.class_names, self.packing.shape
        stds = (*self.std, *(self.weights_std or ()))
        for wrong, message in (
            (len(names) < 2, f"class_names must be two or more, found {len(names)}"),
            (len(set(names)) < len(names), "class_names holds a name twice"),
            (self.image_size < 1, f"image_size must be above 0, found {self.image_size}"),
            (min(shape) < 1, f"packing.size must be above 0, found {shape[0]} x {shape[1]}"),
            (self.width < 1, f"width must be above 0, found {self.width}"),
            (self.scale is not None and self.scale <= 0, f"scale must be above 0, found {self.scale}"),
            (min(stds) <= 0, f"std and weights_std must be above 0, found {min(stds)}"),
            (
                (self.weights_mean is None) != (self.weights_std is None),
                "weights_mean and weights_std are given both or not at all",
            ),
            (
                self.sets is not None and len(self.sets.least) != len(names),
                "sets.least must have a number for each of class_names",
            ),
            (
                any(number < 1 for number in self.bands),
                f"bands are numbers from 1, found {list(self.bands)}",
            ),
            (
                any(len(spans) != len(self.bands) for spans in self.band_ranges.values()),
                "band_ranges must have a range for each of bands",
            ),
            (
                not set(self.blocks) <= set(BLOCKS) or len(set(self.blocks)) < len(self.blocks),
                f"blocks are some of {', '.join(BLOCKS)}, found {', '.join(self.blocks)}",
            ),
        ):
            if wrong:
                raise InputError(message)

    def architecture(self) -> Backbone:
        """The backbone with random weights."""
        backbone = build(self.backbone, width=self.width, image_size=self.image_size)
        if self.weights_mean and self.weights_std:
            expect(backbone, self.weights_mean, self.weights_std)
        return by_threes(backbone, self.channels)

    @property
    def channels(self) -> int:
        """Of the images that the network takes."""
        return len(self.bands) or 3

    @property
    def normalisation(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and standard deviation of each channel, as `training.images.normalise` has them."""
        if self.channels == 3:
            return self.mean, self.std
        mean, std = ((sum(values) / 3,) * self.channels for values in (self.mean, self.std))
        return mean, std


def write_description(
    folder: Path, description: Description, weights: Path, graphs: Sequence[Path] = ()
) -> None:
    """Write classifier.json into `folder`, for the files of weights and of graphs that it belongs to."""
    values: dict[str, Any] = {**asdict(description), BESIDE: file_hash(weights)}
    if graphs:
        values[GRAPHS] = {path.name: file_hash(path) for path in graphs}
    write_json(folder / DESCRIPTION, {**values, OWN: _digest(values)})


def read_description(folder: Path, weights: Path, checked: bool) -> Description:
    """What classifier.json in `folder` says. checked: whether it must say its own sha256 and that of the
    weights; those of farfield 0.1 did not. InputError that names the file and the field if any of it is
    wrong."""
    from pydantic import TypeAdapter, ValidationError

    path = folder / DESCRIPTION
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(values, dict):
            raise InputError(f"it is {type(values).__name__}, not an object")
        hashes = {name: values.pop(name) for name in (OWN, BESIDE, GRAPHS) if name in values}
        description = TypeAdapter(Description).validate_json(json.dumps(values), strict=True)
        _same_normalisation(description)
    except ValidationError as error:
        problems = [
            f"{'.'.join(map(str, one['loc'])) or 'it'}: {one['msg'].removeprefix('Value error, ')}"
            for one in error.errors()
        ]
        raise InputError(f"{path} does not describe a classifier: {'; '.join(problems[:5])}.") from error
    except (json.JSONDecodeError, UnicodeDecodeError, InputError) as error:
        raise InputError(f"{path} does not describe a classifier: {error}.") from error
    again = (
        "Copy the whole folder anew from where it was written, or write it again with `farfield evaluate`."
    )
    if checked or any(hashes.values()):
        own = hashes.pop(OWN, None)
        if own != (found := _digest({**values, **hashes})):
            raise InputError(
                f"{path} was changed after it was written: its sha256 is {found}, its own field {OWN} says "
                f"{own}. {again}"
            )
        if hashes.get(BESIDE) != (found := file_hash(weights)):
            raise InputError(
                f"{weights} is not the file that {path} was written for: its sha256 is {found}, expected "
                f"{hashes.get(BESIDE)}. {again}"
            )
    return description


def _digest(values: dict[str, Any]) -> str:
    plain = json.dumps(values, sort_keys=True, ensure_ascii=False, allow_nan=True)
    return hashlib.sha256(plain.encode()).hexdigest()


def _same_normalisation(description: Description) -> None:
    if (description.mean, description.std) != (MEAN, STD):
        raise InputError(
            f"it normalises with mean {description.mean} and std {description.std}; this version of farfield "
            f"knows {MEAN} and {STD} only. Use the version that wrote the classifier"
        )
