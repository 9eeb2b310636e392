"""What networks cost, beside the published numbers."""

from farfield.report.cells import EMPTY, Column, Table, number, words
from farfield.results.families import SharingStudy, TuningStudy

IMAGE = "224 × 224"  # pixels, of `accounting.PUBLISHED_SIZE`, which needs torch
_GIGA = 1e10  # from here on MACs are told in thousands of millions


def sharing_costs(study: SharingStudy) -> Table | None:
    """Parameters and multiply-accumulates by the published convention and of the whole model."""
    costs = {key: study.costs[key] for key in study.shown_rows if key in study.costs}
    if not costs:
        return None
    unique = study.published.drop_duplicates("method")
    theirs = dict(zip(unique["method"], unique["parameters"], strict=True))
    scale, unit = mac_unit(study)
    rows = []
    for key, cost in costs.items():
        name = study.rows[key]["published"]
        cells = [words(study.title_of(key)), number(cost["backbone_parameters"])]
        if theirs:
            cells.append(number(theirs[name], kind="published") if name in theirs else EMPTY)
        whole = (cost["parameters"] / 1e6, cost["backbone_macs"] / scale, cost["macs"] / scale)
        rows.append((*cells, *map(number, whole)))
    sides = ["ours", "published"] if theirs else ["ours"]
    return Table(
        caption=f"What a method costs for {len(study.tasks)} tasks, and for an image of {IMAGE} pixels",
        columns=(
            Column("Method"),
            *(Column(side, "Backbone parameters (multiples) ↓") for side in sides),
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


def tuning_costs(study: TuningStudy) -> Table | None:
    """Parameters and multiply-accumulates of each method, beside the published parameters."""
    named = study.published.dropna(subset=["parameters"]).drop_duplicates("method")
    theirs = dict(zip(named["method"], named["parameters"], strict=True))
    costs = {key: study.costs[key] for key in study.shown_rows if key in study.costs}
    if not costs:
        return None
    macs = any("macs" in cost for cost in costs.values())
    rows = []
    for key, cost in costs.items():
        name = study.rows[key]["published"]
        cells = [words(study.title_of(key))]
        cells.append(number(cost["parameters"]) if "parameters" in cost else EMPTY)
        if theirs:
            cells.append(number(theirs[name], kind="published") if name in theirs else EMPTY)
        if macs:
            cells.append(number(cost["macs"] / 1e6) if "macs" in cost else EMPTY)
        rows.append(tuple(cells))
    columns = [Column("Method"), Column("ours", "Parameters")]
    columns += [Column("published", "Parameters")] if theirs else []
    columns += [Column("MACs an image (millions)")] if macs else []
    return Table(
        caption="What a method costs",
        columns=tuple(columns),
        rows=tuple(rows),
        note="Parameters of the source and all tasks together in multiples of the network that fine-tuning "
        "takes, without classifiers; a binary mask counts one bit a weight. The decathlon counts nine tasks, "
        "however many ran here. Multiply-accumulates are those of evaluation: of a routed network with the "
        "chosen branch alone, of parallel adapters folded into their convolutions.",
    )
