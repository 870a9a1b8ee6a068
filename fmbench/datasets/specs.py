"""TODO docstring."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass
if TYPE_CHECKING:
    pass

TRAIN_IMAGES = "train-images-idx3-ubyte"


TRAIN_LABELS = "train-labels-idx1-ubyte"


TEST_IMAGES = "t10k-images-idx3-ubyte"


TEST_LABELS = "t10k-labels-idx1-ubyte"


FILES = (TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS)


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


TEST_SET = (1000,) * len(
    FASHION_MNIST.classes
)  # test images of each class, which reruns are scored on
