"""Networks of three channels on images of others: the rule by plain sums, and a class of band 8 alone."""

import io
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from sklearn.linear_model import LogisticRegression

from farfield.backbones import build
from farfield.backbones.backbone import Backbone
from farfield.backbones.channels import channels_of, mixture, with_channels
from farfield.datasets.cards import Packing
from farfield.datasets.layouts import Index, Record
from farfield.datasets.packed import load_images
from farfield.datasets.packing import pack
from farfield.episodes.evaluation import scores
from farfield.episodes.sampling import Episodes
from farfield.errors import InputError
from farfield.execution import Workers
from farfield.metalearning.architecture import Architecture
from farfield.metalearning.evaluation import evaluate_meta
from farfield.networks.adapters import with_adapters
from farfield.networks.embedding import embed
from farfield.training.augmentation import augment, draw
from farfield.training.checkpoints import save_tensors
from farfield.training.classifier import Classifier
from farfield.training.devices import resident
from farfield.training.images import MEAN, STD, evaluation_view, expect, pixels
from farfield.training.loop import LabelledImages, accuracy, fit
from farfield.training.recipe import SGD, Augmentation, Recipe
from farfield.transfer.finetuning.driver import fine_tune_episodes
from farfield.transfer.finetuning.settings import FineTuning
from farfield.tuning.accounting import macs
from farfield.tuning.policy import PolicyNet
from farfield.tuning.routing import Routed
from stages.frame.models import load_network, model_file

CPU = torch.device("cpu")
BAND, BANDS, CLASSES, SIZE = 8, 13, 4, 18


def seen_by_three(images: torch.Tensor) -> torch.Tensor:
    """What three channels get of images [n, c, h, w], written out."""
    channels = images.unbind(1)
    count = len(channels)
    if count == 1:
        return torch.stack([channels[0]] * 3, 1)
    if count == 2:
        return torch.stack([channels[0], channels[1], (channels[0] + channels[1]) / 2], 1)
    return torch.stack([sum(channels[first::3]) * 3 / count for first in range(3)], 1)


def adapted() -> Backbone:
    return with_adapters(build("resnet8", width=4), "parallel", seed=3)


MADE = {
    "conv4": lambda: build("conv4", width=4, image_size=32),
    "resnet10": lambda: build("resnet10", width=4),
    "resnet14": lambda: build("resnet14", width=4),
    "adapters": adapted,
    "lite0": lambda: build("efficientnet_lite0", width=8),
    "foreign": lambda: build("torchvision/resnet18", image_size=32),
}


@pytest.mark.parametrize("made", MADE)
def test_kernels_give_what_three_channels_gave(made):
    torch.manual_seed(0)
    network = MADE[made]().eval()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    for count in (1, 2, 4, 13):
        images = torch.randn(2, count, 32, 32)
        wide = with_channels(network, count)
        assert channels_of(wide) == count
        with torch.no_grad():
            torch.testing.assert_close(wide(images), network(seen_by_three(images)), rtol=1e-4, atol=1e-4)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert with_channels(network, 3) is network


def test_alike_channels_keep_the_scale():
    for count in (1, 2, 3, 6, 12, 13):
        assert mixture(count).sum(1).mean() == pytest.approx(1, abs=1e-6)


def test_other_networks_are_refused():
    wide = with_channels(build("resnet10", width=4), 13)
    assert with_channels(wide, 13) is wide
    with pytest.raises(InputError, match=r"of 13 channels and is given 3"):
        with_channels(wide, 3)


def test_a_policy_takes_what_its_network_takes():
    plain, wide = (Classifier(with_channels(build("resnet8", width=4), count), 2) for count in (3, 5))
    stem = 9 * wide.backbone.stem[0].out_channels * 32 * 32
    assert macs(wide, 32) - macs(plain, 32) == 2 * stem
    routed = Routed(wide, PolicyNet(3, width=4)).eval()
    assert routed(torch.randn(2, 5, 32, 32)).shape == (2, 2)


