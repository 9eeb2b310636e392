"""Pages to be looked at more than read: advertisements, slides and the covers of files."""

import numpy as np

from farfield.datasets.procedural.documents.lettering import lettering
from farfield.datasets.procedural.documents.sheet import LONG, SHORT, Sheet


def advertisement(rng: np.random.Generator) -> Sheet:
    """Large pictures and very large words, little text; sometimes light on dark."""
    page = Sheet(rng, faces=("roman", "grotesque", "slab"))
    margin = 0.0 if page.chance(0.5) else page.uniform(14, 40)
    wide, tall = SHORT - 2 * margin, LONG - 2 * margin
    dark = page.chance(0.4)
    if dark:
        page.box(margin, margin, SHORT - margin, LONG - margin, 0, page.count(130, 250))
    begin = page.uniform(0, 0.4)
    end = begin + page.uniform(0.4, 0.6)
    inset = page.uniform(0, 0.25) * wide * page.count(0, 1)
    page.picture(margin + inset, margin + begin * tall, SHORT - margin - inset, margin + end * tall)
    page.ink = page.count(0, 30) if dark else 255
    place = rng.choice((0.0, 0.5, 0.5))
    x = margin + 14 + place * (wide - 28)
    size = page.count(26, 46)
    at = begin * tall - 1.3 * size if begin > 0.2 else end * tall
    if page.chance(0.3):  # on the picture
        at, page.ink = page.uniform(begin, end - 0.2) * tall, page.count(0, 1) * 255
    for _ in range(page.count(1, 2)):
        page.words(x, margin + at, wide - 30, size, page.chance(0.7), place, page.chance(0.3))
        at += 1.15 * size
    page.ink = page.count(0, 30) if dark else 255
    y = margin + max(end * tall, at) + 12
    for _ in range(page.count(1, 4)):
        if y < LONG - margin - 50:
            page.words(x, y, page.uniform(120, wide - 40), page.count(8, 12), align=place)
            y += 15
    page.words(SHORT - margin - 14, LONG - margin - 40, 150, page.count(14, 24), True, 1, True)
    if page.chance(0.4):  # the health warning of cigarette advertisements
        page.box(margin + 10, LONG - margin - 44, margin + 120, LONG - margin - 14, 1, 0)
        page.ink = 255
        page.paragraph(margin + 14, LONG - margin - 41, 100, 3, 6, 8)
    return page


def presentation(rng: np.random.Generator) -> Sheet:
    """A slide: a large title, a few lines of large type or a chart; mostly wider than high."""
    page = Sheet(rng, wide=rng.random() < 0.75, faces=("grotesque", "grotesque", "roman", "slab"))
    wide, tall = page.width, page.height
    inset, middle = page.uniform(12, 30), page.chance(0.6)
    if page.chance(0.35):
        page.box(inset, inset, wide - inset, tall - inset, page.count(1, 4))
    y, size = inset + page.uniform(14, 40), page.count(18, 28)
    x, place = (wide / 2, 0.5) if middle else (inset + 20, 0.0)
    if page.chance(0.2):  # a band behind the title
        page.box(inset, y - 6, wide - inset, y + 1.4 * size, 0, page.count(160, 255))
        page.ink = 0
    for _ in range(page.count(1, 2)):
        page.words(x, y, page.uniform(0.4, 0.75) * wide, size, True, place)
        y += 1.25 * size
    page.ink = 255
    if page.chance(0.4):
        page.rule(inset + 10, y + 4, wide - inset - 10, weight=page.count(1, 3))
    y += page.uniform(14, 36)
    kind = page.rng.random()
    left = inset + page.uniform(20, 60)
    if kind < 0.3:
        page.chart(left + 20, y, wide - inset - 50, tall - inset - 40, 3)
        return page
    right = wide / 2 if kind < 0.45 else wide - inset - 20
    if kind < 0.45:
        page.chart(wide / 2 + 16, y, wide - inset - 24, y + 0.5 * (tall - y), 2)
    body = page.count(12, 17)
    bullet = page.one_of("disc", "dash", "box")
    for _ in range(page.count(3, 6)):
        if y > tall - inset - 2.5 * body:
            break
        if bullet == "disc":
            page.disc(left, y + 0.6 * body, 3, 255)
        else:
            page.box(left - 4, y + 0.5 * body, left + 4, y + (0.6 if bullet == "dash" else 0.95) * body, 1)
        for _ in range(page.count(1, 2)):
            page.words(left + 14, y, page.uniform(0.5, 1) * (right - left - 14), body)
            y += 1.3 * body
        y += page.uniform(0.3, 1) * body
    return page


def file_folder(rng: np.random.Generator) -> Sheet:
    """A bare cover: card of one tone, a tab or label, a few words, often on end, and dark edges."""
    page = Sheet(rng)
    tone = page.count(0, 130)
    page.box(0, 0, SHORT, LONG, 0, tone)
    edge = page.uniform(8, 40)
    side = page.one_of("right", "left", "top", "none")
    shade = page.count(150, 255)
    if side == "top":
        x = page.uniform(0, 250)
        page.box(0, 0, SHORT, edge, 0, shade)
        page.box(x, edge * 0.3, x + page.uniform(100, 150), edge + 4, 1, tone)
    elif side != "none":
        begin = 0 if side == "left" else SHORT - edge
        page.box(begin, 0, begin + edge, LONG, 0, shade)
        y = page.uniform(40, 360)
        page.box(begin + 0.2 * edge, y, begin + 0.8 * edge, y + page.uniform(70, 130), 1, tone)
    page.ink = 255
    if page.chance(0.4):  # a crease
        page.rule(page.uniform(0, SHORT), 0, page.uniform(0, SHORT), LONG)
    for _ in range(page.count(1, 2)):
        x, y = page.uniform(40, 240), page.uniform(40, 440)
        if page.chance(0.4):  # a pasted label
            page.box(x, y, x + page.uniform(90, 140), y + page.uniform(28, 50), 1, page.count(0, 40))
            page.words(x + 8, y + 5, 70, 9, page.chance(0.5), capitals=True)
            page.words(x + 8, y + 18, 70, 8)
        elif page.chance(0.5):
            text = lettering(page.one_of("CONFIDENTIAL", "CLOSED FILE", "CORRESPONDENCE", "1984", "REPORTS"),
                             page.face, page.count(9, 16), True)  # fmt: skip
            page.stamp(text.rotate(90, expand=True) if page.chance(0.7) else text, x, y)
        else:
            page.handwriting(x, y, page.uniform(60, 130), page.uniform(7, 11), 2)
    return page
