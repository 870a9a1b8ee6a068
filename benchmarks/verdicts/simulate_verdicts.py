"""Simulates how often the verdicts of fmbench are wrong, and how often they find a wrong claim.

The results are in `results.md`. Seeds are fixed: the file is made again with the same bytes.

    python benchmarks/verdicts/simulate_verdicts.py           # minutes on one core
    python benchmarks/verdicts/simulate_verdicts.py --quick   # a smoke test; prints, writes no file

An *honest* claim is a figure of the very model that is rerun. Its runs come from the same
distribution as those of the rerun, so "not reproduced" is always an error. Accuracies are rounded
to whole images out of 10,000.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from many_claims import (
    HALF_UNIT,
    POINT,
    Verdicts,
    judge_many,
    judge_many_sequentially,
    judge_tables,
    make_look,
    measure,
    round_to_images,
)

from fmbench.analysis.sequential import FUTILITY, LAST_LOOK, LookPlan
from fmbench.analysis.statistics import GridFigure, SampleFigure, compute_moments_of_best
from fmbench.analysis.verdicts import ALPHA, MARGIN, Claim

SEED = 20261126
RESULTS = Path(__file__).with_name("results.md")
N_TABLES = 40_000  # simulated tables of 19 rows
N_ROWS = 400_000  # simulated single rows
QUICK = 100  # how many times fewer, with --quick
TRUE_MEAN = 0.90  # of every simulated model; the verdicts do not depend on it

# Spreads (standard deviations over five seeds, in points) of nineteen models that fmbench measured
# for the paper's table.
SPREADS = np.array([
    0.04, 0.04, 0.10, 0.11, 0.12, 0.12, 0.13, 0.14, 0.14, 0.15, 0.19, 0.19, 0.21, 0.24, 0.25, 0.28,
    0.29, 0.29, 0.84,
])  # fmt: skip

# Means and spreads, in points, of the twelve configurations of ExtraTreeClassifier that fmbench
# measured for the paper of the data set.
GRID_MEANS = np.array(
    [77.92, 78.32, 77.81, 78.32, 77.66, 77.66, 75.54, 75.54, 75.18, 75.18, 74.24, 74.66]
)
GRID_SPREADS = np.array([0.84, 0.76, 0.57, 0.76, 0.40, 0.40, 0.32, 0.32, 0.51, 0.51, 0.90, 0.52])

# The power, in percent, that five seeds should have for claims 1.0, 1.5 and 2.0 points off.
WANTED_POWER = (22, 78, 99)

N_EPOCHS = 30  # the epochs among which the best is picked, once the accuracy no longer rises
SEED_SHARE = 0.5  # of the variance of one epoch's accuracy; the rest differs between epochs

Draw = Callable[[np.random.Generator, np.ndarray, int], np.ndarray]


def draw_runs(generator: np.random.Generator, sd: np.ndarray, n: int) -> np.ndarray:
    """Accuracies of ``n`` runs of each model: ``float (*sd.shape, n)``."""
    noise = generator.standard_normal((*sd.shape, n))
    return round_to_images(TRUE_MEAN + sd[..., None] * noise)


def draw_best_epochs(generator: np.random.Generator, sd: np.ndarray, n: int) -> np.ndarray:
    """The best epoch of ``n`` runs of each model: ``float (*sd.shape, n)``."""
    of_seed = generator.standard_normal((*sd.shape, n)) * math.sqrt(SEED_SHARE)
    best = generator.standard_normal((*sd.shape, n, N_EPOCHS), np.float32).max(axis=-1)
    noise = of_seed + best * math.sqrt(1 - SEED_SHARE)
    return round_to_images(TRUE_MEAN + sd[..., None] * noise)


@dataclass(frozen=True)
class Kind:
    """A kind of honest claim: how it is drawn, and what it is taken for."""

    name: str
    n_runs: int = 1
    best_of: int = 1
    draw: Draw = draw_runs

    def draw_claims(self, generator: np.random.Generator, sd: np.ndarray) -> np.ndarray:
        """One printed claim of each model: ``float (*sd.shape)``."""
        runs = self.draw(generator, sd, max(self.n_runs, self.best_of))
        return round_to_images(runs.max(axis=-1) if self.best_of > 1 else runs.mean(axis=-1))


KINDS = (
    Kind("one run"),
    Kind("mean of 5", n_runs=5),
    Kind("best of 5", best_of=5),
    Kind("best of 30", best_of=30),
    Kind("best epoch", draw=draw_best_epochs),
)


def in_batches(total: int, size: int) -> Iterator[int]:
    """Sizes of batches that sum up to ``total``."""
    for start in range(0, total, size):
        yield min(size, total - start)


# ---------------------------------------------------------------- text


def percent(share: float, n: int, decimals: int = 2) -> str:
    """A share in percent, with the standard error of its simulation."""
    error = math.sqrt(max(share * (1 - share), 1 / n) / n)
    return f"{100 * share:.{decimals}f} ± {100 * error:.{decimals}f}"


def write_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


# ---------------------------------------------------------------- honest claims


def simulate_honest_tables(
    generator: np.random.Generator, kind: Kind, spreads: np.ndarray, n_seeds: int, n_tables: int
) -> tuple[float, Verdicts]:
    """Judge tables of honest claims.

    Returns:
        The share of tables with any row that is "not reproduced" after Holm's correction (some row
        is, if and only if one is at alpha over the number of rows), and the verdicts on the rows of
        the last batch.
    """
    found, level = 0, ALPHA / len(spreads)
    for size in in_batches(n_tables, 2_000):
        sd = np.broadcast_to(spreads * POINT, (size, len(spreads)))
        verdicts = judge_many(
            kind.draw_claims(generator, sd),
            kind.draw(generator, sd, n_seeds),
            n_runs=kind.n_runs,
            best_of=kind.best_of,
            level=level,
        )
        found += int(verdicts.not_reproduced.any(axis=1).sum())
    return found / n_tables, verdicts


def simulate_honest_grids(
    generator: np.random.Generator, n_rows: int, n_runs: int, n_seeds: int, n_tables: int
) -> float:
    """The share of tables of honest grid claims with any row that is "not reproduced".

    The claim is the best of the grid's configurations; of each, ``n_runs`` runs are averaged.
    """
    found = 0
    means, spreads = GRID_MEANS * POINT, GRID_SPREADS * POINT
    for size in in_batches(n_tables, 500):
        shape = (size, n_rows, len(means))
        noise = generator.standard_normal(shape) / math.sqrt(n_runs)
        claimed = round_to_images((means + spreads * noise).max(axis=-1))
        runs = round_to_images(
            means[:, None] + spreads[:, None] * generator.standard_normal((*shape, n_seeds))
        )
        beyond = find_grids_beyond(claimed, runs, n_runs, ALPHA / n_rows)
        found += int(beyond.any(axis=1).sum())
    return found / n_tables


def find_grids_beyond(
    claimed: np.ndarray, runs: np.ndarray, n_runs: int, level: float
) -> np.ndarray:
    """Find the grid claims that are "not reproduced" at a level (below 2 %).

    ``runs`` has two more axes than ``claimed``: the configurations, and the seeds. The p value of a
    grid takes long to compute. It is only computed if the claim is two standard deviations of the
    figure beyond the margin; if mean and spread were known, its p would otherwise be above 2 %, and
    as they are not known, it is larger.
    """
    mean, sd = measure(runs)
    n_members = mean.shape[-1]
    expected, figure_sd = compute_moments_of_best(
        mean.reshape(-1, n_members).T, sd.reshape(-1, n_members).T / math.sqrt(n_runs), 64
    )
    excess = MARGIN + HALF_UNIT
    beyond = np.zeros(claimed.size, bool)
    distance = np.abs(claimed.ravel() - expected) - excess
    for i in np.flatnonzero(distance > 2 * figure_sd):
        members = runs.reshape(-1, n_members, runs.shape[-1])[i]
        grid = GridFigure(tuple(SampleFigure(tuple(m), n_runs) for m in members.tolist()))
        beyond[i] = grid.p_beyond(float(claimed.flat[i]), excess) < level
    return beyond.reshape(claimed.shape)


def report_honest_claims(generator: np.random.Generator, n_tables: int) -> str:
    """The tables on honest claims."""
    n_grids = n_tables // 40
    rows, shares = [], []
    for kind in KINDS:
        print(f"honest claims: {kind.name}", flush=True)
        cells = []
        for n_seeds in (3, 5, 10):
            share, verdicts = simulate_honest_tables(generator, kind, SPREADS, n_seeds, n_tables)
            cells.append(percent(share, n_tables))
            if n_seeds == 5:
                counts = [
                    v.mean()
                    for v in (verdicts.reproduced, verdicts.within_spread, verdicts.not_reproduced)
                ]
                shares.append([kind.name, *(f"{100 * c:.1f}" for c in counts),
                               f"{100 * (1 - sum(counts)):.1f}"])  # fmt: skip
        rows.append([kind.name, *cells])
    for n_runs, name in ((1, "one run each"), (5, "mean of 5 each")):
        print(f"honest claims: best of a grid, {name}", flush=True)
        found = [
            simulate_honest_grids(generator, len(SPREADS), n_runs, n, n_grids) for n in (3, 5, 10)
        ]
        rows.append([f"best of a grid of 12, {name}", *(percent(f, n_grids) for f in found)])
    header = ["the claim is", "reproduced", "within one run's spread", "not reproduced", "neither"]
    wide, worst = [], {}
    for spread in (0.05, 0.15, 0.25, 0.5, 1.0, 2.0):
        print(f"honest claims: spread {spread}", flush=True)
        same = np.full(len(SPREADS), spread)
        found = [
            simulate_honest_tables(generator, KINDS[0], same, n, n_tables)[0] for n in (3, 5, 10)
        ]
        wide.append([f"{spread:g}", *(percent(f, n_tables) for f in found)])
        worst[spread] = max(found)
    below_1, below_alpha = (
        max((spread for spread, share in worst.items() if share <= limit), default=0.0)
        for limit in (0.01, ALPHA)
    )
    return f"""## Honest claims that are called "not reproduced"

