"""The networks of the multi-task tables."""

import pytest
import torch
from dense_task import NETWORK
from torch.nn import functional as F

from farfield.errors import InputError
from farfield.sharing.deeplab import build_deeplab
from farfield.sharing.methods import METHODS, build_method
from farfield.sharing.methods.adashare import AdaShare
from farfield.sharing.methods.network import NetworkSettings
from farfield.sharing.methods.sluice import orthogonality

TASKS = {"segmentation": 4, "normals": 3, "depth": 1}


def images(height: int = 40, width: int = 48) -> torch.Tensor:
    return torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", list(METHODS))
def test_every_network_predicts_every_task_at_an_eighth_and_each_loss_reaches_its_weights(name):
    network = build_method(name, TASKS, NETWORK)
    predictions = network(images())
    assert {task: maps.shape for task, maps in predictions.items()} == {
        task: (2, channels, 6, 7) for task, channels in TASKS.items()
    }
    sum(maps.square().mean() for maps in predictions.values()).backward()
    if name != "stochastic_depth":  # which skips some blocks at random
        assert [n for n, p in network.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize("name", list(METHODS))
def test_groups_hold_every_parameter_once(name):
    network = build_method(name, TASKS, NETWORK)
    grouped = [id(p) for group in network.parameter_groups() for p in group["params"]]
    assert sorted(grouped) == sorted(id(p) for p in network.parameters())
    assert {group["kind"] for group in network.parameter_groups()} <= {"backbone", "head", "fusion"}


@pytest.mark.parametrize("name", ["cross_stitch", "sluice", "nddr", "mtan"])
def test_what_a_method_adds_has_a_learning_rate_of_its_own(name):
    (group,) = [
        g for g in build_method(name, TASKS, NETWORK, scale=7.0).parameter_groups() if g["kind"] == "fusion"
    ]
    assert group["scale"] == 7.0


def test_unknown_names_and_settings_are_refused():
    with pytest.raises(InputError, match="the multi-task methods are single_task"):
        build_method("den", TASKS, NETWORK)
    with pytest.raises(InputError, match="nddr do not fit"):
        build_method("nddr", TASKS, NETWORK, share=1)
    with pytest.raises(InputError, match="own, the share"):
        build_method("nddr", TASKS, NETWORK, own=1.5)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("cross_stitch", {"own": 1.0}),
        ("cross_stitch", {"own": 1.0, "stem": True}),
        ("nddr", {"own": 1.0, "norm": False}),
        ("sluice", {"own": 1.0}),
    ],
)
def test_fusions_that_start_as_the_identity_are_single_task_networks(name, settings):
    network = build_method(name, TASKS, NETWORK, **settings).eval()
    alone = build_method("single_task", TASKS, NETWORK).eval()
    expected = alone(images())
    for task, maps in network(images()).items():
        torch.testing.assert_close(maps, expected[task], rtol=1e-5, atol=1e-7)


def test_the_networks_of_single_tasks_do_not_depend_on_each_other():
    together = build_method("single_task", TASKS, NETWORK).eval()
    for task, channels_ in TASKS.items():
        alone = build_method("single_task", {task: channels_}, NETWORK).eval()
        torch.testing.assert_close(together(images())[task], alone(images())[task], rtol=0, atol=0)


def test_a_cross_stitch_unit_by_hand():
    network = build_method("cross_stitch", {"a": 1, "b": 1}, NETWORK, own=0.8)
    x, y = torch.randn(2, 4, 3, 3), torch.randn(2, 4, 3, 3)
    torch.nn.init.uniform_(network.alphas["1"])
    alpha = network.alphas["1"][..., None, None]
    first, second = network.fuse(1, [x, y])
    torch.testing.assert_close(first, alpha[0, 0] * x + alpha[0, 1] * y)
    torch.testing.assert_close(second, alpha[1, 0] * x + alpha[1, 1] * y)
    assert network.fuse(0, [x, y])[0] is x  # no unit after the stem
    three = build_method("cross_stitch", TASKS, NETWORK, own=0.8).alphas["4"]
    torch.testing.assert_close(three[1, :, 0], torch.tensor([0.1, 0.8, 0.1]))


