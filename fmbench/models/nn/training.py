"""The training loop of all neural networks: :class:`TorchClassifier`, a scikit-learn classifier."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import groupby
from typing import Protocol, TypeVar

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from torch import Tensor, nn

from fmbench.models import accelerators
from fmbench.models.nn import direct, optimizers
from fmbench.models.nn.cuda_graph import GraphedStep
from fmbench.models.nn.gpu_errors import is_no_engine, warn_once
from fmbench.models.nn.gpu_kernels.build import KernelError, use_kernels
from fmbench.models.nn.gpu_kernels.optimizer import StackOptimizer
from fmbench.models.nn.losses import Loss, cross_entropy
from fmbench.models.nn.stacked import NetworkGroup, StackedNetworks

Result = TypeVar("Result")

PREDICT_BATCH = 1000  # images; it affects only memory and speed


@dataclass(frozen=True)
class TrainConfig:
    """How a network is trained.

    The length of the training is given either by ``epochs`` or by ``steps``; the other is None.

    Raises:
        ValueError: both ``epochs`` and ``steps`` are given, or neither.
    """

    epochs: int | None
    batch_size: int  # images
    optimizer: str  # a key of OPTIMIZERS
    learning_rate: float  # of one step
    momentum: float = 0.0  # "sgd" only
    steps: int | None = None  # batches, whatever the number of images
    epsilon: float = 1e-7  # all but "sgd": Keras's value, since most sources used Keras
    held_out: int = 0  # the first images, which are not trained on
    loss: Loss = cross_entropy

    def __post_init__(self) -> None:
        if (self.epochs is None) == (self.steps is None):
            raise ValueError("give either a number of epochs or a number of steps")

    def count_steps(self, n_images: int) -> int:
        """Return the number of steps of a training on ``n_images`` images."""
        if self.steps is not None:
            return self.steps
        return (self.epochs or 0) * math.ceil(n_images / self.batch_size)

    @property
    def schedule(self) -> tuple[int | None, int | None, int, int]:
        """What networks that are trained together must have in common."""
        return self.epochs, self.steps, self.batch_size, self.held_out

    @property
    def update(self) -> tuple[str, float, float, float]:
        """What decides how an optimizer changes the weights."""
        return self.optimizer, self.learning_rate, self.momentum, self.epsilon


@dataclass(frozen=True)
class EpochReport:
    """The state of the training at the end of an epoch.

    Loss and accuracy are means over the epoch's batches, each computed in training mode before its
    step, as Keras prints them. If the steps end within an epoch, the last report is about the part
    that was done.
    """

    epoch: int  # 1, 2, ...
    train_loss: float
    train_accuracy: float


class EpochCallback(Protocol):
    """A function that is called after each epoch; the classifier can predict at that moment."""

    def __call__(self, classifier: TorchClassifier, report: EpochReport) -> None:
        """Handle the end of an epoch."""


class TorchClassifier(ClassifierMixin, BaseEstimator):
    """A network with scikit-learn's interface.

    ``network`` is called without arguments and returns a module that takes ``uint8 (n, 28, 28)``
    and returns logits ``float32 (n, 10)``. The images stay on ``device`` as bytes for the whole
    fit. The weights, the order of the images and the dropout have separate random generators, all
    seeded from ``seed``: using one of them more does not change the others. PyTorch's global
    random state is the same after a fit as before.

    The loop follows Keras's ``fit``: it shuffles in each epoch and keeps the last, smaller batch.
    """

    def __init__(
        self,
        network: Callable[[], nn.Module],
        config: TrainConfig,
        *,
        seed: int = 0,
        device: str = "cpu",
    ) -> None:
        self.network = network
        self.config = config
        self.seed = seed
        self.device = device

    def compile_loops(self) -> None:
        """Compile the loops that a fit on a CPU uses, which takes up to three seconds.

        Without this call a fit compiles them in its first steps. Processes that are forked
        afterwards inherit the machine code. There are no such loops on a GPU, without the package
        numba, and in most networks without convolutions. The call starts no thread and changes
        neither the classifier nor PyTorch's global random state.
        """
        if self.device == "cpu" and accelerators.has_numba():
            with _use_one_thread(), torch.random.fork_rng(devices=[]):
                direct.compile_loops(self.network(), self.config.loss)
                optimizers.compile_loops(self.config.optimizer)

    def fit(
        self, X: np.ndarray, y: np.ndarray, on_epoch: EpochCallback | None = None
    ) -> TorchClassifier:
        """Train on ``X uint8 (n, 28, 28)``, ``y uint8 (n,)``; each epoch ends with ``on_epoch``."""
        self.fit_together([self], X, y, [on_epoch] if on_epoch else [])
        return self

    @staticmethod
    def fit_together(
        classifiers: Sequence[TorchClassifier],
        X: np.ndarray,
        y: np.ndarray,
        on_epoch: Sequence[EpochCallback] = (),
    ) -> None:
        """Train several classifiers with the same layers at once.

        They may differ in their seeds, the scaling of their pixels, their losses and optimizers
        with their settings. It is fastest if those with the same loss and optimizer follow each
        other.

        ``X`` and ``y`` are as for ``fit``. ``on_epoch`` holds one callback for each classifier, or
        is empty. Each classifier has its own weights, order and dropout, the same as if it were
        trained alone. The results differ from those only by the rounding of sums that are added in
        another order, which a long training amplifies.

        Raises:
            ValueError: the devices, the layers, or the numbers of epochs or steps, of images in a
                batch or of images held out differ; or ``held_out`` leaves no image to train on.
        """
        config, device = classifiers[0].config, classifiers[0].device
        if any((c.config.schedule, c.device) != (config.schedule, device) for c in classifiers):
            raise ValueError(
                "classifiers that are trained together must have the same device, epochs or steps, "
                "size of a batch and number of images held out"
            )
        if config.held_out >= len(X):
            raise ValueError(
                f"{config.held_out} of {len(X)} images are held out, so none is left to train on: "
                "use more images"
            )
        images = torch.tensor(X[config.held_out :], device=device)
        labels = torch.tensor(y[config.held_out :], device=device, dtype=torch.long)
        classes = np.unique(y)
        reported: list[int] = []  # the epochs that the callbacks know of

        def train() -> None:
            for reports in _train_classifiers(classifiers, images, labels, classes):
                reported.append(reports[0].epoch)
                for classifier, callback, report in zip(
                    classifiers, on_epoch, reports, strict=False
                ):
                    callback(classifier, report)

        _run_in_fixed_order(train, may_repeat=lambda: not reported)

    def decision_function(self, X: np.ndarray) -> np.ndarray:
        """Return the logits ``float32 (n, 10)`` of images ``uint8 (n, 28, 28)``."""
        return self._compute_logits(X).numpy()

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Return the class probabilities ``float32 (n, 10)`` of images ``uint8 (n, 28, 28)``."""
        return self._compute_logits(X).softmax(1).numpy()

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Return the classes ``uint8 (n,)`` of images ``uint8 (n, 28, 28)``."""
        return self._compute_logits(X).argmax(1).numpy().astype(np.uint8)

    def _compute_logits(self, X: np.ndarray) -> Tensor:
        self.network_.eval()

        def compute() -> Tensor:
            # The images go to a GPU at once, and the logits come back at once: at each copy the CPU
            # would wait for the GPU.
            with torch.inference_mode():
                images = torch.tensor(X, device=self.device)
                parts = [self.network_(batch) for batch in images.split(PREDICT_BATCH)]
                return torch.cat(parts).cpu()

        return _run_in_fixed_order(compute)


def _run_in_fixed_order(
    work: Callable[[], Result], may_repeat: Callable[[], bool] = lambda: True
) -> Result:
    """Do ``work``, in which a GPU computes convolutions in float32 and adds in a fixed order.

    If cuDNN has no engine that adds in a fixed order, one warning says so, and the work is done
    again from its beginning in any order, unless ``may_repeat`` says that it must not be.
    """
    try:
        with _use_full_precision(deterministic=True):
            return work()
    except RuntimeError as error:
        if not (is_no_engine(error) and may_repeat()):
            raise
        warn_once(
            "cuDNN cannot add in a fixed order here, so a second run may predict differently: "
            f"{error}"
        )
    with _use_full_precision(deterministic=False):
        return work()


def _use_full_precision(*, deterministic: bool) -> AbstractContextManager[None]:
    """Make a GPU compute convolutions in float32 and, if ``deterministic``, add in a fixed order.

    By default PyTorch rounds the factors to the 10 bits of TF32, and no source trained its network
    that way. A CPU always computes in float32.
    """
    return torch.backends.cudnn.flags(
        enabled=True, benchmark=False, deterministic=deterministic, allow_tf32=False
    )


@contextmanager
def _use_one_thread() -> Iterator[None]:
    """Let PyTorch compute in this thread alone, so that it starts no other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class _Generators:
    """The random generators of one seed, one for each purpose."""

    def __init__(self, seed: int, device: str) -> None:
        seeds = np.random.SeedSequence(seed).generate_state(3)
        self.weights_seed, order_seed, self.dropout_seed = (int(each) for each in seeds)
        self.order = torch.Generator().manual_seed(order_seed)  # the same on every device
        self.dropout = torch.Generator(device).manual_seed(self.dropout_seed)


