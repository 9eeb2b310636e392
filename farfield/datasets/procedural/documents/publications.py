"""Pages of print that run in columns: research and news."""

import numpy as np

from farfield.datasets.procedural.documents.sheet import Sheet

PRINT = ("roman", "roman", "slab")


def _fill(page: Sheet, x: float, y: float, width: float, foot: float, size: int, step: float) -> None:
    """One column of text down to `foot`, now and then with a heading, a figure or a table in it."""
    while y < foot - 2 * step:
        kind = page.rng.random()
        if kind < 0.1 and foot - y > 90:
            tall = page.uniform(50, 80)
            page.chart(x + 6, y + 4, x + width - 4, y + tall - 6)
            y = page.paragraph(x, y + tall, width, 2, size - 1, step) + step
        elif kind < 0.18 and foot - y > 70:
            page.rule(x, y, x + width)
            for _ in range(page.count(3, 6)):
                y += step
                page.words(x, y - 4, width * 0.3, size - 1)
                for part in (0.55, 0.75, 0.97):
                    page.number(x + part * width, y - 4, 999, size - 1)
            page.rule(x, y + step, x + width)
            y += 2 * step
        elif kind < 0.3:
            page.words(x, y + 0.3 * step, width * page.uniform(0.3, 0.8), size, True)
            y += 1.6 * step
        else:
            lines = min(page.count(4, 12), int((foot - y) / step))
            y = page.paragraph(x, y, width, lines, size, step, indent=8)


def scientific_publication(rng: np.random.Generator) -> Sheet:
    """A journal page: small type in two columns, on first pages below a title and an abstract."""
    page = Sheet(rng, faces=PRINT)
    size = page.count(6, 7)
    step = size * page.uniform(1.12, 1.25)
    left, right = page.uniform(22, 40), 408 - page.uniform(22, 40)
    y = page.uniform(18, 32)
    page.words(left, y, 110, 6)
    page.say(str(page.count(1, 900)), right, y, 6, align=1)
    y += 14
    if page.chance(0.5):
        centred = page.chance(0.5)
        x, place = ((left + right) / 2, 0.5) if centred else (left, 0.0)
        for _ in range(page.count(1, 2)):
            page.words(x, y, page.uniform(180, 300), page.count(12, 15), True, place)
            y += 17
        page.words(x, y + 2, page.uniform(80, 200), 8, align=place)
        y += 20
        inset = page.uniform(0, 40)
        y = page.paragraph(left + inset, y, right - left - 2 * inset, page.count(4, 9), size, step) + 10
        if page.chance(0.4):
            page.rule(left, y - 6, right)
    elif page.chance(0.4):  # a figure across both columns
        tall = page.uniform(70, 130)
        half = (left + right) / 2
        page.chart(left + 8, y, half - 12, y + tall)
        page.chart(half + 12, y, right - 8, y + tall)
        y = page.paragraph(left, y + tall + 6, right - left, 2, size - 1, step) + 8
    gap, foot = page.uniform(10, 18), page.uniform(490, 512)
    width = (right - left - gap) / 2
    _fill(page, left, y, width, foot, size, step)
    _fill(page, left + width + gap, y, width, foot * page.uniform(0.8, 1), size, step)
    return page


def scientific_report(rng: np.random.Generator) -> Sheet:
    """One wide column of typed text with headings, a table or a figure with its caption, a page number."""
    page = Sheet(rng, faces=("typewriter", "typewriter", "roman", "slab"))
    left, right = page.uniform(44, 64), 408 - page.uniform(34, 50)
    step = page.type * page.uniform(1.3, 2.1)
    y, foot = page.uniform(30, 60), page.uniform(440, 500)
    if page.chance(0.4):
        for _ in range(page.count(1, 3)):
            page.words(
                (left + right) / 2, y, page.uniform(120, 240), page.type + 1, True, 0.5, page.chance(0.5)
            )
            y += 15
        y += 10
    figure = page.rng.random()
    before = page.uniform(0.1, 0.7) * (foot - y) + y
    while y < foot - step:
        if figure < 0.65 and y > before:
            tall = page.uniform(90, 150)
            inset = page.uniform(10, 50)
            if figure < 0.35:
                page.chart(left + inset, y, right - inset, y + tall)
                y = page.paragraph(left + inset, y + tall + 8, right - left - 2 * inset, 2) + step
            else:
                y = _data(page, left + inset, y, right - inset) + step
            figure = 1.0
        if page.chance(0.25):
            page.words(left, y + 0.4 * step, page.uniform(60, 160), bold=True, capitals=page.chance(0.4))
            y += 1.6 * step
        lines = max(1, min(page.count(2, 6), int((foot - y) / step)))
        y = page.paragraph(left, y, right - left, lines, step=step, indent=page.type * 3) + 0.3 * step
    page.say(f"-{page.count(1, 99)}-", (left + right) / 2, 508, align=0.5)
    return page


def _data(page: Sheet, x: float, y: float, right: float) -> float:
    """An open table: a caption, three rules, a few rows of numbers."""
    page.words((x + right) / 2, y, 140, align=0.5)
    edges = np.linspace(x + 70, right, page.count(3, 5))
    y += 12
    page.rule(x, y, right)
    for row in range(page.count(5, 10)):
        page.words(x, y + 2, 50, 7)
        for edge in edges:
            page.words(float(edge), y + 2, 24, 7, align=1) if row == 0 else page.number(
                float(edge), y + 2, 900, 7
            )
        y += 11
        if row == 0:
            page.rule(x, y, right)
    page.rule(x, y + 2, right)
    return y


def news_article(rng: np.random.Generator) -> Sheet:
    """A cutting: a large headline over narrow columns, with ragged edges and a photograph."""
    page = Sheet(rng, faces=PRINT)
    size = page.count(6, 7)
    step, columns = size * page.uniform(1.08, 1.2), page.count(3, 5)
    left, right = page.uniform(14, 50), 408 - page.uniform(14, 60)
    y, foot = page.uniform(16, 60), page.uniform(360, 515)
    top = y
    if page.chance(0.3):
        page.words(left, y, 120, 9, True, capitals=True)
        page.rule(left, y + 12, right, weight=2)
        y += 18
    for _ in range(page.count(1, 3)):
        page.words(left, y, right - left, page.count(22, 34), page.chance(0.8))
        y += 34
    if page.chance(0.5):
        page.words(left, y, 160, 8, True)
        y += 14
    gap = page.uniform(6, 10)
    width = (right - left - gap * (columns - 1)) / columns
    spanned = page.count(1, 2) if page.chance(0.55) else 0
    first = page.count(0, columns - max(spanned, 1))
    tall = page.uniform(80, 140)
    if spanned:
        x = left + first * (width + gap)
        page.picture(x, y, x + spanned * width + (spanned - 1) * gap, y + tall - 12)
        page.words(x, y + tall - 10, width * spanned, size)
    for column in range(columns):
        below = first <= column < first + spanned
        x, at = left + column * (width + gap), y + tall * below
        page.paragraph(x, at, width, int((foot * page.uniform(0.85, 1) - at) / step), size, step, indent=6)
        if column and page.chance(0.3):
            page.rule(x - gap / 2, y, x - gap / 2, foot)
    if page.chance(0.6):  # the edge of the cutting
        page.ink = page.count(60, 200)
        points = [(left - 9, top - 9), (right + 9, top - 6), (right + 11, foot + 8), (left - 7, foot + 10)]
        page.pen.line([*points, points[0]], page.ink, page.count(1, 2))
    return page
