"""What timm says of its networks and their weights, as cards; and those weights in the cache of Hugging Face."""

import os
import re
from pathlib import Path
from typing import Any

from farfield.backbones.from_timm import timm_config
from farfield.errors import InputError
from farfield.networks.cards import IMAGENET, MEAN, STD, NetworkCard

# What the tags of timm's weights say that they have seen.
SEEN = {
    "in1k": "ImageNet-1k",
    "in12k": "ImageNet-12k",
    "in21k": "ImageNet-21k",
    "in22k": "ImageNet-22k",
    "lvd142m": "LVD-142M",
    "lvd1689m": "LVD-1689M",
    "laion2b": "LAION-2B",
    "laion400m": "LAION-400M",
    "openai": "the pairs of images and texts of OpenAI's CLIP",
    "webli": "WebLI",
    "datacompxl": "DataComp-XL",
    "inat21": "iNaturalist 2021",
    "yfcc15m": "YFCC-15M",
    "yfcc100m": "YFCC-100M",
    "ig1b": "a billion images of Instagram",
}


def timm_card(model: str) -> NetworkCard:
    """Of the weights that timm knows by that name; those that are in the cache of the hub. InputError if none."""
    config = timm_config(model)
    tag = config.get("tag") or ""
    tokens = re.split(r"[_.]", tag)
    seen = [title for token, title in SEEN.items() if token in tokens]
    return NetworkCard(
        name=f"timm/{model}",
        backbone=f"timm/{model}",
        image_size=tuple(config.get("input_size", (3, 224, 224)))[1],
        mean=tuple(config.get("mean", MEAN)),
        std=tuple(config.get("std", STD)),
        licence=config.get("license") or "",
        pretrained_on=f"{' and '.join(seen) or 'images that timm does not name'} ({tag or 'no tag'})",
        not_for=IMAGENET,
        weights=str(_in_cache(config) or ""),
    )


def timm_weights(model: str, download: bool) -> Path:
    """The file of timm's weights in the cache of the hub; fetched into it if the user asks for that. InputError
    if it is not there, or cannot be fetched."""
    if download:
        os.environ["HF_HUB_OFFLINE"] = "0"  # read once, when timm is first imported
    config = timm_config(model)
    found, (repo, file) = _in_cache(config), _address(config)
    if found:
        return found
    if repo and download:
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import HfHubHTTPError

        try:
            return Path(hf_hub_download(repo, file))
        except (HfHubHTTPError, OSError, ValueError) as error:
            raise InputError(f"{file} of {repo} could not be fetched from Hugging Face: {error}") from error
    raise InputError(
        f"the weights of timm/{model} are not on this machine: give --weights FILE.safetensors, with timm's "
        f"names, or let them be fetched into the cache of Hugging Face with --download"
        + (f" ({file} of {repo})" if repo else "; but timm names no address of them")
    )


def _address(config: dict[str, Any]) -> tuple[str, str]:
    """The repository at Hugging Face, empty if there is none, and the file in it."""
    return config.get("hf_hub_id") or "", config.get("hf_hub_filename") or "model.safetensors"


def _in_cache(config: dict[str, Any]) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    repo, file = _address(config)
    found = try_to_load_from_cache(repo, file) if repo else None
    return Path(found) if isinstance(found, str) else None
