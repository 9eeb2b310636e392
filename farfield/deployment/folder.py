"""The folder of a classifier, written whole."""

from pathlib import Path

import numpy as np
import torch

from farfield.deployment.classifier import WEIGHTS, ImageClassifier, load_classifier, save_classifier
from farfield.deployment.description import DESCRIPTION, Description, write_description
from farfield.deployment.model_card import model_card, snippet
from farfield.deployment.onnx_export import export_onnx
from farfield.deployment.onnx_whole import export_whole, expressible
from farfield.errors import InputError
from farfield.files import atomic_folder
from farfield.training.images import evaluation_view


def require_free(folder: Path) -> None:
    """InputError if a folder of another kind would be replaced."""
    if (
        folder.exists()
        and not (folder / DESCRIPTION).exists()
        and (not folder.is_dir() or any(folder.iterdir()))
    ):
        raise InputError(f"{folder} exists and holds no {DESCRIPTION}; move it away or give another --out.")


def write_classifier(
    folder: Path, classifier: ImageClassifier, description: Description, images: np.ndarray
) -> None:
    """Write the folder of a classifier: weights, description, both ONNX graphs, predict.py and README.md.
    What was written is read back, and must give the same logits for a few of the packed images."""
    with atomic_folder(folder) as partial:
        save_classifier(partial, classifier, description)
        again, _ = load_classifier(partial)
        sample = evaluation_view(torch.from_numpy(images[:8].copy()), description.image_size)
        with torch.inference_mode():
            if not torch.allclose(again(sample), classifier(sample), rtol=1e-4, atol=1e-4):
                raise InputError(f"{folder}: what was written answers differently; is the disk damaged?")
        graphs = [partial / "model.onnx"]
        export_onnx(graphs[0], again, description)
        whole = expressible(description)
        if whole:
            graphs.append(partial / "classifier.onnx")
            export_whole(graphs[1], graphs[0], description)
            (partial / "predict.py").write_text(snippet(description), encoding="utf-8")
        write_description(partial, description, partial / WEIGHTS, graphs)
        (partial / "README.md").write_text(model_card(description, whole), encoding="utf-8")


def export(source: Path, folder: Path) -> Description:
    """Write `folder` anew from the classifier in `source`, which an older version may have written."""
    require_free(folder)
    classifier, description = load_classifier(source)
    shape = (2, *description.packing.shape, description.channels)
    kind = np.uint16 if description.bands else np.uint8
    images = np.random.default_rng(0).integers(0, np.iinfo(kind).max, shape, dtype=kind, endpoint=True)
    write_classifier(folder, classifier, description, images)
    return description
