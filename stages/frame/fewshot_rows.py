"""The rows of the few-shot study as the report describes them, and the study of the transductive ones."""

from collections.abc import Mapping

import pandas as pd

from farfield.episodes.imbalance import dirichlet_queries
from farfield.networks.licences import mark
from farfield.results.inputs import Dataset
from farfield.results.study import Row, Study
from farfield.results.transductive import answered_alone, marked, transductive_study
from stages.frame import paths
from stages.frame.params import Params
from stages.frame.schema.fewshot import FewShot
from stages.frame.schema.fewshot import Row as RowParams


def described_rows(params: Params, rows: Mapping[str, RowParams]) -> dict[str, Row]:
    seen, found = seen_by_rows(params), {}
    for key, row in rows.items():
        title = row.title + mark(*params.licences_of(params.fewshot.networks.get(key, ())))
        described: Row = {
            "title": marked(title) if row.transductive else title,
            "family": row.family,
            "published": row.published,
            "seen": seen[key],
            "transductive": row.transductive,
        }
        found[key] = described
    return found


def alone_on_the_same(fewshot: FewShot) -> list[str]:
    """Rows on the same features as transductive ones, which answer each query by itself."""
    models = {head.model for head in fewshot.transductive.values()}
    frozen = fewshot.transfer.items()
    return [key for key, row in frozen if row.model in models and row.reads == "features"]


def transductive_results(params: Params, datasets: dict[str, Dataset]) -> Study:
    """The transductive rows, and below them those on the same features that answer each query by itself."""
    fewshot, alone = params.fewshot, alone_on_the_same(params.fewshot)
    jointly = [
        pd.read_parquet(paths.FEWSHOT / "transductive/results" / f"{key}.parquet").drop(columns="predictions")
        for key in fewshot.transductive
    ]
    results = pd.concat([pd.read_parquet(paths.FEWSHOT / "results" / f"{key}.parquet") for key in alone])
    asked = {
        (name, shot): dirichlet_queries(
            params.seeds.episodes,
            name,
            way=fewshot.way,
            shot=shot,
            query=fewshot.query,
            episodes=fewshot.episodes,
        )
        for name, target in fewshot.targets.items()
        for shot in target.shots
    }
    rows = described_rows(params, {**fewshot.transductive, **{key: fewshot.transfer[key] for key in alone}})
    return transductive_study(
        pd.concat([*jointly, answered_alone(results, asked, fewshot.way)], ignore_index=True),
        rows,
        {name: datasets[name] for name in fewshot.targets},
        fewshot.reference if fewshot.reference in alone else alone[0],
        params.seeds.compare,
    )


def seen_by_rows(params: Params) -> dict[str, str]:
    """What the network of each few-shot row has learned from, in words."""

    def by(network: str) -> str:
        if network in params.networks.given:
            return params.networks.given[network].pretrained_on or "nothing"
        spec = params.networks.trained[network]
        title, pixels = params.card(spec.source).title, params.pixels_of(network)
        return f"{title}, {spec.recipe.epochs} epochs at {pixels} px"

    fewshot = params.fewshot
    seen = {
        key: f"{params.card(row.source).title}, {row.recipe.epochs * row.episodes_per_epoch:,} episodes at "
        f"{params.image_size} px"
        for key, row in fewshot.meta.items()
    }
    seen |= {key: by(row.model) for key, row in fewshot.transfer.items()}
    seen |= {key: by(row.model) for key, row in fewshot.transductive.items()}
    seen |= {key: by(unit.model) for unit in fewshot.finetune.values() for key in unit.rows}
    seen |= {
        key: "; ".join(by(model) for model in unit.models)
        for unit in fewshot.ensemble.values()
        for key in unit.rows
    }
    return seen
