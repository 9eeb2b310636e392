"""Pages that one person writes to another: mostly running text under a head that tells them apart."""

import numpy as np

from farfield.datasets.procedural.documents.sheet import Sheet

OFFICE = ("typewriter", "typewriter", "roman", "slab", "grotesque")


def _paragraphs(page: Sheet, x: float, y: float, width: float, most: int, foot: float = 480) -> float:
    """Paragraphs with a blank line between them, as many as `most` or as fit above `foot`."""
    indent = page.uniform(20, 34) if page.chance(0.4) else 0.0
    for _ in range(most):
        lines = min(page.count(2, 8), int((foot - y) / page.step))
        if lines < 1:
            break
        y = page.paragraph(x, y, width, lines, indent=indent) + page.step
    return y


def _signature(page: Sheet, x: float, y: float) -> None:
    page.handwriting(x, y + 16, page.uniform(50, 90), page.uniform(5, 8), page.count(1, 2))
    page.words(x, y + 26, page.uniform(50, 110))


def letter(rng: np.random.Generator) -> Sheet:
    """A letterhead, the date, the address of the reader, paragraphs and a signature."""
    page = Sheet(rng, faces=OFFICE)
    left, width = page.uniform(38, 62), page.uniform(270, 310)
    y = page.uniform(20, 40)
    if page.chance(0.85):
        head, place = page.count(11, 20), rng.choice((0.0, 0.5, 0.5, 1.0))
        x = left + place * width
        if page.chance(0.4):
            page.disc(page.uniform(20, 40) + left * place, y + 10, page.uniform(9, 15), page.count(0, 255))
        page.words(x, y, page.uniform(110, 240), head, page.chance(0.6), place, page.chance(0.5))
        y += 1.3 * head
        for _ in range(page.count(0, 3)):
            page.words(x, y, page.uniform(70, 160), 7, align=place)
            y += 8
        if page.chance(0.3):
            page.rule(left, y + 4, left + width)
    y += page.uniform(14, 34)
    aside = left + rng.choice((0.0, 0.55, 0.62)) * width
    page.words(aside, y, 80)
    y += page.uniform(1.5, 3) * page.step
    for _ in range(page.count(3, 5)):
        page.words(left, y, page.uniform(70, 150))
        y += page.step
    y += page.step
    page.words(left, y, page.uniform(60, 100))
    y = _paragraphs(page, left, y + 2 * page.step, width, page.count(2, 6), 400)
    page.words(aside, y, 70)
    _signature(page, aside, y + page.step)
    for line in range(page.count(0, 3)):
        page.words(left, y + 45 + line * page.step, page.uniform(20, 80))
    return page


def memo(rng: np.random.Generator) -> Sheet:
    """A heading, then To, From, Date and Subject one below the other, a rule and paragraphs."""
    page = Sheet(rng, faces=OFFICE)
    left, width = page.uniform(36, 60), page.uniform(275, 320)
    y, place = page.uniform(26, 60), rng.choice((0.0, 0.5, 0.5))
    title = page.one_of("MEMORANDUM", "INTEROFFICE MEMORANDUM", "Memorandum", "M E M O", "INTER-OFFICE MEMO")
    if page.chance(0.4):
        page.words(left + place * width, y, page.uniform(100, 200), 10, True, place)
        y += 18
    page.say(title, left + place * width, y, page.count(10, 17), page.chance(0.8), place)
    y += page.uniform(30, 44)
    fields, gap = ["TO:", "FROM:", "DATE:", "SUBJECT:"], page.uniform(1.5, 2.4) * page.step
    fields = [fields[i] for i in rng.permutation(3)] + fields[3:]
    if page.chance(0.3):
        fields.insert(page.count(1, 3), "CC:")
    tab = page.uniform(58, 80)
    for name in fields:
        page.say(name, left, y, bold=page.chance(0.2))
        page.words(left + tab, y, page.uniform(60, 180))
        if name == "TO:" and page.chance(0.3):
            for _ in range(page.count(1, 3)):
                y += page.step
                page.words(left + tab, y, page.uniform(60, 120))
        y += gap
    if page.chance(0.75):
        page.rule(left, y, left + width, weight=page.count(1, 2))
    y = _paragraphs(page, left, y + 1.5 * page.step, width, page.count(2, 7))
    if page.chance(0.5):
        page.handwriting(left + page.uniform(120, 260), y + 8, 40, 6)
    if page.chance(0.5):
        page.words(left, min(y + 12, 500), 40)
    return page


