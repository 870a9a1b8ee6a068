"""The verb that looks at every record of a results folder: does it hold?"""

from __future__ import annotations

import dataclasses
import json
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from fmbench.cli import options
from fmbench.cli.output import FAILED, INTERRUPTED, print_message, print_output
from fmbench.errors import UserError
from fmbench.execution.session import RunOptions

if TYPE_CHECKING:
    from fmbench.audit.rerun import RerunComparison
    from fmbench.audit.verify import RecordCheck, Verifier
    from fmbench.records.cells import Cell


MEASURING = {field.name for field in dataclasses.fields(RunOptions)}


@click.command(
    epilog="Examples: fmbench verify; fmbench verify gaussian-nb --rerun; "
    "fmbench verify --results results/reference"
)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option(
    "--rerun",
    is_flag=True,
    help="Measure each again, with its own threads, in a temporary folder, and compare; "
    "a plug-in's only if NAME names it, since its code is run.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the findings for a program.")
@options.run_options
@options.suite
@options.results
@options.data
@click.pass_context
def verify(
    context: click.Context,
    names: tuple[str, ...],
    rerun: bool,
    as_json: bool,
    run_options: RunOptions,
    suite_file: Path | None,
    results: Path,
    data: dict[str, Path],
) -> None:
    """Do the records hold, and answer today's question? Looks at each; nothing is changed.

    NAME is a runner, as `fmbench run` takes it; without, all. Exit status: 0 if all is well, 1 if
    a record or a table is broken, stale or wrong, or if --rerun predicts otherwise.
    """
    from fmbench.analysis.evaluation import read_results
    from fmbench.audit.current_cells import CurrentCells
    from fmbench.audit.verify import TableVerifier, Verifier
    from fmbench.datasets import loading, locate
    from fmbench.datasets.specs import DATASETS, DEFAULT_DATASET
    from fmbench.suites import reader

    _refuse_idle(context, rerun)
    suite = reader.read_suite(suite_file)
    source = locate.locate_dataset(folder=data.get(DEFAULT_DATASET.name), fetch=True)
    loading.verify_files(source.spec, source.folder)
    store = options.existing_store(results)
    contents = store.read_contents()
    others = locate.find_other_datasets(
        (r.cell["dataset"] for r in contents.finished.values() if r.cell["dataset"] in DATASETS),
        data, fetch=False, consequence="the records' own labels are used for",
    )  # fmt: skip
    sources = {source.spec.name: source, **others}
    verifier = Verifier(store, sources, CurrentCells(suite))
    findings = _chosen(list(_with_progress(verifier, contents)), names, results)
    tables = TableVerifier(
        results, suite, lambda protocol: read_results(results, suite, protocol, source.folder)
    )
    differences = [] if names else tables.differences
    repeated: dict[Path, RerunComparison] = {}
    interrupted = 0
    if not as_json:
        for finding in findings:
            if finding.state not in ("fine", "failed"):
                print_output(f"{finding.state:7} {finding.path}: {finding.why}")
        for path, why in differences:
            print_output(f"wrong   {path}: {why}")
    if rerun:
        repeated, interrupted = _repeated(findings, names, verifier, run_options)
    bad_again = [r for r in repeated.values() if r.is_bad]
    if as_json:
        print_output(json.dumps(_as_json(findings, differences, repeated), indent=1))
    else:
        for path, repetition in repeated.items():
            mark = "differs" if repetition.is_bad else "again"
            print_output(f"{mark:7} {path}: {repetition.description}")
        print_output(_summary(findings, differences, repeated))
    bad = bad_again or differences or any(finding.is_bad for finding in findings)
    sys.exit(interrupted or (FAILED if bad else 0))


def _refuse_idle(context: click.Context, rerun: bool) -> None:
    """No flag is ignored without a word: those of measuring need ``--rerun``."""
    given = [
        option.opts[-1]
        for option in context.command.params
        if option.name in MEASURING
        and context.get_parameter_source(option.name) is not ParameterSource.DEFAULT
    ]
    if "--threads" in given:
        raise UserError("no option --threads: --rerun measures each record with its own threads")
    if given and not rerun:
        raise UserError(f"{', '.join(given)} without --rerun: looking at records measures nothing")


def _with_progress(verifier: Verifier, contents: Any) -> Iterable[RecordCheck]:
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    n = len(contents.broken) + len(contents.finished) + len(contents.failed)
    return track(
        verifier.check_records(contents), "looking at records", n, console=console, transient=True,
        disable=not console.is_terminal,
    )  # fmt: skip


def _chosen(findings: list[RecordCheck], names: Sequence[str], results: Path) -> list[RecordCheck]:
    from fmbench.plugins.model_spec import parse_model_spec

    if not names:
        return findings

    def called(finding: RecordCheck) -> set[str]:
        asked = finding.record.asked if finding.record else None
        return {finding.path.parent.name, *([asked["runner"]] if asked else [])}

    chosen: list[RecordCheck] = []
    for name in names:
        found = [f for f in findings if parse_model_spec(name).target in called(f)]
        if not found:
            raise UserError(
                f"{results} holds no record of {name}; `fmbench list` shows what it has"
            )
        chosen += [finding for finding in found if finding not in chosen]
    return chosen


