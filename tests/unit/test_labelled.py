"""Labels as people have them: each form gives one index, and what is missing, double or open is listed."""

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from made_up_archives import pack, tar_of, write_parquet
from PIL import Image

from farfield.datasets.cards import Packing
from farfield.datasets.class_folders import fingerprint
from farfield.datasets.decoders import decode
from farfield.datasets.layouts import LAYOUTS, read_images
from farfield.datasets.layouts.forms import Labelled, labelled_images
from farfield.errors import InputError

Files = Mapping[str, bytes | str]


def write(folder: Path, files: Files) -> Path:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)
    return folder


def named(*names: str) -> dict[str, bytes | str]:
    return {name: name for name in names}


def rows(found: Labelled) -> list[tuple[str, str, str, str]]:
    """Path, class, split and group of each record."""
    names = found.index.class_names
    return [(r.path, names[r.label], r.split, r.group) for r in found.index.records]


# Class folders


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["x/y/b/1.png", "x/y/a/2.png"], [("a", "all"), ("b", "all")]),
        (["train/a/1.png", "Val/b/2.png"], [("a", "train"), ("b", "val")]),
        (["set/images/train/a/1.png", "set/images/test/b/2.png"], [("a", "train"), ("b", "test")]),
        (["a/images/1.png", "b/images/2.png"], [("a", "all"), ("b", "all")]),
        (["a/a_pics/1.png", "b/b_pics/2.png"], [("a", "all"), ("b", "all")]),
        (["a/train/1.png", "b/validation/2.png"], [("a", "train"), ("b", "val")]),
        (["bus/1.png", "train/2.png"], [("bus", "all"), ("train", "all")]),
        (["image/1.png", "text/2.png"], [("image", "all"), ("text", "all")]),
        (["yes/1.png", "012/2.png", "12:30/3.png"], [("012", "all"), ("12:30", "all"), ("yes", "all")]),
        (["a b/1.png", "it's $x `y` \n z/2.png"], [("a b", "all"), ("it's $x `y` \n z", "all")]),
        (["a/1.png", "b/2.png", "@eaDir/a/1.png", "__MACOSX/b/2.png"], [("a", "all"), ("b", "all")]),
    ],
)
def test_class_folders_are_found_below_whatever_lies_around_them(tmp_path, files, expected):
    found = labelled_images(write(tmp_path / "mine", named(*files)))
    assert [row[1:3] for row in rows(found)] == expected
    assert dict(read_images(found.root, found.index)) == {
        row: record.path.encode() for row, record in enumerate(found.index.records)
    }


def test_images_of_a_split_without_classes_are_left_out(tmp_path):
    tiny = named("train/a/images/1.JPEG", "train/b/images/2.JPEG", "val/images/3.JPEG", "test/images/4.JPEG")
    found = labelled_images(write(tmp_path, tiny))
    assert [row[:3] for row in rows(found)] == [
        ("train/a/images/1.JPEG", "a", "train"),
        ("train/b/images/2.JPEG", "b", "train"),
    ]
    assert found.left_out == dict.fromkeys(["val/images/3.JPEG", "test/images/4.JPEG"], "in no class folder")


def test_an_empty_class_folder_stays_a_class(tmp_path):
    folder = write(tmp_path, named("w/a/1.png", "w/b/2.png"))
    (folder / "w/c").mkdir()
    assert labelled_images(folder).index.class_names == ("a", "b", "c")


@pytest.mark.parametrize(
    "files",
    [
        ["a/p1/1.png", "a/p2/2.png", "b/p3/3.png"],  # patients of a class, or classes of a kind
        ["photo/dog/1.png", "photo/cat/2.png", "sketch/dog/3.png", "sketch/cat/4.png"],
        ["a/1.png", "a/old/2.png", "b/3.png"],
    ],
)
def test_folders_that_may_mean_anything_are_asked_about(tmp_path, files):
    with pytest.raises(InputError, match=r"lies deeper than <class>/<image>, and it is open whether"):
        labelled_images(write(tmp_path, named(*files)))


# Lists

PICTURES = named(*(f"pics/{n}.JPG" for n in range(4)))