def test_an_nddr_layer_is_a_convolution_of_all_tasks_maps_for_each():
    network = build_method("nddr", TASKS, NETWORK, norm=False)
    torch.nn.init.normal_(network.fusions[1][0].weight)
    maps = [torch.randn(2, 4, 3, 3) for _ in TASKS]
    for task, fused in enumerate(network.fuse(1, maps)):
        weight = network.fusions[1][0].weight[4 * task : 4 * task + 4]
        torch.testing.assert_close(fused, F.relu(F.conv2d(torch.cat(maps, 1), weight)))


def test_sluice_mixes_halves_of_channels():
    network = build_method("sluice", {"a": 1, "b": 1}, NETWORK)
    torch.nn.init.normal_(network.alphas)
    x, y = torch.randn(2, 4, 3, 3), torch.randn(2, 4, 3, 3)
    halves = [x[:, :2], x[:, 2:], y[:, :2], y[:, 2:]]
    mixed = [sum(a * half for a, half in zip(row, halves, strict=True)) for row in network.alphas[0]]
    first, second = network.fuse(0, [x, y])
    torch.testing.assert_close(first, torch.cat(mixed[:2], 1))
    torch.testing.assert_close(second, torch.cat(mixed[2:], 1))


def test_the_orthogonality_penalty_by_hand():
    # Rows of the halves: (1, 2), (3, 4) and (5, 6), (7, 8); products 17, 23, 39, 53.
    weight = torch.arange(1.0, 9.0).view(4, 2, 1, 1).requires_grad_()
    assert orthogonality(weight).item() == 17**2 + 23**2 + 39**2 + 53**2
    apart = torch.tensor([[1.0, 0], [2, 0], [0, 3], [0, 4]], requires_grad=True)
    penalty = orthogonality(apart)
    penalty.backward()
    assert penalty.item() == 0
    assert apart.grad.isfinite().all()


def test_the_penalty_of_sluice_is_that_of_the_last_convolution_of_each_stage_and_task():
    network = build_method("sluice", TASKS, NetworkSettings("resnet18", 4, 8), penalty_weight=0.5)
    last = [b.blocks[block].conv2.weight for b in network.trunks for block in (1, 3, 5, 7)]
    expected = 0.5 * sum(orthogonality(weight) for weight in last)
    torch.testing.assert_close(network.penalty(), expected)
    assert build_method("nddr", TASKS, NETWORK).penalty() is None


def backbone_multiple(name: str, tasks: int) -> float:
    """Parameters without heads, in backbones; ResNet-34 of published size, without memory."""
    with torch.device("meta"):
        network = build_method(
            name, {str(k): 1 for k in range(tasks)}, NetworkSettings("resnet34", 64, head_mid=1)
        )
        one = build_deeplab("resnet34", 64)
    own = sum(p.numel() for p in network.parameters()) - sum(p.numel() for p in network.heads.parameters())
    return own / sum(p.numel() for p in one.parameters())


@pytest.mark.parametrize(("tasks", "published"), [(2, 2.07), (3, 3.15), (5, 5.41)])
def test_parameters_of_nddr_are_the_published_multiples_of_a_backbone(tasks, published):
    assert round(backbone_multiple("nddr", tasks), 2) == published


@pytest.mark.parametrize("tasks", [2, 5])
def test_other_parameter_columns(tasks):
    for name in ("single_task", "cross_stitch", "sluice"):
        assert backbone_multiple(name, tasks) == pytest.approx(tasks, abs=0.005)
    assert backbone_multiple("multi_task", tasks) == 1
    # 1 for the backbone, 0.226 for the shared R_s and 0.049 a task for its attention.
    assert backbone_multiple("mtan", tasks) == pytest.approx(1.226 + 0.049 * tasks, abs=0.003)


SIDES = {(224, 224): (29, 29), (256, 512): (33, 65), (321, 321): (41, 41), (480, 640): (61, 81)}


@pytest.mark.parametrize("size", SIDES)
@pytest.mark.parametrize("name", ["resnet18", "small"])
def test_mtan_meets_the_backbone_at_every_size(size, name):
    # The backbone's max-pooling makes 57 of 112, and its next stage 29: halving must round up, too.
    with torch.device("meta"):
        network = build_method("mtan", TASKS, NetworkSettings(name, 4, 8)).eval()
        predictions = network(torch.empty(1, 3, *size))
    assert predictions["depth"].shape[2:] == SIDES[size]


