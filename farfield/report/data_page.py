"""The page on the datasets: how they look, where they come from, what validation found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

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
            DataSection(dataset, badge(dataset), reservation(dataset), checked, findings, picture)
        )
    pictures = [section.picture for section in sections if section.picture]
    return Page("data", "Data", "data.html.j2", {"sections": sections}, assets_of(pictures))


def _findings(validation: Validation) -> tuple[Finding, ...]:
    unreadable = [f"{file['path']}: {file['reason']}" for file in validation["unreadable"]]
    found = {
        "Files that cannot be read": unreadable,
        "Kinds of files that are not shown as they are": validation["remarks"],
        "Files with the same bytes": [" = ".join(paths) for paths in validation["duplicates"]],
        "Files in more than one split": [" = ".join(paths) for paths in validation["leaked"]],
    }
    return tuple(_finding(title, lines) for title, lines in found.items() if lines)


def _finding(title: str, lines: Sequence[str]) -> Finding:
    return Finding(title, len(lines), tuple(lines[:LISTED_FILES]))
