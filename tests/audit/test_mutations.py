"""No reader stops at a record, whatever anybody changes in it.

Every key of a record, and every array of its predictions, is changed in many ways. Each command
that reads records must then print its results, or one line for the user: no other exception, no
endless reading, and no more memory than usual.
"""

from __future__ import annotations

import copy
import json
import math
import os
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

import fmbench
from fmbench import runners
from fmbench.analysis.predictions import load_predictions
from fmbench.analysis.reference import CONFUSION_FILE, SUMMARY_FILE
from fmbench.api import listing, stories, verification, writing
from fmbench.api.results import load_results
from fmbench.audit.prune import list_removable
from fmbench.audit.verify import State, Verifier
from fmbench.datasets.specs import MNIST_DIGITS, records_have_labels
from fmbench.execution import schedule
from fmbench.execution.estimate import DurationEstimate
from fmbench.judging.measurements import load_measurements
from fmbench.models.registry import Runner, our_choice
from fmbench.records.cells import Cell, compute_key
from fmbench.records.protocols import FULL, PROTOCOLS, load_labels
from fmbench.records.record import HISTORY_NAMES, Record, make_user_request
from fmbench.records.store import Store
from fmbench.report.html import sections
from fmbench.report.tables import table_path
from fmbench.suites.reader import TABLES, read_suite
from fmbench.utils.environment import collect_versions, cpu_name
from tests.helpers.raw_records import pack_arrays, write_predictions
from tests.records.test_hostile_files import ODD_FILES

pytestmark = pytest.mark.slow

SUITE = """
title = "A suite for tests"

[test_set]
n_per_class = [1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000]

[[row]]
label = "LeNet"
where = "Table 1"
runner = "lenet5"
claimed = "98.8"

[[row]]
label = "CNN"
where = "Table 1"
runner = "cnn-bn"
claimed = "92.22"
picked = "best epoch"

[[row]]
label = "Bayes"
where = "Table 1"
runner = "gaussian-nb"
claimed = "50"

[[row]]
label = "SGD"
where = "Table 1"
runner = "sgd"
claimed = "81"

[[reported]]
where = "Table 2"
metric = "kappa"
value = "0.75"
of = "lenet5"
"""
MAX_MORE_MEMORY = 2**30
MAX_SECONDS = 300  # only so that an endless loop fails the test; a reader takes under a second
LENET, CNN = runners.get_runner("lenet5"), runners.get_runner("cnn-bn")


def make_plug_in(*, a: int, b: str, seed: int) -> None:
    raise AssertionError("never run")


PLUG_IN = Runner(
    "plug_in.py-make-0a1b2c3d", "./plug_in.py:make", make_plug_in,
    {"a": our_choice(1, "for tests"), "b": our_choice("x", "for tests")}, 1, "unknown",
    requested_as="./plug_in.py:make", source=f"sha256:{'0' * 64}",
)  # fmt: skip
CELLS = {
    "cnn-bn": Cell(CNN, FULL, 0),
    "lenet5": Cell(LENET, FULL, 0),
    "digits": Cell(LENET, PROTOCOLS["digits"], 0, MNIST_DIGITS),
    "plug-in": Cell(PLUG_IN, FULL, 0, overrides={"a": 1}),
    "failed": Cell(runners.get_runner("sgd"), FULL, 0),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory, source, record_of) -> Path:
    """A results folder with a record of each kind; its tables and summaries are written."""
    path = tmp_path_factory.mktemp("mutations")
    (path / "suite.toml").write_text(SUITE)
    store, others = (
        Store(path),
        [Cell(LENET, FULL, 1), Cell(runners.get_runner("gaussian-nb"), FULL, 0)],
    )
    for cell in [*CELLS.values(), *others]:
        record = replace(
            record_of(cell), asked=make_user_request(cell), device=cpu_name(), warnings=["slow"],
            versions=collect_versions(), details={"winner": {"n": 3}}, measurement_id="a" * 32,
            peak_memory_bytes=10**8, predict_seconds=0.5,
        )  # fmt: skip
        if cell == CELLS["failed"]:
            store.save(replace(record, status="failed", why="ran out of memory"))
        else:
            save_with_arrays(store, cell, record, source)
    writing.write_tables(load_results(path, path / "suite.toml", data=source.folder))
    return path


