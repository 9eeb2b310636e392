"""WikiArt by artist: the classes of the SpotTune table, out of the lists of the refined WikiArt.

The lists by style name every painting as `<Style>/<artist>_<title>.jpg`. Keeping the artists with at least
100 rows of both lists gives the 195 classes and 52,757 images of Piggyback (Mallya et al., ECCV 2018), and
floor(0.8 n) of each for training its 42,129; which images these were is not published.
"""

import csv
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from farfield.datasets.layouts.contents import contents_of, images_by_name, label_texts, require_found
from farfield.datasets.layouts.holdout import hold_out
from farfield.datasets.layouts.index import Index, Record, build_index
from farfield.datasets.layouts.options import require_choice, take_options
from farfield.errors import InputError

LISTS = ("style_train.csv", "style_val.csv")  # `path,style`, without a header


def wikiart(raw: Path, options: dict[str, Any]) -> Index:
    """Rows by artist, then as the two lists have them; labels follow the alphabet of the artists.

    Options: `fewest`, rows that an artist must have, by default 100. `holdout`, see `hold_out`, by default a
    fifth. `dedupe`: some paintings are listed under two styles; "group" keeps such copies on one side of
    the split, "none" (the default) counts them as images of their own, as the published numbers do.
    """
    taken = take_options("wikiart", options, fewest=100, holdout={"share": 0.2}, dedupe="none")
    dedupe = require_choice("wikiart", "dedupe", taken["dedupe"], ("none", "group"))
    contents = contents_of(raw)
    images = images_by_name(raw, contents)
    texts = label_texts(raw, contents, LISTS)
    listed = [(_artist(path), path) for name in LISTS for path in _paths(name, texts[name])]
    rows = Counter(artist for artist, _ in listed)
    class_names = sorted(artist for artist, count in rows.items() if count >= taken["fewest"])
    if not class_names:
        most = max(rows.values(), default=0)
        raise InputError(f"{raw}: no artist has {taken['fewest']} rows in the lists; the most are {most}.")
    labels = {artist: label for label, artist in enumerate(class_names)}
    kept = sorted(((labels[a], path) for a, path in listed if a in labels), key=lambda row: row[0])
    require_found(" or ".join(LISTS), [path for _, path in kept], images, raw)
    records = [Record(*images[path], images[path][1], label, "all") for label, path in kept]
    together = _painting if dedupe == "group" else None
    return build_index(raw, hold_out(records, class_names, taken["holdout"], together), class_names)


def _paths(name: str, text: str) -> Iterator[str]:
    for line, row in enumerate(csv.reader(text.splitlines()), 1):
        if row and (len(row) != 2 or row[0].count("/") != 1 or "_" not in row[0].split("/")[1]):
            raise InputError(
                f"{name}, line {line}: found {','.join(row)!r}; expected <Style>/<artist>_<title>.jpg,<style>."
            )
        if row:
            yield row[0].strip()


def _artist(path: str) -> str:
    return PurePosixPath(path).name.split("_")[0]


def _painting(record: Record) -> str:
    return PurePosixPath(record.path).name
