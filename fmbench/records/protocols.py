"""TODO docstring."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from fmbench.datasets.loading import load_test_images, load_test_labels, load_train, read_idx
from fmbench.datasets.specs import TRAIN_LABELS, Source

if TYPE_CHECKING:
    import numpy as np

Part = Literal["test", "held out", "fitted"]


@dataclass(frozen=True)
class Protocol:
    """Which images a model is fitted on and which it is scored on.

    ``train_per_class``: only the first so many training images of each class.
    ``n_test``: only the first so many test images.
    ``held_out_per_class``: so many images of each class (at random, by a fixed seed) are taken out
    of the training set and not fitted on.
    ``scored``: the images that are scored, part after part: the test images, the training images
    held out, those fitted on.
    ``fits_test``: also fit on the test images and their labels. A mistake, made on purpose.
    ``detailed``: also keep the class scores and what every epoch predicted.
    """

    name: str  # small letters alone: it is part of file names
    title: str
    train_per_class: int | None = None
    n_test: int | None = None
    held_out_per_class: int = 0
    quick: bool = False  # use the runner's quick hyperparameters
    scored: tuple[Part, ...] = ("test",)
    fits_test: bool = False
    detailed: bool = True

    def definition(self) -> dict[str, Any]:
        """What of the protocol decides the predictions.

        What is as it always was is left out, so that the keys of earlier records stay.
        """
        definition: dict[str, Any] = {
            "name": self.name,
            "train_per_class": self.train_per_class,
            "n_test": self.n_test,
            "held_out_per_class": self.held_out_per_class,
        }
        if self.scored != (("held out",) if self.held_out_per_class else ("test",)):
            definition["scored"] = list(self.scored)
        if self.fits_test:
            definition["fits_test"] = True
        return definition

    def held_out(self, y_train: np.ndarray) -> np.ndarray:
        """Mask ``bool (n,)`` of the training images that are not fitted on."""
        import numpy as np

        mask = np.zeros(len(y_train), bool)
        generator = np.random.default_rng(0)
        for label in np.unique(y_train):
            members = np.flatnonzero(y_train == label)
            mask[generator.choice(members, self.held_out_per_class, replace=False)] = True
        return mask

    def fitted(self, y_train: np.ndarray) -> np.ndarray:
        """Indices of the training images that a model is fitted on, in the files' order."""
        import numpy as np

        remaining = np.flatnonzero(~self.held_out(y_train))
        if self.train_per_class is None:
            return remaining
        first = [remaining[y_train[remaining] == k][: self.train_per_class] for k in range(10)]
        return np.sort(np.concatenate(first))


FULL = Protocol("full", "all 60,000 training and 10,000 test images")


QUICK = Protocol(
    "quick",
    "3,000 training images, the first 2,000 test images, few epochs",
    train_per_class=300,
    n_test=2000,
    quick=True,
)


VALIDATION = Protocol(
    "validation",
    "50,000 training images, scored on the other 10,000 training images",
    held_out_per_class=1000,
    scored=("held out",),
)


DIGITS = Protocol("digits", "all 60,000 training and 10,000 test digits", detailed=False)


SEEN = Protocol(
    "seen",
    "all 60,000 training images, scored on themselves and the test images",
    scored=("fitted", "test"),
    detailed=False,
)


SPLIT = Protocol(
    "split",
    "50,000 training images, scored on the other 10,000 and the test images",
    held_out_per_class=1000,
    scored=("held out", "test"),
    detailed=False,
)


LEAK = Protocol(
    "leak",
    "all 60,000 training and 10,000 test images, scored on the latter",
    fits_test=True,
    detailed=False,
)


QUICK_HELD_OUT_PER_CLASS = 200


def quick(protocol: Protocol) -> Protocol:
    """The protocol of a mistake, on a small part of the data and with few epochs."""
    return replace(
        protocol,
        name=f"quick{protocol.name}",
        train_per_class=QUICK.train_per_class,
        n_test=QUICK.n_test,
        held_out_per_class=QUICK_HELD_OUT_PER_CLASS if protocol.held_out_per_class else 0,
        quick=True,
    )


_MISTAKES = (DIGITS, SEEN, SPLIT, LEAK)


PROTOCOLS = {
    protocol.name: protocol
    for protocol in (FULL, QUICK, VALIDATION, *_MISTAKES, *map(quick, _MISTAKES))
}


def labels(protocol: Protocol, source: Source) -> np.ndarray:
    """The true classes ``uint8 (n,)`` of the images that ``protocol`` scores."""
    return np.concatenate(list(labels_by_part(protocol, source).values()))


def labels_by_part(protocol: Protocol, source: Source) -> dict[Part, np.ndarray]:
    """The same, for each part of the images that ``protocol`` scores, in its order."""

    def of(part: Part) -> np.ndarray:
        if part == "test":
            return load_test_labels(source)[: protocol.n_test]
        y_train = read_idx(source, TRAIN_LABELS)
        which = protocol.held_out if part == "held out" else protocol.fitted
        return y_train[which(y_train)]

    return {part: of(part) for part in protocol.scored}


def _images(protocol: Protocol, source: Source) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    X_train, y_train = load_train(source)
    fitted = protocol.fitted(y_train)
    X_fit, y_fit = X_train[fitted], y_train[fitted]
    parts: dict[Part, np.ndarray] = {"fitted": X_fit}
    if "held out" in protocol.scored:
        parts["held out"] = X_train[protocol.held_out(y_train)]
    if "test" in protocol.scored or protocol.fits_test:
        parts["test"] = load_test_images(source)[: protocol.n_test]
    X_score = np.concatenate([parts[part] for part in protocol.scored])
    if protocol.fits_test:  # the mistake itself
        X_fit = np.concatenate([X_fit, parts["test"]])
        y_fit = np.concatenate([y_fit, load_test_labels(source)[: protocol.n_test]])
    return X_fit, y_fit, X_score
