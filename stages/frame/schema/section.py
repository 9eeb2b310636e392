"""What every section of the parameters is made of."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from farfield.training.recipe import Recipe

Positive = Annotated[int, Field(gt=0)]
NotNegative = Annotated[int, Field(ge=0)]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Model(Section):
    """A source model: which images it learns from, which network, how."""

    source: str
    split: str
    backbone: str
    width: Positive
    head_outputs: NotNegative  # 0: one for each class
    holdout: Annotated[float, Field(ge=0, lt=1)]
    recipe: Recipe
