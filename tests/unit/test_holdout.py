"""Train and test parts of each class, where no list of them is published."""

import hashlib
from collections import Counter

import pytest

from farfield.datasets.layouts import Record
from farfield.datasets.layouts.holdout import hold_out
from farfield.errors import InputError


def made_up(**counts: int) -> tuple[list[Record], list[str]]:
    names = list(counts)
    records = [
        Record("a.zip", f"{name}/{image}.jpg", f"{name}/{image}.jpg", label, "all")
        for label, name in enumerate(names)
        for image in range(counts[name])
    ]
    return records, names


def held(records: list[Record]) -> list[str]:
    assert {record.split for record in records} <= {"train", "test"}
    return [record.path for record in records if record.split == "test"]


def test_the_test_images_of_a_class_have_the_smallest_hashes_of_seed_and_path():
    records, names = made_up(ant=10, bee=7)
    for seed in (0, 5):
        split = hold_out(records, names, {"images": 3, "seed": seed})
        expected = []
        for name, count in (("ant", 10), ("bee", 7)):
            hashes = {
                hashlib.sha256(f"{seed}:{name}/{image}.jpg".encode()).hexdigest(): f"{name}/{image}.jpg"
                for image in range(count)
            }
            expected += [hashes[digest] for digest in sorted(hashes)[:3]]
        assert sorted(held(split)) == sorted(expected)
        assert [record.path for record in split] == [record.path for record in records]


@pytest.mark.parametrize("share", [0.1, 0.2, 0.3, 0.5])
@pytest.mark.parametrize("count", [5, 10, 99, 100, 101, 105, 1000])
def test_a_share_leaves_the_rounded_down_rest_for_training(share, count):
    records, names = made_up(ant=count)
    train = count - len(held(hold_out(records, names, {"share": share})))
    assert train == count * (100 - round(100 * share)) // 100


def test_the_split_of_a_class_depends_on_no_other_class_and_not_on_the_order():
    records, names = made_up(ant=20, bee=20, cow=20)
    whole = hold_out(records, names, {"share": 0.2})
    alone = hold_out([record for record in records if record.label == 1], names, {"share": 0.2})
    backwards = hold_out(records[::-1], names, {"share": 0.2})
    assert held(alone) == [path for path in held(whole) if path.startswith("bee/")]
    assert sorted(held(backwards)) == sorted(held(whole))


def test_another_seed_gives_another_split_of_the_same_size():
    records, names = made_up(ant=50)
    one, other = (held(hold_out(records, names, {"share": 0.2, "seed": seed})) for seed in (0, 1))
    assert len(one) == len(other) == 10
    assert one != other
    assert one == held(hold_out(records, names, {"share": 0.2}))


def test_images_that_belong_together_stay_on_one_side():
    records, names = made_up(ant=60)
    split = hold_out(records, names, {"images": 13}, group=lambda record: record.path[-5:])  # the last digit
    sides = {(record.path[-5:], record.split) for record in split}
    assert len(sides) == 10
    assert len(held(split)) == 18  # three groups of six: 12 would be too few


def test_every_class_gives_its_own_number():
    records, names = made_up(ant=10, bee=21)
    split = hold_out(records, names, {"share": 0.2})
    assert Counter(path.split("/")[0] for path in held(split)) == {"ant": 2, "bee": 5}


@pytest.mark.parametrize(
    "holdout",
    [
        {},
        {"share": 0.0},
        {"share": 1.0},
        {"share": 1},
        {"share": "0.2"},
        {"images": 0},
        {"images": 1.5},
        {"share": 0.2, "images": 3},
        {"share": 0.2, "seed": "a"},
        {"share": 0.2, "class": 1},
        {"seed": 1},
    ],
)
def test_a_rule_of_another_form_is_named(holdout):
    records, names = made_up(ant=10)
    with pytest.raises(InputError, match=r"the option holdout is \{.*must look like \{share: 0\.2\}"):
        hold_out(records, names, holdout)


@pytest.mark.parametrize("holdout", [{"images": 2}, {"images": 9}, {"share": 0.6}])
def test_a_class_that_would_have_nothing_to_train_on_is_named(holdout):
    records, names = made_up(ant=10, bee=2)
    with pytest.raises(InputError, match="the class bee has 2 images, and the option holdout"):
        hold_out(records, names, holdout)
