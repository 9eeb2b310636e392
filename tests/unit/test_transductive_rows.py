"""Transductive rows beside others: both kinds of queries, always with the mark."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from made_up_study import DATASETS
from test_plan import PROFILES, composed_once
from test_site import Reader

from commands.record import fresh_record
from farfield.backbones import build
from farfield.episodes.imbalance import dirichlet_queries
from farfield.errors import InputError
from farfield.metalearning import meta_learner
from farfield.report.site import write_site
from farfield.report.transductive import transductive_metrics, transductive_page
from farfield.results.contrasts import FLIPS
from farfield.results.findings import Findings
from farfield.results.scores import place
from farfield.results.study import MARK, Study
from farfield.results.transductive import (
    QUERIES,
    against_reference,
    answered_alone,
    marked,
    transductive_study,
)
from farfield.seeds import stream
from stages.frame.fewshot_rows import alone_on_the_same
from stages.frame.params import check_params

ASSUMES = {"pt_map": "as many queries of each class", "propagation": "nothing"}
ROWS = {
    "pt_map": {"title": marked("PT-MAP"), "published": "", "transductive": True},
    "propagation": {"title": marked("Label propagation"), "published": "", "transductive": True},
    "fixed": {"title": "Fixed", "published": "Fixed"},
}
LEVELS = {"pt_map": {"balanced": 90, "dirichlet": 70}, "propagation": {"balanced": 86, "dirichlet": 85}}


def results(episodes=40):
    frames = []
    for dataset in ("crops", "eurosat"):
        hard = stream(0, dataset).normal(0, 3, episodes)
        for method in ROWS:
            for queries in QUERIES:
                noise = stream(1, dataset, method, queries).normal(0, 1, episodes)
                level = LEVELS.get(method, {}).get(queries, 85)
                cell = {"method": method, "dataset": dataset, "shot": 5, "queries": queries}
                frames.append(
                    pd.DataFrame({**cell, "episode": np.arange(episodes), "accuracy": level + hard + noise})
                )
    return pd.concat(frames, ignore_index=True)


@pytest.fixture(scope="module")
def found() -> Findings[Study]:
    return Findings(transductive_study(results(), ROWS, DATASETS, "fixed", seed=0), lambda study: ())


def test_the_words_of_a_cell():
    assert place("eurosat 5-shot dirichlet") == ("eurosat", 5, "dirichlet")
    assert place("eurosat 5-shot") == ("eurosat", 5)
    assert place("a-shot") == ("a-shot",)
    assert place("cub") == ("cub",)


@pytest.mark.parametrize("other", [{}, {"fixed": ROWS["fixed"]}])
def test_a_transductive_row_without_the_mark_is_refused(other):
    rows = {**other, "pt_map": ROWS["pt_map"] | {"title": "PT-MAP"}}
    table = results()
    table = table[table["method"].isin(rows)]
    with pytest.raises(InputError, match=r"'PT-MAP' of the study transductive .* has no mark"):
        transductive_study(table, rows, DATASETS, "pt_map", seed=0)


def test_every_comparison_with_an_inductive_row_shows_the_mark(found, tmp_path):
    """Nowhere on the page, in its Markdown, does the title of a transductive row stand without it."""
    page = transductive_page(found, ASSUMES)
    write_site(
        tmp_path / "site",
        [page.__class__("index", "Index", page.template, page.context, {}).drawn, page.drawn],
    )
    texts = [Reader((tmp_path / "site/transductive.html").read_text(encoding="utf-8")).text]
    texts.append((tmp_path / "site/transductive.md").read_text(encoding="utf-8"))
    for text in texts:
        for title in ("PT-MAP", "Label propagation"):
            after = [text[hit.end() :][: len(MARK)] for hit in re.finditer(title, text)]
            assert len(after) >= 2
            assert set(after) == {MARK}, title
        assert "Fixed" in text
        assert f"Fixed{MARK}" not in text


def test_both_kinds_of_queries_stand_side_by_side(found):
    page = transductive_page(found, ASSUMES)
    tables = [value for kind, value in page.context["sections"][0].shown if kind == "table"]
    assert len(tables) == 2
    for table, dataset in zip(tables, ("crops", "eurosat"), strict=True):
        assert [(column.group, column.title) for column in table.columns[2:]] == [
            ("5-shot", "Balanced"),
            ("5-shot", "Dirichlet"),
        ]
        own = results()
        for row, key in zip(table.rows, ROWS, strict=True):
            assert row[1].text == ASSUMES.get(key, "nothing: each query by itself")
            for cell, queries in zip(row[2:], QUERIES, strict=True):
                here = (own["method"] == key) & (own["dataset"] == dataset) & (own["queries"] == queries)
                assert cell.value == pytest.approx(own[here]["accuracy"].mean())
        signs = [[cell.kind for cell in row[2:]] for row in table.rows]
        assert signs[0] == ["above", "below"]
        assert signs[2] == ["", ""]


def test_metrics_hold_both_kinds(found):
    metrics = transductive_metrics(found)
    assert set(metrics) == set(ROWS)
    cell = metrics["pt_map"]["eurosat"]["5-shot"]
    assert list(cell) == list(QUERIES)
    assert cell["balanced"] - cell["dirichlet"] == pytest.approx(20, abs=1.5)
    assert list(metrics["fixed"]["eurosat"]["5-shot"]) == ["dirichlet"]


def test_differences_are_in_pairs_on_the_same_queries(found):
    own = results()
    table = against_reference(found.study).set_index(["row", "cell"])
    assert len(table) == 8
    for (row, cell), line in table.iterrows():
        dataset, shot, queries = place(cell)
        here = own[(own["dataset"] == dataset) & (own["shot"] == shot) & (own["queries"] == queries)]
        wide = here.pivot(index="episode", columns="method", values="accuracy")
        apart = wide[row] - wide["fixed"]
        assert line["difference"] == pytest.approx(apart.mean())
        assert line["ci95"] == pytest.approx(1.96 * apart.std(ddof=0) / np.sqrt(40))
        assert line["p"] >= 1 / (1 + FLIPS)
        assert line["holm"] >= line["p"]


def test_rows_that_answer_alone_are_known_on_dirichlet_queries_from_their_balanced_answers():
    way, query, episodes = 5, 6, 9
    asked = dirichlet_queries(0, "crops", way=way, shot=5, query=query, episodes=episodes)
    predictions = stream(0, "answers").integers(0, way, (episodes, way * query)).astype(np.int16)
    targets = np.repeat(np.arange(way), query)
    right = predictions == targets
    table = pd.DataFrame(
        {
            "method": "fixed",
            "dataset": "crops",
            "shot": np.int32(5),
            "episode": np.arange(episodes),
            "accuracy": 100 * right.mean(1),
            "predictions": list(predictions),
        }
    )
    # Fewer episodes than were drawn, in another order.
    found = answered_alone(table.iloc[[3, 1, 2]], {("crops", 5): asked}, way)
    assert found["queries"].tolist() == ["balanced"] * 3 + ["dirichlet"] * 3
    assert found["episode"].tolist() == [3, 1, 2] * 2
    np.testing.assert_allclose(found["accuracy"][:3], 100 * right.mean(1)[[3, 1, 2]])
    expected = [100 * right[e][asked[e]].mean() for e in (3, 1, 2)]
    np.testing.assert_allclose(found["accuracy"][3:], expected)


@pytest.mark.parametrize("profile", PROFILES)
def test_rows_are_known_for_transductive_that_are(profile):
    """What parameters say of a row is what its learner does."""
    fewshot = check_params(composed_once(json.dumps(fresh_record(profile))), profile).fewshot
    assert fewshot.transductive
    alone = alone_on_the_same(fewshot)
    assert alone
    assert not {*alone} & fewshot.viewed
    assert not set(fewshot.transductive) & {*fewshot.rows, *fewshot.units}
    for row in fewshot.transductive.values():
        assert row.transductive
        assert row.family == "transductive"
        assert row.assumes
    jointly = {key for key, row in fewshot.rows.items() if row.transductive}
    assert jointly == {"transductive", "maml"} & set(fewshot.rows)
    for row in fewshot.meta.values():
        backbone = build(row.backbone, width=4, image_size=16)
        learner = meta_learner(row.learner, backbone, fewshot.way, row.settings)
        assert row.transductive == learner.transductive
