"""The composed parameters, read through one schema that refuses what it does not know.

`commands.compose` writes them into the files of params/, one for each dvc.yaml that expands over them. They
are JSON, since DVC parses a file of parameters anew for every stage that names it, and JSON in C.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError, model_validator

from farfield.datasets.cards import Card, Packing, Role
from farfield.errors import InputError
from farfield.settings import NotNegative, Positive
from farfield.training.recipe import Recipe
from stages.frame.schema.fewshot import FewShot
from stages.frame.schema.indomain import InDomain
from stages.frame.schema.networks import Networks
from stages.frame.schema.section import Name, Section
from stages.frame.schema.sharing import Sharing
from stages.frame.schema.tuning import TuningStudy
from stages.frame.schema.values import SHOWN, faults

PARAMS = Path("params")
# What is trained by a recipe that has a name: {of section: its groups}.
TRAINED = {
    "networks": ("trained",),
    "fewshot": ("meta",),
    "spottune": ("methods",),
    "decathlon": ("methods",),
}


class Seeds(Section):
    """Every random draw of the pipeline hangs on one of these."""

    generate: NotNegative
    episodes: NotNegative
    pretrain: NotNegative
    metatrain: NotNegative
    fewshot: NotNegative
    tuning: NotNegative
    sharing: NotNegative
    compare: NotNegative


class Params(Section):
    profile: str
    image_size: Positive  # of what networks see; packed images are larger and cropped to it
    packing: Packing
    seeds: Seeds
    recipes: dict[Name, Recipe]
    datasets: dict[Name, Card]
    networks: Networks
    fewshot: FewShot
    indomain: InDomain
    spottune: TuningStudy
    decathlon: TuningStudy
    sharing: Sharing

    @model_validator(mode="after")
    def archives_are_files(self) -> "Params":
        for name, card in self.datasets.items():
            for file in card.archives:
                if file in ("", ".", "..") or set(file) & set("/\\\0\n"):
                    raise ValueError(
                        f"datasets.{name}.archives: {file!r} is no name of a file; folders stand in path"
                    )
        return self

    @model_validator(mode="after")
    def datasets_exist(self) -> "Params":
        # What names a dataset, and the role that it must have; a task takes one of any role.
        wanted: dict[str, tuple[str, Role | None]] = {
            f"fewshot.targets.{name}": (name, "target") for name in self.fewshot.targets
        }
        wanted |= {key: (name, "source") for key, name in self.sources.items()}
        for study, spec in self.tuning.items():
            wanted |= {
                f"{study}.tasks.{key}.dataset": (task.dataset, None) for key, task in spec.tasks.items()
            }
        wanted |= {
            f"sharing.studies.{key}.dataset": (study.dataset, "sharing")
            for key, study in self.sharing.studies.items()
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

    @model_validator(mode="after")
    def networks_exist(self) -> "Params":
        wanted = {f"fewshot.models.{i}": name for i, name in enumerate(self.fewshot.models)}
        for study, spec in self.tuning.items():
            wanted |= {f"{study}.methods.{key}.network": row.network for key, row in spec.methods.items()}
        for key, name in wanted.items():
            if name not in self.networks.all:
                known = ", ".join(self.networks.all)
                raise ValueError(f"{key} is {name!r}, which is not one of networks: {known}")
        return self

    @model_validator(mode="after")
    def tests_are_clean(self) -> "Params":
        fewshot = self.fewshot
        for row, models in fewshot.networks.items():
            for model in models:
                network = self.networks.all[model]
                for target in fewshot.targets:
                    if {target, self.datasets[target].title.lower()} & set(network.not_for):
                        raise ValueError(
                            f"the row {row} tests the network {model} on {target}, on which its card says that "
                            f"it must not be tested (not_for): it has seen "
                            f"{network.pretrained_on or 'its images'}. Leave out the row or the target."
                        )
        return self

    @model_validator(mode="after")
    def domains_are_clean(self) -> "Params":
        """A network of the in-domain study has seen no class that it is tested on: of ImageNet's networks
        every one has, and so it is trained here, on splits of the same dataset that are not for tests."""
        for dataset, source in self.indomain.datasets.items():
            key = f"indomain.datasets.{dataset}.network"
            if source.network in self.networks.given:
                given = self.networks.given[source.network]
                raise ValueError(
                    f"{key} is {source.network!r}, whose weights are given and have seen "
                    f"{given.pretrained_on or 'nothing'}; rows of this table may have seen the classes of "
                    f"{dataset} that they train on and no others. Name a network that is trained here."
                )
            if source.network not in self.networks.trained:
                known = ", ".join(self.networks.trained)
                raise ValueError(
                    f"{key} is {source.network!r}, which is not one of networks.trained: {known}"
                )
            network = self.networks.trained[source.network]
            if network.source != dataset or network.split != "train":
                raise ValueError(
                    f"{key} is {source.network!r}, trained on the split {network.split} of "
                    f"{network.source}; it must "
                    f"be trained on the split train of {dataset}, else it may have seen classes of the test"
                )
        return self

    @property
    def sources(self) -> dict[str, str]:
        """The dataset behind every parameter that names a source."""
        trained = self.networks.trained.items()
        named = {f"networks.trained.{key}.source": row.source for key, row in trained} | self.fewshot.sources
        return named | {f"indomain.datasets.{name}": name for name in self.indomain.datasets}

    def untrained(self, network: str) -> bool:
        """Whether its weights are as they were before any training."""
        given = self.networks.given.get(network)
        if given is not None:
            return given.origin == "random"
        return self.networks.trained[network].recipe.epochs == 0

    def licences_of(self, networks: Iterable[str]) -> list[str]:
        """Those of their weights."""
        return [self.networks.all[name].licence for name in networks]

    def pixels_of(self, network: str) -> int:
        """How many a network sees, across and down."""
        return self.networks.all[network].image_size or self.image_size

    @property
    def tuning(self) -> dict[str, TuningStudy]:
        """The studies of that shape, by name."""
        return {"spottune": self.spottune, "decathlon": self.decathlon}

    def image_size_of(self, study: str) -> int:
        """Pixels that the networks of a study see."""
        own = {"fewshot": 0, "indomain": self.indomain.image_size}
        size = own[study] if study in own else self.tuning[study].image_size
        return size or self.image_size

    @model_validator(mode="after")
    def packings_fit(self) -> "Params":
        fewshot = {*self.fewshot.targets, *self.fewshot.sources.values()}
        for name in self.datasets:
            seen = [self.image_size] if name in fewshot else []
            seen += [self.pixels_of(key) for key, row in self.networks.trained.items() if row.source == name]
            if name in self.fewshot.targets:
                seen += [self.pixels_of(key) for key in self.fewshot.adapted]
            seen += [self.image_size_of("indomain")] if name in self.indomain.datasets else []
            for study, spec in self.tuning.items():
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
                f"there is no dataset {name!r} among the parameters, which have {', '.join(self.datasets)}. "
                f"Compose a profile that holds it, or add it under `datasets`."
            )
        return self.datasets[name]

    def datasets_of(self, role: Role) -> list[str]:
        return [name for name, card in self.datasets.items() if card.role == role]

    def packing_of(self, name: str) -> Packing:
        """The global packing with what the dataset's card overrides."""
        merged = {**vars(self.packing), **self.card(name).packing}
        try:
            return TypeAdapter(Packing).validate_json(json.dumps(merged), strict=True)
        except ValidationError as error:
            problems = "; ".join(_sentence(problem) for problem in error.errors())
            raise ValueError(f"datasets.{name}.packing: {problems}") from error


