"""The few-shot study."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from farfield.settings import NotNegative, Positive
from farfield.training.recipe import Recipe, View
from farfield.transfer.finetuning.settings import FineTuning
from stages.frame.schema.section import Distinct, Name, Section


class Target(Section):
    shots: Annotated[tuple[Positive, ...], Field(min_length=1), Distinct]
    study: Literal["crossdomain", "documents"]
    # Support and queries from splits of their own; none: both from all images.
    support_split: str | None = None
    query_split: str | None = None

    @model_validator(mode="after")
    def both_splits(self) -> "Target":
        if (self.support_split is None) != (self.query_split is None):
            raise ValueError("support_split and query_split are given together or not at all")
        return self


class Row(Section):
    """A row of the table, as its reader sees it."""

    title: str
    # ImageNet networks stand apart: what they have seen is beyond what the published rows were given. So do our
    # own rows, which are no method of the tables; "transductive" ones see all queries of an episode at once.
    family: Literal[
        "meta-learning",
        "transfer",
        "ensemble",
        "ImageNet network",
        "ours (inductive)",
        "transductive",
    ]
    published: str  # the row's name in the published table, or empty

    @property
    def transductive(self) -> bool:
        """Whether it sees all queries of an episode at once."""
        return False


class MetaRow(Row):
    """A meta-learner: trained on episodes of the source, one network a shot, then tested on the targets."""

    learner: str
    settings: dict[str, Any]
    source: str
    train_split: str
    validation_split: str
    test_split: str
    backbone: str
    width: Positive
    transform: Literal["none", "fwt", "learned_fwt"]
    domains: Annotated[tuple[str, ...], Distinct]  # the further sources of learned_fwt
    shots: Annotated[tuple[Positive, ...], Field(min_length=1), Distinct]
    query: Positive
    episodes_per_epoch: Positive
    validation_episodes: NotNegative
    selection: Literal["last", "best"]
    recipe: Recipe
    episodes: NotNegative  # the first so many are answered; 0: all

    @property
    def transductive(self) -> bool:
        """By BatchNorm's statistics of them."""
        return "batch" in (self.settings.get("norm"), self.settings.get("head_norm"))

    @model_validator(mode="after")
    def domains_fit(self) -> "MetaRow":
        if bool(self.domains) != (self.transform == "learned_fwt"):
            raise ValueError(
                f"transform learned_fwt needs domains, and nothing else takes any; found transform "
                f"{self.transform} with {len(self.domains)} domains"
            )
        return self


class FrozenRow(Row):
    """A classifier on features of a network that stays as it is, which saw each image once, or in views."""

    learner: str
    model: str
    reads: Literal["features", "views"]
    settings: dict[str, Any]
    episodes: NotNegative


class Start(Section):
    """A classifier on features that answers each query by itself."""

    learner: str
    settings: dict[str, Any]


class TransductiveRow(Row):
    """A head on features of a network that stays as it is, which sees all queries of an episode at once."""

    assumes: str  # what it takes for granted of the queries, in words
    head: str  # of farfield.transfer.transductive
    start: Start | None  # whose probabilities it starts from; none: as published
    model: str
    settings: dict[str, Any]
    episodes: NotNegative

    @property
    def transductive(self) -> bool:
        return True


class AdaptedRow(Row):
    """One way to answer the queries with a network that was adapted to the support."""

    readout: str  # of farfield.transfer.readouts
    settings: dict[str, Any]

    @property
    def transductive(self) -> bool:
        return self.readout == "transductive"


class Adaptation(Section):
    """A network adapted to each episode, once for all its rows."""

    model: str
    settings: FineTuning
    viewed: bool  # whether images are shown in the views that keep a label of their target
    episodes: NotNegative
    shots: Annotated[tuple[Positive, ...], Distinct]  # those of a target's that are answered; none named: all
    rows: Annotated[dict[Name, AdaptedRow], Field(min_length=1)]


