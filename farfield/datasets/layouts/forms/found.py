"""What every form of labels comes to."""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from farfield.datasets.layouts.index import Index, Record, build_index
from farfield.errors import InputError, first_few

# What folders, files and cells call a split, and what it is called here.
SPLITS = {
    **dict.fromkeys(("train", "training", "trainset", "train_set"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "valset", "val_set", "dev"), "val"),
    **dict.fromkeys(("test", "testing", "testset", "test_set"), "test"),
}


@dataclass(frozen=True)
class Labelled:
    """Images with one label each. form: in which form the labels came, for people. root: the folder that the
    places in the records are relative to, for `read_images`. left_out: {path: reason} of files that are no
    labelled image. remarks: sentences on what was found. The split of a record is "all" where none is given,
    and its group empty."""

    form: str
    root: Path
    index: Index
    left_out: dict[str, str] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()


def split_in(path: str) -> str:
    """The split that the name of a file speaks of, as in train-00000-of-00003.parquet, or else the folders that
    it lies in; empty if none."""
    for part in reversed(path.split("/")):
        words = {SPLITS[word] for word in re.split(r"[^a-z]+", part.lower()) if word in SPLITS}
        if words:
            return min(words) if len(words) == 1 else ""
    return ""


def splits_of_files(given: Path, paths: Collection[str], what: str) -> dict[str, str]:
    """{file: split that its name speaks of}, where each of several label files is of a split of its own; of one
    file alone, empty.

    what: what they are, for messages. InputError if it is open which of them counts.
    """
    if len(paths) == 1:
        return dict.fromkeys(paths, "")
    splits = {path: split_in(path) for path in paths}
    if not all(splits.values()) or len(set(splits.values())) < len(splits):
        raise InputError(
            f"{given} holds several {what}: {first_few(sorted(paths))}. Give the one that counts in place of the "
            f"folder, or have train, val and test in their names."
        )
    return splits


def split_of_folder(name: str) -> str:
    """The split that a folder is, as train or val2017; empty if it is none."""
    return SPLITS.get(re.sub(r"[\s_-]*\d*$", "", name.lower()), "")


def alike(names: Iterable[str]) -> tuple[str, ...]:
    """A remark on classes that differ in nothing but capitals, spaces and the like; none if there are none."""
    by_letters: defaultdict[str, list[str]] = defaultdict(list)
    for name in names:
        plain = unicodedata.normalize("NFKC", name).casefold()
        by_letters[re.sub(r"[\s_-]+", " ", plain).strip()].append(name)
    same = [" and ".join(sorted(group)) for _, group in sorted(by_letters.items()) if len(group) > 1]
    return (f"Classes that may be one by their names: {first_few(same, '; ')}.",) if same else ()


def split_called(value: str) -> str:
    """A split under its usual name."""
    return SPLITS.get(value.lower(), value)


def in_order(names: Iterable[str]) -> list[str]:
    """Class names in the order of their labels: numbers by size, else as text."""
    distinct = set(names)
    if all(re.fullmatch(r"\d{1,18}", name) for name in distinct):
        return sorted(distinct, key=lambda name: (int(name), name))
    return sorted(distinct)


def used_classes(
    given: Path, records: Sequence[Record], class_names: Sequence[str]
) -> tuple[Index, tuple[str, ...]]:
    """The index without the classes of which no image is there, and a remark that names these.

    InputError if fewer than two are left, two have one name, or an image is there twice.
    """
    used = {record.label for record in records}
    if twice := sorted(name for name, count in Counter(class_names).items() if count > 1):
        raise InputError(
            f"{given}: several classes are called {first_few(twice)}; give each a name of its own."
        )
    if len(used) < 2:
        names = f" ({class_names[min(used)]})" if used else ""
        raise InputError(
            f"{given} has labelled images of {len(used) or 'no'} class{'' if len(used) == 1 else 'es'}{names}; a "
            f"classifier needs at least two."
        )
    idle = [name for label, name in enumerate(class_names) if label not in used]
    said = f"No image is of {'the class' if len(idle) == 1 else 'the classes'} {first_few(idle)}."
    close = alike(class_names)
    if not idle:
        return build_index(given, records, class_names), close
    kept_labels = sorted(used)
    numbers = {label: number for number, label in enumerate(kept_labels)}
    kept = [replace(record, label=numbers[record.label]) for record in records]
    return build_index(given, kept, [class_names[label] for label in kept_labels]), (said, *close)
