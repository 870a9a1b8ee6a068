"""Converts a data set from other formats into the four IDX files, and checks these.

Three formats are read: a NumPy archive (.npz) as Keras has it, the Parquet files of the data hub,
and CSV files with a label and 784 pixels in each line. The arrays are written as IDX files, whose
SHA-256 must be those of the genuine files. So a data set in any format is known to have the same
images in the same order. The IDX files are kept in the user's cache.

Kaggle's CSV files of Fashion-MNIST hold other images: their labels are those of its first release,
and of the first 999 training images, 156 are test images today and 87 are in neither set. They are
refused by name.
"""

from __future__ import annotations

import hashlib
import io
import re
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fmbench.datasets.loading import describe_content, has_all_files, recognise_file
from fmbench.datasets.search import is_named_like, list_files, list_folders, read_file
from fmbench.datasets.specs import (
    FILES,
    OLD_LABELS,
    TEST_IMAGES,
    TEST_LABELS,
    TRAIN_IMAGES,
    TRAIN_LABELS,
    DatasetSpec,
)
from fmbench.errors import UserError

if TYPE_CHECKING:
    import numpy as np

MAX_INPUTS = 8  # archives or pairs of files in one folder and those below
MAX_SHARDS = 64  # Parquet files of one part
MAX_PNG_BYTES = 10_000  # of an image of 28 x 28 pixels
MAX_HEADER_BYTES = 10_000  # of an array in an archive
PIXELS = 28 * 28

# The names that the arrays have in archives, in lower case.
NPZ_NAMES = {
    TRAIN_IMAGES: ("x_train", "train_images", "train_x"),
    TRAIN_LABELS: ("y_train", "train_labels", "train_y"),
    TEST_IMAGES: ("x_test", "test_images", "test_x"),
    TEST_LABELS: ("y_test", "test_labels", "test_y"),
}
# What a folder may hold that is not read, and what to do, by the ends of names.
UNREADABLE = {
    ".zip": "unpack it first",
    ".tar.gz": "unpack it first",
    ".tgz": "unpack it first",
    ".pt": "it is a pickle, which fmbench does not read; torchvision's folder `raw` will do",
    ".pkl": "it is a pickle, which fmbench does not read",
    ".arrow": "the data hub's Parquet files will do",
}

Arrays = dict[str, "np.ndarray"]  # by the names in FILES


@dataclass(frozen=True)
class InputFiles:
    """Files in another format that may hold a data set. ``read`` returns its four arrays."""

    kind: str
    train: tuple[Path, ...]
    test: tuple[Path, ...]  # empty if the files in ``train`` hold the test images, too
    read: Callable[[DatasetSpec, InputFiles], Arrays]

    @property
    def paths(self) -> tuple[Path, ...]:
        """All files."""
        return (*self.train, *self.test)

    def __str__(self) -> str:
        more = f" and {len(self.paths) - 1} more" if len(self.paths) > 1 else ""
        return f"{self.paths[0]}{more}"


def find_inputs(spec: DatasetSpec, place: Path) -> list[InputFiles]:
    """List the files in other formats in a folder and below, or the one file ``place``."""
    if not place.is_dir():
        return [InputFiles("a NumPy archive", (place,), (), _read_npz)]
    inputs: list[InputFiles] = []
    for folder in list_folders(spec, place):
        inputs += _find_inputs_in(spec, folder)
        if len(inputs) >= MAX_INPUTS:
            break
    inputs.sort(key=lambda given: not is_named_like(spec, given.paths[0], place))
    return inputs[:MAX_INPUTS]


def _find_inputs_in(spec: DatasetSpec, folder: Path) -> Iterator[InputFiles]:
    files = list_files(folder)
    for path in files:
        if path.suffix == ".npz" and _may_be_data_set(path):
            yield InputFiles("a NumPy archive", (path,), (), _read_npz)
    parquet = {part: _list_parquet(files, folder, part) for part in ("train", "test")}
    if all(parquet.values()):
        yield InputFiles("Parquet files", parquet["train"], parquet["test"], _read_parquet)
    for train in files:
        if train.name.lower().endswith("train.csv"):
            test = train.with_name(re.sub(r"(?i)train(\.csv)$", r"test\1", train.name))
            if test in files:
                yield InputFiles("CSV files", (train,), (test,), _read_csv)


