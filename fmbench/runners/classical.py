"""Xiao 2017's classifiers on standardised pixels, which Kayed et al. quote.

For each classifier these are the hyperparameters that scored best on the test set in Xiao's table.
If the table states no value, the recipe uses scikit-learn's current default and says so. Where that
default has changed since and matters, the recipe uses the one of scikit-learn 0.19, which the
source's requirements name.
"""

from __future__ import annotations

from typing import Any

from fmbench.models.registry import from_source, our_choice, register

XIAO = "Xiao et al. 2017 (arXiv 1708.07747), the best of this classifier's configurations"
DEFAULT_THEN = (
    "scikit-learn 0.19's default; Xiao 2017 states no value, and the source's requirements ask for "
    "scikit-learn >= 0.19 (2017)"
)
DEFAULT = "Xiao 2017 states no value: scikit-learn's current default"


@register(
    "svc-rbf",
    title="Support vector classifier, RBF kernel",
    aliases=(
        "SVC",
        "SVM",
        "Support vector machine",
        "SVM (RBF)",
        "RBF SVM",
        "SVC (RBF)",
        "Kernel SVM",
    ),
    hyperparameters={
        "C": from_source(10.0, XIAO),
        "kernel": from_source("rbf", XIAO),
        "gamma": from_source(1 / 784, f"1/features: {DEFAULT_THEN}"),
    },
    revision=1,
    cost="minutes",
)
def svc_rbf(*, C: float, kernel: str, gamma: float) -> Any:
    """Rows 2 and 16 of the paper's Table 3, which print the same figure."""
    from fmbench.models.accelerators import load_estimator
    from fmbench.models.features import standardised

    return standardised(load_estimator("svm", "SVC")(C=C, kernel=kernel, gamma=gamma))


@register(
    "decision-tree",
    title="Decision tree",
    aliases=("DecisionTreeClassifier", "Decision tree", "DT", "CART"),
    hyperparameters={
        "criterion": from_source("entropy", XIAO),
        "max_depth": from_source(10, XIAO),
        "splitter": from_source("best", XIAO),
    },
    revision=1,
    cost="seconds",
    scores="predict_proba",
    notes=("Stochastic in scikit-learn: the seed chooses among equally good splits.",),
)
def decision_tree(*, criterion: str, max_depth: int, splitter: str, seed: int) -> Any:
    """A decision tree: row 8 in Table 3 of Kayed et al. 2020."""
    from sklearn.tree import DecisionTreeClassifier

    from fmbench.models.features import standardised

    return standardised(
        DecisionTreeClassifier(
            criterion=criterion, max_depth=max_depth, splitter=splitter, random_state=seed
        )
    )


@register(
    "extra-tree",
    title="One extremely randomised tree",
    aliases=("ExtraTreeClassifier", "Extra tree"),
    hyperparameters={
        "criterion": from_source("gini", XIAO),
        "max_depth": from_source(10, XIAO),
        "splitter": from_source("best", XIAO),
    },
    revision=1,
    cost="seconds",
    scores="predict_proba",
    notes=("This is a single tree, not the ensemble ExtraTreesClassifier.",),
)
def extra_tree(*, criterion: str, max_depth: int, splitter: str, seed: int) -> Any:
    """One extra tree: row 9 in Table 3 of Kayed et al. 2020."""
    from sklearn.tree import ExtraTreeClassifier

    from fmbench.models.features import standardised

    return standardised(
        ExtraTreeClassifier(
            criterion=criterion, max_depth=max_depth, splitter=splitter, random_state=seed
        )
    )


@register(
    "gaussian-nb",
    title="Gaussian naive Bayes",
    aliases=("GaussianNB", "Gaussian naive Bayes", "GNB", "Naive Bayes", "NB"),
    hyperparameters={"priors": from_source([0.1] * 10, XIAO)},
    revision=1,
    cost="seconds",
    notes=(
        "Xiao's figure is 0.511. Kayed et al. print 88.0, which in Xiao's table is the figure of "
        "GradientBoostingClassifier, one row below.",
    ),
)
def gaussian_nb(*, priors: list[float]) -> Any:
    """Naive Bayes: row 10 in Table 3 of Kayed et al. 2020."""
    from sklearn.naive_bayes import GaussianNB

    from fmbench.models.features import standardised

    return standardised(GaussianNB(priors=priors))


@register(
    "k-neighbors",
    title="k-nearest neighbours, k=5, Manhattan distance, weighted by distance",
    aliases=("KNeighborsClassifier", "k-NN", "k-nearest neighbours", "Nearest neighbours"),
    hyperparameters={
        "n_neighbors": from_source(5, XIAO),
        "weights": from_source("distance", XIAO),
        "p": from_source(1, XIAO),
    },
    revision=1,
    cost="minutes",
    notes=(
        "Neighbours are found by brute force, which affects the speed but not the predictions.",
    ),
)
def k_neighbors(*, n_neighbors: int, weights: str, p: int) -> Any:
    """Nearest neighbours: row 11 in Table 3 of Kayed et al. 2020."""
    from fmbench.models.accelerators import load_estimator
    from fmbench.models.features import standardised

    return standardised(
        load_estimator("neighbors", "KNeighborsClassifier")(
            n_neighbors=n_neighbors, weights=weights, p=p, algorithm="brute"
        )
    )


@register(
    "random-forest",
    title="Random forest",
    aliases=("RandomForestClassifier", "Random forest", "RF"),
    hyperparameters={
        "n_estimators": from_source(100, XIAO),
        "criterion": from_source("entropy", XIAO),
        "max_depth": from_source(100, XIAO),
    },
    revision=1,
    cost="minutes",
    scores="predict_proba",
)
def random_forest(*, n_estimators: int, criterion: str, max_depth: int, seed: int) -> Any:
    """A random forest: row 14 in Table 3 of Kayed et al. 2020."""
    from sklearn.ensemble import RandomForestClassifier

    from fmbench.models.features import standardised

    return standardised(
        RandomForestClassifier(
            n_estimators=n_estimators, criterion=criterion, max_depth=max_depth, random_state=seed
        )
    )


@register(
    "mlp",
    title="Multilayer perceptron, one hidden layer of 100",
    aliases=("MLPClassifier", "MLP", "Multilayer perceptron", "Neural network"),
    hyperparameters={
        "activation": from_source("relu", XIAO),
        "hidden_layer_sizes": from_source([100], XIAO),
        "max_iter": our_choice(200, DEFAULT),
    },
    revision=1,
    cost="minutes",
    quick={"max_iter": 20},
    scores="predict_proba",
    notes=(
        "Xiao's figure is 0.871, Kayed et al. print 78.33 for a multilayer perceptron.",
        "Everything not listed is scikit-learn's current default: Adam at 0.001, batches of 200, "
        "L2 penalty 0.0001.",
    ),
)
def mlp(*, activation: str, hidden_layer_sizes: list[int], max_iter: int, seed: int) -> Any:
    """A multilayer perceptron: row 19 in Table 3 of Kayed et al. 2020."""
    from sklearn.neural_network import MLPClassifier

    from fmbench.models.features import standardised

    return standardised(
        MLPClassifier(
            activation=activation,
            hidden_layer_sizes=tuple(hidden_layer_sizes),
            max_iter=max_iter,
            random_state=seed,
        )
    )
