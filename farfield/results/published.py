"""The published tables that the report sets beside our own; `published/README.md` says whence."""

from pathlib import Path

import pandas as pd

from farfield.errors import InputError

_FOLDER = Path(__file__).parent / "published"
SCORE = "Score"  # of the decathlon, among the datasets of its table

# Rows of rvl_cdip.csv under the names that bscd_fsl.csv has for the same methods.
_BSCD_FSL_NAMES = {
    "Fine-tune": "Ft All",
    "Ft last 1": "Ft Last-1",
    "Ft last 2": "Ft Last-2",
    "Ft last 3": "Ft Last-3",
    "IMS": "IMS-f",
}


def table(name: str) -> pd.DataFrame:
    """The published table `name` (its file name without `.csv`), as the talk shows it."""
    path = _FOLDER / f"{name}.csv"
    if not path.is_file():
        names = ", ".join(sorted(file.stem for file in _FOLDER.glob("*.csv")))
        raise InputError(f"There is no published table '{name}'. There are: {names}.")
    return pd.read_csv(path)


def tuning(name: str) -> pd.DataFrame:
    """`spottune` or `decathlon`: columns method, dataset, accuracy (percent), parameters; without rows of
    scores.

    parameters: in multiples of one network, NaN where the table has none.
    """
    columns = table(name).rename(columns={"accuracy_or_score": "accuracy"})
    columns = columns.reindex(columns=["method", "dataset", "accuracy", "parameters"])
    return columns[columns["dataset"] != SCORE].reset_index(drop=True)


def decathlon_scores() -> dict[str, float]:
    """The published score of each published method, over all ten sets."""
    columns = table("decathlon")
    columns = columns[columns["dataset"] == SCORE]
    return dict(zip(columns["method"], columns["accuracy_or_score"], strict=True))


def sharing(name: str) -> pd.DataFrame:
    """AdaShare's table on `cityscapes`, `nyuv2` or `taskonomy`: columns method, parameters, metric, value.

    parameters: of all tasks' backbones, in multiples of one.
    """
    return table(f"adashare_{name}")[["method", "parameters", "metric", "value"]]


def cross_domain() -> pd.DataFrame:
    """BSCD-FSL and RVL-CDIP as one table: family, method, dataset, shot, accuracy, ci95 (percent).

    Methods have the names of BSCD-FSL's table; cells that were left empty have no row.
    """
    documents = table("rvl_cdip").assign(dataset="RVL-CDIP").replace({"method": _BSCD_FSL_NAMES})
    images = table("bscd_fsl")
    families = images.drop_duplicates("method").set_index("method")["family"]
    # Not there are two classifiers on fine-tuned features.
    documents["family"] = documents["method"].map(families).fillna("transfer")
    both = pd.concat([images, documents], ignore_index=True)
    return both[["family", "method", "dataset", "shot", "accuracy", "ci95"]].dropna(ignore_index=True)
