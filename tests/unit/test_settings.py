"""Settings that refuse what they cannot mean, by name; and that no method's class forgets to."""

import dataclasses
import pickle

import pytest

from farfield.errors import InputError
from farfield.settings import AtLeastZero, Positive, configured, settings
from farfield.transfer.ensembles import ENSEMBLES
from farfield.transfer.feature_learners import FEATURE_LEARNERS
from farfield.transfer.readouts import READOUTS
from farfield.tuning.registry import METHODS


@settings
class Descent:
    steps: Positive
    rate: AtLeastZero = 0.1
    span: tuple[int, int] = (0, 1)

    def __post_init__(self) -> None:
        if self.span[0] > self.span[1]:
            raise InputError(f"span must rise, found {self.span}")


@settings
class Longer(Descent):
    steps: Positive = 100


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"steps": 0}, "steps should be greater than 0, found 0"),
        ({"steps": True}, "steps should be a valid integer, found True"),
        ({"steps": "3"}, "steps should be a valid integer, found '3'"),
        ({"steps": 3, "rate": float("nan")}, "rate should be greater than or equal to 0, found nan"),
        ({"steps": 3, "span": (1, "x")}, r"span\.1 should be a valid integer"),
        (
            {"steps": 3, "span": (2, 1)},
            r"^the settings of tuned do not fit it: span must rise, found \(2, 1\)$",
        ),
        ({"steps": 3, "stride": 2}, "unexpected keyword argument: stride"),
        ({}, "steps"),
    ],
)
def test_a_wrong_setting_is_named_with_what_was_found(values, message):
    with pytest.raises(InputError, match=message) as refused:
        configured(Descent, "tuned", values)
    assert str(refused.value).startswith("the settings of tuned do not fit it: ")


def test_one_given_by_its_place_is_named_too():
    with pytest.raises(InputError, match=r"^rate should be a valid number, found 'fast'$"):
        Descent(1, "fast")


def test_a_name_that_it_has_not_is_a_mistake_of_the_caller():
    with pytest.raises(TypeError, match="stride"):
        Descent(1, stride=2)
    with pytest.raises(TypeError, match="steps"):
        Descent()


def test_they_are_frozen_dataclasses_that_travel():
    made = Longer(rate=1)
    assert (made.steps, made.rate) == (100, 1.0)
    assert pickle.loads(pickle.dumps(made)) == made
    assert dataclasses.replace(made, steps=3) == Longer(3, 1.0)
    assert dataclasses.asdict(made) == {"steps": 100, "rate": 1.0, "span": (0, 1)}
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.steps = 2
    with pytest.raises(InputError, match="steps"):
        dataclasses.replace(made, steps=-1)


@pytest.mark.parametrize("registry", [METHODS, FEATURE_LEARNERS, READOUTS, ENSEMBLES], ids=lambda r: r.kind)
def test_what_extends_checked_settings_checks_them(registry):
    for name in registry:
        kind = registry.find(name)
        if any("__pydantic_validator__" in vars(base) for base in kind.__mro__):
            assert "__pydantic_validator__" in vars(kind), name
