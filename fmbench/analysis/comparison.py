"""Compares runners in pairs, using their stored predictions; no model is run.

Seeds are never paired: seed 3 of one stochastic runner has nothing in common with seed 3 of
another. Only the images are paired, because all runners are scored on the same ones.

- *Difference*: mean accuracy over the seeds of one minus that of the other.
- *Interval*: percentile bootstrap over what could have been different: the images (the same draw
  for both runners) and the seeds (each runner's own). Of R seeds, R - 1 are drawn, because R of R
  would understate the spread of a mean of R by (R - 1) / R (Rao & Wu 1988).
- *p*: McNemar's exact test compares two fixed sets of predictions, so it is made for each seed of
  one with each seed of the other. For N such p values in ascending order, ``N / k`` times the k-th
  is a valid p value, however they depend on each other (Rüger 1978). Here k is just above the
  middle, so that the typical pair of seeds decides and not the luckiest. With one pair it is
  McNemar's own p.

McNemar's test treats the fitted models as given, and any two fits of one unstable recipe differ.
So one runner is called better only if the interval, which counts the seeds, says so too.

Accuracies are fractions in [0, 1].
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

from fmbench.analysis.statistics import CONFIDENCE, CONFIDENCE_TEXT, correct_p_values
from fmbench.analysis.verdicts import ALPHA
from fmbench.datasets.specs import DEFAULT_DATASET
from fmbench.records.protocols import FULL, Protocol
from fmbench.utils.table import COUNT, P_VALUE, PERCENT, POINTS, Column, Table

if TYPE_CHECKING:
    import numpy as np

N_RESAMPLES = 10_000
BATCH_SIZE = 250  # resamples that are in memory at the same time
N_CLASSES_SHOWN = 3

COMPARISON_COLUMNS = (
    Column("a"),
    Column("b"),
    Column("mean_a", PERCENT),
    Column("mean_b", PERCENT),
    Column("n_a", COUNT),
    Column("n_b", COUNT),
    Column("difference", POINTS),
    Column("low", POINTS),
    Column("high", POINTS),
    Column("p", P_VALUE),
    Column("p_holm", P_VALUE),
    Column("better"),
    Column("classes"),
)


@dataclass(frozen=True)
class Comparison:
    """Runner ``a`` against runner ``b``; ``n_*`` are seeds, differences are a minus b.

    ``low`` and ``high`` are the ends of the interval of the difference. ``p_holm`` is ``p``
    corrected for all pairs that were compared at once. ``recalls`` holds the difference in recall
    of each class.
    """

    a: str
    b: str
    mean_a: float
    mean_b: float
    n_a: int
    n_b: int
    low: float
    high: float
    p: float
    p_holm: float
    recalls: tuple[float, ...]

    @property
    def difference(self) -> float:
        """Mean accuracy of a minus that of b."""
        return self.mean_a - self.mean_b

    @property
    def better(self) -> str | None:
        """The runner that is better by both test and interval; None if they cannot tell."""
        if self.p_holm >= ALPHA or self.low <= 0 <= self.high:
            return None
        return self.a if self.low > 0 else self.b


def compare_runners(
    y_true: np.ndarray,
    predictions: Mapping[str, np.ndarray],
    pairs: Iterable[tuple[str, str]] | None = None,
) -> list[Comparison]:
    """Compare runners on the same images: every pair once, or only ``pairs``.

    ``y_true`` is ``(n,)``, ``predictions`` are ``(seeds, n)`` by runner.
    """
    import numpy as np

    pairs = list(combinations(predictions, 2) if pairs is None else pairs)
    right = {name: np.atleast_2d(y_pred) == y_true for name, y_pred in predictions.items()}
    means = {name: float(r.mean()) for name, r in right.items()}
    draws = resample_accuracies(right)
    recalls = {
        name: np.array([r[:, y_true == k].mean() for k in np.unique(y_true)])
        for name, r in right.items()
    }
    p_values = [combine_p_values(compute_mcnemar_p_values(right[a], right[b])) for a, b in pairs]
    tail = (1 - CONFIDENCE) / 2
    comparisons = []
    for (a, b), p, p_holm in zip(pairs, p_values, correct_p_values(p_values), strict=True):
        low, high = np.quantile(draws[a] - draws[b], [tail, 1 - tail])
        comparisons.append(
            Comparison(
                a, b, means[a], means[b], len(right[a]), len(right[b]), float(low), float(high),
                p, p_holm, tuple((recalls[a] - recalls[b]).tolist()),
            )
        )  # fmt: skip
    return comparisons


def compute_mcnemar_p_values(right_a: np.ndarray, right_b: np.ndarray) -> np.ndarray:
    """Compute McNemar's exact two-sided p for all pairs of seeds: ``(seeds_a, seeds_b)``.

    ``right_*`` are ``bool (seeds, n)``: whether each image is predicted correctly. Under the null
    hypothesis, each image that only one of the two gets right is equally likely to be right for
    either of them, so their number has a binomial distribution with probability 1/2.
    """
    import numpy as np
    from scipy.special import bdtr

    a, b = right_a.astype(np.int64), right_b.astype(np.int64)
    only_a, only_b = a @ (1 - b).T, (1 - a) @ b.T
    return np.minimum(1.0, 2 * bdtr(np.minimum(only_a, only_b), only_a + only_b, 0.5))


def combine_p_values(p_values: np.ndarray) -> float:
    """Combine p values that depend on each other in an unknown way; see the top of this file."""
    import numpy as np

    n = p_values.size
    k = n // 2 + 1
    return min(1.0, n / k * float(np.sort(p_values, axis=None)[k - 1]))


def resample_accuracies(right: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Compute accuracies ``(N_RESAMPLES,)`` of each runner on resampled images and seeds.

    ``right`` holds ``bool (seeds, n)`` by runner. All runners and all calls use the same random
    images; the random seeds depend only on the runner's name. So the result of a comparison does
    not depend on the other comparisons that are made at the same time.
    """
    import numpy as np

    all_right = np.concatenate(list(right.values())).astype(np.float32).T
    n = len(all_right)
    generator = np.random.default_rng(0)
    accuracies = np.empty((N_RESAMPLES, all_right.shape[1]))
    for start in range(0, N_RESAMPLES, BATCH_SIZE):
        drawn = generator.integers(n, size=(BATCH_SIZE, n))
        times = np.stack([np.bincount(images, minlength=n) for images in drawn])
        accuracies[start : start + BATCH_SIZE] = times.astype(np.float32) @ all_right / n
    draws, column = {}, 0
    for name, r in right.items():
        mine = accuracies[:, column : column + len(r)]
        column += len(r)
        if len(r) > 1:
            seeds = np.random.default_rng(list(name.encode()))
            mine = np.take_along_axis(
                mine, seeds.integers(len(r), size=(N_RESAMPLES, len(r) - 1)), axis=1
            )
        draws[name] = mine.mean(axis=1)
    return draws