class CombinedRow(Row):
    """One way to combine the features of several models."""

    combine: str  # of farfield.transfer.ensembles
    settings: dict[str, Any]


class Ensemble(Section):
    """Several source models, adapted to each episode or as they are, once for all rows."""

    models: Annotated[tuple[str, ...], Field(min_length=1)]
    adapt: FineTuning | None  # none: the features of the models as they are
    episodes: NotNegative
    rows: Annotated[dict[Name, CombinedRow], Field(min_length=1)]


class FewShot(Section):
    way: Annotated[int, Field(gt=1)]
    query: Positive
    episodes: Positive
    reference: str  # the method that paired differences are taken against
    targets: dict[Name, Target]
    models: Annotated[tuple[str, ...], Distinct]  # networks whose features rows and ensembles read
    viewed_models: Annotated[tuple[str, ...], Distinct]  # those of which rows read features of views
    # By target, those that keep a label of its images, the plain one first; images of others have that alone.
    views: dict[Name, Annotated[tuple[View, ...], Field(min_length=2), Distinct]]
    meta: dict[Name, MetaRow]
    transfer: dict[Name, FrozenRow]
    transductive: dict[Name, TransductiveRow]
    finetune: dict[Name, Adaptation]
    ensemble: dict[Name, Ensemble]
    # By row of finetune others of it with other settings: claims that the row decides are judged by them too.
    variants: dict[Name, Annotated[tuple[str, ...], Field(min_length=1), Distinct]]

    @property
    def rows(self) -> dict[str, Row]:
        """Every row of the main tables by its key, in the order of the published ones. Those of `transductive`
        stand in a block of their own, and variants beside the claims."""
        apart = {variant for variants in self.variants.values() for variant in variants}
        return {key: row for key, row in self.answered.items() if key not in apart}

    @property
    def answered(self) -> dict[str, Row]:
        """Every row of which `units` leave results: those of the main tables and variants of them."""
        families: list[Mapping[str, Row]] = [self.meta, self.transfer]
        families += [unit.rows for unit in self.finetune.values()]
        families += [unit.rows for unit in self.ensemble.values()]
        return {key: row for family in families for key, row in family.items()}

    @property
    def networks(self) -> dict[str, tuple[str, ...]]:
        """The networks behind each row that reads or adapts some that were there before."""
        used: dict[str, tuple[str, ...]] = {key: (row.model,) for key, row in self.transfer.items()}
        used |= {key: (head.model,) for key, head in self.transductive.items()}
        used |= {key: (unit.model,) for unit in self.finetune.values() for key in unit.rows}
        return used | {key: unit.models for unit in self.ensemble.values() for key in unit.rows}

    @property
    def units(self) -> list[str]:
        """The stages that answer episodes for the main tables, each with a file of results."""
        return [*self.meta, *self.transfer, *self.finetune, *self.ensemble]

    def views_of(self, target: str) -> tuple[View, ...]:
        return self.views.get(target, ("plain",))

    @property
    def viewed(self) -> set[str]:
        """Rows that show images in views, of which each target says which keep a label."""
        found = {key for key, row in self.transfer.items() if row.reads == "views"}
        return found | {key for unit in self.finetune.values() if unit.viewed for key in unit.rows}

    @property
    def adapted(self) -> set[str]:
        """The networks that are adapted to episodes; the others are only looked through."""
        ensembles = [unit for unit in self.ensemble.values() if unit.adapt]
        models = {model for unit in ensembles for model in unit.models}
        return models | {unit.model for unit in self.finetune.values()}

    @model_validator(mode="after")
    def names_exist(self) -> "FewShot":
        used = {f"transfer.{key}.model": row.model for key, row in self.transfer.items()}
        used |= {f"transductive.{key}.model": head.model for key, head in self.transductive.items()}
        used |= {f"finetune.{key}.model": unit.model for key, unit in self.finetune.items()}
        for key, unit in self.ensemble.items():
            if len(set(unit.models)) < len(unit.models):
                raise ValueError(f"ensemble.{key}.models names a model twice: {', '.join(unit.models)}")
            used |= {f"ensemble.{key}.models.{i}": model for i, model in enumerate(unit.models)}
        for key, model in used.items():
            if model not in self.models:
                raise ValueError(f"{key} is {model!r}, which is not one of models: {', '.join(self.models)}")
        for key, row in self.transfer.items():
            if row.reads == "views" and row.model not in self.viewed_models:
                known = ", ".join(self.viewed_models) or "none"
                raise ValueError(
                    f"transfer.{key} reads views by {row.model!r}, which is not one of viewed_models: {known}"
                )
        for model in self.viewed_models:
            if model not in self.models:
                raise ValueError(
                    f"viewed_models names {model!r}, which is not one of models: {', '.join(self.models)}"
                )
        for target, views in self.views.items():
            if views[0] != "plain":
                raise ValueError(f"views.{target} begins with {views[0]!r}; the first view is the plain one")
        if self.reference not in self.rows:
            raise ValueError(f"reference {self.reference!r} is not one of the rows: {', '.join(self.rows)}")
        return self

    @model_validator(mode="after")
    def variants_are_fine_tuned(self) -> "FewShot":
        readouts = {key: row.readout for unit in self.finetune.values() for key, row in unit.rows.items()}
        own = [key for variants in self.variants.values() for key in variants]
        for row, variants in self.variants.items():
            for key in (row, *variants):
                if key not in readouts:
                    raise ValueError(
                        f"variants.{row} names {key!r}, which is no row of finetune; these are "
                        f"{', '.join(readouts)}"
                    )
                if readouts[key] != readouts[row]:
                    raise ValueError(
                        f"variants.{row} names {key!r}, whose readout is {readouts[key]!r}; {row} has "
                        f"{readouts[row]!r}, and a variant has the same"
                    )
            if row in own:
                raise ValueError(f"variants.{row} are of a row that is itself a variant")
            for key in variants:
                if own.count(key) > 1:
                    raise ValueError(f"variants names {key!r} twice; a row is a variant of one other")
                if self.answered[key].published:
                    raise ValueError(
                        f"variants.{row} names {key!r}, which stands for the published row "
                        f"{self.answered[key].published!r}; a variant has no published name"
                    )
        asked = {shot for target in self.targets.values() for shot in target.shots}
        for key, adaptation in self.finetune.items():
            if unknown := [shot for shot in adaptation.shots if shot not in asked]:
                raise ValueError(
                    f"finetune.{key}.shots names {unknown[0]}, which no target has; theirs are "
                    f"{', '.join(map(str, sorted(asked)))}"
                )
            if adaptation.shots and (tabled := [row for row in adaptation.rows if row in self.rows]):
                raise ValueError(
                    f"finetune.{key}.shots leaves out shots of {tabled[0]!r}, which is a row of the tables; only "
                    f"variants may answer some shots alone"
                )
        return self

    @model_validator(mode="after")
    def keys_differ(self) -> "FewShot":
        rows = [*self.meta, *self.transfer, *self.transductive]
        rows += [row for unit in self.finetune.values() for row in unit.rows]
        rows += [row for unit in self.ensemble.values() for row in unit.rows]
        for what, keys in (("rows", rows), ("stages", [*self.units, *self.transductive])):
            twice = sorted({key for key in keys if keys.count(key) > 1})
            if twice:
                raise ValueError(
                    f"two {what} of meta, transfer, transductive, finetune and ensemble are named {twice[0]!r}"
                )
        return self

    @property
    def sources(self) -> dict[str, str]:
        """The dataset behind every parameter of a meta-learner that names a source."""
        named: dict[str, str] = {}
        for key, row in self.meta.items():
            named[f"fewshot.meta.{key}.source"] = row.source
            named |= {f"fewshot.meta.{key}.domains.{i}": name for i, name in enumerate(row.domains)}
        return named
