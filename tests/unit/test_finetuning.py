"""Fine-tuning of stacked episodes against plain torch, one episode at a time."""

import copy
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from farfield.backbones import build
from farfield.episodes.minibatches import minibatch_orders
from farfield.episodes.sampling import Episodes
from farfield.errors import InputError
from farfield.execution import Workers
from farfield.networks.views import show, shown
from farfield.training.recipe import SGD
from farfield.transfer.finetuning import engine, layout
from farfield.transfer.finetuning.driver import Cell, fine_tune_cells, fine_tune_episodes
from farfield.transfer.finetuning.engine import fine_tune
from farfield.transfer.finetuning.settings import TSA, FineTuning, Grid
from farfield.transfer.linear_head import initial_heads

READOUTS = (
    "head",
    "transductive",
    "support_features",
    "query_features",
    "support_stages",
    "query_stages",
)
MOMENTUM = SGD(0.01, momentum=0.9, dampening=0.9, weight_decay=0.001)
ONE = Workers(1)  # this process


def trained_names(network, last, unit):
    """Which children are trained, written out by hand for the two networks of this file."""
    if hasattr(network, "blocks"):
        order = [[f"blocks.{i}."] for i in range(4)]
        return None if last is None else [name for layer in order[-last:] for name in layer]
    layers = []
    for i in range(4):
        block = f"layers.{i}.0."
        layers += [
            [block + "conv1.", block + "bn1.", block + "shortcut."],
            [block + "conv2.", block + "bn2."],
        ]
    if last is None:
        return None
    return [name for layer in layers[-last * (2 if unit == "block" else 1) :] for name in layer]


def reference(backbone, support, query, settings, episode, seed=0):
    """The loop of the released code: a copy of the network, torch's optimisers, one episode."""
    network = copy.deepcopy(backbone)
    way, shot = support.shape[:2]
    names = trained_names(network, settings.last, settings.unit)
    trained = [p for name, p in network.named_parameters() if names is None or name.startswith(tuple(names))]
    head = torch.nn.Linear(network.feature_dim, way, bias=settings.classifier == "linear").to(support)
    weight, bias = initial_heads(seed, 1, way, network.feature_dim, episode)
    head.weight.data.copy_(weight[0])
    if head.bias is not None:
        head.bias.data.copy_(bias[0, 0])

    def training_mode():
        network.train()
        for name, module in network.named_modules():
            inside = names is None or (name + ".").startswith(tuple(names))
            norm = settings.norm if inside else settings.frozen_norm
            if isinstance(module, torch.nn.BatchNorm2d) and norm == "eval":
                module.eval()

    def classify(features):
        if settings.classifier == "linear":
            return head(features)
        return settings.scale * F.cosine_similarity(features[:, None], head.weight[None], dim=-1)

    def optimizer(parameters, s):
        return torch.optim.SGD(
            parameters, s.learning_rate, s.momentum, s.dampening, weight_decay=s.weight_decay
        )

    optimizers = optimizer(trained, settings.backbone), optimizer(head.parameters(), settings.head)
    images, targets = support.flatten(0, 1), torch.arange(way).repeat_interleave(shot)
    orders = torch.from_numpy(minibatch_orders(seed, 1, settings.epochs, way * shot, episode)[0])
    training_mode()
    for order in orders:
        for batch in order.split(settings.batch_size):
            network.zero_grad()
            head.zero_grad()
            F.cross_entropy(classify(network(images[batch])), targets[batch]).backward()
            for each in optimizers:
                each.step()
    out = {}
    with torch.no_grad():
        network.eval()
        out["head"] = classify(network(query))
        out["query_features"] = network(query)
        out["support_features"] = network(images).unflatten(0, (way, shot))
        pooled = [torch.cat([m.mean((2, 3)) for m in network.stages(x)], 1) for x in (images, query)]
        out["support_stages"], out["query_stages"] = pooled[0].unflatten(0, (way, shot)), pooled[1]
        training_mode()
        out["transductive"] = classify(network(query))
    return out


