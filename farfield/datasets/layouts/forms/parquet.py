"""Parquet as the Hugging Face hub has it: a column of pictures, `struct<bytes, path>`, and one of labels whose
names are in the schema."""

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from farfield.datasets import archives
from farfield.datasets.archive_checks import Member
from farfield.datasets.decoders.containers.parquet import parquet_file
from farfield.datasets.layouts.forms.columns import GROUP, LABELS, SPLIT
from farfield.datasets.layouts.forms.found import (
    Labelled,
    in_order,
    split_called,
    split_in,
    used_classes,
)
from farfield.datasets.layouts.forms.holdings import Holdings
from farfield.datasets.layouts.index import Record
from farfield.datasets.layouts.labels import require_labels
from farfield.datasets.sources import Stack
from farfield.datasets.visible import opened
from farfield.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

SUFFIX = ".parquet"
HIDDEN = "-1"  # the label of images whose label the publisher keeps


@dataclass(frozen=True)
class Shard:
    """archive, file: where it lies, as in `Source`. picture: its column. labels, splits, groups: a text a row; a
    label is empty where it is missing. names: of the classes, if the schema has them."""

    archive: str
    file: str
    picture: str
    labels: list[str]
    splits: list[str]
    groups: list[str]
    names: tuple[str, ...]


def labels_in(holdings: Holdings) -> Labelled | None:
    """Rows by file, then as it holds them; none if there is no parquet file with pictures."""
    shards = _shards(holdings)
    if not shards:
        return None
    named = {shard.names for shard in shards.values()}
    if len(named) > 1:
        counts = ", ".join(f"{path} {len(shard.names)}" for path, shard in shards.items())
        raise InputError(
            f"{holdings.given}: the parquet files name different classes ({counts}). Give those of one dataset."
        )
    class_names = list(min(named)) or in_order(
        label for shard in shards.values() for label in shard.labels if label != HIDDEN
    )
    splits = {path: split_in(path) for path in shards}
    known = len(set(splits.values())) > 1 and all(splits.values())
    records, left_out = [], holdings.others(shards.keys(), "beside the parquet files")
    for path, shard in shards.items():
        if all(label == HIDDEN for label in shard.labels):
            left_out[path] = f"its labels are hidden ({HIDDEN})"
        else:
            records += _records(path, shard, class_names, splits[path] if known else "all")
    index, remarks = used_classes(holdings.given, records, class_names)
    return Labelled("parquet", holdings.root, index, left_out, remarks)


def _shards(holdings: Holdings) -> dict[str, Shard]:
    """Those with pictures by path, in the order of the files; each archive in one pass."""
    files = [file for file in holdings.files if file.ends(SUFFIX)]
    packed: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for file in files:
        packed[file.archive][file.member] = file.path
    shards = {path: read_shard(holdings.root, member) for member, path in packed.pop("", {}).items()}
    for archive, members in packed.items():
        found = archives.visit(holdings.root / archive, members, partial(_of_member, holdings.root, archive))
        shards |= {members[name]: shard for name, shard in found}
    return {file.path: shard for file in files if (shard := shards[file.path]) is not None}


def _of_member(
    root: Path, archive: str, member: Member, source: IO[bytes]
) -> Iterator[tuple[str, Shard | None]]:
    yield member.name, _shard(source, root / archive / member.name, archive, member.name)


def _records(path: str, shard: Shard, class_names: list[str], split: str) -> list[Record]:
    """A record a row; InputError lists those without a label."""
    numbers = {name: number for number, name in enumerate(class_names)}
    called = [f"{path}/{row:06d}" for row in range(len(shard.labels))]
    labels = ["" if label == HIDDEN else label for label in shard.labels]
    require_labels(path, list(zip(range(len(called)), called, labels, strict=True)))
    return [
        Record(
            shard.archive,
            shard.file,
            name,
            numbers[label],
            split_called(own_split) or split,
            entry=row,
            stack=Stack(shard.picture),
            group=group,
        )
        for row, (name, label, own_split, group) in enumerate(
            zip(called, labels, shard.splits, shard.groups, strict=True)
        )
    ]


