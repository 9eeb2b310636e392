"""A network that a user names: one with a card here, or one of another library, or a file."""

import dataclasses
import fnmatch
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from farfield.errors import InputError
from farfield.networks.cards import IMAGENET, MEAN, STD, NetworkCard, network_card

# Fields of a card that a user may give.
FIELDS = ("image_size", "mean", "std", "licence", "pretrained_on", "not_for")


@dataclass(frozen=True)
class Said:
    """What a user says of a network. weights: a file. download: whether one may be fetched. card: fields of a
    `NetworkCard`, which win over what is known without."""

    weights: Path | None = None
    download: bool = False
    card: dict[str, Any] = dataclasses.field(default_factory=dict)


def choose_network(name: str, said: Said = Said()) -> NetworkCard:
    """The card of `name`: of `network_cards`; timm/NAME or torchvision/NAME with weights in a file; an ONNX file;
    a safetensors file that farfield wrote. A file NAME.yaml beside the weights may hold fields of its card.

    InputError if there is no such network, or no weights, or if something that is said does not fit it.
    """
    library, of_library, model = name.partition("/")
    path = Path(name).expanduser()
    if path.suffix.lower() == ".onnx" or path.suffix == ".safetensors":
        if said.weights:
            raise InputError(f"--network {name} is the file of weights already; leave --weights out.")
        return _described(_onnx(path, said) if path.suffix != ".safetensors" else _own(path), path, said)
    if of_library and library == "timm":
        from farfield.networks.timm_cards import timm_card, timm_weights

        weights = said.weights or timm_weights(model, said.download)  # first: it says whether to stay offline
        return _described(timm_card(model), weights, said)
    if of_library and library == "torchvision":
        if said.weights is None:
            raise InputError(
                f"{name} needs its weights: --weights FILE.safetensors, with torchvision's names."
            )
        return _described(_torchvision(model, said.weights), said.weights, said)
    if said.weights or said.download:
        network_card(name)
        raise InputError(f"{name} brings its weights in a package; --weights and --download are for others.")
    return _with(network_card(name), said.card, "the options")


def cards_of_library(pattern: str) -> list[NetworkCard]:
    """What is known of timm/NAME or torchvision/NAME, whose * and ? stand for any characters, in the order of
    their names; weights are those in the cache of the hub. InputError if there is none."""
    library, _, name = pattern.partition("/")
    if library == "timm":
        from farfield.backbones.from_timm import timm
        from farfield.networks.timm_cards import timm_card

        names = timm().list_pretrained(name) if set("*?") & set(name) else [name]
        cards = [timm_card(each) for each in names]
    elif library == "torchvision":
        from torchvision import models

        every = models.list_models(module=models)
        names = fnmatch.filter(every, name) if set("*?") & set(name) else [name]
        cards = [_torchvision(each, None) for each in names]
    else:
        raise InputError(f"{pattern}: networks are of timm or torchvision, as in timm/resnet18")
    if not cards:
        raise InputError(f"there is no network {pattern}")
    return cards


def _described(card: NetworkCard, weights: Path, said: Said) -> NetworkCard:
    """The card with what stands beside the weights, and then with what was said."""
    import yaml

    weights = weights.expanduser()
    beside = weights.with_suffix(".yaml")
    if beside.is_file():
        try:
            values = yaml.safe_load(beside.read_text(encoding="utf-8")) or {}
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise InputError(f"{beside} is not valid YAML: {error}") from error
        card = _with(card, values, str(beside))
    return dataclasses.replace(_with(card, said.card, "the options"), weights=str(weights))


def _with(card: NetworkCard, values: Any, source: str) -> NetworkCard:
    if not isinstance(values, dict) or set(values) - set(FIELDS):
        found = sorted(set(values) - set(FIELDS)) if isinstance(values, dict) else values
        raise InputError(f"{source}: the card of a network may hold {', '.join(FIELDS)}; found {found}")
    values = dict(values)
    for name in ("mean", "std"):
        if name in values:
            given = values[name] if isinstance(values[name], list | tuple) else [values[name]]
            numbers = [float(each) for each in given if isinstance(each, int | float)]
            if (
                len(numbers) != len(given)
                or len(given) != card.channels
                or not all(map(math.isfinite, numbers))
                or (name == "std" and min(numbers) <= 0)
            ):
                raise InputError(
                    f"{source}: {name} must be {card.channels} numbers of pixels in 0..1, one a channel"
                    f"{', all above 0' if name == 'std' else ''}; found {values[name]!r}"
                )
            values[name] = tuple(numbers)
    if ("mean" in values) != ("std" in values):
        raise InputError(f"{source}: mean and std are given together or not at all")
    size = values.get("image_size", 1)
    if not isinstance(size, int) or size < 1:
        raise InputError(f"{source}: image_size must be a number of pixels above 0, found {size!r}")
    values["not_for"] = tuple(values.get("not_for", card.not_for))
    return dataclasses.replace(card, **values)


def _torchvision(model: str, weights: Path | None) -> NetworkCard:
    """torchvision's own weights are known by their file, whose name ends in a part of its hash; without a file,
    the newest are meant."""
    from farfield.backbones.from_torchvision import require_torchvision

    require_torchvision(model)
    from torchvision import models

    known = list(models.get_model_weights(model))
    mine = [each for each in known if weights is None or Path(each.url).stem in weights.stem]
    found = (mine or known)[-1]
    view = found.transforms()
    swag = bool(mine) and "SWAG" in found.name
    return NetworkCard(
        name=f"torchvision/{model}",
        backbone=f"torchvision/{model}",
        image_size=view.crop_size[0],
        mean=tuple(view.mean),
        std=tuple(view.std),
        licence="CC-BY-NC-4.0 (SWAG)" if swag else "BSD-3-Clause" if mine else "",
        pretrained_on=f"ImageNet-1k ({found.name})" if mine else "images that the file does not name",
        not_for=IMAGENET,
    )


def _onnx(path: Path, said: Said) -> NetworkCard:
    if not path.is_file():
        raise InputError(f"there is no ONNX file at {path}")
    from farfield.backbones.from_onnx import inspect

    size = said.card.get("image_size", 224)
    features, size = inspect(path, size)
    return NetworkCard(
        name=path.stem,
        backbone="onnx",
        width=features,
        image_size=size,
        mean=MEAN,
        std=STD,
        licence="",
        pretrained_on="images that the file does not name",
        not_for=IMAGENET,
    )


def _own(path: Path) -> NetworkCard:
    """A file that a stage of the pipeline wrote."""
    from farfield.networks.weights import refuse_pickles
    from farfield.training.checkpoints import load_tensors

    refuse_pickles(path)
    _, facts = load_tensors(path)
    if not {"backbone", "width", "image_size"} <= set(facts) or facts.get("adapters", "none") != "none":
        raise InputError(
            f"{path} does not say what network it holds, as those of pipelines/networks/models/ do (without "
            f"adapters); name the network too, as in --network timm/NAME --weights {path}"
        )
    return NetworkCard(
        name=path.stem,
        backbone=facts["backbone"],
        width=facts["width"],
        image_size=facts["image_size"],
        mean=tuple(facts.get("mean") or MEAN),
        std=tuple(facts.get("std") or STD),
        licence="",
        pretrained_on=f"what {path.stem} was trained on",
    )