def pretrained(name, dtype=torch.float64, width=4, size=32):
    """A network with statistics and affine parameters that are not those of a new one."""
    torch.manual_seed(0)
    backbone = build(name, width=width, image_size=size).to(dtype)
    for module in backbone.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 1.5)
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.normal_(0, 0.2)
    return backbone


def images(episodes, shot, queries, size=32, dtype=torch.float64, way=5):
    generator = torch.Generator().manual_seed(1)
    support = torch.randn(episodes, way, shot, 3, size, size, generator=generator, dtype=dtype)
    query = torch.randn(episodes, queries, 3, size, size, generator=generator, dtype=dtype)
    return support, query


def assert_same(got, backbone, support, query, settings, first=0, **tolerance):
    for e in range(len(support)):
        expected = reference(backbone, support[e], query[e], settings, first + e)
        for name in READOUTS:
            torch.testing.assert_close(
                got[name][e], expected[name], **tolerance, msg=lambda m, n=name: n + ": " + m
            )


ALL = FineTuning(epochs=2)
VARIANTS = {
    "all": ALL,
    "last 1": replace(ALL, last=1),
    "last 2": replace(ALL, last=2),
    "last 3": replace(ALL, last=3),
    "last layer": replace(ALL, last=1, unit="layer"),
    "last 3 layers": replace(ALL, last=3, unit="layer"),
    "frozen BatchNorm in training": replace(ALL, last=2, frozen_norm="train"),
    "cosine": replace(ALL, classifier="cosine"),
    "momentum on the backbone": replace(ALL, backbone=MOMENTUM),
    "batches of 7": replace(ALL, batch_size=7),
    "no step": replace(ALL, epochs=0),
    "pretrained statistics": replace(ALL, norm="eval"),
    "pretrained statistics above training ones": replace(ALL, last=2, frozen_norm="train", norm="eval"),
}


@pytest.mark.parametrize("settings", VARIANTS.values(), ids=VARIANTS.keys())
@pytest.mark.parametrize("name", ["conv4", "resnet10"])
def test_stacked_episodes_train_as_single_ones(name, settings, monkeypatch):
    """Ten images, so that the last minibatch of 4 is smaller; three episodes in groups of two."""
    monkeypatch.setattr(engine, "episodes_together", lambda *_: 2)
    # The last maps of ResNet-10 are 2 x 2 and those of Conv4 4 x 4.
    size = 64 if name == "conv4" else 40
    backbone = pretrained(name, size=size)
    before = copy.deepcopy(backbone.state_dict())
    support, query = images(3, 2, 6, size)
    got = fine_tune(backbone, support, query, settings, READOUTS, seed=0, first=5)
    assert_same(got, backbone, support, query, settings, 5, atol=1e-8, rtol=1e-7)
    for key, value in backbone.state_dict().items():
        assert torch.equal(value, before[key])


def test_a_grid_is_the_mean_of_the_log_probabilities_of_its_trainings():
    backbone = pretrained("resnet10", size=40)
    support, query = images(2, 2, 6, 40)
    grid = Grid(learning_rates=(0.001, 0.05), epochs=(1, 3), norms=("eval", "train"))
    got = fine_tune(backbone, support, query, replace(ALL, grid=grid), ["head"], seed=0)["head"]
    expected = []
    for rate in grid.learning_rates:
        for epochs in grid.epochs:
            for norm in grid.norms:
                one = replace(ALL, epochs=epochs, norm=norm, backbone=SGD(rate))
                expected.append(
                    torch.stack(
                        [
                            reference(backbone, support[e], query[e], one, e)["head"].log_softmax(-1)
                            for e in range(2)
                        ]
                    )
                )
    torch.testing.assert_close(got, torch.stack(expected).mean(0), atol=1e-7, rtol=1e-7)