@pytest.mark.parametrize(
    "table",
    [
        "path,label\npics/0.JPG,a\npics/1.JPG,b\npics/2.JPG,a\npics/3.JPG,b\n",
        "\ufeffFile Name;Class ;extra\r\n0.jpg; a;x\r\n1.jpeg;b;y\r\n2.jpg;a ;x\r\n3;b;y\r\n",
        "id\tnote\tlabel\n0\tone, two\ta\n1\t\tb\n2\t\ta\n3\t\tb\n",
        "pics/0.JPG,a\npics/1.JPG,b\npics/2.JPG,a\npics/3.JPG,b\n",
        "sep=;\nimage;label\n/home/me/pics/0.jpg;a\nC:\\data\\pics\\1.jpg;b\npics\\2.jpg;a\n./pics/3.jpg;b\n",
        "image,a,b\n0,1,0\n1,0,1\n2,1.0,0.0\n3,False,True\n",
        'image,label\n"pics/0.JPG","a"\n"pics/1.JPG",b\n\n2.JPG,a\n3.JPG,b\n',
    ],
)
@pytest.mark.parametrize("given", ["folder", "list", "zip", "beside"])
def test_a_list_labels_images(tmp_path, table, given):
    if given == "zip":
        pack(tmp_path / "mine.zip", {**PICTURES, "lists/labels.csv": table})
        data = tmp_path / "mine.zip"
    elif given == "beside":  # images in an archive, the list next to it
        data = tmp_path / "mine"
        data.mkdir()
        pack(data / "images.zip", PICTURES)
        (data / "labels.csv").write_text(table, newline="")
    else:
        write(tmp_path / "mine", {**PICTURES, "labels.csv": table})
        data = tmp_path / "mine" / ("labels.csv" if given == "list" else "")
    found = labelled_images(data)
    assert [row[1] for row in rows(found)] == ["a", "b", "a", "b"]
    assert [data for _, data in read_images(found.root, found.index)] == [name.encode() for name in PICTURES]


@pytest.mark.parametrize("given", ["", "labels.csv"])
def test_a_list_labels_images_whose_names_have_no_ending(tmp_path, given):
    files: Files = {
        "IM1": b"\x89PNG\r\n\x1a\n",
        "IM2": b"\xff\xd8\xff\xe0",
        "labels.csv": "path,label\nIM1,a\nIM2,b\n",
    }
    found = labelled_images(write(tmp_path, files) / given)
    assert [row[:2] for row in rows(found)] == [("IM1", "a"), ("IM2", "b")]


def test_split_and_group_come_along(tmp_path):
    table = (
        "path,label,split,patient id\n0.JPG,a,Training,p1\n1.JPG,b,train,p1\n2.JPG,a,test,p2\n3.JPG,b,odd,\n"
    )
    found = labelled_images(write(tmp_path, {**PICTURES, "labels.csv": table}))
    assert [row[2:] for row in rows(found)] == [
        ("train", "p1"),
        ("train", "p1"),
        ("test", "p2"),
        ("odd", ""),
    ]


def test_lists_of_splits_are_joined_and_see_their_own_folders(tmp_path):
    files = {
        **named("train/1.png", "train/2.png", "test/1.png", "test/2.png", "test/3.png"),
        "train/metadata.csv": "file_name,label\n1.png,a\n2.png,b\n",
        "test/metadata.csv": "file_name,label\n1.png,b\n2.png,a\n",
    }
    found = labelled_images(write(tmp_path, files))
    assert [row[:3] for row in rows(found)] == [
        ("test/1.png", "b", "test"),
        ("test/2.png", "a", "test"),
        ("train/1.png", "a", "train"),
        ("train/2.png", "b", "train"),
    ]
    assert list(found.left_out) == ["test/3.png"]


