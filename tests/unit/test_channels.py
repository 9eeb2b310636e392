"""Channels: bands that a card keeps, from the file's numbers to packed uint16, with plain numpy beside it."""

import io

import numpy as np
import pytest
import tifffile
from made_up_study import VALIDATION, dataset
from PIL import Image

from farfield.datasets.cards import Card, Expected, Packing
from farfield.datasets.channels import channel_table, load_channels, pictures
from farfield.datasets.layouts import Index, Record
from farfield.datasets.odd_pictures import with_oddities
from farfield.datasets.packed import load_images, load_manifest
from farfield.datasets.packing import pack
from farfield.datasets.previews import contact_sheet
from farfield.datasets.remarks import remarks_on
from farfield.datasets.validation import require_valid, summary, tables, validate
from farfield.errors import InputError
from farfield.files import read_json
from farfield.report.data_page import data_page
from farfield.report.site import environment
from stages.frame.paths import EXPECTATIONS

NAMES = ("B01", "B02", "B03", "B04", "B05")
PACKING = Packing(size=6)


def tiff(array: np.ndarray, **options) -> bytes:
    """A file [h, w, c] as a satellite's: bands side by side in each pixel, nothing said of colours."""
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, array, photometric="minisblack", planarconfig="contig", **options)
    return buffer.getvalue()


def scene(row: int, bands: int = 5) -> np.ndarray:
    """Every band in a range of its own, band k from 1000 k on."""
    noise = np.random.default_rng(row).integers(0, 400 + row, (6, 6, bands))
    return (noise + 1000 * np.arange(1, bands + 1)).astype(np.uint16)


FILES = {row: tiff(scene(row)) for row in range(8)}


def run(tmp_path, files=FILES, packing=PACKING, name="out", **kept):
    """Half of the files are for training, the others for the test."""
    records = [Record("a.zip", f"{row}", f"c{row % 2}/{row}.tif", row % 2, "all") for row in files]
    records = [
        Record(one.archive, one.member, one.path, one.label, "train" if row < len(files) / 2 else "test")
        for row, one in enumerate(records)
    ]
    index = Index(records=tuple(records), class_names=("one", "two"))
    folder = tmp_path / name
    reader = lambda rows: ((row, files[row]) for row in rows)  # noqa: E731
    pack(index, reader, packing, folder, tmp_path / "scratch", workers=2, title="packing", **kept)
    return folder


def ends(values: np.ndarray) -> tuple[float, float]:
    """The files of one size together: where a thousandth of the values lies below, and above."""
    return tuple(np.quantile(values.astype(float), (0.001, 0.999)))


def test_each_channel_is_scaled_by_its_own_range_of_the_training_part(tmp_path):
    folder = run(tmp_path, channels=(1, 2, 3, 4, 5), bands=NAMES)
    images = load_images(folder)
    assert images.dtype == np.uint16
    assert images.shape == (8, 6, 6, 5)
    [spans] = read_json(folder / "ranges.json").values()
    training = np.stack([scene(row) for row in range(4)])
    for channel, (low, high) in enumerate(spans):
        wanted = ends(training[..., channel])
        assert (low, high) == pytest.approx(wanted, abs=6)  # quantiles of files, not of all values at once
        for row in range(8):
            share = np.clip((scene(row)[..., channel] - low) / (high - low), 0, 1)
            assert np.abs(images[row, ..., channel] - 65535 * share).max() <= 0.51
    assert load_channels(folder).names == list(NAMES)


def test_a_list_keeps_its_order_and_all_is_every_band(tmp_path):
    every = load_images(run(tmp_path, channels="all", name="every"))
    some = load_images(run(tmp_path, channels=(5, 2), name="some"))
    assert every.shape[-1] == 5
    assert (some == every[..., [4, 1]]).all()


def test_without_channels_nothing_is_kept(tmp_path):
    folder = run(tmp_path)
    assert load_images(folder).dtype == np.uint8
    assert load_images(folder).shape == (8, 6, 6, 3)
    assert load_channels(folder) is None
    assert not (folder / "channels.json").exists()


