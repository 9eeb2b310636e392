"""The training loop: it learns, resumes exactly, and several processes see the batches of one."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import distributed_task
import numpy as np
import pytest
import torch
from distributed_task import coloured_squares, train_squares
from interrupted import kill_after_two_epochs
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

from farfield.backbones import build
from farfield.errors import InputError
from farfield.networks.embedding import embed, embed_views, feature_columns
from farfield.training.checkpoints import load_tensors, save_tensors
from farfield.training.classifier import Classifier, held_out, pretrain
from farfield.training.devices import choose_device, resident
from farfield.training.images import evaluation_view
from farfield.training.loop import LabelledImages, fit
from farfield.training.optimizers import make_optimizer
from farfield.training.recipe import Augmentation, Recipe, learning_rate

CPU = torch.device("cpu")
RECIPE = Recipe(epochs=4, batch_size=12, learning_rate=3e-3, schedule="cosine", warmup=1)


def train(recipe=RECIPE, checkpoint=None, holdout=0.2):
    torch.manual_seed(0)
    classifier = Classifier(build("resnet10", width=4), 3)
    images, labels = coloured_squares()
    result = pretrain(
        classifier,
        torch.from_numpy(images),
        np.arange(60),
        labels,
        recipe,
        holdout=holdout,
        image_size=16,
        seed=5,
        device=CPU,
        checkpoint=checkpoint,
    )
    return classifier, result


def states_equal(a: nn.Module, b: nn.Module) -> bool:
    return all(
        torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    )


def test_it_learns_what_can_be_learnt():
    _, result = train(replace(RECIPE, epochs=15))
    assert result.validation_accuracy > 90
    assert result.curve[-1]["train_loss"] < result.curve[0]["train_loss"] / 2
    assert [row["epoch"] for row in result.curve] == list(range(1, 16))


def test_the_same_seed_gives_the_same_bits():
    assert states_equal(train()[0], train()[0])


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_resumed_run_equals_one_that_never_stopped(tmp_path, monkeypatch, optimizer):
    recipe = replace(RECIPE, optimizer=optimizer)
    whole, curve = train(recipe)
    path = tmp_path / "checkpoint.safetensors"

    kill_after_two_epochs(monkeypatch, lambda: train(recipe, path))
    resumed, resumed_curve = train(recipe, path)
    assert states_equal(whole, resumed)
    assert repr(curve) == repr(resumed_curve)  # keys in the same order: tables take theirs from it


def test_the_checkpoint_of_another_training_is_refused(tmp_path, monkeypatch):
    """The folder that a stage keeps it in is named by its parameters, inputs and code."""
    mine, other = (tmp_path / f"pretrain-{key}/checkpoint.safetensors" for key in ("3f2a", "77b1"))
    kill_after_two_epochs(monkeypatch, lambda: train(RECIPE, other))
    mine.parent.mkdir()
    other.replace(mine)
    with pytest.raises(
        InputError, match=r"is the unfinished work of .*pretrain-77b1.*, expected that of .*3f2a"
    ):
        train(RECIPE, mine)
    mine.unlink()
    assert states_equal(train(RECIPE, mine)[0], train()[0])


def test_the_first_step_of_the_loop_is_a_plain_gradient_step():
    images, labels = coloured_squares(12)
    torch.manual_seed(1)
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 3))
    expected = nn.Linear(3 * 16 * 16, 3)
    expected.load_state_dict(network[1].state_dict())
    recipe = Recipe(
        epochs=1, batch_size=12, optimizer="sgd", momentum=0, learning_rate=0.01, augmentation=None
    )
    data = LabelledImages(torch.from_numpy(images), torch.arange(12), torch.from_numpy(labels))
    fit(network, data, recipe, image_size=16, seed=0, device=CPU)
    logits = expected(evaluation_view(data.images, 16).flatten(1))
    F.cross_entropy(logits, data.targets).backward()
    torch.testing.assert_close(
        network[1].weight, expected.weight - 0.01 * expected.weight.grad, atol=1e-6, rtol=0
    )


def test_learning_rates_follow_the_recipe():
    step = Recipe(epochs=10, learning_rate=1.0, schedule="step", milestones=(4, 8), decay=0.1)
    assert [round(learning_rate(step, e), 6) for e in (0, 3.9, 4, 7.9, 8)] == [1, 1, 0.1, 0.1, 0.01]
    cosine = Recipe(epochs=10, learning_rate=1.0, schedule="cosine", warmup=2)
    assert learning_rate(cosine, 1) == 0.5
    assert learning_rate(cosine, 2) == 1
    assert learning_rate(cosine, 6) == pytest.approx(0.5)
    assert learning_rate(Recipe(), 399) == 1e-3


def test_groups_may_scale_the_learning_rate():
    network = nn.Linear(2, 2)
    optimizer = make_optimizer(
        Recipe(), [{"params": [network.weight], "scale": 0.1}, {"params": [network.bias]}]
    )
    from farfield.training.optimizers import set_learning_rate

    set_learning_rate(optimizer, 0.5)
    assert [group["lr"] for group in optimizer.param_groups] == [0.05, 0.5]


def test_a_diverging_run_stops_with_advice():
    with pytest.raises(InputError, match=r"training loss is (nan|inf).*lower the learning rate"):
        train(Recipe(epochs=6, optimizer="sgd", learning_rate=1e30, batch_size=4))


def test_held_out_images_are_a_share_of_each_class():
    labels = np.repeat([0, 1, 2], [10, 20, 5])
    mask = held_out(labels, 0.2, seed=0)
    assert np.bincount(labels[mask]).tolist() == [2, 4, 1]
    assert (mask == held_out(labels, 0.2, seed=0)).all()
    assert not held_out(labels, 0.0, seed=0).any()


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": -1},
        {"batch_size": 0},
        {"learning_rate": 0.0},
        {"momentum": -0.5},
        {"weight_decay": -1e-4},
        {"warmup": -1},
        {"label_smoothing": 1},
    ],
)
def test_impossible_recipes_are_refused(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        Recipe(**wrong)


def test_tensors_round_trip_with_reproducible_bytes_and_pickles_are_refused(tmp_path):
    tensors = {"b": torch.arange(3.0), "a": torch.ones(2, 2)}
    save_tensors(tmp_path / "x.safetensors", tensors, {"width": 4})
    save_tensors(tmp_path / "y.safetensors", tensors, {"width": 4})
    assert (tmp_path / "x.safetensors").read_bytes() == (tmp_path / "y.safetensors").read_bytes()
    loaded, facts = load_tensors(tmp_path / "x.safetensors")
    assert facts == {"width": 4}
    assert torch.equal(loaded["b"], tensors["b"])
    torch.save(tensors, tmp_path / "weights.pt")
    with pytest.raises(InputError, match=r"weights.pt is not a safetensors file.*pickle"):
        load_tensors(tmp_path / "weights.pt")


def test_tensors_that_are_not_those_that_were_saved_are_refused(tmp_path):
    path = tmp_path / "m.safetensors"
    tensors = {"backbone.w": torch.arange(1.0, 1000.0), "odd": torch.ones(3, dtype=torch.bfloat16)}
    save_tensors(path, tensors, {"backbone": "resnet10"})
    good = path.read_bytes()
    for at in [*range(len(good) - 4000, len(good), 131), good.index(b"resnet10") + 7]:
        path.write_bytes(good[:at] + bytes([good[at] ^ 64]) + good[at + 1 :])
        with pytest.raises(InputError, match=r"m\.safetensors does not hold the bytes that were saved"):
            load_tensors(path)
    for broken in (good[:-1], good[:20], b""):
        path.write_bytes(broken)
        with pytest.raises(InputError, match=r"m\.safetensors"):
            load_tensors(path)
    save_file(tensors, path, {"facts": '{"backbone": "conv4"}'})  # by others, or before there were checksums
    assert load_tensors(path)[1] == {"backbone": "conv4"}


def test_embedding_equals_the_network_on_each_image(tmp_path):
    images = torch.from_numpy(coloured_squares(10)[0])
    for name in ("resnet10", "conv4"):
        backbone = build(name, width=4, image_size=16)
        embed(backbone, images, tmp_path / "f.npy", image_size=16, device=CPU, batch_size=4)
        features = np.load(tmp_path / "f.npy", mmap_mode="r")
        columns = feature_columns(backbone)
        with torch.inference_mode():
            for i in range(10):
                view = evaluation_view(images[i : i + 1], 16)
                ours = torch.from_numpy(features[i].copy())
                torch.testing.assert_close(
                    ours[slice(*columns["features"])], backbone(view)[0], atol=1e-5, rtol=1e-4
                )
                middle = backbone.stages(view)[1].mean((2, 3))[0]
                torch.testing.assert_close(ours[slice(*columns["stage2"])], middle, atol=1e-5, rtol=1e-4)


def test_embedded_views_are_those_of_images_that_were_turned_before(tmp_path):
    """Where no pixel is made anew, what is shown is an image of its own."""
    images = torch.from_numpy(coloured_squares(10)[0])
    backbone = build("resnet10", width=4, image_size=16)
    size = {"image_size": images.shape[1], "device": CPU, "batch_size": 4}
    embed(backbone, images, tmp_path / "plain.npy", **size)
    plain = np.load(tmp_path / "plain.npy")
    views = ("plain", "mirrored", "turned", "upside_down", "near")
    embed_views(backbone, images, views, plain, tmp_path / "views.npy", **size)
    found = np.load(tmp_path / "views.npy")
    with pytest.raises(InputError, match=r"features of the plain view are \[9, .*expected \[10, "):
        embed_views(backbone, images, views, plain[:9], tmp_path / "views.npy", **size)
    assert found.shape == (10, 5, plain.shape[1])
    assert (found[:, 0] == plain).all()
    others = images.flip(2), images.rot90(1, (1, 2)), images.flip(1).flip(2)
    for number, other in enumerate(others, 1):
        embed(backbone, other.contiguous(), tmp_path / "other.npy", **size)
        np.testing.assert_allclose(found[:, number], np.load(tmp_path / "other.npy"), atol=1e-5, rtol=1e-4)
    assert np.abs(found[:, 4] - plain).max() > 1e-3


def test_augmentation_can_be_switched_off_and_changed():
    assert Recipe(augmentation=None).augmentation is None
    assert Recipe(augmentation=Augmentation(flip=0)).augmentation.flip == 0


def test_read_only_maps_feed_batches(tmp_path):
    np.save(tmp_path / "images.npy", coloured_squares(6)[0])
    images = resident(np.load(tmp_path / "images.npy", mmap_mode="r"), CPU)
    data = LabelledImages(images, torch.tensor([5, 1]), torch.tensor([1, 0]))
    pixels, targets = data.batch(torch.tensor([1, 0]), CPU)
    assert torch.equal(pixels, images[[1, 5]])
    assert targets.tolist() == [0, 1]


def test_an_absent_device_is_an_error():
    with pytest.raises(InputError, match=r"device 'tpu'.*auto"):
        choose_device("tpu")


def test_two_processes_train_as_one(tmp_path):
    """61 images in batches of 12: the last batch has one image, so one rank has none of it."""
    train_squares(tmp_path / "one.safetensors")
    root = Path(__file__).parents[2]
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    subprocess.run(
        [sys.executable, *launcher, distributed_task.__file__, str(tmp_path / "two.safetensors")],
        check=True,
        cwd=root,
        env={"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"},
        capture_output=True,
    )
    one, one_facts = load_tensors(tmp_path / "one.safetensors")
    two, two_facts = load_tensors(tmp_path / "two.safetensors")
    for name in one:
        torch.testing.assert_close(one[name], two[name], atol=1e-5, rtol=1e-4)
    assert one_facts["curve"][-1]["train_loss"] == pytest.approx(
        two_facts["curve"][-1]["train_loss"], rel=1e-4
    )
