"""The rules that every runner must keep. For each rule, one function checks it.

``fmbench check-runner`` runs these checks on one runner and prints what is wrong; the tests run
them on every runner of the package. The docstring of a check is the rule that users read. A check
raises :class:`RuleBroken`, or :class:`NotApplicable` if the runner has nothing to check. The checks
use the first images of the *training* set: trying a runner needs no test image.

:func:`validate_predictions` is the rule that every measurement applies as well.
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
from fmbench.datasets.specs import LocatedDataset
from fmbench.errors import describe_exception
from fmbench.models.registry import Runner

N_TRAIN = 1000  # images that a runner is fitted on
N_NEW = 500  # images that it predicts
N_FEW = 200  # images for a fit whose predictions do not matter
# The lowest accuracy that is accepted, as a share of the way from chance to 100 %: for ten classes
# this is an accuracy of 30 %.
MIN_SKILL = 2 / 9
ORIGINS = ("stated", "source", "our choice")


class RuleBroken(Exception):
    """The runner breaks a rule; the message names the error and a remedy."""


class NotApplicable(Exception):
    """The check does not apply to the runner; the message says what the runner does not have."""


class InvalidPredictions(Exception):
    """A classifier returned something other than one class for each image."""


def validate_predictions(y_pred: Any, n_images: int, n_classes: int) -> np.ndarray:
    """Return ``y_pred`` as ``uint8 (n_images,)``.

    Raises:
        InvalidPredictions: it is not one whole number from 0 to ``n_classes - 1`` for each image.
    """
    y_pred, last = np.asarray(y_pred), n_classes - 1
    if y_pred.shape != (n_images,):
        raise InvalidPredictions(f"predict returned shape {y_pred.shape}, expected ({n_images},)")
    if not np.issubdtype(y_pred.dtype, np.number):
        raise InvalidPredictions(
            f"predict returned {y_pred.dtype}, expected whole numbers 0 to {last}"
        )
    if not np.isfinite(y_pred).all() or (y_pred != np.floor(y_pred)).any():
        raise InvalidPredictions("predict returned values that are not whole numbers")
    if y_pred.min() < 0 or y_pred.max() > last:
        raise InvalidPredictions(
            f"predict returned classes {y_pred.min()} to {y_pred.max()}, not 0-{last}"
        )
    return y_pred.astype(np.uint8)


@dataclass(frozen=True)
class SampleData:
    """A small sample of a training set: images ``uint8 (n, 28, 28)``, labels ``uint8 (n,)``."""

    X_train: np.ndarray
    y_train: np.ndarray
    X_new: np.ndarray
    y_new: np.ndarray
    n_classes: int


def load_sample(source: LocatedDataset) -> SampleData:
    """Read the first images of a training set, and the ones after them as new images."""
    X, y = load_train(source)
    end = N_TRAIN + N_NEW
    return SampleData(
        X[:N_TRAIN], y[:N_TRAIN], X[N_TRAIN:end], y[N_TRAIN:end], source.spec.n_classes
    )


class RunnerUnderTest:
    """One runner and the data for its checks. A fit that several checks need is done once."""

    def __init__(
        self, runner: Runner, data: SampleData, parameters: Mapping[str, Any] | None = None
    ) -> None:
        self.runner, self.data = runner, data
        self._hyperparameters = runner.resolve({**runner.quick, **(parameters or {})})

    def build(self, seed: int = 0) -> Any:
        """Make a fresh classifier."""
        return self.runner.build(self._hyperparameters, seed=seed, device="cpu")

    @cached_property
    def fitted(self) -> Any:
        """A classifier fitted with seed 0."""
        return self.build().fit(self.data.X_train.copy(), self.data.y_train.copy())

    @cached_property
    def y_pred(self) -> np.ndarray:
        """The predictions of :attr:`fitted` for the new images."""
        return np.asarray(self.fitted.predict(self.data.X_new.copy()))

    def refit_and_predict(self, seed: int) -> np.ndarray:
        """Fit another classifier now and return its predictions for the new images."""
        classifier = self.build(seed).fit(self.data.X_train.copy(), self.data.y_train.copy())
        return np.asarray(classifier.predict(self.data.X_new.copy()))


def check_hyperparameter_origins(tested: RunnerUnderTest) -> None:
    """Every hyperparameter has an origin, a reason, and a value that JSON can hold."""
    for name, hyperparameter in tested.runner.hyperparameters.items():
        if hyperparameter.origin not in ORIGINS or len(hyperparameter.why) <= 5:
            raise RuleBroken(f"{name} does not say where its value comes from")
    try:
        json.dumps(tested.runner.resolve(), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise RuleBroken(
            f"JSON cannot hold the value of a hyperparameter ({error}): use a number, a text, "
            "a list or a dictionary"
        ) from None


def check_fresh_classifiers(tested: RunnerUnderTest) -> None:
    """Every call gives a new, unfitted classifier, which scikit-learn can clone."""
    from sklearn.base import clone
    from sklearn.pipeline import Pipeline

    first, second = tested.build(), tested.build()
    if first is second:
        raise RuleBroken("two calls gave the same classifier: create it inside the function")
    last = first.steps[-1][1] if isinstance(first, Pipeline) else first
    fitted = [n for n in vars(last) if n.endswith("_") and not n.startswith("_")]
    if fitted:
        raise RuleBroken(
            f"the new classifier is already fitted (it has {', '.join(fitted)}): fit it only in "
            "`fit`"
        )
    if hasattr(first, "get_params"):
        clone(first)


def check_learning(tested: RunnerUnderTest) -> None:
    """It learns from images uint8 (n, 28, 28) and predicts one class, a whole number, for each."""
    fitted, data = tested.fitted, tested.data
    if fitted is None or not hasattr(fitted, "predict"):
        raise RuleBroken("fit does not return the classifier: end it with `return self`")
    try:
        y_pred = validate_predictions(tested.y_pred, len(data.X_new), data.n_classes)
    except InvalidPredictions as error:
        raise RuleBroken(str(error)) from None
    accuracy, chance = (y_pred == data.y_new).mean(), 1 / data.n_classes
    if accuracy <= chance + MIN_SKILL * (1 - chance):
        raise RuleBroken(
            f"after {len(data.X_train)} training images it gets {100 * accuracy:.1f} % of "
            f"{len(data.X_new)} new images right, little better than chance ({100 * chance:.0f} %)"
        )


def check_inputs_unchanged(tested: RunnerUnderTest) -> None:
    """It changes neither the images nor the labels that it receives."""
    arrays = (tested.data.X_train[:N_FEW], tested.data.y_train[:N_FEW], tested.data.X_new)
    X, y, X_new = copies = [array.copy() for array in arrays]
    for array in copies:
        array.flags.writeable = False
    try:
        tested.build().fit(X, y).predict(X_new)
    except ValueError as error:
        if "read-only" not in str(error):
            raise
        raise RuleBroken(
            f"it writes into the arrays that it receives ({error}): copy them first"
        ) from None
    if not all(map(np.array_equal, copies, arrays)):
        raise RuleBroken("it changed the arrays that it received: copy them first")


def check_seed(tested: RunnerUnderTest) -> None:
    """The same seed gives the same predictions, and another seed gives different ones."""
    n_new = len(tested.data.X_new)
    n_different = int((tested.refit_and_predict(seed=0) != tested.y_pred).sum())
    if n_different:
        raise RuleBroken(
            f"two fits with seed 0 differ in {n_different} of {n_new} predictions: some random "
            "numbers do not come from the seed"
        )
    if tested.runner.deterministic:
        return
    if np.array_equal(tested.refit_and_predict(seed=1), tested.y_pred):
        raise RuleBroken(
            "its seed has no effect: remove the parameter (for an estimator, use "
            "-p random_state=0), so that it runs only once"
        )


def check_scores(tested: RunnerUnderTest) -> None:
    """The scores stored beside the predictions are highest for the predicted class."""
    method, data = tested.runner.scores, tested.data
    if method is None:
        raise NotApplicable("it stores no scores")
    scores = np.asarray(getattr(tested.fitted, method)(data.X_new))
    expected = (len(data.X_new), data.n_classes)
    if scores.shape != expected:
        raise RuleBroken(f"{method} returns shape {scores.shape}, expected {expected}")
    if (scores.argmax(1) == tested.y_pred).mean() <= 0.99:
        raise RuleBroken(f"{method} is highest for other classes than those that predict returns")


def check_parameter_counts(tested: RunnerUnderTest) -> None:
    """Each layer of its network has as many parameters as the recipe states."""
    if not tested.runner.parameter_counts:
        raise NotApplicable("it states no numbers of parameters")
    from fmbench.models.nn.layers import count_parameters

    counts = count_parameters(tested.build().network())
    stated = dict(tested.runner.parameter_counts)
    if counts != stated:
        raise RuleBroken(f"the layers have {counts} parameters, but the recipe states {stated}")


CONTRACT_CHECKS: tuple[Callable[[RunnerUnderTest], None], ...] = (
    check_hyperparameter_origins,
    check_fresh_classifiers,
    check_learning,
    check_inputs_unchanged,
    check_seed,
    check_scores,
    check_parameter_counts,
)


@dataclass(frozen=True)
class CheckResult:
    """The result of one check; the rule is kept if ``problem`` and ``not_checked`` are empty."""

    rule: str
    problem: str = ""  # how the runner breaks the rule
    not_checked: str = ""  # why the rule does not apply


def check_contract(tested: RunnerUnderTest) -> Iterator[CheckResult]:
    """Run every check, one after the other; an exception of the runner does not stop them."""
    for check in CONTRACT_CHECKS:
        rule = " ".join((check.__doc__ or "").split())
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # many models warn that so few images are too few
                check(tested)
        except RuleBroken as broken:
            yield CheckResult(rule, problem=str(broken))
        except NotApplicable as reason:
            yield CheckResult(rule, not_checked=str(reason))
        except (Exception, SystemExit) as error:  # noqa: BLE001
            # Any exception of the runner is a problem of the runner.
            yield CheckResult(rule, problem=f"it raises {_describe(tested.runner, error)}")
        else:
            yield CheckResult(rule)


def _describe(runner: Runner, error: BaseException) -> str:
    code = getattr(runner.factory, "code", None)
    message = describe_exception(error, code.location if code else "")
    if "dim 3" in message or "reshape" in message:
        message += "; images are uint8 (n, 28, 28): fmbench.standardised turns them into features"
    return message
