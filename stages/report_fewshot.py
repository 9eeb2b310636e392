"""report_fewshot: the few-shot study as a chapter of the report, from the results of every row."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import pandas as pd

from farfield.execution import forked
from farfield.files import read_json
from farfield.local import load_local
from farfield.report.chapters import write_chapter
from farfield.report.claims_page import claims_headline, claims_page
from farfield.report.comparisons_page import comparisons_page
from farfield.report.fewshot import fewshot_headline, fewshot_page
from farfield.report.methods_page import SLUG, methods_page
from farfield.report.numbers import claims_metrics, flat, metrics
from farfield.report.own_images_page import own_images_page
from farfield.report.row_pages import WorstEpisode, row_pages
from farfield.report.site import Drawn
from farfield.report.transductive import transductive_metrics, transductive_page
from farfield.results.families import FewShotStudy, Variant, fewshot_study
from farfield.results.findings import Findings
from farfield.results.inputs import Dataset
from farfield.results.judging import judge_fewshot
from farfield.results.scores import of_episodes
from farfield.results.study import Study
from farfield.transfer.finetuning.settings import FineTuning
from stages.frame import paths
from stages.frame.described import described
from stages.frame.fewshot_costs import commands, costs
from stages.frame.fewshot_rows import described_rows, transductive_results
from stages.frame.fewshot_worst import worst_episodes
from stages.frame.leftovers import prune_undeclared
from stages.frame.params import Params, load_params
from stages.frame.run import run
from stages.frame.schema.fewshot import FewShot

PUBLISHED_TRAINING = 40_000  # episodes of BSCD-FSL's meta-training: 400 epochs of 100
Part = tuple[list[Drawn], list[Drawn]]  # of the first page, and pages


def main() -> None:
    params = load_params()
    results = [paths.FEWSHOT / name for name in ("results", "transductive/results", "choices")]
    prune_undeclared(params, paths.VALID_TARGETS, *results)
    jointly = Findings(transductive_results(params, targets(params)), lambda study: ())
    found = Findings(read_study(params), partial(judge_fewshot, jointly=jointly.study))
    facts = {"fewshot": metrics(found.summary), "transductive": transductive_metrics(jointly)}
    runs = commands(params)
    measured: list[tuple[Study, pd.DataFrame]] = [
        (found.study, found.summary),
        (replace(jointly.study, costs=found.study.costs), jointly.summary),
    ]
    claims = {name: claims_metrics(part.claims) for name, part in found.parts.items()}
    for part in found.parts.values():
        _ = part.comparisons  # which the pages of both processes show
    # The rest of the time goes to pictures.
    parts: list[Callable[[], Part]] = [
        *(partial(study_page, name, part) for name, part in found.parts.items()),
        lambda: ([], [page.drawn for page in [own_images_page(found, own_images(params))] if page]),
        lambda: ([], [methods_page(measured, set(runs)).drawn]),
        lambda: ([], [transductive_page(jointly, assumptions(params)).drawn]),
        lambda: ([], [comparisons_page(found).drawn]),
        lambda: ([claims_headline(found).drawn], [claims_page(found).drawn]),
        lambda: ([], [page.drawn for page in row_pages(measured, runs, worst_of(params, measured), SLUG)]),
    ]
    made = forked(parts, load_local().workers)
    write_chapter(
        paths.CHAPTERS / "fewshot",
        [page for _, pages in made for page in pages],
        [headline for headlines, _ in made for headline in headlines],
        metrics=facts,
        tables={"fewshot": plotted(found)},
        claims=claims,
        ran={"Episodes": episodes_in_words(found)},
        reservations=found.study.reservations,
    )


def study_page(name: str, part: Findings[FewShotStudy]) -> Part:
    return [fewshot_headline(name, part).drawn], [fewshot_page(name, part).page.drawn]


def worst_of(params: Params, measured: Sequence[tuple[Study, pd.DataFrame]]) -> dict[str, list[WorstEpisode]]:
    described = {key: row for study, _ in measured for key, row in study.rows.items()}
    return worst_episodes(params, described, measured[0][0].datasets)


def own_images(params: Params) -> list[str]:
    """The targets that `farfield add` added, whose images stay in a folder of the user's."""
    return [name for name in params.fewshot.targets if params.datasets[name].folder]


