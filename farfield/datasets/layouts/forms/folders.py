"""Class folders: `<class>/<image>`, with folders around the classes, between them and the images, or both.

What is taken for what, from the outside in:
1. a folder that holds everything is no class, and is passed through;
2. where all folders of a level are called train, val, test and the like, they are splits;
3. the first level of several folders that are no splits are the classes;
4. between a class and its images may lie split folders, a folder called images and the like, or one folder
   that is alone in each class.
"""

from collections import defaultdict
from collections.abc import Iterable

from farfield.datasets.layouts.forms.found import Labelled, alike, split_of_folder
from farfield.datasets.layouts.forms.holdings import File, Holdings
from farfield.datasets.layouts.index import Index, Record
from farfield.errors import InputError

# Folders of images as such, whatever the images show.
WRAPPERS = frozenset({"image", "images", "img", "imgs", "jpegimages", "jpeg", "jpg", "png", "tif"})
ABOUT_IMAGES = frozenset({"json", "csv", "tsv", "txt", "xml", "md", "yaml", "yml", "mat", "pdf", "html"})

Way = tuple[str, ...]  # folders that are yet to be made sense of


def class_folders_in(holdings: Holdings) -> Labelled:
    """Rows by class and path; the label of a class is its place among the sorted names.

    InputError if there are fewer than two classes, or folders below the classes that may mean anything.
    """
    ways: dict[File, Way] = {file: file.parts[:-1] for file in holdings.images}
    splits: dict[File, str] = {}
    passed: list[Way] = [()]  # the folders above the classes
    while True:
        first = {way[0] for way in ways.values() if way}
        if len(first) == 1 and any(len(way) > 1 for way in ways.values()):
            passed = [(*above, *first) for above in passed]
        elif first and not splits and all(map(split_of_folder, first)):
            splits = {file: split_of_folder(way[0]) for file, way in ways.items() if way}
            passed = [(*above, name) for above in passed for name in sorted(first)]
        else:
            break
        ways = {file: way[1:] for file, way in ways.items()}
    if splits:
        ways, passed = _without_wrappers(ways, passed)
    beside = {folder[-1] for folder in holdings.folders if folder[:-1] in passed} - _of_labels(
        holdings, passed
    )
    names = sorted({way[0] for way in ways.values() if way} | beside)
    _require_classes(holdings, names)
    below, later = _below_classes(holdings, {file: way for file, way in ways.items() if way}, bool(splits))
    splits |= later
    labels = {name: label for label, name in enumerate(names)}
    records = [
        Record(file.archive, file.member, file.path, labels[ways[file][0]], splits.get(file, "all"))
        for file in sorted(below, key=lambda file: (ways[file][0], file.path))
    ]
    left_out = holdings.others({file.path for file in below}, "in no class folder")
    return Labelled(
        "class folders", holdings.root, Index(tuple(records), tuple(names)), left_out, alike(names)
    )


def _of_labels(holdings: Holdings, passed: list[Way]) -> set[str]:
    """Folders beside the classes that hold files about images and nothing else."""
    held: defaultdict[Way, set[str]] = defaultdict(set)
    for file in holdings.files:
        for depth in {len(above) + 1 for above in passed}:
            if len(file.parts) > depth:
                held[file.parts[:depth]].add(file.parts[-1].rpartition(".")[2].lower())
    return {folder[-1] for folder, endings in held.items() if endings <= ABOUT_IMAGES}


def _without_wrappers(ways: dict[File, Way], passed: list[Way]) -> tuple[dict[File, Way], list[Way]]:
    """Below each split, a folder of images that holds all of it is no class."""
    by_split: defaultdict[Way, list[File]] = defaultdict(list)
    for file, way in ways.items():
        by_split[file.parts[: len(file.parts) - 1 - len(way)]].append(file)
    for above, files in by_split.items():
        first = {ways[file][0] for file in files if ways[file]}
        if len(first) == 1 and min(first).lower() in WRAPPERS:
            ways |= {file: ways[file][1:] for file in files}
            passed = [(*above, *first) if way == above else way for way in passed]
    return ways, passed


def _require_classes(holdings: Holdings, names: list[str]) -> None:
    if len(names) < 2:
        raise InputError(
            f"{holdings.given} holds {len(names) or 'no'} class folder{'' if not names else f' ({names[0]})'}; a "
            f"classifier needs at least two: {holdings.given}/<class>/<image>. Labels may also be in a CSV file "
            f"beside the images, with the columns path and label."
        )


def _below_classes(
    holdings: Holdings, ways: dict[File, Way], split: bool
) -> tuple[Iterable[File], dict[File, str]]:
    """The images once nothing between them and their classes is left open, and the splits found there."""
    rest = {file: way[1:] for file, way in ways.items()}
    found: dict[File, str] = {}
    while deeper := {file: way for file, way in rest.items() if way}:
        names = {way[0] for way in deeper.values()}
        in_class: defaultdict[str, set[str]] = defaultdict(set)
        for file, way in deeper.items():
            in_class[ways[file][0]].add(way[0])
        uniform = len(deeper) == len(rest)
        if uniform and not split and not found and all(map(split_of_folder, names)):
            found = {file: split_of_folder(way[0]) for file, way in deeper.items()}
        elif not (
            {name.lower() for name in names} <= WRAPPERS
            or (uniform and all(len(inside) == 1 for inside in in_class.values()))
        ):
            raise InputError(_open_question(holdings, min(deeper, key=lambda file: file.path), ways))
        rest |= {file: way[1:] for file, way in deeper.items()}
    return rest, found


def _open_question(holdings: Holdings, file: File, ways: dict[File, Way]) -> str:
    first, second, *_ = ways[file]
    return (
        f"{holdings.given / file.path} lies deeper than <class>/<image>, and it is open whether {first!r} or "
        f"{second!r} is its class. Keep no folders inside the class folders, or say it in a CSV file beside "
        f"them with the columns path,label and, where the other folder is a patient, a slide or a site, group."
    )
