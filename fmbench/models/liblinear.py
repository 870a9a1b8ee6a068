"""liblinear's solvers for one class against the rest, compiled by numba, for dense images.

liblinear (Fan et al. 2008) stores each image as a list of positions and values, 16 bytes for each
pixel, and each fit has a list of its own. Standardised images have hardly a 0, so here they are
arrays of float32, which all fits share, and the processor computes several pixels at a time. Steps,
random numbers and stopping rules are those of scikit-learn's liblinear: the results differ by
rounding alone, because sums are taken in another order.

The functions release Python's lock, so that several classes can be fitted in threads. numba
compiles them when they are first called in a process, or before (``OneVsRest.compile_loops``).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

# Sums may be taken in any order, and a product may be added without rounding it first.
SUMS = {"reassoc", "contract"}
TINY_STEP = 1e-12  # liblinear makes no step that is smaller
SMALL_CURVATURE = 1e-12  # liblinear adds it to each second derivative
LARGEST_STEP = 10.0
SUFFICIENT_DECREASE = 0.01
MOST_HALVINGS = 20
MOST_INNER_PASSES = 1000
N_WORDS, SHIFT_WORDS = 624, 397  # of the Mersenne Twister's state


class Solution(NamedTuple):
    """The plane of one class: ``weights`` are float64 ``(d,)``; ``n_passes`` over the data."""

    weights: np.ndarray
    intercept: float
    n_passes: int


def fit_hinge(
    X: np.ndarray, is_class: np.ndarray, C: float, tolerance: float, max_passes: int, seed: int
) -> Solution:
    """Fit a linear SVM with the hinge loss and an L2 penalty by dual coordinate descent.

    ``X`` is float32 ``(n, d)``, in C order; ``is_class`` is bool ``(n,)``; ``seed`` is that of
    liblinear's random numbers. The intercept is penalised too, as in liblinear. Source: Hsieh et
    al. 2008, algorithm 3.
    """
    # liblinear sorts the images: the rest first, then the class.
    rows = np.argsort(is_class, kind="stable")
    n_rest = len(rows) - int(is_class.sum())
    w, n_passes = _descend_hinge(X, rows, n_rest, C, tolerance, max_passes, _start_random(seed))
    return Solution(w[:-1], float(w[-1]), n_passes)


def fit_l1_logistic(
    columns: np.ndarray,
    is_class: np.ndarray,
    C: float,
    tolerance: float,
    max_passes: int,
    seed: int,
) -> Solution:
    """Fit logistic regression with an L1 penalty by liblinear's Newton method.

    ``columns`` is float32 ``(d + 1, n)``, in C order: the transposed images, and a last row of
    ones for the intercept, which is penalised too; ``is_class`` is bool ``(n,)``. Source: Yuan et
    al. 2012, the algorithm newGLMNET.
    """
    n_class = int(is_class.sum())
    n_smaller = max(min(n_class, len(is_class) - n_class), 1)
    w, n_passes = _descend_l1_logistic(
        columns,
        np.where(is_class, 1, -1).astype(np.int8),
        C,
        tolerance * n_smaller / len(is_class),
        max_passes,
        _start_random(seed),
    )
    return Solution(w[:-1], float(w[-1]), n_passes)


def to_columns(X: np.ndarray) -> np.ndarray:
    """Turn images ``(n, d)`` into what :func:`fit_l1_logistic` reads: float32 ``(d + 1, n)``."""
    columns = np.ones((X.shape[1] + 1, len(X)), np.float32)
    columns[:-1] = X.T
    return columns


# ---------------------------------------------------------------------------------- random numbers


def _start_random(seed: int) -> np.ndarray:
    """The state of the Mersenne Twister for a seed, and after it the position in the state."""
    words = np.random.RandomState(seed).get_state(legacy=False)["state"]["key"]
    return np.append(words.astype(np.uint64), np.uint64(N_WORDS))


@njit(nogil=True)
def _draw(state: np.ndarray) -> np.uint64:
    """The next 32 random bits of the Mersenne Twister (Matsumoto & Nishimura 1998)."""
    if state[N_WORDS] == N_WORDS:
        for i in range(N_WORDS):
            mixed = (state[i] & np.uint64(0x80000000)) | (
                state[(i + 1) % N_WORDS] & np.uint64(0x7FFFFFFF)
            )
            word = state[(i + SHIFT_WORDS) % N_WORDS] ^ (mixed >> np.uint64(1))
            state[i] = word ^ (np.uint64(0x9908B0DF) if mixed & np.uint64(1) else np.uint64(0))
        state[N_WORDS] = 0
    bits = state[state[N_WORDS]]
    state[N_WORDS] += np.uint64(1)
    bits ^= bits >> np.uint64(11)
    bits ^= (bits << np.uint64(7)) & np.uint64(0x9D2C5680)
    bits ^= (bits << np.uint64(15)) & np.uint64(0xEFC60000)
    return bits ^ (bits >> np.uint64(18))


@njit(nogil=True)
def _shuffle(index: np.ndarray, n: int, state: np.ndarray) -> None:
    """Shuffle the first ``n`` entries; a number below a bound is drawn as by Lemire 2019."""
    low = np.uint64(0xFFFFFFFF)
    for i in range(n):
        bound = np.uint64(n - i)
        product = _draw(state) * bound
        if product & low < bound:
            least = (np.uint64(1) << np.uint64(32)) % bound
            while product & low < least:
                product = _draw(state) * bound
        j = i + np.int64(product >> np.uint64(32))
        index[i], index[j] = index[j], index[i]


# -------------------------------------------------------------------------------------- hinge loss


@njit(nogil=True, fastmath=SUMS)
def _dot(w: np.ndarray, x: np.ndarray) -> float:
    total = 0.0
    for k in range(len(x)):
        total += np.float64(w[k]) * x[k]
    return total


@njit(nogil=True, fastmath=SUMS)
def _add(w: np.ndarray, factor: float, x: np.ndarray) -> None:
    for k in range(len(x)):
        w[k] += factor * x[k]


@njit(nogil=True)
def _descend_hinge(
    X: np.ndarray,
    rows: np.ndarray,
    n_rest: int,
    C: float,
    tolerance: float,
    max_passes: int,
    state: np.ndarray,
) -> tuple[np.ndarray, int]:
    """Go over the images again and again; an image that stays at a bound is left out for a while.

    ``rows`` holds the rows of ``X``, those of the rest first. Returns the weights, the intercept
    last, and the number of passes.
    """
    n, d = X.shape
    w, alpha, index, squares = np.zeros(d + 1), np.zeros(n), np.arange(n), np.zeros(n)
    for i in range(n):
        x = X[rows[i]]
        squares[i] = _dot(x, x) + 1.0
    n_active, n_passes = n, 0
    above, below = np.inf, -np.inf  # an image whose gradient is beyond them is left out
    while n_passes < max_passes:
        largest, smallest = -np.inf, np.inf
        _shuffle(index, n_active, state)
        s = 0
        while s < n_active:
            i = index[s]
            x = X[rows[i]]
            sign = -1.0 if i < n_rest else 1.0
            gradient = float((_dot(w, x) + w[d]) * sign - 1.0)
            if (alpha[i] == 0.0 and gradient > above) or (alpha[i] == C and gradient < below):
                n_active -= 1
                index[s], index[n_active] = index[n_active], index[s]
                continue
            s += 1
            at_bound = (alpha[i] == 0.0 and gradient >= 0.0) or (alpha[i] == C and gradient <= 0.0)
            projected = 0.0 if at_bound else gradient
            largest, smallest = max(largest, projected), min(smallest, projected)
            if abs(projected) > TINY_STEP:
                before = alpha[i]
                alpha[i] = min(max(before - gradient / squares[i], 0.0), C)
                step = (alpha[i] - before) * sign
                _add(w, step, x)
                w[d] += step
        n_passes += 1
        if largest - smallest <= tolerance:
            if n_active == n:
                break
            n_active, above, below = n, np.inf, -np.inf
            continue
        above = largest if largest > 0.0 else np.inf
        below = smallest if smallest < 0.0 else -np.inf
    return w, n_passes


# ----------------------------------------------------------------------------- logistic regression


@njit(nogil=True, fastmath=SUMS)
def _derivatives(x: np.ndarray, tau: np.ndarray, D: np.ndarray) -> tuple[float, float]:
    """The loss's first derivative without the constant part, and its second one, for a weight."""
    first, second = 0.0, 0.0
    for i in range(len(x)):
        value = np.float64(x[i])
        first += value * tau[i]
        second += value * value * D[i]
    return first, second


