"""The arrays of a record: reads them from their file, and checks that they fit the record.

The file is an archive like those of ``numpy.savez``. It holds ``y_pred uint8 (n,)``; ``scores
float16 (n, classes)`` where they are cheap; ``epoch_y_pred uint8 (epochs, n)`` of neural runners;
``flagged_... uint8 (n,)`` of each flagged figure; and ``y_true uint8 (n,)`` where the data set is
not the default one. The file may come from anybody, so its sizes are checked before anything is
unpacked.
"""

from __future__ import annotations

import functools
import io
import lzma
import struct
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from fmbench.datasets.specs import DATASETS, records_have_labels
from fmbench.records.protocols import PROTOCOLS, count_images
from fmbench.records.record import (
    EPOCH_Y_PRED,
    FLAGGED_PREFIX,
    SCORES,
    Y_PRED,
    Y_TRUE,
    Record,
)

if TYPE_CHECKING:
    import numpy as np

# The largest file, and the largest arrays in it. Those of fmbench's own runs have 0.2 and 0.7 MB.
MAX_ARCHIVE_BYTES = 64 * 2**20
MAX_ARRAY_BYTES = 256 * 2**20
MAX_ARRAYS = 100
MAX_HEADER_BYTES = 2**16  # of an array's header, and of the archive's list of its members
# How an array's file begins, with the version of the format, and how many bytes after that say how
# long the header is.
_N_MAGIC_BYTES = 8
_LENGTHS_OF_HEADERS = {b"\x93NUMPY\x01\x00": 2, b"\x93NUMPY\x02\x00": 4}
N_CLASSES = 256  # the most that uint8 can hold, for a data set that this version does not know

# What can be raised when a file is not an archive of arrays.
UNREADABLE_ARRAY_ERRORS = (
    ValueError, TypeError, OSError, EOFError, RuntimeError, ArithmeticError, MemoryError,
    struct.error, zlib.error, lzma.LZMAError, zipfile.BadZipFile,
)  # fmt: skip


def read_arrays(content: bytes, names: Sequence[str] = ()) -> dict[str, np.ndarray]:
    """Read arrays from the content of an archive: all, or those of ``names`` that it has.

    Raises:
        ValueError: the archive is damaged, or it is not one of arrays of numbers.
    """
    try:
        return _read_members(content, names)
    except UNREADABLE_ARRAY_ERRORS as error:
        raise ValueError(" ".join(str(error).split())[:200] or type(error).__name__) from None


def _read_members(content: bytes, names: Sequence[str]) -> dict[str, np.ndarray]:
    _check_directory(content)
    found: dict[str, np.ndarray] = {}
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = archive.infolist()
        if len({member.filename for member in members}) < len(members):
            raise ValueError("two arrays have the same name")
        if sum(member.file_size for member in members) > MAX_ARRAY_BYTES:
            raise ValueError(f"its arrays have more than {MAX_ARRAY_BYTES >> 20} MiB")
        for member in members:
            name = member.filename.removesuffix(".npy")
            if not names or name in names:
                found[name] = _parse_array(name, _unpack(name, member, content))
    return found


def _unpack(name: str, member: zipfile.ZipInfo, archive: bytes) -> bytes:
    """Unpack a file of an archive. No more memory is taken than the archive says it needs."""
    start = member.header_offset + zipfile.sizeFileHeader  # type: ignore[attr-defined]
    signature, n_name, n_extra = struct.unpack("<4s22xHH", archive[member.header_offset : start])
    start += n_name + n_extra
    packed = memoryview(archive)[start : start + member.compress_size]
    if signature != b"PK\x03\x04" or len(packed) != member.compress_size:
        raise ValueError(f"{name} is not where the archive says it is")
    if member.flag_bits & 1:
        raise ValueError(f"{name} is encrypted")
    if member.compress_type == zipfile.ZIP_STORED:
        content = bytes(packed)
    elif member.compress_type == zipfile.ZIP_DEFLATED:
        content = zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, member.file_size + 1)
    else:
        raise ValueError(f"{name} is compressed in another way than fmbench does it")
    if len(content) != member.file_size or zlib.crc32(content) != member.CRC:
        raise ValueError(f"{name} has another size or checksum than the archive says")
    return content


def _check_directory(content: bytes) -> None:
    """Raise ValueError unless the archive ends as NumPy writes it, with a short list of members.

    The list says how many members there are. Reading a long one would take much memory.
    """
    end = content[-zipfile.sizeEndCentDir :]  # type: ignore[attr-defined]
    is_zip64 = content[-42:-38] == b"PK\x06\x07"  # it has another list, which may be longer
    if not end.startswith(b"PK\x05\x06") or is_zip64:
        raise ValueError("it is not an archive of arrays")
    n_members, size = struct.unpack("<10xHL6x", end)
    if n_members > MAX_ARRAYS or size > MAX_HEADER_BYTES:
        raise ValueError(f"it has more than {MAX_ARRAYS} arrays")


