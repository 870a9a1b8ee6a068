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
from typing import Any, NamedTuple

ROWS = ("svc-rbf", "k-neighbors", "linear-svc", "logistic-regression")
PART, ALL = (10_000, 2_000), (60_000, 10_000)  # training and test images
N_WARM_UP = 50  # images


class Timing(NamedTuple):
    """Seconds of processor time of a fit and of its predictions, and their accuracy in percent."""

    fit: float
    predict: float
    accuracy: float

    @property
    def total(self) -> float:
        """The seconds of fit and predictions together."""
        return self.fit + self.predict


def time_row(name: str, images: Any, sizes: tuple[int, int], only_sklearn: bool) -> Timing:
    """Fit a row once, with scikit-learn alone or with the extra, and predict the test images.

    ``sizes`` are the numbers of training and test images of ``images`` that are used.
    """
    from sklearn.exceptions import ConvergenceWarning

    from fmbench import runners
    from fmbench.models import accelerators

    (n_train, n_test), runner = sizes, runners.get_runner(name)
    X_train, y_train = images.X_train[:n_train], images.y_train[:n_train]
    with accelerators.use_only_sklearn(only_sklearn), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the linear SVC's recipe stops early
        first, classifier = (runner.build(runner.resolve(), seed=0, device="cpu") for _ in range(2))
        first.fit(X_train[:N_WARM_UP], y_train[:N_WARM_UP])  # imports and compiles
        start = time.process_time()
        classifier.fit(X_train, y_train)
        middle = time.process_time()
        found = classifier.predict(images.X_test[:n_test])
        end = time.process_time()
    accuracy = 100 * float((found == images.y_test[:n_test]).mean())
    return Timing(middle - start, end - middle, accuracy)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=ROWS, metavar="ROW")
    options = parser.parse_args()
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = "1"

    from fmbench.datasets import loading, locate
    from fmbench.execution.process import use_threads
    from fmbench.models import accelerators
    from fmbench.utils import environment

    if not (accelerators.has_intelex() and accelerators.has_numba()):
        sys.exit("classical_speed: the extra is not installed: pip install 'fmbench[fast]'")
    images = loading.load_dataset(locate.locate_dataset(folder=options.data, fetch=True))
    sizes = ALL if options.full else PART
    use_threads(1)
    versions = environment.collect_versions()
    print(f"{sizes[0]:,} training, {sizes[1]:,} test images; one thread; {environment.cpu_name()}; "
          f"scikit-learn {versions['scikit-learn']}, numba {versions['numba']}, "
          f"scikit-learn-intelex {versions['scikit-learn-intelex']}")  # fmt: skip
    print(f"{'runner':20} {'library':8} {'fit s':>8} {'predict s':>10} {'accuracy %':>11}")
    for name in options.rows:
        totals = {}
        for library, only_sklearn in (("sklearn", True), ("fast", False)):
            found = time_row(name, images, sizes, only_sklearn)
            totals[library] = found.total
            print(f"{name:20} {library:8} {found.fit:8.1f} {found.predict:10.1f} "
                  f"{found.accuracy:11.2f}", flush=True)  # fmt: skip
        print(f"{name}: fast / plain {totals['fast'] / totals['sklearn']:.2f} (n=1)", flush=True)


if __name__ == "__main__":
    main()