@njit(nogil=True, fastmath=SUMS)
def _dot_weighted(x: np.ndarray, D: np.ndarray, change: np.ndarray) -> float:
    total = 0.0
    for i in range(len(x)):
        total += x[i] * D[i] * change[i]
    return total


@njit(nogil=True)
def _measure_violation(weight: float, gradient: float) -> float:
    """How far a weight is from the condition of a minimum with an L1 penalty."""
    if weight > 0.0:
        return abs(gradient + 1.0)
    if weight < 0.0:
        return abs(gradient - 1.0)
    return max(-(gradient + 1.0), gradient - 1.0, 0.0)


@njit(nogil=True)
def _stays_zero(weight: float, gradient: float, margin: float) -> bool:
    """Whether a weight is 0 and its gradient is so far from both bounds that it is left out."""
    return weight == 0.0 and gradient + 1.0 > margin and gradient - 1.0 < -margin


@njit(nogil=True)
def _update_curvature(odds: np.ndarray, C: float, tau: np.ndarray, D: np.ndarray) -> None:
    for i in range(len(odds)):
        share = 1.0 / (1.0 + odds[i])
        tau[i] = C * share
        D[i] = C * odds[i] * share * share


@njit(nogil=True)
def _descend_quadratic(
    columns: np.ndarray,
    w: np.ndarray,
    new_w: np.ndarray,
    gradient: np.ndarray,
    curvature: np.ndarray,
    D: np.ndarray,
    change: np.ndarray,
    index: np.ndarray,
    n_active: int,
    enough: float,
    state: np.ndarray,
) -> int:
    """Minimise the quadratic model around ``w``, weight by weight; return the number of passes.

    ``new_w`` gets the minimum, and ``change`` ``(n,)`` the change of each image's decision. It
    stops if the violations of all weights sum to at most ``enough``.
    """
    n = columns.shape[1]
    n_inner, n_passes, margin = n_active, 0, np.inf
    while n_passes < MOST_INNER_PASSES:
        largest, total = 0.0, 0.0
        _shuffle(index, n_inner, state)
        s = 0
        while s < n_inner:
            j = index[s]
            x = columns[j]
            g = gradient[j] + (new_w[j] - w[j]) * SMALL_CURVATURE + _dot_weighted(x, D, change)
            if _stays_zero(new_w[j], g, margin):
                n_inner -= 1
                index[s], index[n_inner] = index[n_inner], index[s]
                continue
            s += 1
            violation = _measure_violation(new_w[j], g)
            largest, total = max(largest, violation), total + violation
            h = curvature[j]
            if g + 1.0 < h * new_w[j]:
                step = -(g + 1.0) / h
            elif g - 1.0 > h * new_w[j]:
                step = -(g - 1.0) / h
            else:
                step = -new_w[j]
            if abs(step) < TINY_STEP:
                continue
            step = min(max(step, -LARGEST_STEP), LARGEST_STEP)
            new_w[j] += step
            _add(change, step, x)
        n_passes += 1
        if total <= enough:
            if n_inner == n_active:
                break
            n_inner, margin = n_active, np.inf
            continue
        margin = largest / n
    return n_passes


