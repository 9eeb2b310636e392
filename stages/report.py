"""report: from cached scores to what people read: metrics/, in Git, and site/, a folder of pages."""

import importlib.metadata
import platform
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

from farfield.datasets.cards import Card
from farfield.files import atomic_file, read_json, write_json
from farfield.local import load_local
from farfield.report.claims_page import claims_headline, claims_page
from farfield.report.comparisons_page import comparisons_page
from farfield.report.data_page import data_page
from farfield.report.fewshot import fewshot_headlines, fewshot_pages
from farfield.report.fewshot import flat as flat_episodes
from farfield.report.index_page import Headline, index_page
from farfield.report.policies import policies_page, sharing_page
from farfield.report.provenance_page import Provenance, provenance_page
from farfield.report.sharing import plotted_sharing, sharing_headlines, sharing_metrics, sharing_pages
from farfield.report.site import Page, write_site
from farfield.report.tables import metrics
from farfield.report.training_page import training_page
from farfield.report.transductive import transductive_metrics, transductive_page
from farfield.report.tuning import tuning_claims, tuning_headlines, tuning_metrics, tuning_pages
from farfield.results.claims import claims_metrics
from farfield.results.families import FewShotStudy, fewshot_study
from farfield.results.findings import Findings
from farfield.results.inputs import Dataset, MetaTraining, Training
from farfield.results.judging import judge_fewshot, judge_sharing, judge_tuning
from farfield.transfer.finetuning.settings import FineTuning
from stages.frame import paths
from stages.frame.fewshot_rows import described_rows, transductive_results
from stages.frame.leftovers import prune_undeclared
from stages.frame.params import Params, load_params
from stages.frame.run import run
from stages.frame.schema.fewshot import FewShot, Target
from stages.frame.sharing_studies import sharing_studies
from stages.frame.tuning_studies import plotted_policies, tuning_studies

PUBLISHED_TRAINING = 40_000  # episodes of BSCD-FSL's meta-training: 400 epochs of 100
Part = tuple[Sequence[Headline], Sequence[Page | None]]  # of the overview, and pages of its own
PACKAGES = ("torch", "torchvision", "numpy", "pandas", "pillow", "dvc", "great-expectations", "hydra-core")


def main() -> None:
    import torch

    from farfield.execution import forked

    torch.set_num_threads(1)  # its threads would not survive a fork
    params = load_params()
    prune_undeclared(params)
    folders = {name: paths.validated(name, card) for name, card in params.datasets.items()}
    validation = {name: read_json(folder / "validation.json") for name, folder in folders.items()}
    datasets = {
        name: described(card, params.fewshot.targets.get(name), validation[name]["images"])
        for name, card in params.datasets.items()
    }
    fewshot = Findings(fewshot_results(params, datasets), judge_fewshot)
    jointly = Findings(transductive_results(params, datasets), lambda study: ())
    tuned = {name: Findings(study, judge_tuning) for name, study in tuning_studies(params, datasets).items()}
    shared = {
        name: Findings(study, judge_sharing) for name, study in sharing_studies(params, datasets).items()
    }
    write_json(paths.METRICS / "fewshot.json", metrics(fewshot.summary))
    write_json(paths.METRICS / "transductive.json", transductive_metrics(jointly.summary))
    for name, part in tuned.items():
        write_json(paths.METRICS / f"{name}.json", tuning_metrics(part))
    write_json(paths.METRICS / "sharing.json", {name: sharing_metrics(part) for name, part in shared.items()})
    claims: dict[str, Any] = {name: claims_metrics(part.claims) for name, part in fewshot.parts.items()}
    claims |= {name: tuning_claims(part) for name, part in tuned.items()}
    claims |= {f"sharing_{name}": claims_metrics(part.claims, "tasks") for name, part in shared.items()}
    write_json(paths.METRICS / "claims.json", claims)
    write_json(paths.METRICS / "training.json", training_metrics(fewshot.study))
    tables = {"fewshot": plotted(fewshot), **plotted_policies(tuned), **plotted_sharing(shared)}
    for title, table in tables.items():
        with atomic_file(paths.METRICS / f"{title}.csv") as partial:
            table.to_csv(partial, index=False)

    previews = {name: folder / "preview.png" for name, folder in folders.items()}
    trained = [*paths.PIPELINES.glob("*/training/*.json"), *paths.FEWSHOT.glob("meta/training/*.json")]
    devices = sorted({read_json(path)["device"] for path in trained})
    versions = {"python": platform.python_version()}
    versions |= {package: importlib.metadata.version(package) for package in PACKAGES}
    provenance: Provenance = {
        "profile": params.profile,
        "seeds": params.seeds.model_dump(),
        "versions": versions,
        "device": ", ".join(devices),
        "parameters": params.model_dump(exclude={"datasets", "seeds", "profile"}),
    }
    ran = {
        "Profile": params.profile,
        "Image size": f"{params.image_size} px",
        "Episodes": episodes_in_words(fewshot),
        "Device": provenance["device"],
        "torch": versions["torch"],
    }
    # Most of the time goes to pictures. What they are of is computed by now, for the metrics.
    parts: list[Callable[[], Part]] = [
        lambda: (fewshot_headlines(fewshot), fewshot_pages(fewshot)),
        lambda: (
            [],
            [transductive_page(jointly, {k: r.assumes for k, r in params.fewshot.transductive.items()})],
        ),
        lambda: ([], [comparisons_page(fewshot)]),
        lambda: ([claims_headline(fewshot)], [claims_page(fewshot)]),
        lambda: (
            tuning_headlines(tuned),
            [*tuning_pages(tuned), policies_page({name: found.study for name, found in tuned.items()})],
        ),
        lambda: (
            sharing_headlines(shared),
            [*sharing_pages(shared), sharing_page({name: found.study for name, found in shared.items()})],
        ),
        lambda: ([], [training_page(fewshot.study)]),
    ]
    made = forked(parts, load_local().workers)
    headlines = [headline for some, _ in made for headline in some]
    pages = [page for _, some in made for page in some if page]
    write_site(
        paths.SITE,
        [
            index_page(headlines, ran, fewshot.study.reservations),
            *pages,
            data_page(datasets, validation, previews),
            provenance_page(provenance),
        ],
    )


