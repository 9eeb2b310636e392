"""Cards of networks whose weights are in installed packages: what each is, has seen, and expects of images."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from farfield.errors import InputError

if TYPE_CHECKING:
    from farfield.backbones.backbone import Backbone

# In a checkout the cards are those of the pipeline; a wheel brings them along.
_PACKAGED = Path(__file__).with_name("cards")
CARDS = _PACKAGED if _PACKAGED.is_dir() else Path(__file__).parents[2] / "conf/network"


@dataclass(frozen=True)
class NetworkCard:
    """backbone, width: as of `farfield.backbones.build`. image_size: pixels that it sees, across and down. mean,
    std: of pixels in 0..1, as its weights expect them. licence: of its weights. pretrained_on: what they have
    seen. package: distribution of Python that holds them; file: its place below the folder of packages; sha256:
    of that file."""

    name: str
    backbone: str
    image_size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    licence: str
    pretrained_on: str
    package: str
    file: str
    sha256: str
    width: int = 64

    def load(self) -> "Backbone":
        """The network with its weights. InputError if they are not installed, or are not those of the card."""
        from farfield.backbones import build
        from farfield.networks.weights import load_packaged
        from farfield.training.images import expect

        backbone = build(self.backbone, width=self.width, image_size=self.image_size)
        load_packaged(backbone, self.package, self.file, self.sha256)
        expect(backbone, self.mean, self.std)
        return backbone


def network_cards() -> dict[str, NetworkCard]:
    """The cards by name, sorted."""
    import yaml

    found = {}
    for path in sorted(CARDS.glob("*.yaml")):
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
        if values.pop("from", "") != "package":
            continue
        del values["defaults"]
        package = values.pop("package")
        values |= {"mean": tuple(values["mean"]), "std": tuple(values["std"]), "package": package.pop("name")}
        found[path.stem] = NetworkCard(name=path.stem, **values, **package)
    return found


def network_card(name: str) -> NetworkCard:
    """InputError if there is none of that name."""
    cards = network_cards()
    if name not in cards:
        raise InputError(f"there is no network {name!r}; there are {', '.join(cards)}")
    return cards[name]
