"""Published numbers, metrics, tables and figures, from results made up for the purpose."""

import json
import re
from dataclasses import replace
from xml.etree import ElementTree

import pandas as pd
import pytest
from made_up_study import DATASETS, METHODS, PAPERS, results, study

from farfield.episodes.statistics import summarise
from farfield.errors import InputError
from farfield.report import dot_figures, figures, tables
from farfield.report.cells import Cell, Column, Table, markdown, number
from farfield.report.comparisons_page import matrix_table, reuse_table
from farfield.report.fewshot import (
    accuracy_table,
    fewshot_headlines,
    fewshot_markdown,
    fewshot_pages,
)
from farfield.report.figure_style import look
from farfield.report.matrix_figures import difference_matrices, matrix
from farfield.report.training_figures import training_curves
from farfield.results import published
from farfield.results.inputs import in_order, is_real, reservations
from farfield.results.study import FewShotStudy

# Published numbers


def test_published_tables_are_found_by_name():
    table = published.table("bscd_fsl")
    fixed = table[(table["method"] == "Fixed") & (table["dataset"] == "EuroSAT") & (table["shot"] == 5)]
    assert fixed[["family", "accuracy", "ci95"]].to_numpy().tolist() == [["transfer", 75.69, 0.66]]


def test_an_unknown_published_table_is_answered_with_those_that_exist():
    with pytest.raises(InputError, match=r"'bscd'\. There are: adashare_cityscapes.*spottune"):
        published.table("bscd")


def test_documents_join_the_cross_domain_table_under_its_names():
    table = published.cross_domain().set_index(["method", "dataset", "shot"])["accuracy"]
    assert table["Ft Last-2", "RVL-CDIP", 20] == 63.44
    assert table["IMS-f", "RVL-CDIP", 50] == 69.07
    assert table["IMS-f", "ChestX", 5] == 25.50
    assert ("MAML", "ChestX", 50) not in table.index


# What a dataset is


def test_stand_ins_and_samples_are_not_the_real_dataset():
    assert [is_real(card) for card in DATASETS.values()] == [True, False, False]
    assert reservations(list(DATASETS.values())) == [
        "Procedural images stand in for ISIC: their difficulty was designed, and their numbers are not "
        "results on ISIC.",
        "A sample of EuroSAT (2,700 images): not a result on the whole of EuroSAT.",
    ]


def test_what_holds_for_several_datasets_is_said_once():
    blobs = next(card for card in DATASETS.values() if not is_real(card)) | {
        "published": "",
        "procedural": True,
    }
    assert reservations([blobs, {**blobs, "title": "Others"}]) == [
        "Procedural images: not a result on any real dataset."
    ]


def test_results_of_a_method_that_is_not_described_are_refused():
    with pytest.raises(InputError, match="method 'fixed'"):
        in_order(summarise(results()), {"own": METHODS["own"]}, DATASETS)


# Metrics and tables


def test_metrics_are_small_dictionaries_in_the_order_of_methods_and_datasets():
    metrics = tables.metrics(study().summary)
    assert list(metrics) == list(METHODS)
    assert list(metrics["fixed"]) == list(DATASETS)
    assert list(metrics["fixed"]["isic"]) == ["5-shot", "20-shot"]
    accuracies = results().query("method == 'own' and dataset == 'isic' and shot == 20")["accuracy"]
    cell = {
        "accuracy": round(accuracies.mean(), 2),
        "ci95": round(1.96 * accuracies.std(ddof=0) / 12**0.5, 2),
    }
    assert metrics["own"]["isic"]["20-shot"] == cell
    assert json.loads(json.dumps(metrics, allow_nan=False)) == metrics