def test_pixels_of_16_bits_are_those_of_8_in_finer_steps():
    eight = np.random.default_rng(0).integers(0, 256, (5, 20, 20, 3), dtype=np.uint8)
    sixteen = resident(eight.astype(np.uint16) * 257, CPU)
    plain = resident(eight, CPU)
    assert torch.equal(pixels(sixteen), pixels(plain))
    assert torch.equal(evaluation_view(sixteen, 16), evaluation_view(plain, 16))
    for crop in ("resized", "random"):
        settings = Augmentation(crop=crop)
        draws = draw(5, 20, 20, 16, settings, torch.Generator().manual_seed(1))
        seen = augment(sixteen, draws, 16, crop)
        torch.testing.assert_close(seen, augment(plain, draws, 16, crop), rtol=0, atol=1e-5)


def test_other_channels_are_normalised_alike():
    packed = np.random.default_rng(0).integers(0, 65536, (2, 8, 8, 5), dtype=np.uint16)
    mean, std = np.mean(MEAN), np.mean(STD)
    wanted = (packed.transpose(0, 3, 1, 2) / 65535 - mean) / std
    found = evaluation_view(torch.from_numpy(packed), 8)
    assert np.abs(found.numpy() - wanted).max() < 1e-4
    network = torch.nn.Sequential()
    backbone = with_channels(build("conv4", width=2, image_size=16), 5)
    expect(backbone, (0.5, 0.4, 0.3), (0.1, 0.2, 0.3))
    backbone.first_layer().register_forward_pre_hook(lambda _, images: network.__setattr__("seen", images[0]))
    backbone(evaluation_view(torch.from_numpy(packed), 8).repeat(1, 1, 4, 4))
    theirs = (packed.transpose(0, 3, 1, 2) / 65535 - 0.4) / 0.2
    assert np.abs(network.seen.numpy()[:, :, :8, :8] - theirs).max() < 1e-4


def scene(row: int) -> bytes:
    """13 bands of noise; in band 8 alone the mean says which class it is."""
    random = np.random.default_rng(row)
    bands = random.integers(0, 3000, (SIZE, SIZE, BANDS))
    bands[..., BAND - 1] = 900 + 250 * (row % CLASSES) + random.integers(0, 300, (SIZE, SIZE))
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, bands.astype(np.uint16), photometric="minisblack", planarconfig="contig")
    return buffer.getvalue()


TRAINING, ALL = 200, 400


@pytest.fixture(scope="module")
def files() -> list[bytes]:
    return [scene(row) for row in range(ALL)]


def packed(files: list[bytes], folder: Path, packing: Packing, **kept) -> torch.Tensor:
    records = tuple(
        Record("a.zip", f"{row}", f"{row}.tif", row % CLASSES, "train" if row < TRAINING else "test")
        for row in range(ALL)
    )
    index = Index(records=records, class_names=tuple("abcd"))
    pack(
        index,
        lambda rows: ((row, files[row]) for row in rows),
        packing,
        folder / "packed",
        folder / "scratch",
        workers=2,
        title="",
        **kept,
    )
    return resident(load_images(folder / "packed"), CPU)


def frozen_accuracy(images: torch.Tensor, folder: Path) -> float:
    """Of a linear classifier on features of a random network of three channels."""
    torch.manual_seed(0)
    embed(build("resnet10", width=8), images, folder / "features.npy", image_size=16, device=CPU)
    features, labels = np.load(folder / "features.npy"), np.arange(ALL) % CLASSES
    features = (features - features[:TRAINING].mean(0)) / (features[:TRAINING].std(0) + 1e-6)
    fitted = LogisticRegression(C=0.1, max_iter=2000).fit(features[:TRAINING], labels[:TRAINING])
    return 100 * fitted.score(features[TRAINING:], labels[TRAINING:])


