"""The rules that every runner must keep. For each rule, one function checks it.

``fmbench check-runner`` runs these checks on one runner and prints what is wrong; the tests run
them on every runner of the package. The docstring of a check is the rule that users read. A check
raises :class:`RuleBroken`, :class:`Remark` if the user should know something that breaks no rule,
or :class:`NotApplicable` if the runner has nothing to check.

The tests use the first images of the *training* set. ``fmbench check-runner`` uses images whose
classes have new numbers, because a model can read the labels on disk (:func:`make_hidden_sample`).

:func:`validate_predictions` is the rule that every measurement applies as well.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from fmbench.datasets.loading import load_test_images, load_test_labels, load_train
from fmbench.datasets.specs import LocatedDataset
from fmbench.errors import describe_exception
from fmbench.models.registry import Runner

N_TRAIN = 1000  # images that a runner is fitted on
N_NEW = 500  # images that it predicts
N_FEW = 200  # images for a fit whose predictions do not matter
# The lowest accuracy that is accepted, as a share of the way from chance to 100 %: for ten classes
# this is an accuracy of 30 %.
MIN_SKILL = 2 / 9
# From this accuracy on, a score after 1,000 training images is too good to be true: a support
# vector machine gets about 80 % then, and few models get 95 % after all 60,000.
TOO_GOOD = 0.95
# From this share of hits on, predictions follow the labels on disk. Errors alone hit fewer.
FOLLOWS_DISK = 0.5
ORIGINS = ("stated", "source", "our choice")


class RuleBroken(Exception):
    """The runner breaks a rule; the message names the error and a remedy."""


class Remark(Exception):
    """The runner breaks no rule, but the message says something that the user should know."""


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
        kind = {"U": "texts", "S": "texts", "O": "Python objects", "b": "True and False"}
        found = kind.get(y_pred.dtype.kind, f"values of the type {y_pred.dtype}")
        raise InvalidPredictions(f"predict returned {found}, expected whole numbers 0 to {last}")
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
    y_new: np.ndarray | None  # None where the runner's process must not have them
    n_classes: int


def load_sample(source: LocatedDataset) -> SampleData:
    """Read the first images of a training set, and the ones after them as new images."""
    X, y = load_train(source)
    end = N_TRAIN + N_NEW
    return SampleData(
        X[:N_TRAIN], y[:N_TRAIN], X[N_TRAIN:end], y[N_TRAIN:end], source.spec.n_classes
    )


@dataclass(frozen=True)
class HiddenLabels:
    """Test images for one check, and their true classes; a runner's process gets only the images.

    ``images`` are ``uint8 (n, 28, 28)`` in a random order. ``labels`` have the classes' new
    numbers, ``on_disk`` those on disk, both in the images' order. ``file_order`` are the labels in
    the order of their file. All three are ``uint8 (n,)``.
    """

    images: np.ndarray
    labels: np.ndarray
    on_disk: np.ndarray
    file_order: np.ndarray


def make_hidden_sample(
    source: LocatedDataset, random: np.random.Generator
) -> tuple[SampleData, HiddenLabels]:
    """Make a sample whose labels are on no disk: every class gets another number.

    The images to fit and the new images are drawn from the training set, in a random order. The
    sample has no labels of its new images.
    """
    X, y = load_train(source)
    X_test, y_test = load_test_images(source), load_test_labels(source)
    numbers = _draw_derangement(source.spec.n_classes, random)
    drawn = random.permutation(len(X))[: N_TRAIN + N_NEW]
    fitted, new = drawn[:N_TRAIN], drawn[N_TRAIN:]
    order = random.permutation(len(X_test))
    sample = SampleData(X[fitted], numbers[y[fitted]], X[new], None, source.spec.n_classes)
    return sample, HiddenLabels(X_test[order], numbers[y_test[order]], y_test[order], y_test)


def _draw_derangement(n: int, random: np.random.Generator) -> np.ndarray:
    """Return a random order ``uint8 (n,)`` of 0 to n - 1 in which no number keeps its place."""
    order = np.arange(n, dtype=np.uint8)
    while (order == np.arange(n)).any():
        order = random.permutation(order)
    return order


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
    first, second = tested.build(), tested.build()
    if first is second:
        raise RuleBroken("two calls gave the same classifier: create it inside the function")
    last = first.steps[-1][1] if _is_pipeline(first) else first
    fitted = [n for n in vars(last) if n.endswith("_") and not n.startswith("_")]
    if fitted:
        raise RuleBroken(
            f"the new classifier is already fitted (it has {', '.join(fitted)}): fit it only in "
            "`fit`"
        )
    if hasattr(first, "get_params"):
        from sklearn.base import clone

        clone(first)


def _is_pipeline(classifier: Any) -> bool:
    # scikit-learn loads slowly. What makes a pipeline has loaded it already.
    module = sys.modules.get("sklearn.pipeline")
    return module is not None and isinstance(classifier, module.Pipeline)


def check_predictions(tested: RunnerUnderTest) -> None:
    """It takes images uint8 (n, 28, 28) and predicts one class, a whole number, for each."""
    fitted, data = tested.fitted, tested.data
    if fitted is None or not hasattr(fitted, "predict"):
        raise RuleBroken("fit does not return the classifier: end it with `return self`")
    try:
        validate_predictions(tested.y_pred, len(data.X_new), data.n_classes)
    except InvalidPredictions as error:
        raise RuleBroken(str(error)) from None
    if _has_diverged(fitted, data.X_new[:10]):
        raise RuleBroken(
            "its training diverged: the scores of the network are not numbers, so it predicts the "
            "same class for every image: lower the learning rate"
        )


def _has_diverged(fitted: Any, X: np.ndarray) -> bool:
    """Whether the scores of a network are not numbers. Any other classifier has none to look at."""
    if not (hasattr(fitted, "network_") and hasattr(fitted, "decision_function")):
        return False
    return not np.isfinite(fitted.decision_function(X)).all()


def check_learning(tested: RunnerUnderTest) -> None:
    """It learns from the labels that `fit` gets, and from no others."""
    data = tested.data
    if data.y_new is None:
        raise NotApplicable("the labels of the new images are not here")
    require_predictions(tested)
    judge_accuracy(tested.y_pred, data.y_new, data.n_classes)


def require_predictions(tested: RunnerUnderTest) -> None:
    """Raise NotApplicable if :func:`check_predictions` finds a fault, which it reports."""
    try:
        check_predictions(tested)
    except RuleBroken:
        raise NotApplicable("it makes no valid predictions") from None


def judge_accuracy(y_pred: np.ndarray, y_true: np.ndarray, n_classes: int) -> None:
    """Judge predictions ``(n,)`` of a runner that was fitted on :data:`N_TRAIN` images.

    Raises:
        RuleBroken: their accuracy is too good to be true.
        Remark: it is hardly better than guessing.
    """
    accuracy, chance = float((y_pred == y_true).mean()), 1 / n_classes
    result = (
        f"after {N_TRAIN:,} training images it gets {100 * accuracy:.1f} % of {len(y_true):,} new "
        "images right"
    )
    if accuracy >= TOO_GOOD:
        raise RuleBroken(
            f"{result}, which is too good to be true (a support vector machine gets about 80 %): "
            "see whether it reads labels from disk, or was trained on these images before"
        )
    if accuracy <= chance + MIN_SKILL * (1 - chance):
        only = (
            f", and all its predictions are {y_pred[0]}" if len(set(y_pred.tolist())) == 1 else ""
        )
        raise Remark(
            f"{result}, little better than guessing ({100 * chance:.0f} %){only}: a network may "
            "need more images or epochs, which a quick run gives it"
        )


def judge_hidden_predictions(y_pred: np.ndarray, hidden: HiddenLabels, n_classes: int) -> None:
    """Check predictions ``(n,)`` of a model that was fitted with new numbers for the classes.

    They are for the test images of :func:`make_hidden_sample`.

    Raises:
        RuleBroken: they follow the labels on disk, or their accuracy is too good to be true.
        Remark: their accuracy is hardly better than guessing.
    """
    accuracy = float((y_pred == hidden.labels).mean())
    for labels, order in ((hidden.on_disk, "images'"), (hidden.file_order, "file's")):
        hits = float((y_pred == labels).mean())
        if hits >= FOLLOWS_DISK and hits > accuracy:
            raise RuleBroken(
                f"for {100 * hits:.1f} % of the {len(labels):,} test images it predicts the label "
                f"on disk, in the {order} order, although `fit` got other numbers for the classes: "
                "it must learn from the labels that `fit` gets alone"
            )
    judge_accuracy(y_pred, hidden.labels, n_classes)


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
        raise Remark(
            f"another seed gives the same {n_new} predictions: if it never matters, remove the "
            "parameter (for an estimator, use -p random_state=0), so that it runs only once"
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


Check = Callable[[RunnerUnderTest], None]

CONTRACT_CHECKS: tuple[Check, ...] = (
    check_hyperparameter_origins,
    check_fresh_classifiers,
    check_predictions,
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
    remark: str = ""  # what the user should know although the rule is kept


def get_rule(check: Check) -> str:
    """Return the rule that a check checks, as users read it."""
    return " ".join((check.__doc__ or "").split())


def check_contract(tested: RunnerUnderTest) -> Iterator[CheckResult]:
    """Run every check, one after the other; an exception of the runner does not stop them."""
    for check in CONTRACT_CHECKS:
        yield run_check(check, tested, get_rule(check))


def run_check(check: Check, tested: RunnerUnderTest, rule: str) -> CheckResult:
    """Run a check; an exception of the runner is a problem of the runner."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # many models warn that so few images are too few
            check(tested)
    except RuleBroken as broken:
        return CheckResult(rule, problem=str(broken))
    except Remark as remark:
        return CheckResult(rule, remark=str(remark))
    except NotApplicable as reason:
        return CheckResult(rule, not_checked=str(reason))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001
        return CheckResult(rule, problem=f"it raises {_describe(tested.runner, error)}")
    return CheckResult(rule)


def _describe(runner: Runner, error: BaseException) -> str:
    code = getattr(runner.factory, "code", None)
    message = describe_exception(error, code.location if code else "")
    if "dim 3" in message or "reshape" in message:
        message += "; images are uint8 (n, 28, 28): fmbench.standardised turns them into features"
    return message
