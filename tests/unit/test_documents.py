"""Procedural pages: the classes of RVL-CDIP, the same bytes everywhere, told apart by their layout."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest

from farfield.datasets.layouts.rvl_cdip import CLASSES as OFFICIAL
from farfield.datasets.procedural import DOMAINS, draw
from farfield.datasets.procedural.documents import CLASSES
from farfield.datasets.procedural.documents.lettering import SIZES, lettering, specimen, type_size
from farfield.datasets.procedural.documents.pages import LAYOUTS
from farfield.datasets.procedural.documents.scan import scan
from farfield.datasets.procedural.documents.sheet import LONG, SHORT, Sheet
from farfield.seeds import stream

SOME = [(label, number) for label in range(len(CLASSES)) for number in (0, 5)]


def digest(order: list[tuple[int, int]]) -> str:
    pages = {page: draw("documents", *page, 24, 3).tobytes() for page in order}
    return hashlib.sha256(b"".join(pages[page] for page in sorted(pages))).hexdigest()


def test_the_classes_are_those_of_rvl_cdip():
    assert [name.replace("_", " ") for name in CLASSES] == list(OFFICIAL)
    assert tuple(LAYOUTS) == CLASSES
    assert DOMAINS["documents"].classes == 16


def test_another_process_that_draws_in_another_order_gets_the_same_bytes():
    program = (
        "import hashlib\n"
        "from farfield.datasets.procedural import draw\n"
        f"pages = {{page: draw('documents', *page, 24, 3).tobytes() for page in reversed({SOME})}}\n"
        "print(hashlib.sha256(b''.join(pages[page] for page in sorted(pages))).hexdigest())\n"
    )
    other = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == digest(SOME)


@pytest.mark.parametrize("size", [40, 100])
def test_every_class_can_be_drawn_at_the_sizes_of_the_profiles(size):
    for label in range(len(CLASSES)):
        page = draw("documents", label, 11, size, 1)
        assert page.shape == (size, size)
        assert page.dtype == np.uint8


def test_most_of_a_letter_is_bright_paper_and_little_of_it_is_ink():
    for number in range(12):
        page = draw("documents", CLASSES.index("letter"), number, 96, 1)
        assert np.median(page) > 180
        assert 0.01 < (page < 0.85 * np.median(page)).mean() < 0.3  # some pages are printed faintly


def test_raw_pixels_tell_pages_apart_better_than_chance_but_far_from_perfectly():
    """Nearest class mean of 16 x 16 pixels among five classes, averaged over all such groups of neighbours."""
    images, known = 30, 15
    pages = np.stack(
        [[draw("documents", c, n, 32, 1) for n in range(images)] for c in range(len(CLASSES))]
    ).astype(float)
    coarse = pages.reshape(16, images, 16, 2, 16, 2).mean(axis=(3, 5)).reshape(16, images, -1)
    means = coarse[:, :known].mean(axis=1)
    distance = np.square(coarse[:, known:, None] - means).sum(axis=-1)  # [class, page, mean]
    accuracy = []
    for first in range(16):
        group = (first + 3 * np.arange(5)) % 16
        nearest = distance[group][:, :, group].argmin(axis=-1)
        accuracy.append((nearest == np.arange(5)[:, None]).mean())
    assert 0.4 < np.mean(accuracy) < 0.75  # chance is 0.2; measured 0.55


def test_type_comes_in_steps():
    assert [type_size(size) for size in (5, 13, 30, 90)] == [6, 12, 28, 44]
    assert all(type_size(size) == size for size in SIZES)


def test_a_specimen_is_cut_between_words():
    sample, rng = specimen("roman", 9), stream(0)
    for width in (5, 60, 300):
        for _ in range(20):
            piece = sample.cut(rng, width)
            assert piece.height == sample.height
            assert np.asarray(piece).any()
            assert piece.width <= max(width, 90)  # the longest word is wider than the narrowest column
    columns = np.asarray(sample.cut(rng, 200)).any(axis=0)
    assert not columns[-1]  # it ends in a space


def test_words_are_placed_by_their_left_edge_middle_or_right_edge():
    width = lettering("farfield", "roman", 12).width
    for align, left in ((0.0, 100), (0.5, 100 - width / 2), (1.0, 100 - width)):
        page = Sheet(stream(0), faces=("roman",))
        end = page.say("farfield", 100, 50, 12, align=align)
        inked = np.flatnonzero(np.asarray(page.image).any(axis=0))
        assert abs(inked[0] - left) <= 2
        assert abs(end - left - width) <= 1


def test_a_paragraph_stays_in_its_column_and_says_where_it_ends():
    page = Sheet(stream(1), faces=("roman",))
    end = page.paragraph(100, 50, 180, lines=6, size=8, step=12)
    rows, columns = np.nonzero(np.asarray(page.image))
    assert end == 50 + 6 * 12
    assert rows.min() >= 50
    assert rows.max() < end
    assert columns.min() >= 99
    assert columns.max() <= 281


def test_a_scan_is_bright_where_the_sheet_is_bare_and_dark_where_it_is_black():
    for number in range(6):
        page = Sheet(stream(number))
        page.box(0, LONG / 2, SHORT, LONG, 0, 255)
        picture = scan(page, 32).astype(int)
        assert picture[4:12, 4:-4].mean() > 180
        assert picture[20:28, 4:-4].mean() < 150
