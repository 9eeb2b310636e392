"""The multi-task study: one section for all three tables, since their rows are the same."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from itertools import combinations
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError, model_validator

from farfield.errors import InputError
from farfield.settings import NotNegative, Positive
from farfield.sharing.recipe import DenseRecipe, SearchRecipe
from stages.frame.schema.section import Distinct, Name, Section

TaskName = Literal["segmentation", "normals", "depth", "keypoints", "edges"]
Share = Annotated[float, Field(gt=0, lt=1)]


class Network(Section):
    """The shared form of all networks: a Deeplab-ResNet and a head for each task."""

    backbone: str
    width: Positive
    head_width: Positive
    dropout: Annotated[float, Field(ge=0, lt=1)]
    norm: Literal["shared", "per_task"]  # BatchNorm of the tasks' common layers


class Study(Section):
    """A table: a dataset, its tasks, and how everything is trained on it."""

    title: str
    published: str  # the dataset of the published table
    kind: Literal["scene", "taskonomy"]  # which losses and metrics its tasks have
    dataset: str
    train: Annotated[tuple[str, ...], Field(min_length=1), Distinct]
    test: Annotated[tuple[str, ...], Field(min_length=1), Distinct]
    tasks: Annotated[dict[TaskName, Annotated[float, Field(gt=0)]], Field(min_length=2)]  # weights of losses
    class_weights: tuple[float, ...] | None  # of segmentation's cross-entropy; None: all alike
    network: Network
    recipe: DenseRecipe  # of warm-up, re-training and all baselines
    warm_up: NotNegative  # iterations before the search
    search: SearchRecipe
    selection: Share  # of the training images, held out to choose between checkpoints and policies
    validations: Positive  # of a training, evenly spaced; the best checkpoint is kept
    samples: Positive  # policies drawn from a search; each different one is trained
    replicates: Positive  # trainings of a baseline, with seeds of their own


class Row(Section):
    """A row of the table."""

    title: str
    published: str  # its name in the published tables, or empty


class Weighting(Section):
    """How the tasks' losses are weighed against each other."""

    name: str  # of farfield.sharing.weighting
    settings: dict[str, Any] = Field(default_factory=dict)


class Baseline(Row):
    method: str  # of farfield.sharing.methods
    settings: dict[str, Any]
    weighting: Weighting

    @model_validator(mode="after")
    def has_losses(self) -> "Baseline":
        if self.method == "constant" and self.weighting.name != "fixed":
            raise ValueError(
                f"the best constant has no losses to weigh, so its weighting must be fixed, found "
                f"{self.weighting.name}"
            )
        return self


class Search(Section):
    """A search for policies. changes: what it has in place of each study's own search settings."""

    changes: dict[str, Any]


class Retrained(Row):
    """Networks trained from scratch with fixed policies: samples of those that a search found, its
    likeliest one, or random ones that skip as many blocks as the samples."""

    search: str
    policies: Literal["searched", "likeliest", "random"]


class Treelike(Row):
    """Networks of a tree: tasks share segments of a backbone and part for good.

    branch_before: stages of the backbone, from 0, before which they may part, beside before stem and heads.
    """

    branch_before: Annotated[tuple[NotNegative, ...], Distinct]


class Branched(Treelike):
    """Trees by Learning to Branch. changes: as of a search."""

    changes: dict[str, Any]


class Recommended(Treelike):
    """Trees that two-task networks recommend. share: of a training's iterations, for each of these. budget: the
    most parameters of a tree, in multiples of one backbone; None is any number."""

    share: Annotated[float, Field(gt=0, le=1)]
    budget: Annotated[float, Field(ge=1)] | None


class Sharing(Section):
    protocol: Literal["fixed", "legacy"]
    reference: str  # the row that relative performance is taken against
    studies: dict[Name, Study]
    baselines: dict[Name, Baseline]
    searches: dict[Name, Search]
    retrained: dict[Name, Retrained]
    branched: dict[Name, Branched]
    recommended: dict[Name, Recommended]

    @property
    def rows(self) -> dict[str, Row]:
        """Every row by its key, in the order of the table."""
        return {key: row for group in self._groups.values() for key, row in group.items()}

    @property
    def _groups(self) -> dict[str, Mapping[str, Row]]:
        return {
            "baselines": self.baselines,
            "retrained": self.retrained,
            "branched": self.branched,
            "recommended": self.recommended,
        }

    @model_validator(mode="after")
    def names_exist(self) -> "Sharing":
        for key, row in self.retrained.items():
            if row.search not in self.searches:
                raise ValueError(
                    f"retrained.{key}.search is {row.search!r}, which is not one of searches: "
                    f"{', '.join(self.searches)}"
                )
        for (one, rows), (other, others) in combinations(self._groups.items(), 2):
            if both := set(rows) & set(others):
                raise ValueError(f"{min(both)!r} is in {one} and in {other}; a row comes from one of them")
        if self.rows and self.reference not in self.rows:
            raise ValueError(f"reference {self.reference!r} is not one of the rows: {', '.join(self.rows)}")
        return self


def changed(search: SearchRecipe, changes: dict[str, Any], key: str) -> SearchRecipe:
    """`search` with some settings replaced. InputError that names the parameter `key`."""
    try:
        return TypeAdapter(SearchRecipe).validate_json(json.dumps({**asdict(search), **changes}), strict=True)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, p['loc']))}: {p['msg']}" for p in error.errors())
        raise InputError(f"{key}.changes: {problems}") from error
