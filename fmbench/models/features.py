"""Turns images into features for the models that are not neural, as scikit-learn transformers."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


class Flatten(TransformerMixin, BaseEstimator):
    """``uint8 (n, 28, 28)`` to ``float32 (n, 784)``."""

    def fit(self, X: np.ndarray, y: np.ndarray | None = None) -> Flatten:
        """Return self: there is nothing to learn."""
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Return one row of pixels, 0 to 255, for each image."""
        return X.reshape(len(X), -1).astype(np.float32)


class Hog(TransformerMixin, BaseEstimator):
    """Histograms of oriented gradients (Dalal & Triggs 2005), computed by scikit-image.

    ``uint8 (n, 28, 28)`` to ``float32 (n, d)``, where ``d`` follows from the cells and blocks.
    """

    def __init__(self, orientations: int, pixels_per_cell: int, cells_per_block: int) -> None:
        self.orientations = orientations
        self.pixels_per_cell = pixels_per_cell
        self.cells_per_block = cells_per_block

    def fit(self, X: np.ndarray, y: np.ndarray | None = None) -> Hog:
        """Return self: there is nothing to learn."""
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Return one descriptor for each image."""
        from skimage.feature import hog

        return np.stack(
            [
                hog(
                    image,
                    orientations=self.orientations,
                    pixels_per_cell=(self.pixels_per_cell, self.pixels_per_cell),
                    cells_per_block=(self.cells_per_block, self.cells_per_block),
                ).astype(np.float32)
                for image in X
            ]
        )


def standardised(classifier: object) -> object:
    """Return a pipeline that preprocesses images as Xiao 2017 did and then runs ``classifier``.

    Each image becomes 784 features; each feature is shifted and scaled to mean 0 and variance 1
    over the training images.
    """
    return make_pipeline(Flatten(), StandardScaler(), classifier)
