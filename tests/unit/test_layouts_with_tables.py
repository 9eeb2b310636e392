"""Layouts with tables of labels: miniImageNet, ISIC, ChestX and RVL-CDIP, with the traps of the real ones."""

from pathlib import Path

import pytest
from made_up_archives import index_of, named, pack, summary

from farfield.datasets.layouts import read_images
from farfield.datasets.layouts.rvl_cdip import CLASSES as PAGES
from farfield.errors import InputError

# miniImageNet

MINI = {
    **named("images/n02a.jpg", "images/n01a.jpg", "images/n03a.jpg", "images/unlisted.jpg"),
    "train.csv": "filename,label\nn02a.jpg,n02\n",
    "val.csv": "filename,label\nn01a.jpg,n01\n",
    "test.csv": "\ufefffilename,label\r\nn03a.jpg,n03\r\n",
}


def test_miniimagenet_takes_its_splits_from_three_tables(tmp_path):
    pack(tmp_path / "mini-imagenet.zip", MINI)
    assert summary(index_of("split_csv", tmp_path)) == [
        ("images/n02a.jpg", "n02", "train"),
        ("images/n01a.jpg", "n01", "val"),
        ("images/n03a.jpg", "n03", "test"),
    ]
    assert index_of("split_csv", tmp_path).class_names == ("n01", "n02", "n03")


@pytest.mark.parametrize(
    ("table", "content", "message"),
    [
        ("val.csv", "filename,label\nn09.jpg,n01\n", r"val\.csv names images that no archive .*n09\.jpg"),
        (
            "val.csv",
            "filename,class\nn01a.jpg,n01\n",
            r"val\.csv has no column label; it has filename, class",
        ),
        ("val.csv", "filename,label\nn01a.jpg\n", r"val\.csv, line 2: the row has fewer columns"),
        ("val.csv", "filename,label\nn02a.jpg,n02\n", r"n02a\.jpg is listed more than once"),
        ("val.csv", b"\xff\xfe", r"val\.csv is no UTF-8 text"),
        ("val.csv", None, r"the label file val\.csv is neither there nor in one of the archives"),
    ],
)
def test_wrong_tables_of_miniimagenet_are_named(tmp_path, table, content, message):
    files = {**MINI, table: content}
    pack(tmp_path / "mini-imagenet.zip", {name: data for name, data in files.items() if data is not None})
    with pytest.raises(InputError, match=message):
        index_of("split_csv", tmp_path)


# ISIC 2018

ISIC_HEADER = "image,MEL,NV,BCC,AKIEC,BKL,DF,VASC\n"


def pack_isic(raw: Path, rows: list[str], images: list[str]) -> None:
    labels = "ISIC2018_Task3_Training_GroundTruth"
    pack(raw / f"{labels}.zip", {f"{labels}/{labels}.csv": ISIC_HEADER + "\n".join(rows), "LICENSE.txt": ""})
    pack(
        raw / "ISIC2018_Task3_Training_Input.zip",
        named(*(f"ISIC2018_Task3_Training_Input/{name}.jpg" for name in images)),
    )


def one_hot(name: str, *columns: int) -> str:
    return ",".join([name, *("1.0" if column in columns else "0.0" for column in range(7))])


def test_isic_is_labelled_by_the_column_that_is_not_zero(tmp_path):
    names = [f"ISIC_{n}" for n in range(7)]
    rows = [one_hot(name, column) for name, column in zip(names, [6, 5, 4, 3, 2, 1, 0], strict=True)]
    pack_isic(tmp_path, rows, names)
    index = index_of("isic", tmp_path)
    assert index.class_names == ("MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC")
    assert [record.label for record in index.records] == [6, 5, 4, 3, 2, 1, 0]
    assert dict(read_images(tmp_path, index))[0] == b"ISIC2018_Task3_Training_Input/ISIC_0.jpg"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (one_hot("ISIC_0"), r"GroundTruth\.csv, line 2: ISIC_0 has 0 diagnoses"),
        (one_hot("ISIC_0", 1, 4), r"GroundTruth\.csv, line 2: ISIC_0 has 2 diagnoses"),
        (one_hot("ISIC_0", 1).replace("1.0", "yes"), "line 2: ISIC_0 has a value that is no number"),
        (one_hot("ISIC_9", 1), r"GroundTruth\.csv names images that no archive .*ISIC_9\.jpg"),
        (one_hot("ISIC_0", 1), "no image was found for class MEL, BCC"),
    ],
)
def test_wrong_rows_of_isic_are_named(tmp_path, row, message):
    pack_isic(tmp_path, [row], ["ISIC_0"])
    with pytest.raises(InputError, match=message):
        index_of("isic", tmp_path)


# ChestX

FINDINGS = ["Atelectasis", "Cardiomegaly", "Effusion", "Infiltration", "Mass", "Nodule", "Pneumothorax"]


def pack_chestx(raw: Path, rows: dict[str, str]) -> None:
    """Two tarballs that take turns, and the table beside them, with its empty last column."""
    names = [f"images/{name}" for name in rows]
    pack(raw / "images_001.tar.gz", {"images/": b"", **named(*names[::2])})
    pack(raw / "images_002.tar.gz", named(*names[1::2]))
    lines = [f"{name},{findings},0,1,57,M,PA,2682,2749,0.1,0.1," for name, findings in rows.items()]
    header = "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    header += "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],"
    (raw / "Data_Entry_2017.csv").write_text("\n".join([header, *lines, ""]))


