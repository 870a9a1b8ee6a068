"""Saves the intermediate results of a long computation, so that an interrupted one can continue.

An interrupted computation starts again from the beginning. It asks the same questions in the same
order, and the journal returns the answers that were saved before. So the computation itself has no
state to save, and its result does not depend on interruptions.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fmbench.utils.files import read_regular_file, write_text_atomically

MAX_BYTES = 64 * 2**20  # of a journal


class Journal:
    """The questions and their answers, in JSON types and in the order in which they were asked.

    ``made_with`` is everything that decides the answers. If the file at ``path`` is damaged, or was
    made with other values, a warning says so and the file is not used. If a question differs from
    the saved one, a warning says so, and the answers from there on are not used. Without a ``path``
    nothing is saved.
    """

    def __init__(self, path: Path | None, made_with: Mapping[str, Any]) -> None:
        self._path = path
        self._made_with = dict(made_with)
        self._entries: list[dict[str, Any]] = []
        self.n_asked = 0
        self.n_known = 0  # questions whose answers an earlier process had saved
        self.earlier_seconds = 0.0  # the seconds that it spent on them
        if path is not None and path.exists():
            self._read(path)

    def load_or_compute(self, question: Any, compute: Callable[[], Any]) -> Any:
        """Return the saved answer to the next question; without one, compute it and save it."""
        if self.n_asked < len(self._entries):
            known = self._entries[self.n_asked]
            if known["question"] == question:
                self.n_asked += 1
                self.n_known += 1
                self.earlier_seconds += known["seconds"]
                return known["answer"]
            self._warn(
                "this search tries another network there", f"from network {self.n_asked + 1} on, "
            )
            del self._entries[self.n_asked :]
        start = time.perf_counter()
        answer = compute()
        seconds = round(time.perf_counter() - start, 3)
        self._entries.append({"question": question, "answer": answer, "seconds": seconds})
        self.n_asked += 1
        if self._path is not None:
            self._write(self._path)
        return answer

    def _read(self, path: Path) -> None:
        try:
            content = json.loads(read_regular_file(path, MAX_BYTES).decode("utf-8"))
            made_with, entries = content["made_with"], content["entries"]
            if content["sha256"] != _compute_digest(made_with, entries):
                raise ValueError("the checksum does not match")
            if not isinstance(made_with, dict) or not all(map(_is_entry, entries)):
                raise ValueError("it is not a journal")
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            self._warn("it is damaged")
            return
        names = sorted(made_with | self._made_with)
        differing = [n for n in names if made_with.get(n) != self._made_with.get(n)]
        if differing:
            self._warn(f"it was made with different values of {', '.join(differing)}")
            return
        self._entries = entries

    def _write(self, path: Path) -> None:
        content = {
            "sha256": _compute_digest(self._made_with, self._entries),
            "made_with": self._made_with,
            "entries": self._entries,
        }
        write_text_atomically(path, json.dumps(content, indent=1))

    def _warn(self, why: str, part: str = "") -> None:
        assert self._path is not None
        warnings.warn(
            f"{part}{self._path.name}, left by an interrupted run, is not used: {why}", stacklevel=3
        )


def _is_entry(entry: Any) -> bool:
    if entry.keys() != {"question", "answer", "seconds"}:
        return False
    seconds = entry["seconds"]
    return type(seconds) in (int, float) and 0 <= seconds < math.inf


def _compute_digest(made_with: Mapping[str, Any], entries: list[dict[str, Any]]) -> str:
    return hashlib.sha256(json.dumps([made_with, entries], sort_keys=True).encode()).hexdigest()
