"""Xiao 2017's linear classifiers on standardised pixels; ``classical`` explains the values.

All of them can fit their ten classes side by side, with the same result as one after the other.
With numba the classes share the images; without it each process of liblinear makes copies of them,
0.7 GiB for 60,000 of them: one for the linear SVC, two for logistic regression.
"""

from __future__ import annotations

from typing import Any

from fmbench.models import accelerators
from fmbench.models.registry import from_source, our_choice, register
from fmbench.runners.classical import DEFAULT, DEFAULT_THEN, XIAO

# GiB that a fit takes where numba has compiled the solver, beside what every cell takes. All
# classes share nearly all of it, so for several of them it is too much.
COMPILED_GIB = 0.4

FIVE_EPOCHS = {
    "max_iter": from_source(5, f"5 epochs: {DEFAULT_THEN}"),
    "tol": from_source(None, f"no tolerance, so it never stops earlier: {DEFAULT_THEN}"),
}


@register(
    "linear-svc",
    title="Linear support vector classifier",
    aliases=(
        "LinearSVC",
        "Linear SVM",
        "SVM",
        "Support vector machine",
        "SVM (linear)",
        "Linear support vector classifier",
    ),
    hyperparameters={
        "loss": from_source("hinge", XIAO),
        "penalty": from_source("l2", XIAO),
        "C": from_source(1.0, XIAO),
        "multi_class": from_source("ovr", XIAO),
        "max_iter": our_choice(1000, DEFAULT),
    },
    revision=2,
    cost="minutes",
    quick={"max_iter": 100},
    scores="decision_function",
    notes=(
        "The ten classes are fitted one against the rest, each from the seed, so that they can be "
        "fitted side by side. scikit-learn's LinearSVC fits the same ten problems, but there the "
        "random numbers of a class go on where those of the class before ended.",
    ),
    max_workers=10 if accelerators.has_numba() else 4,
    worker_gib=COMPILED_GIB if accelerators.has_numba() else 0.75,
    compiles_loops=True,
)
def linear_svc(
    *, loss: str, penalty: str, C: float, multi_class: str, max_iter: int, seed: int
) -> Any:
    """A linear SVM: row 12 in Table 3 of Kayed et al. 2020."""
    from sklearn.svm import LinearSVC

    from fmbench.models.features import standardised
    from fmbench.models.one_vs_rest import OneVsRest

    svc = LinearSVC(
        loss=loss,
        penalty=penalty,
        C=C,
        multi_class=multi_class,
        max_iter=max_iter,
        random_state=seed,
    )
    # crammer_singer is one problem of all classes.
    return standardised(OneVsRest(svc, dtype=float) if multi_class == "ovr" else svc)


@register(
    "logistic-regression",
    title="Logistic regression, L1 penalty, one against the rest",
    aliases=("LogisticRegression", "Logistic regression", "LR", "LogReg"),
    hyperparameters={
        "penalty": from_source("l1", XIAO),
        "C": from_source(1.0, XIAO),
        "solver": from_source("liblinear", DEFAULT_THEN),
        "max_iter": our_choice(100, DEFAULT),
    },
    revision=1,
    cost="hours",
    quick={"max_iter": 20},
    scores="predict_proba",
    notes=(
        "One seed is enough: the problem is convex, and liblinear visits the coordinates in one "
        "fixed random order. Two different orders, fitted on 6,000 images, gave different "
        "predictions for 7 of 10,000 test images.",
    ),
    max_workers=10,
    worker_gib=COMPILED_GIB if accelerators.has_numba() else 1.5,
    compiles_loops=True,
)
def logistic_regression(*, penalty: str, C: float, solver: str, max_iter: int) -> Any:
    """Logistic regression, one class against the rest: row 13 in Table 3 of Kayed et al. 2020."""
    from sklearn.linear_model import LogisticRegression

    from fmbench.models.features import standardised
    from fmbench.models.one_vs_rest import OneVsRest

    binary = LogisticRegression(
        l1_ratio={"l1": 1.0, "l2": 0.0}[penalty],
        C=C,
        solver=solver,
        max_iter=max_iter,
        random_state=0,
    )
    return standardised(OneVsRest(binary))


@register(
    "sgd",
    title="Linear classifier by stochastic gradient descent",
    aliases=("SGDClassifier", "SGD", "Stochastic gradient descent"),
    hyperparameters={
        "loss": from_source("hinge", XIAO),
        "penalty": from_source("l2", XIAO),
        **FIVE_EPOCHS,
    },
    revision=2,
    cost="seconds",
    scores="decision_function",
    max_workers=10,
)
def sgd(*, loss: str, penalty: str, max_iter: int, tol: float | None, seed: int) -> Any:
    """A linear model trained by SGD: row 15 in Table 3 of Kayed et al. 2020."""
    from sklearn.linear_model import SGDClassifier

    from fmbench.models.features import standardised
    from fmbench.models.workers import count_workers

    return standardised(
        SGDClassifier(
            loss=loss,
            penalty=penalty,
            max_iter=max_iter,
            tol=tol,
            random_state=seed,
            n_jobs=count_workers(),
        )
    )


@register(
    "perceptron",
    title="Perceptron, L1 penalty",
    aliases=("Perceptron",),
    hyperparameters={
        "penalty": from_source("l1", XIAO),
        **FIVE_EPOCHS,
    },
    revision=2,
    cost="seconds",
    scores="decision_function",
    notes=(
        "It is a possible source of what Kayed et al. 2020 print for a multilayer perceptron, "
        "78.33: its figure in Xiao's table is 0.782.",
    ),
    max_workers=10,
)
def perceptron(*, penalty: str, max_iter: int, tol: float | None, seed: int) -> Any:
    """A possible source of the figure in row 19 of the paper's Table 3."""
    from sklearn.linear_model import Perceptron

    from fmbench.models.features import standardised
    from fmbench.models.workers import count_workers

    return standardised(
        Perceptron(
            penalty=penalty,
            max_iter=max_iter,
            tol=tol,
            random_state=seed,
            n_jobs=count_workers(),
        )
    )
