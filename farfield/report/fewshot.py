"""The parts of the few-shot study as pages of the site, and headlines of its first page."""

from functools import cache

from markupsafe import Markup

from farfield.report.cells import markdown
from farfield.report.claims_page import PARTS
from farfield.report.cost_plots import Costed, accuracy_against_cost
from farfield.report.curves import accuracy_by_distance, accuracy_by_shot
from farfield.report.dots import episode_dots
from farfield.report.episode_tables import choices_table, episodes_table, overview_table
from farfield.report.histograms import episode_distribution
from farfield.report.index_page import Headline
from farfield.report.numbers import flat
from farfield.report.row_pages import passes
from farfield.report.site import Picture, anchor, csv
from farfield.report.study_page import Section, StudyPage, heading
from farfield.report.tables import paired_table
from farfield.report.winners import fewshot_answer, overall_means
from farfield.results.families import FewShotStudy
from farfield.results.findings import Findings
from farfield.results.inputs import badge, is_real, listed

TITLES = {
    "crossdomain": "Few-shot learning across domains",
    "documents": "Few-shot learning on documents",
}
SLUGS = {"crossdomain": "fewshot", "documents": "documents"}
# Below this, 1.96 standard errors are visibly too narrow (Student's quantile is 2.05 at 30).
FEW_EPISODES = 50
Found = Findings[FewShotStudy]


def fewshot_page(name: str, found: Found) -> StudyPage:
    """Of a part of the study."""
    study, slug = found.study, SLUGS[name]
    names, hollow, wide = study.names, _hollow(study), len(study.shown_datasets) > 1
    shot, reference = found.shots[0], study.title_of(study.reference)
    grids = {key: episodes_table(found, key) for key in study.shown_datasets}
    paired = paired_table(found) if len(found.differences) else None
    compared = None
    if paired:
        compared = Picture(
            f"figures/{slug}-paired.svg",
            f"Dot plots of the difference of every method to {reference} on {names}.",
            f"Difference to {reference} on the same episodes, with 95 % intervals of the difference.",
            episode_dots(found, found.differences, "difference"),
            wide,
        )
    everything = Picture(
        f"figures/{slug}-methods.svg",
        f"Dot plots of the accuracy of every method on {names}, one dot a shot.",
        f"Every method on every dataset, with 95 % intervals.{hollow}",
        episode_dots(found, found.summary, "mean"),
        wide,
    )
    single = Picture(
        f"figures/{slug}-episodes.svg",
        f"Histograms of the accuracy of single episodes at {shot} shots on {names}.",
        f"How accuracy varies between episodes at {shot} shots; a stroke marks the median. A mean hides "
        "that some draws of classes are easy for every method and some are hard for all.",
        episode_distribution(study, shot),
        wide,
    )
    cards = {key: study.datasets[key] for key in grids}
    beside = [
        block
        for key, card in cards.items()
        for block in (heading(card["title"], anchor(card["title"]), badge(card)), ("table", grids[key]))
    ]
    explained = Markup(
        "Episodes differ more than methods do. Subtracting the accuracy of {} episode by episode "
        "removes what they share, so a difference is known better than the intervals of the tables above "
        "suggest. "
        '<a href="comparisons.html">Every method against every other</a> has a page of its own.'
    ).format(reference)
    sections = [
        Section("costs", "Accuracy against cost", [("picture", _cost_picture(slug, found))]),
        Section("shots", "Accuracy against shots", [("picture", _shots_picture(slug, found))]),
        Section("tables", "Ours beside the published numbers", beside),
        Section("methods", "All methods", [("picture", everything)]),
        Section(
            "paired",
            "Paired differences",
            [("text", explained), ("picture", compared), ("table", paired)] if paired else [],
        ),
        Section("episodes", "Single episodes", [("picture", single)]),
        Section("choices", "Choices of the ensembles", [("titled", choices_table(study))]),
    ]
    contents = [(section.place, section.title) for section in sections if section.shown]
    after = next(i for i, (place, _) in enumerate(contents) if place == "tables")
    contents[after : after + 1] = [(anchor(card["title"]), card["title"]) for card in cards.values()]
    counts = found.summary["units"]
    return StudyPage(
        slug,
        TITLES[name],
        PARTS[name],
        study.reservations,
        sections,
        csv(flat(found.summary), 4),
        [
            *(f"## {cards[key]['title']}\n\n{markdown(grid)}" for key, grid in grids.items()),
            f"## Paired differences\n\n{markdown(paired)}" if paired else None,
        ],
        "fewshot.html.j2",
        contents,
        answer=fewshot_answer(slug, TITLES[name], found),
        texts={
            "study": study,
            "shots": found.shots,
            "episodes": (int(counts.min()), int(counts.max())),
            "few_episodes": int(counts.min()) < FEW_EPISODES,
            "paired": paired,
        },
    )