Percent of tables in which at least one of nineteen honest rows is called "not reproduced", after
Holm's correction. The spreads are those of nineteen measured models: {SPREADS.min():.2f} to \
{SPREADS.max():.2f} points, median {np.median(SPREADS):.2f}.
The shares below hold for such spreads; the last table of this section has wider ones.

{write_table(["the claim is", "3 seeds", "5 seeds", "10 seeds"], rows)}
*Best epoch*: the highest of {N_EPOCHS} epochs on the test images, as in the reruns; half of an
epoch's variance belongs to the seed. *Best of a grid*: nineteen grids with the means and spreads of
twelve measured configurations.

What the rows of these tables get with 5 seeds, in percent of the rows:

{write_table(header, shares)}
The same error if all nineteen rows have the same spread, for claims of one run. The p value of "not
reproduced" is one-sided, because a claim cannot be both too high and too low. But if the spread is
several times the margin, an honest claim can be called either, and the error rises. Of the spreads
below, it is at most 1 % up to {below_1:g}, at most the level of {100 * ALPHA:g} % up to \
{below_alpha:g}, and above the level for wider ones:

{write_table(["spread in points", "3 seeds", "5 seeds", "10 seeds"], wide)}"""


# ---------------------------------------------------------------- power, and the boundary


def simulate_power(
    generator: np.random.Generator, points_off: float, n_rows: int, n_seeds: int, n_tables: int
) -> float:
    """The share of claims that are "not reproduced", in a table whose other rows are honest.

    All spreads are .15 points. The claim is one run of a model that is ``points_off`` better.
    """
    found = 0
    for size in in_batches(n_tables, 4_000):
        sd = np.full((size, n_rows), 0.15 * POINT)
        runs = draw_runs(generator, sd, n_seeds + 1)
        claimed, accuracies = runs[..., 0].copy(), runs[..., 1:]
        claimed[:, 0] += points_off * POINT
        accuracies[measure(accuracies)[1] == 0, 0] += 1e-4  # one image, so that there is a test
        found += int(judge_tables(claimed, accuracies)[:, 0].sum())
    return found / n_tables


def report_power(generator: np.random.Generator, n_tables: int) -> str:
    """The tables on claims that are off."""
    rows = []
    enough: list[str] = []
    too_little: list[str] = []
    for n_rows in (1, 6, 11, 19):
        for n_seeds in (3, 5, 10):
            print(f"power: {n_rows} rows, {n_seeds} seeds", flush=True)
            shares = [
                simulate_power(generator, off, n_rows, n_seeds, n_tables) for off in (1, 1.5, 2)
            ]
            rows.append([str(n_rows), str(n_seeds), *(percent(s, n_tables, 1) for s in shares)])
            if n_seeds == 5:
                meets = all(
                    round(100 * share) >= wanted
                    for share, wanted in zip(shares, WANTED_POWER, strict=True)
                )
                (enough if meets else too_little).append(str(n_rows))
    wanted = " / ".join(map(str, WANTED_POWER))
    header = ["rows tested together", "seeds", "off by 1.0", "off by 1.5", "off by 2.0"]
    return f"""## Claims that are off