def test_mtan_masks_are_of_the_backbones_features():
    network = build_method("mtan", TASKS, NETWORK).eval()
    for layer in network.attention.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):  # the mask is sigmoid(100), 1, whatever the maps
            torch.nn.init.zeros_(layer.weight)
            torch.nn.init.constant_(layer.bias, 100.0)
    features = network.features(images())
    plain = network.trunks[0](images())
    for maps in features:
        torch.testing.assert_close(maps, plain)


@pytest.mark.parametrize("norm", ["shared", "per_task"])
def test_a_closed_curriculum_is_the_multi_task_network(norm):
    settings = NetworkSettings("small", 4, 8, norm=norm, dropout=0.0)
    network, plain = AdaShare(TASKS, settings), build_method("multi_task", TASKS, settings)
    mix = torch.full((3, 4, 2), 0.5)
    mixed = network.mixed(images(), mix, opened=0)
    expected = plain(images())
    for task in TASKS:
        torch.testing.assert_close(mixed[task], expected[task], rtol=1e-4, atol=1e-6)


def test_a_hard_mixture_is_the_network_of_that_policy():
    runs = torch.tensor([[1, 1, 0, 1], [1, 0, 1, 1], [1, 1, 1, 0]], dtype=torch.bool)
    settings = NetworkSettings("small", 4, 8, dropout=0.0)
    network = AdaShare(TASKS, settings, runs).eval()
    mixed = network.mixed(images(), torch.stack([runs, ~runs], -1).float(), opened=4)
    for task, maps in network(images()).items():
        torch.testing.assert_close(maps, mixed[task], rtol=1e-4, atol=1e-6)


def test_a_policy_of_another_study_is_refused():
    with pytest.raises(InputError, match="3 tasks and 4 blocks"):
        AdaShare(TASKS, NETWORK, torch.ones(2, 4, dtype=torch.bool))


def test_stochastic_depth_skips_in_training_and_averages_in_evaluation():
    network = build_method("stochastic_depth", {"a": 1, "b": 1}, NETWORK, lowest=0.6)
    torch.testing.assert_close(network.survival, torch.tensor([0.9, 0.8, 0.7, 0.6]))
    network.eval()
    one, other = network.features(images())
    torch.testing.assert_close(one, other)
    x = network.trunks[0].stem(images())
    for block, p in enumerate([0.9, 0.8, 0.7, 0.6]):
        skipped = network.trunks[0].shortcuts[block](x)
        x = p * F.relu(skipped + network.trunks[0].blocks[block](x)) + (1 - p) * skipped
    torch.testing.assert_close(one, x, rtol=1e-4, atol=1e-6)
    network.train()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        draws = [network.features(images()) for _ in range(8)]
    assert any(not torch.equal(first, second) for first, second in draws)  # tasks draw for themselves
    assert any(not torch.equal(draw[0], draws[0][0]) for draw in draws)  # and anew in each step


def test_all_methods_start_from_the_same_backbone_and_heads():
    made = {name: build_method(name, TASKS, NETWORK) for name in METHODS}
    heads = {name: network.heads.state_dict() for name, network in made.items()}
    for name in METHODS:
        for key, tensor in heads[name].items():
            assert torch.equal(tensor, heads["single_task"][key])
    assert torch.equal(
        made["mtan"].trunks[0].stem.convolution.weight, made["multi_task"].trunks[0].stem.convolution.weight
    )


def test_the_released_codes_batchnorm_hears_of_tasks_that_skip():
    runs = [[True] * 8, [True] * 7 + [False]]
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    settings = NetworkSettings("resnet18", 4, 8)
    moved = []
    for update_skipped in (False, True):
        network = build_method(
            "adashare", {"a": 1, "b": 1}, settings, runs=runs, update_skipped=update_skipped
        )
        network.train()(images)
        moved.append({name: value for name, value in network.state_dict().items() if "num_batches" in name})
    different = {name for name in moved[0] if moved[0][name] != moved[1][name]}
    assert different
    assert all(".blocks.7." in name for name in different)
