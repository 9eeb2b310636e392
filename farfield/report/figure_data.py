"""What figures draw: which methods and datasets are present, and the published values beside them."""

from collections.abc import Mapping

import pandas as pd

from farfield.results.inputs import Dataset, Method, is_real

Methods = Mapping[str, Method]
Datasets = Mapping[str, Dataset]


def present(frame: pd.DataFrame, described: Mapping[str, object], column: str = "dataset") -> list[str]:
    """The keys of `described` that `column` of `frame` holds, in their order."""
    found = set(frame[column])
    return [key for key in described if key in found]


def published_values(
    published: pd.DataFrame, method: Method, dataset: Dataset, shots: set[int]
) -> pd.DataFrame:
    """The published rows of a method at `shots`; none if `dataset` is not the published one."""
    named = (published["method"] == method["published"]) & (published["dataset"] == dataset["published"])
    return published[named & published["shot"].isin(shots) & is_real(dataset)]
