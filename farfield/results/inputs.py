"""What a report is told about methods, datasets, validation and training, besides the results."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NotRequired, TypedDict

if TYPE_CHECKING:
    import pandas as pd


class Dataset(TypedDict):
    """A dataset as its reader sees it."""

    title: str
    published: str  # its name in the published table, empty if it is not there
    study: Literal["crossdomain", "documents"]  # whose tables and figures it belongs to
    procedural: bool  # drawn by a program, and at most a stand-in for the published dataset
    mirror: str  # what part of the real dataset this is, empty if all of it
    licence: str
    citation: str
    homepage: str
    notes: str
    images: NotRequired[int]  # in the set that episodes are drawn from


class Expectation(TypedDict):
    """One checked statement about a dataset."""

    type: str
    column: str
    success: bool
    unexpected: int  # rows that break it
    sentence: str


class Validation(TypedDict):
    """What validating one packed dataset found."""

    success: bool
    images: int
    classes: int
    class_images: dict[str, int]
    unreadable: list[dict[str, str]]  # path and reason
    duplicates: list[list[str]]  # paths with the same bytes
    leaked: list[list[str]]  # paths with the same bytes in different splits
    expectations: list[Expectation]
    remarks: list[str]  # what was done to files of unusual kinds, one line a kind
    channels: NotRequired[list[dict[str, Any]]]  # of each that is kept: channel, least, largest, mean, spread


@dataclass(frozen=True)
class Training:
    """How one model was trained.

    `curve` has one row an epoch: epoch, train_loss, train_accuracy, validation_accuracy (percent, may
    be NaN), learning_rate. `final` holds figures of the finished model by name.
    """

    curve: "pd.DataFrame"
    final: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class MetaTraining:
    """How one meta-learner was trained, once for each number of shots.

    `curve` has one row a shot and epoch: shot, epoch, train_loss, train_accuracy,
    validation_accuracy, validation_ci95 (percent, may be NaN), learning_rate. `final` holds by shot the
    accuracy on episodes of held-out classes of the source, in percent, with half the width of its 95 %
    interval: untrained_accuracy, untrained_ci95, trained_accuracy, trained_ci95; other figures may
    stand beside them.
    """

    title: str
    curve: "pd.DataFrame"
    final: Mapping[int, Mapping[str, Any]]


def is_real(dataset: Dataset) -> bool:
    """Whether results on it may be compared with published results on the dataset of its name."""
    return not dataset["procedural"] and not dataset["mirror"]


def badge(dataset: Dataset) -> str:
    """The reservation of `reservation` in a word, empty for a real dataset."""
    if dataset["procedural"]:
        return "procedural"
    return "sample" if dataset["mirror"] else ""


def labelled(dataset: Dataset) -> str:
    """Its title, with the badge in brackets, so that no heading passes for the real dataset."""
    return f"{dataset['title']} ({badge(dataset)})" if badge(dataset) else dataset["title"]


def reservation(dataset: Dataset) -> str:
    """Why results on it are not results on the dataset that was published; empty if they are."""
    name = dataset["published"] or dataset["title"]
    if dataset["procedural"] and dataset["published"]:
        return f"Procedural images that stand in for {name}: not a result on {name.rstrip('.')}."
    if dataset["procedural"]:
        return "Procedural images: not a result on any real dataset."
    if dataset["mirror"]:
        return f"A sample of {name} ({dataset['mirror']}): not a result on the whole of {name.rstrip('.')}."
    return ""


def reservations(datasets: Sequence[Dataset]) -> list[str]:
    """The reservations of several datasets, with those of procedural stand-ins as one sentence."""
    stand_ins = [dataset for dataset in datasets if dataset["procedural"] and dataset["published"]]
    texts = [text for dataset in datasets if dataset not in stand_ins and (text := reservation(dataset))]
    others = list(dict.fromkeys(texts))  # several datasets can have the same
    if not stand_ins:
        return others
    names = listed([dataset["published"] for dataset in stand_ins])
    meant = names if len(stand_ins) == 1 else "these datasets"
    warning = (
        f"Procedural images stand in for {names}: their difficulty was designed, and their numbers are not "
        f"results on {meant}."
    )
    return [warning, *others]


def listed(words: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
