"""Tests whether fmbench's training of LeNet-5 reaches the accuracy of the plain PyTorch loop.

Both train the runner's whole recipe with several seeds; with the same seed they start from the same
weights and see the images in the same order. Two one-sided t-tests (Welch) ask whether the two mean
accuracies differ by less than a margin: the test of equivalence of Schuirmann 1987.
Each finished training is a line in a file, so that an interrupted run goes on where it stopped.

    python benchmarks/speed/lenet_equivalence.py runs.jsonl --seeds 5
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

MARGIN = 0.5  # percentage points: twice the standard deviation between seeds


def train(
    way: str, seed: int, epochs: int | None, data: Path | None, n_images: int = 60_000
) -> dict[str, Any]:
    """Train once; return the accuracy on the test images in per cent, and the CPU seconds."""
    from side_by_side import PlainLoop

    from fmbench import runners
    from fmbench.datasets import loading, locate
    from fmbench.execution.process import keep_freed_memory, use_threads

    use_threads(1)
    keep_freed_memory()
    images = loading.load_dataset(locate.locate_dataset(folder=data, fetch=True))
    X_train, y_train = images.X_train[:n_images], images.y_train[:n_images]
    runner = runners.get_runner("lenet5")
    recipe = runner.resolve() | ({"epochs": epochs} if epochs else {})
    classifier = runner.build(recipe, seed=seed, device="cpu")
    classifier.compile_loops()
    start = time.process_time()
    if way == "fmbench":
        classifier.fit(X_train, y_train)
        accuracy = float((classifier.predict(images.X_test) == images.y_test).mean())
    else:
        loop = PlainLoop(classifier, X_train, y_train, "cpu")
        for _ in range(recipe["epochs"]):
            loop.train_epoch()
        accuracy = loop.measure_accuracy(images.X_test, images.y_test)
    seconds = time.process_time() - start
    return {"way": way, "seed": seed, "epochs": recipe["epochs"], "accuracy": 100 * accuracy,
            "cpu seconds": round(seconds, 1)}  # fmt: skip


def compare(ours: list[float], plain: list[float], margin: float) -> tuple[float, float]:
    """Return the difference of the means, and the larger p value of the two one-sided tests."""
    import numpy as np
    from scipy.stats import ttest_ind

    shifted = np.array(ours)
    above = ttest_ind(shifted + margin, plain, equal_var=False, alternative="greater").pvalue
    below = ttest_ind(shifted - margin, plain, equal_var=False, alternative="less").pvalue
    return float(shifted.mean() - np.mean(plain)), float(max(above, below))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("file", type=Path, help="the finished trainings, one in a line")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, help="default: those of the recipe")
    parser.add_argument("--margin", type=float, default=MARGIN, help="percentage points")
    parser.add_argument("--data", type=Path)
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    done = []
    if options.file.exists():
        done = [json.loads(line) for line in options.file.read_text().splitlines()]
    for seed in range(options.seeds):
        for way in ("fmbench", "plain"):
            if any((run["way"], run["seed"]) == (way, seed) for run in done):
                continue
            done.append(train(way, seed, options.epochs, options.data))
            with options.file.open("a") as file:
                file.write(json.dumps(done[-1]) + "\n")
            print(done[-1], flush=True)
    by_way = {
        way: [run["accuracy"] for run in done if run["way"] == way] for way in ("fmbench", "plain")
    }
    difference, p = compare(by_way["fmbench"], by_way["plain"], options.margin)
    counts = ", ".join(f"{way} n={len(found)}" for way, found in by_way.items())
    print(
        f"difference of the mean accuracies, fmbench - plain: {difference:+.2f} percentage points "
        f"({counts}); two one-sided tests of a difference of {options.margin} or more: p = {p:.4f}"
    )


if __name__ == "__main__":
    main()
