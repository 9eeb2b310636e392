"""Rows trained and tested on classes of one dataset, each in two columns: by its own recipe, and by a
common one.

A column is part of the cell: "miniimagenet 5-shot own" and "miniimagenet 5-shot common" are answers to the
same episodes by networks that were trained apart."""

from collections.abc import Mapping, Sequence

import pandas as pd

from farfield.results.claims import Claim, Comparison, Judged, Published
from farfield.results.contrasts import Cell, Cells, Contrast, by_cell
from farfield.results.inputs import Dataset
from farfield.results.intervals import Difference, of_contrasts
from farfield.results.published import table
from farfield.results.scores import of_episodes
from farfield.results.study import Row, Study, Varies

COLUMNS = ("own", "common")
FROM_SCRATCH = "from scratch"  # the family of rows whose own column starts so
BASELINE = "classifier_baseline"
# Rows that claims speak of, by their published names: what is published of a claim hangs on no run.
CLAIMED = {
    "Transductive Prop Nets": "tpn",
    "Prototypical Networks": "protonet",
    "MetaOptNet-SVM": "metaopt_svm",
    "MetaOptNet-SVM-trainval": "metaopt_svm_trainval",
}

CLAIMS = {
    "five_shots_above_one": Claim(
        "five_shots_above_one",
        "Five images of a class tell more than one.",
        "The mean over the rows that answered all episodes, at five shots minus at one, by their own recipes.",
    ),
    "transductive_above_inductive": Claim(
        "transductive_above_inductive",
        "At one shot, seeing all queries at once helps.",
        "TPN minus ProtoNet at one shot. What decides is the common recipe, under which the two differ "
        "in nothing "
        "else.",
    ),
    "pretraining_above_meta_training": Claim(
        "pretraining_above_meta_training",
        "A pretrained network and the nearest mean by cosine beat meta-training from scratch.",
        "Classifier-Baseline minus the mean of the rows that start from scratch by their own recipe and answered "
        "all episodes. No row of "
        "the published "
        "table says this; later papers do.",
    ),
    "trainval_adds": Claim(
        "trainval_adds",
        "Training on the validation classes too adds a little.",
        "MetaOptNet-SVM-trainval minus MetaOptNet-SVM, each by its own recipe.",
    ),
}


def of_columns(results: pd.DataFrame) -> pd.DataFrame:
    """SCORES of `results` as `indomain_study` takes them, after training; cells name the column."""
    tables = []
    for column in COLUMNS:
        own = of_episodes("indomain", results[results["trained"] & (results["column"] == column)])
        tables.append(own.assign(cell=own["cell"] + f" {column}"))
    return pd.concat(tables, ignore_index=True)


def indomain_study(
    results: pd.DataFrame,
    rows: Mapping[str, Row],
    datasets: Mapping[str, Dataset],
    reference: str,
    seed: int,
    caveats: Sequence[str] = (),
) -> Study:
    """results: columns method, dataset, shot, column (one of COLUMNS), trained, episode, accuracy
    (percent); those before training are left out. InputError as of `scores.of_episodes` and `Study`."""
    return Study(
        "indomain",
        of_columns(results),
        rows,
        datasets,
        reference,
        published=table("in_domain").dropna(subset="accuracy", ignore_index=True),
        varies=Varies(law="1.96"),
        seed=seed,
        caveats=tuple(caveats),
    )


def gains(results: pd.DataFrame, seed: int) -> dict[tuple[str, str, int, str], Difference]:
    """What training has added, by method, dataset, shot and column: trained minus untrained, on the
    episodes that were answered both times."""
    cells: dict[Cell, pd.DataFrame] = {}
    for (method, dataset, shot, column), own in results.groupby(
        ["method", "dataset", "shot", "column"], sort=False
    ):
        wide = own.pivot(index="episode", columns="trained", values="accuracy")
        if len(wide.columns) == 2:
            cells[dataset, int(str(shot)), column, method] = wide.rename(
                columns={True: "trained", False: "untrained"}
            )
    if not cells:
        return {}
    contrasts: list[Contrast] = [{cell: {"trained": 1.0, "untrained": -1.0}} for cell in cells]
    found = of_contrasts(cells, contrasts, seed)
    return {(cell[3], *cell[:3]): one for cell, one in zip(cells, found, strict=True)}


