"""The results of two revisions as tables, and what differs between them, of every study."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from commands.diff.objects import Objects
from commands.diff.revision import Revision
from farfield.results.study import Varies

if TYPE_CHECKING:
    import pandas as pd

FEWSHOT = "pipelines/fewshot"
OF_EPISODES, OF_QUERIES = f"{FEWSHOT}/results/", f"{FEWSHOT}/transductive/"
OF_A_STUDY = re.compile(r"pipelines/([^/]+)/results/[^/]+")
ANSWERS, SAMPLES = "predictions.parquet", "scores.parquet"  # in the folder of a row
MANIFEST = "manifest.parquet"
IN_DOMAIN = "indomain"  # whose episodes hang on these parameters, and stand in no file
DRAWN_BY = ("way", "shots", "query", "episodes")
Sides = tuple[Revision, Revision]
Place = tuple[str | int, ...]


@dataclass
class Compared:
    """lines: of `two_runs.marked`. new, gone: rows as "study row". outs: by study and row the output that holds
    it. same: how many outputs are the same bytes."""

    lines: "pd.DataFrame"
    new: list[str]
    gone: list[str]
    outs: dict[tuple[str, str], str]
    same: int


@dataclass
class _Found:
    """The changed results of one study: its SCORES on both sides, and the outputs that hold its rows."""

    varies: Varies
    tables: tuple[list["pd.DataFrame"], list["pd.DataFrame"]] = field(default_factory=lambda: ([], []))
    outs: dict[str, str] = field(default_factory=dict)


def compared(objects: Objects, sides: Sides) -> Compared:
    """InputError if results are nowhere to be had."""
    import pandas as pd

    from farfield.results.two_runs import LINES, compare_runs, marked

    before, after = ({path: md5 for path, md5 in side.outs.items() if _holds_results(path)} for side in sides)
    changed = [path for path in dict.fromkeys([*before, *after]) if before.get(path) != after.get(path)]
    objects.trees(sides, changed)
    files = [
        {
            path: oid
            for path in changed
            if path in side.outs and (oid := _file(objects, path, side.outs[path]))
        }
        for side in sides
    ]
    objects.bring(
        [
            (oid, f"{path} of {side}")
            for side, own in zip(sides, files, strict=True)
            for path, oid in own.items()
        ]
    )
    studies: dict[str, _Found] = {}
    for i, own in enumerate(files):
        for path, oid in own.items():
            for study, scores, varies in _scores(path, pd.read_parquet(objects.path(oid))):
                found = studies.setdefault(study, _Found(varies))
                found.tables[i].append(scores)
                found.outs |= dict.fromkeys(map(str, scores["row"].unique()), path)
    frames = [pd.DataFrame(columns=LINES)]
    rows: tuple[list[str], list[str]] = ([], [])
    seed = int(sides[1].params.get("seeds", {}).get("compare", 0))
    for study, found in studies.items():
        tables = [pd.concat(own, ignore_index=True) if own else None for own in found.tables]
        for names, table in zip(rows, tables, strict=True):
            names += [] if table is None else [f"{study} {row}" for row in table["row"].unique()]
        first, second = tables
        if first is not None and second is not None:
            cells = {*first["cell"]} & {*second["cell"]}
            shared = {
                cell: units
                for cell in sorted(cells)
                if (units := _shared(objects, sides, study, cell)) is None or len(units)
            }
            frames.append(compare_runs(first, second, found.varies, seed, shared))
    lines = pd.concat([frame for frame in frames if len(frame)] or frames, ignore_index=True)
    outs = {(study, row): path for study, found in studies.items() for row, path in found.outs.items()}
    new, gone = ([name for name in rows[i] if name not in set(rows[1 - i])] for i in (1, 0))
    return Compared(marked(lines), new, gone, outs, sum(before[path] == after.get(path) for path in before))


def _holds_results(path: str) -> bool:
    return path.startswith((OF_EPISODES, OF_QUERIES)) or bool(OF_A_STUDY.fullmatch(path))


def _file(objects: Objects, path: str, oid: str) -> str | None:
    """The object that holds the values of an output; None for an output of another kind."""
    if not oid.endswith(".dir"):
        return oid
    files = objects.files(oid)
    return files.get(ANSWERS) or files.get(SAMPLES)


def _scores(path: str, table: "pd.DataFrame") -> Iterator[tuple[str, "pd.DataFrame", Varies]]:
    """(study, SCORES, what varies) of a file of results."""
    from farfield.results.headings import TASKS
    from farfield.results.indomain import of_columns
    from farfield.results.scores import of_answers, of_episodes, of_samples
    from farfield.results.transductive import of_queries

    if path.startswith(OF_EPISODES):
        yield "fewshot", of_episodes("fewshot", table), Varies(law="1.96")
    elif path.startswith(OF_QUERIES):
        yield "transductive", of_queries(table), Varies(law="1.96")
    elif "column" in table:
        yield IN_DOMAIN, of_columns(table), Varies(law="1.96")
    elif "prediction" in table:
        study = path.split("/")[1]
        answers = table.rename(columns={"task": "dataset"})
        yield study, of_answers(study, answers), Varies(trainings="both")
    else:
        row = path.split("/")[-1]
        for name, own in table.assign(method=row).groupby("study", sort=False):
            tasks = [task for task in TASKS if task in set(own["task"])]
            samples = of_samples(str(name), own.drop(columns="study"), [row], tasks)
            yield str(name), samples, Varies(units=False, trainings="borrow")


def _shared(objects: Objects, sides: Sides, study: str, cell: str) -> Collection[int] | None:
    """The test cases of a cell that are the same on both sides; None for all."""
    from farfield.results.scores import place

    name, *shot = place(cell)
    if not shot:
        tasks = [side.params.get(study, {}).get("tasks", {}) for side in sides]
        datasets = [str(own.get(name, {}).get("dataset", name)) for own in tasks]
        return None if datasets[0] == datasets[1] and _same_images(objects, sides, datasets[0]) else ()
    if study == IN_DOMAIN:
        drawn = [
            [side.params["seeds"].get("episodes"), *(side.params[IN_DOMAIN].get(key) for key in DRAWN_BY)]
            for side in sides
        ]
        return None if drawn[0] == drawn[1] and _same_images(objects, sides, str(name)) else ()
    episodes = f"data/episodes/{name}.npz"
    oids = [side.outs.get(episodes, "") for side in sides]
    if not all(oids) or not _same_images(objects, sides, str(name)):
        return ()
    if oids[0] == oids[1]:
        return None
    if len(shot) > 1 and shot[1] != "balanced":
        return ()  # which of an episode's queries are asked is drawn anew with its list
    objects.bring([(oid, f"{episodes} of {side}") for oid, side in zip(oids, sides, strict=True)])
    return _same_episodes(objects, oids, int(shot[0]))


def _same_episodes(objects: Objects, oids: list[str], shot: int) -> Collection[int]:
    """Those that hold the same images in the same places."""
    from farfield.episodes.sampling import load_episodes

    lists = [load_episodes(objects.path(oid)) for oid in oids]
    if not all(shot in own for own in lists):
        return ()
    rows = [own[shot].rows for own in lists]
    if rows[0].shape[1:] != rows[1].shape[1:]:
        return ()
    count = min(map(len, rows))
    same: np.ndarray = (rows[0][:count] == rows[1][:count]).all(axis=(1, 2))
    return list(np.flatnonzero(same))


def _same_images(objects: Objects, sides: Sides, dataset: str) -> bool:
    """Whether row i of a dataset is the same image on both sides, of whatever size."""
    named = re.compile(rf"data/packed/[^/]+/{re.escape(dataset)}")
    paths = [{path for path in side.outs if named.fullmatch(path)} for side in sides]
    both = sorted(paths[0] & paths[1])
    if not both:
        return False
    oids = [side.outs[both[0]] for side in sides]
    if oids[0] == oids[1]:
        return True
    objects.trees(sides, both[:1])
    manifests = [objects.files(oid).get(MANIFEST) for oid in oids]
    return manifests[0] is not None and manifests[0] == manifests[1]
