"""What every runner promises, each promise a function with a sentence.

``fmbench check-runner`` tries them on one runner and says in words what is wrong; the tests try
them on every runner of the package. A check raises :class:`Broken`, or :class:`NotApplicable` where
a runner has nothing to check. They use the first images of the *training* set: no test image is
needed to try a runner.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from fmbench.datasets.loading import load_train
from fmbench.datasets.specs import Source
from fmbench.errors import in_words
from fmbench.models.registry import Runner

N_TRAIN, N_NEW, N_FEW = 1000, 500, 200
LEAST_ACCURACY = 0.3  # chance is 0.1
ORIGINS = ("stated", "source", "our choice")


class Broken(Exception):
    """A promise is not kept; the message says in words what is wrong and what to do."""


class NotApplicable(Exception):
    """The runner has nothing that this check is about; the message says what."""


@dataclass(frozen=True)
class Part:
    """A small part of the data: images ``uint8 (n, 28, 28)`` and their labels ``uint8 (n,)``."""

    X: np.ndarray
    y: np.ndarray
    X_new: np.ndarray
    y_new: np.ndarray

    @classmethod
    def of(cls, source: Source) -> Part:
        """The first images of a training set, and those after them."""
        X, y = load_train(source)
        end = N_TRAIN + N_NEW
        return cls(X[:N_TRAIN], y[:N_TRAIN], X[N_TRAIN:end], y[N_TRAIN:end])


class Trial:
    """One runner on a part of the data; what several checks need is fitted once."""

    def __init__(
        self, runner: Runner, part: Part, parameters: Mapping[str, Any] | None = None
    ) -> None:
        self.runner, self.part = runner, part
        self._values = runner.resolve({**runner.quick, **(parameters or {})})

    def build(self, seed: int = 0) -> Any:
        """A fresh classifier."""
        return self.runner.build(self._values, seed=seed, device="cpu")

    @cached_property
    def fitted(self) -> Any:
        """A classifier fitted with seed 0."""
        return self.build().fit(self.part.X.copy(), self.part.y.copy())

    @cached_property
    def y_pred(self) -> np.ndarray:
        """Its predictions of the new images."""
        return np.asarray(self.fitted.predict(self.part.X_new.copy()))

    def predictions(self, seed: int) -> np.ndarray:
        """Predictions of another classifier, fitted and asked now."""
        classifier = self.build(seed).fit(self.part.X.copy(), self.part.y.copy())
        return np.asarray(classifier.predict(self.part.X_new.copy()))


def it_says_where_its_hyperparameters_come_from(trial: Trial) -> None:
    """Every hyperparameter has an origin and a reason, and a value that a record can hold."""
    for name, hyperparameter in trial.runner.hyperparameters.items():
        if hyperparameter.origin not in ORIGINS or len(hyperparameter.why) <= 5:
            raise Broken(f"{name} does not say where its value comes from")
    try:
        json.dumps(trial.runner.resolve(), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise Broken(f"a hyperparameter's value is none that JSON has: {error}") from None


def it_gives_a_fresh_classifier_at_each_call(trial: Trial) -> None:
    """Every call gives another classifier, not fitted yet, that scikit-learn can copy."""
    from sklearn.base import clone
    from sklearn.pipeline import Pipeline

    first, second = trial.build(), trial.build()
    if first is second:
        raise Broken("two calls gave one classifier: make it inside the function")
    last = first.steps[-1][1] if isinstance(first, Pipeline) else first
    fitted = [n for n in vars(last) if n.endswith("_") and not n.startswith("_")]
    if fitted:
        raise Broken(f"it is fitted already: it has {', '.join(fitted)}")
    if hasattr(first, "get_params"):
        clone(first)


def it_learns_and_predicts_a_class_for_each_image(trial: Trial) -> None:
    """It learns from images uint8 (n, 28, 28) and predicts one class, 0 to 9, for each."""
    fitted, X_new = trial.fitted, trial.part.X_new
    if fitted is None or not hasattr(fitted, "predict"):
        raise Broken("fit does not return the classifier: end it with `return self`")
    try:
        y_pred = checked(trial.y_pred, len(X_new))
    except BadPredictions as error:
        raise Broken(str(error)) from None
    accuracy = (y_pred == trial.part.y_new).mean()
    if accuracy <= LEAST_ACCURACY:
        raise Broken(
            f"{100 * accuracy:.1f} % of {len(X_new)} images after {N_TRAIN} are little better than "
            "chance (10 %)"
        )


def it_leaves_the_images_and_labels_as_they_were(trial: Trial) -> None:
    """It changes neither the images nor the labels that it is handed."""
    arrays = (trial.part.X[:N_FEW], trial.part.y[:N_FEW], trial.part.X_new)
    X, y, X_new = handed = [array.copy() for array in arrays]
    for array in handed:
        array.flags.writeable = False
    try:
        trial.build().fit(X, y).predict(X_new)
    except ValueError as error:
        if "read-only" not in str(error):
            raise
        raise Broken(f"it writes into what it is handed ({error}): copy it first") from None
    if not all(map(np.array_equal, handed, arrays)):
        raise Broken("it changed what it was handed: copy it first")


def its_seed_alone_decides(trial: Trial) -> None:
    """The same seed gives the same predictions; another seed gives others."""
    n_new = len(trial.part.X_new)
    if n_other := int((trial.predictions(seed=0) != trial.y_pred).sum()):
        raise Broken(
            f"seed 0 twice gave {n_other} of {n_new} other predictions: something draws at random "
            "without the seed"
        )
    if not trial.runner.deterministic and np.array_equal(trial.predictions(seed=1), trial.y_pred):
        raise Broken(
            "it takes a seed that decides nothing: without one (of an estimator, with "
            "-p random_state=0) a single run says all"
        )


def its_scores_agree_with_its_predictions(trial: Trial) -> None:
    """The scores stored beside the predictions are highest at the class predicted."""
    if trial.runner.scores is None:
        raise NotApplicable("it stores no scores")
    scores = np.asarray(getattr(trial.fitted, trial.runner.scores)(trial.part.X_new))
    if scores.shape != (len(trial.part.X_new), 10):
        raise Broken(f"{trial.runner.scores} gives {scores.shape}, not {(len(scores), 10)}")
    if (scores.argmax(1) == trial.y_pred).mean() <= 0.99:
        raise Broken(f"{trial.runner.scores} is highest elsewhere than where predict says")


def its_layers_have_the_parameters_that_it_states(trial: Trial) -> None:
    """The parameters of its network, layer by layer, are as many as it says."""
    if not trial.runner.parameter_counts:
        raise NotApplicable("it states no numbers of parameters")
    from fmbench.models.nn.layers import parameter_counts

    counts = parameter_counts(trial.build().network())
    if counts != dict(trial.runner.parameter_counts):
        raise Broken(f"they are {counts}, stated {dict(trial.runner.parameter_counts)}")


CHECKS: tuple[Callable[[Trial], None], ...] = (
    it_says_where_its_hyperparameters_come_from,
    it_gives_a_fresh_classifier_at_each_call,
    it_learns_and_predicts_a_class_for_each_image,
    it_leaves_the_images_and_labels_as_they_were,
    its_seed_alone_decides,
    its_scores_agree_with_its_predictions,
    its_layers_have_the_parameters_that_it_states,
)


@dataclass(frozen=True)
class Finding:
    """What came of one check: ``wrong`` and ``left_out`` say why, or are empty."""

    promise: str
    wrong: str = ""
    left_out: str = ""


def check(trial: Trial) -> Iterator[Finding]:
    """Try every promise, one after the other; nothing that a runner raises ends it."""
    for promise in CHECKS:
        sentence = " ".join((promise.__doc__ or "").split())
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of so few images, many say that they are too few
                promise(trial)
        except Broken as broken:
            yield Finding(sentence, wrong=str(broken))
        except NotApplicable as reason:
            yield Finding(sentence, left_out=str(reason))
        except (Exception, SystemExit) as error:  # noqa: BLE001
            # Whatever it raises is what is wrong with it.
            yield Finding(sentence, wrong=f"it raises {_raised(trial.runner, error)}")
        else:
            yield Finding(sentence)


def _raised(runner: Runner, error: BaseException) -> str:
    code = getattr(runner.factory, "code", None)
    said = in_words(error, code.place if code else "")
    if "dim 3" in said or "reshape" in said:
        said += (
            "; images are uint8 (n, 28, 28): fmbench.features.standardised makes features of them"
        )
    return said


class BadPredictions(Exception):
    """A classifier returned something that is not one class for each image."""


def checked(y_pred: Any, n: int) -> np.ndarray:
    """``y_pred`` as ``uint8 (n,)``; raises BadPredictions if it is anything but n classes."""
    y_pred = np.asarray(y_pred)
    if y_pred.shape != (n,):
        raise BadPredictions(f"predict returned shape {y_pred.shape}, expected ({n},)")
    if not np.issubdtype(y_pred.dtype, np.number):
        raise BadPredictions(f"predict returned {y_pred.dtype}, expected whole numbers 0 to 9")
    if not np.isfinite(y_pred).all() or (y_pred != np.floor(y_pred)).any():
        raise BadPredictions("predict returned values that are not whole numbers")
    if y_pred.min() < 0 or y_pred.max() > 9:
        raise BadPredictions(f"predict returned classes {y_pred.min()} to {y_pred.max()}, not 0-9")
    return y_pred.astype(np.uint8)
