"""Episodes of a user's own images, for `commands.evaluate`."""

from farfield.episodes.sampling import Episodes, sample_episodes
from farfield.errors import InputError, first_few
from farfield.own.images import OwnImages


def draw(own: OwnImages, way: int, shot: int, query: int, episodes: int, seed: int) -> Episodes:
    """Episodes of up to `way` classes with up to `query` queries a class, all classes taking part.

    InputError if a class has not one image more than `shot`, naming every such class.
    """
    small = {name: count for name, count in own.counts.items() if count < shot + 1}
    if small:
        listing = first_few([f"{name} has {count}" for name, count in small.items()])
        lost = {path for path in own.left_out if path.split("/")[0] in small}
        more = f" Left out there: {first_few(sorted(lost))}." if lost else ""
        raise InputError(
            f"Every class needs {shot + 1} readable images or more: {shot} to learn from and one to ask. "
            f"{listing}.{more} Add images, take these folders out, or ask for fewer with SHOTS=."
        )
    return sample_episodes(
        own.labels,
        way=min(way, len(own.class_names)),
        shot=shot,
        query=min(query, min(own.counts.values()) - shot),
        episodes=episodes,
        seed=seed,
        name="own images",
        class_names=dict(enumerate(own.class_names)),
    )


def remarks_on(own: OwnImages, episodes: Episodes, query: int) -> list[str]:
    """What the reader of a result should know about episodes that were to ask `query` images a class."""
    queries = episodes.rows.shape[2] - episodes.shot
    if queries >= query:
        return []
    smallest = min(own.counts, key=lambda name: own.counts[name])
    return [
        f"Episodes ask {queries} queries a class, not {query}: the smallest class, {smallest}, has "
        f"{own.counts[smallest]} images. Its images come again in most episodes, so the intervals, which "
        f"are about new episodes of the same images, understate what is uncertain."
    ]