@pytest.mark.parametrize(
    ("content", "names", "message"),
    [
        (
            "path,label\n1.png,a\n2.png,b\n",
            ("a.csv", "b.csv"),
            "several lists of its images: a.csv, b.csv. Give the",
        ),
        (
            "path,label\n1.png,a\n2.png,b\n",
            ("train.csv", "train2.csv"),
            "several lists of its images: train.csv",
        ),
        ("COCO", ("a.json", "test.json"), "several COCO files: a.json, test.json. Give the one that counts"),
    ],
)
def test_of_several_lists_each_must_be_of_a_split(tmp_path, content, names, message):
    content = coco() if content == "COCO" else content
    with pytest.raises(InputError, match=message):
        labelled_images(write(tmp_path, {**named("1.png", "2.png"), **dict.fromkeys(names, content)}))


def test_classes_of_a_list_stay_text_and_numbers_are_in_order(tmp_path):
    for values, classes in (
        (["yes", "no", "012", "12:30"], ("012", "12:30", "no", "yes")),
        (["10", "9", "0", "9"], ("0", "9", "10")),
    ):
        table = "path,label\n" + "".join(f"{n}.JPG,{value}\n" for n, value in enumerate(values))
        assert (
            labelled_images(write(tmp_path, {**PICTURES, "labels.csv": table})).index.class_names == classes
        )


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            ["0.JPG,a", "1.JPG,", "2.JPG,NaN", "3.JPG,b"],
            r"2 images without a label: line 3, 1\.JPG, has ''; line 4, 2\.JPG, has 'NaN'",
        ),
        (["0.JPG,a", "0.JPG,b"], r"0\.JPG is listed more than once, as a \(line 2\) and b \(line 3\)"),
        (
            ["0.JPG,a", "1.JPG,b", "0.JPG,a"],
            r"0\.JPG is listed more than once, each time as a \(lines 2, 4\)",
        ),
        ([",a", "1.JPG,b", "2.JPG,b"], r"1 rows without an image: line 2"),
        (["0.JPG,a", "pics/0.jpg,b"], r"pics/0\.JPG is listed more than once: a in all and b in all"),
        (["0.JPG,a", "9.JPG,b"], r"names 1 images that .* does not hold: 9\.JPG"),
        (["0.JPG,a", "1.png,b"], r"1\.png \(there is pics/1\.JPG\)"),
        (["0.JPG,a", "1.JPG,a"], r"labelled images of 1 class \(a\); a classifier needs at least two"),
        (["0.JPG,a", "1.JPG,b,c"], r"line 3: 3 cells where the first line has 2"),
    ],
)
def test_wrong_rows_are_listed(tmp_path, rows, message):
    write(tmp_path, {**PICTURES, "labels.csv": "path,label\n" + "\n".join(rows) + "\n"})
    with pytest.raises(InputError, match=message):
        labelled_images(tmp_path / "labels.csv")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            "image,a,b\n0,1,1\n1,0,0\n2,1,0\n3,0,1\n",
            r"2 images as one class: line 2, 0, as a and b; line 3, 1",
        ),
        ("image,size,age\n0,3,4\n1,5,6\n", "it is open which column holds the labels; the columns are image"),
        ("path,label,split\n0.JPG,a,train\n1.JPG,b,\n", r"gives 1 images no split: 1\.JPG"),
        (b"path,label\n0.JPG,caf\xe9\n", "no text in UTF-8"),
        (b"sep=;\r\npath;label\r\n0.JPG;a\r\n1.JPG;\r\n", r"line 4, 1\.JPG, has ''"),
    ],
)
def test_tables_that_leave_something_open_are_named(tmp_path, table, message):
    write(tmp_path, {**PICTURES, "labels.csv": table})
    with pytest.raises(InputError, match=message):
        labelled_images(tmp_path / "labels.csv")


def test_a_list_beside_class_folders_counts_if_it_divides_them_alike(tmp_path):
    folder = write(tmp_path / "mine", named("n1/1.png", "n1/2.png", "n2/3.png"))
    alike = "path,label,patient\nn1/1.png,tench,p\nn1/2.png,tench,q\nn2/3.png,shark,r\n"
    (folder / "labels.csv").write_text(alike)
    assert labelled_images(folder).index.class_names == ("shark", "tench")
    (folder / "labels.csv").write_text(alike.replace("2.png,tench", "2.png,shark"))
    with pytest.raises(InputError, match="they divide the images in different ways"):
        labelled_images(folder)
    assert len(labelled_images(folder / "labels.csv").index.records) == 3
    (folder / "labels.csv").write_text("epoch,loss\n1,0.5\n2,0.4\n")  # some other table
    assert labelled_images(folder).index.class_names == ("n1", "n2")


