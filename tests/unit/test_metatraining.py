"""Meta-training and evaluation: it learns, resumes exactly, and answers each episode by itself."""

from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from interrupted import kill_after_two_epochs
from torch import nn

from farfield.backbones import build
from farfield.backbones.backbone import Backbone
from farfield.episodes.sampling import Episodes
from farfield.errors import InputError
from farfield.metalearning.architecture import Architecture
from farfield.metalearning.evaluation import evaluate_meta
from farfield.metalearning.fwt import feature_wise_transform, transform_parameters
from farfield.metalearning.learner import EmbeddingLearner, MetaLearner
from farfield.metalearning.tasks import Domain, Tasks
from farfield.metalearning.training import Episodic, mean_accuracy, meta_train
from farfield.training.checkpoints import load_tensors, save_tensors
from farfield.training.images import evaluation_view
from farfield.training.recipe import Recipe

CPU = torch.device("cpu")
SIZE = 16
RECIPE = Recipe(epochs=4, batch_size=2, learning_rate=3e-3)
EPISODIC = Episodic(way=3, shot=2, query=4, episodes_per_epoch=5)


class Prototypes(EmbeddingLearner):
    """A prototype learner with a layer that draws at random, so that resuming has draws to repeat."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__(backbone)
        self.dropout = nn.Dropout(0.1)

    def embed(self, images):
        return self.dropout(self.backbone(images))

    def classify(self, support, query):
        return -((query[:, :, None] - support.mean(2)[:, None]) ** 2).sum(-1)


class Summing(Prototypes):
    tasks = "sum"


class OneByOne(MetaLearner):
    """The same as a learner that must see the images of each episode; its dropout is off."""

    def __init__(self, inner: Prototypes) -> None:
        super().__init__()
        self.inner = inner
        self.numbers = []

    def forward(self, support, query, first=0):
        self.numbers.append(first)
        return self.inner(support, query)


def coloured(classes: int, images: int = 12, seed: int = 0, name: str = "squares") -> Domain:
    """uint8 images [n, 20, 20, 3], each class of a hue of its own, each image of any brightness."""
    random = np.random.default_rng(seed)
    labels = random.permutation(np.repeat(np.arange(classes), images))
    hues = np.random.default_rng(9).integers(0, 70, (classes, 3))[labels]
    brightness = random.integers(0, 120, (len(labels), 1))
    pixels = random.integers(0, 60, (len(labels), 20, 20, 3)) + (hues + brightness)[:, None, None]
    return Domain(name, torch.from_numpy(pixels.astype(np.uint8)), np.arange(len(labels)), labels)


SOURCE = coloured(6)
VALIDATION = SOURCE.episodes(way=3, shot=2, query=4, episodes=6, seed=1)


def learner_of(kind=Prototypes, transform: str = "none") -> MetaLearner:
    torch.manual_seed(0)
    backbone = build("conv4", width=4, image_size=SIZE)
    if transform != "none":
        feature_wise_transform(backbone, learned=transform == "learned_fwt")
    return kind(backbone)


def train(recipe=RECIPE, episodic=EPISODIC, kind=Prototypes, transform="none", **settings):
    learner = learner_of(kind, transform)
    settings = {"validation": VALIDATION, "source": SOURCE} | settings
    curve = meta_train(
        learner, recipe=recipe, episodic=episodic, image_size=SIZE, seed=5, device=CPU, **settings
    )
    return learner, curve


def states_equal(a: nn.Module, b: nn.Module) -> bool:
    return all(
        torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    )


def test_it_learns_to_tell_unseen_classes_apart():
    test = coloured(12, seed=3)
    held_out = test.labels >= 6
    unseen = replace(test, rows=test.rows[held_out], labels=test.labels[held_out])
    episodes = unseen.episodes(way=3, shot=2, query=4, episodes=50, seed=0)
    before = mean_accuracy(learner_of(), test.images, episodes, image_size=SIZE, device=CPU)
    learner, curve = train(replace(RECIPE, epochs=10, augmentation=None), validation=None)
    after = mean_accuracy(learner, test.images, episodes, image_size=SIZE, device=CPU)
    assert after["accuracy"] > before["accuracy"] + 15
    assert curve[-1]["train_loss"] < curve[0]["train_loss"] / 2
    assert [row["epoch"] for row in curve] == list(range(1, 11))


@pytest.mark.parametrize(
    ("transform", "selection", "optimizer"),
    [
        ("none", "last", "adam"),
        ("none", "best", "sgd"),
        ("fwt", "last", "sgd"),
        ("learned_fwt", "best", "adam"),
    ],
)
def test_a_resumed_run_equals_one_that_never_stopped(tmp_path, monkeypatch, transform, selection, optimizer):
    recipe = replace(RECIPE, optimizer=optimizer)
    settings = {"transform": transform, "episodic": replace(EPISODIC, selection=selection)}
    if transform == "learned_fwt":
        settings["further"] = [coloured(4, seed=1, name="a"), coloured(5, seed=2, name="b")]
    whole, curve = train(recipe, **settings)
    path = tmp_path / "checkpoint.safetensors"

    kill_after_two_epochs(monkeypatch, lambda: train(recipe, checkpoint=path, **settings))
    torch.manual_seed(123)  # whatever was drawn before must not matter
    resumed, resumed_curve = train(recipe, checkpoint=path, **settings)
    assert states_equal(whole, resumed)
    assert curve == resumed_curve
    finished, _ = train(recipe, checkpoint=path, **settings)
    assert states_equal(whole, finished)


def test_best_selection_ends_with_the_first_best_epoch(monkeypatch):
    """Validation accuracies are dictated; the weights must be those of a run that ended there."""
    dictated = iter([40.0, 60.0, 60.0, 50.0])
    monkeypatch.setattr(
        "farfield.metalearning.training.mean_accuracy",
        lambda *a, **k: {"accuracy": next(dictated), "ci95": 1.0},
    )
    chosen, curve = train(episodic=replace(EPISODIC, selection="best"))
    monkeypatch.undo()
    assert [row["validation_accuracy"] for row in curve] == [40, 60, 60, 50]
    stopped, _ = train(replace(RECIPE, epochs=2), validation=None)
    assert states_equal(chosen, stopped)


def test_without_validation_the_last_epoch_counts():
    last, curve = train(validation=None)
    best, _ = train(validation=None, episodic=replace(EPISODIC, selection="best"))
    assert states_equal(last, best)
    assert "validation_accuracy" not in curve[0]


@pytest.mark.parametrize(("kind", "share"), [(Prototypes, 0.5), (Summing, 1.0)])
def test_a_step_follows_the_mean_or_the_sum_of_the_losses_of_its_tasks(kind, share):
    recipe = Recipe(
        epochs=1, batch_size=2, optimizer="sgd", momentum=0, learning_rate=0.01, augmentation=None
    )
    episodic = replace(EPISODIC, episodes_per_epoch=2)

    def still(backbone):
        learner = kind(backbone)
        learner.dropout.p = 0.0
        return learner

    learner, _ = train(recipe, episodic, kind=still, validation=None)
    drawn = {}

    class Spy(Domain):
        def episodes(self, **task):
            drawn["episodes"] = super().episodes(**task)
            return drawn["episodes"]

    spied = Spy(SOURCE.name, SOURCE.images, SOURCE.rows, SOURCE.labels)
    train(recipe, episodic, kind=still, validation=None, source=spied)
    expected = learner_of(still).train()
    losses = []
    for rows in drawn["episodes"].rows:
        images = evaluation_view(SOURCE.images[rows.reshape(-1)], SIZE).unflatten(0, rows.shape)
        losses.append(expected.loss(images[None, :, :2], images[None, :, 2:].flatten(1, 2))[0])
    (share * sum(losses)).backward()
    for ours, theirs in zip(learner.parameters(), expected.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs - 0.01 * theirs.grad, atol=1e-5, rtol=1e-4)


def test_tasks_are_drawn_anew_each_epoch_and_their_images_belong_to_their_classes():
    recipe = replace(RECIPE, augmentation=None)
    episodes = SOURCE.episodes(way=3, shot=2, query=4, episodes=5, seed=0)
    tasks = Tasks(SOURCE, episodes, recipe, SIZE, CPU, seed=0, key=(1,))
    assert [list(group) for _, group in tasks.steps()] == [[0, 1], [2, 3], [4]]
    assert [time for time, _ in tasks.steps()] == pytest.approx([0, 1 / 3, 2 / 3])
    support, query = tasks.batch(range(1, 3))
    assert support.shape == (2, 3, 2, 3, SIZE, SIZE)
    assert query.shape == (2, 12, 3, SIZE, SIZE)
    row = episodes.query[2, 7]
    assert torch.equal(query[1, 7], evaluation_view(SOURCE.images[[row]], SIZE)[0])
    assert SOURCE.labels[row] == episodes.classes[2, 7 // 4]
    other = SOURCE.episodes(way=3, shot=2, query=4, episodes=5, seed=1)
    assert not np.array_equal(episodes.rows, other.rows)


def test_augmentation_depends_on_the_task_alone():
    episodes = SOURCE.episodes(way=3, shot=2, query=4, episodes=5, seed=0)
    tasks = Tasks(SOURCE, episodes, RECIPE, SIZE, CPU, seed=0, key=("squares", 1))
    together, alone = tasks.batch(range(0, 4)), tasks.batch(range(3, 4))
    assert torch.equal(together[0][3], alone[0][0])
    assert torch.equal(together[1][3], alone[1][0])
    later = replace(tasks, key=("squares", 2))
    assert not torch.equal(later.batch(range(3, 4))[0], alone[0])


def test_learning_to_learn_moves_the_noise_and_needs_two_sources():
    learner, curve = train(transform="learned_fwt", further=[coloured(4, seed=1, name="other")])
    thetas = transform_parameters(learner)
    assert len(thetas) == 8
    assert any((theta != theta.flatten()[0]).any() for theta in thetas.values())
    assert {"train_loss", "unseen_loss", "validation_accuracy"} <= set(curve[0])
    with pytest.raises(InputError, match="learned from at least two sources"):
        train(transform="learned_fwt")
    with pytest.raises(InputError, match="learned from at least two sources"):
        train(further=[SOURCE])


def test_a_diverging_run_stops_with_advice():
    with pytest.raises(InputError, match=r"training loss is (nan|inf).*lower the learning rate"):
        train(replace(RECIPE, optimizer="sgd", learning_rate=1e30))


def test_label_smoothing_is_refused_since_the_learner_defines_the_loss():
    with pytest.raises(InputError, match=r"label_smoothing is 0\.1"):
        train(replace(RECIPE, label_smoothing=0.1))


def test_a_source_that_is_too_small_is_named():
    with pytest.raises(InputError, match="squares cannot give 7-way"):
        train(episodic=replace(EPISODIC, way=7))


def test_small_splits_give_fewer_queries_or_nothing():
    domain = Domain("small", SOURCE.images, np.arange(18), np.repeat([0, 1, 2, 3], [6, 5, 5, 2]))
    task = {"way": 3, "shot": 2, "episodes": 4, "seed": 0}
    assert domain.small_episodes(query=2, **task).rows.shape == (4, 3, 4)
    assert domain.small_episodes(query=15, **task).rows.shape == (4, 3, 5)
    assert domain.small_episodes(query=15, **task | {"way": 4}) is None
    assert domain.small_episodes(query=15, **task | {"way": 5}) is None


def test_embedding_once_equals_embedding_each_episode():
    learner = learner_of()
    numbers = OneByOne(learner)
    settings = {"image_size": SIZE, "device": CPU}
    once = evaluate_meta(learner, SOURCE.images, VALIDATION, **settings)
    each = evaluate_meta(numbers, SOURCE.images, VALIDATION, **settings)
    assert np.array_equal(np.stack(once["predictions"]), np.stack(each["predictions"]))
    assert once["accuracy"].tolist() == each["accuracy"].tolist()
    assert once["episode"].tolist() == numbers.numbers == list(range(6))


@pytest.mark.parametrize("kind", [lambda learner: learner, OneByOne])
def test_a_share_of_the_episodes_is_answered_as_in_the_whole_list(kind):
    learner = kind(learner_of())
    settings = {"image_size": SIZE, "device": CPU}
    whole = evaluate_meta(learner, SOURCE.images, VALIDATION, **settings)
    rest = Episodes(VALIDATION.rows[4:], VALIDATION.classes[4:], VALIDATION.shot)
    part = evaluate_meta(learner, SOURCE.images, rest, first=4, **settings)
    assert part["episode"].tolist() == [4, 5]
    assert part["episode"].dtype == whole["episode"].dtype == np.int32
    assert part["accuracy"].tolist() == whole["accuracy"].tolist()[4:]


@pytest.mark.parametrize("transform", ["none", "fwt", "learned_fwt"])
def test_a_saved_network_is_built_again_from_its_header(tmp_path, transform):
    network = Architecture("protonet", {}, transform, "resnet10", width=4, image_size=SIZE, way=3)
    torch.manual_seed(0)
    learner = network.build()
    save_tensors(tmp_path / "x.safetensors", learner.state_dict(), asdict(network))
    weights, facts = load_tensors(tmp_path / "x.safetensors")
    again = Architecture(**facts).build()
    again.load_state_dict(weights)
    settings = {"image_size": SIZE, "device": CPU}
    one, two = (evaluate_meta(x, SOURCE.images, VALIDATION, **settings) for x in (learner, again))
    assert np.array_equal(np.stack(one["predictions"]), np.stack(two["predictions"]))
