"""The pictures of a multi-task study with their captions, for its page and for that of the policies."""

from functools import lru_cache

from farfield.report.sharing_costs import IMAGE
from farfield.report.sharing_figures import delta_against_costs, delta_dots
from farfield.report.sharing_policies import task_correlation
from farfield.report.sharing_policy_figures import (
    correlation_matrix,
    policy_matrix,
    search_curves,
    search_map,
)
from farfield.report.site import Picture, anchor
from farfield.results.inputs import is_real
from farfield.results.sharing_statistics import published_deltas, summarise_deltas
from farfield.results.sharing_study import SharingStudy


def delta_picture(study: SharingStudy) -> Picture | None:
    """Delta of every row at every task; None without a reference."""
    if not study.has_deltas:
        return None
    published = published_deltas(study)
    hollow = " Hollow markers are the published rows among themselves." if published else ""
    return Picture(
        f"figures/{study.name}-delta.svg",
        f"Dot plots of the relative performance of every method at every task on {study.title}.",
        f"Relative performance Δ in percent; to the right is better. Bars are standard deviations between "
        f"trainings.{hollow if is_real(study.dataset) else ''}",
        delta_dots(study, summarise_deltas(study), published),
        wide=len(study.tasks) > 2,
    )


def cost_picture(study: SharingStudy) -> Picture | None:
    """Delta against what it costs; None without a reference or costs."""
    if not study.has_deltas or not set(study.costs) & set(study.shown_methods):
        return None
    return Picture(
        f"figures/{study.name}-costs.svg",
        f"Scatter plots of relative performance against parameters and MACs on {study.title}.",
        "Relative performance Δ overall against parameters and multiply-accumulates: above by the published "
        "convention, which counts backbones alone and each task for itself, below of the whole model; for an "
        f"image of {IMAGE} pixels, means over samples. Upper left is best.",
        delta_against_costs(study, summarise_deltas(study)),
    )


@lru_cache(maxsize=64)  # two pages show the same
def policy_pictures(study: SharingStudy, row: str) -> tuple[Picture, ...]:
    """What a row's policy is, how alike tasks are in it, and, if it was searched for, how it came about."""
    drawn = (map_picture(study, row), correlation_picture(study, row))
    return (*drawn, search_picture(study, row)) if row in study.history else drawn


@lru_cache(maxsize=64)
def map_picture(study: SharingStudy, row: str) -> Picture:
    """Tasks x blocks of a row's policy."""
    title = study.methods[row]["title"]
    return Picture(
        f"figures/policies-{study.name}-{anchor(row)}-map.svg",
        f"Matrices of red squares: how likely each task runs each block in {title} on {study.title}.",
        f"Which blocks each task runs in {title}: the probability of its policy, and what was sampled from it.",
        policy_matrix(study, study.policies[row]),
        wide=False,
    )


def correlation_picture(study: SharingStudy, row: str) -> Picture:
    """How alike the tasks' policies are."""
    select = study.policies[row]["select"]
    undefined = " A dash: a task's blocks all have one probability." if has_flat_task(study, row) else ""
    return Picture(
        f"figures/policies-{study.name}-{anchor(row)}-tasks.svg",
        f"A matrix of how alike the policies of tasks are in {study.methods[row]['title']} on {study.title}.",
        "Correlation of tasks: cosine of their probabilities over blocks, centred by each task's mean "
        f"(Pearson's). 1: they run the same blocks more than others.{undefined}",
        correlation_matrix(study, select),
        wide=False,
    )


def search_picture(study: SharingStudy, row: str) -> Picture:
    """The probabilities of all blocks while the search goes on."""
    return Picture(
        f"figures/policies-{study.name}-{anchor(row)}-search.svg",
        f"A map for each task: the probability of each block over the search of {study.methods[row]['title']}.",
        "Probability of running a block over the search. Blocks above the step line are not opened yet by the "
        "curriculum: every task runs them, whatever their probability.",
        search_map(study, study.history[row]),
        wide=len(study.tasks) > 2,
    )


def curves_picture(study: SharingStudy, row: str) -> Picture:
    """Losses and temperature of the search."""
    return Picture(
        f"figures/policies-{study.name}-{anchor(row)}-curves.svg",
        f"Lines of losses and temperature over the search of {study.methods[row]['title']}.",
        "Figures of the search, means over the steps of an alternation.",
        search_curves(study, study.history[row]),
    )


def has_flat_task(study: SharingStudy, row: str) -> bool:
    """Whether the policy of some task does not tell blocks apart."""
    correlation = task_correlation(study.policies[row]["select"])
    return bool((correlation != correlation).any())
