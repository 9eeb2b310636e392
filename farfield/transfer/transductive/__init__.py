"""Heads that see all queries of an episode at once: one file a head, each batched over episodes."""

from typing import Any

from farfield.registry import Registry
from farfield.transfer.transductive.head import TransductiveHead

TRANSDUCTIVE: Registry[TransductiveHead] = Registry(
    "transductive head",
    __name__,
    {
        "label_propagation": "LabelPropagation",
        "alpha_tim": "AlphaTIM",
        "laplacian_shot": "LaplacianShot",
        "bd_cspn": "BDCSPN",
        "pt_map": "PTMAP",
    },
)


def transductive_head(name: str, settings: dict[str, Any]) -> TransductiveHead:
    """The head `name` with these settings. InputError if either is unknown."""
    return TRANSDUCTIVE.make(name, settings)