Percent of claims that are called "not reproduced", if the claim is one run of a model that is
better by so many points. The spread is .15 points, and the other rows of the table are honest.

The more rows are tested together, the harder it is to find one that is off. With 5 seeds, the test
should find {wanted} % of the claims that are 1.0, 1.5 and 2.0 points off. It does if so many
rows are tested together: {", ".join(enough) or "none"}. It does not with: \
{", ".join(too_little) or "none"}.
`costs.md` says how many rows of the paper are tested.

{write_table(header, rows)}"""


def draw_boundary(
    generator: np.random.Generator, n_rows: int, n: int, test: str, n_runs: int, points: float
) -> tuple[np.ndarray, np.ndarray]:
    """Claims and accuracies exactly at the boundary of a test, with a spread of so many points.

    The boundary of "reproduced": the claim is a number that differs from the mean by the margin. Of
    "not reproduced": the claim is the mean of ``n_runs`` runs of a model that is better by the
    margin. Without rounding.
    """
    sd = points * POINT
    claimed = np.full(n_rows, TRUE_MEAN + MARGIN)
    if test == "not reproduced":
        claimed += sd / math.sqrt(n_runs) * generator.standard_normal(n_rows)
    return claimed, TRUE_MEAN + sd * generator.standard_normal((n_rows, n))


def simulate_boundary(
    generator: np.random.Generator, n_rows: int, n: int, test: str, n_runs: int, points: float,
    half_unit: float,
) -> float:  # fmt: skip
    """How often a test says yes at its boundary, with a fixed number of seeds."""
    found = 0
    for size in in_batches(n_rows, 50_000):
        claimed, runs = draw_boundary(generator, size, n, test, n_runs, points)
        verdicts = judge_many(claimed, runs, n_runs=n_runs, half_unit=half_unit)
        found += int(
            (verdicts.reproduced if test == "reproduced" else verdicts.not_reproduced).sum()
        )
    return found / n_rows


def report_boundary(generator: np.random.Generator, n_rows: int) -> str:
    """The table on claims at the boundary, with a fixed number of seeds."""
    rows = []
    for name, test, n_runs, points, half_unit in (
        ("reproduced", "reproduced", 1, 0.15, HALF_UNIT),
        ("not reproduced, one run", "not reproduced", 1, 0.15, 0.0),
        (
            "not reproduced, one run, printed with two decimals",
            "not reproduced",
            1,
            0.15,
            HALF_UNIT,
        ),
        ("not reproduced, mean of 5", "not reproduced", 5, 0.15, 0.0),
        ("not reproduced, one run, spread .84", "not reproduced", 1, 0.84, 0.0),
    ):
        print(f"boundary: {name}", flush=True)
        shares = [
            simulate_boundary(generator, n_rows, n, test, n_runs, points, half_unit)
            for n in (3, 5, 10)
        ]
        rows.append([name, *(percent(share, n_rows) for share in shares)])
    return f"""## Claims exactly at the boundary

