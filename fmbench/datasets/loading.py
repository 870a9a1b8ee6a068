"""Reads the files of a data set, after checking the SHA-256 of each.

Many data sets use MNIST's four file names, so only its checksum tells what a file is. All code
that needs images or labels gets them from here.

Training images, test images and test labels have separate functions, because a process that runs
a model never opens the test labels.
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fmbench.datasets.specs import (
    DATASETS,
    FILES,
    TEST_IMAGES,
    TEST_LABELS,
    TRAIN_IMAGES,
    TRAIN_LABELS,
    DatasetSpec,
    LocatedDataset,
)
from fmbench.errors import UserError

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Dataset:
    """All images and labels of a data set, for users to look at; models never get this object.

    ``X_*`` are ``uint8 (n, 28, 28)``, ``y_*`` are ``uint8 (n,)``.
    """

    source: LocatedDataset
    X_train: np.ndarray
    y_train: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray


def load_dataset(source: LocatedDataset) -> Dataset:
    """Read and check all four files; raises UserError unless each is the genuine one."""
    X_train, y_train = load_train(source)
    return Dataset(source, X_train, y_train, load_test_images(source), load_test_labels(source))


def load_train(source: LocatedDataset) -> tuple[np.ndarray, np.ndarray]:
    """Read the training images ``uint8 (n_train, 28, 28)`` and labels ``uint8 (n_train,)``."""
    return read_idx(source, TRAIN_IMAGES), read_idx(source, TRAIN_LABELS)


def load_test_images(source: LocatedDataset) -> np.ndarray:
    """Read the test images ``uint8 (n_test, 28, 28)``."""
    return read_idx(source, TEST_IMAGES)


def load_test_labels(source: LocatedDataset) -> np.ndarray:
    """Read the test labels ``uint8 (n_test,)``, to score predictions; a model never gets them."""
    return read_idx(source, TEST_LABELS)


_preloaded: dict[tuple[str, Path, str], np.ndarray] = {}


def preload_files(source: LocatedDataset, files: Iterable[str]) -> None:
    """Read files now, so that this process and those forked from it have them in memory."""
    for file in files:
        _preloaded[source.spec.name, source.folder, file] = read_idx(source, file)


def read_idx(source: LocatedDataset, file: str) -> np.ndarray:
    """Read one of :data:`FILES` as ``uint8``; raises UserError unless it is the genuine file."""
    import numpy as np

    if (array := _preloaded.get((source.spec.name, source.folder, file))) is not None:
        return array
    content = read_verified_file(source.spec, source.folder, file)
    n_dims = content[3]
    shape = tuple(int.from_bytes(content[4 + 4 * i : 8 + 4 * i], "big") for i in range(n_dims))
    return np.frombuffer(content, np.uint8, offset=4 + 4 * n_dims).reshape(shape)


def verify_files(spec: DatasetSpec, folder: Path) -> None:
    """Check all four files of ``folder``; raises UserError at the first that is not genuine."""
    for file in FILES:
        read_verified_file(spec, folder, file)


def read_verified_file(spec: DatasetSpec, folder: Path, file: str) -> bytes:
    """Read one of :data:`FILES` in ``folder``, and return its unpacked content.

    Raises:
        UserError: the file is missing, damaged, or not the genuine one.
    """
    path = find_file(spec, folder, file)
    try:
        stored = path.read_bytes()
        content = gzip.decompress(stored) if path.suffix == ".gz" else stored
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise UserError(
            f"{path} is truncated or damaged ({error}): delete it and fetch it again"
        ) from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    found = hashlib.sha256(stored if spec.only_gz else content).hexdigest()
    if found == spec.checksums[file]:
        return content
    _refuse_known_file(spec, path, {hashlib.sha256(data).hexdigest() for data in (stored, content)})
    hint = " (it must be the published .gz file, not packed again)" if spec.only_gz else ""
    raise UserError(
        f"{path} is not the genuine {spec.title} file (SHA-256 {found[:12]}..., "
        f"expected {spec.checksums[file][:12]}...): delete it and fetch it again{hint}"
    )


def _refuse_known_file(spec: DatasetSpec, path: Path, checksums: set[str]) -> None:
    """Raise UserError if a file with these checksums belongs to a declared data set."""
    for other in DATASETS.values():
        if checksums.isdisjoint(other.checksums.values()):
            continue
        if other.name == spec.name:
            holds = f"holds another file of {spec.title}: it was renamed"
        else:
            holds = f"holds {other.title}, not {spec.title} (the two use the same file names)"
        raise UserError(f"{path} {holds}: give the folder of {spec.title} with {spec.option}")


def find_file(spec: DatasetSpec, folder: Path, file: str) -> Path:
    """Find one of :data:`FILES` in ``folder``, packed or unpacked.

    Raises:
        UserError: it is not there, or it is unpacked and only the ``.gz`` file can be checked.
    """
    unpacked = folder / spec.file_name(file)
    packed = folder / f"{unpacked.name}.gz"
    if packed.is_file():
        return packed
    if unpacked.is_file():
        if spec.only_gz:
            raise UserError(
                f"{unpacked} is unpacked and cannot be checked, because only the SHA-256 of the "
                f"packed file is known: put {packed.name} beside it"
            )
        return unpacked
    package = (
        f"install the package {spec.debian_package} (Debian, Ubuntu), or "
        if spec.debian_package
        else ""
    )
    raise UserError(
        f"{folder} holds no {packed.name}: {package}"
        f"name a folder that has the four files with {spec.option}"
    )


def has_all_files(spec: DatasetSpec, folder: Path) -> bool:
    """Whether ``folder`` has the four files, genuine or not."""
    try:
        for file in FILES:
            find_file(spec, folder, file)
    except UserError:
        return False
    return True
