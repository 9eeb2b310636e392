"""The networks of the house: where each comes from, and what it expects of images."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, model_validator

from farfield.datasets.cards import Archive
from farfield.settings import NotNegative, Positive
from farfield.training.recipe import Recipe
from stages.frame.schema.section import Name, Section

Channels = tuple[float, float, float]


class Network(Section):
    """What every network says."""

    backbone: str
    width: Positive
    image_size: NotNegative  # pixels that it sees; 0: image_size of the run
    mean: Channels | None  # of pixels in 0..1, if its weights expect others than ImageNet's
    std: Channels | None
    licence: str  # of its weights
    pretrained_on: str  # what its weights have seen, for readers
    not_for: tuple[
        str, ...
    ] = ()  # datasets that it must not be tested on, having seen their images or classes

    @model_validator(mode="after")
    def statistics_fit(self) -> "Network":
        if (self.mean is None) != (self.std is None):
            raise ValueError("mean and std are given together or not at all")
        if self.std is not None and min(self.std) <= 0:
            raise ValueError(f"std must be above 0 for every channel, found {list(self.std)}")
        return self


class Trained(Network):
    """Trained here, on its source."""

    source: str
    split: str
    head_outputs: NotNegative  # 0: one for each class
    holdout: Annotated[float, Field(ge=0, lt=1)]
    adapters: Literal["none", "series"]  # series: pretrained with residual adapters in place
    recipe: Recipe


class Packaged(Section):
    """Weights that an installed package of Python holds."""

    name: str  # of its distribution
    file: str  # its place below the folder of packages
    sha256: str


class Given(Network):
    """With weights that are not trained here."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    origin: Literal["random", "published", "package", "timm", "torchvision", "onnx"] = Field(alias="from")
    # Of all but random weights and those of a package: a safetensors file with the names of torchvision, or of
    # timm for its networks; or an ONNX file.
    archive: Archive | None = None
    package: Packaged | None = None  # of weights inside an installed package

    @model_validator(mode="after")
    def weights_fit(self) -> "Given":
        given = [name for name, value in (("archive", self.archive), ("package", self.package)) if value]
        if given != {"random": [], "package": ["package"]}.get(self.origin, ["archive"]):
            raise ValueError(
                f"published weights have an archive, and so have those of timm, torchvision and onnx, those of a "
                f"package a package, and random ones neither; found from {self.origin} with "
                f"{' and '.join(given) or 'neither'}"
            )
        library = self.origin if self.origin in ("timm", "torchvision") else ""
        if (self.backbone.partition("/")[0] if "/" in self.backbone else "") != library or (
            (self.backbone == "onnx") != (self.origin == "onnx")
        ):
            raise ValueError(
                f"from timm has a backbone timm/NAME, from torchvision torchvision/NAME, from onnx onnx, and "
                f"others have none of these; found from {self.origin} with {self.backbone}"
            )
        return self


class Networks(Section):
    trained: dict[Name, Trained]
    given: dict[Name, Given]

    @model_validator(mode="after")
    def names_differ(self) -> "Networks":
        if both := set(self.trained) & set(self.given):
            raise ValueError(f"{min(both)!r} is trained and given; a network comes from one of them")
        return self

    @property
    def all(self) -> Mapping[str, Network]:
        return {**self.trained, **self.given}