def _to_repeat(
    findings: Sequence[RecordCheck], names: Sequence[str], verifier: Verifier
) -> dict[str, tuple[RecordCheck, Cell]]:
    """Each fine, finished record and the cell to measure, by its key.

    Which code a plug-in's record names was for its writer to say: it is run if the user says so.
    """
    from fmbench.audit.current_cells import code_to_run
    from fmbench.plugins.model_spec import parse_model_spec

    said: set[str] = set()

    def announce(code: str) -> None:
        if code not in said:
            said.add(code)
            print_message(f"runs the code of {code}")

    meant = {parse_model_spec(name).target for name in names}
    todo: dict[str, tuple[RecordCheck, Cell]] = {}
    unnamed: list[str] = []
    for finding in findings:
        if finding.record is None or not finding.record.finished or finding.state != "fine":
            continue
        code = code_to_run(finding.record)
        if code is not None and code not in meant:
            unnamed.append(code)
            continue
        cell = verifier.current_cells.load_cell(finding.record, announce)
        if cell.dataset.name in verifier.sources:
            todo[cell.key] = (finding, cell)
    for code, n in Counter(unnamed).items():
        print_message(
            f"{n} records of {code} are not measured again: name it to run its code again"
        )
    left_out = sum(finding.record is not None for finding in findings) - len(todo) - len(unnamed)
    if left_out:
        print_message(
            f"{left_out} records are not measured again: they failed, or are not what would be"
        )
    return todo


def _repeated(
    findings: Sequence[RecordCheck],
    names: Sequence[str],
    verifier: Verifier,
    run_options: RunOptions,
) -> tuple[dict[Path, RerunComparison], int]:
    """Each measured again in a temporary folder, as far as that got; and the exit status."""
    from fmbench.audit.rerun import compare_with_rerun
    from fmbench.execution.estimate import DurationEstimate
    from fmbench.execution.session import MeasuringSession
    from fmbench.records.store import StoreContents, Store
    from fmbench.report.progress import show_progress

    todo = _to_repeat(findings, names, verifier)
    known = StoreContents({f.record.key: f.record for f, _ in todo.values() if f.record}, {}, [])
    repeated: dict[Path, RerunComparison] = {}
    status = 0
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="fmbench-") as folder:
        place = Store(Path(folder))
        place.prepare()
        try:
            with run_options.connect(place.folder) as cluster:
                for threads in sorted({f.record.threads for f, _ in todo.values() if f.record}):
                    cells = [
                        c for f, c in todo.values() if f.record and f.record.threads == threads
                    ]
                    cells.sort(key=lambda cell: cell.dataset.name)
                    limits = dataclasses.replace(run_options, threads=threads).limits(
                        cells, cluster
                    )
                    session = MeasuringSession(
                        place, verifier.sources, limits, DurationEstimate(known), cluster, show_progress
                    )
                    session.measure(cells, StoreContents({}, {}, []), n_planned=len(cells))
        except KeyboardInterrupt:
            print_message(
                "interrupted: what was measured again is compared, and nothing of it is kept"
            )
            status = INTERRUPTED
        again = place.read_contents()
        for key, (finding, _) in todo.items():
            record = again.finished.get(key) or again.failed.get(key)
            if record is not None and finding.record is not None:
                repeated[finding.path] = compare_with_rerun(finding.record, verifier.store, record, place)
    return repeated, status


def _as_json(
    findings: Sequence[RecordCheck],
    differences: Sequence[tuple[Path, str]],
    repeated: dict[Path, RerunComparison],
) -> dict[str, Any]:
    def of(finding: RecordCheck) -> dict[str, Any]:
        again = repeated.get(finding.path)
        found = {"file": str(finding.path), "state": finding.state, "why": finding.why}
        return found | ({"again": again.as_json()} if again else {})

    return {
        "records": [of(finding) for finding in findings],
        "tables": [{"file": str(path), "why": why} for path, why in differences],
    }


def _summary(
    findings: Sequence[RecordCheck],
    differences: Sequence[tuple[Path, str]],
    repeated: dict[Path, RerunComparison],
) -> str:
    states = Counter(finding.state for finding in findings)
    said = [
        f"{len(findings)} records: {', '.join(f'{n} {s}' for s, n in states.items()) or 'none'}"
    ]
    if differences:
        said.append(f"{len(differences)} tables say otherwise")
    if repeated:
        same = sum(not r.n_differing and r.rerun.finished for r in repeated.values())
        said.append(f"{len(repeated)} measured again, {same} with the same predictions")
        if excused := sum(r.is_explained_difference for r in repeated.values()):
            said.append(f"{excused} differ and are excused: made elsewhere, or on a GPU")
    return "; ".join(said)


# It is of a record how many threads it is measured with.
for _option in verify.params:
    if isinstance(_option, click.Option) and _option.name == "threads":
        _option.hidden = True