def build_comparison_table(
    comparisons: Sequence[Comparison],
    protocol: Protocol,
    *,
    unknown_spread: Iterable[str] = (),
    classes: Sequence[str] = DEFAULT_DATASET.classes,
) -> Table:
    """Build a table of the comparisons.

    ``unknown_spread`` are stochastic runners with a single seed, ``classes`` the names of the
    classes of the data set.
    """
    scale = "" if protocol is FULL else f" ({protocol.title})"
    names = list(dict.fromkeys(name for c in comparisons for name in (c.a, c.b)))
    pairs = "1 pair" if len(comparisons) == 1 else f"{len(comparisons)} pairs"
    title = " against ".join(names) if len(comparisons) == 1 else f"{pairs} of runners"
    notes = [
        "Accuracies are percentages of the same images; differences (a minus b) are in points. n: "
        f"seeds. low, high: {CONFIDENCE_TEXT} bootstrap interval of the difference, over images "
        "and seeds.",
        "p: McNemar's exact test of every seed of a with every seed of b, combined into one p "
        f"value that is valid even if the tests depend on each other. p_holm: p corrected for "
        f"{pairs}. better: p_holm < {ALPHA:g} and an interval without 0.",
        f"classes: the {N_CLASSES_SHOWN} classes whose recall differs most, in points. They are a "
        "description, not a test.",
    ]
    if single := [name for name in unknown_spread if name in names]:
        notes.append(
            f"Only one seed of a stochastic runner ({', '.join(single)}): its spread over seeds is "
            "not known, and no interval here includes it."
        )
    rows = [_build_row(c, classes) for c in comparisons]
    return Table(f"{title}{scale}", COMPARISON_COLUMNS, rows, tuple(notes))


def _build_row(c: Comparison, classes: Sequence[str]) -> dict[str, Any]:
    most = sorted(range(len(c.recalls)), key=lambda k: (-abs(c.recalls[k]), k))[:N_CLASSES_SHOWN]
    return {
        "a": c.a, "b": c.b, "mean_a": c.mean_a, "mean_b": c.mean_b, "n_a": c.n_a, "n_b": c.n_b,
        "difference": c.difference, "low": c.low, "high": c.high, "p": c.p, "p_holm": c.p_holm,
        "better": c.better or "cannot tell",
        "classes": ", ".join(f"{classes[k]} {POINTS.to_text(c.recalls[k])}" for k in most),
    }  # fmt: skip
