"""Fetches what `measure.py` needs on a machine without a network, into the folder .gpu.

The wheels are those of the packages that an image with PyTorch often lacks, for the Python and the
kind of machine that the options name. `measure.py` installs only those that are missing there. The
data are Fashion-MNIST, the MNIST digits and the first release of Fashion-MNIST, checked; the last
is left out if no server gives it. Copy the checkout with .gpu to the machine.

    python benchmarks/gpu/fetch.py
    python benchmarks/gpu/fetch.py --python 3.13
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fmbench.datasets.specs import DatasetSpec

ROOT = Path(__file__).parents[2]
FETCHED = ROOT / ".gpu"

# Everything that the steps import, with what these import, but without the large packages that
# belong to any image with PyTorch: numpy, scipy, scikit-learn, scikit-image, pandas and matplotlib.
WHEELS = (
    "certifi", "cffi", "charset-normalizer", "click", "deap", "filelock", "hypothesis", "idna",
    "iniconfig", "jinja2", "joblib", "markdown-it-py", "markupsafe", "mdurl", "moocore", "msgspec",
    "packaging", "platformdirs", "pluggy", "pooch", "psutil", "pycparser", "pygments", "pytest",
    "requests", "rich", "sortedcontainers", "tabulate", "threadpoolctl", "urllib3",
)  # fmt: skip
# What makes rows fast, in a folder of their own because these wheels are large.
FAST_WHEELS = (
    "cuda-bindings", "cuda-pathfinder", "daal", "llvmlite", "numba", "scikit-learn-intelex", "tbb",
    "tcmlib", "umf",
)  # fmt: skip
# pip takes a wheel only if its platform is named exactly.
PLATFORMS = [f"manylinux_2_{n}_{{machine}}" for n in (34, 31, 28, 27, 24, 17, 12, 5)]
PLATFORMS += [f"manylinux{name}_{{machine}}" for name in ("2014", "2010", "1")]


def fetch_wheels(names: tuple[str, ...], folder: Path, python: str, machine: str) -> None:
    """Download the wheels of some packages, in the tested versions where there are such."""
    temporary = folder.with_name(folder.name + ".part")
    shutil.rmtree(temporary, ignore_errors=True)
    command = [
        sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:",
        "--python-version", python, "--implementation", "cp",
        "--constraint", str(ROOT / "constraints.txt"), "--dest", str(temporary),
    ]  # fmt: skip
    for platform in PLATFORMS:
        command += ["--platform", platform.format(machine=machine)]
    subprocess.run([*command, *names], check=True)
    shutil.rmtree(folder, ignore_errors=True)
    temporary.replace(folder)


def fetch_data(folder: Path, digits: Path | None, first_release: Path | None) -> None:
    """Copy the data sets from where fmbench finds them, or fetch them; all are checked.

    ``digits`` and ``first_release`` are folders that the user names, if any. Only the first release
    of Fashion-MNIST may be missing, unless its folder was named; one line says so then.
    """
    from fmbench.datasets.specs import FASHION_MNIST, FIRST_RELEASE, MNIST_DIGITS
    from fmbench.errors import UserError

    copy_data(FASHION_MNIST, folder, None)
    copy_data(MNIST_DIGITS, folder, digits)
    try:
        copy_data(FIRST_RELEASE, folder, first_release)
    except UserError as error:
        if first_release is not None:
            raise
        what = str(error).replace(FIRST_RELEASE.option, "--first-release DIR")
        print(f"the step forensics will lack the cells on these images: {what}")


def copy_data(spec: DatasetSpec, folder: Path, given: Path | None) -> None:
    """Copy a data set into a folder of its own below ``folder``; raises UserError."""
    from fmbench.datasets.loading import find_genuine_file, verify_files
    from fmbench.datasets.locate import locate_dataset
    from fmbench.datasets.specs import FILES

    source = locate_dataset(spec, given, fetch=True)
    verify_files(spec, source.folder)
    target = folder / spec.name
    target.mkdir(parents=True, exist_ok=True)
    for file in FILES:
        path = find_genuine_file(spec, source.folder, file)
        shutil.copyfile(path, target / path.name)
    verify_files(spec, target)
    print(f"{target}: {spec.title}, from {source.origin}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--python", default="3.12", help="version of Python there [3.12]")
    parser.add_argument("--machine", default="x86_64", help="its processor [x86_64]")
    parser.add_argument("--digits", type=Path, help="folder with the MNIST digits")
    parser.add_argument("--first-release", type=Path,
                        help="folder with the first release of Fashion-MNIST")  # fmt: skip
    parser.add_argument("--no-data", action="store_true", help="only the wheels")
    options = parser.parse_args()
    fetch_wheels(WHEELS, FETCHED / "wheels", options.python, options.machine)
    if options.machine == "x86_64":
        fetch_wheels(FAST_WHEELS, FETCHED / "wheels-fast", options.python, options.machine)
    if not options.no_data:
        from fmbench.errors import UserError

        try:
            fetch_data(FETCHED / "data", options.digits, options.first_release)
        except UserError as error:
            sys.exit(str(error))
    for path in sorted(FETCHED.iterdir()):
        size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
        print(f"{path}: {size / 2**20:.1f} MiB")


if __name__ == "__main__":
    main()
