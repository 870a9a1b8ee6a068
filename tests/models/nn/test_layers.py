"""Layers and initialisers agree with their definitions in Keras and TensorFlow."""

import numpy as np
import pytest
import torch
from torch import nn

from fmbench.models.nn.layers import (
    LSTM,
    ChannelScale,
    Residual,
    SparseConv2d,
    build_sequential,
    count_parameters,
    init_keras_random,
    init_truncated_normal,
    make_batch_norm,
)


def test_batch_normalisation_computes_what_kerass_does():
    torch.manual_seed(0)
    X = 3 + 2 * torch.randn(50, 4, 7, 7)
    norm = make_batch_norm(4)
    of_batch = norm(X)
    mean, variance = X.mean((0, 2, 3)), X.var((0, 2, 3), correction=0)
    shown = [v.view(1, -1, 1, 1) for v in (mean, variance)]
    assert torch.allclose(of_batch, (X - shown[0]) / (shown[1] + 1e-3).sqrt(), atol=1e-5)
    assert torch.allclose(norm.running_mean, 0.01 * mean, atol=1e-6)
    n = X[:, 0].numel()
    assert torch.allclose(norm.running_var, 0.99 + 0.01 * variance * n / (n - 1), atol=1e-6)


def test_a_batch_normalisation_has_four_parameters_per_channel():
    net = build_sequential(
        ("bn", make_batch_norm(32)), ("relu", nn.ReLU()), ("conv", nn.Conv2d(32, 5, 3))
    )
    assert count_parameters(net) == {"bn": 128, "conv": 1_445}


def test_a_residual_adds_one_channel_to_every_channel_of_the_convolution():
    conv = nn.Conv2d(1, 3, 3, padding=1)
    X = torch.randn(2, 1, 5, 5)
    summed = Residual(conv)(X)
    assert summed.shape == (2, 3, 5, 5)
    for channel in range(3):
        assert torch.allclose(summed[:, channel], X[:, 0] + conv(X)[:, channel].clamp(min=0))


CONNECTIONS = ([0, 1], [2], [0, 1, 2])


def expand(sparse):
    """The weights of the full convolution with zeros where there is no connection."""
    weight, rows = torch.zeros(3, 3, 5, 5), iter(sparse.weight)
    for i, inputs in enumerate(CONNECTIONS):
        for j in inputs:
            weight[i, j] = next(rows).view(5, 5)
    return weight


def test_a_sparse_convolution_computes_what_a_full_one_with_zeros_does():
    torch.manual_seed(0)
    sparse, X = SparseConv2d(3, CONNECTIONS, 5), torch.randn(2, 3, 9, 9)
    nn.init.normal_(sparse.bias)
    assert count_parameters(nn.Sequential(sparse)) == {"0": 6 * 25 + 3}
    expected = nn.functional.conv2d(X, expand(sparse), sparse.bias)
    assert torch.allclose(sparse(X), expected, atol=1e-6)
    sparse.bias.grad = sparse.weight.grad = None
    sparse(X).square().sum().backward()
    ours = sparse.weight.grad.clone()
    sparse.weight.grad = None
    nn.functional.conv2d(X, expand(sparse), sparse.bias).square().sum().backward()
    assert torch.allclose(ours, sparse.weight.grad, rtol=1e-4, atol=1e-3)
    assert ours.all()


def test_a_map_of_a_sparse_convolution_ignores_the_maps_that_it_is_not_connected_to():
    torch.manual_seed(0)
    sparse, X = SparseConv2d(3, CONNECTIONS, 5), torch.randn(2, 3, 9, 9)
    before = sparse(X)
    for j in range(3):
        changed = X.clone()
        changed[:, j] += 1
        after = sparse(changed)
        for i, inputs in enumerate(CONNECTIONS):
            assert torch.equal(after[:, i], before[:, i]) == (j not in inputs)


