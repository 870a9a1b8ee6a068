"""The genuine data: where the four files come from, and the checksum every one must pass.

Fashion-MNIST (Xiao et al. 2017, arXiv 1708.07747) and the MNIST digits are distributed under the
same four file names, so a folder's content is known by its SHA-256 alone. Everything that reads
images or labels reads them through :func:`read_idx` after that check.

Training images, test images and test labels are read by separate functions, because a process
that runs a model never opens the test labels.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fmbench.errors import UserError

if TYPE_CHECKING:
    import numpy as np

TRAIN_IMAGES = "train-images-idx3-ubyte"
TRAIN_LABELS = "train-labels-idx1-ubyte"
TEST_IMAGES = "t10k-images-idx3-ubyte"
TEST_LABELS = "t10k-labels-idx1-ubyte"
FILES = (TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS)

DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")
ENVIRONMENT_VARIABLE = "FMBENCH_DATA"


@dataclass(frozen=True)
class DatasetSpec:
    """What makes a data set this one: its checksums and the names of its classes."""

    name: str
    title: str
    sha256: Mapping[str, str]  # file name -> SHA-256 of the decompressed IDX file
    classes: tuple[str, ...]
    flag: str = "--data"  # of the command line; names its folder

    @property
    def fingerprint(self) -> str:
        """One hash over the four files' hashes; part of every cell's key."""
        return hashlib.sha256("".join(self.sha256[name] for name in FILES).encode()).hexdigest()


FASHION_MNIST = DatasetSpec(
    name="fashion-mnist",
    title="Fashion-MNIST",
    sha256={
        TRAIN_IMAGES: "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        TRAIN_LABELS: "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        TEST_IMAGES: "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        TEST_LABELS: "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    },
    classes=(
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
        "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
    ),
)  # fmt: skip

MNIST_DIGITS = DatasetSpec(
    name="mnist",
    title="the MNIST handwritten digits",
    sha256={
        TRAIN_IMAGES: "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        TRAIN_LABELS: "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        TEST_IMAGES: "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        TEST_LABELS: "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    },
    classes=tuple("0123456789"),
    flag="--digits",
)

SPECS = {spec.name: spec for spec in (FASHION_MNIST, MNIST_DIGITS)}


@dataclass(frozen=True)
class Source:
    """A folder whose files are of the data set ``spec``, and how it was found."""

    spec: DatasetSpec
    folder: Path
    origin: str  # in words, for the user


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


def locate(
    spec: DatasetSpec = FASHION_MNIST,
    data: Path | None = None,
    fetch: Callable[[DatasetSpec, Path], str] | None = None,
) -> Source:
    """Find the folder that holds ``spec``, by the first of these that exists.

    1. ``data`` (the flag ``spec.flag``), or the environment variable ``FMBENCH_DATA``: only that
       folder, with no look elsewhere if it is wrong;
    2. the user's cache;
    3. the folder of Debian's package ``dataset-fashion-mnist``;
    4. ``fetch(spec, cache folder)``, which puts the files there and says where they came from.

    Only the presence of the files is looked at here; each is checked when it is read.

    Raises:
        UserError: no source has the files; the message says what to do.
    """
    named = [(data, spec.flag), (_from_environment(spec), f"${ENVIRONMENT_VARIABLE}")]
    for folder, flag in named:
        if folder is not None:
            if not folder.is_dir():
                raise UserError(f"{flag}: {folder} is not a folder")
            for name in FILES:
                _file_in(spec, folder, name)
            return Source(spec, folder.resolve(), f"the folder given by {flag}")
    cache = cache_folder(spec)
    if is_complete(cache):
        return Source(spec, cache, "the user's cache")
    if spec is FASHION_MNIST and is_complete(DEBIAN_FOLDER):
        return Source(spec, DEBIAN_FOLDER, "Debian's package dataset-fashion-mnist")
    if fetch is None:
        raise UserError(
            f"{spec.title} is not on this machine: "
            + ("run `fmbench data` to fetch it, or " if spec == FASHION_MNIST else "")
            + f"name its folder with {spec.flag}"
        )
    return Source(spec, cache, fetch(spec, cache))


def cache_folder(spec: DatasetSpec) -> Path:
    """Where fetched files are kept, in the user's cache directory."""
    import platformdirs

    return platformdirs.user_cache_path("fmbench") / spec.name


def _from_environment(spec: DatasetSpec) -> Path | None:
    value = os.environ.get(ENVIRONMENT_VARIABLE)
    return Path(value) if value and spec is FASHION_MNIST else None


def _file_in(spec: DatasetSpec, folder: Path, name: str) -> Path:
    for candidate in (folder / f"{name}.gz", folder / name):
        if candidate.is_file():
            return candidate
    package = "install the package dataset-fashion-mnist (Debian, Ubuntu), or "
    raise UserError(
        f"{folder} holds no {name}.gz: {package if spec == FASHION_MNIST else ''}"
        f"name a folder that has the four files with {spec.flag}"
    )


def is_complete(folder: Path) -> bool:
    """Whether the four files are there, genuine or not."""
    return all((folder / f"{n}.gz").is_file() or (folder / n).is_file() for n in FILES)
