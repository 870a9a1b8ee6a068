"""Reads the files of a data set, after checking the SHA-256 of each.

Many data sets use MNIST's four file names, so only its checksum tells what a file is. All code
that needs images or labels gets them from here. A file may be packed or unpacked, whatever its name
says, and may lie in a folder below the named one; the first genuine one is read.

Training images, test images and test labels have separate functions, because a process that runs
a model never opens the test labels.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fmbench.datasets.search import is_regular_file, list_folders, read_file
from fmbench.datasets.specs import (
    DATASETS,
    FILES,
    OLD_LABELS,
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

MAX_CANDIDATES = 20  # files of one name in one folder and those below
GZIP_START = b"\x1f\x8b"
IDX_START = b"\0\0\x08"  # of bytes; the number of dimensions follows
# What files are that were put where a data set's file should be, by their first bytes.
KNOWN_STARTS = {
    b"PK\x03\x04": "a ZIP archive",
    b"\x93NUMPY": "a NumPy array",
    b"PAR1": "a Parquet file",
    b"\x89HDF": "an HDF5 file",
    b"\x89PNG": "a PNG image",
    b"\x80\x02": "a pickle, which fmbench does not read",
    b"version https://git-lfs": "a pointer of Git LFS in place of the file",
    b"<!doctype html": "a web page",
    b"<html": "a web page",
    b"<?xml": "an XML page",
}


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
    """Read one of :data:`FILES` in ``folder`` or below, and return its unpacked content.

    Raises:
        UserError: the file is missing, damaged, or not the genuine one.
    """
    return _read_genuine_file(spec, folder, file)[1]


def find_genuine_file(spec: DatasetSpec, folder: Path, file: str) -> Path:
    """Find the file that :func:`read_verified_file` reads; raises the same errors."""
    return _read_genuine_file(spec, folder, file)[0]


def _read_genuine_file(spec: DatasetSpec, folder: Path, file: str) -> tuple[Path, bytes]:
    """Return the first candidate that is genuine, and its unpacked content."""
    refusals = []
    for path in _find_candidates(spec, folder, file):
        try:
            return path, _read_candidate(spec, path, file)
        except UserError as error:
            refusals.append(str(error))
    if not refusals:
        raise _explain_missing_file(spec, folder, file)
    tried = f" ({len(refusals)} files of this kind were tried)" if len(refusals) > 1 else ""
    raise UserError(refusals[0] + tried)


def _read_candidate(spec: DatasetSpec, path: Path, file: str) -> bytes:
    """Read and unpack a file; raises UserError unless it is the genuine one."""
    limit = max(spec.max_bytes, *(other.max_bytes for other in DATASETS.values()))
    stored = read_file(path, limit + limit // 1000)
    content = _unpack(path, stored, limit)
    if spec.only_gz and content is stored:
        raise UserError(
            f"{path} is unpacked and cannot be checked, because only the SHA-256 of the "
            f"packed file is known: {_describe_remedy(spec)}"
        )
    found = hashlib.sha256(stored if spec.only_gz else content).hexdigest()
    if found == spec.checksums[file]:
        return content
    checksums = {hashlib.sha256(data).hexdigest() for data in (stored, content)}
    if owner := recognise_file(spec, checksums):
        raise UserError(f"{path} {owner}: give the folder of {spec.title} with {spec.option}")
    is_repacked = spec.only_gz and content.startswith(IDX_START)
    is_what = None if is_repacked else describe_content(content)
    hint = " (it must be the published .gz file, not packed again)" if spec.only_gz else ""
    raise UserError(
        f"{path} is {f'{is_what}, ' if is_what else ''}not the genuine {spec.title} file (SHA-256 "
        f"{found[:12]}..., expected {spec.checksums[file][:12]}...)"
        f"{_recognise_labels_beside(spec, path)}: delete it and fetch it again{hint}"
    )


def _unpack(path: Path, stored: bytes, limit: int) -> bytes:
    """Unpack a gzip file of at most ``limit`` bytes; return any other content as it is."""
    if not stored.startswith(GZIP_START):
        return stored
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(stored)) as file:
            content = file.read(limit + 1)
    except (EOFError, OSError, zlib.error) as error:
        raise UserError(
            f"{path} is truncated or damaged ({error}): delete it and fetch it again"
        ) from None
    if len(content) > limit:
        raise UserError(
            f"{path} unpacks to more than {limit:,} bytes, so it is no file of a known data set"
        )
    return content


def recognise_file(spec: DatasetSpec, checksums: set[str]) -> str | None:
    """Say which data set holds a file with one of these checksums; None if none is known.

    The answer is the end of a sentence about a file that should be one of ``spec``.
    """
    for other in DATASETS.values():
        if checksums.isdisjoint(other.checksums.values()):
            continue
        if other.name == spec.name:
            return f"holds another file of {spec.title}: it was renamed"
        return f"holds {other.title}, not {spec.title} (the two use the same file names)"
    for checksum in checksums & OLD_LABELS.keys():
        return f"holds {OLD_LABELS[checksum]}, not {spec.title}"
    return None


def _recognise_labels_beside(spec: DatasetSpec, path: Path) -> str:
    """Say whose labels lie beside a file that is not genuine; empty if they are not known."""
    for file in (TRAIN_LABELS, TEST_LABELS):
        for labels in (path.parent / name for name in _list_names(spec, file)):
            if labels == path or not is_regular_file(labels):
                continue
            try:
                stored = read_file(labels, spec.max_bytes)
                content = _unpack(labels, stored, spec.max_bytes)
            except UserError:  # a note on another file, whose own error comes first
                continue
            checksums = {hashlib.sha256(data).hexdigest() for data in (stored, content)}
            if checksums.isdisjoint(spec.checksums.values()) and (
                owner := recognise_file(spec, checksums)
            ):
                return f"; {labels.name} beside it {owner}"
    return ""


def describe_content(content: bytes) -> str | None:
    """Say what a file is that is no known file of a data set, by its first bytes."""
    if not content:
        return "empty"
    start = content[:64].lstrip().lower()
    for known, what in KNOWN_STARTS.items():
        if content.startswith(known) or start.startswith(known):
            return what
    if content.startswith(IDX_START) and len(content) > 3 and 0 < content[3] < 4:
        sizes = (int.from_bytes(content[i : i + 4], "big") for i in range(4, 4 + 4 * content[3], 4))
        return f"an IDX file of {' x '.join(map(str, sizes))} bytes"
    return None


def _list_names(spec: DatasetSpec, file: str) -> list[str]:
    """List the names that one of :data:`FILES` may have, the published one first."""
    name = spec.file_name(file)
    names = dict.fromkeys((name, name.replace("-idx", ".idx")))
    endings = (".gz",) if spec.only_gz else (".gz", "")
    return [f"{name}{ending}" for name in names for ending in endings]


def _find_candidates(spec: DatasetSpec, folder: Path, file: str) -> Iterator[Path]:
    """Yield the files that may be one of :data:`FILES`: those in ``folder``, then those below."""
    names = _list_names(spec, file)
    found = [path for path in (folder / name for name in names) if is_regular_file(path)]
    yield from found
    n_left = MAX_CANDIDATES - len(found)
    for below in list_folders(spec, folder)[1:]:
        for path in (below / name for name in names):
            if n_left and is_regular_file(path):
                n_left -= 1
                yield path


def find_file(spec: DatasetSpec, folder: Path, file: str) -> Path:
    """Find one of :data:`FILES` in ``folder`` or below, packed or unpacked, genuine or not.

    Raises:
        UserError: it is not there, or it is unpacked and only the ``.gz`` file can be checked.
    """
    for path in _find_candidates(spec, folder, file):
        return path
    raise _explain_missing_file(spec, folder, file)


def _explain_missing_file(spec: DatasetSpec, folder: Path, file: str) -> UserError:
    unpacked = folder / spec.file_name(file)
    if spec.only_gz and is_regular_file(unpacked):
        return UserError(
            f"{unpacked} is unpacked and cannot be checked, because only the SHA-256 of the "
            f"packed file is known: {_describe_remedy(spec)}"
        )
    package = (
        f"install the package {spec.debian_package} (Debian, Ubuntu), or "
        if spec.debian_package
        else ""
    )
    return UserError(
        f"{folder} holds no {unpacked.name}.gz: {package}"
        f"name a folder that has the four files with {spec.option}"
    )


def _describe_remedy(spec: DatasetSpec) -> str:
    return f"put the published .gz file beside it, or run `fmbench data {spec.name}` to fetch it"


def has_all_files(spec: DatasetSpec, folder: Path) -> bool:
    """Whether ``folder`` has the four files, genuine or not."""
    try:
        for file in FILES:
            find_file(spec, folder, file)
    except UserError:
        return False
    return True
