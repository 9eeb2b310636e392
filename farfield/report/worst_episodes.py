"""The episodes that a row named worst, as pictures: what was shown, and what was taken for what."""

import io
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from farfield.episodes.sampling import Episodes
from farfield.report.figure_style import PALETTE
from farfield.report.row_pages import WorstEpisode, row_slug
from farfield.report.site import Picture, anchor
from farfield.results.inputs import Dataset, labelled

WRONG = 5  # queries of a class in a picture
SIDE, FRAME, GAP = 56, 3, 4  # pixels
GROUND = "#8a8f98"  # behind support images

Pictures = Callable[[np.ndarray], np.ndarray]  # rows of a packed dataset [n] to uint8 [n, h, w, 3]


def worst_episode(
    key: str,
    title: str,
    results: pd.DataFrame,
    episodes: Episodes,
    name: str,
    dataset: Dataset,
    class_names: Sequence[str],
    pictures: Pictures,
) -> WorstEpisode:
    """results: of the row `key` on the dataset `name` at the shot of `episodes`, columns episode, accuracy and
    predictions [way * query]. class_names: by label. Of equally bad episodes the first."""
    line = results.sort_values(["accuracy", "episode"], kind="stable").iloc[0]
    at = int(line["episode"])
    way, query = episodes.classes.shape[1], episodes.query.shape[1] // episodes.classes.shape[1]
    said = np.asarray(line["predictions"]).reshape(way, query)
    asked = episodes.query[at].reshape(way, query)
    right = (said == np.arange(way)[:, None]).sum(1)
    lines = []
    for i in range(way):
        wrong = np.flatnonzero(said[i] != i)[:WRONG]
        lines.append(
            ([int(episodes.support[at, i, 0]), *map(int, asked[i, wrong])], [-1, *map(int, said[i, wrong])])
        )
    card = labelled(dataset)
    picture = Picture(
        f"figures/{row_slug(key)}-{anchor(name)}.webp",
        f"Support images and misnamed queries of the episode of {card} that {title} named worst.",
        "",
        _sheet(lines, pictures),
        wide=False,
    )
    classes = [
        (str(class_names[label]), int(n)) for label, n in zip(episodes.classes[at], right, strict=True)
    ]
    return WorstEpisode(name, episodes.shot, at, float(line["accuracy"]), query, classes, picture)


def _sheet(lines: Sequence[tuple[list[int], list[int]]], pictures: Pictures) -> bytes:
    """As WebP a line a class: its colour, a support image, and queries in the colours of what they were taken
    for."""
    from PIL import Image

    step = SIDE + 2 * FRAME + GAP
    sheet = Image.new("RGB", ((WRONG + 1) * step + 12, len(lines) * step - GAP), "white")
    for i, (rows, taken) in enumerate(lines):
        top = i * step
        sheet.paste(PALETTE[i % len(PALETTE)], (0, top, 8, top + step - GAP))
        for j, (image, way) in enumerate(zip(pictures(np.array(rows)), taken, strict=True)):
            left = 12 + j * step
            frame = PALETTE[way % len(PALETTE)] if way >= 0 else GROUND
            sheet.paste(frame, (left, top, left + SIDE + 2 * FRAME, top + SIDE + 2 * FRAME))
            resample = Image.Resampling.BOX if image.shape[0] > SIDE else Image.Resampling.NEAREST
            sheet.paste(Image.fromarray(image).resize((SIDE, SIDE), resample), (left + FRAME, top + FRAME))
    buffer = io.BytesIO()
    sheet.save(buffer, format="WEBP", quality=80, method=4)
    return buffer.getvalue()
