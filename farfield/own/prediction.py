"""Classes of images by a classifier that `farfield evaluate` wrote."""

import csv
import hashlib
import io
import json
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from farfield.datasets.decoders import UnreadableImageError, decode, holds_image, read
from farfield.datasets.decoders.channels import keep
from farfield.datasets.visible import visible_paths
from farfield.deployment.classifier import ImageClassifier, load_classifier
from farfield.deployment.description import DESCRIPTION, Description
from farfield.deployment.familiarity import UNLIKE
from farfield.errors import InputError
from farfield.files import file_hash
from farfield.local import Local
from farfield.own.appending import appended, standard_output
from farfield.training.devices import choose_device, deterministic
from farfield.training.images import evaluation_view

BATCH = 16  # images classified at once
AHEAD = 2 * BATCH  # images that are decoded and wait, at most

Form = Literal["csv", "json"]
COLUMNS = ("path", "class", "probability", "set", "unlike", "distance")


@dataclass(frozen=True)
class Prediction:
    """inside: the classes of the prediction set. distance: the share of left-out images that lie nearer to
    those learned from. Both none where the classifier does not know them."""

    path: str
    name: str
    probability: float
    inside: tuple[str, ...] | None
    distance: float | None

    @property
    def unlike(self) -> bool | None:
        return None if self.distance is None else self.distance > UNLIKE

    def line(self, form: Form) -> str:
        if form == "json":
            values = (
                self.path,
                self.name,
                round(self.probability, 4),
                None if self.inside is None else list(self.inside),
                self.unlike,
                None if self.distance is None else round(self.distance, 3),
            )
            return json.dumps(dict(zip(COLUMNS, values, strict=True)), ensure_ascii=False) + "\n"
        distance = "" if self.distance is None else f"{self.distance:.3f}"
        unlike = "" if self.unlike is None else str(int(self.unlike))
        inside = "|".join(self.inside or ())
        return _row((self.path, self.name, f"{self.probability:.4f}", inside, unlike, distance))


def predict(
    classifier: Path, places: Sequence[Path], local: Local, out: Path | None = None, form: Form = "csv"
) -> bool:
    """A line for each image, printed or written to `out`. Files that cannot be read are named on standard
    error; whether there was none.

    An `out` that was begun, by the same classifier and of the same images, is continued. At most `AHEAD` images
    are in memory.
    """
    if out is not None and out.is_dir():
        raise InputError(f"{out} is a folder; give the name of the file that the answers go to.")
    deterministic(threads=0)
    network, description = load_classifier(classifier)
    with ExitStack() as stack:
        if out is None:
            target, held = standard_output(), ""
        else:
            mark = f"{work_of(classifier, places)}.{form}"
            target, held = stack.enter_context(appended(out, mark, quoted=form == "csv"))
        done = _paths(held, form, target.name)
        if done:
            print(f"{len(done)} images are done already; {out} is continued", file=sys.stderr)
        if form == "csv" and not held:
            target.add(_row(COLUMNS))
        todo = (path for path in images_of(places) if str(path) not in done)
        complete = True
        if local.cluster is not None:
            for lines, problems in _on_nodes(stack, local, local.cluster, classifier, [*todo], form):
                target.add(lines)
                complete &= not problems
                for problem in problems:
                    print(problem, file=sys.stderr)
            return complete
        device = choose_device(local.device)
        network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        pool = stack.enter_context(ThreadPoolExecutor(local.workers))
        read = _decoded(pool, todo, description)
        while batch := list(islice(read, BATCH)):
            readable = [(path, image) for path, image in batch if image is not None]
            complete &= len(readable) == len(batch)
            if readable:
                images = torch.from_numpy(np.stack([image for _, image in readable])).to(device)
                answers = said(network, description, [str(path) for path, _ in readable], images)
                target.add("".join(one.line(form) for one in answers))
    return complete


def _on_nodes(
    stack: ExitStack, local: Local, cluster: str, classifier: Path, paths: list[Path], form: Form
) -> Iterator[tuple[str, list[str]]]:
    from farfield.cluster import device_of_nodes
    from farfield.own.prediction_on_nodes import predicted
    from farfield.ray_workers import RayWorkers

    device = device_of_nodes(cluster, local.device)
    nodes = RayWorkers(cluster, "cpu" if device.type == "cpu" else "cuda", local.gpu_share)
    return predicted(stack.enter_context(nodes), classifier, paths, form, device)


