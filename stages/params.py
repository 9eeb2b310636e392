"""`params.yaml`, read through one schema that refuses what it does not know."""

from pathlib import Path
from typing import Annotated, Any, Literal

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from yaml import YAMLError

from farfield.datasets.cards import Card, Packing, Role
from farfield.errors import InputError
from farfield.training.recipe import Recipe

Positive = Annotated[int, Field(gt=0)]
NotNegative = Annotated[int, Field(ge=0)]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Seeds(Section):
    """Every random draw of the pipeline hangs on one of these."""

    generate: NotNegative
    episodes: NotNegative
    pretrain: NotNegative
    transfer: NotNegative


class Target(Section):
    shots: Annotated[tuple[Positive, ...], Field(min_length=1)]


class Model(Section):
    """A source model: which images it learns from, which network, how."""

    source: str
    split: str
    backbone: str
    width: Positive
    head_outputs: NotNegative  # 0: one for each class
    holdout: Annotated[float, Field(ge=0, lt=1)]
    recipe: Recipe


class Method(Section):
    """A row of the table."""

    title: str
    family: Literal["meta-learning", "transfer", "ensemble"]
    published: str  # the row's name in the published table, or empty
    learner: str
    model: str
    settings: dict[str, Any]


class FewShot(Section):
    way: Annotated[int, Field(gt=1)]
    query: Positive
    episodes: Positive
    reference: str  # the method that paired differences are taken against
    targets: dict[str, Target]
    models: dict[str, Model]
    methods: dict[str, Method]

    @model_validator(mode="after")
    def names_exist(self) -> "FewShot":
        for key, method in self.methods.items():
            if method.model not in self.models:
                raise ValueError(
                    f"methods.{key}.model is {method.model!r}, which is not one of models: "
                    f"{', '.join(self.models)}"
                )
        if self.reference not in self.methods:
            raise ValueError(f"reference {self.reference!r} is not one of methods: {', '.join(self.methods)}")
        return self


class Params(Section):
    profile: str
    image_size: Positive  # of what networks see; packed images are larger and cropped to it
    packing: Packing
    seeds: Seeds
    datasets: dict[str, Card]
    fewshot: FewShot

    @model_validator(mode="after")
    def datasets_exist(self) -> "Params":
        wanted = {f"fewshot.targets.{name}": name for name in self.fewshot.targets}
        wanted |= {f"fewshot.models.{key}.source": model.source for key, model in self.fewshot.models.items()}
        for key, name in wanted.items():
            if name not in self.datasets:
                known = ", ".join(self.datasets)
                raise ValueError(f"{key} names {name!r}, which is not one of datasets: {known}")
        roles = {f"fewshot.targets.{name}": (name, "target") for name in self.fewshot.targets}
        roles |= {
            f"fewshot.models.{key}.source": (m.source, "source") for key, m in self.fewshot.models.items()
        }
        for key, (name, role) in roles.items():
            if self.datasets[name].role != role:
                raise ValueError(
                    f"{key} needs a dataset of role {role}, but datasets.{name} is a {self.datasets[name].role}"
                )
        return self

    @model_validator(mode="after")
    def packings_fit(self) -> "Params":
        for name in self.datasets:
            size = self.packing_of(name).size
            if size < self.image_size:
                raise ValueError(
                    f"the packing size of {name} is {size}, but networks see image_size {self.image_size}; "
                    f"pack at 1.15 x image_size, as the protocol does"
                )
        return self

    def card(self, name: str) -> Card:
        if name not in self.datasets:
            raise InputError(
                f"there is no dataset {name!r} in params.yaml; it has {', '.join(self.datasets)}. Compose a "
                f"profile that holds it, or add it under `datasets`."
            )
        return self.datasets[name]

    def datasets_of(self, role: Role) -> list[str]:
        return [name for name, card in self.datasets.items() if card.role == role]

    def packing_of(self, name: str) -> Packing:
        """The global packing with what the dataset's card overrides."""
        merged = {**vars(self.packing), **self.card(name).packing}
        try:
            return TypeAdapter(Packing).validate_python(merged)
        except ValidationError as error:
            problems = "; ".join(_sentence(problem) for problem in error.errors())
            raise ValueError(f"datasets.{name}.packing: {problems}") from error


def load_params(path: Path = Path("params.yaml")) -> Params:
    """Read and check the parameters. InputError names every offending key."""
    try:
        values = OmegaConf.to_container(OmegaConf.load(path), resolve=True)
    except FileNotFoundError as error:
        raise InputError(
            f"{path} is missing; write it with `python -m stages.compose profile=quick`"
        ) from error
    except (YAMLError, OmegaConfBaseException) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    return check_params(values, str(path))


def check_params(values: Any, name: str) -> Params:
    try:
        return Params.model_validate(values)
    except ValidationError as error:
        raise InputError(f"{name} is not valid:\n" + "\n".join(map(_sentence, error.errors()))) from error


def _sentence(problem: Any) -> str:
    key = ".".join(str(part) for part in problem["loc"]) or "params"
    if problem["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        return f"- {key}: there is no such parameter (found {problem['input']!r}); check its spelling"
    if problem["type"] == "missing":
        return f"- {key}: this parameter is missing"
    message = problem["msg"].removeprefix("Value error, ")
    found = "" if isinstance(problem["input"], dict) else f", found {problem['input']!r}"
    return f"- {key}: {message[:1].lower()}{message[1:]}{found}"
