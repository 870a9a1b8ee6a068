"""Makes small data sets for tests: random images and labels in IDX files."""

import gzip
import hashlib

import numpy as np

from fmbench.datasets.specs import TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS


def encode_idx(array):
    """Return the content of an IDX file with a ``uint8`` array."""
    shape = b"".join(n.to_bytes(4, "big") for n in array.shape)
    return bytes([0, 0, 8, array.ndim]) + shape + array.tobytes()


def make_files(seed, *, n_train=6, n_test=4, n_classes=10):
    """Return the contents of the four files. Images of higher classes are brighter."""
    generator = np.random.default_rng(seed)
    contents = {}
    for images, labels, n in ((TRAIN_IMAGES, TRAIN_LABELS, n_train),
                              (TEST_IMAGES, TEST_LABELS, n_test)):  # fmt: skip
        y = generator.permutation(np.arange(n) % n_classes).astype(np.uint8)
        X = generator.integers(0, 100, (n, 28, 28), dtype=np.uint8) + 15 * y[:, None, None]
        contents |= {images: encode_idx(X), labels: encode_idx(y)}
    return contents


def pack(files):
    """Compress each content; the bytes are the same at each call."""
    return {name: gzip.compress(content, 1, mtime=0) for name, content in files.items()}


def compute_checksums(files):
    return {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}


def write_packed(files, folder):
    """Write the contents as ``.gz`` files; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in pack(files).items():
        (folder / f"{name}.gz").write_bytes(content)
    return folder


def write_unpacked(files, folder):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


FASHION, DIGITS, JAPANESE = make_files(0), make_files(1), make_files(2)
