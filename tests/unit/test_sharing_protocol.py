"""The two protocols and what the released code does in each study."""

from dataclasses import fields

import pytest

from farfield.errors import InputError
from farfield.sharing.protocol import FIXED, LEGACY, protocol


def test_the_two_protocols_differ_in_every_switch():
    assert all(getattr(FIXED, field.name) != getattr(LEGACY, field.name) for field in fields(FIXED))


def test_a_protocol_is_found_by_its_name():
    assert protocol("fixed") is FIXED
    assert protocol("legacy") == LEGACY
    assert protocol("fixed", "nyuv2") is FIXED


def test_legacy_has_only_the_faults_of_the_study_own_loader():
    cityscapes, nyu, taskonomy = (protocol("legacy", s) for s in ("cityscapes", "nyuv2", "taskonomy"))
    assert [p.void_in_pixel_accuracy for p in (cityscapes, nyu, taskonomy)] == [True, False, False]
    assert [p.normals for p in (cityscapes, nyu, taskonomy)] == ["decoded", "legacy_raw", "decoded"]
    assert [p.flip_normals for p in (cityscapes, nyu, taskonomy)] == [True, False, True]
    assert [p.uncertain for p in (cityscapes, nyu, taskonomy)] == ["ignored", "ignored", "background"]
    for one in (cityscapes, nyu, taskonomy):
        assert (one.name, one.miou_zero_tp, one.means) == ("legacy", "drop", "per_image")
        assert (one.negative_depth, one.zoom_depth) == ("correct", False)


@pytest.mark.parametrize(
    ("arguments", "message"), [(("new",), "found 'new'"), (("legacy", "x"), "found 'x'")]
)
def test_other_names_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        protocol(*arguments)
