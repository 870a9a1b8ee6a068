from functools import partial

import numpy as np
import pytest
import torch
from sklearn.base import clone
from torch import nn

from fmbench.datasets.specs import FASHION_MNIST
from fmbench.models.nn.layers import (
    SCALINGS,
    ChannelScale,
    Pixels,
    Resize,
    SparseConv2d,
    build_sequential,
    count_parameters,
)
from fmbench.models.nn.losses import LOSSES
from fmbench.models.nn.optimizers import OPTIMIZERS, Adamax
from fmbench.models.nn.stacked import join_parameters
from fmbench.models.nn.training import TorchClassifier, TrainConfig
from tests.helpers.networks import (
    CONFIG,
    build_network,
    make_optimizer,
    train_plainly,
    use_double_precision,
    with_averages,
)

pytestmark = pytest.mark.slow


def test_adamax_gives_the_same_bits_as_pytorchs():
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(1000, generator=generator)
    ours, theirs = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    step, reference = (
        Adamax(ours, 0.005, 1e-7),
        make_optimizer(TrainConfig(1, 32, "adamax", 0.005), [theirs]),
    )
    for _ in range(100):
        gradient = torch.randn(1000, generator=generator)
        gradient[:10] = 0  # a unit whose output is always zero
        ours.grad, theirs.grad = gradient, gradient.clone()
        step.step()
        reference.step()
    assert torch.equal(ours, theirs)


def test_rmsprop_updates_as_keras_does():
    """Keras 2.2.4: a = rho a + (1 - rho) g^2, then p - lr g / (sqrt(a) + epsilon)."""
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(1000, dtype=torch.float64, generator=generator)
    vector, expected, mean_square = nn.Parameter(start.clone()), start.clone(), torch.zeros(1000)
    optimizer = OPTIMIZERS["rmsprop"](vector, TrainConfig(1, 32, "rmsprop", 0.005))
    for _ in range(20):
        # Some gradients are as small as epsilon, so that its place in the formula matters.
        gradient = torch.randn(1000, dtype=torch.float64, generator=generator)
        gradient[:500] *= 1e-7
        gradient[:10] = 0
        vector.grad = gradient.clone()
        optimizer.step()
        mean_square = 0.9 * mean_square + 0.1 * gradient**2
        expected -= 0.005 * gradient / (mean_square.sqrt() + 1e-7)
    assert torch.allclose(vector.detach(), expected, rtol=1e-12)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_training_gives_the_network_that_a_plain_loop_gives(small, optimizer):
    X, y, X_new = small
    config = TrainConfig(2, 32, optimizer, 0.005, momentum=0.9 if optimizer == "sgd" else 0.0)

    def build():
        return use_double_precision(build_network())

    fitted = TorchClassifier(build, config, seed=5).fit(X, y)
    plain = train_plainly(build, config, X, y, seed=5, n_steps=config.count_steps(len(X)))
    with torch.inference_mode():
        expected = plain(torch.tensor(X_new)).softmax(1).numpy()
    assert np.abs(fitted.predict_proba(X_new) - expected).max() < 1e-6


def test_a_number_of_steps_can_end_within_an_epoch(small):
    X, y, _ = small
    config = TrainConfig(None, 100, "sgd", 0.01, steps=40)  # 15 steps an epoch of 1,500 images
    n_seen, reports = [], []

    class Counting(nn.Module):
        def forward(self, images):
            if self.training:
                n_seen.append(len(images))
            return images

    def build():
        return nn.Sequential(Counting(), *build_network())

    TorchClassifier(build, config).fit(X, y, lambda _, report: reports.append(report))
    assert n_seen == [100] * 40
    assert [report.epoch for report in reports] == [1, 2, 3]
    assert all(0 < report.train_accuracy < 1 for report in reports)


def test_the_report_of_a_partial_epoch_is_the_mean_over_that_part(small):
    X, y, _ = small
    still = TrainConfig(None, 500, "sgd", 0.0, steps=4)  # three steps, then one
    reports = []

    def without_dropout():
        net = build_network()
        net.dropout.p = 0.0
        return net

    classifier = TorchClassifier(without_dropout, still)
    classifier.fit(X, y, lambda _, report: reports.append(report))
    right = (classifier.predict(X) == y).mean()
    assert reports[0].train_accuracy == pytest.approx(right)
    assert reports[1].train_accuracy == pytest.approx(right, abs=0.05)
    assert reports[1].train_loss == pytest.approx(reports[0].train_loss, rel=0.05)


