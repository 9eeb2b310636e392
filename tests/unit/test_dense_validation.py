"""Validation of dense datasets: units, classes, shares of known pixels, each by a message that says so."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from farfield.datasets.cards import Expected
from farfield.datasets.dense.pictures import picture, target_sheet
from farfield.datasets.dense.validation import dense_summary, dense_tables, require_valid_dense
from farfield.datasets.validation import validate
from farfield.errors import InputError

SUITES = Path(__file__).parents[2] / "data/expectations"
EXPECTED = Expected(
    images=6,
    classes=3,
    fewest_images=2,
    modes=("RGB",),
    shortest_side=8,
    depth=(0.3, 12.0),
    valid={"depth": 0.5},
)


def manifest() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "row": np.arange(6, dtype=np.int32),
            "path": [f"img/{i}.png" for i in range(6)],
            "split": ["train"] * 4 + ["test"] * 2,
            "width": 12,
            "height": 9,
            "mode": "RGB",
            "sha256": [f"{i:064x}" for i in range(6)],
            **{"bits": 8, "container": 8, "bands": 3, "page": 0, "pages": 1, "low": 0.0, "high": 255.0},
            **{
                "orientation": 1,
                "compression": "",
                "remark": "",
                "flat": False,
                "black": False,
                "inverted": False,
            },
            "valid_segmentation": 0.9,
            "least_segmentation": 0.0,
            "most_segmentation": 2.0,
            "valid_depth": 0.75,
            "least_depth": 0.8,
            "most_depth": 4.5,
            "classes": [np.array([0, 1, 2])] * 6,
        }
    )


def check(frame, expected=EXPECTED, unreadable=()):
    data = dense_tables(frame, list(unreadable), ["a", "b", "c"], expected)
    return dense_summary(data, validate(data, expected, SUITES))


def message(frame, expected=EXPECTED, unreadable=()):
    with pytest.raises(InputError) as caught:
        require_valid_dense("set", check(frame, expected, unreadable), expected)
    return str(caught.value)


def test_good_data_pass_and_are_summed_up():
    result = check(manifest())
    require_valid_dense("set", result, EXPECTED)
    assert result["success"]
    assert len(result["expectations"]) == 21
    assert result["class_images"] == {"a": 6, "b": 6, "c": 6}
    assert result["splits"] == {"test": 2, "train": 4}
    assert result["tasks"]["depth"] == {"valid": {"test": 0.75, "train": 0.75}, "least": 0.8, "most": 4.5}


@pytest.mark.parametrize(("factor", "unit"), [(1000, "millimetres"), (100, "centimetres")])
def test_depth_in_another_unit_is_recognised(factor, unit):
    frame = manifest()
    frame[["least_depth", "most_depth"]] *= factor
    text = message(frame)
    assert f"they look like {unit}; divide them by {factor}." in text
    assert "0.3 to 12 (metres) is expected" in text
    assert "depths those of the card in its unit" in text
    assert "img/0.png" in text


def test_disparities_that_were_not_divided_are_recognised():
    frame = manifest()
    frame[["least_depth", "most_depth"]] = 6553.0, 32257.0
    expected = replace(EXPECTED, depth=(0.00001, 0.51), depth_unit="disparity")
    assert "look like the 16-bit numbers of the files; divide them by 65535" in message(frame, expected)


def test_one_depth_too_near_is_named():
    frame = manifest()
    frame.loc[3, "least_depth"] = 0.01
    text = message(frame)
    assert "1 do not: img/3.png" in text
    assert "depths reach from 0.01 to 4.5" in text
    assert "look like" not in text


def test_a_label_outside_the_class_list_is_named():
    frame = manifest()
    frame.loc[2, "most_segmentation"] = 3.0
    text = message(frame)
    assert "lies above its bounds: labels the classes" in text
    assert "img/2.png" in text
    assert "depths reach" not in text


def test_a_task_without_a_known_pixel_in_a_split_is_named():
    frame = manifest()
    test = frame["split"] == "test"
    frame.loc[test, "valid_depth"] = 0.0
    frame.loc[test, ["least_depth", "most_depth"]] = np.nan
    text = message(frame)
    assert "Every task has known pixels in every split. (dense_tasks.valid: 1 do not: depth in test)" in text
    assert "the share of known pixels that the card expects" in text
    frame[["valid_depth", "least_depth", "most_depth"]] = 0.0, np.nan, np.nan
    assert "depth in test, depth in train" in message(frame)


def test_points_left_out_fail_beyond_the_cards_number():
    left_out = [{"path": "img/9.png", "reason": "depth: it is 4 x 6 pixels large, but its image is 6 x 4"}]
    assert "unreadable: img/9.png: depth: it is 4 x 6" in message(manifest(), unreadable=left_out)
    assert check(manifest(), replace(EXPECTED, unreadable=1), left_out)["success"]
    assert check(manifest(), replace(EXPECTED, unreadable=None), left_out)["success"]


def test_a_class_that_no_image_shows_is_named():
    frame = manifest().assign(classes=[np.array([0, 2])] * 6)
    assert "Every class has enough images. (classes.images: 1 do not: b)" in message(frame)
    assert check(frame, replace(EXPECTED, fewest_images=0))["class_images"]["b"] == 0


def test_a_card_that_speaks_of_a_task_that_is_not_there():
    with pytest.raises(InputError, match=r"expected\.valid names normals, but the dataset has the tasks seg"):
        check(manifest(), replace(EXPECTED, valid={"normals": 0.5}))


def test_pictures_show_unknown_pixels_black():
    depth = np.array([[1, 3, np.nan]], np.float32)
    assert picture("depth", depth, 0)[0, :, 0].tolist() == [40, 255, 0]
    colours = picture("segmentation", np.array([[0, 1, -1]], np.int16), 2)[0]
    assert colours[2].tolist() == [0, 0, 0]
    assert (colours[0] != colours[1]).any()
    images = np.zeros((9, 4, 5, 3), np.uint8)
    targets = {"segmentation": np.zeros((9, 4, 5), np.int16), "depth": np.full((9, 4, 5), np.nan, np.float32)}
    assert target_sheet(images, targets, 3, rows=2).shape == (8, 15, 3)