def read_study(params: Params) -> FewShotStudy:
    fewshot = params.fewshot
    columns = ["method", "dataset", "shot", "episode", "accuracy"]
    tables = [
        pd.read_parquet(paths.FEWSHOT / "results" / f"{key}.parquet", columns=columns)
        for key in fewshot.units
    ]
    answered = pd.concat(tables, ignore_index=True)
    rows = described_rows(params, fewshot.answered)
    return fewshot_study(
        answered[answered["method"].isin(fewshot.rows)],
        {key: rows[key] for key in fewshot.rows},
        targets(params),
        fewshot.reference,
        way=fewshot.way,
        query=fewshot.query,
        seed=params.seeds.compare,
        choices=ensemble_choices(params),
        costs=costs(fewshot),
        caveats=tuple(shortened(params.fewshot)),
        variants=tuple(
            Variant(row, rows[key]["title"], of_episodes("fewshot", answered[answered["method"] == key]))
            for row, keys in fewshot.variants.items()
            for key in keys
        ),
    )


def targets(params: Params) -> dict[str, Dataset]:
    known = described(params)
    return {
        name: {
            **known[name],
            "study": target.study,
            "images": read_json(paths.VALID_TARGETS / name / "validation.json")["images"],
        }
        for name, target in params.fewshot.targets.items()
    }


def assumptions(params: Params) -> dict[str, str]:
    """What each transductive row takes for granted of the queries, in words."""
    return {key: row.assumes for key, row in params.fewshot.transductive.items()}


def shortened(fewshot: FewShot) -> list[str]:
    """What the profile trains with less than the published protocol, in words."""
    published = FineTuning()
    settings = [unit.settings for unit in fewshot.finetune.values() if set(unit.rows) & set(fewshot.rows)]
    settings += [unit.adapt for unit in fewshot.ensemble.values() if unit.adapt]
    recipes = {(s.epochs, s.batch_size, s.backbone.learning_rate) for s in settings}
    said = [
        f"Rows that adapt a whole network train {epochs} epochs in minibatches of {batch} at rate {rate:g}, "
        f"where the published protocol has {published.epochs} of {published.batch_size} at "
        f"{published.backbone.learning_rate:g}. Their differences from rows on frozen features hold that too."
        for epochs, batch, rate in sorted(recipes)
        if (epochs, batch, rate) != (published.epochs, published.batch_size, published.backbone.learning_rate)
    ]
    drawn = [row.recipe.epochs * row.episodes_per_epoch for row in fewshot.meta.values()]
    if drawn and max(drawn) < PUBLISHED_TRAINING:
        numbers = " to ".join(f"{n:,}" for n in sorted({min(drawn), max(drawn)}))
        said.append(
            f"Meta-learners were trained on {numbers} episodes; the published protocol has "
            f"{PUBLISHED_TRAINING:,}."
        )
    return said


def ensemble_choices(params: Params) -> pd.DataFrame | None:
    """Columns method, dataset, shot, choice, episodes: what the rows that select have selected."""
    rows = []
    for key in params.fewshot.ensemble:
        chosen = read_json(paths.FEWSHOT / "choices" / f"{key}.json")
        for method, sets in chosen.items():
            for dataset, shots in sets.items():
                for shot, models in shots.items():
                    cell = (method, dataset, int(shot.removesuffix("-shot")))
                    for model, found in models.items():
                        stages = enumerate(found["stages"], start=1)
                        rows += [(*cell, f"{model}, stage {i} its best", count) for i, count in stages]
                        rows.append((*cell, f"{model}, times appended", found["taken"]))
    columns = ["method", "dataset", "shot", "choice", "episodes"]
    return pd.DataFrame(rows, columns=columns) if rows else None


def episodes_in_words(found: Findings[FewShotStudy]) -> str:
    fewest, most = found.summary["units"].min(), found.summary["units"].max()
    return f"{most} a cell" if fewest == most else f"{fewest} to {most} a cell"


def plotted(found: Findings[FewShotStudy]) -> pd.DataFrame:
    """One bar a method, dataset and shot, for `dvc plots`."""
    summary = flat(found.summary).round(2)
    cell = found.summary["cell"] + " " + summary["method"]
    return summary.assign(cell=cell)[["cell", "accuracy", "ci95", "method", "dataset", "shot", "episodes"]]


if __name__ == "__main__":
    run(main)
