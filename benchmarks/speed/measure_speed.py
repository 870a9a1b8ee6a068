"""Measures how fast fmbench is beside what a user would run instead, and writes the tables.

- Networks: the plain DataLoader loop, PyTorch at its best, JAX, Keras 3 and fmbench train the same
  network, from the same weights, on the same images in the same order. They take turns after a few
  batches. The first epoch warms up, and the seconds are CPU seconds of the process on one thread,
  so that other load disturbs all alike.
- Classical rows: scikit-learn with and without the extra `fast`.
- `trials`: ten trials of LeNet-5 on all cores, as `fmbench run` does them, beside the plain loop.
- `equivalence`: whether LeNet-5 reaches the accuracy of the plain loop (`lenet_equivalence.py`).

What is measured goes into `results.json` at once, and the tables into `benchmarks/README.md`.
Called again, the script goes on with what is missing. Results of another machine, or of other
versions of the libraries, are removed first: one table never mixes them.

    pip install --constraint constraints.txt --editable '.[fast,peers]'
    python benchmarks/speed/measure_speed.py                  # all that is missing
    python benchmarks/speed/measure_speed.py lenet5 trials    # these again
    python benchmarks/speed/measure_speed.py --quick          # a few images; writes no file
    python benchmarks/speed/measure_speed.py --only-tables    # the tables again
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import os
import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RESULTS, README = HERE / "results.json", HERE.parent / "README.md"
START, END = "<!-- speed: made by benchmarks/speed/measure_speed.py -->", "<!-- end of speed -->"
NETWORKS = ("lenet5", "cnn", "cnn-softmax", "cnn-svm", "cnn-bn", "cnn-bn-skip")
CLASSICAL = ("svc-rbf", "k-neighbors", "linear-svc", "logistic-regression")
TRIALS, EQUIVALENCE = "trials", "equivalence"
PARTS = (*NETWORKS, *CLASSICAL, TRIALS, EQUIVALENCE)
PLAIN, OURS = "plain loop", "fmbench"
WAYS = (PLAIN, "best PyTorch", "JAX", "Keras 3 on JAX", OURS)
N_WARM_UP = 50  # images
LIBRARIES = ("torch", "numba", "jax", "keras", "scikit-learn", "scikit-learn-intelex")


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    epochs: int = 3  # after one that warms up
    lenet_images: int = 60_000
    cnn_images: int = 12_000
    n_classical: tuple[int, int] = (10_000, 2_000)  # training and test images
    trials: int = 10
    seeds: int = 5  # of the test of equivalence, with each loop
    recipe_epochs: int | None = None  # of the trials of that test; None: the recipe's
    compile: bool = True  # whether PyTorch at its best uses torch.compile
    quick: bool = False


QUICK = Sizes(
    epochs=1, lenet_images=960, cnn_images=640, n_classical=(1_000, 500), trials=2, seeds=2,
    recipe_epochs=1, compile=False, quick=True,
)  # fmt: skip


def measure_network(name: str, sizes: Sizes, data: Path | None) -> dict[str, Any]:
    """Measure every way on one network; the seconds of an epoch are medians over the epochs."""
    from cnn_speed import flops_per_image, gemm_rate
    from peer_loops import best_torch_way, is_translated, jax_way, keras_way
    from side_by_side import Task, Turns, fmbench_way, plain_way

    n_images = sizes.lenet_images if name == "lenet5" else sizes.cnn_images
    n_epochs = sizes.epochs + 1
    task = Task(name, n_images, n_epochs, 1, "cpu", data, clock="cpu", compile=sizes.compile)
    classifier = task.classifier()
    ways = {PLAIN: plain_way, "best PyTorch": best_torch_way, OURS: fmbench_way}
    for library, title, way in (("jax", "JAX", jax_way), ("keras", "Keras 3 on JAX", keras_way)):
        if importlib.util.find_spec(library) and is_translated(classifier):
            ways[title] = way
    n_turns = task.n_turns(classifier.config.batch_size)
    rates, epochs = [], []
    with Turns(task, *ways.values()) as turns:
        for epoch in range(n_epochs):
            epochs.append(turns.next(n_turns))
            rates.append(gemm_rate("cpu", clock=time.process_time))
            print(name, epoch or "warm-up", dict(zip(ways, epochs[-1], strict=True)), flush=True)
        accuracies = turns.results()
    seconds = {way: [epoch[i] for epoch in epochs[1:]] for i, way in enumerate(ways)}
    median = {way: statistics.median(found) for way, found in seconds.items()}
    ratios = [ours / plain for ours, plain in zip(seconds[OURS], seconds[PLAIN], strict=True)]
    flops = flops_per_image(classifier) * n_images
    return {
        "seconds": median,
        "accuracy": dict(zip(ways, (100 * accuracy for accuracy in accuracies), strict=True)),
        "ratio": statistics.median(ratios),
        "share of product rate": flops / median[OURS] / statistics.median(rates[1:]),
        "n": sizes.epochs,
        "images": n_images,
        "compiled": sizes.compile,
    }


def measure_classical(name: str, sizes: Sizes, data: Path | None) -> dict[str, Any]:
    """Measure fit and predict of a classical row with scikit-learn alone, and with the extra."""
    from sklearn.exceptions import ConvergenceWarning

    from fmbench import runners
    from fmbench.datasets import loading, locate
    from fmbench.execution.process import use_threads
    from fmbench.models import accelerators

    images = loading.load_dataset(locate.locate_dataset(folder=data, fetch=True))
    n_train, n_test = sizes.n_classical
    use_threads(1)
    seconds, accuracy = {}, {}
    X_train, y_train = images.X_train[:n_train], images.y_train[:n_train]
    runner = runners.get_runner(name)
    for way in (PLAIN, OURS):
        with accelerators.use_only_sklearn(way == PLAIN), warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # linear SVC's recipe stops early
            first, classifier = (
                runner.build(runner.resolve(), seed=0, device="cpu") for _ in range(2)
            )
            first.fit(X_train[:N_WARM_UP], y_train[:N_WARM_UP])  # imports and compiles
            start = time.process_time()
            classifier.fit(X_train, y_train)
            found = classifier.predict(images.X_test[:n_test])
            seconds[way] = time.process_time() - start
        accuracy[way] = 100 * float((found == images.y_test[:n_test]).mean())
        print(name, way, seconds[way], flush=True)
    return {"seconds": seconds, "accuracy": accuracy, "ratio": seconds[OURS] / seconds[PLAIN],
            "n": 1, "images": [n_train, n_test]}  # fmt: skip


def measure_trials(name: str, sizes: Sizes, data: Path | None) -> dict[str, Any]:
    """Measure the paper's whole protocol on all cores, beside the plain loop."""
    from lenet_speed import measure_jobs

    return measure_jobs(
        sizes.trials, "cpu", data, n_epochs=sizes.epochs, n_images=sizes.lenet_images,
        quick=sizes.quick,
    )  # fmt: skip