def test_steps_that_fill_whole_epochs_train_like_those_epochs(small):
    X, y, X_new = small
    in_steps = TrainConfig(None, 32, "adam", 0.005, steps=94)  # 47 steps an epoch, the last small
    a, b = (TorchClassifier(build_network, config).fit(X, y) for config in (CONFIG, in_steps))
    assert np.array_equal(a.predict_proba(X_new), b.predict_proba(X_new))


def test_a_configuration_needs_either_epochs_or_steps():
    for epochs, steps in ((None, None), (1, 1)):
        with pytest.raises(ValueError, match="epochs or a number of steps"):
            TrainConfig(epochs, 32, "adam", 0.001, steps=steps)


def test_held_out_images_are_not_trained_on(small):
    X, y, X_new = small
    held_out = TrainConfig(2, 32, "adam", 0.005, held_out=300)
    a = TorchClassifier(build_network, held_out).fit(X, y)
    b = TorchClassifier(build_network, CONFIG).fit(X[300:], y[300:])
    assert np.array_equal(a.predict_proba(X_new), b.predict_proba(X_new))
    with pytest.raises(ValueError, match="1500 of 1500 images are held out"):
        TorchClassifier(build_network, TrainConfig(2, 32, "adam", 0.005, held_out=1500)).fit(X, y)


def test_decision_values_are_the_logits_of_the_probabilities(small):
    X, y, X_new = small
    fitted = TorchClassifier(build_network, CONFIG).fit(X, y)
    logits = torch.tensor(fitted.decision_function(X_new))
    assert np.allclose(logits.softmax(1).numpy(), fitted.predict_proba(X_new), atol=1e-6)
    assert np.array_equal(logits.argmax(1).numpy(), fitted.predict(X_new))


def test_the_same_seed_gives_the_same_predictions_and_another_seed_others(small):
    X, y, X_new = small
    a, b, c = (
        TorchClassifier(build_network, CONFIG, seed=seed).fit(X, y).predict_proba(X_new)
        for seed in (1, 1, 2)
    )
    assert np.array_equal(a, b)
    assert not np.allclose(a, c)


def test_a_fit_leaves_the_global_random_state_unchanged(small):
    X, y, _ = small
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    TorchClassifier(build_network, CONFIG).fit(X, y)
    assert torch.equal(before, torch.random.get_rng_state())


def test_predicting_between_epochs_does_not_change_the_training(small):
    X, y, X_new = small
    reports, curve = [], []

    def on_epoch(classifier, report):
        reports.append(report)
        curve.append(classifier.predict_proba(X_new))

    watched = TorchClassifier(build_network, CONFIG).fit(X, y, on_epoch=on_epoch)
    unwatched = TorchClassifier(build_network, CONFIG).fit(X, y)
    assert np.array_equal(watched.predict_proba(X_new), unwatched.predict_proba(X_new))
    assert [report.epoch for report in reports] == [1, 2]
    assert reports[1].train_loss < reports[0].train_loss
    assert np.array_equal(curve[-1], watched.predict_proba(X_new))


def test_weights_order_and_dropout_have_separate_random_generators(small):
    """Drawing more random weights does not change the order of the images."""
    X, y, _ = small
    seen: dict[str, list] = {"once": [], "twice": []}

    def recording(name, draws):
        class Recorder(nn.Module):
            def forward(self, images):
                seen[name].append(images[:, 14, 14].tolist())
                return images

        def build():
            for _ in range(draws):
                torch.rand(100)
            return nn.Sequential(Recorder(), *build_network())

        return build

    for name, draws in (("once", 1), ("twice", 2)):
        TorchClassifier(recording(name, draws), CONFIG).fit(X, y)
    assert seen["once"] == seen["twice"]


def test_a_torch_classifier_is_a_scikit_learn_estimator(small):
    X, y, X_new = small
    fitted = TorchClassifier(build_network, CONFIG, seed=4).fit(X, y)
    fresh = clone(fitted)
    assert not hasattr(fresh, "network_")
    assert fresh.get_params() == fitted.get_params()
    probabilities = fitted.predict_proba(X_new)
    assert probabilities.shape == (500, 10)
    assert np.allclose(probabilities.sum(1), 1, atol=1e-5)
    assert fitted.predict(X_new).dtype == np.uint8


def test_joined_parameters_keep_their_values_and_share_the_memory_of_the_vector():
    torch.manual_seed(0)
    nets = [build_network(), build_network()]
    for net in nets:
        net.to(memory_format=torch.channels_last)
    before = [{name: p.detach().clone() for name, p in net.named_parameters()} for net in nets]
    vector, stacks = join_parameters(nets)
    for i, net in enumerate(nets):
        for name, p in net.named_parameters():
            assert torch.equal(before[i][name], p) and torch.equal(stacks[name][i], p)
    nets[1](torch.zeros(2, 28, 28, dtype=torch.uint8)).sum().backward()
    assert not stacks["output.bias"].grad[0].any()
    assert stacks["output.bias"].grad[1].all()
    assert vector.grad is not None and vector.grad.abs().sum() > 0
    with torch.no_grad():
        vector.zero_()
    assert all(not p.any() for net in nets for p in net.parameters())


