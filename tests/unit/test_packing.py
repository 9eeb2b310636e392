"""Packing: one array and a manifest, in order, resumable, with unreadable files listed."""

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from tqdm import tqdm

from farfield.datasets import decoders, first_look, unfinished
from farfield.datasets.cards import Packing
from farfield.datasets.decoders import ranges
from farfield.datasets.decoders.rgb import READ
from farfield.datasets.layouts import Index, Record
from farfield.datasets.packed import load_images, load_manifest, load_ranges
from farfield.datasets.packing import pack
from farfield.datasets.previews import contact_sheet
from farfield.datasets.remarks import remarks_on
from farfield.datasets.unfinished import fill, open_unfinished
from farfield.errors import InputError
from farfield.files import read_json

PACKING = Packing(size=8)
COUNT = 300


def png(row: int) -> bytes:
    buffer = io.BytesIO()
    noise = np.random.default_rng(row).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    Image.fromarray(noise).save(buffer, "PNG")
    return buffer.getvalue()


FILES = {row: png(row) for row in range(COUNT)}
INDEX = Index(
    records=tuple(
        Record("a.zip", f"c{row % 3}/{row}.png", f"c{row % 3}/{row}.png", row % 3, "all")
        for row in range(COUNT)
    ),
    class_names=("one", "two", "three"),
)


def reader(files=FILES, wanted=None):
    """Archive order is not row order: the last file comes first."""

    def read(rows):
        if wanted is not None:
            wanted.append(list(rows))
        return ((row, files[row]) for row in sorted(rows, reverse=True))

    return read


def interrupted(rows):
    """A reader that is stopped after 200 files."""
    for done, item in enumerate(reader()(rows)):
        if done == 200:
            raise KeyboardInterrupt
        yield item


def run(tmp_path, read, name="out", workers=2):
    folder = tmp_path / name
    pack(INDEX, read, PACKING, folder, tmp_path / "scratch", workers=workers, title="packing")
    return folder


def test_rows_follow_the_index_and_pixels_the_files(tmp_path):
    folder = run(tmp_path, reader())
    images, manifest = load_images(folder), load_manifest(folder)
    assert images.shape == (COUNT, 8, 8, 3)
    for row in (0, 7, 299):
        assert (images[row] == np.asarray(Image.open(io.BytesIO(FILES[row])))).all()
    assert manifest["row"].tolist() == list(range(COUNT))
    assert manifest["class_name"].tolist()[:4] == ["one", "two", "three", "one"]
    assert manifest.loc[5].to_dict() | {"sha256": ""} == {
        "row": 5,
        "path": "c2/5.png",
        "label": 2,
        "class_name": "three",
        "split": "all",
        "width": 8,
        "height": 8,
        "mode": "RGB",
        "sha256": "",
        "bits": 8,
        "container": 8,
        "bands": 3,
        "page": 0,
        "pages": 1,
        "low": 0.0,
        "high": 255.0,
        "orientation": 1,
        "compression": "",
        "remark": "",
    }
    assert read_json(folder / "unreadable.json") == []
    assert not (tmp_path / "scratch").exists()


def test_the_number_of_threads_changes_no_byte(tmp_path):
    one, four = run(tmp_path, reader(), "one", 1), run(tmp_path, reader(), "four", 4)
    for name in ("images.npy", "manifest.parquet", "unreadable.json"):
        assert (one / name).read_bytes() == (four / name).read_bytes()


def test_unreadable_files_are_listed_and_leave_no_gap(tmp_path):
    folder = run(tmp_path, reader(FILES | {0: b"text", 150: FILES[150][:100]}))
    images, manifest = load_images(folder), load_manifest(folder)
    assert len(images) == len(manifest) == COUNT - 2
    assert manifest["row"].tolist() == list(range(COUNT - 2))
    row = int(manifest.index[manifest["path"] == "c1/151.png"][0])
    assert (images[row] == np.asarray(Image.open(io.BytesIO(FILES[151])))).all()
    unreadable = read_json(folder / "unreadable.json")
    assert [entry["path"] for entry in unreadable] == ["c0/0.png", "c0/150.png"]
    assert "not an image" in unreadable[0]["reason"]
    assert "damaged" in unreadable[1]["reason"]


