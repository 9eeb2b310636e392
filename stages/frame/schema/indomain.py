"""The study of miniImageNet and tieredImageNet."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from farfield.settings import AtLeastZero, NotNegative, Positive
from farfield.training.recipe import Recipe
from stages.frame.schema.section import Distinct, Name, Section


class Tasks(Section):
    """The training episodes of one network."""

    way: NotNegative  # 0: all classes
    shots: tuple[Positive, Positive]  # the fewest and the most, drawn anew in each episode
    query: Positive

    @model_validator(mode="after")
    def shots_rise(self) -> "Tasks":
        if self.shots[0] > self.shots[1]:
            raise ValueError(f"shots are the fewest and the most, found {list(self.shots)}")
        return self


class Column(Section):
    """How a row is trained: by its own recipe, or by the one that all rows share."""

    start: Literal[
        "scratch", "network", "features"
    ]  # the dataset's network, or what it says of images, frozen
    networks: Annotated[tuple[Tasks, ...], Field(min_length=1)]  # one for all shots, or one for each
    episodes_per_epoch: Positive
    clip_value: AtLeastZero  # of each gradient; 0: none
    clip_norm: AtLeastZero  # of all gradients together
    recipe: Recipe


class InDomainRow(Section):
    """A row of the table."""

    title: str
    published: str  # the row's name in the published table, or empty
    learner: str  # of farfield.metalearning
    settings: dict[str, Any]
    backbone: str  # of a network from scratch
    width: Positive
    trained_on: Literal["train", "train+val"]
    published_test: str  # what the published number is over, in words
    remarks: str  # what of the published recipe is recalled and not read, or not done here
    episodes: NotNegative  # the first so many are answered; 0: all
    own: Column


class Source(Section):
    network: str  # that rows start from which do not start from scratch


class InDomain(Section):
    way: Annotated[int, Field(gt=1)]
    shots: Annotated[tuple[Positive, ...], Field(min_length=1), Distinct]
    query: Positive
    episodes: Positive
    image_size: NotNegative  # pixels that networks see; 0: image_size of the run
    untrained: NotNegative  # episodes that a row answers before it is trained too
    reference: str
    datasets: dict[Name, Source]
    common: Column
    rows: dict[Name, InDomainRow]

    @model_validator(mode="after")
    def fits(self) -> "InDomain":
        if self.rows and self.reference not in self.rows:
            raise ValueError(f"reference {self.reference!r} is not one of the rows: {', '.join(self.rows)}")
        if self.common.start == "scratch":
            raise ValueError("common.start must be network or features: what all rows share is one network")
        for key, column in {
            "common": self.common,
            **{f"rows.{k}.own": r.own for k, r in self.rows.items()},
        }.items():
            if len(column.networks) not in (1, len(self.shots)):
                raise ValueError(
                    f"{key}.networks has {len(column.networks)} networks for {len(self.shots)} numbers of shots; "
                    f"give one for all, or one for each"
                )
        return self
