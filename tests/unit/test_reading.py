"""Archives are opened once for reading, and what is packed is what plain Pillow code makes of the files."""

import gzip
import io
import pickle
import tarfile
from functools import partial

import h5py
import numpy as np
import pytest
from made_up_archives import index_of, named, pack, tar_of, write_parquet
from PIL import Image, ImageOps

from farfield.datasets import archive_kinds, packing
from farfield.datasets.cards import Packing
from farfield.datasets.decoders.containers import images_in
from farfield.datasets.layouts import read_images
from farfield.datasets.layouts.forms import labelled_images
from farfield.datasets.packed import load_images, load_manifest
from farfield.datasets.reading import read_sources
from farfield.datasets.sources import Source, Stack
from farfield.errors import InputError


@pytest.fixture
def passes(monkeypatch):
    """The archives that are opened, in turn, each with how many of its members were looked at."""
    seen: list[list[object]] = []
    for kind in (archive_kinds.Zip, archive_kinds.Tar):
        entries = kind.entries

        def counted(self, entries=entries):
            seen.append([self.name.rsplit("/", 1)[-1], 0])
            mine = seen[-1]
            for entry in entries(self):
                mine[1] += 1
                yield entry

        monkeypatch.setattr(kind, "entries", counted)
    return seen


def batches(count: int) -> dict[str, bytes]:
    """Pickles of three images each, the forms of CIFAR."""
    content = {}
    for batch in range(count):
        data = np.full((3, 3072), batch, np.uint8)
        content[f"cifar/batch{batch}"] = pickle.dumps({"data": data, "fine_labels": [0, 1, 0]})
    return content | {"cifar/meta": pickle.dumps({"fine_label_names": ["ant", "bee"]})}


