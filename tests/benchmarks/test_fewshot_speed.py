"""Episodes, heads and packed images against the loops of the released code."""

import io
import resource

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from farfield.backbones import build
from farfield.episodes.evaluation import evaluate
from farfield.episodes.minibatches import minibatch_orders
from farfield.episodes.sampling import sample_episodes
from farfield.networks.embedding import embed
from farfield.training.images import evaluation_view, normalise
from farfield.transfer.linear_head import LinearHead, initial_heads
from farfield.transfer.nearest_centroid import NearestCentroid

EUROSAT = np.repeat(np.arange(10), [3000, 3000, 3000, 2500, 2500, 2000, 2500, 3000, 2500, 3000])


def plain_head(head, support, query, episode):
    """One episode as the released code trains it: a new layer, torch's SGD, minibatches of 4."""
    way, shot, dim = support.shape
    weight, bias = initial_heads(head.seed, 1, way, dim, episode)
    layer = torch.nn.Linear(dim, way)
    layer.weight.data, layer.bias.data = weight[0].clone(), bias[0, 0].clone()
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.01, momentum=0.9, dampening=0.9, weight_decay=0.001)
    points, targets = support.flatten(0, 1), torch.arange(way).repeat_interleave(shot)
    for epoch in torch.from_numpy(minibatch_orders(head.seed, 1, head.epochs, way * shot, episode)[0]):
        for batch in epoch.split(4):
            optimizer.zero_grad()
            F.cross_entropy(layer(points[batch]), targets[batch]).backward()
            optimizer.step()
    return layer(query).detach()


@pytest.mark.parametrize("shot", [5, 20])
def test_fixed_heads_of_600_episodes(ratio, shot):
    generator = torch.Generator().manual_seed(0)
    centres = torch.randn(600, 5, 1, 512, generator=generator) / 2
    support = (centres + torch.randn(600, 5, shot, 512, generator=generator)).relu()
    query = (centres + torch.randn(600, 5, 15, 512, generator=generator)).relu().flatten(1, 2)
    head = LinearHead(seed=0)
    logits = head(support, query)
    for e in range(2):
        torch.testing.assert_close(logits[e], plain_head(head, support[e], query[e], e), atol=1e-4, rtol=0)
    few = 6 if shot == 5 else 2
    ratio(
        lambda: head(support, query),
        lambda: [plain_head(head, support[e], query[e], e) for e in range(few)],
        least=20,
        share=few / 600,
    )


@pytest.mark.parametrize(
    "learner", [LinearHead(seed=0), NearestCentroid()], ids=["Fixed", "Nearest centroid"]
)
def test_a_frozen_row_of_600_episodes_with_its_features(ratio, tmp_path, learner):
    """1,500 images of 64 px embedded once and 600 episodes answered, against the released loop: a new
    network an episode, which sees each minibatch of each epoch again."""
    images = np.random.default_rng(0).integers(0, 256, (1500, 73, 73, 3), dtype=np.uint8)
    episodes = sample_episodes(np.arange(1500) % 10, way=5, shot=5, query=15, episodes=600, seed=0, name="x")
    backbone, cpu = build("resnet10", width=16).eval(), torch.device("cpu")
    weights = backbone.state_dict()

    def ours():
        embed(backbone, torch.from_numpy(images), tmp_path / "f.npy", image_size=64, device=cpu)
        return evaluate(learner, np.load(tmp_path / "f.npy", mmap_mode="r")[:, -128:], episodes, cpu)

    def plain():
        network = build("resnet10", width=16).eval()
        network.load_state_dict(weights)
        pixels = evaluation_view(torch.from_numpy(images[episodes.rows[0].ravel()]), 64).unflatten(0, (5, 20))
        support, query = pixels[:, :5].flatten(0, 1), pixels[:, 5:].flatten(0, 1)
        head, targets = torch.nn.Linear(128, 5), torch.arange(5).repeat_interleave(5)
        optimizer = torch.optim.SGD(
            head.parameters(), lr=0.01, momentum=0.9, dampening=0.9, weight_decay=0.001
        )
        for order in torch.from_numpy(minibatch_orders(0, 1, 100, 25)[0]):
            for batch in order.split(4):
                optimizer.zero_grad()
                with torch.no_grad():
                    features = network(support[batch])
                F.cross_entropy(head(features), targets[batch]).backward()
                optimizer.step()
        with torch.no_grad():
            return head(network(query)).argmax(1)

    ratio(ours, plain, least=100, share=1 / 600)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    print(f"peak memory of the process so far {peak:.0f} MB")


def test_episodes_against_a_dataloader_for_each_class(ratio):
    """The released sampler: a shuffled DataLoader a class, of which each episode takes one batch."""
    loaders = [
        DataLoader(TensorDataset(torch.from_numpy(np.flatnonzero(c == EUROSAT))), batch_size=40, shuffle=True)
        for c in range(10)
    ]

    def plain():
        return [
            torch.stack([next(iter(loaders[c]))[0] for c in torch.randperm(10)[:5].tolist()])
            for _ in range(60)
        ]

    def ours():
        return [
            sample_episodes(EUROSAT, way=5, shot=shot, query=15, episodes=600, seed=0, name="x")
            for shot in (5, 20, 50)
        ]

    ratio(ours, plain, least=100, share=60 / 1800)


def test_packed_images_against_decoding_for_each_episode(ratio):
    """The images of 5-way 5-shot episodes at 64 px: out of the packed array, or out of JPEG files."""
    random = np.random.default_rng(0)
    small = random.integers(0, 256, (500, 8, 8, 3), dtype=np.uint8)
    packed = np.stack([np.asarray(Image.fromarray(s).resize((73, 73))) for s in small])
    files = []
    for pixels in small:
        buffer = io.BytesIO()
        Image.fromarray(pixels).resize((256, 256)).save(buffer, "JPEG")
        files.append(buffer.getvalue())
    labels = np.arange(500) % 10
    episodes = sample_episodes(labels, way=5, shot=5, query=15, episodes=20, seed=0, name="x")
    images = torch.from_numpy(packed)

    def ours():
        return [evaluation_view(images[torch.from_numpy(rows.ravel()).long()], 64) for rows in episodes.rows]

    def decoded(row):
        image = Image.open(io.BytesIO(files[row])).convert("RGB").resize((73, 73), Image.Resampling.BILINEAR)
        return torch.from_numpy(np.asarray(image.crop((4, 4, 68, 68))).copy())

    def plain():
        return [
            normalise(torch.stack([decoded(row) for row in rows.ravel()]).permute(0, 3, 1, 2).float())
            for rows in episodes.rows[:5]
        ]

    ratio(ours, plain, least=20, share=5 / 20)