# ---------------------------------------------------------------- several seeds together


def test_each_seed_has_its_own_dropout_and_moving_averages(small):
    X, y, X_new = small
    config = TrainConfig(2, 64, "sgd", 0.05)  # the last batch of an epoch is smaller

    def build():
        return use_double_precision(with_averages())

    alone = [TorchClassifier(build, config, seed=s).fit(X, y) for s in range(3)]
    together = [TorchClassifier(build, config, seed=s) for s in range(3)]
    TorchClassifier.fit_together(together, X, y)
    for a, b in zip(alone, together, strict=True):
        assert np.abs(a.predict_proba(X_new) - b.predict_proba(X_new)).max() < 1e-6
        assert torch.allclose(a.network_.norm.running_var, b.network_.norm.running_var, rtol=1e-6)
        assert b.network_.norm.num_batches_tracked == 48
        assert [name for name, _ in b.network_.named_buffers()] == [
            "norm.running_mean", "norm.running_var", "norm.num_batches_tracked",
        ]  # fmt: skip


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_sparse_maps_and_scales_are_the_same_together_and_alone(small, optimizer, loss):
    X, y, X_new = small
    config = TrainConfig(1, 64, optimizer, 0.005, loss=LOSSES[loss])

    def build():
        network = build_sequential(
            ("pixels", Pixels("unit")),
            ("conv", nn.Conv2d(1, 3, 5)),
            ("pool", nn.AvgPool2d(4)),
            ("scale", ChannelScale(3)),
            ("sparse", SparseConv2d(3, ([0, 1], [1, 2], [0, 2], [0, 1, 2]), 3)),
            ("flatten", nn.Flatten()),
            ("output", nn.Linear(64, 10)),
        )
        return use_double_precision(network)

    alone, together = ([TorchClassifier(build, config, seed=s) for s in (0, 1)] for _ in range(2))
    TorchClassifier.fit_together(together, X, y)
    for a, b in zip(alone, together, strict=True):
        a.fit(X, y)
        assert np.abs(a.predict_proba(X_new) - b.predict_proba(X_new)).max() < 1e-6
        for name in ("scale", "sparse"):
            trained, other = getattr(a.network_, name), getattr(b.network_, name)
            assert torch.allclose(trained.weight, other.weight, rtol=1e-5, atol=1e-8)
        assert not torch.allclose(a.network_.scale.weight, torch.ones(1, dtype=torch.float64))


def test_predicting_between_epochs_does_not_change_networks_trained_together(small):
    X, y, X_new = small
    watched, unwatched = ([TorchClassifier(with_averages, CONFIG, seed=s) for s in (0, 1)]
                          for _ in range(2))  # fmt: skip
    seen = []

    def on_epoch(classifier, report):
        seen.append((classifier.seed, report.epoch))
        classifier.predict_proba(X_new)

    TorchClassifier.fit_together(watched, X, y, [on_epoch] * 2)
    TorchClassifier.fit_together(unwatched, X, y)
    assert seen == [(0, 1), (1, 1), (0, 2), (1, 2)]
    for a, b in zip(watched, unwatched, strict=True):
        assert np.array_equal(a.predict_proba(X_new), b.predict_proba(X_new))


RECIPES = [
    (scaling, TrainConfig(2, 64, optimizer, 0.005, momentum, loss=loss))
    for optimizer, momentum in [("sgd", 0.0), ("sgd", 0.9), *((o, 0.0) for o in OPTIMIZERS)]
    for loss in LOSSES.values()
    for scaling in SCALINGS
]


@pytest.fixture(scope="module")
def few(small):
    """Seven steps an epoch with the batches of ``RECIPES``; the last has fewer images."""
    X, y, X_new = small
    return X[:400], y[:400], X_new[:100]


def build_recipe(number):
    """The classifier of ``RECIPES[number]``; the number is its seed."""
    scaling, config = RECIPES[number]

    def build():
        network = build_sequential(
            ("pixels", Pixels(scaling)),
            ("conv", nn.Conv2d(1, 3, 5)),
            ("pool", nn.AvgPool2d(4)),
            ("norm", nn.BatchNorm2d(3)),
            ("dropout", nn.Dropout(0.3)),
            ("flatten", nn.Flatten()),
            ("output", nn.Linear(108, 10)),
        )
        return use_double_precision(network)

    return TorchClassifier(build, config, seed=number)