def save_with_arrays(store: Store, cell: Cell, record: Record, source: Any) -> None:
    if records_have_labels(cell.dataset.name):
        y_true = np.repeat(np.arange(10, dtype=np.uint8), 1000)
        arrays = {"y_true": y_true}
    else:
        y_true, arrays = load_labels(cell.protocol, source), {}
    wrong = ((y_true + 1) % 10).astype(np.uint8)
    half = np.where(np.arange(len(y_true)) % 2, y_true, wrong)
    arrays |= {"y_pred": half}
    if cell.runner.uses_gpu and cell.protocol.detailed:
        arrays |= {"epoch_y_pred": np.stack([half, wrong]), "flagged_best_epoch": half,
                   "scores": np.zeros((len(y_true), 10), np.float16)}  # fmt: skip
        accuracy = float((half == y_true).mean())
        record = replace(record, history=[
            {"epoch": epoch, "train_loss": 0.5, "train_accuracy": 0.5, "heldout_loss": 0.5,
             "heldout_accuracy": heldout} for epoch, heldout in ((1, accuracy), (2, 0.0))
        ])  # fmt: skip
    store.save(record, arrays)


@contextmanager
def limits() -> Iterator[None]:
    """Check that the block takes at most ``MAX_MORE_MEMORY``, and let it not run for ever.

    The memory is the resident one: libraries reserve addresses as they like, and more of them in a
    process that has run other tests. A limit on addresses only protects the machine.
    """

    def give_up(*_: object) -> None:
        raise AssertionError(f"a reader took more than {MAX_SECONDS} seconds")

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    memory = psutil.Process().memory_info()
    allowed = max(memory.rss + MAX_MORE_MEMORY, measure_peak_memory())
    handler = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(MAX_SECONDS)
    resource.setrlimit(resource.RLIMIT_AS, (memory.vms + 16 * MAX_MORE_MEMORY, hard))
    try:
        yield
        assert measure_peak_memory() <= allowed
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        signal.alarm(0)
        signal.signal(signal.SIGALRM, handler)


def measure_peak_memory() -> int:
    """Return the largest resident size that this process has ever had, in bytes."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def list_readers(folder: Path, data: Path) -> dict[str, Callable[[], object]]:
    """Every command that reads records, as a function without arguments."""
    suite, store = folder / "suite.toml", Store(folder)

    def show_table() -> None:
        found = load_results(folder, suite, data=data)
        for name in TABLES:
            found.table(name).text_rows()
        found.to_frame()
        found.records_frame()
        found.evaluation.find_other_environments()

    def load_page() -> None:
        found = load_predictions(load_results(folder, suite, data=data).evaluation)
        found.hardest_images(3)
        for predictions in found.by_name.values():
            _ = predictions.rates
            for name in HISTORY_NAMES:
                predictions.curve(name)
            for record in predictions.records:
                sections._format_versions(record)
                sections._format_short_commit(record)
                sections._format_full_commit(record)

    def prune() -> None:
        checks = Verifier(store, {}).check_records(store.read_contents())
        list(list_removable(store, checks, {State.STALE, State.FAILED, State.BROKEN}))

    def plan_run() -> None:
        contents = store.read_contents()
        estimate = DurationEstimate(contents)
        for cell in CELLS.values():
            assert 0 <= estimate.expected_seconds(cell) < math.inf
            contents.explain_stale(cell)
        schedule.select_pending(list(CELLS.values()), contents, refresh=True)

    return {
        "table": show_table,
        "report": load_page,
        "verify": lambda: verification.verify(results=folder, suite=suite, data=data),
        "list": lambda: listing.list_runners(results=folder, suite=suite),
        "prune": prune,
        "forensics": lambda: stories.forensics("lenet5", results=folder, suite=suite, data=data),
        "run": plan_run,
        "judge": lambda: load_measurements(folder),
    }


def check_readers(folder: Path, data: Path) -> None:
    """Every reader must work, or say in one line what is wrong."""
    for name, reader in list_readers(folder, data).items():
        with limits():
            try:
                reader()
            except fmbench.UserError as error:
                message = str(error)
                # Only these read files of which a broken one leaves nothing to show.
                assert name in ("judge", "list"), (name, message)
                assert "\n" not in message and len(message) < 1000


# ---------------------------------------------------------------- the JSON of a record


def nest(depth: int) -> list:
    value: list = []
    for _ in range(depth):
        value = [value]
    return value


MISSING = object()
VERY_DEEP = "stands for a list that is nested too deep to be encoded"
VALUES = (
    MISSING, None, True, 0, -1, 1.5, -0.5, 10**400, 2**70, 1e308, float("nan"), float("inf"), "",
    "x\udcff\x1b[31m\u202e", "../../x", "a" * 200_000, "full", "2026-01-01", [], {}, [1], [None],
    {"a": 1}, {"name": "full"}, nest(60), VERY_DEEP,
)  # fmt: skip


def list_places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every key of nested dictionaries, and the first item of each list."""
    inner = value.items() if isinstance(value, dict) else enumerate(value[:1])
    for key, child in inner:
        yield (*place, key)
        if isinstance(child, dict | list):
            yield from list_places(child, (*place, key))


