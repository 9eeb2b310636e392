"""The page on what ran: profile, seeds, versions, parameters and cost."""

from collections.abc import Iterator, Mapping
from typing import Any, NotRequired, TypedDict

from farfield.reporting.cells import Cell, Column, Table
from farfield.reporting.site import Page


class Provenance(TypedDict):
    """What a run was. `parameters` may be nested; `cost` is seconds by stage."""

    profile: str
    seeds: Mapping[str, int]
    versions: Mapping[str, str]
    device: str
    parameters: Mapping[str, Any]
    revision: NotRequired[str]
    cost: NotRequired[Mapping[str, float]]


def provenance_page(provenance: Provenance) -> Page:
    """Everything that a second run needs to be the same run."""
    cost = provenance.get("cost", {})
    grids = [
        _pairs("Seeds", "Stream", "Seed", provenance["seeds"]),
        _pairs("Versions", "Package", "Version", provenance["versions"]),
        _pairs("Parameters", "Key", "Value", dict(_flat(provenance["parameters"]))),
        _cost_table(cost) if cost else None,
    ]
    context = {"provenance": provenance, "tables": [grid for grid in grids if grid and grid.rows]}
    return Page("provenance", "Provenance", "provenance.html.j2", context)


def _pairs(caption: str, key: str, value: str, pairs: Mapping[str, Any]) -> Table:
    rows = tuple(
        (Cell(name, value=name.lower(), kind="text"), Cell(str(found), value=_sort_value(found), kind="text"))
        for name, found in pairs.items()
    )
    return Table(caption, (Column(key), Column(value)), rows)


def _cost_table(cost: Mapping[str, float]) -> Table:
    total = sum(cost.values())
    rows = tuple(
        (
            Cell(stage, value=stage.lower(), kind="text"),
            Cell(_duration(seconds), value=float(seconds)),
            Cell(f"{100 * seconds / total:.0f} %" if total else "–", value=float(seconds)),
        )
        for stage, seconds in cost.items()
    )
    note = f"{_duration(total)} in all."
    return Table("Cost by stage", (Column("Stage"), Column("Time"), Column("Share")), rows, note)


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


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
