"""What networks cost, beside the published numbers."""

from collections.abc import Sequence
from dataclasses import replace

from farfield.report.cells import EMPTY, Column, Table, number, words
from farfield.results.families import SharingStudy, TuningStudy
from farfield.results.study import Study

IMAGE = "224 × 224"  # pixels, of `accounting.PUBLISHED_SIZE`, which needs torch
_GIGA = 1e10  # from here on MACs are told in thousands of millions
_Quantity = tuple[str, str, str, float]  # its key in `Study.costs`, heading, common heading, and unit


def tuning_costs(study: TuningStudy) -> Table | None:
    """Parameters and multiply-accumulates of each method, beside the published parameters."""
    quantities: list[_Quantity] = [("parameters", "ours", "Parameters", 1)]
    if any("macs" in study.costs.get(key, {}) for key in study.shown_rows):
        quantities.append(("macs", "MACs an image (millions)", "", 1e6))
    note = (
        "Parameters of the source and all tasks together in multiples of the network that fine-tuning "
        "takes, without classifiers; a binary mask counts one bit a weight. The decathlon counts nine tasks, "
        "however many ran here. Multiply-accumulates are those of evaluation: of a routed network with the "
        "chosen branch alone, of parallel adapters folded into their convolutions."
    )
    return _table(study, quantities, Table("What a method costs", (), (), note))


def sharing_costs(study: SharingStudy) -> Table | None:
    """Parameters and multiply-accumulates by the published convention and of the whole model."""
    scale, unit = mac_unit(study)
    quantities = [
        ("backbone_parameters", "ours", "Backbone parameters (multiples) ↓", 1),
        ("parameters", "Parameters of the whole model (millions) ↓", "", 1e6),
        ("backbone_macs", f"backbone ({unit}) ↓", "MACs an image", scale),
        ("macs", f"whole model ({unit}) ↓", "MACs an image", scale),
    ]
    caption = f"What a method costs for {len(study.tasks)} tasks, and for an image of {IMAGE} pixels"
    note = (
        "Backbone columns follow the published convention: parameters in multiples of one backbone, "
        "without heads, and every task runs the backbone for itself, however much tasks share. The whole "
        "model has its heads, computes what tasks share once, and nothing that is skipped. MACs are of an image "
        f"of {IMAGE} pixels, whatever size the run trains on. Numbers are means over a row's samples."
    )
    return _table(study, quantities, Table(caption, (), (), note, "wrapped"))


def mac_unit(study: SharingStudy) -> tuple[float, str]:
    """In what multiply-accumulates are told: (1e6, "millions"), or billions for large networks."""
    most = max((max(cost["macs"], cost["backbone_macs"]) for cost in study.costs.values()), default=0)
    return (1e9, "billions") if most >= _GIGA else (1e6, "millions")


def _table(study: Study, quantities: Sequence[_Quantity], empty: Table) -> Table | None:
    """`empty` with a row for each row that has costs, the published parameters beside the first quantity."""
    costs = {key: study.costs[key] for key in study.shown_rows if key in study.costs}
    if not costs:
        return None
    named = study.published.dropna(subset=["parameters"]).drop_duplicates("method")
    theirs = dict(zip(named["method"], named["parameters"], strict=True))
    columns = [Column(title, group) for _, title, group, _ in quantities]
    if theirs:
        columns.insert(1, Column("published", columns[0].group))
    rows = []
    for key, cost in costs.items():
        name = study.rows[key]["published"]
        cells = [number(cost[of] / unit) if of in cost else EMPTY for of, _, _, unit in quantities]
        if theirs:
            cells.insert(1, number(theirs[name], kind="published") if name in theirs else EMPTY)
        rows.append((words(study.title_of(key)), *cells))
    return replace(empty, columns=(Column("Method"), *columns), rows=tuple(rows))