def test_an_interrupted_run_continues(tmp_path):
    whole = run(tmp_path, reader(), "whole")

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, interrupted, "resumed", workers=1)
    assert not (tmp_path / "resumed").exists()
    with (tmp_path / "scratch/journal.jsonl").open("a") as journal:
        journal.write('[3, {"width": 8, "hei')  # a line cut short by the kill
    done = len((tmp_path / "scratch/journal.jsonl").read_text().splitlines()) - 1
    assert done > 0
    wanted: list[list[int]] = []
    resumed = run(tmp_path, reader(wanted=wanted), "resumed")
    assert len(wanted[0]) == COUNT - done
    for name in ("images.npy", "manifest.parquet", "unreadable.json"):
        assert (whole / name).read_bytes() == (resumed / name).read_bytes()


@pytest.mark.parametrize("file", ["images.npy", "journal.jsonl"])
def test_unfinished_work_that_was_damaged_since_is_done_again(tmp_path, file):
    whole = run(tmp_path, reader(), "whole")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, interrupted, "resumed", workers=1)
    done = len((tmp_path / "scratch/journal.jsonl").read_text().splitlines())
    data = bytearray((tmp_path / "scratch" / file).read_bytes())
    data[-20 if file == "images.npy" else 120] ^= 1  # of row 299, the first that was read
    (tmp_path / "scratch" / file).write_bytes(data)
    wanted: list[list[int]] = []
    resumed = run(tmp_path, reader(wanted=wanted), "resumed")
    assert len(wanted[0]) == COUNT - done + 1
    for name in ("images.npy", "manifest.parquet", "unreadable.json"):
        assert (whole / name).read_bytes() == (resumed / name).read_bytes()


@pytest.mark.parametrize("left", [0, 60, 5000, "another form"])
def test_an_unfinished_array_that_is_damaged_as_a_whole_is_begun_anew(tmp_path, left):
    whole = run(tmp_path, reader(), "whole")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, interrupted, "resumed", workers=1)
    path = tmp_path / "scratch/images.npy"
    if isinstance(left, int):
        path.write_bytes(path.read_bytes()[:left])
    else:
        np.save(path, np.zeros((COUNT, 4, 4, 3), np.uint8))
    wanted: list[list[int]] = []
    resumed = run(tmp_path, reader(wanted=wanted), "resumed")
    assert len(wanted[0]) == COUNT
    for name in ("images.npy", "manifest.parquet", "unreadable.json"):
        assert (whole / name).read_bytes() == (resumed / name).read_bytes()


def test_a_dataset_without_one_good_image_is_an_error(tmp_path):
    with pytest.raises(InputError, match=r"none of the 300 images could be decoded.*c0/0\.png: not an image"):
        run(tmp_path, reader(dict.fromkeys(FILES, b"text")))
    assert not (tmp_path / "out").exists()


def deep(row: int) -> bytes:
    """12 bits in 16, brighter from file to file; of every tenth file beyond the others."""
    values = np.random.default_rng(row).integers(0, 1000, (8, 8)) + (3000 if row % 10 == 0 else row)
    buffer = io.BytesIO()
    Image.fromarray(values.astype(np.uint16)).save(buffer, "PNG")
    return buffer.getvalue()


def split_in_two(row: int) -> str:
    return "test" if row % 10 == 0 else "train"


DEEP = {row: deep(row) for row in range(COUNT)}
DEEP_INDEX = Index(
    tuple(replace(record, split=split_in_two(row)) for row, record in enumerate(INDEX.records)),
    INDEX.class_names,
)


def pack_deep(tmp_path, read, name="out"):
    folder = tmp_path / name
    pack(DEEP_INDEX, read, PACKING, folder, tmp_path / "scratch", workers=2, title="")
    return folder


