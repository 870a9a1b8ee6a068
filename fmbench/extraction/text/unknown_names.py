"""Recognises words that are parts of names of models that nobody knows."""

from __future__ import annotations

# Capital letters before the kind of a model belong to its name: an XYZ MLP is no plain MLP.
UNKNOWN_CAPITALS = (
    r"(?-i:(?!(?:THE|AND|FOR|WITH|USING|OUR|NOT|THAN|OVER|FROM|[EK]?F?-?MNIST|[CGT]PU|CUDA|JAX|SOTA"
    r"|BEST|TEST|TRAIN|FINAL|RESULTS?|ACC|ACCURACY|MODEL|SIMPLE|BASIC|DEEP|KERAS|VANILLA)\b)"
    r"[A-Z]{3,8} )"
)
