"""Cards of networks: what each is, has seen, and expects of images."""

import re
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from farfield.errors import InputError
from farfield.networks.licences import mark, terms

if TYPE_CHECKING:
    from farfield.backbones.backbone import Backbone

# In a checkout the cards are those of the pipeline; a wheel brings them along.
_PACKAGED = Path(__file__).with_name("cards")
CARDS = _PACKAGED if _PACKAGED.is_dir() else Path(__file__).parents[2] / "conf/network"
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's pixels in 0..1
# The datasets of the house whose classes or images are ImageNet's. Weights are taken to have seen it unless their
# card says otherwise: nearly all have, and a test that should have been refused cannot be told by its numbers.
IMAGENET = ("miniimagenet", "tieredimagenet")


@dataclass(frozen=True)
class NetworkCard:
    """backbone, width: as of `farfield.backbones.build`. image_size: pixels that it sees, across and down. mean,
    std: of pixels in 0..1, as its weights expect them, for each of its channels. licence: of its weights; empty
    if nobody says. pretrained_on: what they have seen. not_for: dataset cards that it must not be tested on,
    since it has seen their images or classes. Its weights are in `weights`, a file, or in an installed package
    of Python: package, the name of its distribution; file, its place below the folder of packages; sha256, of
    that file."""

    name: str
    backbone: str
    image_size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    licence: str
    pretrained_on: str
    package: str = ""
    file: str = ""
    sha256: str = ""
    width: int = 64
    not_for: tuple[str, ...] = ()
    weights: str = ""
    channels: int = 3

    @property
    def title(self) -> str:
        """Its name as tables show it, marked if its licence is not free."""
        return self.name + mark(self.licence)

    @property
    def extra(self) -> str:
        """The extra of farfield that brings its weights; empty if the default set-up does."""
        if not self.package:
            return self.backbone.partition("/")[0] if self.backbone.startswith(("timm/", "onnx")) else ""
        try:
            required = " ".join(metadata.requires("farfield") or [])
        except metadata.PackageNotFoundError:  # run from its source alone, which has no extras
            return ""
        found = re.search(rf"{re.escape(self.package)}[^;]*; extra == [\"'](\w+)[\"']", required)
        return found[1] if found else ""

    @property
    def installed(self) -> bool:
        """Whether its weights are on this machine."""
        if not self.package:
            return bool(self.weights) and Path(self.weights).is_file()
        try:
            metadata.distribution(self.package)
        except metadata.PackageNotFoundError:
            return False
        return True

    @property
    def state(self) -> str:
        """Whether its weights are here, and if not, what brings them."""
        if self.installed:
            return "here"
        if self.package:
            return f"pip install 'farfield[{self.extra}]'" if self.extra else f"pip install {self.package}"
        return "a file of yours"

    def require_accepted(self, accepted: bool) -> None:
        """InputError if a classifier with these weights in it needs the user's word, and does not have it."""
        kind = terms(self.licence)
        if kind in ("non-commercial", "own terms") and not accepted:
            raise InputError(
                f"the weights of {self.name} are under {self.licence} ({kind}), and a classifier that is written "
                f"holds them. Read the licence; --accept-licence says that what you do with it is allowed, or "
                f"choose another network of `farfield networks`."
            )

    def load(self) -> "Backbone":
        """The network with its weights. InputError if they are not installed, or are not those of the card."""
        from farfield.backbones import build
        from farfield.networks.weights import load_packaged, load_weights
        from farfield.training.images import expect

        backbone = build(self.backbone, width=self.width, image_size=self.image_size)
        if self.package:
            load_packaged(backbone, self.package, self.file, self.sha256)
        else:
            load_weights(backbone, Path(self.weights))
        expect(backbone, self.mean, self.std)
        return backbone


def network_cards() -> dict[str, NetworkCard]:
    """The cards of networks whose weights are in packages of Python, by name, sorted."""
    import yaml

    found = {}
    for path in sorted(CARDS.glob("*.yaml")):
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
        if values.pop("from", "") != "package":
            continue
        del values["defaults"]
        package = values.pop("package")
        for name in ("mean", "std", "not_for"):
            values[name] = tuple(values[name])
        found[path.stem] = NetworkCard(name=path.stem, **values, package=package.pop("name"), **package)
    return found


def network_card(name: str) -> NetworkCard:
    """InputError if there is none of that name."""
    cards = network_cards()
    if name not in cards:
        raise InputError(
            f"there is no network {name!r}; there are {', '.join(cards)}, timm/NAME, torchvision/NAME, and files "
            f".onnx and .safetensors"
        )
    return cards[name]
