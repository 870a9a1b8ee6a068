"""The one training loop: every neural row is a :class:`TorchClassifier`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from torch import Tensor, nn

from fmbench.optimizers import OPTIMIZERS, Optimizer

PREDICT_BATCH = 1000  # images; changes nothing but memory and speed

# From a network's parameters by name, its logits (n, 10) and the true classes (n,) to a scalar.
Loss = Callable[[Mapping[str, Tensor], Tensor, Tensor], Tensor]


def cross_entropy(parameters: Mapping[str, Tensor], logits: Tensor, target: Tensor) -> Tensor:
    """Mean cross-entropy of the softmax of the logits."""
    return nn.functional.cross_entropy(logits, target)


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


def one_vector(network: nn.Module) -> tuple[nn.Parameter, Tensor]:
    """Move every parameter of ``network`` into one vector, and its gradients into another.

    An optimizer's step is then a handful of operations, however many layers there are: with ten
    small tensors, handling each one took longer than its arithmetic. Every optimizer here works
    element by element, so the result is the same.
    """
    parameters = list(network.parameters())
    values = torch.cat([p.detach().flatten() for p in parameters])
    gradients = torch.zeros_like(values)
    offset = 0
    for p in parameters:
        initial = p.detach().clone()
        p.data = values.as_strided(p.shape, p.stride(), offset)
        p.data.copy_(initial)
        p.grad = gradients.as_strided(p.shape, p.stride(), offset)
        offset += p.numel()
    vector = nn.Parameter(values)
    vector.grad = gradients
    return vector, gradients


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
        device = torch.device(self.device)
        weights_seed, order_seed, dropout_seed = np.random.SeedSequence(self.seed).generate_state(3)
        config = self.config
        if config.held_out >= len(X):
            raise ValueError(f"{config.held_out} of {len(X)} images held out: none is left")
        self.classes_ = np.unique(y)
        images = torch.tensor(X[config.held_out :], device=device)
        labels = torch.tensor(y[config.held_out :], device=device, dtype=torch.long)
        order = torch.Generator(device).manual_seed(int(order_seed))
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(int(weights_seed))
            # Channels last: the CPU's convolutions and poolings are up to twice as fast.
            self.network_ = self.network().to(device)
            self.network_.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            # Nothing but dropout draws from the global stream from here on.
            torch.manual_seed(int(dropout_seed))
            weights, gradient = one_vector(self.network_)
            optimizer = OPTIMIZERS[config.optimizer](weights, config)
            parameters = dict(self.network_.named_parameters())
            epoch, left = 0, config.n_steps(len(images))
            while left > 0:
                permutation = torch.randperm(len(images), generator=order, device=device)
                chosen = permutation[: left * config.batch_size]
                loss, accuracy = self._train(
                    images[chosen], labels[chosen], parameters, gradient, optimizer
                )
                epoch, left = epoch + 1, left - math.ceil(len(chosen) / config.batch_size)
                if on_epoch:
                    on_epoch(self, EpochReport(epoch, loss, accuracy))
        return self

    def _train(
        self,
        images: Tensor,
        labels: Tensor,
        parameters: Mapping[str, Tensor],
        gradient: Tensor,
        optimizer: Optimizer,
    ) -> tuple[float, float]:
        """One step for each batch of the images, in order; returns the mean loss and accuracy."""
        # Read out at the end: reading each step's would make the CPU wait for the GPU.
        losses, y_pred = [], []
        self.network_.train()
        size = self.config.batch_size
        for batch, target in zip(images.split(size), labels.split(size), strict=True):
            logits = self.network_(batch)
            loss = self.config.loss(parameters, logits, target)
            gradient.zero_()  # of every parameter: they are views of one vector
            loss.backward()
            optimizer.step()
            losses.append(loss.detach() * len(batch))
            y_pred.append(logits.detach().argmax(1))
        n_correct = (torch.cat(y_pred) == labels).sum()
        return torch.stack(losses).sum().item() / len(images), n_correct.item() / len(images)

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
        with torch.inference_mode():
            parts = [
                self.network_(batch.to(self.device)).cpu()
                for batch in torch.tensor(X).split(PREDICT_BATCH)
            ]
        return torch.cat(parts)
