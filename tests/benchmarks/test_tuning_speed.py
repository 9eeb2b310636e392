"""SpotTune costs what its arithmetic says: one branch an image in evaluation, two in training."""

import time

import numpy as np
import pytest
import torch

from farfield.backbones import build
from farfield.training.augmentation import augment, draw
from farfield.training.images import MEAN, STD
from farfield.training.loop import LabelledImages
from farfield.training.recipe import Augmentation
from farfield.tuning.adapted import Adapted
from farfield.tuning.methods.spottune import SpotTune
from farfield.tuning.methods.standard import Standard

SIZE, CLASSES = 64, 100


def pixels(count: int) -> torch.Tensor:
    images = torch.randn(count, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    return images.contiguous(memory_format=torch.channels_last)


def adapted(method, width: int) -> Adapted:
    torch.manual_seed(0)
    made = method(build("resnet26", width=width), CLASSES)
    made.network.to(memory_format=torch.channels_last)
    return made


def turns(benchmark, ours, theirs, rounds: int) -> tuple[float, float]:
    """Seconds of the fastest run of each. The two take turns: other load only adds time, to both."""
    times: dict = {ours: [], theirs: []}

    def timed(function) -> None:
        start = time.perf_counter()
        function()
        times[function].append(time.perf_counter() - start)

    ours(), theirs()
    benchmark.pedantic(lambda: timed(ours), setup=lambda: timed(theirs), rounds=rounds)
    return min(times[ours]), min(times[theirs])


@torch.inference_mode()
def test_only_the_chosen_branch_of_each_image_is_computed(benchmark):
    """ResNet-26 with all blocks routed and its policy network, fair coins, batches of 256.

    Both branches are 2.2 forward passes with the policy's 0.2, one branch is 1.2: 1.83 times at most.
    """
    network = adapted(SpotTune(seed=0, policy_width=32), 32).network.eval()
    network.override = "sampled"
    images = pixels(256)

    def partitioned():
        network.partition = True
        return network(images)

    def dense():
        network.partition = False
        return network(images)

    expected = dense()
    torch.testing.assert_close(partitioned(), expected, rtol=0, atol=1e-5 * float(expected.abs().max()))
    assert 0.4 < network.actions.float().mean() < 0.6
    own, reference = turns(benchmark, partitioned, dense, rounds=6)
    benchmark.extra_info["times_faster"] = round(reference / own, 2)
    print(f"\npartitioned: {own:.3f} s against {reference:.3f} s, {reference / own:.2f} times")
    assert reference / own >= 1.5


class _Step:
    """One training step, on the same batch each time."""

    def __init__(self, method) -> None:
        self.made = adapted(method, 64)
        self.made.network.train()
        self.optimizer = torch.optim.SGD(self.made.groups, lr=1e-3, momentum=0.9, fused=True)
        self.images, self.targets = pixels(32), torch.arange(32)

    def loss(self) -> torch.Tensor:
        return self.made.loss(self.made.network, self.images, self.targets, 0.0)[0]

    def __call__(self) -> None:
        value = self.loss()
        self.optimizer.zero_grad(set_to_none=True)
        value.backward()
        self.optimizer.step()

    def kept_megabytes(self) -> float:
        """Of activations and weights that the forward pass keeps for the backward pass."""
        sizes = {}

        def pack(tensor: torch.Tensor) -> torch.Tensor:
            storage = tensor.untyped_storage()
            sizes[storage.data_ptr()] = storage.nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            value = self.loss()
        del value
        return sum(sizes.values()) / 1e6


# "last8" is the paper's decathlon, "all" the released code's.
@pytest.mark.parametrize(("routed", "most"), [("last8", 2.0), ("all", 2.1)])
def test_a_training_step_against_plain_fine_tuning(benchmark, routed, most):
    """ResNet-26 of published width. With all blocks routed: forward both branches and policy, backward
    through all three, weight gradients of one branch; 5 F + 3 P against 3 F, 1.87 times if P is 0.2 F."""
    ours, plain = _Step(SpotTune(seed=0, routed=routed)), _Step(Standard(seed=0))
    own, reference = turns(benchmark, ours, plain, rounds=8)
    memory = [step.kept_megabytes() for step in (ours, plain)]
    benchmark.extra_info |= {
        "times_plain": round(own / reference, 2),
        "megabytes": [round(size) for size in memory],
    }
    print(
        f"\n{routed} routed: {own:.3f} s against {reference:.3f} s, {own / reference:.2f} times; "
        f"{memory[0]:.0f} MB kept for the backward pass against {memory[1]:.0f} MB"
    )
    assert own / reference <= most


class _Files(torch.utils.data.Dataset):
    """JPEG files through PIL and torchvision's transforms, as in the released code."""

    def __init__(self, folder, count: int) -> None:
        from torchvision import transforms

        self.paths = [folder / f"{i}.jpg" for i in range(count)]
        self.transform = transforms.Compose(
            [
                transforms.RandomCrop(SIZE),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize(MEAN, STD),
            ]
        )

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        from PIL import Image

        with Image.open(self.paths[index]) as image:
            return self.transform(image.convert("RGB")), index


def test_packed_images_against_a_loader_of_files(benchmark, tmp_path):
    """An epoch of 1,024 images of 72 px, cut to 64 and mirrored, in batches of 128; two workers for files."""
    from PIL import Image

    count, batch = 1024, 128
    random = np.random.default_rng(0)
    shapes = random.integers(30, 226, (count, 9, 9, 3)).repeat(8, axis=1).repeat(8, axis=2)
    texture = random.integers(-12, 13, (count, 72, 72, 1))  # without it a JPEG is decoded in no time
    packed = (shapes + texture).astype(np.uint8)
    for i, array in enumerate(packed):
        Image.fromarray(array).save(tmp_path / f"{i}.jpg", quality=90)
    loader = torch.utils.data.DataLoader(
        _Files(tmp_path, count), batch, shuffle=True, num_workers=2, persistent_workers=True
    )
    data = LabelledImages(torch.from_numpy(packed), torch.arange(count), torch.arange(count))
    settings = Augmentation(crop="random", jitter=0.0, flip=0.5)
    generator = torch.Generator().manual_seed(0)

    def from_packed():
        for index in torch.randperm(count).split(batch):
            images, _ = data.batch(index, torch.device("cpu"))
            draws = draw(len(index), 72, 72, SIZE, settings, generator)
            assert augment(images, draws, SIZE, settings.crop).shape == (batch, 3, SIZE, SIZE)

    def from_files():
        for images, _ in loader:
            assert images.shape == (batch, 3, SIZE, SIZE)

    own, reference = turns(benchmark, from_packed, from_files, rounds=12)
    benchmark.extra_info["times_faster"] = round(reference / own, 2)
    print(f"\npacked: {own:.3f} s against {reference:.3f} s, {reference / own:.2f} times")
    assert reference / own >= 5
