"""EfficientNet-Lite: its features are those of its publisher's own network, weight for weight."""

import numpy as np
import pytest
import torch
from efficientnet_lite_pytorch import EfficientNet

from commands.compose import composed
from commands.record import fresh_record, recorded
from farfield.backbones import build
from farfield.backbones.efficientnet_lite import SameConv, rounded
from farfield.errors import InputError
from farfield.networks.weights import load_packaged
from farfield.training.images import evaluation_view, expect
from stages.frame.params import check_params
from stages.frame.schema.networks import Given


@pytest.fixture(scope="module")
def given() -> dict[str, Given]:
    overrides = [f"+network@networks.given.lite{n}=lite{n}" for n in range(3)]
    tree = composed(recorded([*overrides, "packing.size=300"], fresh_record("tiny")))
    return check_params(tree, "test").networks.given


@pytest.mark.parametrize("name", ["lite0", "lite1", "lite2"])
def test_features_are_those_of_the_publishers_network(given, name):
    spec = given[name]
    ours = build(spec.backbone, image_size=spec.image_size).eval()
    load_packaged(ours, spec.package.name, spec.package.file, spec.package.sha256)
    theirs = EfficientNet.from_name(spec.backbone.replace("_", "-")).eval()
    path = spec.package.file.partition("/")[0]
    file = __import__(path).__path__[0] + spec.package.file.removeprefix(path)
    theirs.load_state_dict(torch.load(file, weights_only=True))
    images = torch.randint(0, 256, (2, spec.image_size, spec.image_size, 3), dtype=torch.uint8)
    pixels = (images.permute(0, 3, 1, 2).float() - 127) / 128
    with torch.inference_mode():
        right = theirs.extract_features(pixels).mean((2, 3))
        torch.testing.assert_close(ours(pixels), right, rtol=1e-5, atol=1e-5)
        expect(ours, spec.mean, spec.std)
        torch.testing.assert_close(
            ours(evaluation_view(images, spec.image_size)), right, rtol=1e-4, atol=1e-4
        )
        logits = theirs._fc(ours(evaluation_view(images, spec.image_size)))
        torch.testing.assert_close(logits, theirs(pixels), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("size", [31, 32, 33, 64])
@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (5, 2), (1, 1)])
def test_padding_is_that_of_tensorflow(size, kernel, stride):
    """Positions are ceil(size / stride), and each sees what a plain loop over windows sees."""
    torch.manual_seed(0)
    conv = SameConv(1, 1, kernel, stride).double()
    image = torch.randn(1, 1, size, size, dtype=torch.float64)
    found = conv(image)[0, 0].detach().numpy()
    count = -(-size // stride)
    lacking = max((count - 1) * stride + kernel - size, 0)
    padded = np.pad(image[0, 0].numpy(), (lacking // 2, lacking - lacking // 2))
    weight = conv.weight[0, 0].detach().numpy()
    right = [
        [(padded[i * stride :, j * stride :][:kernel, :kernel] * weight).sum() for j in range(count)]
        for i in range(count)
    ]
    np.testing.assert_allclose(found, right, atol=1e-12)


def test_stages_end_before_each_stride():
    network = build("efficientnet_lite0").eval()
    with torch.inference_mode():
        maps = network.stages(torch.zeros(1, 3, 64, 64))
    assert [tuple(m.shape[1:]) for m in maps] == [
        (16, 32, 32),
        (24, 16, 16),
        (40, 8, 8),
        (112, 4, 4),
        (320, 2, 2),
    ]
    assert network.stage_dims == (16, 24, 40, 112, 320)
    assert network.feature_dim == 1280
    assert [rounded(x) for x in (1, 17.6, 26.4, 352)] == [8, 16, 24, 352]


def test_weights_that_are_not_the_pinned_ones_are_not_read(given, monkeypatch):
    spec = given["lite0"].package
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("it was read"))
    with pytest.raises(InputError, match=f"has the sha256 {spec.sha256}, expected 0000"):
        load_packaged(build("efficientnet_lite0"), spec.name, spec.file, "0000")
    with pytest.raises(InputError, match="no such file"):
        load_packaged(build("efficientnet_lite0"), spec.name, "nowhere.pth", spec.sha256)
    with pytest.raises(InputError, match=r"package lite9 , which is not installed|lite9.*not installed"):
        load_packaged(build("efficientnet_lite0"), "lite9", spec.file, spec.sha256)


def test_weights_of_another_network_are_refused(given):
    spec = given["lite0"].package
    with pytest.raises(InputError, match="does not hold the weights of this EfficientNetLite"):
        load_packaged(build("efficientnet_lite2"), spec.name, spec.file, spec.sha256)
