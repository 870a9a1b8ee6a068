"""Compares fmbench with what a user would run instead, and writes the table into README.md.

The networks: the plain DataLoader loop, PyTorch at its best, JAX, Keras 3 and fmbench train the
same network on the same images from the same weights. They take turns after a few batches, and the
seconds are CPU seconds of the process on one thread, so that other load disturbs all alike. The
first epoch warms up. The classical rows: scikit-learn with and without the extra `fast`.

    pip install jax keras
    python benchmarks/speed/peers.py --epochs 2              # measures, and writes peers.json
    python benchmarks/speed/peers.py --only-table            # the table in README.md again
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import statistics
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RESULTS, README = HERE / "peers.json", HERE.parent / "README.md"
START, END = "<!-- speed: made by benchmarks/speed/peers.py -->", "<!-- end of speed -->"
NETWORKS = ("lenet5", "cnn", "cnn-softmax")
CLASSICAL = ("svc-rbf", "k-neighbors")
N_CLASSICAL = (10_000, 2_000)  # training and test images: a part, which favours scikit-learn
PLAIN, OURS = "plain loop", "fmbench"


def measure_network(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Measure every way on one network; seconds are medians over the epochs."""
    from cnn_speed import flops_per_image, gemm_rate
    from peer_loops import best_torch_way, jax_way, keras_way
    from side_by_side import Task, Turns, fmbench_way, plain_way

    ways = {PLAIN: plain_way, "best PyTorch": best_torch_way, OURS: fmbench_way}
    for library, title, way in (("jax", "JAX", jax_way), ("keras", "Keras 3 on JAX", keras_way)):
        if importlib.util.find_spec(library):
            ways[title] = way
    n_epochs = options.epochs + 1
    task = Task(
        name, options.images, n_epochs, 1, "cpu", options.data, clock="cpu",
        compile=not options.no_compile,
    )  # fmt: skip
    classifier = task.classifier()
    n_turns = task.n_turns(classifier.config.batch_size)
    rates, epochs = [], []
    with Turns(task, *ways.values()) as turns:
        for epoch in range(n_epochs):
            epochs.append(turns.next(n_turns))
            rates.append(gemm_rate("cpu", clock=time.process_time))
            print(name, epoch or "warm-up", dict(zip(ways, epochs[-1], strict=True)), flush=True)
        accuracies = turns.results()
    seconds = {way: [epoch[i] for epoch in epochs[1:]] for i, way in enumerate(ways)}
    flops = flops_per_image(classifier) * options.images
    median = {way: statistics.median(found) for way, found in seconds.items()}
    ratios = [ours / plain for ours, plain in zip(seconds[OURS], seconds[PLAIN], strict=True)]
    return {
        "seconds": median,
        "accuracy": dict(zip(ways, (100 * accuracy for accuracy in accuracies), strict=True)),
        "ratio": statistics.median(ratios),
        "share of product rate": flops / median[OURS] / statistics.median(rates[1:]),
        "n": options.epochs,
        "images": options.images,
    }


def measure_classical(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Measure fit and predict of a classical row with scikit-learn, and with intelex."""
    from fmbench import runners
    from fmbench.datasets import loading, locate
    from fmbench.execution.process import use_threads
    from fmbench.models import accelerators

    data = loading.load_dataset(locate.locate_dataset(folder=options.data, fetch=True))
    n_train, n_test = N_CLASSICAL
    use_threads(1)
    seconds, accuracy = {}, {}
    libraries = {PLAIN: "sklearn", OURS: "sklearnex"}
    for way, library in libraries.items():
        with accelerators.use_library(library):
            runner = runners.get_runner(name)
            classifier = runner.build(runner.resolve(), seed=0, device="cpu")
        start = time.process_time()
        classifier.fit(data.X_train[:n_train], data.y_train[:n_train])
        found = classifier.predict(data.X_test[:n_test])
        seconds[way] = time.process_time() - start
        accuracy[way] = 100 * float((found == data.y_test[:n_test]).mean())
        print(name, library, seconds[way], flush=True)
    return {"seconds": seconds, "accuracy": accuracy, "ratio": seconds[OURS] / seconds[PLAIN],
            "n": 1, "images": n_train}  # fmt: skip


def describe_machine() -> dict[str, str]:
    """Return the machine and the versions of the libraries."""
    from fmbench.utils import environment

    found = {"processor": environment.cpu_name()}
    for library in ("torch", "numba", "jax", "keras", "scikit-learn", "scikit-learn-intelex"):
        try:
            found[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            found[library] = "not installed"
    return found


def format_table(results: dict[str, Any]) -> str:
    """Make the table of README.md from the results."""
    titles = (PLAIN, "best PyTorch", "JAX", "Keras 3 on JAX", OURS)
    lines = [
        "| row | " + " | ".join(f"{title} s" for title in titles)
        + " | fmbench / plain | of product rate | n |",
        "|---|" + "---:|" * (len(titles) + 3),
    ]  # fmt: skip
    for name, row in results["rows"].items():
        cells = []
        for title in titles:
            if title in row["seconds"]:
                cells.append(f"{row['seconds'][title]:.1f} ({row['accuracy'][title]:.1f} %)")
            else:
                cells.append("–")
        share = row.get("share of product rate")
        cells += [f"{row['ratio']:.2f}", f"{share:.0%}" if share else "–", str(row["n"])]
        lines.append(f"| `{name}`, {row['images']:,} images | " + " | ".join(cells) + " |")
    machine = results["machine"]
    versions = ", ".join(f"{name} {found}" for name, found in list(machine.items())[1:])
    lines += [
        "",
        f"CPU seconds on one thread of an {machine['processor']}; for a network those of one epoch "
        "(median of n epochs after one that warms up), for a classical row fit and predict with "
        f"{N_CLASSICAL[0]:,} and {N_CLASSICAL[1]:,} images. In brackets "
        "the accuracy on the test images after these few epochs. The last columns: fmbench's "
        "seconds over the plain loop's (for a classical row: scikit-learn's), and its rate of "
        "floating-point operations, as the network defines them, over that of one large matrix "
        "product, which was measured between the epochs; it can exceed 100 %, because some layers "
        f"need fewer operations than they define. Versions: {versions}.",
    ]  # fmt: skip
    return "\n".join(lines)


def write_table(results: dict[str, Any]) -> None:
    """Put the table into README.md, between its two marks."""
    text = README.read_text()
    before, after = text.split(START)[0], text.split(END)[1]
    README.write_text(f"{before}{START}\n\n{format_table(results)}\n\n{END}{after}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", default=[*NETWORKS, *CLASSICAL], metavar="ROW")
    parser.add_argument("--epochs", type=int, default=2, help="after one that warms up")
    parser.add_argument("--images", type=int, default=60_000, help="of the training set")
    parser.add_argument("--no-compile", action="store_true", help="PyTorch without torch.compile")
    parser.add_argument("--only-table", action="store_true", help="measure nothing")
    parser.add_argument("--data", type=Path)
    options = parser.parse_args()
    results: dict[str, Any] = {"machine": {}, "rows": {}}
    if RESULTS.exists():
        results = json.loads(RESULTS.read_text())
    if not options.only_table:
        import torch

        torch.set_num_threads(1)
        if results["machine"] != describe_machine():
            results = {"machine": describe_machine(), "rows": {}}
        for name in options.names:
            measure = measure_classical if name in CLASSICAL else measure_network
            results["rows"][name] = measure(name, options)
            RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    write_table(results)
    print(format_table(results))


if __name__ == "__main__":
    main()