def test_the_initial_weights_of_a_sparse_convolution_count_only_its_connections():
    torch.manual_seed(0)
    # Input map 0 feeds 8 output maps, every other one feeds 4.
    connections = ([0],) * 4 + (range(8),) * 4
    sparse = SparseConv2d(8, connections, 5)
    assert not sparse.bias.any()
    rows, largest = iter(sparse.weight.detach()), {}
    for inputs in connections:
        for j in inputs:
            kind = len(inputs), 8 if j == 0 else 4
            largest[kind] = max(largest.get(kind, 0), float(next(rows).abs().max()))
    assert set(largest) == {(1, 8), (8, 8), (8, 4)}
    for (n_inputs, n_fed), weight in largest.items():
        bound = (6 / (25 * (n_inputs + n_fed))) ** 0.5
        assert 0.95 * bound < weight <= bound


def test_a_channel_scale_first_changes_nothing_and_then_scales_each_map():
    scale, X = ChannelScale(4), torch.randn(2, 4, 3, 3)
    assert torch.equal(scale(X), X)
    with torch.no_grad():
        scale.weight[1], scale.bias[2] = 3, 5
    expected = X.clone()
    expected[:, 1] *= 3
    expected[:, 2] += 5
    assert torch.equal(scale(X), expected)
    assert count_parameters(nn.Sequential(scale)) == {"0": 8}


def test_the_lstm_computes_what_pytorchs_does():
    torch.manual_seed(0)
    ours, theirs = LSTM(28, 16), nn.LSTM(28, 16, batch_first=True)

    def to_pytorch_order(rows):  # input, forget, candidate, output
        let_in, keep, let_out, candidate = rows.chunk(4)
        return torch.cat([let_in, keep, candidate, let_out])

    with torch.no_grad():
        theirs.weight_ih_l0.copy_(to_pytorch_order(ours.input_weight))
        theirs.weight_hh_l0.copy_(to_pytorch_order(ours.recurrent_weight))
        theirs.bias_ih_l0.copy_(to_pytorch_order(ours.bias))
        theirs.bias_hh_l0.zero_()
    X = torch.randn(5, 28, 28)
    assert torch.allclose(ours(X), theirs(X)[1][0][0], atol=1e-6)


def test_the_initial_weights_of_the_lstm_follow_keras():
    torch.manual_seed(0)
    lstm = LSTM(28, 64)
    assert torch.allclose(lstm.recurrent_weight.T @ lstm.recurrent_weight, torch.eye(64), atol=1e-5)
    bound = np.sqrt(6 / (28 + 4 * 64))
    assert 0.99 * bound < lstm.input_weight.abs().max() <= bound
    expected = torch.zeros(4, 64)
    expected[1] = 1
    assert torch.equal(lstm.bias.detach(), expected.flatten())


def test_truncated_normal_weights_stay_within_two_sigma():
    torch.manual_seed(0)
    net = build_sequential(
        ("a", nn.Linear(600, 400)), ("b", nn.Linear(400, 10)),
        initialise={"a": init_truncated_normal(0.1, 0.3)},
    )  # fmt: skip
    weights = net.a.weight.detach().numpy()
    assert 0.19 < np.abs(weights).max() <= 0.2
    assert weights.std() == pytest.approx(
        0.1 * 0.8796, rel=0.01
    )  # the standard deviation of a normal cut at two sigma
    assert (net.a.bias == 0.3).all()
    assert not net.b.bias.any(), "a layer that is not named keeps the default"


def test_keras_random_draws_uniform_weights_and_normal_biases():
    torch.manual_seed(0)
    net = build_sequential(
        ("conv", Residual(nn.Conv2d(32, 400, 3, padding=1))), initialise={"conv": init_keras_random}
    )
    weights, biases = net.conv.conv.weight.detach().numpy(), net.conv.conv.bias.detach().numpy()
    assert 0.0499 < np.abs(weights).max() <= 0.05
    assert weights.std() == pytest.approx(0.1 / np.sqrt(12), rel=0.01)
    assert biases.std() == pytest.approx(0.05, rel=0.1)
    assert np.abs(biases).max() > 0.1
