"""A network that is trained without autograd has the losses and gradients of PyTorch."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

pytest.importorskip("numba")

from fmbench import runners
from fmbench.models import accelerators
from fmbench.models.nn.convolutions import compiled
from fmbench.models.nn.convolutions.select import replace_convolutions
from fmbench.models.nn.direct import DirectNetwork, make_single_network
from fmbench.models.nn.layers import Pixels
from fmbench.models.nn.losses import SquaredHinge, cross_entropy, mean_squared_error
from fmbench.models.nn.stacked import SingleNetwork
from fmbench.models.nn.training import TorchClassifier, TrainConfig

pytestmark = pytest.mark.slow


def build_network(*more):
    torch.manual_seed(0)
    network = nn.Sequential()
    network.add_module("pixels", Pixels("unit"))
    network.add_module("conv", nn.Conv2d(1, 3, 5))
    network.add_module("relu", nn.ReLU())
    network.add_module("pool", nn.AvgPool2d(2))
    for i, layer in enumerate(more):
        network.add_module(f"more{i}", layer)
    network.add_module("flatten", nn.Flatten())
    network.add_module("dense", nn.Linear(3 * 12 * 12, 20))
    network.add_module("tanh", nn.Tanh())
    network.add_module("dropout", nn.Dropout(0.5))
    network.add_module("output", nn.Linear(20, 10))
    return network


def make_batch(n=19):
    generator = torch.Generator().manual_seed(0)
    X = torch.randint(0, 256, (1, n, 28, 28), dtype=torch.uint8, generator=generator)
    return X, torch.randint(0, 10, (1, n), generator=generator)


@pytest.mark.parametrize(
    "loss",
    [cross_entropy, mean_squared_error, SquaredHinge(2.0)],
    ids=["cross-entropy", "squared error", "squared hinge"],
)
def test_loss_logits_and_gradients_are_those_of_pytorch(loss):
    network, (X, y) = build_network(), make_batch()
    plain = copy.deepcopy(network)
    group = make_single_network(network, loss)
    assert isinstance(group, DirectNetwork)
    for _ in range(2):  # the second step must not add to the first one's gradients
        torch.manual_seed(1)  # of the dropout
        value, logits = group(X, y)
        group.compute_gradient(value)
    torch.manual_seed(1)
    plain_logits = plain(X[0])
    plain_value = loss(dict(plain.named_parameters()), plain_logits, y[0])
    plain_value.backward()
    assert torch.allclose(logits, plain_logits, atol=1e-5)
    assert torch.allclose(value, plain_value, rtol=1e-5)
    for own, theirs in zip(network.parameters(), plain.parameters(), strict=True):
        assert torch.allclose(own.grad, theirs.grad, rtol=0, atol=1e-5 * theirs.grad.abs().max())


def test_networks_with_other_layers_use_autograd():
    other = build_network(nn.BatchNorm2d(3))
    hooked = build_network()
    hooked.dense.register_forward_hook(lambda module, inputs, output: None)
    for network in (other, hooked, nn.Sequential(nn.Flatten(), nn.Linear(784, 10))):
        assert isinstance(make_single_network(network, cross_entropy), SingleNetwork)


def test_compiling_ahead_changes_neither_the_classifier_nor_the_random_state():
    config = TrainConfig(1, 16, "adamax", 0.005)
    X, y = make_batch(32)
    fitted = []
    for ahead in (True, False):
        classifier = TorchClassifier(build_network, config)
        before, n_threads = torch.get_rng_state(), torch.get_num_threads()
        attributes = dict(vars(classifier))
        if ahead:
            classifier.compile_loops()
        assert torch.equal(torch.get_rng_state(), before)
        assert torch.get_num_threads() == n_threads
        assert vars(classifier) == attributes
        fitted.append(classifier.fit(X[0].numpy(), y[0].numpy()).decision_function(X[0].numpy()))
    assert np.array_equal(*fitted)


def test_without_numba_pytorch_trains_to_the_same_predictions(monkeypatch):
    X, y = make_batch(64)
    config = TrainConfig(1, 16, "sgd", 0.005)
    fast = TorchClassifier(build_network, config).fit(X[0].numpy(), y[0].numpy())
    monkeypatch.setattr(accelerators, "has_numba", lambda: False)
    plain = TorchClassifier(build_network, config)
    plain.compile_loops()  # there is nothing to compile, and no numba to ask
    plain.fit(X[0].numpy(), y[0].numpy())
    assert isinstance(make_single_network(build_network(), cross_entropy), SingleNetwork)
    scores = (each.decision_function(X[0].numpy()) for each in (fast, plain))
    assert np.allclose(*scores, atol=1e-4)


def test_a_runner_says_that_it_compiles_loops_if_and_only_if_its_fit_uses_some():
    for runner in runners.load_runners().values():
        if not runner.uses_gpu:
            continue
        classifier = runner.build(runner.resolve(), seed=0, device="cpu")
        if not isinstance(classifier, TorchClassifier):  # a search trains networks of any size
            assert not runner.compiles_loops
            continue
        layers = replace_convolutions(list(classifier.network()))
        has_stages = any(isinstance(layer, compiled.CompiledStages) for layer in layers)
        uses_some = has_stages or classifier.config.optimizer == "adamax"
        assert runner.compiles_loops == uses_some, runner.name
