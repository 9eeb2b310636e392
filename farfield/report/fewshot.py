"""The parts of the few-shot study as pages of the site, headlines of its first page, and Markdown."""

from farfield.report import dot_figures, figures, tables
from farfield.report.cells import Table, markdown
from farfield.report.index_page import Headline
from farfield.report.site import Page, Picture, assets_of
from farfield.results.inputs import Study, badge, is_real, listed
from farfield.results.study import SHORT_TITLES, FewShotStudy

TITLES: dict[Study, str] = {
    "crossdomain": "Few-shot learning across domains",
    "documents": "Few-shot learning on documents",
}
SLUGS: dict[Study, str] = {"crossdomain": "fewshot", "documents": "documents"}
# Below this, 1.96 standard errors are visibly too narrow (Student's quantile is 2.05 at 30).
FEW_EPISODES = 50


def fewshot_pages(study: FewShotStudy) -> list[Page]:
    """A page for each part of the study that has results."""
    return [_page(name, part) for name, part in study.parts.items()]


def fewshot_headlines(study: FewShotStudy) -> list[Headline]:
    """What the first page shows of each part: a figure, and the mean accuracies."""
    return [_headline(name, part) for name, part in study.parts.items()]


def fewshot_markdown(name: Study, study: FewShotStudy) -> str:
    """The tables of one part's page as Markdown, for a README or a merge request."""
    parts = [f"# {TITLES[name]}\n", *(f"> {text}\n" for text in study.reservations)]
    parts += [
        f"## {study.datasets[key]['title']}\n\n{markdown(accuracy_table(study, key))}"
        for key in study.shown_datasets
    ]
    if len(study.differences):
        parts.append(f"## Paired differences\n\n{markdown(paired_table(study))}")
    return "\n".join(parts)


def accuracy_table(study: FewShotStudy, dataset: str) -> Table:
    return tables.accuracy_table(study.summary, study.published, study.methods, study.datasets, dataset)


def paired_table(study: FewShotStudy) -> Table:
    return tables.paired_table(study.differences, study.methods, study.datasets)


def _page(name: Study, study: FewShotStudy) -> Page:
    slug = SLUGS[name]
    pictures = _pictures(slug, study)
    counts = study.summary["episodes"]
    context = {
        "slug": slug,
        "title": TITLES[name],
        "study": study,
        "episodes": (int(counts.min()), int(counts.max())),
        "few_episodes": int(counts.min()) < FEW_EPISODES,
        "pictures": pictures,
        "accuracy_tables": [
            (study.datasets[key], badge(study.datasets[key]), accuracy_table(study, key))
            for key in study.shown_datasets
        ],
        "reference": study.methods[study.reference]["title"],
        "paired": paired_table(study) if len(study.differences) else None,
        "choices": _choices(study),
    }
    scores = study.summary.to_csv(index=False, float_format="%.4f", lineterminator="\n").encode()
    assets = assets_of(list(pictures.values()))
    assets |= {f"{slug}.csv": scores, f"{slug}.md": fewshot_markdown(name, study).encode()}
    return Page(slug, SHORT_TITLES[name], "fewshot.html.j2", context, assets)


def _headline(name: Study, study: FewShotStudy) -> Headline:
    slug = SLUGS[name]
    shot = study.shots[min(1, len(study.shots) - 1)] if name == "documents" else study.shots[0]
    described = (study.methods, study.datasets)
    if len(study.shown_datasets) > 1:
        picture = Picture(
            f"figures/{slug}-distance.svg",
            f"Line charts of accuracy at {shot} shots on {study.names}, a panel for each family of methods.",
            f"Accuracy at {shot} shots, {study.way}-way, from the dataset nearest to natural images to the "
            "one farthest from them; bars are 95 % intervals and the dotted line is chance.",
            figures.accuracy_by_distance(study.summary, *described, shot, 100 / study.way),
        )
    else:
        picture = _shots_picture(slug, study)
    families = {family: 0 for family in ("meta-learning", "transfer", "ensemble")}
    for key in study.shown_methods:
        families[study.methods[key]["family"]] = families.get(study.methods[key]["family"], 0) + 1
    count = len(study.shown_methods)
    shares = listed([f"{number} of {family}" for family, number in families.items() if number])
    lead = (
        f"{count} {'methods' if count > 1 else 'method'} ({shares}) learn {study.way} new classes from "
        f"{_alternatives(study.shots)} images each, on {study.names}."
    )
    return Headline(slug, TITLES[name], lead, tables.overview_table(study.summary, *described), picture)


def _alternatives(shots: list[int]) -> str:
    return listed([str(shot) for shot in shots]).replace(" and ", " or ")


def _hollow(study: FewShotStudy) -> str:
    real = any(is_real(study.datasets[key]) for key in study.shown_datasets)
    return " Hollow markers are the published values." if real else ""


def _shots_picture(slug: str, study: FewShotStudy) -> Picture:
    one = len(study.shown_datasets) == 1
    panels = "one panel" if one else "a row of panels"
    highlighted = "Each panel" if one else "Each row"
    return Picture(
        f"figures/{slug}-shots.svg",
        f"Line charts of accuracy against shots on {study.names}, {panels} for each family of methods.",
        f"Accuracy against the number of labelled images of a class. {highlighted} highlights one family of "
        f"methods and repeats the others as faint lines; bars are 95 % intervals.{_hollow(study)}",
        figures.accuracy_by_shot(study.summary, study.published, study.methods, study.datasets),
    )


def _pictures(slug: str, study: FewShotStudy) -> dict[str, Picture]:
    """The figures of the page; `paired` only when there is another method than the reference."""
    shot, reference = study.shots[0], study.methods[study.reference]["title"]
    described = (study.methods, study.datasets)
    wide = len(study.shown_datasets) > 1
    pictures = {
        "shots": _shots_picture(slug, study),
        "methods": Picture(
            f"figures/{slug}-methods.svg",
            f"Dot plots of the accuracy of every method on {study.names}, one dot a shot.",
            f"Every method on every dataset, with 95 % intervals.{_hollow(study)}",
            dot_figures.all_methods(study.summary, study.published, *described),
            wide,
        ),
        "episodes": Picture(
            f"figures/{slug}-episodes.svg",
            f"Histograms of the accuracy of single episodes at {shot} shots on {study.names}.",
            f"How accuracy varies between episodes at {shot} shots; a stroke marks the median. A mean hides "
            "that some draws of classes are easy for every method and some are hard for all.",
            dot_figures.episode_distribution(study.results, *described, shot),
            wide,
        ),
    }
    if len(study.differences):
        pictures["paired"] = Picture(
            f"figures/{slug}-paired.svg",
            f"Dot plots of the difference of every method to {reference} on {study.names}.",
            f"Difference to {reference} on the same episodes, with 95 % intervals of the difference.",
            dot_figures.paired_differences(study.differences, *described),
            wide,
        )
    return pictures


def _choices(study: FewShotStudy) -> Table | None:
    if study.choices is None or study.choices.empty:
        return None
    return tables.choices_table(study.choices, study.methods, study.datasets)
