"""The answers of a long computation, kept as they come, so that an interrupted one can go on.

A computation that asks the same questions in the same order is not resumed but repeated, with
the answers that are known already taken from here. It has no state to save, and comes to the same
result however often it was interrupted.
"""

from __future__ import annotations

import hashlib
import json
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fmbench.utils.files import write_text


class Journal:
    """Questions with their answers, in JSON's types and in the order in which they were asked.

    ``made_with`` is what decides the answers. A file that is damaged or was made with anything
    else is warned of and not used. Without a ``path`` nothing is kept.
    """

    def __init__(self, path: Path | None, made_with: Mapping[str, Any]) -> None:
        self._path = path
        self._made_with = dict(made_with)
        self._entries: list[dict[str, Any]] = []
        self.n_asked = 0
        self.n_known = 0  # questions that an earlier process had answered
        self.earlier_seconds = 0.0  # that it spent on them
        if path is not None and path.exists():
            self._read(path)

    def answer(self, question: Any, compute: Callable[[], Any]) -> Any:
        """The answer to the next question: known from earlier, or computed and written down."""
        if self.n_asked < len(self._entries):
            known = self._entries[self.n_asked]
            if known["question"] == question:
                self.n_asked += 1
                self.n_known += 1
                self.earlier_seconds += known["seconds"]
                return known["answer"]
            self._warn(f"it asked another question after {self.n_asked}")
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
            content = json.loads(path.read_text(encoding="utf-8"))
            made_with, entries = content["made_with"], content["entries"]
            if content["sha256"] != _digest(made_with, entries):
                raise ValueError("not what was written")
        except (ValueError, TypeError, KeyError, RecursionError):
            self._warn("it is damaged")
            return
        names = sorted(made_with | self._made_with)
        differing = [n for n in names if made_with.get(n) != self._made_with.get(n)]
        if differing:
            self._warn(f"it was made with another {', '.join(differing)}")
            return
        self._entries = entries

    def _write(self, path: Path) -> None:
        content = {
            "sha256": _digest(self._made_with, self._entries),
            "made_with": self._made_with,
            "entries": self._entries,
        }
        write_text(path, json.dumps(content, indent=1))

    def _warn(self, why: str) -> None:
        assert self._path is not None
        warnings.warn(
            f"{self._path.name}, left by an interrupted run, is not used: {why}", stacklevel=3
        )


def _digest(made_with: Mapping[str, Any], entries: list[dict[str, Any]]) -> str:
    return hashlib.sha256(json.dumps([made_with, entries], sort_keys=True).encode()).hexdigest()
