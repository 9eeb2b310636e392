"""Whole slides as tiles, of a pyramid that tifffile writes."""

import io

import numpy as np
import pytest
import tifffile
from made_up_archives import pack

from farfield.datasets.layouts import LAYOUTS, read_images
from farfield.errors import InputError

pytest.importorskip("tiffslide", reason="needs the extra `slides`")

TILE, ROWS, COLUMNS = 32, 4, 6  # at level 0
TISSUE = {(0, 1), (1, 1), (2, 4)}  # row and column of tiles of level 0 that are stained


def slide(seed: int = 0) -> np.ndarray:
    """Grey glass with a little noise, some tiles of it stained, and a rest that fills no tile."""
    random = np.random.default_rng(seed)
    glass = np.repeat(random.integers(225, 240, (ROWS * TILE + 12, COLUMNS * TILE + 20, 1)), 3, axis=2)
    for row, column in TISSUE:
        part = glass[row * TILE : (row + 1) * TILE, column * TILE : (column + 1) * TILE]
        part[:] = random.integers(0, 40, part.shape) + np.array([180, 90, 160])
    return glass.astype(np.uint8)


def pyramid(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as file:
        how = {"photometric": "rgb", "tile": (16, 16), "compression": "zlib"}
        file.write(pixels, subifds=1, **how)
        file.write(pixels[::2, ::2], subfiletype=1, **how)
    return buffer.getvalue()


def index_of(folder, files, **options):
    folder.mkdir(exist_ok=True)
    pack(folder / "slides.zip", files)
    return LAYOUTS.find("slides")(folder, {"root": "data", "tile": TILE, **options})


FILES = {
    "data/benign/a.tif": pyramid(slide(0)),
    "data/tumour/b.svs": pyramid(slide(1)),
    "README.txt": b"text",
}


def test_tiles_with_tissue_are_images_in_groups_of_their_slide(tmp_path):
    index = index_of(tmp_path / "raw", FILES)
    assert index.class_names == ("benign", "tumour")
    places = [f"{row}-{column}" for row, column in sorted(TISSUE)]
    names = ("data/benign/a.tif", "data/tumour/b.svs")
    assert [record.path for record in index.records] == [
        f"{name}#{place}" for name in names for place in places
    ]
    assert [record.group for record in index.records] == [name for name in names for _ in places]
    assert [record.label for record in index.records] == [0, 0, 0, 1, 1, 1]
    for row, pixels in read_images(tmp_path / "raw", index):
        down, right = sorted(TISSUE)[row % 3]
        whole = slide(row // 3)
        part = whole[down * TILE : (down + 1) * TILE, right * TILE : (right + 1) * TILE]
        assert (pixels == part).all()


def test_tiles_of_another_level_and_less_tissue(tmp_path):
    every = index_of(tmp_path / "raw", FILES, tissue=0)
    assert len(every.records) == 2 * ROWS * COLUMNS
    index = index_of(tmp_path / "raw", FILES, level=1, tissue=50)
    # At half the size tiles are 2 x 2 of those: two of the four are stained in the first, one in another.
    assert [record.path.split("#")[1] for record in index.records] == ["0-0", "0-0"]
    pixels = dict(read_images(tmp_path / "raw", index))
    assert (pixels[0] == slide(0)[::2, ::2][:TILE, :TILE]).all()


@pytest.mark.parametrize(
    ("files", "options", "said"),
    [
        (FILES, {"level": 2}, "has levels 0 to 1; the card asks for level 2"),
        ({"data/a.tif": FILES["data/benign/a.tif"]}, {}, "does not lie at data/<class>/<slide>"),
        ({"data/x/a.tif": b"II*\0 damaged"}, {}, "is damaged or no slide"),
        (FILES, {"tissue": 101}, "no image was found"),
    ],
)
def test_slides_that_do_not_fit_are_named(tmp_path, files, options, said):
    with pytest.raises(InputError, match=said):
        index_of(tmp_path / "raw", files, **options)