@pytest.fixture(scope="module")
def recipes_alone(few):
    """The classifier of each recipe, trained alone, with its losses."""
    X, y, _ = few
    trained = []
    for number in range(len(RECIPES)):
        losses = []
        note_loss = lambda _, report, losses=losses: losses.append(report.train_loss)  # noqa: E731
        trained.append((build_recipe(number).fit(X, y, note_loss), losses))
    return trained


@pytest.mark.parametrize("order", ["as listed", "shuffled"])
def test_recipes_with_the_same_layers_are_the_same_together_and_alone(few, recipes_alone, order):
    """Each optimizer, loss and scaling of pixels, in one stack; momentum belongs to "sgd" alone."""
    X, y, X_new = few
    numbers = list(range(len(RECIPES)))
    if order == "shuffled":
        np.random.default_rng(0).shuffle(numbers)
    together = [build_recipe(number) for number in numbers]
    losses = []
    TorchClassifier.fit_together(
        together, X, y, [lambda _, report: losses.append(report.train_loss)] * len(together)
    )
    own_losses = []
    for number, b in zip(numbers, together, strict=True):
        a, of_one = recipes_alone[number]
        own_losses += of_one
        assert np.abs(a.predict_proba(X_new) - b.predict_proba(X_new)).max() < 1e-6
        assert torch.allclose(a.network_.norm.running_var, b.network_.norm.running_var, rtol=1e-6)
    assert sorted(losses) == pytest.approx(sorted(own_losses), rel=1e-5)


@pytest.mark.parametrize(
    "other",
    [
        TrainConfig(3, 32, "adam", 0.005),  # CONFIG has two epochs
        TrainConfig(2, 16, "adam", 0.005),
        TrainConfig(2, 32, "adam", 0.005, held_out=10),
        TrainConfig(None, 32, "adam", 0.005, steps=5),
    ],
    ids=["epochs", "batch size", "images held out", "steps"],
)
def test_classifiers_trained_together_have_the_same_steps_and_images(small, other):
    X, y, _ = small
    assert (CONFIG.epochs, CONFIG.batch_size, CONFIG.held_out) == (2, 32, 0)
    with pytest.raises(ValueError, match="the same device, epochs or steps"):
        TorchClassifier.fit_together(
            [TorchClassifier(build_network, config) for config in (CONFIG, other)], X, y
        )


def test_classifiers_trained_together_have_the_same_layers(small):
    X, y, _ = small

    def build(activation):
        return build_sequential(
            ("pixels", Pixels("unit")),
            ("flatten", nn.Flatten()),
            ("activation", activation()),
            ("output", nn.Linear(784, 10)),
        )

    with pytest.raises(ValueError, match="the same layers"):
        TorchClassifier.fit_together(
            [TorchClassifier(partial(build, each), CONFIG) for each in (nn.ReLU, nn.Tanh)], X, y
        )


def test_pixels_are_divided_by_255_or_standardised(dataset):
    X = torch.tensor(dataset.X_train[:5])
    unit = Pixels("unit")(X)
    assert torch.allclose(unit[:, 0], X / 255, atol=1e-6)
    mean, sd = FASHION_MNIST.pixel_statistics
    assert torch.allclose(Pixels("standard")(X)[:, 0], (X / 255 - mean) / sd, atol=1e-5)
    assert X.dtype == torch.uint8


def test_resize_gives_the_requested_size():
    assert Resize(32)(torch.zeros(3, 1, 28, 28)).shape == (3, 1, 32, 32)


def test_initial_weights_are_glorot_uniform_and_biases_zero():
    torch.manual_seed(0)
    net = build_sequential(("dense", nn.Linear(600, 400)))
    bound = np.sqrt(6 / 1000)
    weights = net.dense.weight.detach().numpy()
    assert np.abs(weights).max() <= bound
    assert weights.std() == pytest.approx(bound / np.sqrt(3), rel=0.01)
    assert not net.dense.bias.any()
    assert count_parameters(net) == {"dense": 240_400}


def test_convolutions_on_a_gpu_are_in_float32_and_in_a_fixed_order(small):
    X, y, X_new = small
    seen = set()

    def settings():
        return torch.backends.cudnn.allow_tf32, torch.backends.cudnn.deterministic

    class Noting(nn.Module):
        def forward(self, images):
            seen.add((self.training, *settings()))
            return images

    before = settings()
    few = TrainConfig(None, 32, "sgd", 0.005, steps=1)
    TorchClassifier(lambda: nn.Sequential(Noting(), *build_network()), few).fit(X, y).predict(X_new)
    assert seen == {(True, False, True), (False, False, True)}
    assert settings() == before != (False, True)