def _train_classifiers(
    classifiers: Sequence[TorchClassifier], images: Tensor, labels: Tensor, classes: np.ndarray
) -> Iterator[list[EpochReport]]:
    """Give each classifier a fresh network, train all, and yield their reports of each epoch."""
    device = classifiers[0].device
    with torch.random.fork_rng(devices=[device] if images.is_cuda else []):
        generators = []
        for classifier in classifiers:
            generators.append(_Generators(classifier.seed, device))
            torch.manual_seed(generators[-1].weights_seed)
            classifier.classes_ = classes
            classifier.network_ = classifier.network().to(device)
        # From here on only the dropout of a single network uses the global generator.
        torch.manual_seed(generators[-1].dropout_seed)
        networks = [classifier.network_ for classifier in classifiers]
        configs = [classifier.config for classifier in classifiers]
        yield from _train_epochs(networks, images, labels, generators, configs)


def use_graphs(images: Tensor) -> bool:
    """Whether a training on these images records its steps and replays them."""
    return images.is_cuda


def _train_epochs(
    networks: Sequence[nn.Module],
    images: Tensor,
    labels: Tensor,
    generators: Sequence[_Generators],
    configs: Sequence[TrainConfig],
) -> Iterator[list[EpochReport]]:
    """Train, and yield the report of each network after every epoch."""
    config = configs[0]  # for what all of them have in common
    group: NetworkGroup
    if len(networks) == 1 and images.device.type == "cpu":
        group = direct.make_single_network(networks[0], config.loss)
    else:
        group = StackedNetworks(
            networks,
            [each.loss for each in configs],
            [generator.dropout for generator in generators],
            config.batch_size,
            by_network=len({each.update for each in configs}) > 1,
        )
    step = _TrainingStep(group, configs)
    do_step = (
        GraphedStep(step.run, group.prepare_step, config.batch_size)
        if use_graphs(images)
        else step.prepare_and_run
    )
    epoch, steps_left = 0, config.count_steps(len(images))
    while steps_left > 0:
        for network in networks:
            network.train()  # a callback may have predicted, which switches to evaluation mode
        orders = [torch.randperm(len(images), generator=each.order) for each in generators]
        chosen = torch.stack(orders)[:, : steps_left * config.batch_size].to(images.device)
        batches = images[chosen].split(config.batch_size, 1)
        for batch, target in zip(batches, labels[chosen].split(config.batch_size, 1), strict=True):
            do_step(batch, target)
        epoch, steps_left = epoch + 1, steps_left - len(batches)
        yield [EpochReport(epoch, *means) for means in step.pop_means(chosen.shape[1])]


