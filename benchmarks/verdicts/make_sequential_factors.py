"""Makes the table that corrects p values for repeated looks, `sequential_factors.json`.

Whoever tests a claim after each new seed, and stops at the first small p, finds one too often. This
script simulates by how much, for a claim that lies exactly at the boundary between two verdicts:
G(p) is the probability that the least p of all looks is at most p. The table holds the factors
G(p) / p. `fmbench/analysis/sequential.py` reads it and explains it.

    python benchmarks/verdicts/make_sequential_factors.py           # 5 minutes on one core
    python benchmarks/verdicts/make_sequential_factors.py --quick   # prints a rough table, no file

The seed is fixed, so the file is made again with the same bytes (on the same versions of numpy and
scipy).

How it is simulated. After n seeds with mean m_n and standard deviation s_n, the test of a claim C
has t = (C - m_n) / (s_n sqrt(1/k + 1/n)), where C, at the boundary, is the mean of k further runs.
With k = infinity this is the test that the mean of new runs lies within the margin, so that one
simulation serves both tests. Only the order and the scale-free shape of the seeds matter, so they
are drawn from the standard normal distribution. C is not drawn: it is independent of the seeds, so
that the probability of a small p follows from the normal distribution. So the error of the
simulation is three times smaller than if C were drawn.
"""

from __future__ import annotations

import argparse
import json
import math
from itertools import product
from pathlib import Path

import numpy as np
from scipy.special import ndtr, stdtrit

from fmbench.analysis.sequential import FACTORS_FILE

SEED = 20261126
N_SIMULATED = 8_000_000
N_QUICK = 40_000
BATCH = 4_000  # so few that all arrays of a batch stay in the processor's cache
FIRST_LOOKS = (3, 5)
LAST_LOOKS = (10, 20)
RUNS_OF_CLAIM = (1, 2, 3, 5, 10, 20, 30, math.inf)  # k
P_VALUES = (
    1e-4, 1.5e-4, 2e-4, 3e-4, 5e-4, 7e-4, 1e-3, 1.5e-3, 2e-3, 3e-3, 5e-3, 7e-3, 0.01, 0.015, 0.02,
    0.03, 0.04, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.7, 0.9,
)  # fmt: skip


def simulate_batch(generator: np.random.Generator, n_paths: int) -> np.ndarray:
    """Draw seeds, and compute the probability that the least p of a set of looks is at most p.

    Returns:
        ``float (first looks, last looks, k, p, n_paths)``; its mean over the paths is G(p).

    The seeds x_1 to x_N follow from N - 1 independent normal numbers: x_n minus the mean of the
    earlier ones is z_n sqrt(n / (n - 1)). Then the sum of squares after n seeds is the sum of the
    z squared, and the last mean is independent of all z.
    """
    last = max(LAST_LOOKS)
    z = generator.standard_normal((last - 1, n_paths))
    counts = np.arange(2, last + 1)[:, None]
    squares = np.cumsum(z**2, axis=0)  # row n - 2 belongs to n seeds
    sd = np.sqrt(squares / (counts - 1))
    steps = z / np.sqrt(counts * (counts - 1))  # m_n - m_(n-1)
    means = np.cumsum(steps, axis=0)
    result = np.empty(
        (len(FIRST_LOOKS), len(LAST_LOOKS), len(RUNS_OF_CLAIM), len(P_VALUES), n_paths)
    )
    bound, least = np.empty(n_paths), np.empty(n_paths)
    for (i, first), (j, k), (q, p) in product(
        enumerate(FIRST_LOOKS), enumerate(RUNS_OF_CLAIM), enumerate(P_VALUES)
    ):
        bound.fill(np.inf)
        for n in range(first, last + 1):
            # A look has a p of at most p if C is at least m_n + t_quantile sd sqrt(1/k + 1/n).
            factor = float(stdtrit(n - 1, 1 - p)) * math.sqrt(1 / k + 1 / n)
            np.multiply(sd[n - 2], factor, out=least)
            least += means[n - 2]
            np.minimum(bound, least, out=bound)
            if n in LAST_LOOKS:
                # C minus the mean of all n seeds is normal, and independent of all z.
                above = ndtr((means[n - 2] - bound) / math.sqrt(1 / k + 1 / n))
                result[i, LAST_LOOKS.index(n), j, q] = above
    return result


def simulate(n_simulated: int) -> tuple[np.ndarray, np.ndarray]:
    """Compute G(p) and its standard error: ``float (first looks, last looks, k, p)``."""
    generator = np.random.default_rng(SEED)
    n_batches = n_simulated // BATCH
    total = squares = np.zeros(())
    for i in range(n_batches):
        batch = simulate_batch(generator, BATCH)
        total = total + batch.sum(axis=-1)
        squares = squares + np.einsum("...i,...i->...", batch, batch)
        if (i + 1) % max(1, n_batches // 20) == 0:
            print(f"{(i + 1) * BATCH:>9,} of {n_simulated:,} simulated", flush=True)
    n = n_batches * BATCH
    mean = total / n
    return mean, np.sqrt((squares / n - mean**2) / n)


def name_runs(k: float) -> str:
    """The key of a table for a claim of k runs."""
    return "infinity" if math.isinf(k) else str(int(k))


def build_file(probabilities: np.ndarray, errors: np.ndarray, n_simulated: int) -> str:
    """The text of the JSON file: one line for each list."""
    p = np.array(P_VALUES)
    tables = {
        f"{first}-{last}": {
            name_runs(k): [float(f"{x:.5g}") for x in probabilities[i, j, m] / p]
            for m, k in enumerate(RUNS_OF_CLAIM)
        }
        for (i, first), (j, last) in product(enumerate(FIRST_LOOKS), enumerate(LAST_LOOKS))
    }
    relative = (errors / probabilities).max(axis=(0, 1, 2))
    head = {
        "about": "Factors G(p) / p; made by benchmarks/verdicts/make_sequential_factors.py.",
        "n_simulated": n_simulated,
        "seed": SEED,
        "p": list(P_VALUES),
        # the largest over all tables, for each p
        "relative_standard_error": [float(f"{x:.2g}") for x in relative],
    }
    lines = [f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in head.items()]
    looks = [
        f"    {json.dumps(name)}: {{\n"
        + ",\n".join(f"      {json.dumps(k)}: {json.dumps(row)}" for k, row in table.items())
        + "\n    }"
        for name, table in tables.items()
    ]
    lines.append('  "factors": {\n' + ",\n".join(looks) + "\n  }")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few simulations, and no file")
    parser.add_argument("--output", type=Path, default=FACTORS_FILE, help="default: the package's")
    options = parser.parse_args()
    n_simulated = N_QUICK if options.quick else N_SIMULATED
    probabilities, errors = simulate(n_simulated)
    print(f"\n{'looks':>7} {'k':>9}   factor at p = .05, .01, .001 (standard error)")
    columns = [P_VALUES.index(p) for p in (0.05, 0.01, 1e-3)]
    for (i, first), (j, last), (m, k) in product(
        enumerate(FIRST_LOOKS), enumerate(LAST_LOOKS), enumerate(RUNS_OF_CLAIM)
    ):
        found = [(probabilities[i, j, m, q], errors[i, j, m, q], P_VALUES[q]) for q in columns]
        factors = "  ".join(f"{g / p:.3f} ({error / p:.3f})" for g, error, p in found)
        print(f"{f'{first}-{last}':>7} {name_runs(k):>9}   {factors}")
    if not options.quick:
        options.output.write_text(build_file(probabilities, errors, n_simulated), encoding="utf-8")
        print(f"wrote {options.output}")


if __name__ == "__main__":
    main()
