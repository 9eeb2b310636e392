"""Validation: each expectation fails on what it is about, and names the rows."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from farfield.datasets.cards import Expected
from farfield.datasets.validation import require_valid, summary, tables, validate
from farfield.errors import InputError

SUITES = Path(__file__).parents[2] / "data/expectations"
EXPECTED = Expected(
    images=12,
    classes=3,
    class_images={"a": 4, "b": 4, "c": 4},
    fewest_images=4,
    modes=("RGB",),
    shortest_side=8,
)


def manifest() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "row": np.arange(12, dtype=np.int32),
            "path": [f"{'abc'[i // 4]}/{i}.png" for i in range(12)],
            "label": np.repeat(np.arange(3, dtype=np.int32), 4),
            "class_name": np.repeat(["a", "b", "c"], 4),
            "split": ["train", "test"] * 6,
            "width": 10,
            "height": 9,
            "mode": "RGB",
            "sha256": [f"{i:064x}" for i in range(12)],
        }
    )


def check(frame, expected=EXPECTED, unreadable=()):
    data = tables(frame, list(unreadable), expected)
    return summary(data, validate(data, expected, SUITES))


def failed(result):
    return {entry["sentence"]: entry for entry in result["expectations"] if not entry["success"]}


def test_good_data_pass_every_expectation():
    result = check(manifest())
    assert result["success"]
    assert len(result["expectations"]) == 16
    assert result["class_images"] == {"a": 4, "b": 4, "c": 4}
    assert result["splits"] == {"test": 6, "train": 6}
    require_valid("good", result)


@pytest.mark.parametrize(
    ("column", "value", "sentence"),
    [
        ("path", "a/0.png", "No path occurs twice."),
        ("row", 99, "Rows lie within the array."),
        ("row", 0, "Every image has a row of its own in the array."),
        ("mode", "L", "Files have the pixel formats the card expects."),
        ("width", 3, "Images are wide enough."),
        ("height", 3, "Images are high enough."),
        ("split", "", "Every image belongs to a split."),
        ("sha256", f"{1:064x}", "No file repeats the bytes of another, beyond what the card allows."),
        ("class_name", "a", "Every class has the number of images the card expects."),
    ],
)
def test_each_fault_is_found_and_its_row_named(column, value, sentence):
    frame = manifest()
    frame.loc[7, column] = value
    result = check(frame)
    assert not result["success"]
    entry = failed(result)[sentence]
    offender = "b" if column == "class_name" else frame.loc[7, "path"]
    assert offender in entry["offenders"]
    with pytest.raises(InputError, match=r"(?s)faulty does not pass validation.*conf/dataset/faulty\.yaml"):
        require_valid("faulty", result)


def test_a_twin_in_another_split_is_a_leak():
    frame = manifest()
    frame.loc[7, "sha256"] = frame.loc[2, "sha256"]  # test and train
    result = check(frame, replace(EXPECTED, duplicates=1))
    entry = failed(result)["No file has a twin in another split, beyond what the card allows."]
    assert entry["offenders"] == ["a/2.png", "b/7.png"]
    assert result["leaked"] == result["duplicates"] == [["a/2.png", "b/7.png"]]
    assert check(frame, replace(EXPECTED, duplicates=1, leaked=2))["success"]
    assert check(frame, replace(EXPECTED, duplicates=None, leaked=None))["success"]


def test_counts_are_held_against_the_card():
    result = check(manifest(), replace(EXPECTED, images=13, classes=4, fewest_images=5, class_images={}))
    entries = failed(result)
    assert entries["The number of images is the one the card expects."]["found"] == 12
    assert entries["The number of classes is the one the card expects."]["found"] == 3
    assert entries["Every class has enough images."]["offenders"] == ["a", "b", "c"]


def test_a_class_that_is_missing_altogether_is_named():
    result = check(manifest(), replace(EXPECTED, class_images={"a": 4, "b": 4, "c": 4, "d": 1}, classes=None))
    assert failed(result)["Every class has the number of images the card expects."]["offenders"] == ["d"]


def test_unreadable_files_are_allowed_up_to_the_cards_number():
    files = [{"path": "a/x.png", "reason": "not an image"}]
    result = check(manifest(), unreadable=files)
    with pytest.raises(InputError, match=r"a/x\.png: not an image"):
        require_valid("bad", result)
    assert check(manifest(), replace(EXPECTED, unreadable=1), files)["success"]


def test_a_card_that_expects_nothing_accepts_everything_sound():
    assert check(manifest().assign(mode="L"), Expected())["success"]


def test_data_docs_are_written_on_demand(tmp_path):
    data = tables(manifest(), [], EXPECTED)
    validate(data, EXPECTED, SUITES, docs=tmp_path / "docs")
    assert (tmp_path / "docs/index.html").exists()