Percent that a test decides wrongly, at the worst case: the model differs from the claim by exactly
the margin. The spread is .15 points unless given. One row is tested, so Holm's correction changes
nothing.

{write_table(["decision", "3 seeds", "5 seeds", "10 seeds"], rows)}
A claim that is printed with two decimals gets half a unit of room for its rounding, so its error is
smaller. With a spread of .84 points, the other side of the margin adds a little.
"""


# ---------------------------------------------------------------- sequential


def simulate_sequential_boundary(
    generator: np.random.Generator, n_rows: int, plan: LookPlan, test: str, n_runs: int
) -> tuple[float, float]:
    """How often repeated looks say yes at the boundary: corrected, and naively uncorrected."""
    claim = Claim(0.0, 0.0, n_runs)
    naive = make_look(claim, plan, naive=True)
    found = [0, 0]
    for size in in_batches(n_rows, 50_000):
        claimed, runs = draw_boundary(generator, size, plan.last, test, n_runs, 0.15)
        for i, look in enumerate((None, naive)):
            verdicts = judge_many_sequentially(claimed, runs, claim, plan, look=look)
            found[i] += int(
                (verdicts.reproduced if test == "reproduced" else verdicts.not_reproduced).sum()
            )
    return found[0] / n_rows, found[1] / n_rows


def report_sequential(generator: np.random.Generator, n_rows: int, n_tables: int) -> str:
    """The tables on sequential verdicts."""
    rows = []
    for first, last in ((3, 10), (3, 20), (5, 10), (5, 20)):
        plan = LookPlan(first, last, futility=0)
        for test, n_runs in (
            ("reproduced", 1), ("not reproduced", 1), ("not reproduced", 5), ("not reproduced", 30),
        ):  # fmt: skip
            print(f"sequential boundary: {first} to {last}, {test}, k = {n_runs}", flush=True)
            exact, naive = simulate_sequential_boundary(generator, n_rows, plan, test, n_runs)
            kind = "" if test == "reproduced" else "one run" if n_runs == 1 else f"mean of {n_runs}"
            rows.append(
                [f"{first} to {last}", test, kind, percent(exact, n_rows), percent(naive, n_rows)]
            )
    header = ["looks after ... seeds", "decision", "the claim is", "corrected", "not corrected"]
    families = []
    n = n_tables // 4
    sd = np.broadcast_to(SPREADS * POINT, (n, len(SPREADS)))
    claimed = KINDS[0].draw_claims(generator, sd).ravel()
    runs = draw_runs(generator, sd, LAST_LOOK).reshape(-1, LAST_LOOK)
    for futility in (0, FUTILITY):
        print(f"sequential honest claims: futility {futility}", flush=True)
        plan = LookPlan(n_tests=len(SPREADS), futility=futility)
        verdicts = judge_many_sequentially(claimed, runs, Claim(0.0, HALF_UNIT), plan)
        wrong = float(verdicts.not_reproduced.reshape(sd.shape).any(axis=1).mean())
        families.append(
            [
                f"below {100 * futility:g} %" if futility else "never",
                percent(wrong, n),
                f"{100 * verdicts.reproduced.mean():.1f}",
                f"{verdicts.n_seeds.mean():.2f}",
            ]
        )
    columns = ["stops early", "tables with a wrong row", "rows reproduced", "seeds a row"]
    return f"""## A look after every seed

