"""The two pages on policies: which images run which blocks tuned, and which blocks tasks run and share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import pandas as pd

from farfield.report.answers import counted
from farfield.report.cells import Cell, Column, Table, number, words
from farfield.report.curves import entropy_curves, search_curves
from farfield.report.examples import Gallery, gallery
from farfield.report.histograms import usage_histograms
from farfield.report.matrices import correlation_matrix, image_policy_matrix, search_map, task_policy_matrix
from farfield.report.site import Page, Picture, anchor, assets_of, csv
from farfield.report.tables import count
from farfield.report.wording import drawn
from farfield.results.families import PolicyRecord, SharingStudy, TuningStudy
from farfield.results.headings import TASKS
from farfield.results.inputs import labelled
from farfield.results.policies import (
    differs,
    entropy,
    of_row,
    routed_rows,
    search_history,
    sharing_rows,
    task_correlation,
    task_shares,
    tuned_shares,
    usage,
)

# A decision this near to a fair coin is called undecided.
_UNDECIDED = 0.1


@dataclass(frozen=True)
class PolicySection:
    """The policy of one row of one study; of images, table, histograms and galleries only if images
    differ."""

    title: str
    table: Table | None
    pictures: Mapping[str, Picture]
    galleries: Sequence[Gallery] = field(default_factory=tuple)

    @property
    def all_pictures(self) -> list[Picture]:
        shown = [one for gallery in self.galleries for one in (*gallery.few, *gallery.many)]
        return [*self.pictures.values(), *shown]


def policies_page(studies: Mapping[str, TuningStudy]) -> Page | None:
    """A section for each row with a policy over images; None if none has."""
    shown = [study for study in studies.values() if routed_rows(study)]
    sections = [_images(study, row) for study in shown for row in routed_rows(study)]
    frames = {
        f"{study.name}-{name}": table(study)
        for study in studies.values()
        for name, table in (("map", tuned_shares), ("usage", usage), ("entropy", entropy))
    }
    said = " ".join(_decided(study, routed_rows(study)[0]) for study in shown)
    return _page("policies", "Policies", said, shown, sections, sections, frames) if sections else None


def sharing_page(studies: Mapping[str, SharingStudy]) -> Page | None:
    """A section for each study with policies of tasks, and in it one for each row; None if no row has any."""
    shown = [study for study in studies.values() if sharing_rows(study)]
    sections = [(study, [_tasks(study, row) for row in sharing_rows(study)]) for study in shown]
    flat = [section for _, rows in sections for section in rows]
    frames = {
        f"{study.name}-{name}": table(study)
        for study in shown
        for name, table in (("map", task_shares), ("search", search_history))
    }
    said = " ".join(_skipped(study, sharing_rows(study)[0]) for study in shown)
    return _page("sharing", "What tasks share", said, shown, sections, flat, frames) if sections else None


def _decided(study: TuningStudy, row: str) -> str:
    """On which datasets a row's policy runs most and fewest tuned blocks."""
    means = {key: float(record.actions.sum(1).mean()) for key, record in of_row(study, row).items()}
    blocks = max(record.actions.shape[1] for record in of_row(study, row).values())
    most, least = max(means, key=lambda key: means[key]), min(means, key=lambda key: means[key])
    return (
        f"{_named(study, row)} runs {means[most]:.1f} of {blocks} blocks tuned for an image of "
        f"{labelled(study.datasets[most])}, and {means[least]:.1f} for one of {labelled(study.datasets[least])}."
    )


def _skipped(study: SharingStudy, row: str) -> str:
    runs = np.asarray(study.policies[row]["runs"], dtype=bool)
    mean = float((~runs).sum(-1).mean())
    return (
        f"With {len(study.tasks)} tasks on {drawn([study.dataset])}, a task of {study.title_of(row)} skips "
        f"{mean:.1f} of {runs.shape[-1]} blocks."
    )