def test_views_take_turns_and_their_answers_are_averaged():
    """Epoch e is trained on view e of all images, in turn: more views are no more steps."""
    views = ("plain", "mirrored", "near")
    backbone = pretrained("resnet10", size=40)
    support, query = images(2, 2, 4, 40)
    settings = replace(ALL, epochs=4, last=2, views=views)
    asked = ["head", "support_stages", "query_stages"]
    found = fine_tune(backbone, support, query, settings, asked, seed=0)
    got = found["head"]
    assert found["support_stages"].shape[:3] == (2, support.shape[1], 2 * 3)
    for e in range(2):
        network, way = copy.deepcopy(backbone), support.shape[1]
        trained = [p for name, p in network.named_parameters() if name.startswith(("layers.2.", "layers.3."))]
        head = torch.nn.Linear(network.feature_dim, way).double()
        weight, bias = initial_heads(0, 1, way, network.feature_dim, e)
        head.weight.data.copy_(weight[0])
        head.bias.data.copy_(bias[0, 0])
        network.eval()
        network.layers[2].train()
        network.layers[3].train()
        one = torch.optim.SGD(trained, 0.01)
        other = torch.optim.SGD(head.parameters(), 0.01, 0.9, 0.9, weight_decay=0.001)
        flat = support[e].flatten(0, 1)
        near = F.interpolate(flat[..., 2:37, 2:37], size=(40, 40), mode="bilinear")
        seen, targets = [flat, flat.flip(3), near, flat], torch.arange(way).repeat_interleave(2)
        orders = torch.from_numpy(minibatch_orders(0, 1, 4, 2 * way, e)[0])
        for pixels, order in zip(seen, orders, strict=True):
            for batch in order.split(4):
                one.zero_grad()
                other.zero_grad()
                F.cross_entropy(head(network(pixels[batch])), targets[batch]).backward()
                one.step()
                other.step()
        network.eval()
        near = F.interpolate(query[e][..., 2:37, 2:37], size=(40, 40), mode="bilinear")
        with torch.no_grad():
            of_views = query[e], query[e].flip(3), near
            answers = [head(network(x)).log_softmax(-1) for x in of_views]
            stages = torch.stack([_pooled(network, x) for x in of_views], 1).flatten(0, 1)
            seen = (
                torch.stack([_pooled(network, x) for x in seen[:3]], 1).unflatten(0, (way, 2)).flatten(1, 2)
            )
        torch.testing.assert_close(got[e], torch.stack(answers).mean(0), atol=1e-8, rtol=1e-7)
        torch.testing.assert_close(found["query_stages"][e], stages, atol=1e-8, rtol=1e-7)
        torch.testing.assert_close(found["support_stages"][e], seen, atol=1e-8, rtol=1e-7)


def _pooled(network, pixels):
    """[n, sum(stage_dims)]"""
    return torch.cat([maps.mean((2, 3)) for maps in network.stages(pixels)], 1)


@pytest.mark.parametrize(
    ("settings", "readout"),
    [
        ({"views": ("plain", "near")}, "transductive"),
        ({"views": ("plain", "near")}, "query_features"),
        ({"tsa": TSA()}, "query_stages"),
    ],
)
def test_a_readout_that_does_not_come_of_the_settings_is_refused(settings, readout):
    backbone = pretrained("resnet10", size=24)
    with pytest.raises(InputError, match=rf"and no other; found {readout}\."):
        fine_tune(backbone, *images(1, 1, 1, 24), replace(ALL, **settings), ["head", readout], seed=0)


def test_turned_views_show_the_same_pixels():
    image = torch.arange(2 * 3 * 4 * 4.0).reshape(2, 3, 4, 4)
    assert torch.equal(show(image, "upside_down"), image.flip(2, 3))
    assert torch.equal(show(image, "turned"), image.transpose(2, 3).flip(2))
    assert shown(image, ("plain", "mirrored")).shape == (2, 2, 3, 4, 4)
    assert torch.equal(shown(image, ("plain", "mirrored"))[1, 1], image[1].flip(2))


