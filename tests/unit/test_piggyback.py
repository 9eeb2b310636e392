"""PiggyBack: masks, and the gradient that goes straight through them."""

import numpy as np
import pytest
import torch
from decathlon_task import CLASSES, SGD, changed, norms_of, pretrained, train
from torch import nn
from torch.nn import functional as F

from farfield.errors import InputError
from farfield.training.recipe import Recipe
from farfield.tuning.methods.piggyback import MaskedConv2d, PiggyBack


def masked(scores, ternary=False):
    """A masked convolution of one filter of 1x1, with these scores."""
    plain = nn.Conv2d(len(scores), 1, 1, bias=False)
    conv = MaskedConv2d(plain, initial=0.01, threshold=0.005, ternary=ternary)
    conv.scores.data = torch.tensor(scores).view(1, -1, 1, 1)
    return conv


def test_a_mask_keeps_weights_whose_score_is_above_the_threshold():
    scores = [0.01, 0.0051, 0.005, 0.0, -0.005, -0.0051]
    assert masked(scores).mask().flatten().tolist() == [1, 1, 0, 0, 0, 0]
    assert masked(scores, ternary=True).mask().flatten().tolist() == [1, 1, 0, 0, 0, -1]
    conv = masked(scores, ternary=True)
    filters = conv(torch.eye(6).view(6, 6, 1, 1)).flatten()
    assert filters.tolist() == (conv.weight * conv.mask()).flatten().tolist()


@pytest.mark.parametrize("ternary", [False, True])
def test_the_gradient_of_the_mask_goes_to_the_scores(ternary):
    """Straight through: against finite differences of the convolution with a real mask."""
    torch.manual_seed(6)
    plain = nn.Conv2d(3, 2, 3, padding=1, bias=False)
    conv = MaskedConv2d(plain, 0.01, 0.005, ternary).double()
    nn.init.normal_(conv.scores, 0, 0.01)
    x = torch.randn(4, 3, 5, 5, dtype=torch.float64)

    def value(mask):
        return F.conv2d(x, conv.weight * mask, padding=1).square().sum()

    conv(x).square().sum().backward()
    step = 1e-5
    with torch.no_grad():
        for place in np.ndindex(2, 3, 3, 3):
            nudge = torch.zeros_like(conv.scores)
            nudge[place] = step
            slope = (value(conv.mask() + nudge) - value(conv.mask() - nudge)) / (2 * step)
            assert conv.scores.grad[place].item() == pytest.approx(slope.item(), rel=1e-5, abs=1e-6)


def test_piggyback_leaves_batch_norm_alone_unless_told_otherwise():
    def moved(norm):
        adapted = PiggyBack(seed=0, norm=norm)(pretrained(), CLASSES)
        before = {n: t.clone() for n, t in adapted.network.state_dict().items()}
        return changed(train(adapted), before)

    scores = {n for n in moved("eval") if n.startswith("backbone")}
    assert len(scores) == 7
    assert all(n.endswith(".scores") for n in scores)
    assert norms_of(PiggyBack(seed=0)(pretrained(), CLASSES).network) <= moved("adapt")


def test_masks_change_when_they_are_trained():
    recipe = Recipe(epochs=5, batch_size=6, learning_rate=1e-3, augmentation=SGD.augmentation)
    network = train(PiggyBack(seed=0)(pretrained(), CLASSES), recipe)
    masks = [m.mask() for m in network.modules() if isinstance(m, MaskedConv2d)]
    assert all(set(mask.unique().tolist()) <= {0, 1} for mask in masks)
    assert any((mask == 0).any() for mask in masks)


def test_impossible_masks_are_errors():
    with pytest.raises(InputError, match=r"threshold of 0.01 and 0.01"):
        PiggyBack(seed=0, threshold=0.01)
    with pytest.raises(InputError, match="'eval', 'stats' or 'adapt', found 'train'"):
        PiggyBack(seed=0, norm="train")
