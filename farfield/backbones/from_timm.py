"""Networks of timm (Wightman, PyTorch Image Models), by its own code: features, stages, weights as it has them.

A name is an architecture with or without the tag of its weights, as `resnet18.a1_in1k`. Nothing is fetched.
"""

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from farfield.backbones.backbone import ForeignBackbone, shown
from farfield.errors import InputError


def timm() -> Any:
    """The library. InputError if it is not installed."""
    # What timm uses to download asks for this when it is first imported; a farfield that is told to says 0.
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    try:
        import timm
    except ImportError as error:
        raise InputError(
            "a network of timm needs timm, which is not installed: pip install 'farfield[timm]'"
        ) from error
    return timm


def timm_config(name: str) -> dict[str, Any]:
    """What timm knows of the weights of that name: mean, std, input_size, license, ... InputError if nothing."""
    library = timm()
    architecture, _, tag = name.partition(".")
    if not library.is_model(architecture):
        near = difflib.get_close_matches(architecture, library.list_models(), 3, 0.5)
        raise InputError(
            f"timm {library.__version__} has no network {architecture!r}"
            + (f"; near it are {', '.join(near)}" if near else "; `timm.list_models()` names all")
        )
    tags = library.models.list_pretrained(f"{architecture}.*") or [architecture]
    if tag and name not in tags:
        raise InputError(
            f"timm {library.__version__} has no weights {tag!r} of {architecture}; it has {', '.join(tags)}"
        )
    found = library.get_pretrained_cfg(name)
    return found.to_dict() if found is not None else {}


class TimmNetwork(ForeignBackbone):
    """Its features are what timm's network gives with its classifier taken off; its stages are timm's, the last
    of each size of map, or four of equal distance where all have one."""

    def __init__(self, name: str, image_size: int) -> None:
        super().__init__()
        self.name = name
        self.own_size = tuple(timm_config(name).get("input_size", (3, image_size, image_size)))[1:]
        self.image_size = image_size
        self.network = self._made(num_classes=0)
        maps: list[dict[str, Any]] = list(self.network.feature_info)  # type: ignore[arg-type]
        self._shown = shown([int(each["reduction"]) for each in maps])
        self.stage_dims = tuple(maps[i]["num_chs"] for i in self._shown)
        hidden = getattr(self.network, "head_hidden_size", None) or self.network.num_features
        self.feature_dim = int(hidden)  # type: ignore[arg-type]

    def _made(self, **settings: Any) -> nn.Module:
        config = timm_config(self.name)
        if config.get("fixed_input_size") and self.own_size != (self.image_size, self.image_size):
            settings["img_size"] = self.image_size
        try:
            made: nn.Module = timm().create_model(self.name, **settings)
        except TypeError as error:
            raise InputError(
                f"timm/{self.name} sees {self.own_size[0]} pixels and no other number, found {self.image_size}"
            ) from error
        return made

    def outputs(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        last, maps = self.network.forward_intermediates(  # type: ignore[operator]
            self.entry(images), indices=self._shown, output_fmt="NCHW"
        )
        return self.network.forward_head(last), maps  # type: ignore[operator]

    def take(self, tensors: Mapping[str, Tensor], path: Path) -> None:
        """Weights with timm's names, by its own loader. InputError unless all fit.

        The loader leaves weights that are missing at random, and says nothing, if the number of classes is
        another than the file's: so it fills a network with the classifier of the file.
        """
        names = timm_config(self.name).get("classifier") or ()
        heads = [f"{name}.weight" for name in ([names] if isinstance(names, str) else names)]
        classes = next((len(tensors[name]) for name in heads if name in tensors), 0)
        given = {"state_dict": dict(tensors), "num_classes": classes, "label_offset": 0, "custom_load": False}
        try:
            whole = self._made(pretrained=True, num_classes=classes, pretrained_cfg_overlay=given)
        except (RuntimeError, KeyError, ValueError, AttributeError, AssertionError) as error:
            said = " ".join(str(error).split())
            raise InputError(
                f"{path} does not hold the weights of timm/{self.name}: {said[:300]} ... "
                f"Choose the name of timm that the file was made with, or another file."
            ) from error
        state = whole.state_dict()
        self.network.load_state_dict({name: state[name] for name in self.network.state_dict()})