def test_a_grid_has_no_readout_but_the_head_and_rising_epochs():
    with pytest.raises(InputError, match="epochs of a grid rise"):
        Grid(learning_rates=(0.1,), epochs=(3, 3), norms=("eval",))
    settings = replace(ALL, grid=Grid(learning_rates=(0.1,), epochs=(1,), norms=("eval",)))
    for doubled in ({"learning_rates": (0.1, 0.1)}, {"norms": ("eval", "eval")}):
        with pytest.raises(InputError, match=f"{next(iter(doubled))} of a grid differ"):
            replace(Grid((0.1,), (1, 2), ("train",)), **doubled)
    with pytest.raises(InputError, match="the readouts head and no other"):
        fine_tune(pretrained("conv4", size=64), *images(1, 1, 2, 64), settings, ["transductive"], seed=0)


def test_last_minibatch_of_one_image():
    """Five ways of five images: 6 minibatches of 4 and one of 1."""
    backbone = pretrained("resnet10", size=40)
    support, query = images(2, 5, 10, 40)
    got = fine_tune(backbone, support, query, ALL, READOUTS, seed=0)
    assert_same(got, backbone, support, query, ALL, atol=1e-8, rtol=1e-7)


def test_float32_follows_float64():
    """Logits agree to 1e-4 in most episodes. In some a ReLU near zero falls to the other side, and a few
    channels feel that; in which ones depends on the machine's order of summation."""
    backbone = pretrained("resnet10", torch.float32, size=40, width=8)
    support, query = images(9, 2, 10, 40, torch.float32)
    got = fine_tune(backbone, support, query, ALL, ("head",), seed=0)["head"]
    exact = copy.deepcopy(backbone).double()
    expected = fine_tune(exact, support.double(), query.double(), ALL, ("head",), seed=0)["head"]
    worst = (got - expected).abs().amax(dim=(1, 2))
    assert got.dtype == torch.float32
    assert worst.median() < 1e-4
    assert worst.max() < 0.5


def test_single_value_a_channel_keeps_the_running_statistics():
    """At 16 px the last map is 1 x 1: one image gives no variance, and plain torch refuses it."""
    backbone = pretrained("resnet10", size=16)
    norm = backbone.layers[3][0].bn2
    support, query = images(2, 1, 5, 16, way=1)
    still = FineTuning(epochs=3, head=SGD(0), backbone=SGD(0), last=1)
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        reference(backbone, support[0], query[0], still, 0)
    got = fine_tune(backbone, support, query, still, ("query_features",), seed=0)
    expected = fine_tune(backbone, support, query, replace(still, epochs=0), ("query_features",), seed=0)
    torch.testing.assert_close(got, expected)
    moved = fine_tune(
        backbone, support, query, replace(still, backbone=SGD(0.01), head=SGD(0.01)), READOUTS, seed=0
    )
    assert all(value.isfinite().all() for value in moved.values())
    assert norm.running_mean.isfinite().all()


def test_transductive_logits_depend_on_the_other_queries():
    backbone = pretrained("resnet10", size=40)
    support, query = images(1, 2, 6, 40)
    readouts = ("head", "transductive")
    whole = fine_tune(backbone, support, query, ALL, readouts, seed=0)
    part = fine_tune(backbone, support, query[:, :3], ALL, readouts, seed=0)
    torch.testing.assert_close(whole["head"][:, :3], part["head"])
    assert (whole["transductive"][:, :3] - part["transductive"]).abs().max() > 1e-3


def test_an_episode_does_not_depend_on_its_neighbours():
    backbone = pretrained("resnet10", size=40)
    support, query = images(4, 1, 5, 40)
    whole = fine_tune(backbone, support, query, ALL, ("head",), seed=0, first=3)["head"]
    single = fine_tune(backbone, support[2:3], query[2:3], ALL, ("head",), seed=0, first=5)["head"]
    torch.testing.assert_close(whole[2:3], single, atol=1e-9, rtol=1e-8)


