"""Whether what a picture is stored in changes what can be learned from it: the same pictures as PNG of 8 bits,
PNG of 12 bits in 16, TIFF of 16 bits and DICOM, each packed and seen by a frozen network.

`python -m tests.benchmarks.accuracy_by_format MIRROR`, the folder with EuroSAT/ and ChestX/. Prints the table of
docs/formats.md: accuracy of the row Fixed (a linear head on frozen features of EfficientNet-Lite0) on the same
200 episodes, 5-way 5-shot. 30 images a class, squeezed to 96 px. It needs the extras `geo` and `medical`.
"""

import io
import sys
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import tifffile
import torch
from PIL import Image

from farfield.backbones.backbone import Backbone
from farfield.datasets.cards import Packing
from farfield.datasets.layouts import Index, Record, read_images
from farfield.datasets.layouts.chestx import chestx
from farfield.datasets.packed import load_images
from farfield.datasets.packing import pack
from farfield.episodes.evaluation import evaluate
from farfield.episodes.sampling import sample_episodes
from farfield.networks.cards import network_card
from farfield.networks.embedding import embed, feature_columns
from farfield.training.devices import deterministic
from farfield.transfer.feature_learners import feature_learner

Picture = tuple[np.ndarray, int]  # uint8 [h, w] or [h, w, 3], and its class
FIXED = {
    "epochs": 100,
    "batch_size": 4,
    "learning_rate": 0.01,
    "momentum": 0.9,
    "dampening": 0.9,
    "weight_decay": 0.001,
}
A_CLASS, SIDE = 30, 96  # images; pixels that the network sees


def eurosat(mirror: Path) -> Iterator[Picture]:
    with zipfile.ZipFile(mirror / "EuroSAT/EuroSAT.zip") as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".jpg"))
        classes = sorted({Path(name).parent.name for name in names})
        for label, one in enumerate(classes):
            for name in [name for name in names if Path(name).parent.name == one][:A_CLASS]:
                yield np.asarray(Image.open(io.BytesIO(archive.read(name))).convert("RGB")), label


def chest(mirror: Path) -> Iterator[Picture]:
    index = chestx(mirror / "ChestX", {})
    labels = [record.label for record in index.records]
    wanted = [row for row, label in enumerate(labels) if labels[:row].count(label) < A_CLASS]
    for row, data in read_images(mirror / "ChestX", index, wanted):
        assert isinstance(data, bytes)
        yield np.asarray(Image.open(io.BytesIO(data)).convert("L")), index.records[row].label


def twelve(picture: np.ndarray) -> np.ndarray:
    return np.rint(picture * (4095 / 255)).astype(np.uint16)


def png_8(path: Path, picture: np.ndarray) -> None:
    Image.fromarray(picture).save(path, "PNG")


def png_12(path: Path, picture: np.ndarray) -> None:
    import imagecodecs

    path.write_bytes(imagecodecs.png_encode(twelve(picture)))


def tiff_16(path: Path, picture: np.ndarray) -> None:
    kind = "rgb" if picture.ndim == 3 else "minisblack"
    tifffile.imwrite(path, picture.astype(np.uint16) * 257, photometric=kind, compression="zlib")


def dicom(path: Path, picture: np.ndarray) -> None:
    """Grey of 12 bits in 16, without a window; colours of 8 bits."""
    from pydicom import Dataset, dcmwrite
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

    colour = picture.ndim == 3
    array, used, held = (picture, 8, 8) if colour else (twelve(picture), 12, 16)
    file = Dataset()
    file.SOPClassUID, file.SOPInstanceUID = SecondaryCaptureImageStorage, "1.2.3"
    file.Rows, file.Columns = array.shape[:2]
    file.SamplesPerPixel, file.PixelRepresentation = (3, 0) if colour else (1, 0)
    if colour:
        file.PlanarConfiguration = 0
    file.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
    file.BitsAllocated, file.BitsStored, file.HighBit = held, used, used - 1
    file.file_meta = FileMetaDataset()
    file.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file.PixelData = array.tobytes()
    dcmwrite(path, file, enforce_file_format=True)


FORMATS: dict[str, Callable[[Path, np.ndarray], None]] = {
    "PNG, 8 bits": png_8,
    "PNG, 12 bits in 16": png_12,
    "TIFF, 16 bits": tiff_16,
    "DICOM": dicom,
}


def seen(
    pictures: list[Picture],
    write: Callable[[Path, np.ndarray], None],
    network: Backbone,
    side: int,
    folder: Path,
) -> np.ndarray:
    """float32 [n, d], features of the pictures in files of one format."""
    files = folder / "files"
    files.mkdir()
    for number, (picture, _) in enumerate(pictures):
        write(files / str(number), picture)
    records = tuple(Record("", str(n), str(n), label, "all") for n, (_, label) in enumerate(pictures))
    index = Index(records, tuple(map(str, range(max(label for _, label in pictures) + 1))))
    pack(index, partial(read_images, files, index), Packing(size=side), folder / "packed", folder / "scratch",
         workers=2, title="packing")  # fmt: skip
    images = torch.from_numpy(np.array(load_images(folder / "packed")))
    embed(network, images, folder / "seen.npy", image_size=side, device=torch.device("cpu"), batch_size=32)
    first, last = feature_columns(network)["features"]
    return np.load(folder / "seen.npy")[:, first:last]


def main(mirror: Path) -> int:
    deterministic()
    network = network_card("lite0").load()
    learner = feature_learner("linear_head", 0, FIXED)
    worst = 0.0
    print("| pictures | stored as | accuracy | less than as PNG of 8 bits |")
    print("|---|---|---|---|")
    for name, source in {"EuroSAT": eurosat, "ChestX": chest}.items():
        pictures = list(source(mirror))
        labels = np.array([label for _, label in pictures])
        episodes = sample_episodes(labels, way=5, shot=5, query=15, episodes=200, seed=0, name=name)
        plain: float | None = None
        for form, write in FORMATS.items():
            with TemporaryDirectory() as folder:
                features = seen(pictures, write, network, SIDE, Path(folder))
            found = float(evaluate(learner, features, episodes, torch.device("cpu"))["accuracy"].mean())
            plain = found if plain is None else plain
            worst = max(worst, abs(plain - found))
            print(f"| {name} ({len(pictures)}) | {form} | {found:.2f} % | {plain - found:.2f} |", flush=True)
    return int(worst > 0.5)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
