"""Published numbers, metrics, tables and figures, from results made up for the purpose."""

import json
import re
from dataclasses import replace
from xml.etree import ElementTree

import pandas as pd
import pytest
from made_up_study import DATASETS, METHODS, PAPERS, found, results, study, training

from farfield.errors import InputError
from farfield.report.cells import Cell, Column, Table, markdown, number
from farfield.report.comparisons_page import matrix_table, reuse_table
from farfield.report.curves import accuracy_by_shot, training_curves
from farfield.report.dots import episode_dots
from farfield.report.episode_tables import episodes_table, overview_table
from farfield.report.fewshot import fewshot_headline, fewshot_page
from farfield.report.figure_style import look
from farfield.report.matrices import difference_matrices, matrix
from farfield.report.numbers import metrics, rounded
from farfield.report.tables import paired_table
from farfield.results import published
from farfield.results.families import fewshot_study
from farfield.results.findings import Findings
from farfield.results.inputs import is_real, reservations
from farfield.results.judging import judge_fewshot
from farfield.results.study import Study


def found_of(shown: Study) -> Findings:
    return Findings(shown, judge_fewshot)


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
        fewshot_study(results(), {"own": METHODS["own"]}, DATASETS, "own")
    with pytest.raises(InputError, match="cell 'eurosat 20-shot'"):
        fewshot_study(results(), METHODS, {"crops": DATASETS["crops"]}, "own")


# Metrics and tables


def test_metrics_are_numbers_in_the_order_of_methods_and_datasets():
    numbers = metrics(found().summary)
    assert list(numbers) == list(METHODS)
    assert list(numbers["fixed"]) == list(DATASETS)
    assert list(numbers["fixed"]["isic"]) == ["5-shot", "20-shot"]
    accuracies = results().query("method == 'own' and dataset == 'isic' and shot == 20")["accuracy"]
    assert 1 < 1.96 * accuracies.std(ddof=0) / 12**0.5 < 10
    assert numbers["own"]["isic"]["20-shot"] == round(accuracies.mean())
    assert json.loads(json.dumps(numbers, allow_nan=False)) == numbers


@pytest.mark.parametrize(
    ("value", "ci95", "expected"),
    [
        (61.26, 2.1, 61),
        (61.26, 0.52, 61.3),
        (61.264, 0.08, 61.26),
        (61.264, 0.004, 61.26),
        (560.4, 31.0, 560),
    ],
)
def test_metrics_have_the_digits_that_their_interval_supports(value, ci95, expected):
    assert rounded(value, ci95) == expected


@pytest.mark.parametrize("ci95", [None, float("nan"), 0.0])
def test_metrics_without_an_interval_are_whole(ci95):
    assert rounded(-0.26, ci95) == 0
    assert str(rounded(-0.26, ci95)) == "0.0"
    assert rounded(61.6, ci95) == 62


def test_ours_stand_beside_the_published_numbers():
    table = episodes_table(found(), "crops")
    assert table.note == ""
    assert [(c.group, c.title) for c in table.columns[3:5]] == [("5-shot", "ours"), ("5-shot", "published")]
    assert table.columns[-1].title == "Has learned from"
    protonet, _, own, *others = table.rows
    assert f"{protonet[4].text} {protonet[4].interval}" == "79.72 ± 0.67"
    assert own[4].text == "–"
    theirs = published.cross_domain().query("dataset == 'CropDiseases' and shot in (5, 20)")
    assert {row[0].text for row in others} == set(theirs["method"]) - {"ProtoNet", "Fixed"}
    assert all(row[3].text == "–" for row in others)
    assert markdown(table).count("± ") == 6 + len(theirs)


@pytest.mark.parametrize(("name", "real"), [("eurosat", "EuroSAT"), ("isic", "ISIC")])
def test_a_table_that_is_not_on_the_real_dataset_says_so(name, real):
    text = markdown(episodes_table(found(), name))
    assert f"published, on the real {real}" in text
    assert "not a result on" in text
    assert "for reference only" in text
    assert {"eurosat": "(sample)", "isic": "(procedural)"}[name] in text.splitlines()[0]


def test_the_best_of_each_column_is_marked_with_its_ties():
    level = {"own": 70.0}
    table = results().assign(accuracy=lambda frame: [level.get(method, 81.301) for method in frame["method"]])
    table = episodes_table(found_of(fewshot_study(table, METHODS, DATASETS, "fixed")), "crops")
    assert [row[3].best for row in table.rows[:3]] == [True, True, False]
    best = max(table.rows, key=lambda row: float(row[4].text) if row[4].text != "–" else 0)
    assert [row for row in table.rows if row[4].best] == [best]


