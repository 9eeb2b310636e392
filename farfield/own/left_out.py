"""What the chosen candidate said of each image when it had not learned from it."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import softmax

from farfield.own.images import OwnImages
from farfield.probing.diagnosis import Diagnosis
from farfield.probing.evaluation import Tested


@dataclass(frozen=True)
class LeftOut:
    """probabilities: [n, classes], calibrated, the mean over the repeats. labels, answers: class indices
    [n]."""

    probabilities: np.ndarray
    labels: np.ndarray

    @property
    def answers(self) -> np.ndarray:
        found: np.ndarray = self.probabilities.argmax(-1)
        return found

    @property
    def confidence(self) -> np.ndarray:
        found: np.ndarray = self.probabilities.max(-1)
        return found

    @property
    def of_truth(self) -> np.ndarray:
        """[n], the probability of the image's own class."""
        found: np.ndarray = self.probabilities[np.arange(len(self.labels)), self.labels]
        return found

    def worst(self, count: int) -> list[int]:
        """The images whose own class got the least probability, the worst first; those that are named wrongly
        stand before those that are not."""
        right = self.answers == self.labels
        order: list[int] = np.lexsort((self.of_truth, right))[:count].tolist()
        return order


def left_out(tested: Tested, labels: np.ndarray) -> LeftOut:
    calibrated = softmax(tested.logits / tested.measures.temperature, axis=-1)
    return LeftOut(calibrated.mean(0), labels)


def predictions(found: LeftOut, own: OwnImages, diagnosis: Diagnosis) -> pd.DataFrame:
    """predictions.csv: a row an image, in the order of their paths. suspicion: of the label, high is
    suspicious. distance: cosine distance to the nearest others."""
    names = np.array(own.class_names, dtype=object)
    return pd.DataFrame(
        {
            "path": own.paths,
            "truth": names[found.labels],
            "predicted": names[found.answers],
            "right": (found.answers == found.labels).astype(int),
            "probability": found.confidence.round(4),
            "probability_of_truth": found.of_truth.round(4),
            "suspicion": diagnosis.suspects.scores.round(4),
            "distance": diagnosis.outliers.distances.round(4),
        }
    )