def trained_accuracy(images: torch.Tensor) -> float:
    """Of a small network that was trained on these channels."""
    torch.manual_seed(0)
    backbone = with_channels(build("conv4", width=8, image_size=16), images.shape[3])
    classifier = Classifier(backbone, CLASSES)
    rows = torch.arange(ALL)
    train, test = (
        LabelledImages(images, part, part % CLASSES) for part in (rows[:TRAINING], rows[TRAINING:])
    )
    recipe = Recipe(epochs=20, batch_size=20, learning_rate=0.01, augmentation=Augmentation(jitter=0.0))
    fit(classifier, train, recipe, image_size=16, seed=0, device=CPU)
    return accuracy(classifier, test, image_size=16, device=CPU)


def test_a_class_of_band_8_is_learned_with_bands_and_not_without(files, tmp_path):
    """Chance is 25 %, 3 % its standard deviation on 200 images."""
    every = packed(files, tmp_path / "every", Packing(size=SIZE), channels="all")
    assert every.dtype == torch.uint16
    assert trained_accuracy(every) >= 90
    colours = packed(files, tmp_path / "colours", Packing(size=SIZE, channels=(4, 3, 2)))
    assert colours.dtype == torch.uint8
    assert trained_accuracy(colours) <= 37
    chosen = packed(files, tmp_path / "chosen", Packing(size=SIZE), channels=(2, BAND, 4))
    # A frozen network sees band 8 through a kernel that four bands share, and the others are noise here.
    assert frozen_accuracy(every, tmp_path) >= 45
    assert frozen_accuracy(chosen, tmp_path) >= 90
    assert frozen_accuracy(colours, tmp_path) <= 37


def made_up(count: int = 30, channels: int = 5) -> np.ndarray:
    """Packed images of three classes, told apart by their last channel; row r is of class r % 3."""
    images = np.random.default_rng(0).integers(0, 65536, (count, 18, 18, channels), dtype=np.uint16)
    images[..., -1] = 25000 * (np.arange(count) % 3)[:, None, None] + images[..., -1] // 8
    return images


def test_episodes_of_other_channels_are_answered(tmp_path):
    """By a network adapted to each, whose new kernels are trained, and by a meta-learner."""
    images = made_up()
    rows = np.arange(30, dtype=np.int32).reshape(10, 3).T[None]  # one episode [1, way, 5 + 5]
    episodes = Episodes(rows, np.arange(3)[None], 5)
    torch.manual_seed(0)
    backbone = build("conv4", width=8, image_size=16)
    steps = SGD(learning_rate=0.05, momentum=0.9)
    settings = FineTuning(epochs=40, batch_size=15, head=steps, backbone=steps)
    with Workers(1) as executor:
        out = fine_tune_episodes(
            backbone,
            images,
            episodes,
            settings,
            ["head"],
            image_size=16,
            seed=0,
            device=CPU,
            executor=executor,
            scratch=tmp_path,
            title="",
        )
    found = scores(torch.from_numpy(out["head"]), episodes)["accuracy"]
    assert found.iloc[0] >= 90
    learner = Architecture("protonet", {}, "none", "resnet10", width=4, image_size=16, way=3).build()
    table = evaluate_meta(learner, resident(images, CPU), episodes, image_size=16, device=CPU)
    assert 0 <= table["accuracy"].iloc[0] <= 100


def test_a_network_of_other_channels_is_saved_and_loaded(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    network = Classifier(with_channels(build("resnet10", width=4), 5), 3).eval()
    facts = {"backbone": "resnet10", "width": 4, "image_size": 16, "adapters": "none", "channels": 5}
    save_tensors(model_file("bands"), network.state_dict(), facts)
    again = load_network("bands")
    images = evaluation_view(torch.from_numpy(made_up(2)), 16)
    assert torch.equal(again.backbone.eval()(images), network.backbone(images))
