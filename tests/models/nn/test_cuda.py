"""Training on a GPU. `make gpu` runs this file first; without a GPU every test is skipped."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch

from fmbench import runners
from fmbench.models.nn import cuda_graph, gpu_errors
from fmbench.models.nn.gpu_kernels import build, convolution_block
from fmbench.models.nn.gpu_kernels.convolution_block import BlockShape, ConvolutionBlock
from fmbench.models.nn.optimizers import OPTIMIZERS
from fmbench.models.nn.training import TorchClassifier, TrainConfig
from fmbench.records.cells import Cell
from fmbench.records.protocols import QUICK
from tests.helpers.networks import CONFIG, build_network, with_averages

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here"),
]

NEURAL = sorted(
    name
    for name, runner in runners.load_runners().items()
    if runner.uses_gpu and not runner.resumable
)


def test_cuda_agrees_with_the_cpu(small):
    X, y, X_new = small
    few = TrainConfig(None, 32, "adamax", 0.005, steps=20)  # replayed from the fourth on
    cpu = TorchClassifier(build_network, few).fit(X, y)
    cuda = TorchClassifier(build_network, few, device="cuda").fit(X, y)
    # The weights and the order are the same, the dropout is not.
    assert (cpu.predict(X_new) == cuda.predict(X_new)).mean() > 0.6


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_recorded_step_computes_the_same_as_the_step_itself(small, optimizer, monkeypatch):
    """Replayed or one kernel at a time: the same networks, also after a smaller last batch."""
    X, y, X_new = small
    config = TrainConfig(2, 64, optimizer, 0.005, momentum=0.9 if optimizer == "sgd" else 0.0)

    def fitted():
        classifiers = [
            TorchClassifier(with_averages, config, seed=s, device="cuda") for s in (0, 1)
        ]
        TorchClassifier.fit_together(classifiers, X, y)
        return classifiers

    replayed = fitted()
    monkeypatch.setattr(cuda_graph, "EAGER_STEPS", 10**9)
    for a, b in zip(replayed, fitted(), strict=True):
        assert (a.predict(X_new) == b.predict(X_new)).mean() > 0.97


def test_the_kernels_can_be_loaded_and_started_by_a_thread_that_has_not_used_the_gpu():
    shape = BlockShape(1, 3, side=12, kernel=3, padding=1, activation=1, pooling=2)
    with ThreadPoolExecutor(1) as threads:
        kernels = threads.submit(convolution_block.load_checked, shape).result()
    block = ConvolutionBlock(shape, 3, kernels)
    inputs = torch.randn(2, 3, 1, 12, 12), torch.randn(2, 3, 1, 3, 3), torch.randn(2, 3)
    on_card = [each.to("cuda") for each in inputs]
    with ThreadPoolExecutor(1) as threads:
        found = threads.submit(block, *on_card).result()
    expected = convolution_block.compute_plainly(*inputs, shape)
    assert torch.allclose(found.cpu(), expected, atol=1e-4)


@pytest.mark.parametrize("name", ["lenet5", "lenet5-section3", "lenet5-section4"])
def test_fmbenchs_own_kernels_compute_what_pytorchs_compute(small, name, monkeypatch):
    """Five steps of two networks: the blocks of layers and the optimizers are in use, and agree."""
    X, y, X_new = small
    cells = [Cell(runners.get_runner(name), QUICK, seed) for seed in (0, 1)]
    used = []
    launch = build._LoadedKernels.launch

    def note(self, kernel, *arguments):
        used.append(kernel)
        launch(self, kernel, *arguments)

    monkeypatch.setattr(build._LoadedKernels, "launch", note)

    def fit():
        used.clear()
        fitted = [c.runner.build(c.hyperparameters, seed=c.seed, device="cuda") for c in cells]
        for classifier in fitted:
            classifier.config = replace(classifier.config, epochs=None, steps=5)
        fitted[0].fit_together(fitted, X, y)
        return [classifier.predict_proba(X_new) for classifier in fitted]

    own = fit()
    assert set(used) == {
        "forward", "compute_weight_gradient", "compute_input_gradient", "update"
    }  # fmt: skip
    monkeypatch.setenv(gpu_errors.KERNEL_SWITCH, "0")
    pytorchs = fit()
    assert not used
    for a, b in zip(own, pytorchs, strict=True):
        assert abs(a - b).max() < 0.01


def test_on_cuda_the_same_seed_gives_nearly_the_same_predictions(small):
    """At most one in a hundred differs: some kernels add up in no fixed order."""
    X, y, X_new = small
    a, b = (TorchClassifier(build_network, CONFIG, device="cuda").fit(X, y).predict(X_new)
            for _ in range(2))  # fmt: skip
    assert (a == b).mean() >= 0.99


@pytest.mark.parametrize("name", NEURAL)
def test_two_seeds_of_every_neural_runner_train_together(small, name):
    """Only that each network can be stacked, recorded and replayed: a few steps learn little."""
    X, y, X_new = small
    cells = [Cell(runners.get_runner(name), QUICK, seed) for seed in (0, 1)]
    fitted = [
        cell.runner.build(cell.hyperparameters, seed=cell.seed, device="cuda") for cell in cells
    ]
    losses: list[list[float]] = [[], []]
    fitted[0].fit_together(
        fitted, X, y, [lambda _, report, seen=seen: seen.append(report.train_loss)
                       for seen in losses]
    )  # fmt: skip
    for classifier, seen in zip(fitted, losses, strict=True):
        assert all(0 < loss < 1e4 for loss in seen)
        assert classifier.predict(X_new).shape == (len(X_new),)
    assert losses[0] != losses[1]
