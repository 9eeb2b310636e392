"""What the networks of a multi-task study cost, beside the published numbers."""

from farfield.report.cells import EMPTY, Column, Table, number, words
from farfield.results.sharing_study import SharingStudy

IMAGE = "224 × 224"  # pixels, of `accounting.PUBLISHED_SIZE`, which needs torch
_GIGA = 1e10  # from here on MACs are told in thousands of millions


def cost_table(study: SharingStudy) -> Table | None:
    """Parameters and multiply-accumulates by the published convention and of the whole model."""
    costs = {key: study.costs[key] for key in study.shown_methods if key in study.costs}
    if not costs:
        return None
    unique = study.published.drop_duplicates("method")
    theirs = dict(zip(unique["method"], unique["parameters"], strict=True))
    scale, unit = mac_unit(study)
    rows = []
    for key, cost in costs.items():
        name = study.methods[key]["published"]
        cells = [words(study.methods[key]["title"]), number(cost["backbone_parameters"])]
        if theirs:
            cells.append(number(theirs[name], kind="published") if name in theirs else EMPTY)
        rows.append(
            (
                *cells,
                number(cost["parameters"] / 1e6),
                number(cost["backbone_macs"] / scale),
                number(cost["macs"] / scale),
            )
        )
    ours = [Column("ours", "Backbone parameters (multiples) ↓")]
    ours += [Column("published", "Backbone parameters (multiples) ↓")] if theirs else []
    return Table(
        caption=f"What a method costs for {len(study.tasks)} tasks, and for an image of {IMAGE} pixels",
        columns=(
            Column("Method"),
            *ours,
            Column("Parameters of the whole model (millions) ↓"),
            Column(f"backbone ({unit}) ↓", "MACs an image"),
            Column(f"whole model ({unit}) ↓", "MACs an image"),
        ),
        rows=tuple(rows),
        note="Backbone columns follow the published convention: parameters in multiples of one backbone, "
        "without heads, and every task runs the backbone for itself, however much tasks share. The whole "
        "model has its heads, computes what tasks share once, and nothing that is skipped. MACs are of an image "
        f"of {IMAGE} pixels, whatever size the run trains on. Numbers are means over a row's samples.",
        style="wrapped",
    )


def mac_unit(study: SharingStudy) -> tuple[float, str]:
    """In what multiply-accumulates are told: (1e6, "millions"), or billions for large networks."""
    most = max(max(cost["macs"], cost["backbone_macs"]) for cost in study.costs.values())
    return (1e9, "billions") if most >= _GIGA else (1e6, "millions")