def test_chestx_keeps_images_with_one_of_seven_findings(tmp_path):
    rows = {f"{n}.png": finding for n, finding in enumerate(reversed(FINDINGS))}
    rows |= {"n.png": "No Finding", "p.png": "Pneumonia", "m.png": "Mass|Nodule", "h.png": "Hernia"}
    pack_chestx(tmp_path, rows)
    index = index_of("chestx", tmp_path)
    assert index.class_names == tuple(FINDINGS)
    assert [(record.path, record.label) for record in index.records] == [
        (f"images/{n}.png", 6 - n) for n in range(7)
    ]
    assert {record.archive for record in index.records} == {"images_001.tar.gz", "images_002.tar.gz"}
    assert dict(read_images(tmp_path, index)) == {n: f"images/{n}.png".encode() for n in range(7)}


def test_other_findings_can_be_chosen(tmp_path):
    pack_chestx(tmp_path, {"1.png": "Pneumonia", "2.png": "Mass", "3.png": "Hernia", "4.png": "Hernia"})
    index = index_of("chestx", tmp_path, findings=["Pneumonia", "Hernia"])
    assert summary(index) == [
        ("images/1.png", "Pneumonia", "all"),
        ("images/3.png", "Hernia", "all"),
        ("images/4.png", "Hernia", "all"),
    ]


def test_a_missing_tarball_of_chestx_is_noticed(tmp_path):
    pack_chestx(tmp_path, {f"{n}.png": finding for n, finding in enumerate(FINDINGS)})
    (tmp_path / "images_002.tar.gz").unlink()
    with pytest.raises(InputError, match=r"names images that no archive .*1\.png, 3\.png, 5\.png"):
        index_of("chestx", tmp_path)


def test_an_image_in_two_tarballs_is_named(tmp_path):
    pack_chestx(tmp_path, {f"{n}.png": finding for n, finding in enumerate(FINDINGS)})
    pack(tmp_path / "images_003.tar.gz", named("images/0.png"))
    with pytest.raises(InputError, match=r"the image 0\.png is both in images_001.*and images_003"):
        index_of("chestx", tmp_path)


# RSNA

RSNA = """patientId,class
p1,Normal
p2,Lung Opacity
p2,Lung Opacity
p3,No Lung Opacity / Not Normal
"""


def pack_rsna(raw: Path, table: str = RSNA) -> None:
    """One zip, as Kaggle gives it, with boxes and the images of the test."""
    patients = [f"stage_2_train_images/p{n}.dcm" for n in (3, 2, 1)]
    files = named("stage_2_test_images/t1.dcm", *patients)
    boxes = {"stage_2_train_labels.csv": "patientId,x,y,width,height,Target\np1,,,,,0\n"}
    pack(
        raw / "rsna-pneumonia-detection-challenge.zip",
        {**files, **boxes, "stage_2_detailed_class_info.csv": table},
    )


def test_rsna_has_a_patient_once_however_many_boxes(tmp_path):
    pack_rsna(tmp_path)
    index = index_of("rsna", tmp_path)
    assert summary(index) == [
        ("p1.dcm", "Normal", "all"),
        ("p2.dcm", "Lung Opacity", "all"),
        ("p3.dcm", "No Lung Opacity / Not Normal", "all"),
    ]
    assert dict(read_images(tmp_path, index, rows=[1])) == {1: b"stage_2_train_images/p2.dcm"}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("p2,Normal\n", r"p2 is listed more than once, as Lung Opacity \(line 3\) and Normal \(line 6\)"),
        ("p9,Normal\n", r"names images that no archive .*p9\.dcm"),
        ("t1,Normal\n", r"names images that no archive .*t1\.dcm"),  # a file of the test
        ("p3,\n", r"p3, has ''"),
    ],
)
def test_wrong_lines_of_rsna_are_named(tmp_path, more, message):
    pack_rsna(tmp_path, RSNA + more)
    with pytest.raises(InputError, match=message):
        index_of("rsna", tmp_path)


# RVL-CDIP


def rvl_files() -> tuple[dict[str, bytes], dict[str, str]]:
    pages = [f"imagesa/a/{label}/page {label}.tif" for label in range(16)]
    lists = {
        "train": "".join(f"{pages[label]} {label}\n" for label in range(14)),
        "val": f"{pages[14]} 14\n",
        "test": f"{pages[15]} 15\n\n",
    }
    return named(*(f"images/{page}" for page in pages)), lists


@pytest.mark.parametrize("inside", [True, False])
def test_rvl_cdip_takes_its_lists_from_the_archive_or_beside_it(tmp_path, inside):
    images, lists = rvl_files()
    if inside:
        images |= {f"labels/{split}.txt": text.encode() for split, text in lists.items()}
    else:
        for split, text in lists.items():
            (tmp_path / f"{split}.txt").write_text(text)
    pack(tmp_path / "rvl-cdip.tar.gz", images)
    index = index_of("rvl_cdip", tmp_path)
    assert index.class_names == PAGES
    assert [record.label for record in index.records] == list(range(16))
    assert [record.split for record in index.records] == ["train"] * 14 + ["val", "test"]
    assert dict(read_images(tmp_path, index, rows=[15])) == {15: b"images/imagesa/a/15/page 15.tif"}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("imagesa/b.tif 3", r"val\.txt names images that no archive .*imagesa/b\.tif"),
        ("imagesa/b.tif", r"val\.txt, line 1: found 'imagesa/b\.tif'; expected a path and a label"),
        ("imagesa/b.tif 16", r"val\.txt, line 1: .*from 0 to 15"),
        ("imagesa/b.tif memo", r"val\.txt, line 1"),
    ],
)
def test_wrong_lines_of_rvl_cdip_are_named(tmp_path, line, message):
    images, lists = rvl_files()
    lists["val"] = line
    pack(tmp_path / "rvl-cdip.tar.gz", images | {f"labels/{s}.txt": t.encode() for s, t in lists.items()})
    with pytest.raises(InputError, match=message):
        index_of("rvl_cdip", tmp_path)