def test_numbers_without_a_stated_range_are_shown_in_that_of_the_training_part(tmp_path):
    folder = pack_deep(tmp_path, reader(DEEP))
    stack = np.stack([np.asarray(Image.open(io.BytesIO(DEEP[row]))) for row in range(COUNT)])
    trained = [row for row in range(COUNT) if split_in_two(row) == "train"]
    low, high = load_ranges(folder)["uint16 x 1"]
    # The quantiles of a file stand at 111 levels; in between its share of pixels is taken to rise evenly.
    assert np.allclose([low, high], np.percentile(stack[trained], (0.1, 99.9)), atol=0.01 * (high - low))
    expected = np.rint(255 * np.clip((stack - low) / (high - low), 0, 1))
    assert (load_images(folder) == expected[..., None]).all()
    manifest = load_manifest(folder)
    assert (manifest["low"] == low).all()
    assert (manifest["high"] == high).all()
    assert (manifest["container"] == 16).all()
    assert manifest["bits"].tolist() == [int(image.max()).bit_length() for image in stack]
    assert remarks_on(manifest) == [f"300 files: 12 bits in 16, shown from {low:.1f} to {high:,.0f}"]


def test_files_are_read_once_where_their_range_is_known(tmp_path):
    wanted: list[list[int]] = []
    run(tmp_path, reader(wanted=wanted))
    assert [len(rows) for rows in wanted] == [COUNT]
    wanted.clear()
    pack_deep(tmp_path, reader(FILES | {row: DEEP[row] for row in range(20)}, wanted), "mixed")
    assert [sorted(rows) for rows in wanted] == [list(range(COUNT)), list(range(20))]


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", ">u2"])
@pytest.mark.parametrize("count", [1, 2, 777])
def test_quantiles_that_are_counted_are_those_that_are_sorted(dtype, count):
    span = np.iinfo(dtype)
    values = np.random.default_rng(0).integers(span.min, span.max + 1, (count, 1, 1)).astype(dtype)
    expected = np.quantile(values.astype(np.float64), ranges.LEVELS)
    assert np.allclose(ranges.quantiles(values, None), expected, rtol=1e-12, atol=1e-9)


@pytest.mark.parametrize("dtype", ["uint16", "int16", ">i2"])
def test_grey_of_a_large_picture_is_that_of_its_parts(dtype):
    values = np.random.default_rng(0).integers(-9000, 9000, (300, 400, 1)).astype(dtype)
    parts = [ranges.to_grey(part, (-100.0, 7000.5)) for part in values]
    assert (ranges.to_grey(values, (-100.0, 7000.5)) == np.stack(parts)).all()


def plainly(tables):
    """The percentiles of the mean of the files' shares, by halving, a file after the other."""

    def least(percentile):
        low, high = min(table[0] for table in tables), max(table[-1] for table in tables)
        for _ in range(100):
            middle = (low + high) / 2
            shares = [np.interp(middle, table, ranges.LEVELS, left=0, right=1) for table in tables]
            low, high = (low, middle) if np.mean(shares) >= percentile else (middle, high)
        return high

    return least(0.001), least(0.999)


@pytest.mark.parametrize("held", [7, 2**12])
def test_the_range_of_many_files_is_that_of_their_mean_share(monkeypatch, held):
    """In as many parts of the files as there are, one of constant value and one far away among them."""
    monkeypatch.setattr(ranges, "TABLES", held)
    random = np.random.default_rng(0)
    values = [np.round(random.gamma(2, 300, 500)) + random.integers(0, 900) for _ in range(60)]
    tables = [np.quantile(file, ranges.LEVELS) for file in [*values, np.full(9, 40.0), np.full(9, 1e6)]]
    found = ranges.pooled_range(table.tolist() for table in tables)
    assert np.allclose(found, plainly(tables), rtol=1e-9)
    alone = ranges.pooled_range([tables[0]])
    assert np.allclose(alone, np.quantile(values[0], (0.001, 0.999)), rtol=1e-9)
    assert ranges.pooled_range([tables[-1]]) == (1e6, 1e6)


def test_the_quantiles_of_files_stay_on_disk(tmp_path):
    scratch = tmp_path / "scratch"
    _, facts = open_unfinished(scratch, {})
    numbers = np.linspace(0, 1, 111)
    told = {row: {"kind": "uint16 x 1", "quantiles": (row + numbers).tolist()} for row in range(9)}
    fill(scratch, ((row, b"") for row in told), lambda row, data: told[row], [], facts, tqdm(disable=True), 1)
    for seen in (facts, open_unfinished(scratch, {})[1]):
        assert all(not isinstance(fact["quantiles"], list) for fact in seen.values())
        assert {row: {**fact, "quantiles": list(fact["quantiles"])} for row, fact in seen.items()} == told