def test_what_is_odd_about_a_list_is_remarked_on_or_refused(tmp_path):
    write(tmp_path, {**PICTURES, "labels.csv": "path,label,class\n0.JPG,Cat,x\n1.JPG,cat,x\n2.JPG,dog,y\n"})
    assert labelled_images(tmp_path).remarks == (
        "Classes that may be one by their names: Cat and cat.",
        "Labels of labels.csv are those in label, not in class.",
    )
    (tmp_path / "labels.csv").write_text("path,label,label\n0.JPG,a,b\n1.JPG,b,b\n")
    with pytest.raises(InputError, match="several columns called label"):
        labelled_images(tmp_path)


# COCO


def coco(**changes: object) -> str:
    notes = [
        {"id": 7, "image_id": 1, "category_id": 5, "bbox": [1.5, 2, 4, 3]},
        {"id": 8, "image_id": 1, "category_id": 2, "bbox": [0, 0, 10, 10]},
        {"id": 9, "image_id": 1, "category_id": 2, "bbox": [0, 0, 9, 9], "iscrowd": 1},
    ]
    content = {
        "images": [{"id": 1, "file_name": "1.png"}, {"id": 2, "file_name": "2.png"}],
        "annotations": notes,
        "categories": [{"id": 5, "name": "cat"}, {"id": 2, "name": "dog"}, {"id": 1, "name": "pets"}],
    }
    return json.dumps(content | changes)


def test_boxes_of_coco_are_images_of_their_own(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (12, 14, 3), dtype=np.uint8)
    files = {"set/1.png": b"", "set/2.png": b"", "instances.json": coco()}
    write(tmp_path, files)
    Image.fromarray(pixels).save(tmp_path / "set/1.png")
    found = labelled_images(tmp_path)
    assert rows(found) == [
        ("set/1.png#7", "cat", "all", "set/1.png"),
        ("set/1.png#8", "dog", "all", "set/1.png"),
    ]
    assert found.left_out == {"set/1.png#9": "a crowd", "set/2.png": "no box on it"}
    assert found.remarks == ("No image is of the class pets.",)
    [(_, data), _] = read_images(found.root, found.index)
    cut = decode(data, Packing(size=3, width=5), found.index.records[0].box)
    assert (cut.pixels == pixels[2:5, 1:6]).all()


def test_coco_as_it_is_published_has_a_file_a_split(tmp_path):
    files = named("train2017/1.png", "train2017/2.png", "val2017/1.png", "val2017/2.png")
    lists = {f"annotations/instances_{split}2017.json": coco() for split in ("train", "val")}
    files |= {f"{split}2017/_annotations.coco.json": coco() for split in ("train", "val")}
    found = labelled_images(write(tmp_path / "by folder", files))
    assert [row[:3] for row in rows(found)] == [
        (f"{split}2017/1.png#{note}", name, split)
        for split in ("train", "val")
        for note, name in ((7, "cat"), (8, "dog"))
    ]
    files = named("train2017/1.png", "train2017/2.png") | {min(lists): lists[min(lists)]}
    assert labelled_images(write(tmp_path / "apart", files)).index.class_names == ("dog", "cat")


