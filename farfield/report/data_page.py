"""The page on the datasets: how they look, where they come from, what validation found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from farfield.report.answers import counted
from farfield.report.site import Page, Picture, anchor, assets_of
from farfield.results.inputs import Dataset, Validation, badge, reservation

# Longer lists of files are cut on the page; the validation's own file holds them all.
LISTED_FILES = 50


@dataclass(frozen=True)
class DataSection:
    """One dataset on the page; without validation or picture when that stage has not run."""

    dataset: Dataset
    badge: str
    reservation: str
    validation: Validation | None
    findings: tuple["Finding", ...]
    picture: Picture | None
    channels: str  # that networks get, and how; empty for colours


@dataclass(frozen=True)
class Finding:
    """Files that validation names, of which the first are listed."""

    title: str
    count: int
    lines: tuple[str, ...]


def data_page(
    datasets: Mapping[str, Dataset],
    validation: Mapping[str, Validation],
    previews: Mapping[str, Path],
) -> Page:
    """A section a dataset, in the order of `datasets`; `previews` are PNG files of example images."""
    sections = []
    for key, dataset in datasets.items():
        checked = validation.get(key)
        picture = None
        if key in previews:
            picture = Picture(
                f"previews/{anchor(key)}.png",
                f"Example images of {dataset['title']}.",
                f"Example images of {dataset['title']}, as packed.",
                previews[key],
                wide=False,
            )
        findings = _findings(checked) if checked else ()
        sections.append(
            DataSection(
                dataset, badge(dataset), reservation(dataset), checked, findings, picture, _channels(checked)
            )
        )
    pictures = [section.picture for section in sections if section.picture]
    answer = counted("data", "Data", _checked(validation))
    context = {"sections": sections}
    return Page("data", "Data", "data.html.j2", context, assets_of(pictures), answer=answer)


def _checked(validation: Mapping[str, Validation]) -> str:
    expectations = [one for checked in validation.values() for one in checked["expectations"]]
    broken = sum(not one["success"] for one in expectations)
    images = f"{sum(checked['images'] for checked in validation.values()):,}".replace(",", " ")
    met = "all are met" if not broken else f"{broken} are broken"
    asked = f"{len(expectations)} expectations"
    return f"{len(validation)} datasets with {images} images were held against {asked}: {met}."


def _channels(validation: Validation | None) -> str:
    """Which channels networks get, and by which rule of `farfield.backbones.channels` one of three takes them."""
    names = [each["channel"] for each in validation.get("channels", [])] if validation else []
    if not names:
        return ""
    count = len(names)
    rules = {
        1: "its first kernels are added up",
        2: "the first two of its first kernels serve, with half of the third each",
        3: "they are red, green and blue",
    }
    rule = rules.get(count, f"its first kernels are repeated in turn, times 3/{count}")
    trained = "" if count == 3 else f"; a network trained on {count} channels takes them as they are"
    return f"{', '.join(names)}, at 16 bits. In a network of three channels {rule}{trained}."


def _findings(validation: Validation) -> tuple[Finding, ...]:
    unreadable = [f"{file['path']}: {file['reason']}" for file in validation["unreadable"]]
    found = {
        "Files that cannot be read": unreadable,
        "Kinds of files that are not shown as they are": validation["remarks"],
        "Channels, as shares of the range that each is packed in": [
            f"{each['channel']}: mean {each['mean']:.2f}, spread {each['spread']:.2f}, "
            f"{each['least']:.2f} to {each['largest']:.2f}"
            for each in validation.get("channels", [])
        ],
        "Files with the same bytes": [" = ".join(paths) for paths in validation["duplicates"]],
        "Files in more than one split": [" = ".join(paths) for paths in validation["leaked"]],
    }
    return tuple(_finding(title, lines) for title, lines in found.items() if lines)


def _finding(title: str, lines: Sequence[str]) -> Finding:
    return Finding(title, len(lines), tuple(lines[:LISTED_FILES]))
