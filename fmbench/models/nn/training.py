"""The one training loop: every neural row is a :class:`TorchClassifier`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from torch import Tensor, nn

from fmbench.models.nn.cuda_graph import Graphed
from fmbench.models.nn.losses import Loss, cross_entropy
from fmbench.models.nn.optimizers import OPTIMIZERS
from fmbench.models.nn.stacked import Alone, Networks, Stacked

PREDICT_BATCH = 1000  # images; changes nothing but memory and speed


@dataclass(frozen=True)
class TrainConfig:
    """How a network is trained. ``learning_rate`` is per step; ``batch_size`` is in images.

    The budget is either ``epochs`` or ``steps``, batches whatever the number of images; the other
    is ``None``. The first ``held_out`` images are not trained on.
    """

    epochs: int | None
    batch_size: int
    optimizer: str  # a key of OPTIMIZERS
    learning_rate: float
    momentum: float = 0.0  # "sgd" only
    steps: int | None = None
    epsilon: float = 1e-7  # "adam" and "adamax": Keras's, since most sources were written with it
    held_out: int = 0
    loss: Loss = cross_entropy

    def __post_init__(self) -> None:
        if (self.epochs is None) == (self.steps is None):
            raise ValueError("a budget is a number of epochs or of steps, one of the two")

    def n_steps(self, n_images: int) -> int:
        """Steps in all where so many images are trained on."""
        if self.steps is not None:
            return self.steps
        return (self.epochs or 0) * math.ceil(n_images / self.batch_size)


@dataclass(frozen=True)
class EpochReport:
    """What the loop knows at the end of an epoch (1, 2, ...).

    Loss and accuracy are running means over the epoch's batches, in training mode, as Keras
    prints them. Where a budget of steps ends within an epoch, the last one is that part.
    """

    epoch: int
    train_loss: float
    train_accuracy: float


class EpochCallback(Protocol):
    """Called after each epoch with the classifier, which can predict at that moment."""

    def __call__(self, classifier: TorchClassifier, report: EpochReport) -> None:
        """React to an epoch's end."""


class TorchClassifier(ClassifierMixin, BaseEstimator):
    """A network with scikit-learn's interface.

    ``network`` is called without arguments and gives a module that takes ``uint8 (n, 28, 28)``
    and returns logits ``float32 (n, 10)``. The images stay on ``device`` as bytes for the whole
    fit. Weights, order of the images and dropout each have a random stream of their own, all
    drawn from ``seed``: changing one leaves the others as they were. The caller's random state
    is left untouched.

    Source of the loop's shape: Keras's ``fit`` (shuffle each epoch, keep the last small batch).
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

    def fit(
        self, X: np.ndarray, y: np.ndarray, on_epoch: EpochCallback | None = None
    ) -> TorchClassifier:
        """Train on ``X uint8 (n, 28, 28)``, ``y uint8 (n,)``; ``on_epoch`` sees every epoch."""
        self.fit_together([self], X, y, [on_epoch] if on_epoch else [])
        return self

    @staticmethod
    def fit_together(
        classifiers: Sequence[TorchClassifier],
        X: np.ndarray,
        y: np.ndarray,
        on_epoch: Sequence[EpochCallback] = (),
    ) -> None:
        """Train classifiers that differ by their seeds alone; ``X`` and ``y`` as for ``fit``.

        ``on_epoch`` holds a callback for each classifier, or nothing. Each classifier is trained
        as it would be alone: its own weights, order and dropout. It comes out the same but for
        the rounding of sums taken in another order, which training amplifies.

        Raises:
            ValueError: the ways of training or the devices differ, or no image is left to train
                on.
        """
        config, device = classifiers[0].config, classifiers[0].device
        if any((c.config, c.device) != (config, device) for c in classifiers):
            raise ValueError("classifiers that are trained together differ by their seeds alone")
        if config.held_out >= len(X):
            raise ValueError(f"{config.held_out} of {len(X)} images held out: none is left")
        images = torch.tensor(X[config.held_out :], device=device)
        labels = torch.tensor(y[config.held_out :], device=device, dtype=torch.long)
        on_gpu = [device] if images.is_cuda else []
        with _full_precision(), torch.random.fork_rng(devices=on_gpu):
            streams = []
            for classifier in classifiers:
                streams.append(_Streams(classifier.seed, device))
                torch.manual_seed(streams[-1].weights_seed)
                classifier.classes_ = np.unique(y)
                classifier.network_ = classifier.network().to(device)
            # Nothing but the dropout of a network alone draws from the global stream from here on.
            torch.manual_seed(streams[-1].dropout_seed)
            networks = [classifier.network_ for classifier in classifiers]
            for reports in _epochs(networks, images, labels, streams, config):
                for classifier, callback, report in zip(
                    classifiers, on_epoch, reports, strict=False
                ):
                    callback(classifier, report)

    def decision_function(self, X: np.ndarray) -> np.ndarray:
        """Logits ``float32 (n, 10)`` of images ``uint8 (n, 28, 28)``."""
        return self._logits(X).numpy()

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Class probabilities ``float32 (n, 10)`` of images ``uint8 (n, 28, 28)``."""
        return self._logits(X).softmax(1).numpy()

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Classes ``uint8 (n,)`` of images ``uint8 (n, 28, 28)``."""
        return self._logits(X).argmax(1).numpy().astype(np.uint8)

    def _logits(self, X: np.ndarray) -> Tensor:
        self.network_.eval()
        with _full_precision(), torch.inference_mode():
            parts = [
                self.network_(batch.to(self.device)).cpu()
                for batch in torch.tensor(X).split(PREDICT_BATCH)
            ]
        return torch.cat(parts)


def _full_precision() -> AbstractContextManager[None]:
    """A GPU's convolutions in float32, added up in a fixed order; a CPU's are so anyway.

    Left alone, PyTorch rounds what it multiplies there to TF32's 10 bits: no source's network was
    trained so.
    """
    return torch.backends.cudnn.flags(
        enabled=True, benchmark=False, deterministic=True, allow_tf32=False
    )


class _Streams:
    """A seed's random streams, one for each purpose."""

    def __init__(self, seed: int, device: str) -> None:
        seeds = np.random.SeedSequence(seed).generate_state(3)
        self.weights_seed, order_seed, self.dropout_seed = (int(each) for each in seeds)
        self.order = torch.Generator().manual_seed(order_seed)  # the same on every device
        self.dropout = torch.Generator(device).manual_seed(self.dropout_seed)