def read_shard(root: Path, file: str) -> Shard | None:
    """What a file says of its rows, the pictures not among it; none if it has no column of pictures.

    InputError if it is damaged, or has no column of labels.
    """
    with opened(root / file) as source:
        return _shard(source, root / file, "", file)


def _shard(source: IO[bytes], place: Path, archive: str, file: str) -> Shard | None:
    with parquet_file(source, str(place)) as content:
        schema = content.schema_arrow
        features = _features(schema)
        picture = _picture(schema, features)
        if picture is None:
            return None
        columns = _columns(schema, features, picture, str(place))
        _require_plain(schema.field(columns["label"]), place)
        table = content.read(columns=[name for name in columns.values() if name])
    label = columns["label"]
    names = tuple(str(name) for name in features.get(label, {}).get("names", ()))
    texts = {kind: _texts(table, name) for kind, name in columns.items()}
    if names:
        beyond = [
            text for text in texts["label"] if text not in ("", HIDDEN) and not 0 <= int(text) < len(names)
        ]
        if beyond:
            raise InputError(f"{place} has the label {beyond[0]}; its schema names {len(names)} classes.")
        texts["label"] = [names[int(text)] if text not in ("", HIDDEN) else text for text in texts["label"]]
    return Shard(archive, file, picture, texts["label"], texts["split"], texts["group"], names)


def _features(schema: "pa.Schema") -> dict[str, dict[str, Any]]:
    """What the hub's own note in the schema says of each column."""
    try:
        note = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        features = note.get("info", {}).get("features", {})
        return {name: kind for name, kind in features.items() if isinstance(kind, dict)}
    except (ValueError, AttributeError):
        return {}


def _picture(schema: "pa.Schema", features: dict[str, dict[str, Any]]) -> str | None:
    """The column of pictures, by the note, or by a type that only pictures have."""
    import pyarrow as pa

    called = [name for name in schema.names if features.get(name, {}).get("_type") == "Image"]
    typed = [
        field.name
        for field in schema
        if pa.types.is_struct(field.type) and {"bytes", "path"} <= {inner.name for inner in field.type}
    ]
    plain = [
        field.name
        for field in schema
        if (pa.types.is_binary(field.type) or pa.types.is_large_binary(field.type))
        and field.name.lower() in ("image", "img", "picture", "bytes", "image_bytes")
    ]
    return next(iter([*called, *typed, *plain]), None)


def _columns(
    schema: "pa.Schema", features: dict[str, dict[str, Any]], picture: str, place: str
) -> dict[str, str]:
    """The columns of labels, splits and groups by what they are; empty where there is none."""
    plain = {name.lower(): name for name in schema.names if name != picture}
    classes = [name for name in schema.names if features.get(name, {}).get("_type") == "ClassLabel"]
    labels = [name for name in ("label", *classes) if name in classes] or [
        plain[k] for k in LABELS if k in plain
    ]
    if not labels:
        raise InputError(
            f"{place} has no column of labels; it has {', '.join(schema.names)}. Call the column label."
        )
    split, group = (next((plain[k] for k in keys if k in plain), "") for keys in (SPLIT, GROUP))
    return {"label": labels[0], "split": split, "group": group}


def _require_plain(field: "pa.Field", place: Path) -> None:
    import pyarrow as pa

    kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
    plain = (pa.types.is_integer, pa.types.is_string, pa.types.is_large_string, pa.types.is_boolean)
    if not any(is_kind(kind) for is_kind in plain):
        raise InputError(
            f"{place}: the labels in {field.name} are of the type {kind}; expected one number or text an image."
        )


def _texts(table: "pa.Table", name: str) -> list[str]:
    if not name:
        return [""] * table.num_rows
    return ["" if value is None else str(value).strip() for value in table.column(name).to_pylist()]