def _page(
    slug: str,
    title: str,
    said: str,
    studies: Sequence[TuningStudy | SharingStudy],
    sections: Sequence[object],
    flat: Sequence[PolicySection],
    frames: Mapping[str, pd.DataFrame],
) -> Page:
    files = {f"policies-{name}.csv": csv(frame, 4) for name, frame in frames.items() if len(frame)}
    texts = [text for study in studies for text in study.reservations]
    context = {"sections": sections, "reservations": list(dict.fromkeys(texts)), "files": list(files)}
    assets = assets_of([one for section in flat for one in section.all_pictures])
    answer = counted(slug, title, said)
    return Page(slug, title, f"{slug}.html.j2", context, assets | files, answer=answer)


def _images(study: TuningStudy, row: str) -> PolicySection:
    title, start, records = study.title_of(row), _start(study, row), of_row(study, row)
    counts, curves = usage(study), entropy(study)
    curves = curves[curves["method"] == row]
    varied = {key: record for key, record in records.items() if differs(record)}
    pictures = {"map": image_map(study, row)}
    if varied:
        pictures["usage"] = Picture(
            f"{start}-usage.svg",
            f"Histograms of the number of tuned blocks an image runs by {title}.",
            "How many test images run so many tuned blocks; the dashed line is the mean.",
            usage_histograms(counts[(counts["method"] == row) & counts["dataset"].isin(varied)], study),
            wide=len(varied) > 2,
        )
    if len(curves):
        pictures["entropy"] = Picture(
            f"{start}-entropy.svg",
            f"Lines of the entropy of the policy of {title} against epochs of training.",
            "Entropy of a decision in training, the mean over blocks and images: 1 bit is a fair coin, 0 is "
            "a policy that has made up its mind.",
            entropy_curves(curves, study),
            wide=False,
        )
    galleries = [gallery(study, start, key, one) for key, one in varied.items() if key in study.images]
    return PolicySection(
        _named(study, row), image_table(study, varied) if varied else None, pictures, galleries
    )


def _named(study: TuningStudy, row: str) -> str:
    title = study.title_of(row)
    return title if study.name == "spottune" else f"{title} on the decathlon"


@cache
def image_map(study: TuningStudy, row: str) -> Picture:
    """The policy map of a row: its datasets x blocks."""
    title, shares = study.title_of(row), tuned_shares(study)
    names = ", ".join(study.datasets[key]["title"] for key in of_row(study, row))
    return Picture(
        f"{_start(study, row)}-map.svg",
        f"A matrix of red squares: how often {title} runs each tuned block on {names}.",
        f"Share of test images, in percent, for which {title} runs the tuned block rather than the frozen one.",
        image_policy_matrix(shares[shares["method"] == row], study),
        wide=False,
    )


def image_table(study: TuningStudy, records: Mapping[str, PolicyRecord]) -> Table:
    """How a row's policy decides on each dataset."""
    rows = []
    for key, record in records.items():
        tuned = record.actions.sum(1)
        near = np.abs(record.probabilities.astype(np.float64) - 0.5) < _UNDECIDED
        rows.append(
            (
                words(labelled(study.datasets[key])),
                count(len(tuned)),
                number(float(tuned.mean())),
                Cell(f"{tuned.min()}–{tuned.max()}", value=float(tuned.max() - tuned.min())),
                count(len(np.unique(record.actions, axis=0))),
                number(100 * float(near.mean())),
            )
        )
    blocks = max(record.actions.shape[1] for record in records.values())
    return Table(
        caption=f"The policy on test images, over {blocks} blocks",
        columns=(
            *map(Column, ("Dataset", "Images")),
            *(Column(title, "Tuned blocks an image") for title in ("mean", "range")),
            *map(Column, ("Different policies", "Undecided (%)")),
        ),
        rows=tuple(rows),
        note=f"Undecided: decisions with a probability within {_UNDECIDED} of one half, which would fall the "
        "other way now and then if the policy were sampled.",
    )


