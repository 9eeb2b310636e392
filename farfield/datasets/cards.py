"""What is known about a dataset before its first byte arrives.

A card is one YAML file in `conf/dataset/`. `Card` is its schema; the fields are documented there,
in `conf/dataset/card.yaml`, where people who add a dataset look.
"""

from dataclasses import field
from typing import Any, Literal

from farfield.errors import InputError
from farfield.settings import NotNegative, settings

Role = Literal["source", "target", "tuning", "sharing"]
# Numbers of bands, from 1, or every band of the files.
Channels = tuple[int, ...] | Literal["all"]
DepthUnit = Literal["metres", "disparity", "log"]
Resample = Literal["nearest", "bilinear", "bicubic", "lanczos"]


@settings
class Archive:
    """One file that the publisher offers; the key that holds it in the card is its file name."""

    path: str = ""
    urls: tuple[str, ...] = ()
    size: int | None = None
    sha256: str | None = None
    md5: str | None = None
    unverified: str = ""

    def __post_init__(self) -> None:
        given = [name for name in ("sha256", "md5", "unverified") if getattr(self, name)]
        if len(given) != 1:
            raise InputError(
                f"an archive needs exactly one of sha256, md5 or unverified (the reason why the "
                f"publisher gives no checksum), found {given or 'none'}"
            )


@settings
class Expected:
    """What the packed dataset must look like for validation to let it pass."""

    images: int | None = None
    classes: int | None = None
    class_images: dict[str, int] = field(default_factory=dict)
    fewest_images: int = 1
    unreadable: int | None = 0
    duplicates: int | None = 0
    leaked: int | None = 0
    odd: int | None = 0
    modes: tuple[str, ...] = ()
    shortest_side: int = 1
    valid: dict[str, float] = field(default_factory=dict)
    depth: tuple[float, float] | None = None
    depth_unit: DepthUnit = "metres"
    channels: int | None = None


@settings
class Packing:
    """How images become one array: every image is squeezed to size x size with this filter,
    or to `size` high and `width` wide. channels: numbers of the bands that are shown, from 1; none: as
    `decoders.bands` says. range: the values of black and white; none: as `decoders.ranges` says."""

    size: NotNegative = 0
    width: NotNegative = 0
    resample: Resample = "bilinear"
    pre_size: NotNegative = 0
    pre_resample: Resample = "bicubic"
    channels: tuple[int, ...] = ()
    range: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if any(number < 1 for number in self.channels):
            raise InputError(f"packing.channels are numbers of bands, from 1; found {list(self.channels)}")
        if self.range and not self.range[0] < self.range[1]:
            raise InputError(
                f"packing.range is the least and the largest value that is shown; found {list(self.range)}"
            )

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of a packed image."""
        return self.size, self.width or self.size


@settings
class Card:
    """A dataset: where it comes from, how its archives are read, what it must hold."""

    title: str
    role: Role
    layout: str
    licence: str
    citation: str
    homepage: str = ""
    access: str = ""
    notes: str = ""
    published: str = ""
    sample: str = ""
    archives: dict[str, Archive] = field(default_factory=dict)
    folder: str = ""
    generator: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    packing: dict[str, Any] = field(default_factory=dict)
    channels: tuple[int | str, ...] | Literal["all"] = ()
    bands: tuple[str, ...] = ()
    expected: Expected = field(default_factory=Expected)

    def __post_init__(self) -> None:
        origins = [name for name in ("archives", "folder", "generator") if getattr(self, name)]
        if len(origins) != 1:
            raise InputError(
                f"a card needs exactly one of archives, folder or generator, found {origins or 'none'}"
            )
        if self.role == "sharing" and self.channels:
            raise InputError("a dataset of role sharing is packed as uint8 RGB: leave channels out")
        kept = self.kept
        if kept != "all" and (len(set(kept)) < len(kept) or any(number < 1 for number in kept)):
            raise InputError(
                f"channels are numbers of bands, from 1, or names out of `bands`, each once; "
                f"found {list(self.channels)}"
            )

    @property
    def kept(self) -> Channels:
        """The numbers of the bands that are packed as they are; none: the dataset is packed as uint8 RGB."""
        if self.channels == "all":
            return "all"
        if unknown := [each for each in self.channels if isinstance(each, str) and each not in self.bands]:
            raise InputError(f"channels names {unknown[0]!r}, which is none of bands, {list(self.bands)}")
        return tuple(self.bands.index(each) + 1 if isinstance(each, str) else each for each in self.channels)
