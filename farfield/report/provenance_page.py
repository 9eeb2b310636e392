"""The page on what ran: profile, seeds, versions and parameters."""

from collections.abc import Iterator, Mapping
from typing import Any, TypedDict

from farfield.report.cells import Cell, Column, Table, words
from farfield.report.site import Page


class Provenance(TypedDict):
    """What a run was. `parameters` may be nested."""

    profile: str
    seeds: Mapping[str, int]
    versions: Mapping[str, str]
    device: str
    parameters: Mapping[str, Any]


def provenance_page(provenance: Provenance) -> Page:
    """Everything that a second run needs to be the same run."""
    grids = [
        _pairs("Seeds", "Stream", "Seed", provenance["seeds"]),
        _pairs("Versions", "Package", "Version", provenance["versions"]),
        _pairs("Parameters", "Key", "Value", dict(_flat(provenance["parameters"]))),
    ]
    context = {"provenance": provenance, "tables": [grid for grid in grids if grid.rows]}
    return Page("provenance", "Provenance", "provenance.html.j2", context)


def _pairs(caption: str, key: str, value: str, pairs: Mapping[str, Any]) -> Table:
    rows = tuple(
        (words(name), Cell(str(found), value=_sort_value(found), kind="text"))
        for name, found in pairs.items()
    )
    return Table(caption, (Column(key), Column(value)), rows)


def _flat(parameters: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """(dotted key, value in words) of every leaf."""
    for key, value in parameters.items():
        name = f"{above}{key}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{name}.")
        elif isinstance(value, list | tuple):
            yield name, ", ".join(map(str, value))
        else:
            yield name, "" if value is None else str(value)


def _sort_value(value: Any) -> float | str:
    return float(value) if isinstance(value, int | float) else str(value).lower()
