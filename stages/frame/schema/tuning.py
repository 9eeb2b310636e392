"""The two fine-tuning studies, SpotTune's and the Visual Decathlon's, which have one shape."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from farfield.settings import NotNegative, Positive
from farfield.training.recipe import Recipe
from stages.frame.schema.networks import Channels
from stages.frame.schema.section import Distinct, Name, Section

WITH_POLICY = "spottune"  # the method whose policy is there to be overridden


class Task(Section):
    """A dataset that networks are fine-tuned on."""

    dataset: str
    train: Annotated[tuple[str, ...], Field(min_length=1), Distinct]  # splits of the dataset
    test: Annotated[tuple[str, ...], Distinct]  # none: `holdout` of the training images
    holdout: Annotated[float, Field(ge=0, lt=1)]
    share: Annotated[float, Field(gt=0, le=1)]  # of the training images of each class
    published: str  # the dataset's name in the published table, or empty
    weight_decay: float | None  # in place of the recipe's, for trainings that say so
    mean: Channels | None  # of pixels in 0..1, in place of ImageNet's
    std: Channels | None

    @model_validator(mode="after")
    def one_test(self) -> "Task":
        if bool(self.test) == (self.holdout > 0):
            raise ValueError(
                f"a task is tested either on splits (test) or on a held-out share of its training images "
                f"(holdout), found test {list(self.test)} and holdout {self.holdout}"
            )
        if (self.mean is None) != (self.std is None):
            raise ValueError("mean and std are given together or not at all")
        return self


class TunedRow(Section):
    """A row of the table: what a trained network is asked."""

    title: str
    published: str
    override: Literal["", "argmax", "sampled", "all_tuned", "all_frozen", "random", "mean"]  # of the policy


class Training(Section):
    """A method on every task, trained once for all its rows."""

    network: str
    method: str
    settings: dict[str, Any]
    recipe: Recipe
    replicates: Positive  # trainings with seeds of their own
    task_decay: bool  # whether the weight decay of a task replaces the recipe's
    rows: Annotated[dict[Name, TunedRow], Field(min_length=1)]

    @model_validator(mode="after")
    def overrides_fit(self) -> "Training":
        asked = [key for key, row in self.rows.items() if row.override]
        if asked and self.method != WITH_POLICY:
            raise ValueError(
                f"rows.{asked[0]}.override needs the policy of method {WITH_POLICY}, found {self.method}"
            )
        return self


class TuningStudy(Section):
    reference: str  # the row that differences are taken against
    image_size: NotNegative  # pixels that networks see; 0: as the other studies
    evaluation_size: NotNegative  # pixels seen in evaluation; 0: as in training
    tasks: dict[Name, Task]
    methods: dict[Name, Training]

    @property
    def used(self) -> set[str]:
        """The datasets that its tasks read."""
        return {task.dataset for task in self.tasks.values()}

    @property
    def rows(self) -> dict[str, TunedRow]:
        """Every row by its key, in the order of the table."""
        return {key: row for training in self.methods.values() for key, row in training.rows.items()}

    @model_validator(mode="after")
    def names_exist(self) -> "TuningStudy":
        keys = [row for training in self.methods.values() for row in training.rows]
        if twice := sorted({key for key in keys if keys.count(key) > 1}):
            raise ValueError(f"two rows of methods are named {twice[0]!r}")
        if self.methods and self.reference not in keys:
            raise ValueError(f"reference {self.reference!r} is not one of the rows: {', '.join(keys)}")
        return self
