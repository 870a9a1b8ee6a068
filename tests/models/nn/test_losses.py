"""The losses that networks are trained with agree with their definitions."""

import pytest
import torch
from torch import nn

from fmbench.models.nn.losses import LOSSES, mean_squared_error


def make_logits(n=7):
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(n, 10, dtype=torch.float64, generator=generator)
    return logits.requires_grad_(), torch.arange(n) % 10


def test_the_mean_squared_error_is_pytorchs_between_the_softmax_and_the_one_hot_classes():
    logits, target = make_logits()
    one_hot = nn.functional.one_hot(target, 10).double()
    ours = mean_squared_error({}, logits, target)
    theirs = nn.functional.mse_loss(logits.softmax(1), one_hot)
    assert float(ours.detach()) == pytest.approx(float(theirs.detach()), rel=1e-12)
    gradients = [torch.autograd.grad(loss, logits)[0] for loss in (ours, theirs)]
    assert torch.allclose(*gradients, rtol=1e-12)


def test_the_mean_squared_error_is_a_mean_over_images_and_classes():
    """Of ten equal probabilities: (9 * 0.1^2 + 0.9^2) / 10 for every image."""
    for n in (1, 5):
        loss = mean_squared_error({}, torch.zeros(n, 10), torch.zeros(n, dtype=torch.long))
        assert float(loss) == pytest.approx(0.09)


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_of_stacked_networks_is_that_of_each(name):
    logits, target = make_logits(12)
    stacked = torch.vmap(lambda *each: LOSSES[name]({}, *each))(
        logits.view(3, 4, 10), target.view(3, 4)
    )
    for i, loss in enumerate(stacked):
        part = slice(4 * i, 4 * i + 4)
        assert torch.allclose(loss, LOSSES[name]({}, logits[part], target[part]), rtol=1e-12)
