"""Statistics of accuracies over seeds: the laws of new figures, their intervals, Holm's correction.

A paper's figure may be one run, the mean of several runs, the best of several runs, or the best of
a grid of configurations. :class:`SampleFigure` and :class:`GridFigure` are such figures, predicted
from measured runs whose accuracies are taken as normally distributed over seeds. No law depends on
the unknown mean and spread. All are computed by numerical integration, so they are the same on
every machine.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

CONFIDENCE = 0.95  # level of every interval that fmbench prints
CONFIDENCE_TEXT = f"{100 * CONFIDENCE:g} %"
_LOWER, _UPPER = (1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2

# Accuracies that differ by no more than this are equal: it removes the error of binary fractions.
# One image of 10,000 is 100,000 times as much.
TOLERANCE = 1e-9

N_ERROR_DRAWS = 1000  # for the standard error of what a grid adds, which they give within 5 %
N_DRAWS = 4000  # for the expectation of the best of a grid; a p of 0.05 has an error of 0.003


@dataclass(frozen=True)
class Quoting:
    """Which of the runs a figure is: one run, the mean of several, or the best of several."""

    n_runs: int = 1
    best_of: int = 1

    def __str__(self) -> str:
        if self.best_of > 1:
            return f"the best of {self.best_of} runs"
        return f"the mean of {self.n_runs} runs" if self.n_runs > 1 else "one run"


# ---------------------------------------------------------------- samples and intervals


def compute_mean_sd(values: Sequence[float]) -> tuple[float, float]:
    """Compute the mean and the standard deviation (n - 1; 0 for one value or equal values)."""
    n = len(values)
    mean = math.fsum(values) / n
    if max(values) - min(values) <= TOLERANCE:
        return mean, 0.0
    return mean, math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1))


def compute_interval(
    values: Sequence[float],
    *,
    n_runs: int = 1,
    best_of: int = 1,
    deterministic: bool = False,
    bounds: tuple[float, float] | None = None,
    spread_of: Sequence[float] | None = None,
) -> tuple[float, float] | None:
    """Compute the prediction interval for one new figure, at the level :data:`CONFIDENCE`.

    ``values`` are measured runs. The figure is one new run, the mean of ``n_runs`` new runs, or the
    best of ``best_of`` new runs (Spence & Stanley 2016). For a deterministic model both ends are
    the measured value. ``bounds``: the interval is cut at these two values. ``spread_of``: two or
    more runs of a similar model, whose spread is taken in place of that of ``values``; then one
    value is enough.

    Returns:
        The lower and the upper end. None if there is no value, or only one of a stochastic model.
    """
    if not values or (len(values) == 1 and not deterministic and spread_of is None):
        return None
    # All runs of a deterministic model are the same one.
    runs = tuple(values[:1] if deterministic else values)
    low, high = SampleFigure(runs, n_runs, best_of, tuple(spread_of or ())).interval
    return (low, high) if bounds is None else (max(bounds[0], low), min(bounds[1], high))


def lies_in(interval: tuple[float, float], low: float, high: float) -> bool:
    """Whether a printed figure, which stands for ``low`` to ``high``, touches an interval."""
    return low <= interval[1] + TOLERANCE and high >= interval[0] - TOLERANCE


def compute_prediction_interval(
    accuracies: Sequence[float], *, deterministic: bool
) -> tuple[float, float | None, float | None, float | None]:
    """Compute mean, standard deviation (n - 1), and both ends of the interval for one new run.

    The ends are those of :func:`compute_interval`, cut at 0 and 1. A deterministic model has the
    standard deviation 0. For one run of a stochastic model, spread and ends are not known
    (``None``).
    """
    mean, sd = compute_mean_sd(accuracies)
    interval = compute_interval(accuracies, deterministic=deterministic, bounds=(0.0, 1.0))
    if interval is None:
        return mean, None, None, None
    return mean, 0.0 if deterministic else sd, *interval


def correct_p_values(p_values: Sequence[float]) -> list[float]:
    """Correct p values for their number by Holm's method, in the order in which they are given.

    If the corrected values are tested at level alpha, the probability of any false rejection is at
    most alpha.
    """
    corrected, highest = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[i]))
        corrected[i] = highest
    return corrected


# ---------------------------------------------------------------- the law of a new figure


@cache
def get_law(n: int, n_runs: int = 1, best_of: int = 1, n_of_mean: int | None = None) -> FigureLaw:
    """Return the law for these numbers of runs; see :class:`FigureLaw`. Laws are kept.

    Raises:
        ValueError: fewer than 2 measured runs, a number below 1, or both numbers above 1.
    """
    if n < 2 or n_runs < 1 or best_of < 1 or (n_runs > 1 and best_of > 1):
        raise ValueError(f"there is no law for n={n}, n_runs={n_runs}, best_of={best_of}")
    return FigureLaw(n, n_runs, best_of, n_of_mean or n)


@dataclass(frozen=True)
class FigureLaw:
    """The law of a new figure, given mean m and standard deviation s of measured runs.

    ``n``: the number of runs that have the spread s. ``n_of_mean``: the number of runs that have
    the mean m, which are usually the same. The figure is the mean of ``n_runs`` new runs, or the
    best of ``best_of`` new runs. The law is that of ``t = (figure - m) / s``. For a mean that is
    Student's t distribution, scaled. For the best of several runs it is integrated over the laws of
    m and s, with an error below 1e-9. With ``best_of = 1``, ``t`` may be an array.
    """

    n: int
    n_runs: int
    best_of: int
    n_of_mean: int

    @cached_property
    def expected(self) -> float:
        """The figure's expectation less that of one run, in standard deviations of one run."""
        return compute_best_of(self.best_of)[0]

    def upper_p(self, t: Any) -> Any:
        """The probability of ``t`` or more."""
        from scipy.special import stdtr

        if self.best_of == 1:
            return stdtr(self.n - 1, -t / self._scale)
        return self._integrate_best(t, lambda np, log_below: -np.expm1(log_below))

    def lower_p(self, t: Any) -> Any:
        """The probability of ``t`` or less."""
        from scipy.special import stdtr

        if self.best_of == 1:
            return stdtr(self.n - 1, t / self._scale)
        return self._integrate_best(t, lambda np, log_below: np.exp(log_below))

    def quantile(self, p: float) -> float:
        """The ``t`` that is not exceeded with probability ``p``."""
        if p not in self._quantiles:
            self._quantiles[p] = self._compute_quantile(p)
        return self._quantiles[p]

    def expected_above_p(self, t: Any) -> Any:
        """The p of the test that the figure's expectation is above a limit, m - ``t`` s."""
        return self._p_of_expectation(t, self.expected)

    def expected_below_p(self, t: Any) -> Any:
        """The p of the test that the figure's expectation is below a limit, m + ``t`` s."""
        return self._p_of_expectation(t, -self.expected)

    def critical_distances(self, alpha: float) -> tuple[float, float]:
        """The ``t`` with which :meth:`expected_above_p` and :meth:`expected_below_p` are alpha."""
        if alpha not in self._distances:
            self._distances[alpha] = self._compute_distances(alpha)
        return self._distances[alpha]

    @cached_property
    def spreads(self) -> tuple[np.ndarray, np.ndarray]:
        """Nodes and weights for an average over the law of s / sigma: two ``float64 (n_nodes,)``.

        The nodes are denser near 0, where the tails of the laws of t come from.
        """
        import numpy as np
        from scipy.special import chdtri

        df = self.n - 1
        u, weights = _get_legendre_nodes(200)
        nodes = math.sqrt(chdtri(df, 1e-15) / df) * u**2
        log_density = (df - 1) * np.log(nodes) - df * nodes**2 / 2
        weights = weights * u * np.exp(log_density - log_density.max())
        return nodes, weights / weights.sum()

    @property
    def _scale(self) -> float:
        return math.sqrt(1 / self.n_runs + 1 / self.n_of_mean)

    @cached_property
    def _quantiles(self) -> dict[float, float]:
        return {}

    @cached_property
    def _distances(self) -> dict[float, tuple[float, float]]:
        return {}

    def _compute_quantile(self, p: float) -> float:
        from scipy.special import stdtrit

        if self.best_of == 1:
            return float(stdtrit(self.n - 1, p)) * self._scale
        return _solve(lambda t: self.lower_p(t) - p)

    def _compute_distances(self, alpha: float) -> tuple[float, float]:
        from scipy.special import stdtrit

        if self.best_of == 1:
            distance = float(stdtrit(self.n - 1, 1 - alpha)) / math.sqrt(self.n_of_mean)
            return distance, distance
        return (
            _solve(lambda t: self.expected_above_p(t) - alpha),
            _solve(lambda t: self.expected_below_p(t) - alpha),
        )

    def _p_of_expectation(self, t: Any, expected: float) -> Any:
        """The probability that the mean deviates by t s + ``expected`` sigma or more."""
        from scipy.special import ndtr, stdtr

        root = math.sqrt(self.n_of_mean)
        if self.best_of == 1:
            return stdtr(self.n - 1, -root * t)
        nodes, weights = self.spreads
        return float(ndtr(-root * (t * nodes + expected)) @ weights)

    def _integrate_best(self, t: float, function: Callable[..., np.ndarray]) -> float:
        """Average a function of the log-probability that all new runs are at most m + t s."""
        import numpy as np
        from scipy.special import log_ndtr

        nodes, weights = self.spreads
        means, mean_weights = _get_hermite_nodes(64)
        below = log_ndtr(means[:, None] / math.sqrt(self.n_of_mean) + t * nodes)
        return float(mean_weights @ function(np, self.best_of * below) @ weights)