def change(fields: dict[str, Any], place: tuple[Any, ...], value: Any) -> dict[str, Any]:
    changed = copy.deepcopy(fields)
    inner = changed
    for key in place[:-1]:
        inner = inner[key]
    if value is MISSING:
        del inner[place[-1]]
    else:
        inner[place[-1]] = value
    return changed


def write_mutated(path: Path, fields: dict[str, Any]) -> Path | None:
    """Write changed fields in place of a record; returns the path under which they fit their key.

    A change of the cell changes its key and the name of its file, so both are made to fit.
    """
    deep = f"{'[' * 2000}{']' * 2000}"
    path.write_text(json.dumps(fields).replace(f'"{VERY_DEEP}"', deep))
    cell = fields.get("cell")
    with suppress(TypeError, ValueError, KeyError, AttributeError, RecursionError):
        fields = {**fields, "key": compute_key(cell)}
        name = path.name.split("-", 1)[1].split("-", 1)[1]
        target = path.with_name(
            f"{cell['protocol']['name']}-seed{cell['seed']}-{fields['key']}{name[16:]}"
        )
        if "/" not in target.name and len(target.name) < 200 and target != path:
            target.write_text(json.dumps(fields))
            if path.with_suffix(".npz").exists():
                os.link(path.with_suffix(".npz"), target.with_suffix(".npz"))
            return target
    return None


def mutate_record(folder: Path, data: Path, name: str, every: int, readers_every: int) -> int:
    """Make every n-th change of a record; returns how many changed records were accepted.

    All readers get every n-th of the accepted ones. To a reader all broken records are the same, so
    they get only the first of these.
    """
    store = Store(folder)
    cell = CELLS[name]
    [path] = [path for path in store.list_record_files() if cell.key in path.name]
    content = path.read_bytes()
    fields, n_all = json.loads(content), len(store.list_record_files())
    mutations = [(place, value) for place in list_places(fields) for value in VALUES]
    n_accepted = n_broken = 0
    try:
        for place, value in mutations[::every]:
            target = write_mutated(path, change(fields, place, value))
            try:
                with limits():
                    contents = Store(folder).read_contents()
                n_found = len(contents.finished) + len(contents.failed)
                assert n_found + len(contents.broken) == n_all + bool(target), (place, value)
                assert all(b.why and "\n" not in b.why for b in contents.broken), (place, value)
                n_broken += bool(contents.broken)
                n_accepted += not contents.broken
                if n_broken == 1 if contents.broken else n_accepted % readers_every == 0:
                    check_readers(folder, data)
            finally:
                if target:
                    target.unlink()
                    target.with_suffix(".npz").unlink(missing_ok=True)
    finally:
        path.write_bytes(content)
    return n_accepted


@pytest.mark.parametrize("name", CELLS)
def test_a_few_changes_of_each_record_stop_no_reader(folder, source, name):
    mutate_record(folder, source.folder, name, every=43, readers_every=9)
    assert len(Store(folder).read_contents().broken) == 0


@pytest.mark.parametrize("name", CELLS)
def test_many_changes_of_each_key_of_a_record_stop_no_reader(folder, source, name):
    assert mutate_record(folder, source.folder, name, every=5, readers_every=8) > 20


# ---------------------------------------------------------------- the predictions


def list_changed_arrays(array: np.ndarray) -> dict[str, np.ndarray | None]:
    nested = np.zeros((2, 3, 4, 5), array.dtype)
    return {
        "missing": None,
        "shorter": array[..., :-1],
        "longer": np.concatenate([array, array]),
        "empty": array[:0],
        "a number": array.ravel()[0],
        "transposed": array.T if array.ndim > 1 else array[None],
        "of four dimensions": nested,
        "int64": array.astype(np.int64),
        "float32": array.astype(np.float32),
        "float16": array.astype(np.float16),
        "complex": array.astype(complex),
        "text": array.astype("U3"),
        "truth values": array.astype(bool),
        "structured": np.zeros(len(array), [("a", "u1"), ("b", "f2")]),
        "all 255": np.full_like(array, 255),
        "all 9": np.full_like(array, 9),
        "reversed": array[::-1],
        "nan": (array.astype(np.float16) * np.float16("nan")),
        "infinite": np.full(array.shape, np.inf, np.float16),
    }


