"""The claims of the talk, held against results whose answers are known."""

import json

import numpy as np
import pandas as pd
import pytest
from made_up_study import dataset

from farfield.report.tables import claims_metrics
from farfield.results.claims import Judged
from farfield.results.contrast_claims import ALL_ROWS, CLAIMS, ENSEMBLES, FINE_TUNING, META, _best
from farfield.results.contrasts import by_cell, halves
from farfield.results.families import fewshot_study
from farfield.results.judging import judge_fewshot
from farfield.results.published import cross_domain
from farfield.results.scores import of_episodes
from farfield.seeds import stream

METHODS = {name.lower(): {"title": name, "family": "any", "published": name} for name in ALL_ROWS}
METHODS["extra"] = {"title": "Extra", "family": "any", "published": ""}
DATASETS = {"crops": dataset("Crops", "CropDiseases"), "chest": dataset("Chest", "ChestX")}
FAMILY_LEVEL = dict.fromkeys(META, 50.0) | dict.fromkeys(FINE_TUNING, 60.0) | dict.fromkeys(ENSEMBLES, 64.0)
LEVELS = FAMILY_LEVEL | {"Random": 45.0, "Fixed": 57.0, "Transductive Ft": 61.0, "ProtoNet": 53.0}
LEVELS |= {name: 48.0 for name in META if name.endswith("+FWT")}


def made_up(levels: dict[str, float], gain: dict[str, float] | None = None) -> pd.DataFrame:
    """Levels at 5 shots on crops; chest is 20 points harder, 20 shots add `gain` (3 points)."""
    rows = []
    for name, drop in (("crops", 0.0), ("chest", 20.0)):
        for shot in (5, 20):
            hardness = stream(0, name, shot).normal(0, 3, 40)
            for method, level in levels.items():
                count = 20 if method in FINE_TUNING else 40
                more = (gain or {}).get(method, 3.0) if shot == 20 else 0.0
                noise = stream(1, name, shot, method).normal(level - drop + more, 1, count)
                rows.append(
                    pd.DataFrame(
                        {
                            "method": method.lower(),
                            "dataset": name,
                            "shot": shot,
                            "episode": range(count),
                            "accuracy": hardness[:count] + noise,
                        }
                    )
                )
    return pd.concat(rows, ignore_index=True)


def judged(results: pd.DataFrame, datasets: dict = DATASETS) -> dict[str, Judged]:
    study = fewshot_study(results, METHODS, datasets, "extra", published=cross_domain())
    return {one.claim.key: one for one in judge_fewshot(study)}


def value(table: pd.Series, method: str, name: str, shot: int) -> float:
    return table[method, name, shot]


@pytest.fixture(scope="module")
def claims() -> dict[str, Judged]:
    gain = dict.fromkeys([*FINE_TUNING, "Fixed"], 6.0)
    return judged(made_up(LEVELS | {"Extra": 99.0}, gain))


def test_results_that_show_every_claim_support_it(claims):
    assert {key: one.verdict for key, one in claims.items()} == {claim.key: "supported" for claim in CLAIMS}


def test_the_opposite_contradicts_them():
    opposite = {name: 100 - level for name, level in LEVELS.items()}
    results = made_up(opposite, dict.fromkeys([*FINE_TUNING, "Fixed"], -6.0))
    results["dataset"] = results["dataset"].map({"crops": "chest", "chest": "crops"})
    assert {one.verdict for one in judged(results).values()} == {"contradicted"}


def test_no_difference_is_undecided():
    equal = judged(made_up(dict.fromkeys(ALL_ROWS, 50.0)))
    for key in ("finetuning_above_frozen", "more_shots_help_transfer_more", "transductive_above_inductive"):
        low_or_high = equal[key].comparisons[0].whole
        inside = abs(low_or_high.difference) <= low_or_high.ci95
        assert (equal[key].verdict == "undecided") == inside
        assert abs(low_or_high.difference) < 1


def test_missing_rows_leave_a_claim_untested_but_not_the_others():
    some = judged(made_up({"ProtoNet": 50.0, "Ft All": 60.0}))
    tested = {key for key, one in some.items() if one.verdict != "not tested"}
    assert tested == {
        "meta_below_finetuning",
        "more_shots_help_transfer_more",
        "accuracy_falls_with_distance",
    }


def test_a_single_episode_decides_nothing():
    one = judged(made_up(LEVELS).query("episode == 0"))
    assert {claim.verdict for claim in one.values()} == {"undecided"}


def test_the_numbers_of_a_plain_difference_are_those_of_a_loop():
    results = made_up(LEVELS)
    finding = judged(results)["finetuning_above_frozen"].comparisons[0]
    means, variances = [], []
    for name in ("crops", "chest"):
        for shot in (5, 20):
            cell = results[(results["dataset"] == name) & (results["shot"] == shot)]
            wide = cell.pivot(index="episode", columns="method", values="accuracy")
            difference = (wide["ft all"] - wide["fixed"]).dropna()
            part = finding.parts[name, shot]
            assert part.difference == pytest.approx(difference.mean())
            assert part.units == len(difference) == 20
            means.append(difference.mean())
            variances.append(difference.var(ddof=0) / len(difference))
    assert finding.whole.difference == pytest.approx(np.mean(means))
    assert finding.whole.ci95 == pytest.approx(1.96 * np.sqrt(sum(variances)) / 4)


