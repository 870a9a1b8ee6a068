"""Small convolutions with the layers behind them, on the CPU: an emulator runs their kernels there.

``test_cuda.py`` runs them on a GPU.
"""

import numpy as np
import pytest
import torch
from torch import nn

from fmbench import runners
from fmbench.models.nn.gpu_kernels import build, convolution_block
from fmbench.models.nn.gpu_kernels.convolution_block import (
    POOLING_NUMBERS,
    BlockShape,
    ConvolutionBlock,
    compute_plainly,
    differentiate,
    find_blocks,
)
from fmbench.models.nn.stacked import find_sides
from fmbench.models.nn.training import TorchClassifier
from fmbench.records.cells import Cell
from fmbench.records.protocols import FULL, QUICK
from tests.helpers.cuda_emulator import (
    EmulatedKernels,
    compile_for_cpu,
    needs_compiler,
    use_on_cpu,
)
from tests.helpers.networks import fit_small_stack

pytestmark = pytest.mark.slow

C1 = BlockShape(1, 6, side=28, kernel=5, padding=2, activation=1, pooling=1)
C3 = BlockShape(6, 16, side=14, kernel=5, padding=0, activation=1, pooling=1)
SHAPES = [
    C1,
    C3,
    BlockShape(1, 6, side=32, kernel=5, padding=0, activation=2, pooling=2),  # resized images
    BlockShape(6, 16, side=14, kernel=5, padding=0, activation=3, pooling=2),
    BlockShape(4, 7, side=5, kernel=3, padding=1, activation=4),  # odd, and a prime number of maps
    BlockShape(3, 4, side=9, kernel=4, padding=1),
    BlockShape(2, 9, side=6, kernel=1, padding=0, activation=2),
    BlockShape(5, 3, side=7, kernel=2, padding=0, activation=1, pooling=1),
]


def load_block(shape):
    return EmulatedKernels(compile_for_cpu(convolution_block.FILE, shape.constants))


def draw_block(shape, n_networks=2, n_images=3):
    """Draw images, weights, biases and the gradient behind a block."""
    generator = torch.Generator().manual_seed(7)

    def draw(*sizes):
        return torch.randn(*sizes, generator=generator)

    return (
        draw(n_networks, n_images, shape.n_in, shape.side, shape.side),
        draw(n_networks, shape.n_out, shape.n_in, shape.kernel, shape.kernel) / 4,
        draw(n_networks, shape.n_out),
        draw(n_networks, n_images, shape.n_out, shape.pooled_side, shape.pooled_side),
    )


@needs_compiler
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_block_computes_what_its_layers_compute_in_any_order_of_threads(shape):
    assert shape.is_possible
    kernels = load_block(shape)
    drawn = draw_block(shape)
    expected = differentiate(
        lambda *inputs: compute_plainly(*inputs, shape), *(each.double() for each in drawn)
    )
    results = []
    for kernels.backwards in (False, True):
        results.append(differentiate(ConvolutionBlock(shape, 1, kernels), *drawn))
    for one, other, right in zip(*results, expected, strict=True):
        assert torch.equal(one, other)
        assert torch.allclose(one.double(), right, rtol=0, atol=1e-5 * float(right.abs().max()))


@needs_compiler
def test_equal_values_and_values_that_are_not_numbers_are_treated_as_in_pytorch():
    """The first of equal maxima gets the gradient; a NaN passes through ReLU and both poolings."""
    for pooling in POOLING_NUMBERS.values():
        shape = BlockShape(1, 2, side=4, kernel=1, padding=0, activation=1, pooling=pooling)
        kernels = load_block(shape)
        X = torch.tensor([[2.0, 2, 0, 0], [2, 2, 0, 0], [1, 3, 5, 4], [3, 1, 4, 5]])
        X = X.expand(1, 1, 1, 4, 4).clone()
        weight, bias = torch.ones(1, 2, 1, 1, 1), torch.tensor([[0.0, 1.0]])
        gradient = torch.arange(1.0, 9).view(1, 1, 2, 2, 2)
        for value in (None, float("nan")):
            if value is not None:
                X[..., 0, 3] = value
            inputs = X, weight, bias, gradient
            expected = differentiate(lambda *each: compute_plainly(*each, shape), *inputs)  # noqa: B023
            found = differentiate(ConvolutionBlock(shape, 1, kernels), *inputs)
            for own, right in zip(found, expected, strict=True):
                assert torch.equal(own.isnan(), right.isnan())
                assert torch.allclose(own.nan_to_num(), right.nan_to_num())


def fit_stack(name, overrides, X, y):
    """Train a stack; return the report of each network after each epoch."""
    cells = [Cell(runners.get_runner(name), QUICK, s, overrides=o) for s, o in enumerate(overrides)]
    classifiers = [c.runner.build(c.hyperparameters, seed=c.seed, device="cpu") for c in cells]
    reports = []
    callbacks = [lambda classifier, report: reports.append(report)] * len(cells)
    TorchClassifier.fit_together(classifiers, X, y, callbacks)
    return reports, np.stack([classifier.predict_proba(X[:50]) for classifier in classifiers])


SEEDS = [{}, {}]
VARIED = [
    {},
    {"optimizer": "adam", "loss": "mean squared error"},
    {"optimizer": "sgd", "momentum": 0.9},
    {"optimizer": "rmsprop", "learning_rate": 0.001, "scaling": "standard"},
]


