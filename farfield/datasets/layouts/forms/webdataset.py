"""WebDataset: tars in which an image and the files of the same name before the first full stop are one sample.

The label is in `<key>.cls`, a number or a name, or in `<key>.json` under label, class and the like.
"""

import json
from collections import defaultdict
from typing import Any

from farfield.datasets import archives
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
from farfield.errors import InputError

CLASS, JSON = (".cls", ".cls.txt"), (".json",)


def labels_in(holdings: Holdings) -> Labelled | None:
    """Rows as the tars hold them; none if there are no such samples in archives."""
    samples: defaultdict[tuple[str, str], list[File]] = defaultdict(list)
    for file in holdings.files:
        if file.archive:
            folder, _, name = file.member.rpartition("/")
            samples[file.archive, f"{folder}/{name.split('.')[0]}"].append(file)
    pairs = {
        image: label
        for files in samples.values()
        for image in [file for file in files if file.is_image]
        for label in sorted((f for f in files if f.ends(*CLASS, *JSON)), key=lambda f: not f.ends(*CLASS))[:1]
    }
    pictured = [file for file in holdings.images if file.archive]
    if not pairs or 2 * len(pairs) < len(pictured):
        return None
    said = _said(holdings, set(pairs.values()))
    if not any(label for label, _, _ in said.values()):
        return None  # JSON about other things
    rows = [(file, *said[label]) for file, label in pairs.items()]
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
    used = {file.path for pair in pairs.items() for file in pair}
    left_out = holdings.others(used, "without a label in its tar")
    return Labelled("WebDataset tars", holdings.root, index, left_out, remarks)


def _said(holdings: Holdings, files: set[File]) -> dict[File, tuple[str, str, str]]:
    """(label, split, group) in each label file, each archive in one pass."""
    by_archive: defaultdict[str, dict[str, File]] = defaultdict(dict)
    for file in files:
        by_archive[file.archive][file.member] = file
    return {
        members[member]: _of_file(members[member], data)
        for archive, members in by_archive.items()
        for member, data in archives.stream(holdings.root / archive, members)
    }


def _of_file(file: File, data: bytes) -> tuple[str, str, str]:
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
    """The first of these that is a text or a number."""
    plain = {str(key).lower(): value for key, value in content.items()}
    values = [plain[key] for key in keys if isinstance(plain.get(key), str | int) and plain[key] is not True]
    return str(values[0]).strip() if values else ""
