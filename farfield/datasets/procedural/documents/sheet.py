"""A sheet of paper to print and write on, 48 pixels an inch."""

import numpy as np
from PIL import Image, ImageDraw

from farfield.datasets.procedural.canvas import noise
from farfield.datasets.procedural.documents.lettering import FACES, lettering, specimen, type_size

SHORT, LONG = 408, 528  # 8.5 x 11 inches


class Sheet:
    """Ink on paper: `image` is "L" with 0 for bare paper and 255 for black.

    Positions are pixels from the upper left corner. A sheet has one typeface (`face`), one size of type
    (`type`, pixels) and one line spacing (`step`, pixels) throughout, all drawn from `rng`.
    """

    def __init__(self, rng: np.random.Generator, wide: bool = False, faces: tuple[str, ...] = ()) -> None:
        self.rng = rng
        self.width, self.height = (LONG, SHORT) if wide else (SHORT, LONG)
        self.image = Image.new("L", (self.width, self.height))
        self.pen = ImageDraw.Draw(self.image)
        self.face = str(rng.choice(faces or tuple(FACES)))
        self.type = int(rng.integers(7, 10))
        self.step = self.type * rng.uniform(1.15, 1.5)
        self.ink = 255

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def uniform(self, low: float, high: float) -> float:
        return float(self.rng.uniform(low, high))

    def count(self, low: int, high: int) -> int:
        """A whole number from `low` to `high`, both included."""
        return int(self.rng.integers(low, high + 1))

    def one_of(self, *choices: str) -> str:
        return choices[self.rng.integers(len(choices))]

    def stamp(self, mask: Image.Image, x: float, y: float, align: float = 0.0) -> float:
        """Ink through a mask; `align` 0 puts its left edge at x, 0.5 its middle, 1 its right edge."""
        left = round(x - align * mask.width)
        self.image.paste(self.ink, (left, round(y)), mask)
        return left + mask.width

    def say(
        self, text: str, x: float, y: float, size: float = 0, bold: bool = False, align: float = 0
    ) -> float:
        """One line that reads `text`; returns where it ends."""
        return self.stamp(lettering(text, self.face, type_size(round(size or self.type)), bold), x, y, align)

    def words(self, x: float, y: float, width: float, size: float = 0, bold: bool = False, align: float = 0.0,
              capitals: bool = False) -> float:  # fmt: skip
        """One line of any words, at most about `width` wide; returns where it ends."""
        type_ = specimen(self.face, type_size(round(size or self.type)), bold, capitals)
        return self.stamp(type_.cut(self.rng, width), x, y, align)

    def paragraph(self, x: float, y: float, width: float, lines: int, size: float = 0, step: float = 0,
                  indent: float = 0.0, hang: float = 0.0) -> float:  # fmt: skip
        """`lines` lines, the last one short; returns the height at which the next line would begin."""
        for line in range(lines):
            start = x + (indent if line == 0 else hang)
            reach = x + width - start
            self.words(start, y, reach * self.uniform(0.2, 0.9) if line == lines - 1 else reach, size)
            y += step or self.step
        return y

    def number(self, x: float, y: float, most: int = 99999, size: float = 0, bold: bool = False,
               align: float = 1.0) -> None:  # fmt: skip
        """A number up to `most` with its right edge at x; of two hundred, so that each is set only once."""
        value = int(most ** (self.rng.integers(1, 201) / 200))
        text = f"{value:,}" if value % 3 else f"{value / 100:,.2f}"
        self.say(text, x, y, size, bold, align)

    def rule(self, x: float, y: float, right: float, bottom: float | None = None, weight: int = 1) -> None:
        """A line to the right, or to any point if `bottom` is given."""
        ends = (x, y, right, y if bottom is None else bottom)
        self.pen.line(ends, fill=self.ink, width=weight)

    def box(
        self, x: float, y: float, right: float, bottom: float, weight: int = 1, fill: int | None = None
    ) -> None:
        self.pen.rectangle((x, y, max(x, right), max(y, bottom)), fill, self.ink if weight else None, weight)

    def disc(self, x: float, y: float, radius: float, fill: int | None = None) -> None:
        self.pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill, self.ink)

    def handwriting(self, x: float, y: float, width: float, size: float, weight: int = 1) -> None:
        """Joined-up words between x and x + width; `size` is the height of small letters, y their foot."""
        slant, end = self.uniform(0, 0.5), x + width
        while x < end - size:
            strokes = self.count(2, 7) * 2
            tops = self.rng.choice((1.0, 0.9, 0.7, 2.0), strokes) * size
            feet = self.rng.choice((0.0, 0.1, 0.3, -0.7), strokes, p=(0.5, 0.2, 0.2, 0.1)) * size
            knots = np.stack([feet, tops], axis=1).ravel()
            part = np.arange(0, len(knots) - 1, 0.25)
            below = part.astype(int)
            ease = 0.5 - 0.5 * np.cos(np.pi * (part - below))
            rise = knots[below] * (1 - ease) + knots[below + 1] * ease
            pace = size * self.uniform(0.22, 0.38)
            across = x + pace * part + 0.3 * size * np.sin(np.pi * part) + slant * rise
            inside = across < end
            track = np.stack([across, y - rise], axis=1)[inside]
            self.pen.line(track.ravel().tolist(), self.ink, weight, "curve")
            x += pace * len(knots) + size * self.uniform(0.6, 1.3)

    def picture(self, x: float, y: float, right: float, bottom: float) -> None:
        """A photograph: a dark or light ground with a few round things in front of it."""
        wide, tall = max(8, round(right - x)), max(8, round(bottom - y))
        across, down = np.meshgrid(
            np.linspace(-1, 1, wide, dtype=np.float32), np.linspace(-1, 1, tall, dtype=np.float32)
        )
        tone = self.uniform(0.25, 0.75) + 0.12 * noise("fractal", across, down, self.rng, 2)
        tone = tone + self.uniform(-0.3, 0.3) * down
        for _ in range(self.count(1, 4)):
            middle, radii = self.rng.uniform(-0.7, 0.7, 2), self.rng.uniform(0.2, 0.7, 2)
            inside = np.hypot((across - middle[0]) / radii[0], (down - middle[1]) / radii[1]) < 1
            tone = np.where(inside, self.uniform(0, 1) + 0.15 * (across - down), tone)
        pixels = (np.clip(tone, 0.05, 1) * 255).astype(np.uint8)
        self.image.paste(Image.fromarray(pixels), (round(x), round(y)))

    def chart(self, x: float, y: float, right: float, bottom: float, weight: int = 1) -> None:
        """Bars, lines or a pie."""
        kind = self.one_of("bars", "lines", "lines", "pie")
        if kind == "pie":
            radius = min(right - x, bottom - y) / 2
            box = ((x + right) / 2 - radius, y, (x + right) / 2 + radius, y + 2 * radius)
            cuts = np.sort(self.rng.uniform(0, 360, self.count(3, 5)))
            for begin, end in zip(cuts, [*cuts[1:], cuts[0] + 360], strict=True):
                self.pen.pieslice(box, begin, end, self.count(0, 220), self.ink)
            return
        self.rule(x, y, x, bottom, weight)
        self.rule(x, bottom, right, weight=weight)
        places = np.linspace(x + 4, right - 4, self.count(4, 9))
        for _ in range(1 if kind == "bars" else self.count(1, 3)):
            heights = bottom - (bottom - y) * self.rng.uniform(0.1, 0.95, len(places))
            if kind == "bars":
                shade = self.count(60, 255)
                for place, height in zip(places, heights, strict=True):
                    self.box(place, height, place + (right - x) * 0.5 / len(places), bottom, 1, shade)
            else:
                heights = np.sort(heights)[:: self.rng.choice((1, -1))]
                self.pen.line(
                    [(float(h), float(v)) for h, v in zip(places, heights, strict=True)], self.ink, weight
                )
