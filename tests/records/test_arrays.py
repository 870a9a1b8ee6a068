"""Archives of arrays are read as NumPy reads them, and no more memory is taken than they say."""

from __future__ import annotations

import io
import tracemalloc
import zipfile

import numpy as np
import pytest

from fmbench.records.arrays import MAX_HEADER_BYTES, read_arrays
from tests.helpers.raw_records import make_npy, zip_member

ARRAYS = {
    "y_pred": np.arange(10, dtype=np.uint8),
    "scores": np.arange(20, dtype=np.float16).reshape(10, 2),
    "epoch_y_pred": np.asfortranarray(np.arange(30, dtype=np.uint8).reshape(3, 10)),
    "flagged_a": np.zeros(10, np.uint8),  # the same header as y_pred
}


@pytest.mark.parametrize("write", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("names", [(), ("scores", "flagged_a", "not there")])
def test_the_arrays_that_numpy_writes_are_read_unchanged(write, names):
    file = io.BytesIO()
    write(file, **ARRAYS)
    found = read_arrays(file.getvalue(), names)
    assert list(found) == [name for name in ARRAYS if not names or name in names]
    for name, array in found.items():
        assert array.dtype == ARRAYS[name].dtype
        np.testing.assert_array_equal(array, ARRAYS[name])


def test_the_second_version_of_the_format_is_read():
    file = io.BytesIO()
    np.lib.format.write_array(file, ARRAYS["y_pred"], version=(2, 0))
    found = read_arrays(zip_member("y_pred.npy", file.getvalue()))
    np.testing.assert_array_equal(found["y_pred"], ARRAYS["y_pred"])


def say_size(archive: bytes, n_bytes: int) -> bytes:
    """Change the size that an archive with one member says that its member has."""
    changed = bytearray(archive)
    for signature, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        start = changed.index(signature) + offset
        changed[start : start + 4] = n_bytes.to_bytes(4, "little")
    return bytes(changed)


@pytest.mark.parametrize("n_bytes", [1, 148, 200])
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_member_of_another_size_than_the_archive_says_is_refused(method, n_bytes):
    content = make_npy("(20,)")
    archive = say_size(zip_member("y_pred.npy", content, method), n_bytes)
    if n_bytes == len(content):
        assert read_arrays(archive)["y_pred"].shape == (20,)
        return
    with pytest.raises(ValueError, match="y_pred has another size or checksum"):
        read_arrays(archive)


def test_a_changed_value_an_encrypted_and_a_misplaced_member_are_refused():
    archive = zip_member("y_pred.npy", make_npy("(20,)"))
    at = archive.index(b"PK\x01\x02")
    flag, offset = at + 8, at + 42
    for changed, why in (
        (archive.replace(bytes(20), b"\x01" * 20), "another size or checksum"),
        (archive[:flag] + b"\x01" + archive[flag + 1 :], "is encrypted"),
        (archive[:offset] + b"\x05" + archive[offset + 1 :], "is not where the archive says"),
    ):
        with pytest.raises(ValueError, match=f"y_pred.*{why}"):
            read_arrays(changed)


def test_a_zip_bomb_that_says_that_it_is_small_takes_little_memory():
    content = make_npy(f"({2**25},)", data=bytes(2**25))
    archive = say_size(zip_member("y_pred.npy", content, zipfile.ZIP_DEFLATED), 10_000)
    del content
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="y_pred has another size"):
            read_arrays(archive)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2**20


def with_header_of(n_bytes: int) -> bytes:
    """Return the beginning of an array's file whose header says that it is so long."""
    return b"\x93NUMPY\x02\x00" + n_bytes.to_bytes(4, "little") + b" " * n_bytes


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"\x93NUMPY\x03\x00" + bytes(100), "y_pred has an unknown format"),
        (b"\x93NUMPY\x01\x00\xff\xff" + bytes(100), "longer than its file or the limit"),
        (with_header_of(MAX_HEADER_BYTES), "longer than its file or the limit"),
        (b"\x93NUMPY", "y_pred has an unknown format"),
    ],
)
def test_a_header_that_is_odd_or_too_long_is_refused(content, why):
    with pytest.raises(ValueError, match=why):
        read_arrays(zip_member("y_pred.npy", content))