def _decoded(
    pool: ThreadPoolExecutor, paths: Iterable[Path], description: Description
) -> Iterator[tuple[Path, np.ndarray | None]]:
    """The paths in their order with their pixels, decoded ahead while the network is busy."""
    waiting: deque[tuple[Path, Future[np.ndarray | None]]] = deque()
    for path in paths:
        waiting.append((path, pool.submit(pixels, path, description)))
        if len(waiting) >= AHEAD:
            first, future = waiting.popleft()
            yield first, future.result()
    for path, future in waiting:
        yield path, future.result()


@torch.inference_mode()
def said(
    network: ImageClassifier, description: Description, paths: Sequence[str], images: Tensor
) -> list[Prediction]:
    """images: packed, [n, h, w, c]."""
    features = network.features(evaluation_view(images, description.image_size))
    probabilities = network.logits(features).softmax(-1).cpu().numpy()
    if not np.isfinite(probabilities).all():
        odd = paths[int(np.flatnonzero(~np.isfinite(probabilities).all(axis=1))[0])]
        raise InputError(
            f"{odd}: the network's answer is nan or infinite; it does not fit this image or this machine."
        )
    distances = None if network.familiar is None else network.familiar(features).tolist()
    names, sets = description.class_names, description.sets
    found = []
    for place, (path, given) in enumerate(zip(paths, probabilities, strict=True)):
        best = int(given.argmax())
        inside = None
        if sets is not None:
            order = np.argsort(-given, kind="stable")
            inside = tuple(names[i] for i in order if i == best or given[i] >= sets.least[i])
        distance = None if distances is None else distances[place]
        found.append(Prediction(path, names[best], float(given[best]), inside, distance))
    return found


def _row(values: Sequence[str]) -> str:
    text = io.StringIO()
    # It quotes only the ends of lines that it writes.
    csv.writer(text, lineterminator="\r\n").writerow(values)
    return text.getvalue().removesuffix("\r\n") + "\n"


def _paths(held: str, form: Form, left: str) -> set[str]:
    """Of the images in lines that are written already. InputError if these are not what `predict` writes."""
    try:
        if form == "json":
            return {json.loads(line)["path"] for line in held.split("\n")[:-1]}
        rows = list(csv.reader(io.StringIO(held, newline=""), strict=True))[1:]
        if any(len(row) != len(COLUMNS) for row in rows):
            raise ValueError("a line has another number of cells")
        return {row[0] for row in rows}
    except (ValueError, LookupError, TypeError, csv.Error) as error:
        raise InputError(
            f"what an earlier run left, in {left}, was damaged since ({error}); remove it and run this again."
        ) from error


def images_of(places: Sequence[Path]) -> Iterator[Path]:
    """The files among `places`, and those below its folders that are images by their name."""
    for place in places:
        if not place.exists():
            raise InputError(f"{place} does not exist; give images, or folders that hold images.")
        if place.is_dir():
            yield from (path for path in visible_paths(place) if holds_image(path))
        else:
            yield place


def work_of(classifier: Path, places: Sequence[Path]) -> str:
    """What a prediction depends on, 8 hexadecimal digits: the classifier, and name, size and time of change of
    each image."""
    digest = hashlib.sha256(file_hash(classifier / DESCRIPTION).encode())
    for path in images_of(places):
        with suppress(OSError):  # such as of a link that leads nowhere, which is named when it is read
            facts = path.stat()
            told = f"{path}\0{facts.st_size}\0{facts.st_mtime_ns}\n"
            digest.update(told.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:8]


def as_learned(data: bytes, description: Description) -> np.ndarray:
    """The packed image in these bytes, as those were that were learned from. UnreadableImageError."""
    packing, bands = description.packing, description.bands
    if bands:
        return keep(read(data), packing, bands, known=description.band_ranges).pixels
    return decode(data, packing, known=description.ranges).pixels


def pixels(path: Path, description: Description) -> np.ndarray | None:
    """The packed image, as training saw it; none, and a line on standard error, if it cannot be read."""
    try:
        return as_learned(path.read_bytes(), description)
    except (UnreadableImageError, OSError) as error:
        print(f"{path}: {error}", file=sys.stderr)
        return None