def test_an_archive_of_many_stacks_is_passed_through_once(tmp_path, passes):
    pack(tmp_path / "cifar.tar.gz", batches(5))
    index = index_of("cifar", tmp_path, batches=[f"batch{n}" for n in range(5)])
    assert passes == [["cifar.tar.gz", 6], ["cifar.tar.gz", 6]]  # one scan, one pass for all labels
    passes.clear()
    images = dict(read_images(tmp_path, index))
    assert {row: int(image[0, 0, 0]) for row, image in images.items()} == {r: r // 3 for r in range(15)}
    assert passes == [["cifar.tar.gz", 5]]
    passes.clear()
    assert dict(read_images(tmp_path, index, rows=[])) == {}
    assert passes == []


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_class_folders_are_scanned_once_and_read_once(tmp_path, passes, kind):
    pack(tmp_path / f"a.{kind}", named("a/1.jpg", "a/2.jpg", "b/3.jpg"))
    index = index_of("folder", tmp_path)
    assert passes == [[f"a.{kind}", 3]]
    assert len(dict(read_images(tmp_path, index))) == 3
    assert passes == [[f"a.{kind}", 3]] * 2


def test_miniimagenet_is_scanned_once_to_tell_its_form_and_to_list_it(tmp_path, passes):
    lists = {f"{split}.csv": f"filename,label\n{split}.jpg,{split}\n" for split in ("train", "val", "test")}
    pack(tmp_path / "a.tar", {**lists, **named("images/train.jpg", "images/val.jpg", "images/test.jpg")})
    assert len(index_of("mini_imagenet", tmp_path).records) == 3
    assert passes == [["a.tar", 6], ["a.tar", 3]]  # one scan, one pass for the lists


def test_parquet_files_in_an_archive_are_looked_at_in_one_pass(tmp_path, passes):
    for number in range(3):
        write_parquet(tmp_path / f"one/{number}.parquet", [0, 1], first=2 * number)
    pack(
        tmp_path / "hub.tar.gz",
        {f"{n}.parquet": (tmp_path / f"one/{n}.parquet").read_bytes() for n in range(3)},
    )
    assert len(labelled_images(tmp_path / "hub.tar.gz").index.records) == 6
    assert passes == [["hub.tar.gz", 3]] * 2  # one scan, one pass for all labels


def test_a_tar_inside_an_archive_is_passed_through_once(tmp_path, passes):
    pack(tmp_path / "a.tar.gz", {"x.tar": b"", "set.tar": tar_of(named("1.jpg", "2.jpg", "3.jpg"))})
    wanted = {row: Source("a.tar.gz", f"{row}.jpg", "set.tar") for row in (3, 1)}
    assert list(read_sources(tmp_path, wanted)) == [(1, b"1.jpg"), (3, b"3.jpg")]
    assert passes == [["a.tar.gz", 2], ["a.tar.gz: set.tar", 3]]


def test_one_member_may_be_a_file_and_a_stack_of_several_variables(tmp_path):
    values = {"a": np.arange(24, dtype=np.uint8).reshape(2, 3, 2, 2), "b": np.ones((2, 4, 5))}
    coded = pickle.dumps(values)
    pack(tmp_path / "s.tar", {"s.pkl": coded})
    a, b = Stack("a", "chw"), Stack("b", "wh")
    found = dict(
        read_sources(
            tmp_path,
            {
                0: Source("s.tar", "s.pkl", stack=a, entry=1),
                1: Source("s.tar", "s.pkl", stack=b, entry=0),
                2: Source("s.tar", "s.pkl"),
                3: Source("s.tar", "s.pkl", stack=a, entry=0),
            },
        )
    )
    np.testing.assert_array_equal(found[0], np.moveaxis(values["a"][1], 0, -1))
    np.testing.assert_array_equal(found[1], values["b"][0].T)
    assert found[2] == coded
    assert found[3].shape == (2, 2, 3)


def test_hdf5_is_known_by_its_first_bytes_and_read_inside_an_archive_too(tmp_path):
    values = np.random.default_rng(0).integers(0, 256, (4, 3, 6, 5), dtype=np.uint8)
    with h5py.File(tmp_path / "beside.bin", "w", userblock_size=512) as file:  # as MATLAB 7.3 writes it
        file["images"] = values
    content = (tmp_path / "beside.bin").read_bytes()
    pack(tmp_path / "a.zip", {"inside.bin": content})
    stack = Stack("images", "cwh")
    for archive, member in (("", "beside.bin"), ("a.zip", "inside.bin")):
        wanted = {row: Source(archive, member, stack=stack, entry=3 - row) for row in range(4)}
        found = dict(read_sources(tmp_path, wanted))
        assert all((found[row] == values[3 - row].transpose(2, 1, 0)).all() for row in wanted)
    with pytest.raises(InputError, match=r"beside\.bin is damaged or no HDF5 .* with other"):
        list(read_sources(tmp_path, {0: Source("", "beside.bin", stack=Stack("other", "cwh"))}))
    (tmp_path / "beside.bin").write_bytes(content[:600])
    with pytest.raises(InputError, match=r"beside\.bin is damaged"):
        list(read_sources(tmp_path, {0: Source("", "beside.bin", stack=stack)}))
    with pytest.raises(InputError, match=r"none\.bin is no longer there"):
        list(read_sources(tmp_path, {0: Source("", "none.bin")}))


@pytest.mark.parametrize(
    ("value", "stack", "message"),
    [
        ([b"1"], Stack(), "pickle holds 1 of the 2 images"),
        ({"a": [b"1"]}, Stack(), "pickle holds no list of the 2 images"),
        (7, Stack(), "pickle holds no list of the 2 images"),
        ({"a": [b"1"]}, Stack("b"), "pickle .* has no 'b'"),
        (
            np.zeros((2, 5), np.uint8),
            Stack("", "chw", (3, 1, 1)),
            r"pickle has images of uint8 \[5\]; expected",
        ),
        (
            np.zeros((2, 5), np.uint8),
            Stack("", "chw"),
            r"pickle has images of uint8 \[5\]; expected axes chw",
        ),
    ],
)
def test_a_stack_of_another_form_is_named(value, stack, message):
    with pytest.raises(InputError, match=message):
        list(images_in(io.BytesIO(pickle.dumps(value)), "pickle", stack, [0, 1]))


def test_a_damaged_archive_of_stacks_is_named(tmp_path):
    stored = tar_of({"l.pkl": pickle.dumps([bytes(50_000)] * 2)})
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(stored)[:-60])
    with pytest.raises(InputError, match=r"a\.tar\.gz"):
        list(read_sources(tmp_path, {0: Source("a.tar.gz", "l.pkl", stack=Stack(), entry=1)}))
    assert tarfile.is_tarfile(io.BytesIO(stored))


