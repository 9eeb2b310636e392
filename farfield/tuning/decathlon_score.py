"""The score of the Visual Decathlon (Rebuffi et al., arXiv 1705.08045).

S = sum over data sets of 1000 max(0, 1 - E / Emax)^2, where E is the error of the method and Emax
twice the error of a fully fine-tuned network: fine-tuning has 250 points a data set, no error 1000.
"""

from collections.abc import Mapping

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


def maximum_error(reference: float) -> float:
    """Emax in percent, where fine-tuning has the accuracy `reference` in percent."""
    return 2 * (100 - reference)


def points(accuracy: float, reference: float) -> float:
    """What one data set adds to S; `accuracy` and that of fine-tuning, `reference`, in percent.

    More than 100 is 100, which a mean over images may exceed by rounding.
    """
    if reference == 100:  # the limit: fine-tuning makes no error, so one error is too many
        return 1000.0 if accuracy >= 100 else 0.0
    return 1000 * max(0.0, 1 - (100 - min(accuracy, 100.0)) / maximum_error(reference)) ** 2


def score(accuracies: Mapping[str, float], reference: Mapping[str, float]) -> float:
    """S over the data sets of `reference`, each {data set: accuracy in percent}."""
    return sum(points(accuracies[name], worth) for name, worth in reference.items())
