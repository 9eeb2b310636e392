"""Pages that are filled in, measured or added up: boxes, rules and columns."""

import itertools

import numpy as np

from farfield.datasets.procedural.documents.sheet import Sheet


def _entry(page: Sheet, x: float, y: float, width: float, by_hand: bool) -> None:
    """What somebody wrote or typed into a field."""
    if by_hand:
        page.handwriting(x, y + 9, width, page.uniform(3, 5))
    else:
        page.words(x, y, width, 8)


def _heading(page: Sheet, y: float, low: int = 9, high: int = 15) -> float:
    """One or two centred lines in large type; returns the height below them."""
    for size in (page.count(low, high), 8)[: page.count(1, 2)]:
        page.words(page.width / 2, y, page.uniform(90, 230), size, size > 8, 0.5, page.chance(0.5))
        y += 1.4 * size
    return y + 6


def form(rng: np.random.Generator) -> Sheet:
    """A page of ruled boxes, each with a small caption in its corner, some of them filled in or ticked."""
    page = Sheet(rng, faces=("grotesque", "roman", "slab"))
    left, right = page.uniform(16, 40), 408 - page.uniform(16, 40)
    y = _heading(page, page.uniform(14, 40))
    filled, by_hand, foot = page.uniform(0.2, 0.9), page.chance(0.5), page.uniform(380, 512)
    weight = page.count(1, 2)
    while y < foot:
        tall = page.uniform(18, 30)
        if page.chance(0.12):  # a band that names a section
            page.box(left, y, right, y + 12, 1, page.count(120, 200))
            y += 12
        if page.chance(0.1):
            tall = page.uniform(50, 100)
        cuts = np.sort(rng.uniform(left + 40, right - 40, page.count(0, 3)))
        edges = [left, *(float(cut) for cut in cuts), right]
        for begin, end in itertools.pairwise(edges):
            if end - begin < 24:
                continue
            page.box(begin, y, end, y + tall, weight)
            page.words(begin + 3, y + 1, 0.6 * (end - begin), 6)
            if page.chance(0.15):
                for place in np.arange(begin + 8, end - 30, 45):
                    page.box(place, y + tall - 9, place + 6, y + tall - 3)
                    page.words(place + 9, y + tall - 10, 22, 6)
            elif page.chance(filled):
                _entry(page, begin + 8, y + tall - 13, (end - begin) * page.uniform(0.3, 0.8), by_hand)
        y += tall
    return page


def questionnaire(rng: np.random.Generator) -> Sheet:
    """Numbered questions, each with its list or row of answers to tick."""
    page = Sheet(rng, faces=("grotesque", "typewriter", "roman"))
    left, right = page.uniform(28, 48), page.uniform(360, 385)
    y = page.uniform(20, 36)
    if page.chance(0.6):
        y = _heading(page, y, 9, 12)
    number = page.count(1, 40)
    mark = page.one_of("ring", "box", "line", "code")
    if page.chance(0.5):
        y = page.paragraph(left, y, right - left, 2) + page.step
    while y < 485:
        page.say(f"{number}.", left, y, bold=page.chance(0.3))
        number += 1
        y = page.paragraph(left + 22, y, right - left - 22, page.count(1, 2)) + 0.4 * page.step
        if page.chance(0.25):  # a scale
            places = np.linspace(left + 60, right - 20, page.count(4, 7))
            for _ in range(page.count(1, 4)):
                page.words(left + 22, y, 60) if len(places) < 6 else None
                for place in places[1:]:
                    _tick(page, float(place), y, mark)
                y += 1.3 * page.step
        else:
            at = page.uniform(left + 150, right - 30) if page.chance(0.5) else left + 34
            for _ in range(page.count(2, 6)):
                _tick(page, at, y, mark)
                if at > left + 100:
                    end = page.words(left + 34, y, page.uniform(30, 100))
                    dots = np.arange(end + 4, at - 10, 6)
                    page.pen.point([(float(x), y + page.type) for x in dots], page.ink)
                else:
                    page.words(at + 14, y, page.uniform(30, 140))
                y += page.step
        y += page.uniform(0.8, 1.6) * page.step
    return page


def _tick(page: Sheet, x: float, y: float, mark: str) -> None:
    """A place for an answer, sometimes used."""
    middle = y + 0.6 * page.type
    if mark == "ring":
        page.disc(x, middle, 3)
    elif mark == "box":
        page.box(x - 3, middle - 3, x + 3, middle + 3)
    elif mark == "line":
        page.rule(x - 8, y + page.type, x + 8)
    else:
        page.say(str(page.count(1, 9)), x, y, align=0.5)
    if page.chance(0.15):
        page.pen.line((x - 4, middle, x, middle + 5, x + 7, middle - 8), page.ink, 2)