def files() -> dict[str, bytes]:
    """One image of every kind that the table of `decoders.rgb` names, as people have them."""
    random = np.random.default_rng(0)
    colour = Image.fromarray(random.integers(0, 256, (20, 30, 3), dtype=np.uint8))
    sheer = colour.convert("RGBA")
    sheer.putalpha(Image.fromarray(random.integers(0, 256, (20, 30), dtype=np.uint8)))
    deep = Image.fromarray(random.integers(0, 65536, (20, 30), dtype=np.uint16))
    turned = Image.Exif()
    turned[0x0112] = 6
    kept = {
        "colour.png": (colour, {}),
        "turned.png": (colour, {"exif": turned}),
        "lossy.jpg": (colour, {"exif": turned}),
        "grey.png": (colour.convert("L"), {}),
        "bilevel.tif": (colour.convert("1"), {"compression": "group4"}),
        "palette.png": (colour.quantize(16), {"transparency": 3}),
        "palette.gif": (colour.quantize(200), {}),
        "sheer.png": (sheer, {}),
        "key.png": (colour, {"transparency": colour.getpixel((0, 0))}),
        "print.jpg": (colour.convert("CMYK"), {}),
        "deep.png": (deep, {}),
        "deep.tif": (deep, {}),
    }
    written = {}
    for name, (image, options) in kept.items():
        buffer = io.BytesIO()
        image.save(buffer, {"jpg": "JPEG", "tif": "TIFF"}.get(name[-3:], name[-3:].upper()), **options)
        written[name] = buffer.getvalue()
    return written


def by_pillow(data: bytes) -> tuple[np.ndarray, tuple[int, int], str]:
    """What a file becomes by the documented table, in plain Pillow code. Both deep files hold the same values, so
    that the percentiles of their data set are those of each."""
    image = Image.open(io.BytesIO(data))
    mode = image.mode
    image = ImageOps.exif_transpose(image)
    if mode.startswith("I"):
        low, high = np.percentile(values := np.asarray(image), (0.1, 99.9))
        image = Image.fromarray(np.rint(255 * np.clip((values - low) / (high - low), 0, 1)).astype(np.uint8))
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    return np.asarray(image.convert("RGB").resize((9, 8), Image.Resampling.BICUBIC)), image.size, mode


def test_what_is_packed_is_what_plain_pillow_makes_of_the_files(tmp_path):
    content = files()
    pack(
        tmp_path / "a.tar.gz",
        {f"{'ab'[n % 2]}/{name}": data for n, (name, data) in enumerate(content.items())},
    )
    index = index_of("folder", tmp_path)
    form = Packing(size=8, width=9, resample="bicubic")
    folder = tmp_path / "out"
    reader = partial(read_images, tmp_path, index)
    packing.pack(index, reader, form, folder, tmp_path / "scratch", workers=2, title="")
    images, manifest = load_images(folder), load_manifest(folder)
    assert len(images) == len(content) == 12
    for row, path in enumerate(manifest["path"]):
        pixels, size, mode = by_pillow(content[path.split("/")[1]])
        assert images[row].tobytes() == pixels.tobytes(), path
        assert (manifest["width"][row], manifest["height"][row]) == size, path
        assert manifest["mode"][row] == mode, path
