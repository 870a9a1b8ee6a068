"""Writes files of records without any check, as somebody else might."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np

from fmbench.records.record import Record
from fmbench.records.store import Store


def write_record(
    store: Store, record: Record, arrays: Mapping[str, np.ndarray] | None = None
) -> Path:
    """Write a record and its arrays, whatever they are, with a checksum that fits."""
    path = store.path(record)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(record)))
    if arrays is not None:
        write_predictions(path, pack_arrays(arrays))
    return path


def write_predictions(path: Path, content: bytes) -> None:
    """Replace the predictions of a record, and the checksum in its JSON file ``path``."""
    path.with_suffix(".npz").write_bytes(content)
    fields = json.loads(path.read_text())
    fields["predictions_sha256"] = hashlib.sha256(content).hexdigest()
    path.write_text(json.dumps(fields))


def pack_arrays(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Return the content of an archive of arrays, also of those that a record must not have."""
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def zip_member(name: str, content: bytes, method: int = zipfile.ZIP_STORED) -> bytes:
    """Return the content of an archive with one member."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr(name, content)
    return file.getvalue()


def make_npy(shape: str, descr: str = "|u1", data: bytes = bytes(20)) -> bytes:
    """Return the content of an ``.npy`` file whose header may say anything."""
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + data