def _may_be_data_set(path: Path) -> bool:
    """Whether an archive has one of the arrays; predictions, for example, are no data set."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = _name_arrays(archive)
    except (zipfile.BadZipFile, ValueError, OSError, EOFError):
        return True  # the message says why it cannot be read
    return any(name in members for names in NPZ_NAMES.values() for name in names)


def _name_arrays(archive: zipfile.ZipFile) -> dict[str, str]:
    """Return the member of each array, by its name in small letters."""
    return {name.lower().removesuffix(".npy"): name for name in archive.namelist()}


def _list_parquet(files: list[Path], folder: Path, part: str) -> tuple[Path, ...]:
    """List the files of a part: named after it, or in a folder that is."""
    named = [path for path in files if path.name.startswith(part)] or list_files(folder / part)
    return tuple(path for path in named if path.suffix == ".parquet")[:MAX_SHARDS]


def name_unreadable_file(place: Path) -> str:
    """Say what a folder holds that looks like a data set and is not read; empty if nothing."""
    for folder in (place, place / "processed"):
        for path in list_files(folder):
            for ending, remedy in UNREADABLE.items():
                if path.name.lower().endswith(ending):
                    return f" ({path.relative_to(place)} is not read: {remedy})"
    return ""


def convert(spec: DatasetSpec, given: InputFiles, parent: Path) -> Path:
    """Write the four IDX files into a folder in ``parent``, unless they are there; return it.

    Raises:
        UserError: the files cannot be read, or hold something else.
    """
    if spec.only_gz:
        raise UserError(
            f"{given} cannot be checked, because only the SHA-256 of the published .gz files of "
            f"{spec.title} are known: run `fmbench data {spec.name}` to fetch them"
        )
    digest = hashlib.sha256(spec.fingerprint.encode())
    for path in given.paths:
        digest.update(read_file(path, _max_stored_bytes(spec)))
    folder = parent / f"{spec.name}-{digest.hexdigest()[:16]}"
    if has_all_files(spec, folder):
        return folder
    contents = {file: _encode_idx(array) for file, array in given.read(spec, given).items()}
    _check_contents(spec, given, contents)
    try:
        parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=parent, prefix=".convert-") as temporary:
            for file in FILES:
                (Path(temporary) / spec.file_name(file)).write_bytes(contents[file])
            folder.mkdir(exist_ok=True)
            for file in FILES:
                (Path(temporary) / spec.file_name(file)).replace(folder / spec.file_name(file))
    except OSError as error:
        raise UserError(f"{folder} cannot be written: {error.strerror}") from None
    return folder


def _max_stored_bytes(spec: DatasetSpec) -> int:
    """Return the size that no file can exceed: each pixel takes at most 4 characters in CSV."""
    return 4 * spec.max_bytes + 2**20


def _check_contents(spec: DatasetSpec, given: InputFiles, contents: Mapping[str, bytes]) -> None:
    """Raise UserError unless the SHA-256 of each content is the genuine one."""
    for file in (TRAIN_LABELS, TEST_LABELS, TRAIN_IMAGES, TEST_IMAGES):  # labels name the release
        found = hashlib.sha256(contents[file]).hexdigest()
        if found == spec.sha256[file]:
            continue
        if owner := recognise_file(spec, {found}):
            raise UserError(f"{given} {owner}: give the files of {spec.title} with {spec.option}")
        raise UserError(
            f"{given}: not the genuine {spec.title}, or in another order: written as "
            f"{file} it has the SHA-256 {found[:12]}..., expected {spec.sha256[file][:12]}..."
        )


def _encode_idx(array: np.ndarray) -> bytes:
    shape = b"".join(n.to_bytes(4, "big") for n in array.shape)
    return bytes([0, 0, 8, array.ndim]) + shape + array.tobytes()


def _to_bytes(path: Path, name: str, array: np.ndarray, n: int) -> np.ndarray:
    """Return images ``uint8 (n, 28, 28)`` or labels ``uint8 (n,)``; refuse any other array."""
    import numpy as np

    shape = (n, 28, 28) if name in (TRAIN_IMAGES, TEST_IMAGES) else (n,)
    if array.dtype.kind not in "ui" or array.size != np.prod(shape) or len(array) != n:
        raise UserError(
            f"{path}: {array.dtype} {array.shape} cannot be {name}, which is uint8 {shape}"
        )
    return np.ascontiguousarray(array.reshape(shape), np.uint8)


def _count_images(spec: DatasetSpec) -> dict[str, int]:
    return {
        TRAIN_IMAGES: spec.n_train, TRAIN_LABELS: spec.n_train,
        TEST_IMAGES: spec.n_test, TEST_LABELS: spec.n_test,
    }  # fmt: skip


def _read_npz(spec: DatasetSpec, given: InputFiles) -> Arrays:
    """Read the arrays of a NumPy archive. Pickled arrays are refused."""
    import numpy as np

    [path] = given.paths
    content = read_file(path, _max_stored_bytes(spec))
    arrays: Arrays = {}
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = _name_arrays(archive)
            for file, n in _count_images(spec).items():
                member = next((members[n] for n in NPZ_NAMES[file] if n in members), None)
                if member is None:
                    known = ", ".join(names[0] for names in NPZ_NAMES.values())
                    raise UserError(f"{path} has no array {NPZ_NAMES[file][0]}: it needs {known}")
                limit = 8 * n * (PIXELS if "images" in file else 1) + MAX_HEADER_BYTES  # int64
                with archive.open(member) as packed:
                    data = packed.read(limit + 1)
                if len(data) > limit:
                    raise UserError(f"{path}: {member} unpacks to more than {limit:,} bytes")
                array = np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
                arrays[file] = _to_bytes(path, file, array, n)
    # zipfile raises RuntimeError for an encrypted archive or an unknown compression.
    except (zipfile.BadZipFile, ValueError, OSError, EOFError, RuntimeError) as error:
        is_what = describe_content(content)
        what = f"it is {is_what}" if is_what and is_what != "a ZIP archive" else _shorten(error)
        raise UserError(f"{path} is not a NumPy archive of plain arrays: {what}") from None
    return arrays


def _read_parquet(spec: DatasetSpec, given: InputFiles) -> Arrays:
    """Read the columns ``image`` (PNG files) and ``label`` of Parquet files."""
    arrays: Arrays = {}
    for paths, images, labels, n in (
        (given.train, TRAIN_IMAGES, TRAIN_LABELS, spec.n_train),
        (given.test, TEST_IMAGES, TEST_LABELS, spec.n_test),
    ):
        arrays[images], arrays[labels] = _read_parquet_part(paths, n)
    return arrays


def _read_parquet_part(paths: tuple[Path, ...], n: int) -> tuple[np.ndarray, np.ndarray]:
    import numpy as np

    try:
        import pyarrow  # type: ignore[import-untyped]
        import pyarrow.parquet  # type: ignore[import-untyped]
    except ImportError:
        raise UserError(
            f"{paths[0]}: Parquet files need pyarrow: pip install 'fmbench[parquet]'"
        ) from None
    X, y = np.empty((n, 28, 28), np.uint8), np.empty(n, np.uint8)
    start = 0
    for path in paths:
        content = read_file(path, n * MAX_PNG_BYTES)
        try:
            with pyarrow.parquet.ParquetFile(io.BytesIO(content)) as file:
                n_rows = file.metadata.num_rows
                if start + n_rows > n or not {"image", "label"} <= set(file.schema_arrow.names):
                    raise UserError(
                        f"{path}: {n_rows:,} rows with {', '.join(file.schema_arrow.names[:5])}; "
                        f"expected are {n:,} in all, with image and label"
                    )
                for batch in file.iter_batches(1000, columns=["image", "label"]):
                    rows = batch.to_pydict()
                    for image, label in zip(rows["image"], rows["label"], strict=True):
                        X[start], y[start] = _decode_png(path, image), label
                        start += 1
        except (pyarrow.ArrowException, OSError, OverflowError, TypeError, IndexError) as error:
            is_what = describe_content(content)
            what = f"it is {is_what}" if is_what and "Parquet" not in is_what else _shorten(error)
            raise UserError(f"{path} cannot be read as Parquet: {what}") from None
    if start != n:
        raise UserError(f"{paths[0]}: {start:,} rows, expected {n:,}")
    return X, y


def _decode_png(path: Path, image: Any) -> np.ndarray:
    import numpy as np
    from PIL import Image

    data = image.get("bytes") if isinstance(image, dict) else image
    if not isinstance(data, bytes) or len(data) > MAX_PNG_BYTES:
        raise UserError(f"{path}: the column image holds no PNG files of 28 x 28 pixels")
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
            if picture.size != (28, 28) or picture.mode != "L":
                raise UserError(
                    f"{path}: an image of {picture.size[0]} x {picture.size[1]} pixels of mode "
                    f"{picture.mode}; expected are 28 x 28 gray ones"
                )
            return np.asarray(picture)
    except (OSError, ValueError, SyntaxError) as error:  # what Pillow raises for a broken PNG
        raise UserError(f"{path}: a PNG image is damaged: {_shorten(error)}") from None


def _read_csv(spec: DatasetSpec, given: InputFiles) -> Arrays:
    """Read CSV files with a label and 784 pixels in each line; stop at labels that are known."""
    labels = {
        TRAIN_LABELS: _read_columns(given.train[0], spec.n_train, [0])[:, 0],
        TEST_LABELS: _read_columns(given.test[0], spec.n_test, [0])[:, 0],
    }
    for file, array in labels.items():  # before the pixels, which take ten times as long
        checksum = hashlib.sha256(_encode_idx(array)).hexdigest()
        if checksum != spec.sha256[file] and (owner := recognise_file(spec, {checksum})):
            kaggle = "; so do Kaggle's CSV files" if checksum in OLD_LABELS else ""
            raise UserError(
                f"{given} {owner}{kaggle}: give the files of {spec.title} with {spec.option}"
            )
    pixels = list(range(1, PIXELS + 1))
    return {
        **labels,
        TRAIN_IMAGES: _read_columns(given.train[0], spec.n_train, pixels).reshape(-1, 28, 28),
        TEST_IMAGES: _read_columns(given.test[0], spec.n_test, pixels).reshape(-1, 28, 28),
    }


def _read_columns(path: Path, n: int, columns: list[int]) -> np.ndarray:
    """Read some columns of a CSV file as ``uint8 (n, columns)``."""
    import numpy as np
    import pandas as pd

    content = read_file(path, 4 * (PIXELS + 1) * n + 2**20)
    first_line = content[: 20 * PIXELS].split(b"\n", 1)[0]
    if first_line.count(b",") != PIXELS:
        is_what = describe_content(content)
        raise UserError(
            f"{path}: {f'it is {is_what}: ' if is_what else ''}"
            f"expected are a label and {PIXELS} pixels in each line"
        )
    try:
        table = pd.read_csv(
            io.BytesIO(content),
            header=None if first_line[:1].isdigit() else 0,
            usecols=columns,
            dtype=np.uint8,
            nrows=n + 1,
        )
    except (ValueError, OverflowError) as error:
        raise UserError(f"{path} cannot be read: {_shorten(error)}") from None
    if len(table) != n:
        raise UserError(
            f"{path}: {'more than ' * (len(table) > n)}{min(len(table), n):,} lines, expected {n:,}"
        )
    return table.to_numpy(np.uint8)


def _shorten(error: Exception) -> str:
    """Return the first line of an error's message, at most 200 characters."""
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
