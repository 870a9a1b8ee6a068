"""Measures how fast fmbench is beside what a user would run instead, and writes the tables.

- Networks: the plain DataLoader loop, PyTorch at its best, JAX, Keras 3 and fmbench train the same
  network, from the same weights, on the same images in the same order. They take turns after a few
  batches. The first epoch warms up, and the seconds are CPU seconds of the process on one thread,
  so that other load disturbs all alike.
- Classical rows: scikit-learn with and without the extra `fast`.
- `trials`: ten trials of LeNet-5 on all cores, as `fmbench run` does them, beside the plain loop.
- `equivalence`: whether LeNet-5 reaches the accuracy of the plain loop (`lenet_equivalence.py`).

What is measured goes into `results/reference/kayed2020/speed.json` at once, and the tables into
`benchmarks/README.md`; `make reference` puts them into the page too. Called again, the script goes
on with what is missing. Results of another machine, or of other versions of the libraries, are
removed first: one table never mixes them.

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
import os
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

from classical_speed import ROWS as CLASSICAL

from fmbench.report.speed import (
    LIBRARIES,
    OURS,
    PLAIN,
    ClassicalSpeed,
    Equivalence,
    NetworkSpeed,
    Speed,
    TrialsSpeed,
    build_speed_tables,
    read_speed,
    write_speed,
)
from fmbench.utils.formatting import replace_between
from fmbench.utils.table import format_markdown

HERE = Path(__file__).parent
README = HERE.parent / "README.md"
FOLDER = HERE.parents[1] / "results" / "reference" / "kayed2020"
START, END = "<!-- speed: made by benchmarks/speed/measure_speed.py -->", "<!-- end of speed -->"
NETWORKS = ("lenet5", "cnn", "cnn-softmax", "cnn-svm", "cnn-bn", "cnn-bn-skip")
TRIALS, EQUIVALENCE = "trials", "equivalence"
PARTS = (*NETWORKS, *CLASSICAL, TRIALS, EQUIVALENCE)


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    epochs: int = 3  # after one that warms up
    lenet_images: int = 60_000
    cnn_images: int = 6_000
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


def measure_network(name: str, sizes: Sizes, data: Path | None) -> NetworkSpeed:
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
    return NetworkSpeed(
        seconds=median,
        accuracy=dict(zip(ways, (100 * accuracy for accuracy in accuracies), strict=True)),
        ratio=statistics.median(ratios),
        rate_share=flops / median[OURS] / statistics.median(rates[1:]),
        n=sizes.epochs,
        images=n_images,
        compiled=sizes.compile,
    )


def measure_classical(name: str, sizes: Sizes, data: Path | None) -> ClassicalSpeed:
    """Measure fit and predict of a classical row with scikit-learn alone, and with the extra."""
    from classical_speed import time_row

    from fmbench.datasets import loading, locate
    from fmbench.execution.process import use_threads

    images = loading.load_dataset(locate.locate_dataset(folder=data, fetch=True))
    use_threads(1)
    found = {way: time_row(name, images, sizes.n_classical, way == PLAIN) for way in (PLAIN, OURS)}
    print(name, found, flush=True)
    return ClassicalSpeed(
        seconds={way: timing.total for way, timing in found.items()},
        accuracy={way: timing.accuracy for way, timing in found.items()},
        ratio=found[OURS].total / found[PLAIN].total,
        n=1,
        n_train=sizes.n_classical[0],
        n_test=sizes.n_classical[1],
    )


def measure_trials(sizes: Sizes, data: Path | None) -> TrialsSpeed:
    """Time ten trainings of LeNet-5 on all cores, a seed each: by fmbench and the plain loop."""
    from lenet_speed import measure_jobs

    found = measure_jobs(
        sizes.trials, "cpu", data, n_epochs=sizes.epochs, n_images=sizes.lenet_images,
        quick=sizes.quick,
    )  # fmt: skip
    names = ("trials", "epochs", "seconds", "n", "jobs", "cores", "accuracy", "sd")
    return TrialsSpeed(
        plain_seconds=found["plain seconds"], **{name: found[name] for name in names}
    )


def measure_equivalence(sizes: Sizes, data: Path | None) -> Equivalence:
    """Train LeNet-5 with several seeds and both loops; compare the accuracies."""
    from lenet_equivalence import MARGIN, compare, train

    found: dict[str, list[float]] = {"fmbench": [], "plain": []}
    for seed in range(sizes.seeds):
        for way, accuracies in found.items():
            run = train(way, seed, sizes.recipe_epochs, data, sizes.lenet_images)
            print(run, flush=True)
            accuracies.append(run["accuracy"])
    _, p = compare(found["fmbench"], found["plain"], MARGIN)
    return Equivalence(**found, p=p, margin=MARGIN, epochs=run["epochs"])


def measure_part(name: str, sizes: Sizes, data: Path | None, speed: Speed) -> None:
    """Measure one part, and put it into ``speed``."""
    if name in NETWORKS:
        speed.networks[name] = measure_network(name, sizes, data)
    elif name in CLASSICAL:
        speed.classical[name] = measure_classical(name, sizes, data)
    elif name == TRIALS:
        speed.trials = measure_trials(sizes, data)
    else:
        speed.equivalence = measure_equivalence(sizes, data)


def list_measured(speed: Speed) -> list[str]:
    """List the parts that were measured already."""
    found = [*speed.networks, *speed.classical]
    found += [TRIALS] if speed.trials else []
    return found + ([EQUIVALENCE] if speed.equivalence else [])


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


def format_tables(speed: Speed) -> str:
    """Make what README.md says; a part that was not measured is left out."""
    tables = build_speed_tables(speed)
    return "\n".join(f"###{format_markdown(table)[1:]}" for table in tables).strip()


def write_tables(speed: Speed) -> None:
    """Put the tables into README.md, between its two marks."""
    text = README.read_text(encoding="utf-8")
    written = replace_between(text, START, END, f"\n\n{format_tables(speed)}\n\n")
    README.write_text(written, encoding="utf-8")


# ------------------------------------------------------------------------------------------ main


def measure_parts(options: argparse.Namespace) -> Speed:
    """Measure the parts that the user names, by default those without a result; save each one."""
    speed = Speed() if options.quick else read_speed(FOLDER) or Speed()
    if speed.machine != describe_machine():
        speed = Speed(describe_machine())
    sizes = QUICK if options.quick else Sizes()
    measured = list_measured(speed)
    for name in options.names or [name for name in PARTS if name not in measured]:
        measure_part(name, sizes, options.data, speed)
        if not options.quick:
            write_speed(FOLDER, speed)
            write_tables(speed)
    return speed


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
        speed = read_speed(FOLDER)
        if speed is None:
            parser.error("nothing was measured yet: leave out --only-tables")
        write_tables(speed)
    else:
        for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            os.environ[variable] = "1"  # the libraries read them while they load
        import torch

        torch.set_num_threads(1)
        speed = measure_parts(options)
    print(format_tables(speed))


if __name__ == "__main__":
    main()