def test_means_over_shots_need_every_shot():
    partial = results().query("not (method == 'own' and dataset == 'isic' and shot == 20)")
    own = overview_table(found_of(fewshot_study(partial, METHODS, DATASETS, "fixed"))).rows[2]
    crops = partial.query("method == 'own' and dataset == 'crops'")["accuracy"].mean()
    assert own[3].value == pytest.approx(crops)
    assert [cell.text for cell in own[5:7]] == ["–", "–"]


def test_only_differences_that_stay_significant_among_all_are_marked():
    rows = [
        ("own", "crops", 5, 2.0, 1.0, 0.01),
        ("own", "crops", 20, -2.0, 1.0, 0.04),
        ("protonet", "crops", 5, 1.5, 1.0, 0.2),
    ]
    differences = pd.DataFrame(rows, columns=["row", "dataset", "shot", "difference", "ci95", "holm"])
    shown = found()
    cell = differences["dataset"] + " " + differences["shot"].astype(str) + "-shot"
    shown.__dict__["differences"] = differences.assign(cell=cell)
    table = paired_table(shown)
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
    table = reuse_table(found(DATASETS | PAPERS))
    assert [cell.text for cell in table.rows[0]] == ["Papers", "400", "3.00", "5.25"]
    assert len(table.rows) == 1
    assert reuse_table(found()) is None


def test_markdown_keeps_digits_intervals_and_bars_in_names():
    best = Cell("81.30", "± 0.50", 81.3, best=True)
    table = Table("Title", (Column("Method"), Column("ours", "5-shot")), ((Cell("a|b", kind="text"), best),))
    lines = markdown(table).splitlines()
    assert lines[0] == "**Title**"
    assert [cell.strip() for cell in re.split(r"(?<!\\)\|", lines[4])[1:3]] == ["a\\|b", "**81.30 ± 0.50**"]
    assert "5-shot ours" in lines[2]
    assert number(0.5).text == "0.50"


def test_the_markdown_report_warns_before_its_first_table():
    text = fewshot_page("crossdomain", found()).markdown
    assert text.index("not results on ISIC") < text.index("| Method")
    assert "## Paired differences" in text


# Figures


def texts(svg: bytes) -> list[str]:
    root = ElementTree.fromstring(svg)
    return ["".join(element.itertext()) for element in root.iter("{http://www.w3.org/2000/svg}text")]


def test_published_values_are_drawn_only_for_the_real_dataset():
    hollow = {}
    for key, card in DATASETS.items():
        own = fewshot_study(results(datasets={key: card}), METHODS, {key: card}, "fixed")
        svg = accuracy_by_shot(found_of(own)).decode()
        hollow[key] = sum("fill-opacity: 0" in line for line in svg.splitlines() if "<use" in line)
    assert hollow == {"crops": 4, "eurosat": 0, "isic": 0}


def test_figures_name_their_methods_and_datasets_in_text():
    drawn = texts(episode_dots(found(), found().summary, "mean"))
    assert {"ProtoNet", "CropDisease", "EuroSAT (sample)", "Blobs (procedural)", "20-shot"} <= set(drawn)


def test_a_curve_without_validation_has_no_line_for_it():
    curve = training()[0]["mini source"].curve
    assert "validation" not in texts(training_curves(curve))
    assert "validation" in texts(training_curves(curve.assign(validation_accuracy=50.0)))


def test_no_two_of_many_methods_are_drawn_alike():
    looks = [(look(i)["color"], look(i)["marker"], look(i)["linestyle"]) for i in range(24)]
    assert len(set(looks)) == 24


def test_matrices_name_datasets_and_number_methods():
    shown = found()
    shown.__dict__["by_dataset"] = {"crops": overall(), "isic": overall()}
    drawn = texts(difference_matrices(shown))
    assert {"CropDisease", "Blobs (procedural)", "ProtoNet  1", "3"} <= set(drawn)


def test_a_single_method_shot_and_episode_can_be_drawn():
    one = results(1).query("method == 'fixed' and dataset == 'crops' and shot == 5")
    alone = found_of(fewshot_study(one, METHODS, DATASETS, "fixed"))
    [(name, part)] = alone.parts.items()
    page = fewshot_page(name, part).page
    assert page.context["paired"] is None
    assert "paired" not in [section.place for section in page.context["sections"]]
    assert fewshot_headline(name, part).picture.data


def test_a_dataset_may_lack_a_shot():
    whole = study()
    partial = found_of(replace(whole, scores=whole.scores[whole.scores["cell"] != "isic 20-shot"]))
    [(name, part)] = partial.parts.items()
    page = fewshot_page(name, part).page
    assert b"Blobs" in page.assets["figures/fewshot-methods.svg"]
    assert "20-shot" not in markdown(episodes_table(partial, "isic"))


def test_a_part_without_results_has_no_page():
    assert list(study(DATASETS | PAPERS).parts) == ["crossdomain", "documents"]
    assert list(study(PAPERS).parts) == ["documents"]