def load_params(folder: Path = PARAMS) -> Params:
    """Read and check the parameters of all files. InputError names every offending key."""
    values: dict[str, Any] = {}
    for path in sorted(folder.glob("*.json")):
        try:
            values |= json.loads(path.read_bytes())
        except (ValueError, TypeError) as error:
            raise InputError(
                f"{path} cannot be read: {error}; `python -m commands.compose` writes it anew from params.yaml"
            ) from error
    if not values:
        raise InputError(f"{folder} holds no parameters; write them with `python -m commands.compose`")
    return check_params(values, str(folder))


def check_params(values: dict[str, Any], name: str) -> Params:
    if found := list(faults(values)):
        more = [f"and {len(found) - SHOWN} more"] if len(found) > SHOWN else []
        raise InputError(f"{name} is not valid:\n" + "\n".join(found[:SHOWN] + more))
    try:
        # As JSON, strictly: true is no number and "5" none either, but a list may be a tuple.
        return Params.model_validate_json(json.dumps(with_recipes(values)), strict=True)
    except ValidationError as error:
        raise InputError(f"{name} is not valid:\n" + "\n".join(map(_sentence, error.errors()))) from error


def with_recipes(values: dict[str, Any]) -> dict[str, Any]:
    """The parameters with each `recipe: name` and its `changes` replaced by what they stand for.

    InputError if there is no recipe of a name. Whatever has another form is left to the schema.
    """
    recipes = values.get("recipes")
    if not isinstance(recipes, dict):
        return values
    values = dict(values)
    for section, groups in TRAINED.items():
        if not isinstance(values.get(section), dict):
            continue
        values[section] = dict(values[section])
        for group in groups:
            entries = values[section].get(group)
            if isinstance(entries, dict):
                values[section][group] = {
                    key: _with_recipe(entry, recipes, f"{section}.{group}.{key}")
                    for key, entry in entries.items()
                }
    return values


def _with_recipe(entry: Any, recipes: dict[str, Any], key: str) -> Any:
    if not isinstance(entry, dict) or not isinstance(entry.get("recipe"), str):
        return entry
    if entry["recipe"] not in recipes:
        raise InputError(
            f"{key}.recipe is {entry['recipe']!r}, which is not one of recipes: {', '.join(recipes)}"
        )
    changes = entry.get("changes") if entry.get("changes") is not None else {}
    if not isinstance(changes, dict):
        raise InputError(
            f"{key}.changes must be settings of a recipe, as in {{epochs: 3}}, found {changes!r}"
        )
    rest = {name: value for name, value in entry.items() if name != "changes"}
    return rest | {"recipe": _merged(recipes[entry["recipe"]], changes)}


def _merged(settings: Any, changes: Any) -> Any:
    """`settings` with `changes` in place of theirs, section by section."""
    if not isinstance(settings, dict) or not isinstance(changes, dict):
        return changes
    return settings | {
        name: _merged(settings[name], value) if name in settings else value for name, value in changes.items()
    }


def _sentence(problem: Any) -> str:
    key = ".".join(str(part) for part in problem["loc"] if part != "[key]") or "params"
    if problem["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        return f"- {key}: there is no such parameter (found {problem['input']!r}); check its spelling"
    if problem["type"] == "missing":
        return f"- {key}: this parameter is missing"
    message = problem["msg"].removeprefix("Value error, ")
    found = "" if isinstance(problem["input"], dict) else f", found {problem['input']!r}"
    return f"- {key}: {message[:1].lower()}{message[1:]}{found}"