@pytest.mark.parametrize(
    ("note", "message"),
    [
        ({"id": 1, "image_id": 1, "category_id": 9, "bbox": [0, 0, 1, 1]}, "1 has the category 9"),
        ({"id": 1, "image_id": 3, "category_id": 2, "bbox": [0, 0, 1, 1]}, "1 is on the image 3"),
        ({"id": 1, "image_id": 1, "category_id": 2, "bbox": [0, 0, 0, 1]}, r"empty boxes: 1 \(1\.png"),
        ({"id": 1, "image_id": 1, "category_id": 2, "bbox": [1.5, 2, 4, 3]}, "7 as cat and 1 as dog"),
        ({"id": 7, "image_id": 2, "category_id": 2}, "several annotations have the id 7"),
    ],
)
def test_wrong_annotations_are_listed(tmp_path, note, message):
    notes = [*json.loads(coco())["annotations"], note]
    write(tmp_path, {**named("1.png", "2.png"), "a.json": coco(annotations=notes)})
    with pytest.raises(InputError, match=message):
        labelled_images(tmp_path / "a.json")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"categories": [{"id": 5, "name": None}, {"id": 2, "name": "dog"}]}, "in categories no name for 5"),
        ({"categories": [{"id": 5, "name": " "}, {"id": 2, "name": "dog"}]}, "in categories no name for 5"),
        ({"categories": [{"id": 5, "name": "a"}, {"id": 5, "name": "b"}]}, "in categories the id 5 twice"),
        (
            {"images": [{"id": 1, "file_name": "1.png"}, {"id": 1, "file_name": "2.png"}]},
            "in images the id 1 twice",
        ),
        ({"images": [{"id": 1, "file_name": None}]}, "in images no file_name for 1"),
        ({"annotations": [{"id": 1, "image_id": [1], "category_id": 2}]}, r"\[1\] is no id"),
        ({"annotations": [7]}, "is not of the form of COCO"),
    ],
)
def test_entries_of_coco_without_a_name_or_an_id_of_their_own_are_refused(tmp_path, changes, message):
    write(tmp_path, {**named("1.png", "2.png"), "a.json": coco(**changes)})
    with pytest.raises(InputError, match=message):
        labelled_images(tmp_path)


def test_labels_that_cannot_be_read_are_named_where_nothing_else_labels(tmp_path):
    pictures = named("images/1.png", "images/2.png")
    for number, (name, data, message) in enumerate(
        (
            (
                "labels.csv",
                "path,label\n1.png,Mélanome\n2.png,b".encode("latin-1"),
                "labels.csv is no text in UTF-8",
            ),
            ("labels.csv", b"path,label\n1.png,a,b\n2.png", "labels.csv, line 2: 3 cells"),
            ("a.json", coco().encode()[:-9], "a.json speaks of images and annotations, and is no JSON"),
            ("labels.xlsx", b"PK", "labels.xlsx is not read: save it as CSV"),
            ("more.rar", b"Rar!", "more.rar is not read: unpack it"),
        )
    ):
        folder = write(tmp_path / str(number), {**pictures, name: data})
        with pytest.raises(InputError, match=message):
            labelled_images(folder)
        classes = write(tmp_path / f"{number} classes", {**named("a/1.png", "b/2.png"), name: data})
        assert labelled_images(classes).index.class_names == ("a", "b")
        assert name in labelled_images(classes).left_out
    write(
        tmp_path / "apart",
        {**pictures, "notes/labels.csv": "path,label\n1.png,a\n2.png,b", "notes/a.json": coco()},
    )
    for name in ("labels.csv", "a.json"):
        with pytest.raises(InputError, match=r"no image lies beside .*; give the folder that holds both"):
            labelled_images(tmp_path / "apart/notes" / name)


# Parquet


def test_parquet_of_the_hub_has_its_class_names_in_the_schema(tmp_path):
    write_parquet(tmp_path / "data/train-00000-of-00002.parquet", [0, 1, 1])
    write_parquet(tmp_path / "data/train-00001-of-00002.parquet", [1], first=3)
    write_parquet(tmp_path / "data/test-00000-of-00001.parquet", [0, 1], first=4)
    found = labelled_images(tmp_path)
    assert [row[1:] for row in rows(found)] == [
        ("cat", "test", "p0"),
        ("dog", "test", "p1"),
        ("cat", "train", "p0"),
        ("dog", "train", "p1"),
        ("dog", "train", "p2"),
        ("dog", "train", "p0"),
    ]
    assert dict(read_images(tmp_path, found.index)) == dict(enumerate(b"4 5 0 1 2 3".split()))
    assert list(read_images(tmp_path, found.index, rows=[4])) == [(4, b"2")]


