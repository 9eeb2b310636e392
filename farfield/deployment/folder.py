"""The folder of a classifier, written whole."""

from pathlib import Path

import numpy as np
import torch

from farfield.deployment.classifier import Description, ImageClassifier, load_classifier, save_classifier
from farfield.deployment.onnx_export import export_onnx
from farfield.errors import InputError
from farfield.files import atomic_folder
from farfield.training.images import evaluation_view


def require_free(folder: Path) -> None:
    """InputError if a folder of another kind would be replaced."""
    if folder.exists() and not (folder / "classifier.json").exists():
        raise InputError(f"{folder} exists and holds no classifier.json; move it away or give another OUT=.")


def write_classifier(
    folder: Path, classifier: ImageClassifier, description: Description, images: np.ndarray
) -> None:
    """Write the folder of a classifier and its ONNX graph. What was written is read back, and must give
    the same logits for a few of the packed images."""
    with atomic_folder(folder) as partial:
        save_classifier(partial, classifier, description)
        again, _ = load_classifier(partial)
        sample = evaluation_view(torch.from_numpy(images[:8].copy()), description.image_size)
        with torch.inference_mode():
            if not torch.allclose(again(sample), classifier(sample), rtol=1e-4, atol=1e-4):
                raise InputError(f"{folder}: what was written answers differently; is the disk damaged?")
        export_onnx(partial / "model.onnx", again, description)
