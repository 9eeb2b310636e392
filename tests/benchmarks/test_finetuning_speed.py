"""Fine-tuning of episodes against the loop of the released code: ResNet-10 at 64 px, one thread."""

import resource

import pytest
import torch
import torch.utils.benchmark
from torch.nn import functional as F

from farfield.backbones import build
from farfield.episodes.minibatches import minibatch_orders
from farfield.execution import keep_freed_memory
from farfield.training.recipe import SGD
from farfield.transfer.finetuning.engine import fine_tune
from farfield.transfer.finetuning.layers import chain
from farfield.transfer.finetuning.settings import FineTuning
from farfield.transfer.finetuning.stacking import EpisodeByEpisode, stack
from farfield.transfer.linear_head import initial_heads

MOMENTUM = SGD(0.01, momentum=0.9, dampening=0.9, weight_decay=0.001)


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    keep_freed_memory()  # as in the workers; the plain loop gains by it, too
    yield
    torch.set_num_threads(threads)


def plain(weights, width, support, query, settings, episode):
    """One episode as released: a new network, two of torch's optimisers, minibatches of 4. Frozen
    layers run at every step, in evaluation mode and without gradients."""
    network = build("resnet10", width=width)
    network.load_state_dict(weights)
    head = torch.nn.Linear(network.feature_dim, 5)
    weight, bias = initial_heads(0, 1, 5, network.feature_dim, episode)
    head.weight.data, head.bias.data = weight[0].clone(), bias[0, 0].clone()
    trained = network if settings.last is None else network.layers[-settings.last :]
    network.requires_grad_(False).eval()
    trained.requires_grad_().train()
    optimizers = [
        torch.optim.SGD(
            module.parameters(), s.learning_rate, s.momentum, s.dampening, weight_decay=s.weight_decay
        )
        for module, s in ((trained, settings.backbone), (head, settings.head))
    ]
    images, targets = support.flatten(0, 1), torch.arange(5).repeat_interleave(support.shape[1])
    for order in torch.from_numpy(minibatch_orders(0, 1, settings.epochs, len(images), episode)[0]):
        for batch in order.split(settings.batch_size):
            for each in optimizers:
                each.zero_grad()
            F.cross_entropy(head(network(images[batch])), targets[batch]).backward()
            for each in optimizers:
                each.step()
    network.eval()
    with torch.no_grad():
        return head(network(query))


def episodes(count, shot, size=64):
    generator = torch.Generator().manual_seed(0)
    support = torch.randn(count, 5, shot, 3, size, size, generator=generator)
    return support, torch.randn(count, 75, 3, size, size, generator=generator)


@pytest.mark.parametrize("width", [16, 32])
@pytest.mark.parametrize(
    ("title", "settings", "least"),
    [
        ("Ft All", FineTuning(epochs=10), 1.3),
        ("Ft All with momentum, as in IMS-f", FineTuning(epochs=10, backbone=MOMENTUM), 1.0),
        ("Ft Last-1", FineTuning(epochs=30, last=1), 3.0),
    ],
)
def test_episodes_against_the_released_loop(ratio, benchmark, title, settings, least, width):
    """10 and 30 of the 100 epochs, which all cost the same."""
    torch.manual_seed(0)
    backbone = build("resnet10", width=width).eval()
    support, query = episodes(8, 5)
    weights = backbone.state_dict()
    ratio(
        lambda: fine_tune(backbone, support, query, settings, ("head",), seed=0),
        lambda: [plain(weights, width, support[e], query[e], settings, e) for e in range(2)],
        least=least,
        share=2 / 8,
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    benchmark.extra_info["peak_megabytes"] = round(peak)
    print(f"{title}, width {width}: peak memory of the process so far {peak:.0f} MB")


@pytest.mark.parametrize("width", [16, 32])
def test_layout_of_each_layer(benchmark, width):
    """Prints what `farfield.transfer.finetuning.layout` decides from: milliseconds an episode of one
    forward and backward of four images through each layer, for 8 episodes."""
    layers, state = chain(build("resnet10", width=width)).layers, (torch.randn(4, 24, 64, 64),)
    times = {}

    def step(layer, inputs):
        outputs = layer(inputs)
        torch.autograd.grad(sum(maps.sum() for maps in outputs), [*layer.parameters()])

    for number, layer in enumerate(layers):
        for name, copies in (("stacked", stack(layer, 8)), ("by episode", EpisodeByEpisode(layer, 8))):
            runs = [
                torch.utils.benchmark.Timer("f(x)", globals={"f": lambda x, c=copies: step(c, x), "x": state})
            ]
            times[number, name] = min(runs[0].timeit(3).mean for _ in range(5)) * 1000 / 8
        state = tuple(maps.detach() for maps in copies(state))
    for number in range(len(layers)):
        print(
            f"\nlayer {number}: "
            + ", ".join(f"{n} {times[number, n]:.2f} ms" for n in ("stacked", "by episode"))
        )
    benchmark.extra_info["milliseconds"] = {f"{i} {name}": round(t, 3) for (i, name), t in times.items()}
    benchmark.pedantic(lambda: None)
    assert times[0, "by episode"] < times[0, "stacked"]
