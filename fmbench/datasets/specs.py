"""Declares the data sets: each is one :class:`DatasetSpec`, which all other code reads.

Every data set has images ``uint8 (n, 28, 28)`` and labels ``uint8 (n,)`` in the four IDX files of
MNIST. The neural recipes have ten outputs, as in their papers, so on a data set with another number
of classes their cells fail and say so. To add a data set:

1. Write a :class:`DatasetSpec` below. Give the SHA-256 of the unpacked files (``sha256``) or, if
   only the ``.gz`` files have published checksums, those (``sha256_gz``). Cite their source.
2. List it in :data:`DATASETS`. No other code needs a change.
3. Run ``fmbench data NAME``, which fetches the files if ``urls`` are declared, and checks them.
   Otherwise put the files into a folder and run ``fmbench data NAME --data NAME=FOLDER``.
4. Run ``pytest tests/datasets/test_specs.py``, which compares the declaration with the files.
5. Write ``dataset = "NAME"`` into a suite's row that names an ``estimator``, as in
   ``benchmarks/xiao2017.toml``, and run it. A row that names a ``runner`` takes no ``dataset``.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from fmbench.errors import UserError
from fmbench.utils.names import suggest_names

# The four files of a data set, by the names that MNIST gave them.
TRAIN_IMAGES = "train-images-idx3-ubyte"
TRAIN_LABELS = "train-labels-idx1-ubyte"
TEST_IMAGES = "t10k-images-idx3-ubyte"
TEST_LABELS = "t10k-labels-idx1-ubyte"
FILES = (TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS)


@dataclass(frozen=True)
class DatasetSpec:
    """Everything that is known about a data set before its files are read.

    Raises:
        ValueError: the declaration contradicts itself.
    """

    # What records, suites and the command line call it: small letters, digits and hyphens.
    name: str
    # What sentences call it.
    title: str
    # Names of the classes 0, 1, 2, ...
    classes: tuple[str, ...]
    # Number of test images of each class.
    n_per_class: tuple[int, ...]
    # Number of training images.
    n_train: int
    # SHA-256 of each unpacked file, or of each .gz file as it is published: one of the two.
    sha256: Mapping[str, str] = field(default_factory=dict)
    sha256_gz: Mapping[str, str] = field(default_factory=dict)
    # Names of the files on disk and on servers, without ".gz", where they differ from MNIST's.
    file_names: Mapping[str, str] = field(default_factory=dict)
    # Folders on the web that hold the .gz files; they are tried in this order.
    urls: tuple[str, ...] = ()
    # Where Keras keeps its own copy, in its folder of data sets: a folder or an .npz file.
    keras_name: str | None = None
    # Debian's package of this data set, and the folder into which it puts the .gz files.
    debian_package: str | None = None
    debian_folder: Path | None = None
    # Mean and standard deviation of the training pixels, scaled to [0, 1]; 5 decimals.
    pixel_mean: float | None = None
    pixel_sd: float | None = None
    # Whether each record stores the true labels (``y_true``) beside its predictions. Never change
    # this of a data set that has records.
    labels_in_records: bool = True

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", self.name):
            raise ValueError(f"{self.name!r}: use small letters, digits and hyphens")
        if bool(self.sha256) == bool(self.sha256_gz) or set(self.checksums) != set(FILES):
            raise ValueError(f"{self.name}: give the four files' sha256, or their sha256_gz")
        if len(self.classes) != len(self.n_per_class):
            raise ValueError(f"{self.name}: give one number in n_per_class for each class")

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return len(self.classes)

    @property
    def n_test(self) -> int:
        """Number of test images."""
        return sum(self.n_per_class)

    @property
    def checksums(self) -> Mapping[str, str]:
        """SHA-256 of each file: of the ``.gz`` file if :attr:`only_gz`, else unpacked."""
        return self.sha256 or self.sha256_gz

    @property
    def only_gz(self) -> bool:
        """Whether the files must be compressed (``.gz``): then only those checksums are known."""
        return not self.sha256

    @property
    def max_bytes(self) -> int:
        """Size in bytes of the largest of the four files, unpacked."""
        return 16 + 28 * 28 * max(self.n_train, self.n_test)

    @cached_property
    def fingerprint(self) -> str:
        """One hash over the four checksums; part of every cell's key."""
        return hashlib.sha256("".join(self.checksums[f] for f in FILES).encode()).hexdigest()

    @property
    def is_default(self) -> bool:
        """Whether this is the data set of commands and runners that name no other."""
        return self.name == DEFAULT_DATASET.name

    @property
    def option(self) -> str:
        """The command line's option that names the folder of this data set; for messages."""
        return "--data DIR" if self.is_default else f"--data {self.name}=DIR"

    @property
    def pixel_statistics(self) -> tuple[float, float]:
        """Mean and standard deviation of the training pixels, scaled to [0, 1].

        Raises:
            ValueError: the declaration lacks them.
        """
        if self.pixel_mean is None or self.pixel_sd is None:
            raise ValueError(f"{self.name} declares no pixel_mean and pixel_sd")
        return self.pixel_mean, self.pixel_sd

    def file_name(self, file: str) -> str:
        """Name of one of :data:`FILES` on disk and on servers, without ``.gz``."""
        return self.file_names.get(file, file)