@njit(nogil=True)
def _search_line(
    w: np.ndarray,
    new_w: np.ndarray,
    gradient: np.ndarray,
    odds: np.ndarray,
    change: np.ndarray,
    signs: np.ndarray,
    C: float,
) -> bool:
    """Halve the step to ``new_w`` until the loss falls enough; ``w`` and ``odds`` take it.

    Returns False if it was halved 20 times in vain.
    """
    norm, new_norm, slope = 0.0, 0.0, 0.0
    for j in range(len(w)):
        norm += abs(w[j])
        new_norm += abs(new_w[j])
        slope += gradient[j] * (new_w[j] - w[j])
    slope += new_norm - norm
    of_rest = 0.0
    for i in range(len(odds)):
        if signs[i] < 0:
            of_rest += C * change[i]
    new_odds = np.zeros(len(odds))
    for _ in range(MOST_HALVINGS):
        rise = new_norm - norm + of_rest - SUFFICIENT_DECREASE * slope
        for i in range(len(odds)):
            factor = math.exp(change[i])
            new_odds[i] = odds[i] * factor
            rise += C * math.log((1.0 + new_odds[i]) / (factor + new_odds[i]))
        if rise <= 0.0:
            _copy(new_w, w)
            _copy(new_odds, odds)
            return True
        new_norm = 0.0
        for j in range(len(w)):
            new_w[j] = (w[j] + new_w[j]) * 0.5
            new_norm += abs(new_w[j])
        for i in range(len(odds)):
            change[i] *= 0.5
        slope *= 0.5
        of_rest *= 0.5
    return False