def test_parquet_may_lie_in_an_archive(tmp_path):
    write_parquet(tmp_path / "one/train.parquet", [0, 1, 1])
    pack(tmp_path / "hub.zip", {"data/train.parquet": (tmp_path / "one/train.parquet").read_bytes()})
    found = labelled_images(tmp_path / "hub.zip")
    assert [row[:2] for row in rows(found)] == [
        ("data/train.parquet/000000", "cat"),
        ("data/train.parquet/000001", "dog"),
        ("data/train.parquet/000002", "dog"),
    ]
    assert dict(read_images(tmp_path, found.index)) == {0: b"0", 1: b"1", 2: b"2"}


def test_hidden_and_missing_labels_of_parquet(tmp_path):
    write_parquet(tmp_path / "train.parquet", [0, 1])
    write_parquet(tmp_path / "test.parquet", [-1, -1])
    assert labelled_images(tmp_path).left_out == {"test.parquet": "its labels are hidden (-1)"}
    write_parquet(tmp_path / "test.parquet", [0, None])
    with pytest.raises(InputError, match=r"1 images without a label: line 1, test\.parquet/000001"):
        labelled_images(tmp_path)
    write_parquet(tmp_path / "test.parquet", [0, 7])
    with pytest.raises(InputError, match="has the label 7; its schema names 2 classes"):
        labelled_images(tmp_path)
    (tmp_path / "test.parquet").write_bytes(b"<html>")
    with pytest.raises(InputError, match=r"test\.parquet is damaged or no parquet file"):
        labelled_images(tmp_path)


def test_damage_within_a_parquet_file_is_named(tmp_path):
    write_parquet(tmp_path / "a.parquet", [0, 1, 1, 0])
    content = (tmp_path / "a.parquet").read_bytes()
    (tmp_path / "a.parquet").write_bytes(content[:4] + bytes(40) + content[44:])
    with pytest.raises(InputError, match=r"a\.parquet is damaged or no parquet file"):
        dict(read_images(tmp_path, labelled_images(tmp_path).index))


# WebDataset and archives


def test_webdataset_tars_are_labelled_by_the_files_beside_the_images(tmp_path):
    (tmp_path / "train-000.tar").write_bytes(
        tar_of({"a/1.png": b"1", "a/1.cls": b"3\n", "a/2.x.png": b"2", "a/2.cls": b"10"})
    )
    (tmp_path / "val-000.tar").write_bytes(
        tar_of(
            {"1.jpg": b"3", "1.json": b'{"label": 3, "patient_id": "p"}', "2.jpg": b"4", "2.txt": b"words"}
        )
    )
    found = labelled_images(tmp_path)
    assert rows(found) == [
        ("train-000.tar/a/1.png", "3", "train", ""),
        ("train-000.tar/a/2.x.png", "10", "train", ""),
        ("val-000.tar/1.jpg", "3", "val", "p"),
    ]
    assert found.left_out["val-000.tar/2.jpg"] == "without a label in its tar"
    assert dict(read_images(tmp_path, found.index)) == {0: b"1", 1: b"2", 2: b"3"}


def test_of_several_images_in_a_sample_one_is_its_picture(tmp_path):
    """Masks beside the images would be half of them, under the same labels."""
    path = tmp_path / "a.tar"
    sample = {"1.seg.png": b"", "1.jpg": b"", "1.cls": b"0", "2.jpg": b"", "2.seg.png": b"", "2.cls": b"1"}
    path.write_bytes(tar_of(sample))
    found = labelled_images(path)
    assert [row[:2] for row in rows(found)] == [("1.jpg", "0"), ("2.jpg", "1")]
    assert found.left_out == dict.fromkeys(("1.seg.png", "2.seg.png"), "another image of its sample")
    for other in ({"2.png": b""}, {"3.a.png": b"", "3.b.png": b"", "3.cls": b"0"}):
        path.write_bytes(tar_of(sample | other))
        with pytest.raises(
            InputError, match="1 samples of several images, and it is open which is the picture"
        ):
            labelled_images(path)


