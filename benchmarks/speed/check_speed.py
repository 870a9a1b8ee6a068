"""Times `fmbench check` on tables of 100 classes, and on the paper.

Each table is made from a random confusion matrix: accuracy, kappa, informedness, MSE, MAE, macro
and class-wise recall, precision and F1, all printed with two decimals. *consistent* is the
unchanged table; in the others one or several figures contradict the rest. The seconds are those of
the whole command, with the start of Python and all imports. If a verdict is wrong, the benchmark
ends with status 1.

    python benchmarks/speed/check_speed.py
    python benchmarks/speed/check_speed.py --classes 20 --per-class 50
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Figure = tuple[str, int | None, float]  # metric, class, value


def figures(n_classes: int, per_class: int, accuracy: float) -> list[Figure]:
    """The figures of a random confusion matrix whose errors are spread over all classes."""
    import numpy as np

    from fmbench.metrics.compute import compute_metrics

    generator = np.random.default_rng(0)
    y_true = np.arange(n_classes).repeat(per_class)
    drawn = generator.integers(n_classes, size=len(y_true))
    y_pred = np.where(generator.random(len(y_true)) < accuracy, y_true, drawn)
    found = compute_metrics(y_true, y_pred, n_classes)
    overall = ("accuracy", "kappa", "informedness", "mse", "mae", "recall", "precision", "f1")
    values = {name: value for name, value in found.overall.items() if value is not None}
    return [(name, None, values[name]) for name in overall] + [
        (name, k, float(found.by_class[name][k]))
        for name in ("recall", "precision", "f1")
        for k in range(n_classes)
    ]


def altered(table: list[Figure], *changes: tuple[str, int | None, float]) -> list[Figure]:
    """The table with some figures changed; each change is a metric, a class and an amount."""
    by = {(metric, k): amount for metric, k, amount in changes}
    return [(metric, k, value + by.get((metric, k), 0.0)) for metric, k, value in table]


def as_toml(table: list[Figure], n_classes: int, per_class: int) -> str:
    """The claims file of a table, each figure with two decimals."""
    lines = [f"[test_set]\nn_per_class = {[per_class] * n_classes}"]
    for metric, k, value in table:
        lines.append(f'[[reported]]\nwhere = "made up"\nmetric = "{metric}"\nvalue = "{value:.2f}"')
        if k is not None:
            lines.append(f"class = {k}")
        elif metric in ("recall", "precision", "f1"):
            lines.append('average = "macro"')
    return "\n".join(lines) + "\n"


def tables(n_classes: int, per_class: int) -> Iterator[tuple[str, list[Figure]]]:
    """The tables, each with its name."""
    table = figures(n_classes, per_class, 0.8)
    last = n_classes - 1
    yield "consistent", table
    yield "kappa off by 0.05", altered(table, ("kappa", None, -0.05))
    yield "accuracy off by 0.03", altered(table, ("accuracy", None, 0.03))
    yield "recall of one class off", altered(table, ("recall", last, -0.2))
    yield (
        "MAE halved",
        altered(table, *((m, k, -v / 2) for m, k, v in table if (m, k) == ("mae", None))),
    )
    yield "macro F1 off by 0.05", altered(table, ("f1", None, 0.05))
    yield "five figures off", altered(
        table, ("kappa", None, -0.05), ("recall", 0, -0.2), ("precision", 1, 0.3), ("f1", 2, -0.2),
        ("mse", None, 2000.0),
    )  # fmt: skip
    yield (
        "every precision off",
        altered(table, *((m, k, 0.15) for m, k, _ in table if m == "precision" and k is not None)),
    )


def check(*arguments: object) -> tuple[float, dict[str, Any]]:
    """Run the command; return its seconds and its JSON output."""
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "fmbench", "check", "--json", *map(str, arguments)],
        capture_output=True, text=True,
    )  # fmt: skip
    seconds = time.perf_counter() - start
    if done.returncode not in (0, 1):
        sys.exit(done.stderr)
    return seconds, json.loads(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--classes", type=int, default=100)
    parser.add_argument("--per-class", type=int, default=100)
    options = parser.parse_args()

    from fmbench.utils import environment

    print(
        f"{environment.device_name('cpu')}, Python {sys.version.split()[0]}; seconds of the whole "
        f"command, n=1; {options.classes} classes of {options.per_class}"
    )
    print(f"{'table':26}{'seconds':>9}  {'verdict':15}{'conflicts':>10}{'not checked':>13}")
    wrong = False
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "claims.toml"
        for name, table in tables(options.classes, options.per_class):
            path.write_text(as_toml(table, options.classes, options.per_class), encoding="utf-8")
            wrong |= show(name, *check(path)) != (
                "consistent" if name == "consistent" else "contradictory"
            )
    show("the paper", *check())
    sys.exit(wrong)


def show(name: str, seconds: float, answer: dict[str, Any]) -> str:
    """Print one line; returns the verdict."""
    counts = f"{len(answer['conflicts']):>10}{len(answer['not_checked']):>13}"
    print(f"{name:26}{seconds:>9.1f}  {answer['verdict']:15}{counts}", flush=True)
    return answer["verdict"]


if __name__ == "__main__":
    main()
