"""Few-shot episodes as arrays of rows, drawn once and shared by every method.

Protocol of BSCD-FSL: `way` classes without replacement, then `shot + query` distinct images of each
(arXiv 1912.07200). All episodes of a list are drawn at once, and episode e depends only on the seed
and on e, so the first 30 of 600 episodes are the 30 of a shorter list.
"""

import functools
import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from farfield.errors import InputError
from farfield.files import atomic_file
from farfield.seeds import stream


@dataclass(frozen=True)
class Episodes:
    """A list of E episodes of one dataset at one shot.

    rows: int32 [E, way, shot + query], rows of the packed dataset, support first.
    classes: int32 [E, way], the dataset's label of each way.
    shot: number of support images of a class.
    """

    rows: np.ndarray
    classes: np.ndarray
    shot: int

    @property
    def support(self) -> np.ndarray:
        """int32 [E, way, shot]."""
        return self.rows[:, :, : self.shot]

    @property
    def query(self) -> np.ndarray:
        """int32 [E, way * query], class-major, so query j belongs to way j // query."""
        return self.rows[:, :, self.shot :].reshape(len(self.rows), -1)

    @property
    def query_targets(self) -> np.ndarray:
        """int64 [way * query]: the way of each query, the same in every episode."""
        way, images = self.rows.shape[1:]
        return np.repeat(np.arange(way), images - self.shot)

    def first(self, count: int) -> "Episodes":
        return Episodes(self.rows[:count], self.classes[:count], self.shot)


def eligible_classes(labels: np.ndarray, images: int) -> tuple[np.ndarray, dict[int, int]]:
    """Labels with at least `images` images, and {label: its images} of those with fewer."""
    present, counts = np.unique(labels, return_counts=True)
    enough = counts >= images
    small = {int(k): int(n) for k, n in zip(present[~enough], counts[~enough], strict=True)}
    return present[enough], small


def sample_episodes(
    labels: np.ndarray,
    *,
    way: int,
    shot: int,
    query: int,
    episodes: int,
    seed: int,
    name: str,
    class_names: dict[int, str] | None = None,
    parts: tuple[np.ndarray, np.ndarray] | None = None,
) -> Episodes:
    """Draw `episodes` episodes from images whose classes are `labels` [n].

    `name` is the dataset's: it stands in messages, and gives each dataset a random stream of its own.
    parts: bool [n] twice, the images that support and those that queries are drawn from; by default both
    are drawn from all, and no image twice. Classes with too few images cannot take part. InputError if
    fewer than `way` classes remain, naming those that were too small.
    """
    key = (seed, "split episodes" if parts else "episodes", name, way, shot, query)
    if parts:
        pools = {"support": (np.flatnonzero(parts[0]), shot), "query": (np.flatnonzero(parts[1]), query)}
        needs = f"{shot} images for support and {query} for queries, each in its split"
    else:
        pools = {"rows": (np.arange(len(labels)), shot + query)}
        needs = f"{shot + query} images"
    eligible = [eligible_classes(labels[pool], images)[0] for pool, images in pools.values()]
    classes = functools.reduce(np.intersect1d, eligible)
    if len(classes) < way:
        named = class_names or {}
        small = {
            int(k): min((labels[pool] == k).sum() for pool, _ in pools.values())
            for k in np.setdiff1d(labels, classes)
        }
        listing = ", ".join(f"{named.get(k, f'class {k}')} has {count}" for k, count in small.items())
        raise InputError(
            f"{name} cannot give {way}-way {shot}-shot episodes with {query} queries: they need {way} "
            f"classes of at least {needs}, and {len(classes)} of {len(classes) + len(small)} have "
            f"them ({listing or 'no class is too small'}). Ask for fewer shots, queries or ways for it."
        )
    drawn = _draw_classes(stream(*key, "classes"), episodes, classes, way)
    rows = [
        pool[_draw_rows(stream(*key, part), labels[pool], drawn, images)]
        for part, (pool, images) in pools.items()
    ]
    return Episodes(np.concatenate(rows, axis=-1).astype(np.int32), drawn.astype(np.int32), shot)


def _draw_classes(generator: np.random.Generator, episodes: int, classes: np.ndarray, way: int) -> np.ndarray:
    """[episodes, way], without replacement in an episode."""
    keys = generator.random((episodes, len(classes)))
    return classes[np.argsort(keys, axis=1)[:, :way]]


def _draw_rows(
    generator: np.random.Generator, labels: np.ndarray, drawn: np.ndarray, images: int
) -> np.ndarray:
    """[episodes, way, images]: distinct positions in `labels` of each drawn class."""
    by_class = np.argsort(labels, kind="stable")  # positions grouped by class
    start = np.searchsorted(labels[by_class], drawn)
    size = np.searchsorted(labels[by_class], drawn, side="right") - start
    # All uniforms of an episode lie together, so that a shorter list is the beginning of a longer one.
    choice, order = generator.random((len(drawn), 2, *drawn.shape[1:], images)).swapaxes(0, 1)
    picks = distinct_integers(choice, size)
    picks = np.take_along_axis(picks, np.argsort(order, axis=-1), axis=-1)
    return by_class[start[..., None] + picks]


def distinct_integers(uniform: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Floyd's algorithm on all lanes at once: a uniform k-subset of range(below) in each.

    uniform: [..., k] in [0, 1). below: int [...], each at least k. Returns int32 [..., k]; the set is
    uniform, its order is not. k steps of a k-wide comparison, whatever the size of the range.
    """
    k = uniform.shape[-1]
    # Lanes lie last in memory, so that each step is a few long contiguous sweeps.
    lanes = np.ascontiguousarray(uniform.reshape(-1, k).T)
    size = below.reshape(-1)
    # Step i draws from the numbers up to `last` = size - k + i; a repeat becomes `last` itself.
    last = size - k + np.arange(k)[:, None]
    picks = (lanes * (last + 1)).astype(np.int32)
    last = last.astype(np.int32)
    for i in range(1, k):
        taken = (picks[:i] == picks[i]).any(axis=0)
        np.copyto(picks[i], last[i], where=taken)
    return picks.T.reshape(uniform.shape)


def save_episodes(path: Path, lists: dict[int, Episodes]) -> None:
    """Write one npz with `rows_<shot>` and `classes_<shot>` for each shot; the bytes are reproducible.

    Not by np.savez, whose zip headers differ between patch releases of Python.
    """
    with atomic_file(path) as partial, zipfile.ZipFile(partial, "w") as archive:
        for shot, episodes in sorted(lists.items()):
            for name, array in (("rows", episodes.rows), ("classes", episodes.classes)):
                data = io.BytesIO()
                np.save(data, array, allow_pickle=False)
                entry = zipfile.ZipInfo(f"{name}_{shot}.npy")  # dated 1980
                entry.create_system = 3  # Unix, whatever wrote it
                archive.writestr(entry, data.getvalue())


def load_episodes(path: Path) -> dict[int, Episodes]:
    """{shot: episodes} of a file written by `save_episodes`, by rising shot."""
    with np.load(path, allow_pickle=False) as arrays:
        shots = sorted(int(key.removeprefix("rows_")) for key in arrays.files if key.startswith("rows_"))
        return {k: Episodes(arrays[f"rows_{k}"], arrays[f"classes_{k}"], k) for k in shots}