def described(card: Card, target: Target | None, images: int) -> Dataset:
    return {
        "title": card.title,
        "published": card.published,
        "study": target.study if target else "crossdomain",
        "procedural": bool(card.generator),
        "mirror": card.sample,
        "licence": card.licence,
        "citation": card.citation,
        "homepage": card.homepage,
        "notes": card.notes,
        "images": images,
    }


def fewshot_results(params: Params, datasets: dict[str, Dataset]) -> FewShotStudy:
    fewshot = params.fewshot
    columns = ["method", "dataset", "shot", "episode", "accuracy"]
    tables = [
        pd.read_parquet(paths.FEWSHOT / "results" / f"{key}.parquet", columns=columns)
        for key in fewshot.units
    ]
    rows = described_rows(params, fewshot.rows)
    training = {
        key: Training(
            pd.read_csv(paths.NETWORKS / "curves" / f"{key}.csv"),
            read_json(paths.NETWORKS / "training" / f"{key}.json"),
        )
        for key in fewshot.models
        if key in params.networks.trained and not params.untrained(key)
    }
    return fewshot_study(
        pd.concat(tables, ignore_index=True),
        rows,
        {name: datasets[name] for name in fewshot.targets},
        fewshot.reference,
        training=training,
        way=fewshot.way,
        query=fewshot.query,
        seed=params.seeds.compare,
        meta={key: meta_training(key, row.title) for key, row in fewshot.meta.items()},
        choices=ensemble_choices(params),
        caveats=tuple(shortened(params.fewshot)),
    )


def shortened(fewshot: FewShot) -> list[str]:
    """What the profile trains with less than the published protocol, in words."""
    published = FineTuning()
    settings = [unit.settings for unit in fewshot.finetune.values()]
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


def meta_training(key: str, title: str) -> MetaTraining:
    facts = read_json(paths.FEWSHOT / "meta/training" / f"{key}.json")
    final = {
        int(shot.removesuffix("-shot")): {
            f"{when}_{name}": found[when][name]
            for when in ("untrained", "trained")
            for name in ("accuracy", "ci95")
        }
        for shot, found in facts["held_out"].items()
        if found
    }
    return MetaTraining(title, pd.read_csv(paths.FEWSHOT / "meta/curves" / f"{key}.csv"), final)


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


def training_metrics(study: FewShotStudy) -> dict[str, dict[str, Any]]:
    """What networks can do on their own source: {"sources": {model: {"validation_accuracy": 61.2}},
    "meta": {method: {"5-shot": {"untrained": 25.1, "trained": 52.5, "ci95": 1.1}}}}."""
    key = "validation_accuracy"
    sources = {
        name: {key: round(training.final[key], 2)}
        for name, training in study.training.items()
        if key in training.final
    }
    meta = {
        name: {
            f"{shot}-shot": {
                "untrained": round(final["untrained_accuracy"], 2),
                "trained": round(final["trained_accuracy"], 2),
                "ci95": round(final["trained_ci95"], 2),
            }
            for shot, final in training.final.items()
        }
        for name, training in study.meta.items()
    }
    return {"sources": sources, "meta": meta}


def episodes_in_words(found: Findings[FewShotStudy]) -> str:
    fewest, most = found.summary["units"].min(), found.summary["units"].max()
    return f"{most} a cell" if fewest == most else f"{fewest} to {most} a cell"


def plotted(found: Findings[FewShotStudy]) -> pd.DataFrame:
    """One bar a method, dataset and shot, for `dvc plots`."""
    summary = flat_episodes(found.summary).round(2)
    cell = found.summary["cell"] + " " + summary["method"]
    return summary.assign(cell=cell)[["cell", "accuracy", "ci95", "method", "dataset", "shot", "episodes"]]


if __name__ == "__main__":
    run(main)