def judge_indomain(study: Study) -> tuple[Judged, ...]:
    """The claims of CLAIMS, in its order."""
    cells = by_cell(study.scores)
    theirs = _published_cells(study)
    scratch = [key for key in study.shown_rows if study.rows[key].get("family") == FROM_SCRATCH]
    judged = []
    for key, claim in CLAIMS.items():
        comparisons = []
        for title, column in _evidence(key):
            parts = _parts(key, column, cells, scratch)
            talk = _parts(key, "published", theirs, scratch)
            whole = _mean(talk)
            said = Published(_value(theirs, whole)) if talk else None
            if not parts:
                comparisons.append(Comparison(title, talk=said))
                continue
            first, *rest = of_contrasts(cells, [_mean(parts), *parts.values()], study.seed)
            comparisons.append(Comparison(title, first, dict(zip(parts, rest, strict=True)), talk=said))
        judged.append(Judged(claim, tuple(comparisons)))
    return tuple(judged)


def _evidence(claim: str) -> list[tuple[str, str]]:
    """(title, column) of what a claim is judged by; the first decides."""
    titles = {
        "five_shots_above_one": "5 shots − 1 shot",
        "transductive_above_inductive": "TPN − ProtoNet",
        "pretraining_above_meta_training": "Classifier-Baseline − from scratch",
        "trainval_adds": "trainval − train",
    }
    columns = COLUMNS[::-1] if claim == "transductive_above_inductive" else ("own",)
    return [(f"{titles[claim]}, {column}", column) for column in columns]


def _parts(claim: str, column: str, cells: Cells, scratch: Sequence[str]) -> dict[Cell, Contrast]:
    """By (dataset, shot), or (dataset,), the contrast that speaks for a claim where it is above zero."""
    whole = {cell: _answered_all(table) for cell, table in cells.items() if cell[2] == column}
    if claim == "five_shots_above_one":
        return _five_above_one(column, whole)
    found: dict[Cell, Contrast] = {}
    for (dataset, shot, _), rows in whole.items():
        better, worse = {
            "transductive_above_inductive": ("tpn", ["protonet"] if shot == 1 else []),
            "pretraining_above_meta_training": (BASELINE, [row for row in scratch if row in rows]),
            "trainval_adds": ("metaopt_svm_trainval", ["metaopt_svm"]),
        }[claim]
        if worse and {better, *worse} <= set(rows):
            weights = {better: 1.0} | dict.fromkeys(worse, -1 / len(worse))
            found[dataset, shot] = {(dataset, shot, column): weights}
    return found


def _five_above_one(column: str, whole: Mapping[Cell, Sequence[str]]) -> dict[Cell, Contrast]:
    found: dict[Cell, Contrast] = {}
    for dataset in dict.fromkeys(cell[0] for cell in whole):
        one, five = ((dataset, shot, column) for shot in (1, 5))
        if both := [row for row in whole.get(five, ()) if row in whole.get(one, ())]:
            plus, minus = (dict.fromkeys(both, sign / len(both)) for sign in (1, -1))
            found[dataset,] = {five: plus, one: minus}
    return found


def _answered_all(table: pd.DataFrame) -> list[str]:
    """The rows that answered every episode of a cell: a mean with others would be over the few that those did."""
    return [str(row) for row in table.columns[table.notna().all()]]


def _mean(parts: Mapping[Cell, Contrast]) -> Contrast:
    """Of parts that have no cell in common."""
    return {
        cell: {row: weight / len(parts) for row, weight in weights.items()}
        for part in parts.values()
        for cell, weights in part.items()
    }


def _published_cells(study: Study) -> dict[Cell, pd.DataFrame]:
    """The published table as cells (dataset, shot, "published") of one line, by the keys of rows where they have
    one."""
    keys = CLAIMED | {row["published"]: key for key, row in study.rows.items() if row["published"]}
    names = {name: keys.get(name, name) for name in study.published["method"].unique()}
    known = study.published.assign(row=study.published["method"].map(names), unit=0)
    return {
        (str(dataset), int(str(shot)), "published"): own.pivot(index="unit", columns="row", values="accuracy")
        for (dataset, shot), own in known.groupby(["dataset", "shot"])
    }


def _value(cells: Cells, contrast: Contrast) -> float:
    return sum(
        weight * float(cells[cell][row].iloc[0])
        for cell, weights in contrast.items()
        for row, weight in weights.items()
    )