@pytest.mark.parametrize("room", [0, 40 * 128, 2**20])
def test_values_are_kept_for_the_second_pass_as_far_as_there_is_room(tmp_path, monkeypatch, room):
    """Of a file of 8 x 8 numbers 128 bytes; the outcome is the same."""
    monkeypatch.setattr(unfinished, "KEPT_BYTES", 0)
    whole = pack_deep(tmp_path, reader(DEEP), "whole")
    monkeypatch.setattr(unfinished, "KEPT_BYTES", room)
    decoded = []
    monkeypatch.setattr(first_look, "read", lambda data: decoded.append(1) or decoders.read(data))
    found = pack_deep(tmp_path, reader(DEEP))
    assert len(decoded) == 2 * COUNT - min(COUNT, room // 128)
    for name in ("images.npy", "manifest.parquet", "ranges.json"):
        assert (whole / name).read_bytes() == (found / name).read_bytes()


def test_quantiles_are_of_one_pass(tmp_path, monkeypatch):
    asked = []
    quantiles = ranges.quantiles
    monkeypatch.setattr(ranges, "quantiles", lambda *given: asked.append(1) or quantiles(*given))
    pack_deep(tmp_path, reader(DEEP))
    assert len(asked) == COUNT


@pytest.mark.parametrize("stop", [150, 450])
def test_an_interrupted_search_for_the_range_continues(tmp_path, stop):
    """In the first pass, or in the second."""
    whole = pack_deep(tmp_path, reader(DEEP), "whole")
    done = iter(range(10_000))

    def killed(rows):
        for item in reader(DEEP)(rows):
            if next(done) == stop:
                raise KeyboardInterrupt
            yield item

    with pytest.raises(KeyboardInterrupt):
        pack_deep(tmp_path, killed)
    resumed = pack_deep(tmp_path, reader(DEEP))
    for name in ("images.npy", "manifest.parquet", "ranges.json"):
        assert (whole / name).read_bytes() == (resumed / name).read_bytes()


def test_arrays_are_packed_like_files(tmp_path):
    arrays = {row: np.asarray(Image.open(io.BytesIO(data))) for row, data in FILES.items()}
    folder = run(tmp_path, reader(arrays))
    assert (load_images(folder)[9] == arrays[9]).all()


def test_an_image_with_a_box_is_cut_to_it(tmp_path):
    record = INDEX.records[0]
    boxed = Index((record, replace(record, path="cut.png", box=(0, 0, 1, 1))), INDEX.class_names[:1])
    folder = tmp_path / "out"
    pack(
        boxed,
        lambda rows: ((row, FILES[0]) for row in rows),
        PACKING,
        folder,
        tmp_path / "s",
        workers=1,
        title="",
    )
    whole, cut = load_images(folder)
    assert (cut == whole[0, 0]).all()
    assert not (whole == whole[0, 0]).all()
    assert load_manifest(folder)["width"].tolist() == [8, 8]


def test_memory_does_not_grow_with_the_dataset(tmp_path):
    """At most two chunks a thread are read ahead of the decoder."""
    ahead = []

    def counting(rows):
        scratch = tmp_path / "scratch/journal.jsonl"
        for number, row in enumerate(rows):
            ahead.append(number - len(scratch.read_text().splitlines()))
            yield row, FILES[row]

    run(tmp_path, counting, workers=1)
    assert max(ahead) <= 3 * 64


def test_the_journal_holds_what_the_manifest_needs(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, interrupted, workers=1)
    line = (tmp_path / "scratch/journal.jsonl").read_text().splitlines()[0]
    row, fact, _ = json.loads(line.split(" ", 1)[1])
    assert row == 299
    assert set(fact) == {"width", "height", "mode", "sha256", *READ}


def test_a_contact_sheet_has_a_column_a_class():
    images = np.arange(6, dtype=np.uint8)[:, None, None, None] * np.ones((6, 4, 4, 3), dtype=np.uint8)
    sheet = contact_sheet(images, np.array([0, 0, 1, 1, 1, 2]), columns=10, rows=2)
    assert sheet.shape == (8, 12, 3)
    assert sheet[::4, ::4, 0].tolist() == [[0, 2, 5], [1, 3, 255]]
    assert contact_sheet(images, np.arange(6), columns=3, rows=1).shape == (4, 12, 3)
