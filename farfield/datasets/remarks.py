"""What was done to the files of a data set, one line a kind of file, for people."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def remarks_on(manifest: "pd.DataFrame") -> list[str]:
    """One line a kind of file that is not usual: '118 files: 12 bits in 16, shown from 212 to 3,890'.

    Nothing is said of 8 bits, one page, and one or three bands.
    manifest: as `packing.pack` writes it. The lines are in the order of what they say: range, pages, the rest.
    """
    lines = []
    for _, files in manifest[manifest["container"] > 8].groupby(["container", "mode"]):
        lines.append(f"{_files(len(files))}: {_range(files)}")
    several = manifest[manifest["pages"] > 1]
    counted = several.value_counts(["page", "pages"], sort=False).reset_index(name="files")
    for page, pages, count in counted.itertuples(index=False):
        lines.append(f"{_files(count)}: page {page + 1} of {pages}")
    said = manifest.loc[manifest["remark"] != "", "remark"].value_counts()
    lines += [f"{_files(int(count))}: {remark}" for remark, count in sorted(said.items())]
    return lines


def _files(count: int) -> str:
    return f"{count:,} file{'' if count == 1 else 's'}"


def _range(files: "pd.DataFrame") -> str:
    bits, container = int(files["bits"].max()), int(files["container"].iloc[0])
    kind = f"{bits} bits in {container}" if bits < container else f"{container} bits"
    spans = files[["low", "high"]].drop_duplicates()
    low, high = _number(float(spans["low"].min())), _number(float(spans["high"].max()))
    if len(spans) == 1:
        return f"{kind}, shown from {low} to {high}"
    return f"{kind}, each shown in a range of its own, between {low} and {high}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 or value == round(value) else f"{value:.3g}"