def _epochs(
    networks: Sequence[nn.Module],
    images: Tensor,
    labels: Tensor,
    streams: Sequence[_Streams],
    config: TrainConfig,
) -> Iterator[list[EpochReport]]:
    """Train; yields after each epoch what is known of each network."""
    if len(networks) == 1 and images.device.type == "cpu":
        together: Networks = Alone(networks[0], config.loss)
    else:
        dropouts = [stream.dropout for stream in streams]
        together = Stacked(networks, config.loss, dropouts, config.batch_size)
    step = _Step(together, config, len(networks))
    one = (
        step.prepared if not images.is_cuda else Graphed(step, together.prepare, config.batch_size)
    )
    epoch, left = 0, config.n_steps(len(images))
    while left > 0:
        for network in networks:
            network.train()  # a callback may have predicted
        orders = [torch.randperm(len(images), generator=stream.order) for stream in streams]
        chosen = torch.stack(orders)[:, : left * config.batch_size].to(images.device)
        batches = images[chosen].split(config.batch_size, 1)
        for batch, target in zip(batches, labels[chosen].split(config.batch_size, 1), strict=True):
            one(batch, target)
        epoch, left = epoch + 1, left - len(batches)
        yield [EpochReport(epoch, *means) for means in step.means(chosen.shape[1])]


class _Step:
    """A step of training: gradient, optimizer, and the sums of loss and hits since last asked."""

    def __init__(self, networks: Networks, config: TrainConfig, n_networks: int) -> None:
        self.networks = networks
        self._optimizer = OPTIMIZERS[config.optimizer](networks.vector, config)
        # Kept on the device: reading each step's would make the CPU wait for the GPU.
        device = networks.vector.device
        self._losses = torch.zeros(n_networks, dtype=torch.float64, device=device)
        self._hits = torch.zeros(n_networks, dtype=torch.long, device=device)

    def prepared(self, batch: Tensor, target: Tensor) -> None:
        """Draw what the step needs, then do it."""
        self.networks.prepare(batch.shape[1])
        self(batch, target)

    def __call__(self, batch: Tensor, target: Tensor) -> None:
        """Train on ``uint8 (S, n, 28, 28)`` and ``int64 (S, n)``."""
        losses, logits = self.networks(batch, target)
        gradient = self.networks.vector.grad
        assert gradient is not None
        gradient.zero_()  # of every parameter: they are views of one vector
        (losses.sum() if losses.ndim else losses).backward()
        self._optimizer.step()
        self._losses.add_(losses.detach(), alpha=batch.shape[1])
        self._hits.add_((logits.detach().argmax(-1) == target).sum(-1))

    def means(self, n_images: int) -> list[tuple[float, float]]:
        """Mean loss and accuracy of each network over so many images; begins to count anew."""
        means = torch.stack([self._losses, self._hits]) / n_images
        self._losses.zero_()
        self._hits.zero_()
        return [(loss, accuracy) for loss, accuracy in means.t().tolist()]