def measure_equivalence(name: str, sizes: Sizes, data: Path | None) -> dict[str, Any]:
    """Train LeNet-5 with several seeds and both loops; compare the accuracies."""
    from lenet_equivalence import MARGIN, compare, train

    found: dict[str, list[float]] = {"fmbench": [], "plain": []}
    for seed in range(sizes.seeds):
        for way, accuracies in found.items():
            run = train(way, seed, sizes.recipe_epochs, data, sizes.lenet_images)
            print(run, flush=True)
            accuracies.append(run["accuracy"])
    difference, p = compare(found["fmbench"], found["plain"], MARGIN)
    return {"accuracies": found, "difference": difference, "p": p, "margin": MARGIN,
            "epochs": run["epochs"], "images": sizes.lenet_images}  # fmt: skip


MEASURES: dict[str, Callable[[str, Sizes, Path | None], dict[str, Any]]] = {
    **dict.fromkeys(NETWORKS, measure_network),
    **dict.fromkeys(CLASSICAL, measure_classical),
    TRIALS: measure_trials,
    EQUIVALENCE: measure_equivalence,
}


def describe_machine() -> dict[str, str]:
    """Return the processor, its cores and instructions, and the versions of the libraries."""
    from fmbench.utils import environment

    instructions = environment.collect_versions().get(environment.INSTRUCTIONS, "unknown")
    found = {
        "processor": environment.cpu_name(),
        "cores": str(environment.count_cores()),
        "instructions": instructions,
    }
    for library in LIBRARIES:
        try:
            found[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            found[library] = "not installed"
    return found


# ---------------------------------------------------------------------------------------- tables


NOTE_ON_NETWORKS = (
    "CPU seconds of one epoch on one thread, the median of n epochs after one that warms up; in "
    "brackets the accuracy on the test images after these n + 1 epochs. All ways start from the "
    "same weights and see the images in the same order; only the masks of dropout are drawn by "
    "each library itself. Best PyTorch: tensors in memory, channels last, an optimizer that is "
    "fused or takes all tensors at once, {compiled} `torch.compile`. –: the network was not "
    "translated to that library (batch normalisation, the squared hinge loss), or the library was "
    "not installed. *Of product rate*: the floating-point operations that the network defines, for "
    "each second of fmbench, over the rate of one large matrix product, which was measured between "
    "the epochs. It can exceed 100 %, because fmbench computes some layers with fewer operations."
)
NOTE_ON_CLASSICAL = (
    "CPU seconds of fit and predict on one thread, with {n_train:,} training and {n_test:,} test "
    "images: a part of them, which favours scikit-learn. In brackets the accuracy."
)
NOTE_ON_TRIALS = (
    "{trials} trials of LeNet-5 of {epochs} epochs: {seconds:.0f} s with fmbench, {jobs} cells at "
    "a time, and {plain:.0f} s with the plain loop on {cores} threads (the median of n={n} epochs, "
    "multiplied): {times:.1f} times as fast. Wall time. Accuracy {accuracy:.2f} ± {sd:.2f} % "
    "(n={trials})."
)
NOTE_ON_EQUIVALENCE = (
    "LeNet-5 after {epochs} epochs: {ours:.2f} % with fmbench, {plain:.2f} % with the plain loop "
    "(n={n} seeds each). Two one-sided tests: p = {p:.4f} that the means differ by {margin} "
    "percentage points or more."
)


def format_tables(results: dict[str, Any]) -> str:
    """Make what README.md says from the results; a part that was not measured is left out."""
    parts, machine = results["parts"], results["machine"]
    versions = ", ".join(f"{library} {machine[library]}" for library in LIBRARIES)
    paragraphs = [
        f"One {machine['processor']} with {machine['instructions']} and {machine['cores']} cores; "
        f"{versions}.",
        *_format_networks({name: parts[name] for name in NETWORKS if name in parts}),
        *_format_classical({name: parts[name] for name in CLASSICAL if name in parts}),
    ]
    if TRIALS in parts:
        found = parts[TRIALS]
        plain = found["plain seconds"]
        times = plain / found["seconds"]
        paragraphs.append(NOTE_ON_TRIALS.format(**found, plain=plain, times=times))
    if EQUIVALENCE in parts:
        found = parts[EQUIVALENCE]
        ours, plain = (statistics.mean(found["accuracies"][way]) for way in (OURS, "plain"))
        n = len(found["accuracies"]["plain"])
        paragraphs.append(NOTE_ON_EQUIVALENCE.format(**found, ours=ours, plain=plain, n=n))
    return "\n\n".join(paragraphs)


def _format_networks(rows: dict[str, Any]) -> list[str]:
    if not rows:
        return []
    heads = ["row", *(f"{way} s" for way in WAYS), "fmbench / plain", "of product rate", "n"]
    lines = [
        [f"`{name}`, {row['images']:,} images", *(_format_way(row, way) for way in WAYS),
         f"{row['ratio']:.2f}", f"{row['share of product rate']:.0%}", str(row["n"])]
        for name, row in rows.items()
    ]  # fmt: skip
    compiled = "with" if all(row["compiled"] for row in rows.values()) else "without"
    return [_format_table(heads, lines), NOTE_ON_NETWORKS.format(compiled=compiled)]


def _format_classical(rows: dict[str, Any]) -> list[str]:
    if not rows:
        return []
    heads = ["row", "scikit-learn s", "with the extra `fast` s", "ratio", "n"]
    lines = [
        [f"`{name}`", *(_format_way(row, way) for way in (PLAIN, OURS)), f"{row['ratio']:.2f}",
         str(row["n"])]
        for name, row in rows.items()
    ]  # fmt: skip
    n_train, n_test = next(iter(rows.values()))["images"]
    note = NOTE_ON_CLASSICAL.format(n_train=n_train, n_test=n_test)
    return [_format_table(heads, lines), note]


def _format_way(row: dict[str, Any], way: str) -> str:
    """Format the seconds and the accuracy of one way."""
    if way not in row["seconds"]:
        return "–"
    seconds = row["seconds"][way]
    return f"{seconds:.{1 if seconds >= 10 else 2}f} ({row['accuracy'][way]:.1f} %)"


def _format_table(heads: list[str], lines: list[list[str]]) -> str:
    """Format a table in Markdown; only its first column is text."""
    rule = ["---", *["---:"] * (len(heads) - 1)]
    return "\n".join(f"| {' | '.join(line)} |" for line in (heads, rule, *lines))


def write_tables(results: dict[str, Any]) -> None:
    """Put the tables into README.md, between its two marks."""
    text = README.read_text(encoding="utf-8")
    before, after = text.split(START)[0], text.split(END)[1]
    block = f"{START}\n\n{format_tables(results)}\n\n{END}"
    README.write_text(f"{before}{block}{after}", encoding="utf-8")


# ------------------------------------------------------------------------------------------ main


def load_results() -> dict[str, Any]:
    """Return what was measured already, with the machine and the versions of then."""
    if RESULTS.exists():
        return dict(json.loads(RESULTS.read_text(encoding="utf-8")))
    return {"machine": {}, "parts": {}}


def measure_parts(options: argparse.Namespace) -> dict[str, Any]:
    """Measure what was asked for, or what is missing; each part is saved when it has ended."""
    results: dict[str, Any] = {"machine": {}, "parts": {}} if options.quick else load_results()
    if results["machine"] != describe_machine():
        results = {"machine": describe_machine(), "parts": {}}
    sizes = QUICK if options.quick else Sizes()
    for name in options.names or [name for name in PARTS if name not in results["parts"]]:
        results["parts"][name] = MEASURES[name](name, sizes, options.data)
        if not options.quick:
            RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
            write_tables(results)
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(PARTS))
    parser.add_argument("--quick", action="store_true", help="a few images; write no file")
    parser.add_argument("--only-tables", action="store_true", help="measure nothing")
    parser.add_argument("--data", type=Path, help="the folder of the data set")
    options = parser.parse_args()
    if unknown := [name for name in options.names if name not in PARTS]:
        parser.error(f"no part is called {unknown[0]}: use {', '.join(PARTS)}")
    if options.only_tables:
        results = load_results()
        if not results["parts"]:
            parser.error("nothing was measured yet: leave out --only-tables")
        write_tables(results)
    else:
        for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            os.environ[variable] = "1"  # the libraries read them while they load
        import torch

        torch.set_num_threads(1)
        results = measure_parts(options)
    print(format_tables(results))


if __name__ == "__main__":
    main()