def _tasks(study: SharingStudy, row: str) -> PolicySection:
    pictures = dict(task_pictures(study, row))
    if row in study.history:
        pictures["curves"] = Picture(
            f"{_start(study, row)}-curves.svg",
            f"Lines of losses and temperature over the search of {study.title_of(row)}.",
            "Figures of the search, means over the steps of an alternation.",
            search_curves(study, study.history[row]),
        )
    return PolicySection(study.title_of(row), task_table(study, row), pictures)


@cache
def task_pictures(study: SharingStudy, row: str) -> Mapping[str, Picture]:
    """What a row's policy is, how alike tasks are in it, and, if it was searched for, how it came about."""
    title, start, policy = study.title_of(row), _start(study, row), study.policies[row]
    flat = bool(np.isnan(task_correlation(policy["select"])).any())
    undefined = " A dash: a task's blocks all have one probability." if flat else ""
    pictures = {
        "map": task_map(study, row),
        "tasks": Picture(
            f"{start}-tasks.svg",
            f"A matrix of how alike the policies of tasks are in {title} on {study.title}.",
            "Correlation of tasks: cosine of their probabilities over blocks, centred by each task's mean "
            f"(Pearson's). 1: they run the same blocks more than others.{undefined}",
            correlation_matrix(study, policy["select"]),
            wide=False,
        ),
    }
    if row in study.history:
        pictures["search"] = Picture(
            f"{start}-search.svg",
            f"A map for each task: the probability of each block over the search of {title}.",
            "Probability of running a block over the search. Blocks above the step line are not opened yet by "
            "the curriculum: every task runs them, whatever their probability.",
            search_map(study, study.history[row]),
            wide=len(study.tasks) > 2,
        )
    return pictures


@cache
def task_map(study: SharingStudy, row: str) -> Picture:
    """Tasks x blocks of a row's policy."""
    title = study.title_of(row)
    return Picture(
        f"{_start(study, row)}-map.svg",
        f"Matrices of red squares: how likely each task runs each block in {title} on {study.title}.",
        f"Which blocks each task runs in {title}: the probability of its policy, and what was sampled from it.",
        task_policy_matrix(study, study.policies[row]),
        wide=False,
    )


def task_table(study: SharingStudy, row: str) -> Table:
    """How many blocks each task skips, on average over samples, and how much it shares."""
    policy = study.policies[row]
    runs = [np.asarray(one, dtype=bool) for one in policy["runs"]]
    blocks, distinct = policy["select"].shape[1], len({one.tobytes() for one in runs})
    rows = []
    for i, task in enumerate(study.tasks):
        skipped = [int((~one[i]).sum()) for one in runs]
        # A block counts as shared if another task runs it too.
        shared = [int((one[i] & (one.sum(0) > 1)).sum()) for one in runs]
        spread = f"{min(skipped)}–{max(skipped)}" if min(skipped) < max(skipped) else str(min(skipped))
        rows.append(
            (
                words(TASKS[task]),
                number(float(np.mean(skipped))),
                Cell(spread, value=float(max(skipped))),
                number(float(np.mean(shared))),
                number(100 * float(policy["select"][i].mean())),
            )
        )
    samples = "one sample" if len(runs) == 1 else f"{len(runs)} samples"
    return Table(
        caption=f"Blocks of {blocks} that a task skips or shares, over {samples}, {distinct} of them different",
        columns=(
            Column("Task"),
            *(Column(title, "Skipped blocks") for title in ("mean", "range")),
            *map(Column, ("Blocks shared with another task", "Mean probability to run (%)")),
        ),
        rows=tuple(rows),
        style="wrapped",
    )


def _start(study: TuningStudy | SharingStudy, row: str) -> str:
    return f"figures/policies-{study.name}-{anchor(row)}"