def email(rng: np.random.Generator) -> Sheet:
    """From, To, Sent and Subject close together at the very top, a few lines of text, often an older mail."""
    page = Sheet(rng, faces=("grotesque", "grotesque", "roman", "typewriter"))
    left, y = page.uniform(24, 44), page.uniform(16, 40)
    if page.chance(0.5):
        page.words(left, y, page.uniform(60, 120), 11, True)
        y += 15
        page.rule(left, y, 408 - left, weight=page.count(1, 3))
        y += 5
    tab, bold, size = page.uniform(50, 75), page.chance(0.6), page.type
    for depth in range(page.count(1, 3)):
        names = ["From:", "Sent:", "To:", "Cc:", "Subject:", "Attachments:"]
        for name in names[: 3 + page.count(1, 3)]:
            page.say(name, left, y, size, bold)
            page.words(left + tab, y, page.uniform(60, 220), size)
            y += page.step
        y += page.step
        if depth == 0 and page.chance(0.3):
            page.rule(left, y - 5, 408 - left)
        for _ in range(page.count(1, 3)):
            y = page.paragraph(left, y, page.uniform(270, 330), page.count(1, 4)) + page.step
        for _ in range(page.count(0, 3)):
            page.words(left, y, page.uniform(30, 110))
            y += page.step
        if y > 400:
            break
        y += page.step
        page.say(page.one_of("-----Original Message-----", "> ---- Forwarded ----"), left, y, size)
        y += page.step
    return page


def handwritten(rng: np.random.Generator) -> Sheet:
    """Lines of cursive writing that drift, on blank or ruled paper."""
    page = Sheet(rng)
    size = page.uniform(5, 9)
    weight = page.count(1, 2) if size > 6.5 else 1
    step, left = size * page.uniform(2.6, 3.6), page.uniform(16, 60)
    y = page.uniform(26, 70)
    if page.chance(0.35):  # ruled paper
        page.ink = page.count(50, 110)
        for line in np.arange(y, 515, step):
            page.rule(0, line + 2, 408)
        if page.chance(0.6):
            page.rule(left - 6, 0, left - 6, 528)
    page.ink = page.count(190, 255)
    foot = page.uniform(280, 510)
    while y < foot:
        kind = page.rng.random()
        start = left + (page.uniform(10, 60) if kind < 0.3 else page.uniform(-4, 6))
        reach = page.uniform(40, 200) if kind > 0.75 else page.uniform(250, 380 - start)
        page.handwriting(start, y + page.uniform(-3, 3), reach, size * page.uniform(0.85, 1.15), weight)
        y += step * (page.uniform(1, 1.3) if page.chance(0.85) else 2)
    if page.chance(0.3):  # something underlined or ringed
        x, y = page.uniform(60, 250), page.uniform(80, 400)
        page.pen.ellipse((x, y, x + page.uniform(60, 120), y + 30), None, page.ink, weight)
    return page


def resume(rng: np.random.Generator) -> Sheet:
    """A name at the top, then headed sections with dates on one side and indented entries."""
    page = Sheet(rng, faces=("typewriter", "roman", "roman", "slab"))
    page.step = page.type * page.uniform(1.1, 1.35)
    left, width = page.uniform(34, 56), page.uniform(290, 325)
    y, centred = page.uniform(24, 46), page.chance(0.65)
    x, place = (left + width / 2, 0.5) if centred else (left, 0.0)
    if page.chance(0.3):
        page.say(page.one_of("CURRICULUM VITAE", "Biographical Sketch", "RESUME"), x, y, 11, True, place)
        y += 22
    page.words(x, y, page.uniform(70, 130), page.count(11, 17), True, place, page.chance(0.5))
    y += 20
    for _ in range(page.count(1, 4)):
        page.words(x, y, page.uniform(70, 150), align=place)
        y += page.step
    tab, ruled, dates_right = page.uniform(55, 95), page.chance(0.4), page.chance(0.25)
    caps = page.chance(0.6)
    while y < 470:
        y += page.uniform(0.6, 1.4) * page.step
        page.words(left, y, page.uniform(50, 110), page.type + page.count(0, 2), True, 0, caps)
        y += 1.4 * page.step
        if ruled:
            page.rule(left, y - 1, left + width)
            y += 3
        for _ in range(page.count(2, 5)):
            if y > 490:
                break
            when = str(page.count(1948, 1995)) + page.one_of("", f"-{page.count(60, 95)}", " -")
            if dates_right:
                page.say(when, left + width, y, align=1)
                page.words(left, y, page.uniform(90, 200))
            else:
                page.say(when, left, y)
                page.words(left + tab, y, page.uniform(80, width - tab))
            y += page.step
            for _ in range(page.count(0, 2)):
                page.words(left + tab, y, page.uniform(70, width - tab))
                y += page.step
            y += page.uniform(0, 0.7) * page.step
    return page