Percent of wrong decisions at the boundary, if the claim is tested after every seed and the first
decision counts. The correction is that of `fmbench/analysis/sequential.py`; without it, the tests
for a fixed number of seeds are repeated.

{write_table(header, rows)}
Tables of nineteen honest claims of one run, looks after 3 to 10 seeds. The first column says below
which chance of a decision a row stops early:

{write_table(columns, families)}"""


# ---------------------------------------------------------------- all of it


def build_report(divisor: int = 1) -> str:
    """Simulate everything, with ``divisor`` times fewer repetitions."""
    generator = np.random.default_rng(SEED)
    n_tables, n_rows = N_TABLES // divisor, N_ROWS // divisor
    parts = [
        f"""# How often the verdicts are right

Made by `benchmarks/verdicts/simulate_verdicts.py` (seed {SEED}), never edited by hand. The margin
is {100 * MARGIN:g} points and the level {100 * ALPHA:g} %. "±" is the standard error of a \
simulation.
""",
        report_honest_claims(generator, n_tables),
        report_power(generator, n_tables),
        report_boundary(generator, n_rows),
        report_sequential(generator, n_rows, n_tables),
    ]
    return "\n".join(parts)


def run_script(description: str, build: Callable[..., str], results: Path) -> None:
    """Do what a simulation script does: build its report, and write it or, if quick, print it."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few simulations, and no file")
    parser.add_argument(
        "--output", type=Path, default=results, help=f"default: {results.name} here"
    )
    options = parser.parse_args()
    if options.quick:
        print(build(QUICK))
        return
    options.output.write_text(build(), encoding="utf-8")
    print(f"wrote {options.output}")


if __name__ == "__main__":
    run_script(__doc__ or "", build_report, RESULTS)