def test_ours_stand_beside_the_published_numbers():
    table = accuracy_table(study(), "crops")
    assert table.note == ""
    assert [(c.group, c.title) for c in table.columns[3:5]] == [("5-shot", "ours"), ("5-shot", "published")]
    protonet, _, own, *others = table.rows
    assert f"{protonet[4].text} {protonet[4].interval}" == "79.72 ± 0.67"
    assert own[4].text == "–"
    theirs = published.cross_domain().query("dataset == 'CropDiseases' and shot in (5, 20)")
    assert {row[0].text for row in others} == set(theirs["method"]) - {"ProtoNet", "Fixed"}
    assert all(row[3].text == "–" for row in others)
    assert markdown(table).count("± ") == 6 + len(theirs)


@pytest.mark.parametrize(("name", "real"), [("eurosat", "EuroSAT"), ("isic", "ISIC")])
def test_a_table_that_is_not_on_the_real_dataset_says_so(name, real):
    text = markdown(accuracy_table(study(), name))
    assert f"published, on the real {real}" in text
    assert "not a result on" in text
    assert "for reference only" in text
    assert {"eurosat": "(sample)", "isic": "(procedural)"}[name] in text.splitlines()[0]


def test_the_best_of_each_column_is_marked_with_its_ties():
    summary = summarise(results())
    summary["accuracy"] = [81.301 if method != "own" else 70.0 for method in summary["method"]]
    table = tables.accuracy_table(summary, published.cross_domain(), METHODS, DATASETS, "crops")
    assert [row[3].best for row in table.rows[:3]] == [True, True, False]
    best = max(table.rows, key=lambda row: float(row[4].text) if row[4].text != "–" else 0)
    assert [row for row in table.rows if row[4].best] == [best]


def test_means_over_shots_need_every_shot():
    partial = results().query("not (method == 'own' and dataset == 'isic' and shot == 20)")
    summary = in_order(summarise(partial), METHODS, DATASETS)
    own = tables.overview_table(summary, METHODS, DATASETS).rows[2]
    crops = partial.query("method == 'own' and dataset == 'crops'")["accuracy"].mean()
    assert own[3].value == pytest.approx(crops)
    assert [cell.text for cell in own[5:]] == ["–", "–"]


def test_only_differences_that_stay_significant_among_all_are_marked():
    rows = [
        ("own", "crops", 5, 2.0, 1.0, 0.01),
        ("own", "crops", 20, -2.0, 1.0, 0.04),
        ("protonet", "crops", 5, 1.5, 1.0, 0.2),
    ]
    differences = pd.DataFrame(rows, columns=["method", "dataset", "shot", "difference", "ci95", "holm"])
    differences = differences.assign(reference="fixed", episodes=12)
    table = tables.paired_table(differences, METHODS, DATASETS)
    protonet, own = table.rows
    assert [cell.kind for cell in own[1:]] == ["above", "below"]
    assert [cell.text for cell in own[1:]] == ["+2.00", "−2.00"]
    assert [cell.text for cell in protonet[1:]] == ["+1.50", "–"]
    assert protonet[1].kind == ""
    assert "3 comparisons" in table.note


def overall() -> pd.DataFrame:
    rows = [("protonet", "fixed", -3.04, 0.01), ("fixed", "own", 0.26, 0.7)]
    return pd.DataFrame(rows, columns=["method", "other", "difference", "holm"])


def test_the_matrix_is_antisymmetric_and_marks_significant_pairs_on_both_sides():
    rows = matrix_table(overall(), list(METHODS), METHODS).rows
    assert [cell.text for cell in rows[0]] == ["1 ProtoNet", "·", "−3.0", "–"]
    assert [cell.text for cell in rows[1]] == ["2 Fixed", "+3.0", "·", "+0.3"]
    assert [cell.kind for cell in rows[1]] == ["text", "above", "", ""]
    assert rows[0][2].kind == "below"
    values, certain = matrix(overall(), list(METHODS))
    assert values[1, 0] == -values[0, 1] == 3.04
    assert certain.tolist() == [[False, True, False], [True, False, False], [False, False, False]]


