"""Tiny archives in the forms of the official ones."""

import gzip
import io
import json
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from farfield.datasets.layouts import LAYOUTS, Index


def pack(path: Path, files: Mapping[str, bytes | str]) -> None:
    """Write an archive of the kind that its name says; a name ending in / is an empty folder."""
    content = {name: data.encode() if isinstance(data, str) else data for name, data in files.items()}
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as packed:
            for name, data in content.items():
                packed.writestr(name, data)
        return
    tar = tar_of(content)
    path.write_bytes(gzip.compress(tar, 1) if path.suffix in (".gz", ".tgz") else tar)


def tar_of(files: Mapping[str, bytes]) -> bytes:
    """A plain tar, as it also lies inside other archives."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.type, info.size = (tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE), len(data)
            tar.addfile(info, io.BytesIO(data))
    return packed.getvalue()


def mat(**variables: object) -> bytes:
    """A MATLAB file of these variables."""
    from scipy.io import savemat

    packed = io.BytesIO()
    savemat(packed, variables)
    return packed.getvalue()


def write_parquet(
    path: Path, labels: Sequence[int | None], first: int = 0, names: Sequence[str] = ("cat", "dog")
) -> None:
    """As the hub has it: the picture in row n is the number first + n, the class names are in the schema."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    pictures = [{"bytes": b"%d" % (first + row), "path": None} for row in range(len(labels))]
    columns = {
        "image": pa.array(pictures, pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
        "label": pa.array(labels, pa.int64()),
        "patient": [f"p{row}" for row in range(len(labels))],
    }
    features = {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": list(names)}}
    note = json.dumps({"info": {"features": features}})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns).replace_schema_metadata({"huggingface": note}), path, row_group_size=2)


def named(*names: str) -> dict[str, bytes]:
    """Files whose content is their name."""
    return {name: name.encode() for name in names}


def index_of(layout: str, raw: Path, **options: object) -> Index:
    return LAYOUTS.find(layout)(raw, options)


def summary(index: Index) -> list[tuple[str, str, str]]:
    return [(record.path, index.class_names[record.label], record.split) for record in index.records]
