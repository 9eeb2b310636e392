"""The `options` section of a card, checked against what a layout takes."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from farfield.datasets.layouts.index import Record
from farfield.errors import InputError

_KINDS = {"str": "text", "int": "a whole number", "list": "a list of names", "dict": "a section"}


def take_options(layout: str, given: Mapping[str, Any], **defaults: Any) -> dict[str, Any]:
    """`defaults` with what is given. InputError for a name or a kind of value that they do not have."""
    for name, value in given.items():
        if name not in defaults:
            known = f"it takes {', '.join(defaults)}" if defaults else "it takes none"
            raise InputError(f"the layout {layout} has no option {name!r}; {known}.")
        kind = type(defaults[name]).__name__
        if type(value).__name__ != kind or (kind == "list" and not all(isinstance(v, str) for v in value)):
            wanted = _KINDS[kind]
            if kind in ("str", "list"):
                wanted += (
                    "; what YAML reads as a number, a time or yes and no is text in quotes: '012', 'yes'"
                )
            raise InputError(f"the option {name} of the layout {layout} is {value!r}; it must be {wanted}.")
    return {**defaults, **given}


def require_choice(layout: str, option: str, value: str, choices: Sequence[str]) -> str:
    """`value`; InputError if it is none of the choices."""
    if value not in choices:
        raise InputError(
            f"the option {option} of the layout {layout} is {value!r}; the choices are {', '.join(choices)}."
        )
    return value


def split_classes(
    records: Sequence[Record], class_names: Sequence[str], class_split: Mapping[str, Any]
) -> tuple[list[Record], list[str]]:
    """Give each class a split by the remainder of its label, as CUB and CIFAR-100 are divided.

    class_split: `{modulus: 4, remainders: {train: [0, 2], val: [1], test: [3]}}`. Classes whose
    remainder is not listed are left out and the others numbered anew, in the same order. InputError if
    the section has another form, or lists a remainder twice or beyond the modulus.
    """
    split_of = _split_of_remainder(class_split)
    modulus = class_split["modulus"]
    kept = [label for label in range(len(class_names)) if label % modulus in split_of]
    numbers = {label: number for number, label in enumerate(kept)}
    return (
        [
            replace(record, label=numbers[record.label], split=split_of[record.label % modulus])
            for record in records
            if record.label in numbers
        ],
        [class_names[label] for label in kept],
    )


def _split_of_remainder(class_split: Mapping[str, Any]) -> dict[int, str]:
    wrong = InputError(
        f"the option class_split is {dict(class_split)!r}; it must look like {{modulus: 4, remainders: "
        f"{{train: [0, 2], val: [1], test: [3]}}}}, with remainders from 0 to modulus - 1 and none twice."
    )
    modulus, remainders = class_split.get("modulus"), class_split.get("remainders")
    if set(class_split) != {"modulus", "remainders"} or not isinstance(remainders, dict) or not remainders:
        raise wrong
    split_of: dict[int, str] = {}
    for split, values in remainders.items():
        for value in values if isinstance(values, list) else [None]:
            if type(modulus) is not int or type(value) is not int or not 0 <= value < modulus:
                raise wrong
            if split_of.setdefault(value, split) != split or values.count(value) > 1:
                raise wrong
    return split_of