@pytest.mark.parametrize("name", ["digits", "cnn-bn"])
def test_no_change_of_an_array_stops_a_reader(folder, source, name):
    store = Store(folder)
    record = store.read_contents().finished[CELLS[name].key]
    path, arrays = store.path(record), store.load_arrays(record)
    before = path.read_bytes(), path.with_suffix(".npz").read_bytes()
    n_accepted = 0
    try:
        for array_name, array in arrays.items():
            for changed in list_changed_arrays(array).values():
                all_arrays = {**arrays, array_name: changed}
                kept = {key: value for key, value in all_arrays.items() if value is not None}
                write_predictions(path, pack_arrays(kept))
                with limits():
                    contents = Store(folder).read_contents()
                assert len(contents.broken) <= 1
                n_accepted += not contents.broken
                if not contents.broken and n_accepted % 8 == 7:
                    check_readers(folder, source.folder)
        check_readers(folder, source.folder)
    finally:
        path.write_bytes(before[0])
        path.with_suffix(".npz").write_bytes(before[1])
    assert n_accepted >= 2 * len(arrays) - 2


# ---------------------------------------------------------------- other files, and the commands


@pytest.mark.parametrize("make", ODD_FILES)
def test_no_odd_file_stops_a_reader(folder, source, make):
    suite = read_suite(folder / "suite.toml")
    summary = suite.folder_in(folder) / SUMMARY_FILE
    first, second = sorted(Store(folder).records.glob("lenet5/full*.json"))
    table = table_path(folder, suite, "accuracies", FULL, "csv")
    odd = (first, second.with_suffix(".npz"), summary, summary.with_name(CONFUSION_FILE), table)
    kept = [path.rename(path.with_name(f"{path.name}.kept")) for path in odd]
    try:
        for path in odd:
            make(path)
        check_readers(folder, source.folder)
    finally:
        for path, old in zip(odd, kept, strict=True):
            path.rmdir() if path.is_dir() else path.unlink()
            old.rename(path)


SUMMARY_VALUES = (MISSING, None, -1, 1.5, 10**400, "x", [], {}, [None], {"a": {}}, nest(60))


def test_no_change_of_a_summary_stops_a_reader(folder, source):
    suite = read_suite(folder / "suite.toml")
    for name in (SUMMARY_FILE, CONFUSION_FILE):
        path = suite.folder_in(folder) / name
        content = path.read_bytes()
        fields = json.loads(content)
        readers = list_readers(folder, source.folder)
        try:
            # Half of the values: at each place other ones.
            mutations = [(place, v) for place in list_places(fields) for v in SUMMARY_VALUES]
            for place, value in mutations[::2]:
                path.write_text(json.dumps(change(fields, place, value)))
                for reader in (readers["judge"], readers["list"]):
                    try:
                        reader()
                    except fmbench.UserError as error:
                        assert "\n" not in str(error)
        finally:
            path.write_bytes(content)


@pytest.mark.parametrize(
    "command",
    [("table",), ("compare", "lenet5", "cnn-bn"), ("verify",), ("list",), ("report",),
     ("forensics", "lenet5"), ("judge", "LeNet-5 90 %")],
)  # fmt: skip
def test_a_command_names_each_broken_record_in_one_line_and_shows_the_rest(
    folder, source, run_command, tmp_path, command
):
    store = Store(folder)
    path = next(p for p in store.list_record_files() if CELLS["digits"].key in p.name)
    content = path.read_bytes()
    options = ["--results", folder, *(("--suite", folder / "suite.toml")
               if command[0] not in ("judge",) else ())]  # fmt: skip
    if command[0] in ("table", "compare", "verify", "report", "forensics"):
        options += ["--data", source.folder]
    if command[0] == "report":
        options += ["--output", tmp_path / "report.html"]
    try:
        path.unlink()
        path.symlink_to("/dev/zero")
        done = run_command(*command, *options)
    finally:
        path.unlink()
        path.write_bytes(content)
    assert done.returncode in (0, 1, 2), done
    assert "Traceback" not in done.stdout + done.stderr
    if command[0] in ("table", "compare", "report"):
        lines = [line for line in done.stderr.splitlines() if str(path) in line]
        assert len(lines) == 1 and "it is not a regular file" in lines[0]
    if command[0] in ("table", "compare", "verify"):
        assert len(done.stdout.splitlines()) >= 3
