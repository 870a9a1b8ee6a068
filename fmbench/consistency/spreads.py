"""Decides whether several runs can have a printed mean and a printed standard deviation.

Run i of k has c_i correct images of n, a whole number. With s = sum c_i and q = sum c_i^2, the mean
accuracy is s / (k n), and the whole number V = k q - s^2 gives the standard deviation: the
accuracies have the population variance V / (k n)^2 and the sample variance V / (k (k - 1) n^2).
So two printed figures leave ranges for s and V, and the question is whether whole numbers in [0, n]
give such an s and V. That they must be whole numbers, and that q is even exactly if s is, is the
idea of GRIMMER (Anaya 2016; Allard 2018), which tests necessary conditions. Here the answer is
exact:

- V = r (k - r) + 2 k j for a whole number j >= 0, where r = s mod k. Counts that differ by at most
  1 have j = 0.
- For k >= 5, each such V occurs if the counts may be any whole numbers. For k = 5: choose one count
  t with s - t odd. The other four exist if f = 4 (q - t^2) - (s - t)^2 >= 0, because an odd sum
  makes f = 3 modulo 8, and each such number is a sum of three odd squares (Legendre). Such a t
  exists if 4 V / 25 >= 1, and below that only j = 0 is left. For more counts, give all but five
  of them the values that they have for j = 0.
- For k = 4, V must be a sum of three squares, so not 4^a (8 b + 7). For k = 3 and k = 2, the
  differences between the counts are tried.
- The counts are in [0, n] without further question if those furthest from the mean are:
  (c_i - s / k)^2 <= V (k - 1) / k^2. Otherwise they are searched for.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from math import isqrt

from fmbench.suites.rounding import Interval

DEFINITIONS = ("sample", "population")  # the sum of squares is divided by k - 1 or by k
MAX_STEPS = 20_000  # of the search for counts near 0 or n
MAX_TRIED = 100  # counts whose values are tried one by one
MAX_DIFFERENCES = 400_000  # that are tried for three runs
DIFFERENCES_OF_A_STEP = 50  # so many take as long as a step of the search
MAX_ATTEMPTS = 12  # sums, and V of each, for which the fast search is tried first


def is_spread_possible(n_images: int, n_runs: int, mean: Interval, sd: Interval) -> bool | None:
    """Whether runs exist with this mean and this standard deviation by one of the definitions.

    ``mean`` and ``sd`` are of accuracies in [0, 1], each measured on ``n_images``; ``n_runs`` is
    the number of runs. ``False`` is proven; ``None`` means that it is not decided.

    Raises:
        ValueError: fewer than 2 runs or 1 image.
    """
    answers = decide_spread(n_images, n_runs, mean, sd).values()
    return True if True in answers else None if None in answers else False


def decide_spread(
    n_images: int, n_runs: int, mean: Interval, sd: Interval
) -> dict[str, bool | None]:
    """Decide for each definition of the standard deviation whether such runs exist.

    See :func:`is_spread_possible` for the arguments and answers.
    """
    if n_runs < 2 or n_images < 1:
        raise ValueError("a standard deviation needs at least 2 runs of at least 1 image")
    search = _Search(MAX_STEPS)
    low, high = mean.scaled(n_runs * n_images).integer_range()
    sums = max(low, 0), min(high, n_runs * n_images)
    answers: dict[str, bool | None] = {}
    for definition in DEFINITIONS:
        n_free = n_runs - 1 if definition == "sample" else n_runs
        variations = _square(sd).scaled(n_runs * n_free * n_images**2).integer_range()
        answers[definition] = _decide(n_images, n_runs, sums, variations, search)
    return answers


def _square(sd: Interval) -> Interval:
    """The squares of the values of an interval that are not below 0; empty if there are none."""
    if sd.high < 0 or (sd.high == 0 and sd.high_open):
        return Interval(Fraction(1), Fraction(0))
    low_open = sd.low_open and sd.low >= 0
    return Interval(max(sd.low, Fraction(0)) ** 2, sd.high**2, low_open, sd.high_open)


def _decide(
    n: int, k: int, sums: tuple[int, int], variations: tuple[int, int], search: _Search
) -> bool | None:
    """Whether k counts in [0, n] exist whose s and V are in these ranges, ends included."""
    if sums[0] > sums[1] or variations[0] > variations[1]:
        return False
    if variations[0] > _find_largest_variation(n, k, sums):
        return False
    if k == 2:
        return _decide_two(n, sums, variations)
    if k == 3:
        return _decide_three(n, sums, variations)
    for s, values in islice(_choose_pairs(n, k, sums, variations), MAX_ATTEMPTS):
        for v in values[:: max(1, len(values) // MAX_ATTEMPTS)]:
            if search.find_greedily(k, s, (v + s * s) // k, n):
                return True
    for s, values in _choose_pairs(n, k, sums, variations):
        search.count_step()
        for v in values:
            answer = search.try_all(k, s, (v + s * s) // k, n)
            if answer or answer is None:
                return answer
        if search.is_over:
            return None
    return False


def _decide_two(n: int, sums: tuple[int, int], variations: tuple[int, int]) -> bool:
    """Two counts with the difference d >= 0 have V = d^2, d = s modulo 2, d <= s, d <= 2 n - s."""
    for parity in (0, 1):
        d = _round_root_up(variations[0])
        d += (d + parity) % 2
        in_range = max(sums[0], d), min(sums[1], 2 * n - d)
        if d * d <= variations[1] and _has_residue(in_range, parity, 2):
            return True
    return False


def _decide_three(n: int, sums: tuple[int, int], variations: tuple[int, int]) -> bool | None:
    """Three counts a >= b >= c with d = a - c and w = a + c - 2 b have 2 V = 3 d^2 + w^2.

    Then |w| <= d, w = d modulo 2, w = s modulo 3, c >= 0 if 2 s >= 3 d - w, and a <= n if
    2 s <= 6 n - 3 d - w.
    """
    low, high = (2 * v for v in variations)
    n_tried = 0
    for d in range(_round_root_up(-(-low // 4)), isqrt(high // 3) + 1):
        first = _round_root_up(low - 3 * d * d)
        for size in range(first + (first + d) % 2, min(d, isqrt(high - 3 * d * d)) + 1, 2):
            for w in {size, -size}:
                in_range = (
                    max(sums[0], (3 * d - w + 1) // 2), min(sums[1], (6 * n - 3 * d - w) // 2)
                )  # fmt: skip
                if _has_residue(in_range, w, 3):
                    return True
            n_tried += 1
            if n_tried > MAX_DIFFERENCES:
                return None
    return False


def _round_root_up(square: int) -> int:
    """The smallest whole number >= 0 whose square is at least this."""
    return isqrt(square - 1) + 1 if square > 0 else 0


def _has_residue(ends: tuple[int, int], residue: int, modulus: int) -> bool:
    """Whether a number in a range, ends included, has this residue."""
    return ends[0] + (residue - ends[0]) % modulus <= ends[1]


def _find_largest_variation(n: int, k: int, sums: tuple[int, int]) -> int:
    """Return the largest V of k counts in [0, n] whose sum is in the range.

    Between two multiples of n it is a convex function of s, so it is largest at an end.
    """
    inside = range(-(-sums[0] // n) * n, sums[1] + 1, n)
    return max(k * _find_largest_square(k, s, n) - s * s for s in {*sums, *inside})


def _find_largest_square(k: int, s: int, cap: int) -> int:
    """Return the largest q of k counts in [0, cap] with the sum s: as many as possible are cap."""
    if not cap:
        return 0
    whole, rest = divmod(s, cap)
    return whole * cap**2 + rest**2


def _find_smallest_square(k: int, s: int) -> int:
    """Return the smallest q of k counts with the sum s: they differ by at most 1."""
    whole, rest = divmod(s, k)
    return k * whole**2 + rest * (2 * whole + 1)


def _choose_pairs(
    n: int, k: int, sums: tuple[int, int], variations: tuple[int, int]
) -> Iterator[tuple[int, range]]:
    """Yield each sum with its possible V, the sums nearest to k n / 2 first.

    There the counts have the most room. A sum without a possible V is left out: whether it has one
    depends on s mod k alone, and so at most k sums are looked at in vain.
    """
    starts = {}  # for each possible s mod k the least V
    for r in range(min(k, sums[1] - sums[0] + 1)):
        residue = (sums[0] + r) % k
        least = residue * (k - residue)
        first = least + max(0, -(-(variations[0] - least) // (2 * k))) * 2 * k
        if first <= variations[1]:
            starts[residue] = first
    if not starts:
        return
    middle = min(max(k * n // 2, sums[0]), sums[1])
    for distance in range(sums[1] - sums[0] + 1):
        for s in dict.fromkeys((middle + distance, middle - distance)):
            if sums[0] <= s <= sums[1] and s % k in starts:
                most = min(variations[1], k * _find_largest_square(k, s, n) - s * s)
                yield s, range(starts[s % k], most + 1, 2 * k)


class _Search:
    """A search for k counts in [0, cap] with the sum s and the sum of squares q; q - s is even."""

    def __init__(self, n_steps: int) -> None:
        self._n_left = n_steps

    @property
    def is_over(self) -> bool:
        """Whether the limit was reached; then nothing more is decided by trying."""
        return self._n_left <= 0

    def count_step(self) -> None:
        """Count one step."""
        self._n_left -= 1

    def find_greedily(self, k: int, s: int, q: int, n: int) -> bool:
        """Whether one attempt finds counts: each is chosen so that the others get the most room.

        A count near the mean plus or minus the standard deviation leaves the deviation as it is;
        one at 0 or n takes away most of it.
        """
        while (known := self._decide_simply(k, s, q, n)) is None:
            self.count_step()
            t = _choose_count(k, s, q, n)
            if t is None or self.is_over:
                return False
            k, s, q = k - 1, s - t, q - t * t
        return known

    def try_all(self, k: int, s: int, q: int, cap: int) -> bool | None:
        """Whether such counts exist, by trying each value of the largest, then of the next one.

        ``None`` if the limit is reached before that is known.
        """
        known = self._decide_simply(k, s, q, cap)
        self.count_step()
        if known is not None:
            return known
        if k > MAX_TRIED:
            return None
        # The largest of k counts is at least their mean, and not further from it than all others
        # together allow.
        furthest = (s + isqrt((k - 1) * (k * q - s * s))) // k
        for t in range(-(-s // k), min(cap, furthest) + 1):
            if self.is_over:
                return None
            answer = self.try_all(k - 1, s - t, q - t * t, t)
            if answer or answer is None:
                return answer
        return False

    def _decide_simply(self, k: int, s: int, q: int, cap: int) -> bool | None:
        """Decide without trying, see the top of this file; ``None`` if that is not possible."""
        if k == 1:
            return 0 <= s <= cap and q == s * s
        if not 0 <= s <= k * cap:
            return False
        if not _find_smallest_square(k, s) <= q <= _find_largest_square(k, s, cap):
            return False
        v = k * q - s * s
        if k == 2:
            root = isqrt(v)
            return root * root == v and root <= min(s, 2 * cap - s)
        if k == 3:
            self._n_left -= isqrt(v) // 10 // DIFFERENCES_OF_A_STEP
            return None if self.is_over else _decide_three(cap, (s, s), (v, v))
        if k == 4 and _is_no_sum_of_three_squares(v):
            return False
        room = min(s, k * cap - s)  # k times the distance of the mean from 0 or cap
        return True if (k - 1) * v <= room * room else None


def _is_no_sum_of_three_squares(v: int) -> bool:
    """Whether v = 4^a (8 b + 7)."""
    while v and v % 4 == 0:
        v //= 4
    return v % 8 == 7


def _choose_count(k: int, s: int, q: int, n: int) -> int | None:
    """Choose one of k counts such that the others can exist, with the most room for their V."""
    root, middle = isqrt(k * q - s * s), s // k
    best: tuple[float, int] | None = None
    for t in {0, n, middle, middle + 1, (s + root) // k, -((root - s) // k)}:
        rest, square = s - t, q - t * t
        if not 0 <= t <= n or not 0 <= rest <= (k - 1) * n:
            continue
        least, most = _find_smallest_square(k - 1, rest), _find_largest_square(k - 1, rest, n)
        if not least <= square <= most:
            continue
        room = min(rest, (k - 1) * n - rest)
        rank = ((k - 1) * square - rest * rest + 1) / (room * room + 1)
        if best is None or rank < best[0]:
            best = rank, t
    return None if best is None else best[1]