@njit(nogil=True)
def _copy(source: np.ndarray, target: np.ndarray) -> None:
    for k in range(len(source)):
        target[k] = source[k]


@njit(nogil=True)
def _descend_l1_logistic(
    columns: np.ndarray,
    signs: np.ndarray,
    C: float,
    tolerance: float,
    max_passes: int,
    state: np.ndarray,
) -> tuple[np.ndarray, int]:
    """Minimise one quadratic model after another; a weight that stays 0 is left out of a model.

    Returns the weights, the intercept last, and the number of models.
    """
    d, n = columns.shape
    w, new_w, index = np.zeros(d), np.zeros(d), np.arange(d)
    gradient, curvature, of_rest = np.zeros(d), np.zeros(d), np.zeros(d)
    odds, tau, D, change = np.ones(n), np.zeros(n), np.zeros(n), np.zeros(n)
    for i in range(n):
        tau[i] = C if signs[i] < 0 else 0.0
    for j in range(d):
        of_rest[j] = _dot(tau, columns[j])
    _update_curvature(odds, C, tau, D)
    n_models, margin, inner_tolerance, first_total = 0, np.inf, 1.0, 0.0
    while n_models < max_passes:
        largest, total = 0.0, 0.0
        n_active, s = d, 0
        while s < n_active:
            j = index[s]
            first, second = _derivatives(columns[j], tau, D)
            gradient[j], curvature[j] = of_rest[j] - first, second + SMALL_CURVATURE
            if _stays_zero(w[j], gradient[j], margin):
                n_active -= 1
                index[s], index[n_active] = index[n_active], index[s]
                continue
            s += 1
            violation = _measure_violation(w[j], gradient[j])
            largest, total = max(largest, violation), total + violation
        if n_models == 0:
            first_total = total
        if total <= tolerance * first_total:
            break
        for i in range(n):
            change[i] = 0.0
        n_inner_passes = _descend_quadratic(
            columns, w, new_w, gradient, curvature, D, change, index, n_active,
            inner_tolerance * first_total, state,
        )  # fmt: skip
        if _search_line(w, new_w, gradient, odds, change, signs, C):
            _update_curvature(odds, C, tau, D)
        else:
            for i in range(n):
                odds[i] = 0.0
            for j in range(d):
                _add(odds, w[j], columns[j])
            for i in range(n):
                odds[i] = math.exp(odds[i])
        if n_inner_passes == 1:
            inner_tolerance *= 0.25
        n_models += 1
        margin = largest / n
    return w, n_models
