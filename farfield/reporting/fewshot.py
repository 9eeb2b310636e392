"""The few-shot study as a page of the site, a headline of its first page, and a Markdown report."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import pandas as pd

from farfield.episodes.statistics import paired_differences, summarise
from farfield.reporting import figures, tables
from farfield.reporting.cells import Table, markdown
from farfield.reporting.index_page import Headline
from farfield.reporting.inputs import (
    Dataset,
    Method,
    Training,
    badge,
    in_order,
    is_real,
    listed,
    reservations,
)
from farfield.reporting.published import cross_domain
from farfield.reporting.site import Page, Picture, anchor, assets_of

TITLE = "Few-shot learning across domains"
# Below this, 1.96 standard errors are visibly too narrow (Student's quantile is 2.05 at 30).
FEW_EPISODES = 30


@dataclass(frozen=True)
class FewShotStudy:
    """Results of few-shot methods, one row an episode, and what is known about them.

    results: columns method, dataset, shot, episode, accuracy (percent).
    methods, datasets: in the order in which they are shown; datasets from near to far.
    reference: the method that every other is compared with, on the same episodes.
    training: curves of the models that methods build on, by name.
    published: columns method, dataset, shot, accuracy, ci95.
    """

    results: pd.DataFrame
    methods: Mapping[str, Method]
    datasets: Mapping[str, Dataset]
    reference: str
    training: Mapping[str, Training] = field(default_factory=dict)
    published: pd.DataFrame = field(default_factory=cross_domain)
    way: int = 5
    query: int = 15

    @cached_property
    def summary(self) -> pd.DataFrame:
        return in_order(summarise(self.results), self.methods, self.datasets)

    @cached_property
    def differences(self) -> pd.DataFrame:
        return in_order(paired_differences(self.results, self.reference), self.methods, self.datasets)

    @cached_property
    def shots(self) -> list[int]:
        return sorted(set(self.summary["shot"].tolist()))

    @property
    def shown_datasets(self) -> list[str]:
        present = set(self.summary["dataset"])
        return [key for key in self.datasets if key in present]

    @property
    def reservations(self) -> list[str]:
        return reservations([self.datasets[key] for key in self.shown_datasets])

    def accuracy_table(self, dataset: str) -> Table:
        return tables.accuracy_table(self.summary, self.published, self.methods, self.datasets, dataset)

    @property
    def paired_table(self) -> Table:
        return tables.paired_table(self.differences, self.methods, self.datasets)


def fewshot_page(study: FewShotStudy) -> Page:
    """Tables beside the published ones, paired differences, distributions and training curves."""
    pictures = _pictures(study)
    curves = {name: _training_picture(name, training) for name, training in study.training.items()}
    context = {
        "study": study,
        "few_episodes": int(study.summary["episodes"].min()) < FEW_EPISODES,
        "pictures": pictures,
        "accuracy_tables": [
            (study.datasets[key], badge(study.datasets[key]), study.accuracy_table(key))
            for key in study.shown_datasets
        ],
        "reference": study.methods[study.reference]["title"],
        "paired": study.paired_table if len(study.differences) else None,
        "training": [(name, training.final, curves[name]) for name, training in study.training.items()],
    }
    scores = study.summary.to_csv(index=False, float_format="%.4f", lineterminator="\n").encode()
    assets = assets_of([*pictures.values(), *curves.values()])
    assets |= {"fewshot.csv": scores, "fewshot.md": fewshot_markdown(study).encode()}
    return Page("fewshot", TITLE, "fewshot.html.j2", context, assets)


def fewshot_headline(study: FewShotStudy) -> Headline:
    """What the first page shows of the study: accuracy as images leave the natural, and the means."""
    shot = study.shots[0]
    names = listed([study.datasets[key]["title"] for key in study.shown_datasets])
    picture = Picture(
        "figures/fewshot-distance.svg",
        f"Line charts of accuracy at {shot} shots on {names}, a panel for each family of methods.",
        f"Accuracy at {shot} shots, {study.way}-way, from the dataset nearest to natural images to the one "
        "farthest from them; bars are 95 % intervals and the dotted line is chance.",
        figures.accuracy_by_distance(study.summary, study.methods, study.datasets, shot, 100 / study.way),
    )
    lead = (
        f"{study.summary['method'].nunique()} methods learn {study.way} new classes from "
        f"{listed([str(shot) for shot in study.shots])} images each, on {names}."
    )
    table = tables.overview_table(study.summary, study.methods, study.datasets)
    return Headline("fewshot", TITLE, lead, picture, table)


def fewshot_markdown(study: FewShotStudy) -> str:
    """The tables of the page as Markdown, for a README or a merge request."""
    parts = [f"# {TITLE}\n", *(f"> {text}\n" for text in study.reservations)]
    parts += [
        f"## {study.datasets[key]['title']}\n\n{markdown(study.accuracy_table(key))}"
        for key in study.shown_datasets
    ]
    if len(study.differences):
        parts.append(f"## Paired differences\n\n{markdown(study.paired_table)}")
    return "\n".join(parts)


def _pictures(study: FewShotStudy) -> dict[str, Picture]:
    """The figures of the page; `paired` only when there is another method than the reference."""
    shot, reference = study.shots[0], study.methods[study.reference]["title"]
    names = listed([study.datasets[key]["title"] for key in study.shown_datasets])
    real = any(is_real(study.datasets[key]) for key in study.shown_datasets)
    hollow = " Hollow markers are the published values." if real else ""
    described = (study.methods, study.datasets)
    pictures = {
        "shots": Picture(
            "figures/fewshot-shots.svg",
            f"Line charts of accuracy against shots on {names}, a row of panels for each family of methods.",
            "Accuracy against the number of labelled images of a class. Each row highlights one family of "
            f"methods and repeats the others as faint lines; bars are 95 % intervals.{hollow}",
            figures.accuracy_by_shot(study.summary, study.published, *described),
        ),
        "methods": Picture(
            "figures/fewshot-methods.svg",
            f"Dot plots of the accuracy of every method on {names}, one dot a shot.",
            f"Every method on every dataset, with 95 % intervals.{hollow}",
            figures.all_methods(study.summary, study.published, *described),
        ),
        "episodes": Picture(
            "figures/fewshot-episodes.svg",
            f"Histograms of the accuracy of single episodes at {shot} shots on {names}, one row a method.",
            f"How accuracy varies between episodes at {shot} shots; a stroke marks the median. A mean hides "
            "that some draws of classes are easy for every method and some are hard for all.",
            figures.episode_distribution(study.results, *described, shot),
        ),
    }
    if len(study.differences):
        pictures["paired"] = Picture(
            "figures/fewshot-paired.svg",
            f"Dot plots of the difference of every method to {reference} on {names}.",
            f"Difference to {reference} on the same episodes, with 95 % intervals of the difference.",
            figures.paired_differences(study.differences, *described),
        )
    return pictures


def _training_picture(name: str, training: Training) -> Picture:
    return Picture(
        f"figures/training-{anchor(name)}.svg",
        f"Loss and accuracy of {name} against epochs of training.",
        "",
        figures.training_curves(training.curve),
        wide=False,
    )