def test_numbers_and_truths_in_json_are_labels(tmp_path):
    path = tmp_path / "a.tar"
    for values, names in (((1.0, 0.0), ("0", "1")), ((True, False), ("false", "true"))):
        path.write_bytes(
            tar_of(
                {
                    f"{i}.{end}": data
                    for i, value in enumerate(values)
                    for end, data in (("png", b""), ("json", json.dumps({"label": value}).encode()))
                }
            )
        )
        assert labelled_images(path).index.class_names == names


def test_two_labels_of_a_sample_must_agree(tmp_path):
    path = tmp_path / "a.tar"
    names = {"1.png": b"", "1.cls": b"0", "2.png": b"", "2.cls": b"1", "3.png": b"", "3.cls": b"0"}
    alike = {"1.json": b'{"label": "cat"}', "2.json": b'{"label": "dog"}', "3.json": b'{"label": "cat"}'}
    path.write_bytes(tar_of(names | alike))
    assert labelled_images(path).index.class_names == ("0", "1")
    for other in (b'{"label": "dog"}', b'{"label": 1}'):
        path.write_bytes(tar_of(names | alike | {"2.json": b'{"label": 1}', "3.json": other}))
        with pytest.raises(InputError, match=r"images with several labels: .*3\.png as 0 and"):
            labelled_images(path)
    path.write_bytes(tar_of(names | {"1.cls": b"", "3.cls": b"NaN"}))
    with pytest.raises(InputError, match=r"2 images without a label: line 1, 1\.png, has ''; line 3, 3\.png"):
        labelled_images(path)


def zipped(files: Files) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
        for name, data in files.items():
            target.writestr(name, data)
    return packed.getvalue()


def test_archives_in_archives_are_opened(tmp_path):
    inner = {
        "sets/train.zip": zipped(named("a/1.png", "b/2.png", "__MACOSX/a/1.png")),
        "sets/test.tar": tar_of({"a/1.png": b"3", "b/2.png": b"4"}),
    }
    pack(tmp_path / "all.zip", inner)
    found = labelled_images(tmp_path / "all.zip")
    assert rows(found) == [
        ("all.zip/sets/test.tar/a/1.png", "a", "test", ""),
        ("all.zip/sets/train.zip/a/1.png", "a", "train", ""),
        ("all.zip/sets/test.tar/b/2.png", "b", "test", ""),
        ("all.zip/sets/train.zip/b/2.png", "b", "train", ""),
    ]
    assert dict(read_images(tmp_path, found.index)) == {0: b"3", 1: b"a/1.png", 2: b"4", 3: b"b/2.png"}


def test_an_archive_beside_images_is_named_and_not_opened(tmp_path):
    write(tmp_path, named("a/1.png", "b/2.png"))
    pack(tmp_path / "old.zip", named("c/3.png"))
    assert labelled_images(tmp_path).left_out == {"old.zip": "an archive beside images, not opened"}


def test_the_layout_holds_out_whole_groups(tmp_path):
    table = "path,label,group\n" + "".join(f"{n}.png,{'ab'[n % 2]},g{n // 2}\n" for n in range(12))
    pack(tmp_path / "mine.zip", {**named(*(f"{n}.png" for n in range(12))), "labels.csv": table})
    index = LAYOUTS.find("labelled")(tmp_path, {"holdout": {"share": 0.34}})
    sides = {(record.group, record.split) for record in index.records}
    assert len(sides) == 6
    assert {split for _, split in sides} == {"train", "test"}


def test_a_fingerprint_knows_labels_and_bytes(tmp_path):
    def mark() -> str:
        found = labelled_images(tmp_path)
        return fingerprint(found.root, found.index)

    pack(tmp_path / "images.zip", PICTURES)
    marks = []
    for table in ("0,a\n1,b\n", "0,b\n1,a\n", "0,a\n1,b\n"):
        (tmp_path / "labels.csv").write_text(f"path,label\n{table}")
        marks.append(mark())
    assert marks[0] == marks[2] != marks[1]
    pack(tmp_path / "images.zip", {**PICTURES, "pics/0.JPG": b"other"})
    assert mark() != marks[2]
