"""Labels in lists: none missing, none twice, none against another."""

from collections import defaultdict
from collections.abc import Iterable

from farfield.errors import InputError, first_few

# What programs write where there is no value; pandas takes the same for missing. "none" in small letters is not
# among them: it is what a healthy leaf or lung has.
MISSING = frozenset(
    {
        "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A",
        "NA", "NULL", "NaN", "None", "n/a", "nan", "null",
    }
)  # fmt: skip


def require_labels(where: str, rows: Iterable[tuple[int, str, str]]) -> None:
    """InputError that lists the rows, (line, image, label), without an image or a label, and the images that are
    listed more than once."""
    lines: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
    nameless, unlabelled = [], []
    for line, image, label in rows:
        if image in MISSING:
            nameless.append(f"line {line}")
        elif label in MISSING:
            unlabelled.append(f"line {line}, {image}, has {label!r}")
        lines[image].append((line, label))
    several = {image: found for image, found in lines.items() if len(found) > 1 and image not in MISSING}
    against = [
        f"{image} is listed more than once, as "
        + " and ".join(f"{label} (line {line})" for line, label in found)
        for image, found in several.items()
        if len({label for _, label in found}) > 1
    ]
    double = [
        f"{image} is listed more than once, each time as {found[0][1]} (lines "
        f"{', '.join(str(line) for line, _ in found)})"
        for image, found in several.items()
        if len({label for _, label in found}) == 1
    ]
    wrong = [
        (nameless, "rows without an image"),
        (unlabelled, "images without a label"),
        (against, "images with several labels"),
        (double, "images listed twice"),
    ]
    if said := [f"{len(rows)} {what}: {first_few(rows, '; ')}" for rows, what in wrong if rows]:
        raise InputError(
            f"{where} has {'. It has '.join(said)}. Each image needs one row with one label; mend the list or "
            f"take these rows out."
        )