@cache
def compute_best_of(n: int) -> tuple[float, float]:
    """Compute mean and standard deviation of the largest of ``n`` standard normal values."""
    import numpy as np
    from scipy.special import log_ndtr

    if n == 1:
        return 0.0, 1.0
    u, weights = _get_legendre_nodes(400)
    x = 20 * u - 10
    below = 20 * weights * np.exp(n * log_ndtr(x))
    distance = float(below.sum())  # how far the mean is below 10
    square = float(2 * (10 - x) @ below)
    return 10 - distance, math.sqrt(square - distance**2)


@cache
def _get_legendre_nodes(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights for an integral from 0 to 1: two ``float64 (n,)``."""
    import numpy as np

    x, weights = np.polynomial.legendre.leggauss(n)
    return (x + 1) / 2, weights / 2


@cache
def _get_hermite_nodes(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights for an average over a standard normal value: two ``float64 (n,)``."""
    import numpy as np

    x, weights = np.polynomial.hermite_e.hermegauss(n)
    return x, weights / weights.sum()


def _solve(excess: Callable[[float], float]) -> float:
    """Find where a monotonic function is zero."""
    from scipy.optimize import brentq

    reach = 4.0
    while excess(-reach) * excess(reach) > 0:
        reach *= 4
    return float(brentq(excess, -reach, reach, xtol=1e-10))


def compute_p_within(distance: Any, sd: Any, law: FigureLaw, margin: float) -> Any:
    """Compute the p of two one-sided tests that a figure's expectation is near a claim.

    ``distance``: claim minus mean of the measured runs, which have the standard deviation ``sd``
    above 0; both may be arrays if the law's ``best_of`` is 1. Near: at most ``margin`` from the
    claim.
    """
    import numpy as np

    above = law.expected_above_p((margin - distance) / sd)
    return np.maximum(above, law.expected_below_p((margin + distance) / sd))


def compute_p_beyond(distance: Any, sd: Any, law: FigureLaw, excess: float) -> Any:
    """Compute the one-sided p of the test that a figure is farther than ``excess`` from a claim.

    ``distance`` and ``sd`` are those of :func:`compute_p_within`. The p is the smaller one of both
    sides: they cannot both be below one half, so it need not be doubled.
    """
    import numpy as np

    return np.minimum(law.upper_p((distance - excess) / sd), law.lower_p((distance + excess) / sd))


# ---------------------------------------------------------------- figures that a paper could print


@dataclass(frozen=True)
class SampleFigure:
    """A new figure of one model: the mean of ``n_runs`` runs, or the best of ``best_of`` runs.

    ``values`` are the measured runs; one value is that of a deterministic model. ``spread_of``: two
    or more runs from which the spread is taken instead.
    """

    values: tuple[float, ...]
    n_runs: int = 1
    best_of: int = 1
    spread_of: tuple[float, ...] = ()

    @cached_property
    def mean(self) -> float:
        """The mean of the measured runs."""
        return compute_mean_sd(self.values)[0]

    @cached_property
    def sd(self) -> float:
        """The standard deviation (n - 1) of the measured runs."""
        return compute_mean_sd(self.spread_of or self.values)[1]

    @property
    def has_spread(self) -> bool:
        """Whether the measured runs differ."""
        return self.sd > 0

    @cached_property
    def law(self) -> FigureLaw:
        """The law of ``(figure - mean) / sd``."""
        n_of_spread = len(self.spread_of or self.values)
        return get_law(n_of_spread, self.n_runs, self.best_of, len(self.values))

    @cached_property
    def expected(self) -> float:
        """The expectation of the figure, if mean and spread are as measured."""
        return self.mean + self.law.expected * self.sd if self.has_spread else self.mean

    @cached_property
    def figure_sd(self) -> float:
        """The standard deviation of the figure, if the spread is as measured."""
        return self.sd * compute_best_of(self.best_of)[1] / math.sqrt(self.n_runs)

    @cached_property
    def interval(self) -> tuple[float, float]:
        """The prediction interval for the figure, at the level :data:`CONFIDENCE`."""
        if not self.has_spread:
            return self.mean, self.mean
        low, high = map(self.law.quantile, (_LOWER, _UPPER))
        return self.mean + low * self.sd, self.mean + high * self.sd

    def p_within(self, claimed: float, margin: float) -> float:
        """The p of the tests that the figure's expectation is within ``margin`` of a claim."""
        return float(compute_p_within(claimed - self.mean, self.sd, self.law, margin))

    def p_beyond(self, claimed: float, excess: float) -> float:
        """The p of the test that the figure is farther than ``excess`` from a claim."""
        return float(compute_p_beyond(claimed - self.mean, self.sd, self.law, excess))

    def smallest_margin(self, claimed: float, alpha: float) -> float:
        """The smallest margin with which :meth:`p_within` is ``alpha``."""
        above, below = self.law.critical_distances(alpha)
        distance = claimed - self.mean
        return max(0.0, above * self.sd + distance, below * self.sd - distance)

    @property
    def n_seeds(self) -> int:
        """The number of measured runs."""
        return len(self.values)

    def power(
        self, n: int, claimed: float, half_unit: float, margin: float, alpha: float, level: float
    ) -> float:
        """The probability that ``n`` runs decide, if mean and spread are as measured.

        They decide if :meth:`p_within` is below ``alpha``, or if :meth:`p_beyond` (with an excess
        of ``margin`` and ``half_unit``) is below ``level`` and the claim, give or take
        ``half_unit``, is outside of the prediction interval.
        """
        import numpy as np
        from scipy.special import ndtr

        law = get_law(n, self.n_runs, self.best_of)
        nodes, weights = law.spreads
        sd = self.sd * nodes

        def p_mean_below(accuracy: np.ndarray) -> np.ndarray:
            return ndtr((accuracy - self.mean) * math.sqrt(n) / self.sd)

        above, below = law.critical_distances(alpha)
        within = p_mean_below(claimed + margin - below * sd) - p_mean_below(
            claimed - margin + above * sd
        )
        # How far the mean must be from the claim's ends, so that the claim is too high or too low.
        too_high = np.maximum(margin + law.quantile(1 - level) * sd, law.quantile(_UPPER) * sd)
        too_low = np.maximum(margin - law.quantile(level) * sd, -law.quantile(_LOWER) * sd)
        beyond = (
            p_mean_below(claimed - half_unit - too_high)
            + 1
            - p_mean_below(claimed + half_unit + too_low)
        )
        return float((within.clip(min=0) + beyond) @ weights)


@dataclass(frozen=True)
class GridFigure:
    """The best figure of a grid of configurations: each figure is the mean of ``n_runs`` new runs.

    The configurations are independent: configurations that happen to give the same predictions here
    would still be fitted anew by whoever searches the grid.
    """

    members: tuple[SampleFigure, ...]

    @property
    def has_spread(self) -> bool:
        """Whether the runs of any configuration differ."""
        return any(member.has_spread for member in self.members)

    @cached_property
    def expected(self) -> float:
        """The expectation of the figure, if means and spreads are as measured."""
        return self._moments[0]

    @cached_property
    def figure_sd(self) -> float:
        """The standard deviation of the figure, if means and spreads are as measured."""
        return self._moments[1]

    @cached_property
    def interval(self) -> tuple[float, float]:
        """The prediction interval for the figure, at the level :data:`CONFIDENCE`."""
        if not self.has_spread:
            return self.expected, self.expected
        return self._quantile(_LOWER), self._quantile(_UPPER)

    def p_within(self, claimed: float, margin: float) -> float:
        """The p of the tests that the figure's expectation is within ``margin`` of a claim."""
        distances = self.expected_draws - claimed
        return float(max((distances <= -margin).mean(), (distances >= margin).mean()))

    def p_beyond(self, claimed: float, excess: float) -> float:
        """The p of the test that the figure is farther than ``excess`` from a claim."""
        return min(
            self._p_new(claimed - excess, above=True), self._p_new(claimed + excess, above=False)
        )

    def smallest_margin(self, claimed: float, alpha: float) -> float:
        """The smallest margin with which :meth:`p_within` is ``alpha``."""
        import numpy as np

        low, high = np.quantile(self.expected_draws, [alpha, 1 - alpha])
        return max(0.0, claimed - float(low), float(high) - claimed)

    def compute_gain_error(self, honest: SampleFigure) -> float:
        """Compute the standard error of :attr:`expected` minus the mean of one configuration.

        ``honest`` may be one of the members: then its noise is in both. It is simulated,
        as if means and spreads were as measured.
        """
        import numpy as np

        models = [*self.members]
        own = next((i for i, m in enumerate(models) if m.values == honest.values), len(models))
        if own == len(models):
            models.append(honest)
        means = np.array([[m.mean] for m in models])
        errors = np.array([[m.sd / math.sqrt(len(m.values))] for m in models])
        noise = np.random.default_rng(0).standard_normal((len(models), N_ERROR_DRAWS))
        drawn = means + errors * noise
        n = len(self.members)
        sds = np.array([[m.figure_sd] for m in self.members]).repeat(N_ERROR_DRAWS, axis=1)
        return float((compute_moments_of_best(drawn[:n], sds, 64)[0] - drawn[own]).std())

    @property
    def n_seeds(self) -> int:
        """The largest number of measured runs of a configuration."""
        return max(len(member.values) for member in self.members)

    def power(
        self, n: int, claimed: float, half_unit: float, margin: float, alpha: float, level: float
    ) -> float:
        """The probability that ``n`` runs of each configuration decide, approximately.

        It means the same as :meth:`SampleFigure.power`. All laws are taken as normal, and the error
        of the expectation shrinks with the square root of the number of runs.
        """
        from scipy.special import ndtr, ndtri

        error = float(self.expected_draws.std()) * math.sqrt(self.n_seeds / n)
        distance, z = claimed - self.expected, ndtri(1 - alpha)
        within = ndtr((margin - distance) / error - z) + ndtr((margin + distance) / error - z) - 1
        spread = math.hypot(error, self.figure_sd)
        limit = half_unit + max(margin + ndtri(1 - level) * spread, ndtri(_UPPER) * spread)
        beyond = ndtr((abs(distance) - limit) / error)
        return float(max(0.0, within) + beyond)

    @cached_property
    def expected_draws(self) -> np.ndarray:
        """Draws of the figure's expectation, given the measured runs: ``float64 (N_DRAWS,)``."""
        means, sds = self._draws
        return compute_moments_of_best(means, sds, 64)[0]

    @cached_property
    def _draws(self) -> tuple[np.ndarray, np.ndarray]:
        """Draws of each configuration's mean and spread: two ``float64 (n_members, N_DRAWS)``.

        They are taken from the laws of mean and spread given the runs (fiducial inference: with one
        configuration the p values are those of the t tests). The noise of the means makes the best
        of several look better than it is, so all draws are shifted until the best is, on average,
        what the measured means say.
        """
        import numpy as np

        generator = np.random.default_rng(0)
        means, sds = [], []
        for member in self.members:
            df = max(1, len(member.spread_of or member.values) - 1)
            sd = member.sd * np.sqrt(df / generator.chisquare(df, N_DRAWS))
            noise = generator.standard_normal(N_DRAWS) / math.sqrt(len(member.values))
            means.append(member.mean + sd * noise)
            sds.append(sd / math.sqrt(member.n_runs))
        too_good = compute_moments_of_best(np.array(means), np.array(sds), 64)[0] - self.expected
        return np.array(means) - too_good.mean(), np.array(sds)

    def _p_new(self, accuracy: float, *, above: bool) -> float:
        import numpy as np
        from scipy.special import log_ndtr

        means, sds = self._draws
        equal = np.where(means <= accuracy + TOLERANCE, 0.0, -np.inf)  # of members without spread
        z = (accuracy - means) / np.where(sds > 0, sds, 1)
        log_below = np.where(sds > 0, log_ndtr(z), equal).sum(axis=0)
        return float(-np.expm1(log_below).mean() if above else np.exp(log_below).mean())

    @cached_property
    def _moments(self) -> tuple[float, float]:
        import numpy as np

        means = np.array([[member.mean] for member in self.members])
        sds = np.array([[member.figure_sd] for member in self.members])
        mean, sd = compute_moments_of_best(means, sds, 400)
        return float(mean[0]), float(sd[0])

    def _quantile(self, p: float) -> float:
        scale = max(member.sd for member in self.members)
        return self.expected + scale * _solve(
            lambda t: self._p_new(self.expected + scale * t, above=False) - p
        )


def compute_moments_of_best(
    means: np.ndarray, sds: np.ndarray, n_nodes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Compute mean and standard deviation of the largest of independent normal values.

    ``means`` and ``sds``: ``float64 (n_values, n_cases)``; a standard deviation may be 0. Both
    results: ``float64 (n_cases,)``. The distribution function is integrated with ``n_nodes`` nodes.
    """
    import numpy as np
    from scipy.special import ndtr

    u, weights = _get_legendre_nodes(n_nodes)
    # The largest value is practically never outside these limits.
    low, high = (means - 8 * sds).max(axis=0), (means + 8 * sds).max(axis=0)
    width = high - low
    x = low[:, None] + width[:, None] * u
    below = np.ones_like(x)
    for mean, sd in zip(means, sds, strict=True):
        z = (x - mean[:, None]) / np.where(sd > 0, sd, 1)[:, None]
        below *= np.where(sd[:, None] > 0, ndtr(z), 1)
    weighted = below * weights
    distance = width * weighted.sum(axis=1)  # how far the mean is below the upper limit
    square = 2 * width * ((high[:, None] - x) * weighted).sum(axis=1)
    return high - distance, np.sqrt(np.maximum(0, square - distance**2))