# Xiao et al. 2017, arXiv 1708.07747. Checksums: of the files that the authors publish.
FASHION_MNIST = DatasetSpec(
    name="fashion-mnist",
    title="Fashion-MNIST",
    classes=(
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
        "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
    ),
    n_per_class=(1000,) * 10,
    n_train=60_000,
    sha256={
        TRAIN_IMAGES: "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        TRAIN_LABELS: "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        TEST_IMAGES: "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        TEST_LABELS: "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    },
    urls=(
        "https://fashion-mnist.s3.eu-central-1.amazonaws.com/",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",  # Keras's
        "https://apache-mxnet.s3.amazonaws.com/gluon/dataset/fashion-mnist/",  # MXNet's
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",  # torchvision's
    ),
    keras_name="fashion-mnist",
    debian_package="dataset-fashion-mnist",
    debian_folder=Path("/usr/share/datasets/fashion-mnist"),
    pixel_mean=0.28604,
    pixel_sd=0.35302,
    # Every command that scores records has these labels at hand, so the records can do without.
    labels_in_records=False,
)  # fmt: skip


# LeCun et al. 1998. Checksums: of the files that the mirrors below serve.
MNIST_DIGITS = DatasetSpec(
    name="mnist",
    title="the MNIST handwritten digits",
    classes=tuple("0123456789"),
    n_per_class=(980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009),
    n_train=60_000,
    sha256={
        TRAIN_IMAGES: "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        TRAIN_LABELS: "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        TEST_IMAGES: "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        TEST_LABELS: "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    },
    urls=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "https://sagemaker-sample-files.s3.amazonaws.com/datasets/image/MNIST/",
    ),
    keras_name="mnist.npz",
    pixel_mean=0.13066,
    pixel_sd=0.30811,
)


