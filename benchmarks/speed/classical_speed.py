"""Compares the rows that the extra `fast` makes faster with plain scikit-learn.

Those are the SVC, the nearest neighbours, the linear SVC and logistic regression. Both ways fit the
recipe of fmbench's runner on the same images, one after the other in one process, with one thread.
The seconds are processor time, so another load on the machine hardly changes them; what numba needs
to compile is not in them. Without --full only a part of the images is used. That favours plain
scikit-learn, because the time of its SVC grows faster than linearly.

    python benchmarks/speed/classical_speed.py            # 10,000 training and 2,000 test images
    python benchmarks/speed/classical_speed.py --full     # all images: about an hour
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import warnings
from pathlib import Path

ROWS = ("svc-rbf", "k-neighbors", "linear-svc", "logistic-regression")
LIBRARIES = ("sklearn", "fast")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=ROWS, metavar="ROW")
    options = parser.parse_args()
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = "1"

    from sklearn.exceptions import ConvergenceWarning

    from fmbench import runners
    from fmbench.datasets import loading, locate
    from fmbench.execution.process import use_threads
    from fmbench.models import accelerators
    from fmbench.utils import environment

    if not (accelerators.has_intelex() and accelerators.has_numba()):
        sys.exit("classical_speed: the extra is not installed: pip install 'fmbench[fast]'")
    warnings.simplefilter("ignore", ConvergenceWarning)  # the recipe of the linear SVC stops early
    data = loading.load_dataset(locate.locate_dataset(folder=options.data, fetch=True))
    n_train, n_test = (60_000, 10_000) if options.full else (10_000, 2_000)
    X_train, y_train = data.X_train[:n_train], data.y_train[:n_train]
    X_test, y_test = data.X_test[:n_test], data.y_test[:n_test]
    use_threads(1)
    versions = environment.collect_versions()
    print(f"{n_train:,} training, {n_test:,} test images; one thread; {environment.cpu_name()}; "
          f"scikit-learn {versions['scikit-learn']}, numba {versions['numba']}, "
          f"scikit-learn-intelex {versions['scikit-learn-intelex']}")  # fmt: skip
    print(f"{'runner':20} {'library':8} {'fit s':>8} {'predict s':>10} {'accuracy %':>11}")
    for name in options.rows:
        runner = runners.get_runner(name)
        totals = {}
        for library in LIBRARIES:
            with accelerators.use_only_sklearn(library == "sklearn"):
                first, classifier = (
                    runner.build(runner.resolve(), seed=0, device="cpu") for _ in range(2)
                )
                first.fit(X_train[:50], y_train[:50])  # imports and compiles
                start = time.process_time()
                classifier.fit(X_train, y_train)
                middle = time.process_time()
                accuracy = 100 * (classifier.predict(X_test) == y_test).mean()
                end = time.process_time()
            totals[library] = end - start
            print(f"{name:20} {library:8} {middle - start:8.1f} {end - middle:10.1f} "
                  f"{accuracy:11.2f}", flush=True)  # fmt: skip
        print(f"{name}: fast / plain {totals['fast'] / totals['sklearn']:.2f} (n=1)", flush=True)


if __name__ == "__main__":
    main()
