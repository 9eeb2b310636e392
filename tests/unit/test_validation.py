"""Validation: each expectation fails on what it is about, and names the rows."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from farfield.datasets.cards import Expected
from farfield.datasets.odd_pictures import with_oddities
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


AS_USUAL = {
    **{"bits": 8, "container": 8, "bands": 3, "page": 0, "pages": 1, "low": 0.0, "high": 255.0},
    **{"orientation": 1, "compression": "", "remark": "", "flat": False, "black": False, "inverted": False},
}


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
            **AS_USUAL,
        }
    )


def check(frame, expected=EXPECTED, unreadable=()):
    data = tables(frame, list(unreadable), expected)
    return summary(data, validate(data, expected, SUITES))


def failed(result):
    return {entry["sentence"]: entry for entry in result["expectations"] if not entry["success"]}


@pytest.mark.parametrize("column", ["mode", "width"])
def test_an_expectation_that_cannot_be_computed_says_why(column):
    """Its result has no observed value, and tells its exception metric by metric."""
    data = tables(manifest(), [], EXPECTED)
    with pytest.raises(InputError, match=rf"could not be computed: .*{column}"):
        validate({**data, "images": data["images"].rename(columns={column: "other"})} | {}, EXPECTED, SUITES)


def test_good_data_pass_every_expectation():
    result = check(manifest())
    assert result["success"]
    assert len(result["expectations"]) == 19
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
        ("flat", True, "No picture is flat, beyond what the card allows."),
        ("black", True, "No picture is nearly black, beyond what the card allows."),
        (
            "inverted",
            True,
            "No picture is the negative of the others of its class, beyond what the card allows.",
        ),
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


def test_pictures_that_went_wrong_are_found():
    """Radiographs of one view, each with its own noise: one inverted, one flat, one with 12 bits taken for 16."""
    y, x = np.mgrid[:32, :32] / 31
    view = 40 + 170 * np.exp(-8 * ((x - 0.5) ** 2 + (y - 0.4) ** 2))
    noise = np.random.default_rng(0).normal(0, 12, (12, 32, 32))
    images = np.clip(view + noise, 0, 255).astype(np.uint8)[..., None].repeat(3, axis=3)
    images[2] = 255 - images[2]
    images[5] = 77
    images[6] //= 17
    oddities = with_oddities(manifest(), images, np.zeros(12, int))
    found = {name: np.flatnonzero(oddities[name]).tolist() for name in ("flat", "black", "inverted")}
    assert found == {"flat": [5], "black": [6], "inverted": [2]}
    entries = failed(check(oddities))
    assert entries["No picture is flat, beyond what the card allows."]["offenders"] == ["b/5.png"]
    sentence = "No picture is the negative of the others of its class, beyond what the card allows."
    assert entries[sentence]["offenders"] == ["a/2.png"]
    assert check(oddities, replace(EXPECTED, odd=1))["success"]


def test_photographs_are_no_negatives_of_each_other():
    images = (
        np.random.default_rng(0).integers(0, 256, (40, 4, 4, 3), dtype=np.uint8).repeat(8, 1).repeat(8, 2)
    )
    with_negatives = np.concatenate([images, 255 - images])
    frame = pd.DataFrame({"path": range(80)})
    assert not with_oddities(frame, with_negatives, np.zeros(80, int))["inverted"].any()


def test_what_was_done_to_files_is_said_once_a_kind():
    frame = manifest()
    assert check(frame)["remarks"] == []
    frame.loc[:3, ["container", "bits", "low", "high", "mode"]] = [16, 12, 212.4, 3890.0, "I;16"]
    frame.loc[2, "bits"] = 11
    frame.loc[[4, 6], "pages"] = 3
    frame.loc[8:9, "remark"] = "bands 4, 3, 2 of 13"
    assert check(frame)["remarks"] == [
        "4 files: 12 bits in 16, shown from 212 to 3,890",
        "2 files: page 1 of 3",
        "2 files: bands 4, 3, 2 of 13",
    ]
