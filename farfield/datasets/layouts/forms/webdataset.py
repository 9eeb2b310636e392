"""WebDataset: tars in which an image and the files of the same name before the first full stop are one sample.

The label is in `<key>.cls`, a number or a name, or in `<key>.json` under label, class and the like.
"""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from farfield.datasets.layouts.forms.columns import GROUP, LABELS, SPLIT
from farfield.datasets.layouts.forms.found import (
    Labelled,
    in_order,
    split_called,
    split_in,
    used_classes,
)
from farfield.datasets.layouts.forms.holdings import File, Holdings
from farfield.datasets.layouts.index import Record
from farfield.datasets.layouts.labels import require_labels
from farfield.errors import InputError, first_few

CLASS, JSON = (".cls", ".cls.txt"), (".json",)


def labels_in(holdings: Holdings) -> Labelled | None:
    """Rows as the tars hold them; none if there are no such samples in archives."""
    samples: defaultdict[tuple[str, str], list[File]] = defaultdict(list)
    for file in holdings.files:
        if file.archive:
            folder, _, name = file.member.rpartition("/")
            samples[file.archive, f"{folder}/{name.split('.')[0]}"].append(file)
    pairs = {
        image: sorted((file for file in files if file.ends(*CLASS, *JSON)), key=lambda file: file.ends(*JSON))
        for files in samples.values()
        for image in [file for file in files if file.is_image]
    }
    labelled = {image: files for image, files in pairs.items() if files}
    if not labelled or 2 * len(labelled) < len(pairs):
        return None
    before, labelled = labelled, _one_a_sample(holdings, labelled, samples)
    others = dict.fromkeys(
        (file.path for file in before if file not in labelled), "another image of its sample"
    )
    label_files = dict.fromkeys(file for files in labelled.values() for file in files)
    said = {file: _of_file(file, data) for file, data in holdings.read(label_files)}
    if not any(label for label, _, _ in said.values()):
        return None  # JSON about other things
    told = {image: [said[file] for file in files] for image, files in labelled.items()}
    _require_agreement(holdings, told)
    rows = [(image, _first(parts, 0), _first(parts, 1), _first(parts, 2)) for image, parts in told.items()]
    require_labels(
        str(holdings.given), [(row, file.path, label) for row, (file, label, _, _) in enumerate(rows, 1)]
    )
    class_names = in_order(label for _, label, _, _ in rows)
    numbers = {name: number for number, name in enumerate(class_names)}
    shards = {file.archive: split_in(file.archive) for file, *_ in rows}
    known = len(set(shards.values())) > 1
    if known and not all(shards.values()):
        raise InputError(
            f"{holdings.given}: of some tars the name speaks of a split, of others not: "
            f"{', '.join(sorted(shards))}."
        )
    records = [
        Record(
            file.archive,
            file.member,
            file.path,
            numbers[label],
            split or (shards[file.archive] if known else "all"),
            group=group,
        )
        for file, label, split, group in rows
    ]
    index, remarks = used_classes(holdings.given, records, class_names)
    used = {file.path for image, files in labelled.items() for file in (image, *files)}
    left_out = holdings.others(used, "without a label in its tar") | others
    return Labelled("WebDataset tars", holdings.root, index, left_out, remarks)


def _one_a_sample(
    holdings: Holdings, labelled: dict[File, list[File]], samples: Mapping[tuple[str, str], Sequence[File]]
) -> dict[File, list[File]]:
    """Those of the images that are the picture of their sample. Of several, as 1.jpg and 1.seg.png, it is the one
    whose ending is the key's alone; InputError if that is none or several."""
    kept: dict[File, list[File]] = {}
    open_ = []
    for files in samples.values():
        pictures = [file for file in files if file in labelled]
        if len(pictures) > 1:
            pictures = [file for file in pictures if file.parts[-1].count(".") == 1]
        if len(pictures) > 1 or (not pictures and any(file in labelled for file in files)):
            open_.append(" and ".join(file.path for file in files if file in labelled))
        kept |= {file: labelled[file] for file in pictures}
    if open_:
        raise InputError(
            f"{holdings.given} has {len(open_)} samples of several images, and it is open which is the picture: "
            f"{first_few(open_, '; ')}. Call it <key>.<ending>, and the others <key>.<what>.<ending>."
        )
    return kept


def _first(parts: Sequence[tuple[str, str, str]], place: int) -> str:
    return next((part[place] for part in parts if part[place]), "")


def _require_agreement(holdings: Holdings, told: Mapping[File, Sequence[tuple[str, str, str]]]) -> None:
    """InputError that lists images whose two label files differ: in the label itself or, where one has numbers
    and the other names, in which name goes with which number."""
    both = {
        image: (labels[0], labels[1])
        for image, parts in told.items()
        if len(labels := [label for label, _, _ in parts if label]) == 2
    }
    one_language = {first for first, _ in both.values()} & {second for _, second in both.values()}
    partner: dict[str, str] = {}
    against = [
        f"{image.path} as {first} and {second}"
        for image, (first, second) in both.items()
        if second != (first if one_language else partner.setdefault(first, second))
    ]
    if against:
        raise InputError(
            f"{holdings.given} has {len(against)} images with several labels: {first_few(against)}. Mend these "
            f"samples or take them out."
        )


def _of_file(file: File, data: bytes) -> tuple[str, str, str]:
    """(label, split, group) in a label file."""
    try:
        if file.ends(*CLASS):
            return data.decode("utf-8-sig").strip(), "", ""
        content = json.loads(data)
    except ValueError as error:
        raise InputError(f"{file.archive}: {file.member} is no label ({error}).") from error
    if not isinstance(content, dict):
        return "", "", ""
    label, split, group = (_text(content, keys) for keys in (LABELS, SPLIT, GROUP))
    return label, split_called(split), group


def _text(content: dict[str, Any], keys: tuple[str, ...]) -> str:
    """The first of these that is a text, a whole number, or true or false."""
    plain = {str(key).lower(): value for key, value in content.items()}
    for value in (plain.get(key) for key in keys):
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, str | int) or (isinstance(value, float) and value.is_integer()):
            return (value if isinstance(value, str) else str(int(value))).strip()
    return ""