class _TrainingStep:
    """One training step; it also adds up the losses and the right answers of the steps."""

    def __init__(self, group: NetworkGroup, configs: Sequence[TrainConfig]) -> None:
        self._group = group
        self._optimizers = list(_make_optimizers(group.vector, configs))
        n_networks = len(configs)
        # The sums stay on the device: reading them at each step would make the CPU wait for it.
        device = group.vector.device
        self._loss_sums = torch.zeros(n_networks, dtype=torch.float64, device=device)
        self._n_right = torch.zeros(n_networks, dtype=torch.long, device=device)

    def prepare_and_run(self, batch: Tensor, target: Tensor) -> None:
        """Draw the random numbers of the step, then run it."""
        self._group.prepare_step(batch.shape[1])
        self.run(batch, target)

    def run(self, batch: Tensor, target: Tensor) -> None:
        """Train on ``uint8 (S, n, 28, 28)`` and ``int64 (S, n)``."""
        losses, logits = self._group(batch, target)
        self._group.compute_gradient(losses)
        for optimizer in self._optimizers:
            optimizer.step()
        self._loss_sums.add_(losses.detach(), alpha=batch.shape[1])
        self._n_right.add_((logits.detach().argmax(-1) == target).sum(-1))

    def pop_means(self, n_images: int) -> list[tuple[float, float]]:
        """Return each network's mean loss and accuracy over ``n_images``, and reset the sums."""
        means = torch.stack([self._loss_sums, self._n_right]) / n_images
        self._loss_sums.zero_()
        self._n_right.zero_()
        return [(loss, accuracy) for loss, accuracy in means.t().tolist()]


def _make_optimizers(
    vector: nn.Parameter, configs: Sequence[TrainConfig]
) -> Iterator[optimizers.Optimizer]:
    """Make an optimizer for each run of networks with the same settings; on a GPU, one for all.

    If the settings differ, all parameters of a network stand together in ``vector``.
    """
    if use_kernels(vector):
        try:
            yield StackOptimizer(vector, configs)
            return
        except KernelError as error:
            warn_once(f"the optimizers take several kernels for each step: {error}")
    if len({config.update for config in configs}) == 1:
        yield optimizers.OPTIMIZERS[configs[0].optimizer](vector, configs[0])
        return
    assert vector.grad is not None
    size = len(vector) // len(configs)  # of one network
    first = 0
    for _, same in groupby(configs, key=lambda config: config.update):
        members = list(same)
        part = slice(first * size, (first + len(members)) * size)
        own = nn.Parameter(vector.detach()[part])
        own.grad = vector.grad[part]
        yield optimizers.OPTIMIZERS[members[0].optimizer](own, members[0])
        first += len(members)