def test_the_published_table_is_read_by_the_same_arithmetic(claims):
    table = cross_domain().set_index(["method", "dataset", "shot"])["accuracy"]
    names = {"crops": "CropDiseases", "chest": "ChestX"}
    fixed = claims["finetuning_above_frozen"].comparisons[0]
    cells = {
        (key, shot): value(table, "Ft All", name, shot) - value(table, "Fixed", name, shot)
        for key, name in names.items()
        for shot in (5, 20)
    }
    assert {cell: fixed.published[cell] for cell in cells} == pytest.approx(cells)
    assert fixed.published[()] == pytest.approx(np.mean(list(cells.values())))
    whole = [
        value(table, "Ft All", name, shot) - value(table, "Fixed", name, shot)
        for name in ("CropDiseases", "EuroSAT", "ISIC", "ChestX")
        for shot in (5, 20, 50)
    ]
    assert fixed.talk.difference == pytest.approx(np.mean(whole))

    gain = claims["more_shots_help_transfer_more"].comparisons[0].published["crops",]
    both = ["Fixed", *FINE_TUNING], META
    transfer, meta = (
        np.mean([value(table, m, "CropDiseases", 20) - value(table, m, "CropDiseases", 5) for m in rows])
        for rows in both
    )
    assert gain == pytest.approx(transfer - meta)

    step = claims["accuracy_falls_with_distance"].comparisons[0].published["crops", "chest"]
    drops = [
        value(table, m, "CropDiseases", shot) - value(table, m, "ChestX", shot)
        for m in ALL_ROWS
        for shot in (5, 20)
    ]
    assert step == pytest.approx(np.mean(drops))


def test_the_published_best_meta_learner_is_protonet_and_the_best_ensemble_ims_f(claims):
    table = cross_domain().set_index(["method", "dataset", "shot"])["accuracy"]
    finding = claims["meta_below_finetuning"].comparisons[0]
    expected = value(table, "Ft All", "ChestX", 5) - value(table, "ProtoNet", "ChestX", 5)
    assert finding.published["chest", 5] == pytest.approx(expected)
    assert claims["ensembles_best"].comparisons[0].talk.difference == pytest.approx(0.55, abs=0.03)


def test_picking_the_best_of_equals_on_other_episodes_does_not_flatter_it():
    rows, count = [f"row {i}" for i in range(30)], 40
    honest, flattered = [], []
    for trial in range(30):
        noise = stream(trial, "equals").normal(50, 5, (count, len(rows)))
        table = pd.DataFrame(noise, columns=rows).assign(base=50.0)
        halves = {("a", 5, half): table[table.index % 2 == half] for half in (0, 1)}
        both = {("a", 5, 0): table}
        for cells, into in ((halves, honest), (both, flattered)):
            whole = _best("best - base", cells, rows, ("base",)).whole
            into.append(sum(w * cells[c][row].mean() for c, ws in whole.items() for row, w in ws.items()))
    assert abs(np.mean(honest)) < 0.5
    assert np.mean(flattered) > 1


def test_every_dataset_must_fall_for_the_order_to_be_supported():
    results = made_up(LEVELS)
    third = results[results["dataset"] == "crops"].assign(dataset="late")
    third["accuracy"] += stream(3, "late").normal(0, 1, len(third)) - 2.0
    datasets = DATASETS | {"late": dataset("Late", "ISIC")}
    order = judged(pd.concat([results, third]), datasets)["accuracy_falls_with_distance"]
    assert list(order.comparisons[0].parts) == [("crops", "chest"), ("chest", "late")]
    assert order.verdict == "contradicted"


def test_contrasts_of_every_claim_weigh_nothing_on_balance():
    named = of_episodes(
        "made up",
        made_up(LEVELS).assign(
            method=lambda frame: frame["method"].map(
                {key: method["published"] for key, method in METHODS.items()}
            )
        ),
    )
    cells = by_cell(named)
    split = halves(cells)
    cell, table = next(iter(cells.items()))
    odd = [episode for episode in table.index if episode % 2]
    assert split[*cell, 1].equals(table.loc[odd].dropna(axis=1, how="all"))
    for claim in CLAIMS:
        for evidence in claim.evidence(cells, split, list(DATASETS)):
            weights = [w for row in evidence.whole.values() for w in row.values()]
            assert sum(weights) == pytest.approx(0)
            assert sum(w for w in weights if w > 0) > 0.9


def test_metrics_are_small_and_keep_to_numbers_and_verdicts(claims):
    metrics = claims_metrics(tuple(claims.values()))
    assert list(metrics) == [claim.key for claim in CLAIMS]
    entry = metrics["finetuning_above_frozen"]
    assert list(entry) == ["verdict", "difference"]
    assert entry["verdict"] == "supported"
    assert json.loads(json.dumps(metrics, allow_nan=False)) == metrics
