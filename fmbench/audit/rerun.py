"""Compares a record with a second measurement of its cell: how many predictions differ, and why.

On a CPU, the same versions, processor, number of threads and seed give exactly the same
predictions. On a GPU some kernels add up in no fixed order. For a neural runner, fmbench's own
version matters too: it is raised when the training loop rounds differently, while a runner's
revision is raised only when its recipe changes.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fmbench.audit.current_cells import find_code_to_run
from fmbench.audit.verify import RecordCheck, State, Verifier
from fmbench.execution.estimate import DurationEstimate
from fmbench.execution.memory import MemoryEstimate
from fmbench.execution.session import MakeObserver, MeasuringSession, RunOptions
from fmbench.plugins.code import make_announcer
from fmbench.plugins.model_spec import parse_model_spec
from fmbench.records.cells import Cell
from fmbench.records.record import Record
from fmbench.records.store import Store, StoreContents
from fmbench.utils import environment

logger = logging.getLogger("fmbench")


@dataclass(frozen=True)
class RerunComparison:
    """A record, and the record of a second measurement of its cell."""

    record: Record
    rerun: Record
    n: int = 0  # predictions
    n_differing: int = 0  # predictions that differ between the two

    @property
    def environment_changes(self) -> list[str]:
        """The differences between the two environments that can change predictions, as texts."""
        old, new = self.record, self.rerun
        changes = environment.describe_differences(
            old.versions, old.device, (new.versions, new.device)
        )
        if environment.INSTRUCTIONS not in old.versions:
            instructions = new.versions.get(environment.INSTRUCTIONS, "unknown")
            changes.append(f"{environment.INSTRUCTIONS} not recorded, here {instructions}")
        versions = [record.package.get("version", "unknown") for record in (old, new)]
        if new.history and versions[0] != versions[1]:
            changes.append(f"fmbench {versions[0]}, here {versions[1]}")
        if old.threads != new.threads:
            changes.append(f"threads {old.threads}, here {new.threads}")
        return changes

    @property
    def on_gpu(self) -> bool:
        """Whether either was measured on a GPU."""
        return any(r.peak_gpu_memory_bytes is not None for r in (self.record, self.rerun))

    @property
    def is_bad(self) -> bool:
        """Whether the rerun failed, or predictions differ without an explanation."""
        explained = bool(self.environment_changes) or self.on_gpu
        return not self.rerun.finished or (self.n_differing > 0 and not explained)

    @property
    def is_explained_difference(self) -> bool:
        """Whether predictions differ and the environment or a GPU explains it."""
        return self.n_differing > 0 and not self.is_bad

    @property
    def description(self) -> str:
        """The comparison in one line."""
        if not self.rerun.finished:
            return f"failed: {self.rerun.why}"
        reasons = list(self.environment_changes)
        if self.on_gpu:
            reasons.append("a GPU adds up in no fixed order")
        why = f"possible reasons: {'; '.join(reasons)}" if reasons else "same versions, same device"
        return f"{self.n_differing} of {self.n} predictions differ ({why})"

    def as_json(self) -> dict[str, Any]:
        """Return the comparison for a program."""
        return {
            "n": self.n,
            "differing": self.n_differing,
            "made_elsewhere": self.environment_changes,
            "failure": None if self.rerun.finished else self.rerun.why,
            "bad": self.is_bad,
        }


def compare_with_rerun(
    record: Record, store: Store, rerun: Record, rerun_store: Store
) -> RerunComparison:
    """Compare the predictions of a record with those of a second measurement of its cell."""
    if not rerun.finished:
        return RerunComparison(record, rerun)
    old, new = store.load_y_pred(record), rerun_store.load_y_pred(rerun)
    return RerunComparison(record, rerun, len(old), int((old != new).sum()))


@dataclass(frozen=True)
class RerunResult:
    """The comparisons by the path of the record, and whether Ctrl-C ended the measuring."""

    comparisons: dict[Path, RerunComparison]
    interrupted: bool


def rerun_records(
    checks: Sequence[RecordCheck],
    named: Sequence[str],
    verifier: Verifier,
    run_options: RunOptions,
    make_observer: MakeObserver,
) -> RerunResult:
    """Measure records again in a temporary folder and compare the predictions.

    Each is measured with the number of threads in its record. Only finished records that are fine
    are measured again. A record of a plug-in may come from anybody and name any code, so that code
    runs only if the user names it in ``named``. After Ctrl-C, the cells measured so far are
    compared.
    """
    from fmbench.execution.local import make_scratch_folder

    todo = _select_cells(checks, named, verifier)
    known = {check.record.key: check.record for check, _ in todo.values() if check.record}
    contents = StoreContents(known, {}, [])
    estimate, memory = DurationEstimate(contents), MemoryEstimate(contents)
    interrupted = False
    with make_scratch_folder() as folder:
        store = Store(folder)
        store.prepare()
        try:
            with run_options.connect(store.folder) as cluster:
                for threads in sorted({record.threads for record in known.values()}):
                    cells = [
                        cell for _, cell in todo.values() if known[cell.key].threads == threads
                    ]
                    cells.sort(key=lambda cell: cell.dataset.name)
                    limits = replace(run_options, threads=threads).limits(cells, memory, cluster)
                    session = MeasuringSession(
                        store, verifier.sources, limits, estimate, cluster, make_observer
                    )
                    session.measure(cells, StoreContents({}, {}, []), n_planned=len(cells))
        except KeyboardInterrupt:
            logger.error(  # not a warning, so that -q does not hide it
                "interrupted: the cells measured again so far are compared, and then discarded"
            )
            interrupted = True
        again = store.read_contents()
        comparisons = {}
        for key, (check, _) in todo.items():
            record = again.finished.get(key) or again.failed.get(key)
            if record is not None:
                comparisons[check.path] = compare_with_rerun(
                    known[key], verifier.store, record, store
                )
    return RerunResult(comparisons, interrupted)


def _select_cells(
    checks: Sequence[RecordCheck], named: Sequence[str], verifier: Verifier
) -> dict[str, tuple[RecordCheck, Cell]]:
    """Select the records to measure again, with their cells, by key; messages count the others."""
    announce = make_announcer()
    targets = {parse_model_spec(name).target for name in named}
    selected: dict[str, tuple[RecordCheck, Cell]] = {}
    unnamed: list[str] = []
    for check in checks:
        if check.record is None or not check.record.finished or check.state != State.FINE:
            continue
        code = find_code_to_run(check.record)
        if code is not None and code not in targets:
            unnamed.append(code)
            continue
        cell = verifier.current_cells.load_cell(check.record, announce)
        if cell.dataset.name in verifier.sources:
            selected[cell.key] = (check, cell)
    for code, n in Counter(unnamed).items():
        logger.warning("%d records of %s are not measured again: name it to run its code", n, code)
    n_others = sum(check.record is not None for check in checks) - len(selected) - len(unnamed)
    if n_others:
        logger.info(
            "%d records are not measured again: they are failed, stale, wrong or unknown, or their "
            "data set is not on this machine",
            n_others,
        )
    return selected
