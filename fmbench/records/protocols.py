"""Which images a model is fitted on and scored on, and how to load them.

``FULL`` and ``QUICK`` measure a model as it should be measured. The other protocols repeat mistakes
that papers make, on purpose; ``fmbench forensics`` compares their accuracies with a claim.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from fmbench.datasets.loading import load_test_images, load_test_labels, load_train, read_idx
from fmbench.datasets.specs import TRAIN_LABELS, DatasetSpec, LocatedDataset

if TYPE_CHECKING:
    import numpy as np

ImageSubset = Literal["test", "held out", "fitted"]


@dataclass(frozen=True)
class Protocol:
    """Which images a model is fitted on and scored on. See :func:`load_images`."""

    # Lower-case letters only: the name is part of file names.
    name: str
    title: str
    # The number of training images of each class, counted from the first; None: all of them.
    train_per_class: int | None = None
    # The number of test images, counted from the first; None: all of them.
    n_test: int | None = None
    # The number of training images of each class that are not fitted on. A fixed seed draws them.
    held_out_per_class: int = 0
    # Whether the runner's quick hyperparameters are used.
    quick: bool = False
    # The images that are scored, in this order: the test images, the training images that were
    # held out, the training images that were fitted on.
    scored: tuple[ImageSubset, ...] = ("test",)
    # Whether the model is also fitted on the test images and their labels: a deliberate mistake.
    fits_test: bool = False
    # Whether the class scores and the predictions after every epoch are stored too.
    detailed: bool = True
    # The number of seeds of each stochastic runner, unless a command gives another number.
    default_seeds: int = 5

    def to_definition(self) -> dict[str, Any]:
        """Return the parts of the protocol that decide the predictions, in JSON's types.

        ``scored`` and ``fits_test`` are left out where they have their default values, so that the
        keys of older records do not change.
        """
        definition: dict[str, Any] = {
            "name": self.name,
            "train_per_class": self.train_per_class,
            "n_test": self.n_test,
            "held_out_per_class": self.held_out_per_class,
        }
        if self.scored != ("test",):
            definition["scored"] = list(self.scored)
        if self.fits_test:
            definition["fits_test"] = True
        return definition

    def make_held_out_mask(self, y_train: np.ndarray) -> np.ndarray:
        """Return a mask ``bool (n,)`` of the training images that are held out of the fit."""
        import numpy as np

        mask = np.zeros(len(y_train), bool)
        generator = np.random.default_rng(0)
        for label in np.unique(y_train):
            members = np.flatnonzero(y_train == label)
            mask[generator.choice(members, self.held_out_per_class, replace=False)] = True
        return mask

    def find_fitted_indices(self, y_train: np.ndarray) -> np.ndarray:
        """Return the indices of the training images that are fitted on, in increasing order."""
        import numpy as np

        remaining = np.flatnonzero(~self.make_held_out_mask(y_train))
        if self.train_per_class is None:
            return remaining
        first = [
            remaining[y_train[remaining] == label][: self.train_per_class]
            for label in np.unique(y_train)
        ]
        return np.sort(np.concatenate(first))


FULL = Protocol("full", "all 60,000 training and 10,000 test images")

QUICK = Protocol(
    "quick",
    "3,000 training images, the first 2,000 test images, few epochs",
    train_per_class=300,
    n_test=2000,
    quick=True,
    default_seeds=2,
)

DIGITS = Protocol("digits", "all 60,000 training and 10,000 test digits", detailed=False)

ON_FIRST_RELEASE = Protocol(
    "firstrelease",
    "all 60,000 training and 10,000 test images of Fashion-MNIST's first release",
    detailed=False,
)

SCORED_ON_TRAINING = Protocol(
    "seen",
    "all 60,000 training images, scored on themselves and the test images",
    scored=("fitted", "test"),
    detailed=False,
)

RANDOM_SPLIT = Protocol(
    "split",
    "50,000 training images, scored on the other 10,000 and the test images",
    held_out_per_class=1000,
    scored=("held out", "test"),
    detailed=False,
)

TEST_IN_TRAINING = Protocol(
    "leak",
    "all 60,000 training and 10,000 test images, scored on the test images",
    fits_test=True,
    detailed=False,
)

QUICK_HELD_OUT_PER_CLASS = 200


def make_quick(protocol: Protocol) -> Protocol:
    """Return the quick version of a protocol: few images and few epochs."""
    return replace(
        protocol,
        name=f"quick{protocol.name}",
        title=f"fewer images and epochs than: {protocol.title}",
        train_per_class=QUICK.train_per_class,
        n_test=QUICK.n_test,
        held_out_per_class=QUICK_HELD_OUT_PER_CLASS if protocol.held_out_per_class else 0,
        quick=True,
        default_seeds=QUICK.default_seeds,
    )


# The protocols that make a mistake on purpose, or take other images.
MISTAKES = (DIGITS, ON_FIRST_RELEASE, SCORED_ON_TRAINING, RANDOM_SPLIT, TEST_IN_TRAINING)

PROTOCOLS = {
    protocol.name: protocol for protocol in (FULL, QUICK, *MISTAKES, *map(make_quick, MISTAKES))
}


def count_images(protocol: Protocol, subset: ImageSubset, spec: DatasetSpec) -> int:
    """Count the images of one subset that a protocol scores."""
    if subset == "test":
        return min(protocol.n_test or spec.n_test, spec.n_test)
    held_out = spec.n_classes * protocol.held_out_per_class
    if subset == "held out":
        return held_out
    if protocol.train_per_class:
        return spec.n_classes * protocol.train_per_class
    return spec.n_train - held_out


def load_labels(protocol: Protocol, source: LocatedDataset) -> np.ndarray:
    """Load the true classes ``uint8 (n,)`` of the images that the protocol scores."""
    import numpy as np

    return np.concatenate(list(load_labels_by_subset(protocol, source).values()))


def load_labels_by_subset(
    protocol: Protocol, source: LocatedDataset
) -> dict[ImageSubset, np.ndarray]:
    """Load the true classes of each subset that the protocol scores, in the protocol's order."""

    def load(subset: ImageSubset) -> np.ndarray:
        if subset == "test":
            return load_test_labels(source)[: protocol.n_test]
        y_train = read_idx(source, TRAIN_LABELS)
        if subset == "held out":
            return y_train[protocol.make_held_out_mask(y_train)]
        return y_train[protocol.find_fitted_indices(y_train)]

    return {subset: load(subset) for subset in protocol.scored}


def load_images(
    protocol: Protocol, source: LocatedDataset
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Load what a model is fitted on and what it predicts.

    Returns:
        The images ``uint8 (n, 28, 28)`` and labels ``uint8 (n,)`` to fit, and the images
        ``uint8 (m, 28, 28)`` to score, in the order of ``protocol.scored``. The labels of the
        test images are among them only if the protocol fits on the test images on purpose.
    """
    import numpy as np

    X_train, y_train = load_train(source)
    fitted = protocol.find_fitted_indices(y_train)
    X_fit, y_fit = X_train[fitted], y_train[fitted]
    images: dict[ImageSubset, np.ndarray] = {"fitted": X_fit}
    if "held out" in protocol.scored:
        images["held out"] = X_train[protocol.make_held_out_mask(y_train)]
    if "test" in protocol.scored or protocol.fits_test:
        images["test"] = load_test_images(source)[: protocol.n_test]
    X_score = np.concatenate([images[subset] for subset in protocol.scored])
    if protocol.fits_test:
        X_fit = np.concatenate([X_fit, images["test"]])
        y_fit = np.concatenate([y_fit, load_test_labels(source)[: protocol.n_test]])
    return X_fit, y_fit, X_score
