"""The one training loop: every neural row is a :class:`TorchClassifier`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from torch import Tensor, nn

from fmbench.optimizers import OPTIMIZERS, Optimizer

PREDICT_BATCH = 1000  # images; changes nothing but memory and speed


@dataclass(frozen=True)
class TrainConfig:
    """How a network is trained. ``learning_rate`` is per step; ``batch_size`` is in images."""

    epochs: int
    batch_size: int
    optimizer: str  # a key of OPTIMIZERS
    learning_rate: float
    momentum: float = 0.0  # "sgd" only


@dataclass(frozen=True)
class EpochReport:
    """What the loop knows at the end of an epoch (1, 2, ...).

    Loss and accuracy are running means over the epoch's batches, in training mode, as Keras
    prints them.
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
        self.classes_ = np.unique(y)
        images = torch.tensor(X, device=device)
        labels = torch.tensor(y, device=device, dtype=torch.long)
        order = torch.Generator(device).manual_seed(int(order_seed))
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(int(weights_seed))
            # Channels last: the CPU's convolutions and poolings are up to twice as fast.
            self.network_ = self.network().to(device)
            self.network_.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            # Nothing but dropout draws from the global stream from here on.
            torch.manual_seed(int(dropout_seed))
            weights, gradient = one_vector(self.network_)
            optimizer = OPTIMIZERS[self.config.optimizer](weights, self.config)
            for epoch in range(1, self.config.epochs + 1):
                loss, accuracy = self._train_epoch(images, labels, optimizer, gradient, order)
                if on_epoch:
                    on_epoch(self, EpochReport(epoch, loss, accuracy))
        return self

    def _train_epoch(
        self,
        images: Tensor,
        labels: Tensor,
        optimizer: Optimizer,
        gradient: Tensor,
        order: torch.Generator,
    ) -> tuple[float, float]:
        permutation = torch.randperm(len(images), generator=order, device=images.device)
        images, labels = images[permutation], labels[permutation]
        # Read out at the end: reading each step's would make the CPU wait for the GPU.
        losses, y_pred = [], []
        self.network_.train()
        size = self.config.batch_size
        for batch, target in zip(images.split(size), labels.split(size), strict=True):
            logits = self.network_(batch)
            loss = nn.functional.cross_entropy(logits, target)
            gradient.zero_()  # of every parameter: they are views of one vector
            loss.backward()
            optimizer.step()
            losses.append(loss.detach() * len(batch))
            y_pred.append(logits.detach().argmax(1))
        n_correct = (torch.cat(y_pred) == labels).sum()
        return torch.stack(losses).sum().item() / len(images), n_correct.item() / len(images)

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Class probabilities ``float32 (n, 10)`` of images ``uint8 (n, 28, 28)``."""
        self.network_.eval()
        with torch.inference_mode():
            parts = [
                self.network_(batch.to(self.device)).softmax(1).cpu()
                for batch in torch.tensor(X).split(PREDICT_BATCH)
            ]
        return torch.cat(parts).numpy()

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Classes ``uint8 (n,)`` of images ``uint8 (n, 28, 28)``."""
        return self.predict_proba(X).argmax(1).astype(np.uint8)
