"""From a sheet to its scan: what offices and copying machines add, then a grey picture."""

import numpy as np
from PIL import Image, ImageFilter

from farfield.datasets.procedural.canvas import Array, develop, grid, noise
from farfield.datasets.procedural.documents.lettering import lettering
from farfield.datasets.procedural.documents.sheet import Sheet


def handle(page: Sheet) -> None:
    """Traces of use: a received stamp, an archive's number, notes in the margin, holes, a line of fax."""
    page.ink, page.face = 255, "grotesque"
    wide, tall = page.width, page.height
    if page.chance(0.65):  # the number that the archive gave the page
        number = lettering(str(page.count(10**7, 10**9)), "grotesque", page.count(8, 11), True)
        if page.chance(0.6):
            page.stamp(number.rotate(90, expand=True), wide - 16, page.uniform(0.1, 0.8) * tall)
        else:
            page.stamp(number, page.uniform(0.5, 0.95) * wide, tall - 16, align=1)
    if page.chance(0.2):
        text = page.one_of("RECEIVED", "CONFIDENTIAL", "COPY", "DRAFT", "FILE")
        mask = Image.new("L", (100, 30))
        framed = lettering(text, "grotesque", 13, True)
        mask.paste(framed, ((100 - framed.width) // 2, 6))
        page.ink = page.count(110, 220)
        page.stamp(
            mask.rotate(page.uniform(-25, 25), expand=True, resample=Image.Resampling.BILINEAR),
            page.uniform(0.1, 0.7) * wide, page.uniform(0.05, 0.85) * tall,
        )  # fmt: skip
    page.ink = 255
    if page.chance(0.2):
        page.handwriting(
            page.uniform(0.1, 0.7) * wide, page.uniform(0.04, 0.95) * tall, 70, 6, page.count(1, 2)
        )
    if page.chance(0.15):
        for part in (0.15, 0.5, 0.85)[: page.count(2, 3)]:
            page.disc(12, part * tall, 6, page.count(150, 255))
    if page.chance(0.1):
        page.words(20, 3, 300, 6)
    for _ in range(int(page.rng.exponential(6))):  # dirt on the glass
        x, y, radius = page.uniform(0, wide), page.uniform(0, tall), page.rng.exponential(1)
        page.disc(x, y, radius, page.count(100, 255))


def scan(page: Sheet, size: int) -> Array:
    """The sheet laid askew on the glass and squeezed to a square: uint8 [size, size], white paper bright."""
    rng, image = page.rng, page.image
    if page.width > page.height and page.chance(0.5):
        image = image.transpose(Image.Transpose.ROTATE_90)
    if page.chance(0.4):  # the ink spreads from copy to copy
        image = image.filter(ImageFilter.BoxBlur(0.7)).point(lambda ink: min(255, int(ink * 1.7)))
    image = image.resize((2 * size, 2 * size), Image.Resampling.BOX)
    angle, zoom = rng.normal(0, 0.015), rng.uniform(0.97, 1.06)
    shift = rng.normal(0, 0.015, 2)
    c, s = zoom * np.cos(angle), zoom * np.sin(angle)
    across, down = (1 - c - s) * size + 2 * shift[0] * size, (1 + s - c) * size + 2 * shift[1] * size
    bed = int(rng.choice((0, 0, 0, 255)))  # what lies beside the sheet: the lid or nothing
    image = image.transform(
        image.size,
        Image.Transform.AFFINE,
        (c, s, across, -s, c, down),
        Image.Resampling.BILINEAR,
        fillcolor=bed,
    )
    ink = np.asarray(image, dtype=np.float32) / 255
    x, y = grid(size)
    wear = np.clip(1 - rng.uniform(0, 0.3) * (1 + noise("fractal", x, y, rng, 2)) / 2, 0, 1)
    paper = rng.uniform(0.86, 0.96) + rng.uniform(-0.04, 0.03) * x + rng.uniform(-0.04, 0.03) * y
    black = rng.uniform(0, 0.25)
    grey = paper - (paper - np.float32(black)) * ink * wear
    return develop(grey, rng, rng.uniform(0.004, 0.014))
