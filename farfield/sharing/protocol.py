"""How targets are read and scored: as AdaShare's released code does, or as its formulas say.

The two give different numbers from the same predictions, so no table may mix them. Each result
carries the name of its protocol.
"""

from dataclasses import dataclass, replace
from typing import Literal

from farfield.errors import InputError

Name = Literal["fixed", "legacy"]


@dataclass(frozen=True)
class Protocol:
    """The switches that concern targets, losses and metrics; the defaults are the protocol "fixed".

    miou_zero_tp: a class without any true positive has IoU 0 ("zero"), be it in the ground truth or only
        predicted, or is left out of the mean ("drop"). A class that is in neither is always left out.
    means: of pixel accuracy, of the errors of depth, keypoints and edges and of Taskonomy's segmentation
        loss: over the pixels of all images ("pooled"), or over images of the mean in each ("per_image").
        Angles and similarities of normals are always over the pixels of all images.
    void_in_pixel_accuracy: pixels of no class count as wrong.
    negative_depth: predictions below 1e-6 m are taken as that in the ratios of the deltas, which makes
        them wrong ("clamped"), or give a negative ratio, which is below each threshold ("correct").
    normals: byte codes are decoded to [-1, 1], or their raw values are the vector ("legacy_raw"): all
        lie in one octant then, and an angle of 20 degrees becomes one of about 11.
    flip_normals: a mirrored image negates its normals' x.
    zoom_depth: a zoomed image changes its depth.
    uncertain: unlabelled pixels are unknown ("ignored"), or of class 0 ("background").
    """

    name: Name = "fixed"
    miou_zero_tp: Literal["zero", "drop"] = "zero"
    means: Literal["pooled", "per_image"] = "pooled"
    void_in_pixel_accuracy: bool = False
    negative_depth: Literal["clamped", "correct"] = "clamped"
    normals: Literal["decoded", "legacy_raw"] = "decoded"
    flip_normals: bool = True
    zoom_depth: bool = True
    uncertain: Literal["ignored", "background"] = "ignored"


FIXED = Protocol()
LEGACY = Protocol(
    name="legacy",
    miou_zero_tp="drop",
    means="per_image",
    void_in_pixel_accuracy=True,
    negative_depth="correct",
    normals="legacy_raw",
    flip_normals=False,
    zoom_depth=False,
    uncertain="background",
)

# Each loader of the released code has its own faults: what it does right, by study.
_RIGHT_IN_LEGACY: dict[str, dict[str, object]] = {
    "cityscapes": {"normals": "decoded", "flip_normals": True, "uncertain": "ignored"},
    "nyuv2": {"void_in_pixel_accuracy": False, "uncertain": "ignored"},
    "taskonomy": {"normals": "decoded", "flip_normals": True, "void_in_pixel_accuracy": False},
}


def protocol(name: str, study: str | None = None) -> Protocol:
    """The protocol `name`, "fixed" or "legacy".

    study: "cityscapes", "nyuv2" or "taskonomy", for "legacy" as the released code treats that data set;
    None for all of its departures at once. InputError for other names.
    """
    if name not in ("fixed", "legacy"):
        raise InputError(f"the protocol must be fixed or legacy, found {name!r}")
    if study is not None and study not in _RIGHT_IN_LEGACY:
        raise InputError(f"the study must be {', '.join(_RIGHT_IN_LEGACY)}, found {study!r}")
    if name == "fixed":
        return FIXED
    return replace(LEGACY, **_RIGHT_IN_LEGACY.get(study or "", {}))  # type: ignore[arg-type]
