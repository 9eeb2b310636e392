"""The published tables that the report sets beside our own; `published/README.md` says whence."""

from pathlib import Path

import pandas as pd

from farfield.errors import InputError

_FOLDER = Path(__file__).parent / "published"

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
    """`spottune` or `decathlon`: columns method, dataset, accuracy (percent), parameters.

    parameters: in multiples of one network, NaN where the table has none. The decathlon's score stands
    among the datasets as `Score`.
    """
    columns = table(name).rename(columns={"accuracy_or_score": "accuracy"})
    return columns.reindex(columns=["method", "dataset", "accuracy", "parameters"])


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
    documents["family"] = (
        documents["method"].map(families).fillna("transfer")
    )  # two classifiers on fine-tuned features
    both = pd.concat([images, documents], ignore_index=True)
    return both[["family", "method", "dataset", "shot", "accuracy", "ci95"]].dropna(ignore_index=True)
