"""What every study has: results, and the methods and datasets that they may be of."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import pandas as pd

from farfield.results.inputs import Dataset, listed, reservations


class Shown:
    """Base of studies. results: columns method and dataset among others. methods, datasets: described, in
    the order in which they are shown. caveats: sentences on how the run differs from the published one."""

    results: pd.DataFrame
    methods: Mapping[str, Any]
    datasets: Mapping[str, Dataset]
    caveats: tuple[str, ...]

    @cached_property
    def shown_datasets(self) -> list[str]:
        """Those that have results."""
        present = set(self.results["dataset"].unique())
        return [key for key in self.datasets if key in present]

    @cached_property
    def shown_methods(self) -> list[str]:
        """Those that have results."""
        present = set(self.results["method"].unique())
        return [key for key in self.methods if key in present]

    @property
    def names(self) -> str:
        """The titles of its datasets, listed."""
        return listed([self.datasets[key]["title"] for key in self.shown_datasets])

    @property
    def reservations(self) -> list[str]:
        return [*reservations([self.datasets[key] for key in self.shown_datasets]), *self.caveats]
