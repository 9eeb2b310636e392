"""Networks of torchvision, by its own code. A name is one of torchvision.models, such as `resnet50`."""

import difflib
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from farfield.backbones.backbone import ForeignBackbone, shown
from farfield.errors import InputError

# Where the layers of a network of torchvision stand one after the other; elsewhere they are its own children.
TRUNKS = ("features", "trunk_output", "encoder.layers", "blocks", "layers")


def require_torchvision(name: str) -> None:
    """InputError if torchvision has no network of that name that classifies images."""
    from torchvision import models

    known = models.list_models(module=models)
    if name not in known:
        near = difflib.get_close_matches(name, known, 3, 0.5) or known
        raise InputError(f"torchvision has no classifying network {name!r}; there are {', '.join(near)}")


def torchvision_network(name: str) -> nn.Module:
    """With random weights. InputError if there is none of that name."""
    from torchvision import models

    require_torchvision(name)
    extra = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    made: nn.Module = models.get_model(name, weights=None, **extra)
    if extra:
        made.transform_input = True  # type: ignore[assignment]  # as torchvision does with its own weights
    return made


class TorchvisionNetwork(ForeignBackbone):
    """Its features are what its classifier, the last linear layer, is given; its stages are the last maps before
    each change of size, or four of equal distance where all have one."""

    def __init__(self, name: str, image_size: int) -> None:
        super().__init__()
        network = torchvision_network(name)
        linear = {key: module for key, module in network.named_modules() if isinstance(module, nn.Linear)}
        if not linear:
            raise InputError(
                f"torchvision/{name} has no linear classifier, whose input would be its features"
            )
        self.classifier, last = linear.popitem()
        network.set_submodule(self.classifier, nn.Identity())
        self.feature_dim = last.in_features
        self.network = network
        children = {child for child, _ in network.named_children()}
        trunk = next((path for path in TRUNKS if path.partition(".")[0] in children), "")
        steps = [
            f"{trunk}.{step}".strip(".")
            for step, module in network.get_submodule(trunk).named_children()
            if not isinstance(module, nn.AdaptiveAvgPool2d)
        ]
        found = self._first_pass(steps, name, image_size)
        ends = shown([one.shape[-1] for one in found.values()])
        self._stages = [list(found)[i] for i in ends]
        self.stage_dims = tuple(found[step].shape[1] for step in self._stages)

    def outputs(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        features, maps = self._run(self._stages, images)
        return features, list(maps.values())

    def _run(self, steps: Sequence[str], images: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Features, and the maps [n, c, h, w] after those of the steps that have one."""
        seen: dict[str, Tensor] = {}
        hooks = []
        for step in steps:

            def keep(module: nn.Module, given: Any, output: Any, step: str = step) -> None:
                found = self._map(output)
                if found is not None:
                    seen[step] = found

            hooks.append(self.network.get_submodule(step).register_forward_hook(keep))
        try:
            return self.network(self.entry(images)), seen
        finally:
            for hook in hooks:
                hook.remove()

    def _map(self, output: Any) -> Tensor | None:
        if not isinstance(output, Tensor) or output.dim() not in (3, 4):
            return None
        if output.dim() == 4:
            last = type(self.network).__name__ == "SwinTransformer"  # whose maps are [n, h, w, c]
            return output.permute(0, 3, 1, 2) if last else output
        tokens = output[:, 1:]  # [n, h w, d], without that of the class
        side = math.isqrt(tokens.shape[1])
        return tokens.transpose(1, 2).unflatten(2, (side, side))

    def _first_pass(self, steps: Sequence[str], name: str, image_size: int) -> dict[str, Tensor]:
        """The maps of an empty image. InputError if the network does not take images of that size."""
        self.network.eval()
        try:
            with torch.inference_mode():
                return self._run(steps, torch.zeros(1, 3, image_size, image_size))[1]
        except (RuntimeError, AssertionError) as error:
            said = " ".join(str(error).split())
            raise InputError(
                f"torchvision/{name} does not take images of {image_size} pixels: {said}"
            ) from error
        finally:
            self.network.train()
