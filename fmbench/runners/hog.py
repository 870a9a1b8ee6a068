"""Histograms of oriented gradients and a support vector classifier."""

from __future__ import annotations

from typing import Any

from fmbench.models.registry import our_choice, register

DALAL = "the source's value was not found: as in Dalal & Triggs 2005, and scikit-image's default"


@register(
    "hog-svm",
    title="HOG features and a multi-class SVC",
    aliases=("HOG+SVM", "HOG features and a support vector classifier"),
    hyperparameters={
        "orientations": our_choice(9, DALAL),
        "pixels_per_cell": our_choice(4, "not found: divides the image evenly, into 7 x 7 cells"),
        "cells_per_block": our_choice(2, "not found: as in Dalal & Triggs 2005"),
        "C": our_choice(10.0, "not found: Xiao 2017's best for the RBF kernel"),
        "kernel": our_choice("rbf", "not found: the better kernel of Xiao 2017"),
        "gamma": our_choice("scale", "not found: scikit-learn's default"),
    },
    revision=1,
    cost="minutes",
    notes=("Source: Greeshma & Sreekumar 2019; the parameters of its features were not found.",),
)
def hog_svm(
    *,
    orientations: int,
    pixels_per_cell: int,
    cells_per_block: int,
    C: float,
    kernel: str,
    gamma: str,
) -> Any:
    """The paper names this model in its text; it is not in Table 3."""
    from sklearn.pipeline import make_pipeline

    from fmbench.models.accelerators import load_estimator
    from fmbench.models.features import Hog

    return make_pipeline(
        Hog(orientations, pixels_per_cell, cells_per_block),
        load_estimator("svm", "SVC")(C=C, kernel=kernel, gamma=gamma),
    )