@pytest.mark.parametrize(
    ("few", "large", "small"),
    [(0, 10**12, 0), (10**6, 0, 0), (0, 10**12, 10**4)],
    ids=["stacked", "by episode", "products"],
)
@pytest.mark.parametrize("size", [32, 40, 64])
def test_layouts_give_the_same(few, large, small, size, monkeypatch):
    """The last map of 32 px is 1 x 1, where most taps of a kernel see padding alone.

    Four shots, so that no minibatch has two images: BatchNorm of two single pixels is a sign, and then
    a relative change of 1e-15 in the images alone moves the reference's logits by 1e-5.
    """
    for name, value in (("FEW_CHANNELS", few), ("LARGE", large), ("SMALL", small)):
        monkeypatch.setattr(layout, name, value)
    backbone = pretrained("resnet10", size=size)
    support, query = images(2, 4, 5, size)
    got = fine_tune(backbone, support, query, ALL, READOUTS, seed=0)
    assert_same(got, backbone, support, query, ALL, atol=1e-8, rtol=1e-7)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"last": 9}, "last 9 blocks, and this backbone has 4"),
        ({"last": 10, "unit": "layer"}, "last 10 layers, and this backbone has 9"),
        ({"last": 0}, "last should be greater than 0, found 0"),
        ({"batch_size": 0}, "batch_size"),
        ({"unit": "stage"}, "unit should be 'block' or 'layer', found 'stage'"),
        ({"scale": 0.0}, "scale"),
        ({"head": {"learning_rate": -1.0}}, "learning_rate"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    def attempt():
        tune = FineTuning(**settings | ({"head": SGD(**settings["head"])} if "head" in settings else {}))
        fine_tune(pretrained("resnet10"), *images(1, 1, 5), tune, ("head",), seed=0)

    with pytest.raises(InputError, match=message):
        attempt()


def test_unknown_readout_is_refused():
    with pytest.raises(InputError, match="there is no readout 'tail'"):
        fine_tune(pretrained("conv4"), *images(1, 1, 5), ALL, ("tail",), seed=0)


@pytest.fixture(scope="module")
def pair():
    """Two processes for all tests of this file, since each takes seconds to import torch."""
    with Workers(2) as workers:
        yield workers


def run_driver(folder, scratch, *, executor=ONE, count=11, settings=ALL, seed=0):
    backbone = pretrained("conv4", torch.float32, size=16)
    rows = np.random.default_rng(0).permuted(np.tile(np.arange(60), (11, 1)), axis=1)[:, :20]
    episodes = Episodes(rows.reshape(11, 5, 4).astype(np.int32), np.zeros((11, 5), np.int32), 2)
    return fine_tune_episodes(
        backbone,
        np.load(folder / "images.npy", mmap_mode="r"),
        episodes.first(count),
        settings,
        ("head", "transductive", "support_stages"),
        image_size=16,
        seed=seed,
        device=torch.device("cpu"),
        executor=executor,
        scratch=folder / scratch,
        title="test",
    )


@pytest.fixture
def packed(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (60, 18, 18, 3), dtype=np.uint8)
    np.save(tmp_path / "images.npy", pixels)
    return tmp_path


def test_results_do_not_depend_on_the_number_of_workers(packed, pair):
    alone = run_driver(packed, "alone")
    assert alone["head"].shape == (11, 10, 5)
    assert alone["support_stages"].shape == (11, 5, 2, 16)
    together = run_driver(packed, "pair", executor=pair)
    for name, values in alone.items():
        assert values.tobytes() == together[name].tobytes()


def test_cells_together_give_what_each_gives_alone(packed, pair):
    """Other images, numbers of channels and shots; the chunks of all of them run in any order."""
    bands = np.random.default_rng(1).integers(0, 256, (60, 18, 18, 5), dtype=np.uint8)
    np.save(packed / "bands.npy", bands)
    rows = np.arange(60, dtype=np.int32).reshape(3, 4, 5)
    cells = {
        (name, shot): Cell(
            np.load(packed / f"{name}.npy", mmap_mode="r"),
            Episodes(rows, np.zeros((3, 4), np.int32), shot),
            packed / f"{name} {shot}",
            "test",
        )
        for name in ("images", "bands")
        for shot in (1, 2)
    }
    backbone = pretrained("conv4", torch.float32, size=16)
    common = {"image_size": 16, "seed": 0, "device": torch.device("cpu")}
    asked = (ALL, ("head", "support_stages"))
    together = list(fine_tune_cells(backbone, [*cells.values()], *asked, executor=pair, **common))
    assert [found["head"].shape for found in together] == [(3, 16, 4), (3, 12, 4)] * 2
    for cell, found in zip(cells.values(), together, strict=True):
        again = {**common, "executor": ONE, "scratch": packed / "alone", "title": "test"}
        alone = fine_tune_episodes(backbone, cell.images, cell.episodes, *asked, **again)
        for name, values in alone.items():
            assert values.tobytes() == found[name].tobytes()


def test_a_killed_run_resumes_with_the_chunks_it_finished(packed, monkeypatch):
    whole = run_driver(packed, "whole")
    chunks = sorted((packed / "whole").rglob("*.safetensors"))
    assert len(chunks) == 3
    chunks[2].unlink()
    calls = []

    def counted(*args, **kwargs):
        calls.append(kwargs["first"])
        return fine_tune(*args, **kwargs)

    monkeypatch.setattr("farfield.transfer.finetuning.driver.fine_tune", counted)
    again = run_driver(packed, "whole")
    assert calls == [8]
    for name, values in whole.items():
        assert values.tobytes() == again[name].tobytes()
    # The first eight episodes are two chunks of a shorter list, too; other settings or seeds are not.
    run_driver(packed, "whole", count=8)
    assert calls == [8]
    run_driver(packed, "whole", count=8, seed=1)
    run_driver(packed, "whole", count=8, settings=replace(ALL, epochs=1))
    assert calls == [8, 0, 4, 0, 4]


@pytest.mark.parametrize("left", ["damaged", "of another"])
def test_a_chunk_that_is_not_as_it_was_left_is_computed_anew(packed, capsys, left):
    whole = run_driver(packed, "whole", count=4)
    run_driver(packed, "another", count=4, seed=1)
    [chunk], [other] = (list((packed / name).rglob("*.safetensors")) for name in ("whole", "another"))
    content = bytearray((chunk if left == "damaged" else other).read_bytes())
    if left == "damaged":
        content[-1] ^= 1
    chunk.write_bytes(content)
    capsys.readouterr()
    again = run_driver(packed, "whole", count=4)
    assert f"computed anew: {chunk}" in capsys.readouterr().err
    for name, values in whole.items():
        assert values.tobytes() == again[name].tobytes()


def test_chunks_of_other_pixels_are_computed_anew(packed, capsys):
    """A folder of scratch is named by its inputs too, and says so of all below it."""
    run_driver(packed, "finetune-a1/leaves", count=4)
    pixels = np.load(packed / "images.npy")
    np.save(packed / "images.npy", pixels[::-1])
    right = run_driver(packed, "finetune-b2/leaves", count=4)
    shutil.copytree(packed / "finetune-a1", packed / "finetune-c3")
    capsys.readouterr()
    found = run_driver(packed, "finetune-c3/leaves", count=4)
    assert "says that it is of finetune-a1/leaves/" in capsys.readouterr().err
    for name, values in right.items():
        assert values.tobytes() == found[name].tobytes()


def square(number):
    return number * number, torch.get_num_threads()


def test_workers_keep_the_order_and_have_one_thread_each(pair):
    for workers in (ONE, pair):
        assert list(workers.map(square, range(5))) == [(n * n, 1) for n in range(5)]