# Clanuwat et al. 2018, arXiv 1812.01718: handwritten Japanese characters. Checksums: of the .gz
# files, from tensorflow/datasets, tensorflow_datasets/url_checksums/kmnist.txt.
KMNIST = DatasetSpec(
    name="kmnist",
    title="Kuzushiji-MNIST",
    classes=("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
    n_per_class=(1000,) * 10,
    n_train=60_000,
    sha256_gz={
        TRAIN_IMAGES: "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4",
        TRAIN_LABELS: "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17",
        TEST_IMAGES: "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5",
        TEST_LABELS: "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c",
    },
    urls=(
        "https://codh.rois.ac.jp/kmnist/dataset/kmnist/",
        "http://codh.rois.ac.jp/kmnist/dataset/kmnist/",
    ),
)


# Fashion-MNIST as it was from 26 to 31 August 2017, in commit 9490065 of the authors' repository.
# Some of its training images are also test images (issue 44 there). Checksums: of the .gz files,
# recorded independently in an early batchup/datasets/fashion_mnist.py of Britefury/batchup and in
# Connor Olding's mnists.py; those of the label files are also those of the files in that commit.
FIRST_RELEASE = DatasetSpec(
    name="fashion-mnist-first-release",
    title="the first release of Fashion-MNIST",
    classes=FASHION_MNIST.classes,
    n_per_class=(1000,) * 10,
    n_train=60_000,
    sha256_gz={
        TRAIN_IMAGES: "08dc20ab1689590a0bcd66e874647b6ee8464e2d501b5a3f1f78831db19a3fdc",
        TRAIN_LABELS: "b0197879cbda89f3dc7b894f9fd52b858e68ea4182b6947c9d8c2b67e5f18dcc",
        TEST_IMAGES: "78dcbbfb5a27efaf1b6c1d616caca68560be8766c5bffcb2791df9273a534229",
        TEST_LABELS: "42bd18137a62d5998cdeae52bf3a0676ac6b706f5cf8439b47bb5b151ae3dccf",
    },
    urls=tuple(
        f"https://{server}/949006594cc2f804a93b9155849734564c3545ec/data/fashion/"
        for server in (
            "raw.githubusercontent.com/zalandoresearch/fashion-mnist",
            "github.com/zalandoresearch/fashion-mnist/raw",
        )
    ),
)


DATASETS = {spec.name: spec for spec in (FASHION_MNIST, MNIST_DIGITS, KMNIST, FIRST_RELEASE)}

_FIRST_LABELS = f"the labels of {FIRST_RELEASE.title} (before 31 August 2017)"
_FIRST_DAY = "the labels of Fashion-MNIST's first day (25 August 2017, sorted by class)"

# Label files that no declaration covers, by their SHA-256: those of the first release, unpacked,
# and those of the first day (commit 5e60fd2), unpacked and packed. The labels tell which images
# belong to them: Kaggle's CSV has the first release's.
OLD_LABELS = {
    "c7673bb30764062aa9ddeaf6184d7043075ded6a31aee7d16f38402434ad395d": _FIRST_LABELS,
    "0106d6dfb86a77b9299271c292262daad9001d5a44d251a3880227436b8ce3b1": _FIRST_LABELS,
    "fd6af4812a52c84a4ad586a467c1706b56203dda6d5903cfa980e66287cede39": _FIRST_DAY,
    "ebe12bc8de9440ef5b785b7c21fb67087b377cc851b65e009f278d22d099cdb2": _FIRST_DAY,
    "b80e9d57e569fd67054f7f97ea159a621a436afa844dafc8606ff4c7f2ff184e": _FIRST_DAY,
    "bda78048c35b6b8d5d49e186bd6e7d09a32420db7d943a6a1a36fbac75335737": _FIRST_DAY,
}

# The data set of every command, runner and suite's row that names no other.
DEFAULT_DATASET = FASHION_MNIST


@dataclass(frozen=True)
class LocatedDataset:
    """A data set and the folder that holds its files."""

    spec: DatasetSpec
    folder: Path
    origin: str  # how the folder was found, in words for the user


def get_dataset(name: str) -> DatasetSpec:
    """The data set of that name.

    Raises:
        UserError: no data set has that name; the message lists the names.
    """
    if name not in DATASETS:
        near = suggest_names(name, list(DATASETS))
        raise UserError(f"unknown data set {name!r}{near} Known names: {', '.join(DATASETS)}")
    return DATASETS[name]


def records_have_labels(name: str) -> bool:
    """Whether the records of the data set ``name`` store the true labels.

    A record of a data set that this version does not know always stores them.
    """
    return name not in DATASETS or DATASETS[name].labels_in_records