def test_how_often_an_image_is_drawn_counts_support_and_queries():
    table = reuse_table(study(DATASETS | PAPERS))
    assert [cell.text for cell in table.rows[0]] == ["Papers", "400", "3.00", "5.25"]
    assert len(table.rows) == 1
    assert reuse_table(study()) is None


def test_markdown_keeps_digits_intervals_and_bars_in_names():
    best = Cell("81.30", "± 0.50", 81.3, best=True)
    table = Table("Title", (Column("Method"), Column("ours", "5-shot")), ((Cell("a|b", kind="text"), best),))
    lines = markdown(table).splitlines()
    assert lines[0] == "**Title**"
    assert [cell.strip() for cell in re.split(r"(?<!\\)\|", lines[4])[1:3]] == ["a\\|b", "**81.30 ± 0.50**"]
    assert "5-shot ours" in lines[2]
    assert number(0.5).text == "0.50"


def test_the_markdown_report_warns_before_its_first_table():
    text = fewshot_markdown("crossdomain", study())
    assert text.index("not results on ISIC") < text.index("| Method")
    assert "## Paired differences" in text


# Figures


def texts(svg: bytes) -> list[str]:
    root = ElementTree.fromstring(svg)
    return ["".join(element.itertext()) for element in root.iter("{http://www.w3.org/2000/svg}text")]


def test_published_values_are_drawn_only_for_the_real_dataset():
    hollow = {}
    for key, card in DATASETS.items():
        summary = study().summary.query("dataset == @key")
        svg = figures.accuracy_by_shot(summary, published.cross_domain(), METHODS, {key: card}).decode()
        hollow[key] = sum("fill-opacity: 0" in line for line in svg.splitlines() if "<use" in line)
    assert hollow == {"crops": 4, "eurosat": 0, "isic": 0}


def test_figures_name_their_methods_and_datasets_in_text():
    drawn = texts(dot_figures.all_methods(study().summary, published.cross_domain(), METHODS, DATASETS))
    assert {"ProtoNet", "CropDisease", "EuroSAT (sample)", "Blobs (procedural)", "20-shot"} <= set(drawn)


def test_a_curve_without_validation_has_no_line_for_it():
    curve = study().training["mini source"].curve
    assert "validation" not in texts(training_curves(curve))
    assert "validation" in texts(training_curves(curve.assign(validation_accuracy=50.0)))


def test_no_two_of_many_methods_are_drawn_alike():
    looks = [(look(i)["color"], look(i)["marker"], look(i)["linestyle"]) for i in range(24)]
    assert len(set(looks)) == 24


def test_matrices_name_datasets_and_number_methods():
    frames = {"crops": overall(), "isic": overall()}
    drawn = texts(difference_matrices(frames, list(METHODS), METHODS, DATASETS))
    assert {"CropDisease", "Blobs (procedural)", "ProtoNet  1", "3"} <= set(drawn)


def test_a_single_method_shot_and_episode_can_be_drawn():
    one = results(1).query("method == 'fixed' and dataset == 'crops' and shot == 5")
    alone = FewShotStudy(one, METHODS, DATASETS, "fixed")
    (page,) = fewshot_pages(alone)
    assert page.context["paired"] is None
    assert fewshot_headlines(alone)[0].picture.data


def test_a_dataset_may_lack_a_shot():
    whole = study()
    missing = (whole.results["dataset"] == "isic") & (whole.results["shot"] == 20)
    partial = replace(whole, results=whole.results[~missing])
    (page,) = fewshot_pages(partial)
    assert b"Blobs" in page.assets["figures/fewshot-methods.svg"]
    assert "20-shot" not in markdown(accuracy_table(partial, "isic"))


def test_a_part_without_results_has_no_page():
    assert list(study(DATASETS | PAPERS).parts) == ["crossdomain", "documents"]
    assert list(study(PAPERS).parts) == ["documents"]