def fewshot_headline(name: str, found: Found) -> Headline:
    """What the first page shows of a part: a figure, and the mean accuracies."""
    study, slug, shots = found.study, SLUGS[name], found.shots
    shot = shots[min(1, len(shots) - 1)] if name == "documents" else shots[0]
    if len(study.shown_datasets) > 1:
        picture = Picture(
            f"figures/{slug}-distance.svg",
            f"Line charts of accuracy at {shot} shots on {study.names}, a panel for each family of methods.",
            f"Accuracy at {shot} shots, {study.way}-way, from the dataset nearest to natural images to the "
            "one farthest from them; bars are 95 % intervals and the dotted line is chance.",
            accuracy_by_distance(found, shot, 100 / study.way),
        )
    else:
        picture = _shots_picture(slug, found)
    families = dict.fromkeys(("meta-learning", "transfer", "ensemble"), 0)
    for key in study.shown_rows:
        family = study.rows[key]["family"]
        families[family] = families.get(family, 0) + 1
    count = len(study.shown_rows)
    shares = listed([f"{number} of {family}" for family, number in families.items() if number])
    alternatives = listed([str(shot) for shot in shots]).replace(" and ", " or ")
    lead = (
        f"{count} {'methods' if count > 1 else 'method'} ({shares}) learn {study.way} new classes from "
        f"{alternatives} images each, on {study.names}."
    )
    return Headline(slug, TITLES[name], lead, overview_table(found), picture)


def _hollow(study: FewShotStudy) -> str:
    real = any(is_real(study.datasets[key]) for key in study.shown_datasets)
    return " Hollow markers are the published values." if real else ""


def _cost_picture(slug: str, found: Found) -> Picture | None:
    """None unless what rows cost is known."""
    study, means = found.study, overall_means(found)[1].dropna()
    known = [key for key in means.index if key in study.costs]
    if not known:
        return None
    chart = [
        Costed(study.title_of(key), study.rows[key].get("family", ""), passes(study.costs[key]), means[key])
        for key in known
    ]
    shot = int(study.costs[known[0]]["shot"])
    return Picture(
        f"figures/{slug}-costs.svg",
        f"A scatter plot of the mean accuracy of every method on {study.names} against the cost of an episode.",
        f"Mean accuracy against what a {shot}-shot episode costs: passes of one image through a network, a pass "
        "backward counted as two. The line joins the methods that none beats at less cost.",
        accuracy_against_cost({"passes of an image for an episode": chart}),
        wide=False,
    )


@cache
def _shots_picture(slug: str, found: Found) -> Picture:
    study = found.study
    one = len(study.shown_datasets) == 1
    panels = "one panel" if one else "a row of panels"
    return Picture(
        f"figures/{slug}-shots.svg",
        f"Line charts of accuracy against shots on {study.names}, {panels} for each family of methods.",
        f"Accuracy against the number of labelled images of a class. {'Each panel' if one else 'Each row'} "
        "highlights one family of methods and repeats the others as faint lines; bars are 95 % intervals."
        f"{_hollow(study)}",
        accuracy_by_shot(found),
    )
