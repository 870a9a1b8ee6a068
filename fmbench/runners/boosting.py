"""Xiao's gradient boosting, whose accuracy Kayed et al. print in the row of GaussianNB."""

from __future__ import annotations

from typing import Any

from fmbench.models.registry import from_source, our_choice, register
from fmbench.runners.classical import DEFAULT, XIAO


@register(
    "gradient-boosting",
    title="Gradient-boosted trees",
    aliases=(
        "GradientBoostingClassifier",
        "Gradient boosting",
        "Gradient-boosted trees",
        "GBM",
        "GBDT",
    ),
    hyperparameters={
        "n_estimators": from_source(100, XIAO),
        "loss": from_source("log_loss", f"{XIAO}: deviance, as scikit-learn called it then"),
        "max_depth": from_source(10, XIAO),
        "learning_rate": our_choice(0.1, DEFAULT),
    },
    revision=1,
    cost="hours",
    quick={"n_estimators": 2, "max_depth": 5},
    scores="predict_proba",
    by_name_only=True,
    notes=(
        "It grows 1,000 trees of depth 10, which takes hours on one core, so it runs only if you "
        "name it.",
        "Stochastic in scikit-learn: the seed chooses among equally good splits.",
        "HistGradientBoostingClassifier is a different algorithm and cannot replace it.",
    ),
)
def gradient_boosting(
    *, n_estimators: int, loss: str, max_depth: int, learning_rate: float, seed: int
) -> Any:
    """A possible source of the figure in row 10 of the paper's Table 3."""
    from sklearn.ensemble import GradientBoostingClassifier

    from fmbench.models.features import standardised

    return standardised(
        GradientBoostingClassifier(
            n_estimators=n_estimators,
            loss=loss,
            max_depth=max_depth,
            learning_rate=learning_rate,
            random_state=seed,
        )
    )