def test_a_stated_range_and_8_bits_are_the_same_for_all_channels(tmp_path):
    fixed = run(tmp_path, packing=Packing(size=6, range=(0, 6000)), channels=(2,), name="fixed")
    wanted = np.rint(np.clip(scene(3)[..., [1]] / 6000, 0, 1) * 65535)
    assert np.abs(load_images(fixed)[3] - wanted).max() <= 1
    eight = {row: tiff((scene(row) % 256).astype(np.uint8)) for row in range(4)}
    folder = run(tmp_path, eight, channels=(4, 1), name="eight")
    assert (load_images(folder)[2] == 257 * (scene(2)[..., [3, 0]] % 256)).all()


def test_resizing_is_that_of_colours_without_their_rounding(tmp_path):
    """Three 8-bit bands packed as channels are the RGB picture, but for a half level of each step."""
    colours = {
        row: np.random.default_rng(row).integers(0, 256, (20, 30, 3), dtype=np.uint8) for row in range(4)
    }
    files = {}
    for row, array in colours.items():
        buffer = io.BytesIO()
        Image.fromarray(array).save(buffer, "PNG")
        files[row] = buffer.getvalue()
    packing = Packing(size=12, pre_size=16, pre_resample="bilinear")
    plain = load_images(run(tmp_path, files, packing, name="plain"))
    kept = load_images(run(tmp_path, files, packing, name="kept", channels="all"))
    assert np.abs(kept / 257 - plain).max() <= 1.6


def test_whats_no_picture_is_the_mean_of_the_rest_of_its_channel(tmp_path):
    values = scene(0).astype(np.float32)
    values[0, 0, 2] = np.nan
    files = {row: tiff(values) for row in range(4)}
    folder = run(tmp_path, files, Packing(size=6, range=(0, 6000)), channels="all")
    rest = np.delete(values[..., 2].ravel(), 0)
    assert load_images(folder)[0, 0, 0, 2] == pytest.approx(65535 * rest.mean() / 6000, abs=1)


def test_files_that_lack_a_band_are_left_out(tmp_path):
    files = FILES | {5: tiff(scene(5, bands=3)), 6: tiff(scene(6, bands=7))}
    folder = run(tmp_path, files, channels="all", name="all")
    reasons = {one["path"]: one["reason"] for one in read_json(folder / "unreadable.json")}
    assert "has 3 bands" in reasons["c1/5.tif"]
    assert "7 bands, and the first file has 5" in reasons["c0/6.tif"]
    chosen = run(tmp_path, files, channels=(5,), name="chosen")
    assert [one["path"] for one in read_json(chosen / "unreadable.json")] == ["c1/5.tif"]


def test_the_number_of_threads_and_an_interruption_change_no_byte(tmp_path):
    whole = run(tmp_path, channels="all", name="whole")
    reads = []

    def stopped(rows):
        for row in rows:
            reads.append(row)
            if len(reads) > 70:
                raise KeyboardInterrupt
            yield row, FILES[row % 8]

    many = Index(
        records=tuple(Record("a.zip", f"{row}", f"{row}.tif", 0, "all") for row in range(90)),
        class_names=("one",),
    )
    arguments = {"workers": 1, "title": "", "channels": "all"}
    with pytest.raises(KeyboardInterrupt):
        pack(many, stopped, PACKING, tmp_path / "again", tmp_path / "late", **arguments)
    for name, read in (("again", "late"), ("once", "early")):
        reader = lambda rows: ((row, FILES[row % 8]) for row in rows)  # noqa: E731
        pack(many, reader, PACKING, tmp_path / name, tmp_path / read, **arguments)
    for file in ("images.npy", "manifest.parquet", "ranges.json", "channels.json"):
        assert (tmp_path / "again" / file).read_bytes() == (tmp_path / "once" / file).read_bytes()
    assert load_images(whole).shape[-1] == 5


