"""The page on what policies decided: maps, histograms, images with few and many tuned blocks, entropy."""

import io
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from farfield.report.cells import Table
from farfield.report.site import Page, Picture, anchor, assets_of
from farfield.report.tuning import map_picture
from farfield.report.tuning_figures import entropy_curves, usage_histograms
from farfield.report.tuning_policies import (
    differs,
    entropy,
    extremes,
    of_method,
    policy_map,
    policy_methods,
    policy_table,
    usage,
)
from farfield.results.inputs import badge, labelled
from farfield.results.tuning_study import PolicyRecord, TuningName, TuningStudy

GALLERY_IMAGES = 8
_SIDE = 128  # pixels; shown at about half of that, for dense screens


@dataclass(frozen=True)
class Gallery:
    """Test images of a dataset with the fewest and with the most tuned blocks."""

    title: str
    badge: str
    few: tuple[Picture, ...]
    many: tuple[Picture, ...]


@dataclass(frozen=True)
class PolicySection:
    """The policy of one method of one study; table, histograms and galleries only if images differ."""

    title: str
    table: Table | None
    map: Picture
    usage: Picture | None
    entropy: Picture | None
    galleries: tuple[Gallery, ...]


def policies_page(studies: Mapping[TuningName, TuningStudy]) -> Page | None:
    """A section for each method that has a policy; None if no method has."""
    sections = [_section(study, method) for study in studies.values() for method in policy_methods(study)]
    if not sections:
        return None
    texts = [text for study in studies.values() if policy_methods(study) for text in study.reservations]
    context = {"sections": sections, "reservations": list(dict.fromkeys(texts))}
    pictures = [
        picture
        for section in sections
        for picture in (
            section.map,
            section.usage,
            section.entropy,
            *(one for gallery in section.galleries for one in (*gallery.few, *gallery.many)),
        )
        if picture
    ]
    assets = assets_of(pictures)
    for study in studies.values():
        for name, frame in (("map", policy_map(study)), ("usage", usage(study)), ("entropy", entropy(study))):
            if len(frame):
                text = frame.to_csv(index=False, float_format="%.4f", lineterminator="\n")
                assets[f"policies-{study.name}-{name}.csv"] = text.encode()
    context["files"] = [place for place in assets if place.endswith(".csv")]
    return Page("policies", "Policies", "policies.html.j2", context, assets)


def _section(study: TuningStudy, method: str) -> PolicySection:
    title = study.methods[method]["title"]
    records = of_method(study, method)
    start = f"figures/policies-{study.name}-{anchor(method)}"
    counts, curves = usage(study), entropy(study)
    curves = curves[curves["method"] == method]
    varied = {key: record for key, record in records.items() if differs(record)}
    return PolicySection(
        title if study.name == "spottune" else f"{title} on the decathlon",
        policy_table(study, varied) if varied else None,
        map_picture(study, method),
        Picture(
            f"{start}-usage.svg",
            f"Histograms of the number of tuned blocks an image runs by {title}.",
            "How many test images run so many tuned blocks; the dashed line is the mean.",
            usage_histograms(counts[(counts["method"] == method) & counts["dataset"].isin(varied)], study),
            wide=len(varied) > 2,
        )
        if varied
        else None,
        Picture(
            f"{start}-entropy.svg",
            f"Lines of the entropy of the policy of {title} against epochs of training.",
            "Entropy of a decision in training, the mean over blocks and images: 1 bit is a fair coin, 0 is "
            "a policy that has made up its mind.",
            entropy_curves(curves, study),
            wide=False,
        )
        if len(curves)
        else None,
        tuple(_gallery(study, start, key, record) for key, record in varied.items() if key in study.images),
    )


def _gallery(study: TuningStudy, start: str, dataset: str, record: PolicyRecord) -> Gallery:
    card = study.datasets[dataset]
    blocks = record.actions.shape[1]
    sides = []
    for side, places in zip(("few", "many"), extremes(record, GALLERY_IMAGES), strict=True):
        pictures = []
        for number, place in enumerate(places, 1):
            tuned = int(record.actions[place].sum())
            pictures.append(
                Picture(
                    f"{start}-{anchor(dataset)}-{side}-{number}.png",
                    f"A test image of {labelled(card)} that runs {tuned} of {blocks} blocks tuned.",
                    f"{tuned} of {blocks}",
                    thumbnail(np.asarray(study.images[dataset][record.rows[place]])),
                    wide=False,
                )
            )
        sides.append(tuple(pictures))
    return Gallery(card["title"], badge(card), *sides)


def thumbnail(image: np.ndarray) -> bytes:
    """An image, uint8 [h, w, 3], as PNG of at most 128 pixels a side."""
    from PIL import Image

    picture = Image.fromarray(image)
    picture.thumbnail((_SIDE, _SIDE))
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()
