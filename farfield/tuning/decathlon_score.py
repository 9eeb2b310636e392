"""The score of the Visual Decathlon (Rebuffi et al., arXiv 1705.08045).

S = sum over data sets of 1000 max(0, 1 - E / Emax)^2, where E is the error of the method and Emax
twice the error of a fully fine-tuned network: fine-tuning has 250 points a data set, no error 1000.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from farfield.errors import InputError

# Test accuracy in percent of the fine-tuned networks that the challenge measures by. The row
# "Fine-tuning" of the talk's table is another, later one.
REFERENCE_ACCURACY = {
    "imagenet12": 59.87,
    "aircraft": 60.34,
    "cifar100": 82.12,
    "daimlerpedcls": 92.82,
    "dtd": 55.53,
    "gtsrb": 97.53,
    "vgg-flowers": 81.41,
    "omniglot": 87.69,
    "svhn": 96.55,
    "ucf101": 51.20,
}
IMAGENET = "imagenet12"

# Their names in the published table.
PUBLISHED_NAMES = {
    "imagenet12": "ImNet",
    "aircraft": "Airc.",
    "cifar100": "C100",
    "daimlerpedcls": "DPed",
    "dtd": "DTD",
    "gtsrb": "GTSR",
    "vgg-flowers": "Flwr",
    "omniglot": "OGIt",
    "svhn": "SVHN",
    "ucf101": "UCF",
}

# Of the network that SpotTune, adapters and most later methods start from: their ImageNet column,
# whatever they do for the other tasks.
IMAGENET_ACCURACY = 60.32


@dataclass(frozen=True)
class DecathlonScore:
    """points: of each data set, 0 to 1000. label: which data sets these are, to stand beside `value`."""

    points: dict[str, float]
    label: str

    @property
    def value(self) -> float:
        return sum(self.points.values())

    @property
    def maximum(self) -> int:
        return 1000 * len(self.points)


def maximum_error(reference: float) -> float:
    """Emax in percent, where fine-tuning has the accuracy `reference` in percent."""
    return 2 * (100 - reference)


def points(accuracy: float, reference: float) -> float:
    """What one data set adds to S; `accuracy` and that of fine-tuning, `reference`, in percent."""
    if reference == 100:  # the limit: fine-tuning makes no error, so one error is too many
        return 1000.0 if accuracy == 100 else 0.0
    return 1000 * max(0.0, 1 - (100 - accuracy) / maximum_error(reference)) ** 2


def decathlon_score(
    accuracies: Mapping[str, float],
    *,
    imagenet_accuracy: float | None = None,
    reference: Mapping[str, float] = REFERENCE_ACCURACY,
) -> DecathlonScore:
    """S over the data sets in `accuracies` {data set: percent}; its label says which those are.

    imagenet_accuracy: given, it stands in for ImageNet, which nine-set runs do not test; the published
    constant is `IMAGENET_ACCURACY`. reference: accuracy of fine-tuning, for scores on other data sets.
    InputError for a data set without a reference, for none, and for what is not a percentage.
    """
    given = dict(accuracies)
    if imagenet_accuracy is not None:
        if IMAGENET in given:
            raise InputError(f"{IMAGENET} has a measured accuracy, so no constant can stand in for it")
        given[IMAGENET] = imagenet_accuracy
    unknown = ", ".join(sorted(given.keys() - reference.keys()))
    if unknown or not given:
        raise InputError(
            f"the decathlon score is over {', '.join(reference)}; found {unknown or 'no data set at all'}"
        )
    for name, accuracy in given.items():
        if not 0 <= accuracy <= 100:
            raise InputError(f"the accuracy on {name} must be in percent, 0 to 100, found {accuracy}")
    count = len(accuracies)
    label = f"all {count} data sets" if count == len(reference) else f"{count} of {len(reference)} data sets"
    if imagenet_accuracy is not None:
        label += f" and {imagenet_accuracy:g} % on ImageNet"
    return DecathlonScore({d: points(given[d], reference[d]) for d in reference if d in given}, label)
