"""`params.yaml`, read through one schema that refuses what it does not know."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import TypeAdapter, ValidationError, model_validator
from yaml import YAMLError

from farfield.datasets.cards import Card, Packing, Role
from farfield.errors import InputError
from stages.schema.fewshot import FewShot
from stages.schema.finetuning import FineTuningStudy
from stages.schema.multitask import MultiTask
from stages.schema.section import Model, NotNegative, Positive, Section


class Seeds(Section):
    """Every random draw of the pipeline hangs on one of these."""

    generate: NotNegative
    episodes: NotNegative
    pretrain: NotNegative
    metatrain: NotNegative
    transfer: NotNegative
    finetune: NotNegative
    multitask: NotNegative
    compare: NotNegative


class Params(Section):
    profile: str
    image_size: Positive  # of what networks see; packed images are larger and cropped to it
    packing: Packing
    seeds: Seeds
    datasets: dict[str, Card]
    fewshot: FewShot
    spottune: FineTuningStudy
    decathlon: FineTuningStudy
    adashare: MultiTask

    @model_validator(mode="after")
    def datasets_exist(self) -> "Params":
        # What names a dataset, and the role that it must have; a task takes one of any role.
        wanted: dict[str, tuple[str, Role | None]] = {
            f"fewshot.targets.{name}": (name, "target") for name in self.fewshot.targets
        }
        wanted |= {key: (name, "source") for key, name in self.fewshot.sources.items()}
        for study, spec in self.finetuning.items():
            wanted |= {
                f"{study}.tasks.{key}.dataset": (task.dataset, None) for key, task in spec.tasks.items()
            }
            wanted |= {
                f"{study}.networks.{key}.source": (network.source, "source")
                for key, network in spec.networks.items()
            }
        wanted |= {
            f"adashare.studies.{key}.dataset": (study.dataset, "multitask")
            for key, study in self.adashare.studies.items()
        }
        for key, (name, role) in wanted.items():
            if name not in self.datasets:
                known = ", ".join(self.datasets)
                raise ValueError(f"{key} names {name!r}, which is not one of datasets: {known}")
            if role and self.datasets[name].role != role:
                raise ValueError(
                    f"{key} needs a dataset of role {role}, but datasets.{name} is a {self.datasets[name].role}"
                )
        return self

    def networks(self, study: str) -> Mapping[str, Model]:
        """What stage `pretrain` makes for a study."""
        return self.fewshot.models if study == "fewshot" else self.finetuning[study].networks

    @property
    def finetuning(self) -> dict[str, FineTuningStudy]:
        """The studies of that shape, by name."""
        return {"spottune": self.spottune, "decathlon": self.decathlon}

    def image_size_of(self, study: str) -> int:
        """Pixels that the networks of a study see."""
        return (study != "fewshot" and self.finetuning[study].image_size) or self.image_size

    @model_validator(mode="after")
    def packings_fit(self) -> "Params":
        fewshot = {*self.fewshot.targets, *self.fewshot.sources.values()}
        for name in self.datasets:
            seen = [self.image_size] if name in fewshot else []
            for study, spec in self.finetuning.items():
                if name in spec.used:
                    seen.append(max(self.image_size_of(study), spec.evaluation_size))
            needed, size = max(seen, default=self.image_size), self.packing_of(name).size
            if size < needed:
                raise ValueError(
                    f"the packing size of {name} is {size}, but networks see {needed} pixels of it; pack at "
                    f"1.15 x image_size, as the protocol does"
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
