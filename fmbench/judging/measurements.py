"""Loads what has been measured: the accuracies and confusion matrices of fmbench's own runs.

They travel with the package, so a claim can be judged without running anything. A results folder of
the user's can take their place.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median_high
from typing import TYPE_CHECKING

from fmbench import runners
from fmbench.analysis.reference import (
    CONFUSION_FILE,
    SUMMARY_FILE,
    Matrices,
    find_reference_folder,
    read_confusion_matrices,
    read_summary,
    summarise_by_file_names,
)
from fmbench.analysis.summary import Status, Summary
from fmbench.datasets.specs import DATASETS, DEFAULT_DATASET
from fmbench.errors import UserError
from fmbench.suites.bundled import list_suites
from fmbench.suites.reader import read_bundled_suite

if TYPE_CHECKING:
    import numpy as np

OWN_EVIDENCE = "fmbench's own measurements"
# How the name of a table of readings begins and ends; the runner is between.
READINGS_BEFORE, READINGS_AFTER = "forensics-", "-readings.csv"


@dataclass(frozen=True)
class ReadingRange:
    """The accuracies of the readings of a recipe: of what a paper may leave open about its model.

    ``n`` readings were measured; half of them get ``median`` or more, the best gets ``highest``.
    """

    n: int
    median: float
    highest: float


@dataclass(frozen=True)
class Measurements:
    """What was measured on today's Fashion-MNIST under the full protocol, by runner.

    ``origin`` says in words where it comes from. ``summaries`` has the accuracies of each seed.
    ``matrices`` has the confusion matrices in the same order; a runner may lack them. ``notes``
    are sentences about what the folder has and cannot be used. ``readings`` are those of the
    runners whose recipe a paper may leave open.
    """

    origin: str
    summaries: Mapping[str, Summary]
    matrices: Mapping[str, Matrices] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    readings: Mapping[str, ReadingRange] = field(default_factory=dict)

    def find(self, runner: str) -> Summary | None:
        """Return the summary of a runner; None if it was not measured."""
        return self.summaries.get(runner)

    def confusion_matrices(self, runner: str) -> np.ndarray | None:
        """Return ``int (seeds, classes, classes)``, rows are the true classes; None if unknown."""
        import numpy as np

        found = self.matrices.get(runner)
        return None if found is None else np.array(found)

    def find_nearest(self, accuracy: float, n: int = 1) -> list[Summary]:
        """Return the ``n`` runners whose mean accuracy is nearest to a fraction, nearest first."""
        measured = [s for s in self.summaries.values() if s.mean is not None]

        def distance(summary: Summary) -> tuple[float, bool, str]:
            assert summary.mean is not None
            # Of two that are equally near, first the one whose name is shorter to type.
            return round(abs(summary.mean - accuracy), 9), ":" in summary.runner, summary.runner

        return sorted(measured, key=distance)[:n]


def load_measurements(results: Path | None = None) -> Measurements:
    """Load fmbench's own measurements of all its suites, or those in a folder of the user's.

    Raises:
        UserError: the folder does not exist or holds no measurement, or a file in it is damaged.
    """
    if results is None:
        folders = [find_reference_folder(suite) for suite in list_suites()]
        own = _read_folders(
            OWN_EVIDENCE, folders, {f: read_summary(f / SUMMARY_FILE) for f in folders}
        )
        return replace(own, readings=dict(_read_readings(folders)))
    if not results.is_dir():
        raise UserError(f"{results} is not a folder: name a results folder of `fmbench run`")
    folders = sorted(path.parent for path in results.glob(f"*/{SUMMARY_FILE}"))
    measurements = _read_folders(
        str(results), folders, {f: _summarise_user_folder(f) for f in folders}
    )
    if not measurements.summaries:
        raise UserError(
            f"{results} has no measurements of all images: `fmbench run --all --results {results}` "
            f"makes them, `fmbench table --write --results {results}` sums them up"
        )
    return measurements


def _summarise_user_folder(folder: Path) -> dict[str, Summary]:
    """Summarise a suite's folder in a user's results; records that are out of date do not count."""
    if folder.name not in list_suites():
        return read_summary(folder / SUMMARY_FILE)
    suite = read_bundled_suite(folder.name)
    return summarise_by_file_names(folder.parent, suite, runners.load_runners())


def _read_folders(
    origin: str, folders: Iterable[Path], by_folder: Mapping[Path, Mapping[str, Summary]]
) -> Measurements:
    summaries: dict[str, Summary] = {}
    matrices: dict[str, Matrices] = {}
    notes: dict[str, None] = {}
    for folder in folders:
        path = folder / CONFUSION_FILE
        in_folder = read_confusion_matrices(path) if path.is_file() else {}
        for name, summary in by_folder[folder].items():
            if name in summaries or _is_of_another_dataset(name):
                continue
            if summary.status is not Status.MEASURED:
                notes[f"{name}: {summary.status_text}, so it is left out"] = None
            elif not summary.accuracies:
                notes[
                    f"{name}: its records are newer than {folder / SUMMARY_FILE}: "
                    f"`fmbench table --write --results {folder.parent}` brings it up to date"
                ] = None
            else:
                summaries[name] = summary
                if name in in_folder:
                    _check_matrices(path, summary, in_folder[name])
                    matrices[name] = in_folder[name]
    return Measurements(origin, summaries, matrices, tuple(notes))


def _is_of_another_dataset(name: str) -> bool:
    """Whether the name of a configuration ends with another data set's: ``... on mnist``."""
    return any(
        name.endswith(f" on {dataset}") for dataset in DATASETS if dataset != DEFAULT_DATASET.name
    )


def _check_matrices(path: Path, summary: Summary, matrices: Matrices) -> None:
    """Check that the matrices give the accuracies of the summary.

    Raises:
        UserError: they do not, so one of the two files was changed.
    """
    accuracies = [
        sum(matrix[k][k] for k in range(len(matrix))) / sum(map(sum, matrix)) for matrix in matrices
    ]
    if len(accuracies) != summary.n or any(
        abs(a - b) > 1e-6 for a, b in zip(accuracies, summary.accuracies, strict=True)
    ):
        raise UserError(
            f"{path}: the matrices of {summary.runner} contradict {SUMMARY_FILE} beside it: "
            f"`fmbench table --suite {path.parent.name} --write --results {path.parent.parent}` "
            "writes both again"
        )


def _read_readings(folders: Iterable[Path]) -> Iterator[tuple[str, ReadingRange]]:
    """Yield each runner whose readings `fmbench forensics` has measured, with their range.

    Raises:
        UserError: a table of readings is damaged.
    """
    for folder in folders:
        for path in sorted(folder.glob(f"{READINGS_BEFORE}*{READINGS_AFTER}")):
            runner = path.name.removeprefix(READINGS_BEFORE).removesuffix(READINGS_AFTER)
            try:
                rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
                accuracies = [round(float(row["test"]) / 100, 4) for row in rows if row["test"]]
            except (OSError, ValueError, KeyError):
                raise UserError(
                    f"{path} is damaged: install fmbench again, or run `make reference`"
                ) from None
            if accuracies:
                median = median_high(accuracies)
                yield runner, ReadingRange(len(accuracies), median, max(accuracies))
