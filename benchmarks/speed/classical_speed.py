"""Compares the accelerator of the extra `fast` with plain scikit-learn: SVC and k-neighbours.

Both run the recipe of fmbench's runner on the same images, one after the other in one process, with
one thread. Without --full only a part of the images is used. That favours plain scikit-learn,
because the time of its SVC grows faster than linearly.

    python benchmarks/speed/classical_speed.py            # 10,000 training and 2,000 test images
    python benchmarks/speed/classical_speed.py --full     # all images: about 15 minutes
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--data", type=Path)
    options = parser.parse_args()
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = "1"

    from fmbench import runners
    from fmbench.datasets import loading, locate
    from fmbench.execution.process import use_threads
    from fmbench.models import accelerators
    from fmbench.utils import environment

    if not accelerators.is_installed():
        sys.exit("classical_speed: the extra is not installed: pip install 'fmbench[fast]'")
    data = loading.load_dataset(locate.locate_dataset(folder=options.data, fetch=True))
    n_train, n_test = (60_000, 10_000) if options.full else (10_000, 2_000)
    X_train, y_train = data.X_train[:n_train], data.y_train[:n_train]
    X_test, y_test = data.X_test[:n_test], data.y_test[:n_test]
    use_threads(1)
    versions = environment.collect_versions()
    print(f"{n_train:,} training, {n_test:,} test images; one thread; {environment.cpu_name()}; "
          f"scikit-learn {versions['scikit-learn']}, "
          f"scikit-learn-intelex {versions['scikit-learn-intelex']}")  # fmt: skip
    print(f"{'runner':12} {'library':8} {'fit s':>8} {'predict s':>10} {'accuracy %':>11}")
    for name in ("svc-rbf", "k-neighbors"):
        totals = {}
        for library in ("sklearn", "sklearnex"):
            with accelerators.use_library(library):
                runner = runners.get_runner(name)
                classifier = runner.build(runner.resolve(), seed=0, device="cpu")
            start = time.perf_counter()
            classifier.fit(X_train, y_train)
            middle = time.perf_counter()
            accuracy = 100 * (classifier.predict(X_test) == y_test).mean()
            end = time.perf_counter()
            totals[library] = end - start
            print(f"{name:12} {library:8} {middle - start:8.1f} {end - middle:10.1f} "
                  f"{accuracy:11.2f}", flush=True)  # fmt: skip
        ratio = totals["sklearnex"] / totals["sklearn"]
        print(f"{name}: ratio accelerated / plain {ratio:.2f} (n=1)", flush=True)


if __name__ == "__main__":
    main()