@needs_compiler
@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        ("lenet5", SEEDS),
        ("lenet5", VARIED),
        ("lenet5", [{"pooling": "max", "activation": "tanh", "to_32": "resize"}] * 2),
        ("lenet5-section3", SEEDS),
        ("lenet5-section4", SEEDS),
    ],
    ids=["seeds", "varied", "other layers", "section3", "section4"],
)
def test_a_stack_learns_the_same_with_kernels_and_without(name, overrides, small, monkeypatch):
    X, y = small[0][:48], small[1][:48]  # two steps an epoch; the second batch is smaller
    plain, plain_scores = fit_stack(name, overrides, X, y)
    loaded = use_on_cpu(monkeypatch)
    reports, scores = fit_stack(name, overrides, X, y)
    launched = {kernel for kernels in loaded.values() for kernel in kernels.launched}
    assert launched == {
        "forward", "compute_weight_gradient", "compute_input_gradient", "update"
    }  # fmt: skip
    for own, right in zip(reports, plain, strict=True):
        assert own.train_loss == pytest.approx(right.train_loss, rel=1e-4)
    assert np.allclose(scores, plain_scores, atol=1e-3)


def find_recipe_blocks(name):
    cell = Cell(runners.get_runner(name), FULL, 0)
    classifier = cell.runner.build(cell.hyperparameters, seed=0, device="cpu")
    network = classifier.network()
    return network, find_sides(network)


class NoKernels:
    def launch(self, *arguments):
        raise AssertionError("nothing is computed")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("lenet5", {"C1": 3, "C3": 3}),
        ("lenet5-section3", {"C1": 3, "C3": 3}),
        ("lenet5-section4", {"C1": 3, "C2": 3, "C3": 2}),  # C4 and C5 have too many weights
        ("cnn-svm", {}),  # 64 maps do not fit
        ("mlp-relu", {}),
    ],
)
def test_small_convolutions_take_the_layers_behind_them_along(name, expected, monkeypatch):
    monkeypatch.setattr(convolution_block, "load_checked", lambda shape: NoKernels())
    blocks = find_blocks(*find_recipe_blocks(name))
    assert {name: block.n_layers for name, block in blocks.items()} == expected


def with_hook(layer):
    layer.register_forward_hook(lambda *arguments: None)
    return layer


@pytest.mark.parametrize(
    ("layers", "n_layers"),
    [
        ([nn.ReLU(), nn.AvgPool2d(2)], 3),
        ([nn.ReLU(), nn.AvgPool2d(3)], 2),
        ([nn.ReLU(), nn.AvgPool2d(2, divisor_override=3)], 2),
        ([nn.ReLU(), nn.MaxPool2d(2, stride=1)], 2),
        ([nn.ReLU(), with_hook(nn.MaxPool2d(2))], 2),
        ([nn.ELU(alpha=0.5), nn.AvgPool2d(2)], 1),
        ([with_hook(nn.ReLU())], 1),
        ([nn.MaxPool2d(2), nn.ReLU()], 1),
    ],
    ids=str,
)
def test_only_layers_that_the_kernels_know_become_part_of_a_block(layers, n_layers, monkeypatch):
    monkeypatch.setattr(convolution_block, "load_checked", lambda shape: NoKernels())
    network = nn.Sequential(nn.Conv2d(1, 4, 5), *layers)
    [block] = find_blocks(network, {"0": 28}).values()
    assert block.n_layers == n_layers


@pytest.mark.parametrize(
    "layer",
    [nn.Conv2d(1, 4, 5, stride=2), nn.Conv2d(1, 4, 5, bias=False), nn.Conv2d(64, 64, 5),
     with_hook(nn.Conv2d(1, 4, 5))],
    ids=str,
)  # fmt: skip
def test_other_convolutions_are_left_to_pytorch(layer, monkeypatch):
    monkeypatch.setattr(convolution_block, "load_checked", lambda shape: NoKernels())
    assert find_blocks(nn.Sequential(layer, nn.ReLU()), {"0": 28}) == {}


@needs_compiler
def test_kernels_with_wrong_results_are_not_used(small, monkeypatch):
    loaded = use_on_cpu(monkeypatch)
    real = EmulatedKernels.launch

    def spoil(self, name, n_blocks, n_threads, *arguments):
        real(self, name, n_blocks, n_threads, *arguments)
        if name == "compute_weight_gradient":
            arguments[-1].mul_(1.1)

    monkeypatch.setattr(EmulatedKernels, "launch", spoil)
    with pytest.warns(RuntimeWarning, match=r"gradients of the weights differ by 0\.1"):
        fit_small_stack(small)
    [block] = [kernels for (file, _), kernels in loaded.items() if file == convolution_block.FILE]
    assert block.launched.count("forward") == 1  # to compare its results, and never again


@pytest.mark.parametrize("architecture", ["sm_75", "sm_90"])
@pytest.mark.parametrize("shape", [C1, C3, *SHAPES[3:6]], ids=str)
def test_the_blocks_compile_for_old_and_new_cards(shape, architecture):
    pytest.importorskip("cuda.bindings", reason="no CUDA compiler here")
    binary = build.compile_kernels(convolution_block.FILE, shape.constants, architecture)
    assert binary.startswith(b"\x7fELF")
