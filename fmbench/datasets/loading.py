"""TODO docstring."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fmbench.datasets.specs import (
    FASHION_MNIST,
    FILES,
    SPECS,
    TEST_IMAGES,
    TEST_LABELS,
    TRAIN_IMAGES,
    TRAIN_LABELS,
    DatasetSpec,
    Source,
)
from fmbench.errors import UserError

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Dataset:
    """A whole data set, for looking at; a model is never handed one of these.

    ``X_*`` are ``uint8 (n, 28, 28)``, ``y_*`` are ``uint8 (n,)``.
    """

    source: Source
    X_train: np.ndarray
    y_train: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray


def load(source: Source) -> Dataset:
    """Read all four files, each checked."""
    X_train, y_train = load_train(source)
    return Dataset(source, X_train, y_train, load_test_images(source), load_test_labels(source))


def load_train(source: Source) -> tuple[np.ndarray, np.ndarray]:
    """Training images ``uint8 (60000, 28, 28)`` and labels ``uint8 (60000,)``."""
    return read_idx(source, TRAIN_IMAGES), read_idx(source, TRAIN_LABELS)


def load_test_images(source: Source) -> np.ndarray:
    """Test images ``uint8 (10000, 28, 28)``."""
    return read_idx(source, TEST_IMAGES)


def load_test_labels(source: Source) -> np.ndarray:
    """Test labels ``uint8 (10000,)``: for whoever scores predictions, never for a model."""
    return read_idx(source, TEST_LABELS)


_kept: dict[tuple[str, Path, str], np.ndarray] = {}


def keep(source: Source, names: Iterable[str]) -> None:
    """Read files now, for whatever this process and those forked from it will want of them."""
    for name in names:
        _kept[source.spec.name, source.folder, name] = read_idx(source, name)


def read_idx(source: Source, name: str) -> np.ndarray:
    """Read one file of ``source``; raises UserError unless it is the genuine one."""
    import numpy as np

    if (kept := _kept.get((source.spec.name, source.folder, name))) is not None:
        return kept
    content = checked_content(source.spec, source.folder, name)
    n_dims = content[3]
    shape = tuple(int.from_bytes(content[4 + 4 * i : 8 + 4 * i], "big") for i in range(n_dims))
    return np.frombuffer(content, np.uint8, offset=4 + 4 * n_dims).reshape(shape)


def checked_content(spec: DatasetSpec, folder: Path, name: str) -> bytes:
    """The decompressed IDX file ``name`` of ``folder``; raises UserError unless genuine."""
    path = _file_in(spec, folder, name)
    try:
        content = path.read_bytes()
        if path.suffix == ".gz":
            content = gzip.decompress(content)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise UserError(
            f"{path} is truncated or damaged ({error}): delete it and fetch it again"
        ) from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    found = hashlib.sha256(content).hexdigest()
    if found == spec.sha256[name]:
        return content
    for other in SPECS.values():
        if found in other.sha256.values():
            what = (
                f"holds {other.title}, not {spec.title} (the two use the same file names)"
                if other is not spec
                else f"holds another file of {spec.title}: it was renamed"
            )
            raise UserError(f"{path} {what}: give the folder of {spec.title} with {spec.flag}")
    raise UserError(
        f"{path} is not the genuine {spec.title} file (SHA-256 {found[:12]}..., "
        f"expected {spec.sha256[name][:12]}...): delete it and fetch it again"
    )


def verify(spec: DatasetSpec, folder: Path) -> None:
    """Check all four files of ``folder``; raises UserError at the first that is not genuine."""
    for name in FILES:
        checked_content(spec, folder, name)


def _file_in(spec: DatasetSpec, folder: Path, name: str) -> Path:
    for candidate in (folder / f"{name}.gz", folder / name):
        if candidate.is_file():
            return candidate
    package = "install the package dataset-fashion-mnist (Debian, Ubuntu), or "
    raise UserError(
        f"{folder} holds no {name}.gz: {package if spec == FASHION_MNIST else ''}"
        f"name a folder that has the four files with {spec.flag}"
    )