def _parse_array(name: str, content: bytes) -> np.ndarray:
    """Return an array from the content of an ``.npy`` file, without trusting its header."""
    import numpy as np

    header = content[: _measure_header(name, content)]
    shape, is_fortran, dtype = _parse_header(header)
    if dtype not in (np.uint8, np.float16):
        raise ValueError(f"{name} is {dtype.str[:20]}, not uint8 or float16")
    n_items, n_bytes = 1, len(content) - len(header)
    for length in shape:
        n_items *= length
    if n_bytes != n_items * dtype.itemsize:
        raise ValueError(f"{name} has {n_bytes} bytes, which is not an array of shape {shape}")
    array = np.frombuffer(content, dtype, offset=len(header))
    return array.reshape(shape, order="F" if is_fortran else "C")


def _measure_header(name: str, content: bytes) -> int:
    """Return the number of bytes before an array's values, at most :data:`MAX_HEADER_BYTES`."""
    n_digits = _LENGTHS_OF_HEADERS.get(content[:_N_MAGIC_BYTES])
    if n_digits is None:
        raise ValueError(f"{name} has an unknown format")
    start = _N_MAGIC_BYTES + n_digits
    length = int.from_bytes(content[_N_MAGIC_BYTES:start], "little")
    if start + length > min(len(content), MAX_HEADER_BYTES):
        raise ValueError(f"the header of {name} is longer than its file or the limit")
    return start + length


@functools.lru_cache(maxsize=100)
def _parse_header(header: bytes) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Parse all that precedes an array's values. Most arrays have one of a few headers."""
    from numpy.lib import format as npy

    file = io.BytesIO(header)
    version = npy.read_magic(file)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    return read(file)


def check_arrays(record: Record, arrays: Mapping[str, np.ndarray]) -> None:
    """Check that the arrays of a finished record have the types, shapes and values that they must.

    Raises:
        ValueError: an array is missing, unknown, or not of the images and classes of the record.
    """
    import numpy as np

    spec = DATASETS.get(record.cell["dataset"])
    n_classes = spec.n_classes if spec else N_CLASSES
    needed = {Y_PRED} | ({Y_TRUE} if records_have_labels(record.cell["dataset"]) else set())
    if missing := needed - arrays.keys():
        raise ValueError(f"it has no {min(missing)}")
    n = _count_scored_images(record) or arrays[Y_PRED].size
    if Y_TRUE in needed:  # the record says itself how many images were scored, at most so many
        n = min(n, arrays[Y_TRUE].size)
    for name, array in arrays.items():
        if name == SCORES:
            shape = (n, n_classes if spec else array.shape[-1] if array.ndim == 2 else 0)
            if array.dtype != np.float16 or array.shape != shape:
                raise ValueError(f"scores are {array.dtype} {array.shape}, not float16 {shape}")
            if _has_nan(array):
                raise ValueError("some scores are not numbers")
        elif name in (Y_PRED, Y_TRUE) or name.startswith(FLAGGED_PREFIX):
            if array.dtype != np.uint8 or array.shape != (n,) or _is_above(array, n_classes):
                raise ValueError(f"{name} is not {n} classes from 0 to {n_classes - 1}")
        elif name == EPOCH_Y_PRED:
            n_epochs = len(record.history) or (len(array) if array.ndim else 0)
            shape = (n_epochs, n)
            if array.dtype != np.uint8 or array.shape != shape or _is_above(array, n_classes):
                raise ValueError(f"{name} is not classes {shape}")
        else:
            raise ValueError(f"it has an unknown array {name[:40]!r}")


def _count_scored_images(record: Record) -> int | None:
    """Return how many images the record's protocol scores; None if this version cannot know."""
    definition = record.cell["protocol"]
    spec, protocol = DATASETS.get(record.cell["dataset"]), PROTOCOLS.get(definition["name"])
    if spec is None or protocol is None or protocol.to_definition() != definition:
        return None
    return sum(count_images(protocol, subset, spec) for subset in protocol.scored)


def _is_above(array: np.ndarray, n_classes: int) -> bool:
    """Whether there is no value, or one that is not a class."""
    return array.size == 0 or int(array.max()) >= n_classes


def _has_nan(array: np.ndarray) -> bool:
    """Whether a value of a float16 array is not a number. Decision values may be infinite."""
    import numpy as np

    # The bits of NaN are greater than those of infinity. NumPy's own test is ten times slower.
    return bool(((array.view(np.uint16) & 0x7FFF) > 0x7C00).any())
