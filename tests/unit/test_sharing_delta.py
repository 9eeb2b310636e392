"""Relative performance against the formula, by hand."""

import math

import pytest

from farfield.errors import InputError
from farfield.sharing.delta import relative_performance

SINGLE = {
    "segmentation": {"miou": 40.0, "pixel_accuracy": 80.0},
    "depth": {"depth_abs_error": 0.02, "depth_rel_error": 0.4, "depth_delta_1.25": 70.0},
}


def test_gains_are_positive_whichever_way_is_better():
    ours = {
        "segmentation": {"miou": 42.0, "pixel_accuracy": 76.0},
        "depth": {"depth_abs_error": 0.01, "depth_rel_error": 0.44, "depth_delta_1.25": 77.0},
    }
    tasks, overall = relative_performance(ours, SINGLE)
    assert tasks == pytest.approx({"segmentation": (5 - 5) / 2, "depth": (50 - 10 + 10) / 3})
    assert overall == pytest.approx(50 / 3 / 2)


def test_the_single_task_networks_have_no_gain_over_themselves():
    assert relative_performance(SINGLE, SINGLE) == ({"segmentation": 0, "depth": 0}, 0)


def test_directions_can_be_given():
    tasks, _ = relative_performance({"flow": {"error": 1.0}}, {"flow": {"error": 2.0}}, {"error": False})
    assert tasks == {"flow": 50}


@pytest.mark.parametrize(
    ("ours", "reference", "message"),
    [
        ({}, SINGLE, "at least one task"),
        ({"depth": {}}, SINGLE, "a metric of depth"),
        ({"depth": {"loss": 1.0}}, SINGLE, "loss of depth"),
        ({"edges": {"edge_error": 1.0}}, SINGLE, "edge_error of edges"),
        ({"edges": {"edge_error": 1.0}}, {"edges": {"edge_error": 0.0}}, "found 0.0"),
        ({"edges": {"edge_error": 1.0}}, {"edges": {"edge_error": math.nan}}, "found nan"),
    ],
)
def test_what_cannot_be_divided_is_refused(ours, reference, message):
    with pytest.raises(InputError, match=message):
        relative_performance(ours, reference)
