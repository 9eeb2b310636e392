"""Cards of satellite bands and of DICOM files, on made-up archives in the official layouts."""

import io
import zipfile
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tifffile
import yaml
from PIL import Image
from pydantic import TypeAdapter
from test_dicom import dicom

from farfield.datasets.cards import Card, Packing
from farfield.datasets.channels import channel_table, load_channels, pictures
from farfield.datasets.layouts import LAYOUTS, read_images
from farfield.datasets.odd_pictures import with_oddities
from farfield.datasets.packed import load_images, load_manifest
from farfield.datasets.packing import pack
from farfield.datasets.procedural import write_generated
from farfield.datasets.validation import require_valid, summary, tables, validate
from farfield.errors import InputError
from farfield.files import read_json
from stages.frame.paths import EXPECTATIONS

CARDS = Path(__file__).parents[2] / "conf/dataset"


def card(name: str) -> Card:
    """What the card itself says; all that it leaves out has its default in the schema."""
    said = yaml.safe_load((CARDS / f"{name}.yaml").read_text())
    del said["defaults"]
    return TypeAdapter(Card).validate_python(said)


def packed(found: Card, raw: Path) -> Path:
    index = LAYOUTS.find(found.layout)(raw, found.options)
    folder = raw / "packed"
    pack(
        index,
        partial(read_images, raw, index),
        Packing(**{"size": 16, **found.packing}),
        folder,
        raw / "scratch",
        workers=1,
        title="",
        channels=found.kept,
        bands=found.bands,
    )
    return folder


def checked(found: Card, folder: Path, **expected) -> dict:
    """Validation as the card has it, but for the counts of so small an archive."""
    wanted = replace(found.expected, images=None, class_images={}, fewest_images=1, **expected)
    images, manifest, kept = load_images(folder), load_manifest(folder), load_channels(folder)
    manifest = with_oddities(manifest, images, manifest["label"].to_numpy())
    figures = channel_table(images, kept.names) if kept else None
    data = tables(manifest, read_json(folder / "unreadable.json"), wanted, figures)
    result = summary(data, validate(data, wanted, EXPECTATIONS))
    require_valid(found.title, result)
    return result


def scene(number: int) -> np.ndarray:
    """64 x 64 px of level 1C; B8A is the last band of the file, and B10 next to nothing."""
    random = np.random.default_rng(number)
    bands = 500 + 200 * np.arange(13) + random.integers(0, 300, (64, 64, 13))
    bands[..., 9] = random.integers(5, 20, (64, 64))
    return bands.astype(np.uint16)


def test_eurosat_with_13_bands(tmp_path):
    found = card("eurosat_ms")
    numbers = {"AnnualCrop": (1, 2), "SeaLake": (1, 10)}
    with zipfile.ZipFile(tmp_path / "EuroSAT_MS.zip", "w") as archive:
        for name, files in numbers.items():
            for number in files:
                buffer = io.BytesIO()
                array = scene(number + len(name))
                # As GDAL writes it: nothing said of colours, but for the tags of a geographic grid.
                scale = (33550, "d", 3, (10.0, 10.0, 0.0), True)
                tifffile.imwrite(
                    buffer, array, photometric="minisblack", planarconfig="contig", extratags=[scale]
                )
                archive.writestr(f"EuroSAT_MS/{name}/{name}_{number}.tif", buffer.getvalue())
    folder = packed(found, tmp_path)
    images = load_images(folder)
    assert images.shape == (4, 16, 16, 13)
    assert images.dtype == np.uint16
    kept = load_channels(folder)
    assert kept.names[8:] == ["B09", "B10", "B11", "B12", "B8A"]
    assert kept.shown == [[3], [2], [1]]
    # B10 is as wide as any, although its numbers are a hundredth of those of others.
    assert images[..., 9].std() > 0.5 * images[..., 3].std()
    assert pictures(images, kept).shape == (4, 16, 16, 3)
    result = checked(found, folder, classes=2)
    assert result["class_images"] == {"AnnualCrop": 2, "SeaLake": 2}
    assert len(result["channels"]) == 13


def test_rsna_pneumonia(tmp_path):
    pytest.importorskip("pydicom")
    found = card("rsna")
    classes = {f"p{n}": name for n, name in enumerate(found.expected.class_images)}
    y, x = np.mgrid[:1024, :1024] / 1023
    films = {patient: (200 * y * x + 10 * n + 20).astype(np.uint8) for n, patient in enumerate(classes)}
    lines = [f"{patient},{name}" for patient, name in classes.items()]
    with zipfile.ZipFile(tmp_path / "rsna-pneumonia-detection-challenge.zip", "w") as archive:
        archive.writestr(
            "stage_2_detailed_class_info.csv", "\n".join(["patientId,class", *lines, lines[0], ""])
        )
        for patient, film in films.items():
            archive.writestr(f"stage_2_train_images/{patient}.dcm", dicom(film, Modality="CR"))
    folder = packed(found, tmp_path)
    images, manifest = load_images(folder), load_manifest(folder)
    assert images.dtype == np.uint8
    assert manifest["class_name"].tolist() == list(classes.values())
    for row, film in enumerate(films.values()):
        wanted = np.asarray(Image.fromarray(film).resize((16, 16), Image.Resampling.BILINEAR), float)
        assert np.abs(images[row] - wanted[..., None]).max() <= 1
    checked(found, folder)


def test_drawn_files_are_read_as_the_fields_libraries_read_them(tmp_path):
    pydicom = pytest.importorskip("pydicom")
    for name in ("terrain_bands", "radiographs_dicom"):
        found = card(name)
        section = {**found.generator, "classes": 2, "images": 3}
        raw = tmp_path / name
        raw.mkdir()
        write_generated(section, 0, raw / "images.zip")
        write_generated(section, 0, tmp_path / "again.zip")
        assert (raw / "images.zip").read_bytes() == (tmp_path / "again.zip").read_bytes()
        folder = packed(replace(found, packing={**found.packing, "size": 40}), raw)
        images, manifest = load_images(folder), load_manifest(folder)
        [spans] = read_json(folder / "ranges.json").values()
        low, high = np.array(spans).T
        with zipfile.ZipFile(raw / "images.zip") as archive:
            for row, path in enumerate(manifest["path"]):
                file = io.BytesIO(archive.read(path))
                array = (
                    tifffile.imread(file) if name == "terrain_bands" else pydicom.dcmread(file).pixel_array
                )
                array = array.reshape(40, 40, -1).astype(float)
                assert array.max() > 255
                wanted = 65535 * np.clip((array - low) / (high - low), 0, 1)
                assert np.abs(images[row] - wanted).max() <= 0.51
        checked(found, folder, classes=2)


def test_forms_that_do_not_fit_a_domain_are_refused(tmp_path):
    section = {"domain": "terrain", "classes": 1, "images": 1, "size": 8}
    for wrong, said in (
        ({"form": "dicom"}, "grey domain"),
        ({"form": "bands", "domain": "radiographs"}, "domain in colour"),
        ({"form": "nifti"}, r"generator\.form is 'nifti'; choose one of png, bands, dicom"),
    ):
        with pytest.raises(InputError, match=said):
            write_generated({**section, **wrong}, 0, tmp_path / "images.zip")
    assert not (tmp_path / "images.zip").exists()