def test_people_are_shown_three_channels(tmp_path):
    chosen = run(tmp_path, packing=Packing(size=6, channels=(4, 3, 2)), channels=(2, 3, 4, 5), name="chosen")
    images = load_images(chosen)
    seen = pictures(images[3], load_channels(chosen))
    assert seen.dtype == np.uint8
    assert np.abs(seen - images[3][..., [2, 1, 0]] / 257).max() <= 0.51
    grouped = run(tmp_path, channels="all", name="grouped")
    images = load_images(grouped)
    means = np.stack([images[..., part].mean(-1) for part in ([4], [2, 3], [0, 1])], -1) / 257
    assert np.abs(pictures(images, load_channels(grouped)) - means).max() <= 0.51
    sheet = contact_sheet(images, np.arange(8) % 2, kept=load_channels(grouped))
    assert sheet.shape == (24, 12, 3)
    one = run(tmp_path, channels=(3,), name="one")
    grey = pictures(load_images(one), load_channels(one))
    assert (grey == grey[..., :1]).all()
    with pytest.raises(InputError, match=r"packing\.channels.*band 1.*\[2, 3\]"):
        run(tmp_path, packing=Packing(size=6, channels=(1, 2, 3)), channels=(2, 3), name="wrong")


def test_validation_looks_at_each_channel(tmp_path):
    folder = run(tmp_path, channels="all", bands=NAMES)
    images, manifest = load_images(folder), load_manifest(folder)
    figures = channel_table(images, load_channels(folder).names)
    assert figures["mean"].tolist() == pytest.approx((images / 65535).mean((0, 1, 2)))
    assert figures["spread"].tolist() == pytest.approx((images / 65535).std((0, 1, 2)))
    manifest = with_oddities(manifest, images, manifest["label"].to_numpy())
    assert not manifest[["flat", "black", "inverted"]].any().any()
    expected = Expected(channels=5)
    data = tables(manifest, [], expected, figures)
    result = summary(data, validate(data, expected, EXPECTATIONS))
    require_valid("scenes", result)
    assert [one["channel"] for one in result["channels"]] == list(NAMES)
    assert any("5 of 5 bands kept" in line for line in remarks_on(manifest))
    dead = images.copy()
    dead[..., 2] = 7
    data["channels"] = channel_table(dead, list(NAMES))
    with pytest.raises(InputError, match=r"No channel is empty.*B03"):
        require_valid("scenes", summary(data, validate(data, expected, EXPECTATIONS)))
    with pytest.raises(InputError, match=r"number of channels.*found 5"):
        require_valid("scenes", summary(data, validate(data, Expected(channels=4), EXPECTATIONS)))


def card(**values) -> Card:
    parts = {"title": "Scenes", "role": "target", "layout": "folder", "licence": "none", "citation": "none"}
    return Card(**{**parts, "folder": "scenes", **values})


def test_a_card_names_channels_by_number_or_name():
    assert card().kept == ()
    assert card(channels="all").kept == "all"
    assert card(channels=("B04", 1), bands=NAMES).kept == (4, 1)
    for wrong, said in (
        ({"channels": ("B09",), "bands": NAMES}, "'B09'"),
        ({"channels": (0,)}, "from 1"),
        ({"channels": (2, "B02"), "bands": NAMES}, "each once"),
        ({"channels": "all", "role": "sharing"}, "role sharing"),
    ):
        with pytest.raises(InputError, match=said):
            card(**wrong)


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        ([], ""),
        (
            ["film"],
            "film, at 16 bits. In a network of three channels its first kernels are added up; a network",
        ),
        (
            ["B04", "B03", "B02"],
            "B04, B03, B02, at 16 bits. In a network of three channels they are red, green",
        ),
        (
            [f"B{n}" for n in range(13)],
            "its first kernels are repeated in turn, times 3/13; a network trained on 13",
        ),
    ],
)
def test_the_data_page_says_how_networks_take_channels(names, sentence):
    figures = {"least": 0.0, "largest": 1.0, "mean": 0.25, "spread": 0.125}
    found = {**VALIDATION["crops"], "channels": [{"channel": name, **figures} for name in names]}
    page = data_page({"scenes": dataset("Scenes", "")}, {"scenes": found}, {})
    html = environment().get_template("data.html.j2").render(**page.context, page=page, pages=[page])
    assert sentence in html
    assert ("<dt>Channels</dt>" in html) == bool(names)
    assert html.count("mean 0.25, spread 0.12, 0.00 to 1.00") == len(names)
