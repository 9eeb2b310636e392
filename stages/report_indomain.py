"""report_indomain: the chapter of miniImageNet and tieredImageNet, its page, claims and metrics."""

from typing import Any

import pandas as pd

from farfield.files import read_json
from farfield.report.chapters import write_chapter
from farfield.report.indomain import Trained, indomain_headline, indomain_page
from farfield.report.numbers import claims_metrics, metrics
from farfield.results.findings import Findings
from farfield.results.indomain import FROM_SCRATCH, gains, indomain_study, judge_indomain
from farfield.results.inputs import listed
from farfield.results.study import MARK, Row
from stages.frame import paths
from stages.frame.described import described
from stages.frame.leftovers import prune_undeclared
from stages.frame.params import Params, load_params
from stages.frame.run import run

PUBLISHED_TRAINING = 20_000  # episodes, the fewest of a row of the table


def main() -> None:
    params = load_params()
    results, training = (paths.INDOMAIN / name for name in ("results", "training"))
    prune_undeclared(params, results, training)
    rows = params.indomain.rows
    if not rows:
        write_chapter(paths.CHAPTERS / "indomain", [], metrics={"indomain": {}})
        return
    table = pd.concat([pd.read_parquet(results / f"{key}.parquet") for key in rows], ignore_index=True)
    facts = {key: read_json(training / f"{key}.json")["networks"] for key in rows}
    study = indomain_study(
        table,
        {key: described_row(params, key, networks) for key, networks in facts.items()},
        {name: described(params)[name] for name in params.indomain.datasets},
        params.indomain.reference,
        params.seeds.compare,
        shortened(facts),
    )
    found = Findings(study, judge_indomain)
    learned = gains(table, params.seeds.compare)
    trained = [told(params, key, one) for key, networks in facts.items() for one in networks]
    write_chapter(
        paths.CHAPTERS / "indomain",
        [indomain_page(found, trained, learned).drawn],
        [indomain_headline(found).drawn],
        metrics={"indomain": metrics(found.summary)},
        claims={"indomain": claims_metrics(found.claims)},
        reservations=study.reservations,
    )


def described_row(params: Params, key: str, networks: list[dict[str, Any]]) -> Row:
    row = params.indomain.rows[key]
    jointly = any(one["transductive"] for one in networks)
    return {
        "title": row.title + (MARK if jointly else ""),
        "published": row.published,
        "family": FROM_SCRATCH if row.own.start == "scratch" else f"from {row.own.start}",
        "transductive": jointly,
    }


def told(params: Params, key: str, one: dict[str, Any]) -> Trained:
    """One network of a row in words."""
    row, tasks = params.indomain.rows[key], one["tasks"]
    fewest, most = tasks["shots"]
    shots = f"{most}" if fewest == most else f"{fewest} to {most}"
    features = one["start"] == "features"
    network = params.networks.trained[params.indomain.datasets[one["dataset"]].network]
    name, width = (network.backbone, network.width) if features else (one["backbone"], one["width"])
    return Trained(
        row=key,
        dataset=one["dataset"],
        column=one["column"],
        start={"features": "frozen features", "network": "the pretrained network", "scratch": "scratch"}[
            one["start"]
        ],
        network=f"{name}, width {width}{', frozen' if features else ''}",
        parameters=one["parameters"],
        trained_on=one["trained_on"],
        classes=one["classes"],
        tasks=f"{tasks['way'] or one['classes']}-way, {shots} {'shot' if shots == '1' else 'shots'}, "
        f"{tasks['query']} queries; answers {listed([str(shot) for shot in one['shots']])}"
        if one["episodes"]
        else "none",
        optimizer=f"{one['recipe']['optimizer']}, {one['recipe']['learning_rate']:g}"
        if one["episodes"]
        else "none",
        episodes=one["episodes"],
        test=row.published_test,
        remarks=row.remarks,
    )


def shortened(facts: dict[str, list[dict[str, Any]]]) -> list[str]:
    """What the profile trains with less than was published, in words."""
    own = [one["episodes"] for networks in facts.values() for one in networks if one["column"] == "own"]
    drawn = [episodes for episodes in own if episodes]
    said = []
    if drawn and max(drawn) < PUBLISHED_TRAINING:
        numbers = " to ".join(f"{n:,}" for n in sorted({min(drawn), max(drawn)}))
        said.append(
            f"Rows of the in-domain table were trained on {numbers} episodes by their own recipes, on narrow "
            f"networks; the published rows have {PUBLISHED_TRAINING:,} episodes and more."
        )
    if any(len(one["shots"]) > 1 for networks in facts.values() for one in networks if one["episodes"]):
        said.append(
            "Most rows of the in-domain table answer one shot and five with one network, as its page says."
        )
    return said


if __name__ == "__main__":
    run(main)