def specification(rng: np.random.Generator) -> Sheet:
    """A title block, then properties line by line with their values and tolerances."""
    page = Sheet(rng, faces=("typewriter", "typewriter", "grotesque"))
    left, right = page.uniform(26, 46), 408 - page.uniform(26, 46)
    top = page.uniform(18, 36)
    tall, middle = page.uniform(36, 64), page.uniform(180, 260)
    page.box(left, top, right, top + tall, page.count(1, 2))
    page.rule(middle, top, middle, top + tall)
    page.words(left + 8, top + 6, middle - left - 16, page.count(9, 13), True, capitals=True)
    for line in range(3):
        height = top + line * tall / 3
        page.rule(middle, height, right)
        page.words(middle + 4, height + 2, 50, 7)
        page.words(middle + 64, height + 2, right - middle - 70, 7)
    y = top + tall + page.uniform(10, 22)
    columns = [left + 4, *sorted(rng.uniform(left + 130, right - 40, page.count(1, 3)))]
    ruled, dotted, numbered = page.chance(0.35), page.chance(0.4), page.chance(0.6)
    foot, section = page.uniform(350, 500), 1
    while y < foot:
        page.words(left + 4, y, page.uniform(60, 130), page.type + 1, True, capitals=page.chance(0.5))
        y += 1.5 * page.step
        for line in range(page.count(3, 9)):
            if numbered:
                page.say(f"{section}.{line + 1}", left + 4, y)
            end = page.words(left + (28 if numbered else 10), y, page.uniform(40, 110))
            if dotted:
                page.pen.point(
                    [(float(x), y + page.type) for x in np.arange(end + 3, columns[1] - 30, 5)], 255
                )
            for column in columns[1:]:
                if page.chance(0.85):
                    page.number(column + 20, y, 500)
                    page.say(page.one_of("mm", "%", "g", "mg", "in.", "+/- 2"), column + 23, y)
            y += page.step * (1.25 if ruled else 1.05)
            if ruled:
                page.rule(left, y - 2, right)
        section += 1
        y += page.step
    for line in range(2):
        page.rule(left + line * 160, 508, left + line * 160 + 110)
        page.words(left + line * 160, 510, 80, 6)
    return page


def budget(rng: np.random.Generator) -> Sheet:
    """A sheet full of figures in columns, with sums below rules; often sideways."""
    page = Sheet(rng, wide=rng.random() < 0.5, faces=("typewriter", "typewriter", "grotesque"))
    size = page.count(6, 8)
    left, right = page.uniform(14, 36), page.width - page.uniform(14, 36)
    y = _heading(page, page.uniform(12, 34), 9, 12)
    names = page.uniform(80, 120)
    edges = np.linspace(left + names, right, page.count(3, 8) + 1)[1:]
    boxed, step = page.chance(0.35), size * page.uniform(1.15, 1.6)
    top = y
    for edge in edges:
        page.words(float(edge), y, min(40, edges[1] - edges[0] - 6), size, True, 1)
    y += step + 2
    page.rule(left, y, right)
    y += 3
    foot, until_sum, sparse = (
        page.uniform(0.75, 0.97) * page.height - 12,
        page.count(3, 8),
        page.uniform(0, 0.3),
    )
    while y < foot:
        summed = until_sum == 0
        page.words(left + (0 if summed else 6), y, names * page.uniform(0.3, 0.9), size, summed)
        for edge in edges:
            if summed or not page.chance(sparse):
                page.number(float(edge) - 2, y, 9_999_999 if len(edges) < 6 else 99999, size, summed)
        y += step
        if until_sum == 1 or summed:
            for edge in edges:
                page.rule(float(edge) - 32, y - 1, float(edge))
        if boxed:
            page.rule(left, y - 1, right)
        until_sum = page.count(3, 9) if summed else until_sum - 1
        y += step * (0.7 if summed else 0)
    if boxed:
        for edge in (left, left + names, *(float(edge) for edge in edges)):
            page.rule(edge + 1, top, edge + 1, y)
    return page


def invoice(rng: np.random.Generator) -> Sheet:
    """A company's head, a box of numbers, who is billed, a ruled list with few items, and the sum."""
    page = Sheet(rng, faces=("typewriter", "grotesque", "roman"))
    left, right = page.uniform(18, 34), 408 - page.uniform(18, 34)
    y, head = page.uniform(16, 34), page.count(12, 22)
    page.words(left, y, page.uniform(110, 200), head, True, capitals=page.chance(0.5))
    for line in range(page.count(2, 3)):
        page.words(left, y + 1.4 * head + line * 9, page.uniform(60, 120), 7)
    page.say(page.one_of("INVOICE", "Invoice", "STATEMENT"), right, y, page.count(13, 22), True, 1)
    for line in range(page.count(2, 4)):
        at = y + 28 + line * 13
        page.box(right - 110, at, right, at + 13)
        page.words(right - 106, at + 2, 44, 6)
        page.number(right - 4, at + 2, size=8)
    y += page.uniform(74, 100)
    for x in (left, left + 180)[: page.count(1, 2)]:
        page.words(x, y, 40, 7, True)
        for line in range(page.count(3, 4)):
            page.words(x + 6, y + 12 + line * 10, page.uniform(60, 130))
    y += page.uniform(60, 80)
    foot = page.uniform(400, 450)
    page.box(left, y, right, foot)
    page.box(left, y, right, y + 13, 1, page.count(0, 120) if page.chance(0.5) else None)
    columns = [left, left + page.uniform(34, 50), right - 120, right - 60, right]
    for begin, end in itertools.pairwise(columns):
        page.words(begin + 4, y + 2, end - begin - 10, 7, True)
        page.rule(end, y, end, foot)
    y += 18
    for _ in range(page.count(1, 9)):
        page.number(columns[1] - 4, y, 900)
        page.words(columns[1] + 5, y, page.uniform(60, columns[2] - columns[1] - 20))
        page.number(columns[3] - 4, y, 9999)
        page.number(columns[4] - 4, y)
        y += page.step * page.uniform(1, 2)
        if y > foot - 14:
            break
    for line in range(page.count(1, 3)):
        page.words(columns[2] + 2, foot + 3 + 14 * line, 50, 8, True)
        page.box(columns[3], foot + 14 * line, right, foot + 14 * (line + 1), 2 if line == 2 else 1)
        page.number(right - 4, foot + 3 + 14 * line, 99999, 8, True)
    if page.chance(0.5):
        page.handwriting(left + 20, foot + 30, 90, 6)
    page.words(left, foot + 50, page.uniform(120, 300), 7)
    return page
