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

from fmbench.cli import options, session
from fmbench.cli.output import FAILED, INTERRUPTED, output, say
from fmbench.errors import UserError

if TYPE_CHECKING:
    from fmbench.audit.rerun import Repetition
    from fmbench.audit.verify import Finding, Verifier
    from fmbench.datasets.specs import Source
    from fmbench.records.cells import Cell
    from fmbench.records.record import Record


MEASURING = {field.name for field in dataclasses.fields(session.Allowed)}


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
@session.limits
@options.suite
@options.results
@options.data
@options.digits
@click.pass_context
def verify(
    context: click.Context,
    names: tuple[str, ...],
    rerun: bool,
    as_json: bool,
    allowed: session.Allowed,
    suite_file: Path | None,
    results: Path,
    data: Path | None,
    digits: Path | None,
) -> None:
    """Do the records hold, and answer today's question? Looks at each; nothing is changed.

    NAME is a runner, as `fmbench run` takes it; without, all. Exit status: 0 if all is well, 1 if
    a record or a table is broken, stale or wrong, or if --rerun predicts otherwise.
    """
    from fmbench.analysis import evaluation as folders
    from fmbench.audit.lookup import Counterparts
    from fmbench.audit.verify import Tables, Verifier
    from fmbench.datasets import loading, locate
    from fmbench.datasets.download import fetch
    from fmbench.suites import reader

    _refuse_idle(context, rerun)
    suite = reader.read(suite_file)
    source = locate.locate(data=data, fetch=fetch)
    loading.verify(source.spec, source.folder)
    store = options.existing(results)
    contents = store.read()
    sources = {source.spec.name: source, **_digits(contents.finished.values(), digits)}
    verifier = Verifier(store, sources, Counterparts(suite))
    findings = _chosen(list(_with_progress(verifier, contents)), names, results)
    tables = Tables(
        results, suite, lambda which: folders.read(results, suite, which, source.folder)
    )
    differences = [] if names else tables.differences
    repeated: dict[Path, Repetition] = {}
    interrupted = 0
    if not as_json:
        for finding in findings:
            if finding.state not in ("fine", "failed"):
                output(f"{finding.state:7} {finding.path}: {finding.why}")
        for path, why in differences:
            output(f"wrong   {path}: {why}")
    if rerun:
        repeated, interrupted = _repeated(findings, names, verifier, allowed)
    bad_again = [r for r in repeated.values() if r.bad]
    if as_json:
        output(json.dumps(_as_json(findings, differences, repeated), indent=1))
    else:
        for path, repetition in repeated.items():
            mark = "differs" if repetition.bad else "again"
            output(f"{mark:7} {path}: {repetition.in_words}")
        output(_summary(findings, differences, repeated))
    bad = bad_again or differences or any(finding.bad for finding in findings)
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


def _digits(records: Iterable[Record], folder: Path | None) -> dict[str, Source]:
    """The digits, if a record is of them; without them their own labels are believed."""
    from fmbench.datasets import loading, locate, specs

    spec = specs.MNIST_DIGITS
    if folder is None and not any(r.cell["dataset"] == spec.name for r in records):
        return {}
    try:
        source = locate.locate(spec, folder)
        loading.verify(spec, source.folder)
    except UserError as error:
        if folder is not None:
            raise
        say(f"labels of {spec.title} are taken from the records: {error}")
        return {}
    return {spec.name: source}


def _with_progress(verifier: Verifier, contents: Any) -> Iterable[Finding]:
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    n = len(contents.broken) + len(contents.finished) + len(contents.failed)
    return track(
        verifier.findings(contents), "looking at records", n, console=console, transient=True,
        disable=not console.is_terminal,
    )  # fmt: skip


def _chosen(findings: list[Finding], names: Sequence[str], results: Path) -> list[Finding]:
    from fmbench.plugins.spelling import parse

    if not names:
        return findings

    def called(finding: Finding) -> set[str]:
        asked = finding.record.asked if finding.record else None
        return {finding.path.parent.name, *([asked["runner"]] if asked else [])}

    chosen: list[Finding] = []
    for name in names:
        found = [f for f in findings if parse(name).target in called(f)]
        if not found:
            raise UserError(
                f"{results} holds no record of {name}; `fmbench list` shows what it has"
            )
        chosen += [finding for finding in found if finding not in chosen]
    return chosen


def _to_repeat(
    findings: Sequence[Finding], names: Sequence[str], verifier: Verifier
) -> dict[str, tuple[Finding, Cell]]:
    """Each fine, finished record and the cell to measure, by its key.

    Which code a plug-in's record names was for its writer to say: it is run if the user says so.
    """
    from fmbench.audit.lookup import code_of
    from fmbench.plugins.spelling import parse

    said: set[str] = set()

    def announce(code: str) -> None:
        if code not in said:
            said.add(code)
            say(f"runs the code of {code}")

    meant = {parse(name).target for name in names}
    todo: dict[str, tuple[Finding, Cell]] = {}
    unnamed: list[str] = []
    for finding in findings:
        if finding.record is None or not finding.record.finished or finding.state != "fine":
            continue
        code = code_of(finding.record)
        if code is not None and code not in meant:
            unnamed.append(code)
            continue
        cell = verifier.counterparts.to_measure(finding.record, announce)
        if cell.dataset.name in verifier.sources:
            todo[cell.key] = (finding, cell)
    for code, n in Counter(unnamed).items():
        say(f"{n} records of {code} are not measured again: name it to run its code again")
    left_out = sum(finding.record is not None for finding in findings) - len(todo) - len(unnamed)
    if left_out:
        say(f"{left_out} records are not measured again: they failed, or are not what would be")
    return todo


def _repeated(
    findings: Sequence[Finding],
    names: Sequence[str],
    verifier: Verifier,
    allowed: session.Allowed,
) -> tuple[dict[Path, Repetition], int]:
    """Each measured again in a temporary folder, as far as that got; and the exit status."""
    from fmbench.audit.rerun import compare
    from fmbench.execution.estimate import Estimate
    from fmbench.records.store import Contents, Store

    todo = _to_repeat(findings, names, verifier)
    known = Contents({f.record.key: f.record for f, _ in todo.values() if f.record}, {}, [])
    repeated: dict[Path, Repetition] = {}
    status = 0
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="fmbench-") as folder:
        place = Store(Path(folder))
        place.prepare()
        cluster = allowed.cluster(place.folder)
        try:
            for threads in sorted({f.record.threads for f, _ in todo.values() if f.record}):
                cells = [c for f, c in todo.values() if f.record and f.record.threads == threads]
                cells.sort(key=lambda cell: cell.dataset.name)
                limits = dataclasses.replace(allowed, threads=threads).limits(cells, cluster)
                made = session.Run(place, verifier.sources, limits, Estimate(known), cluster)
                made.measure(cells, Contents({}, {}, []), n_planned=len(cells))
        except KeyboardInterrupt:
            say("interrupted: what was measured again is compared, and nothing of it is kept")
            status = INTERRUPTED
        again = place.read()
        for key, (finding, _) in todo.items():
            record = again.finished.get(key) or again.failed.get(key)
            if record is not None and finding.record is not None:
                repeated[finding.path] = compare(finding.record, verifier.store, record, place)
    return repeated, status


def _as_json(
    findings: Sequence[Finding],
    differences: Sequence[tuple[Path, str]],
    repeated: dict[Path, Repetition],
) -> dict[str, Any]:
    def of(finding: Finding) -> dict[str, Any]:
        again = repeated.get(finding.path)
        found = {"file": str(finding.path), "state": finding.state, "why": finding.why}
        return found | ({"again": again.as_json()} if again else {})

    return {
        "records": [of(finding) for finding in findings],
        "tables": [{"file": str(path), "why": why} for path, why in differences],
    }


def _summary(
    findings: Sequence[Finding],
    differences: Sequence[tuple[Path, str]],
    repeated: dict[Path, Repetition],
) -> str:
    states = Counter(finding.state for finding in findings)
    said = [
        f"{len(findings)} records: {', '.join(f'{n} {s}' for s, n in states.items()) or 'none'}"
    ]
    if differences:
        said.append(f"{len(differences)} tables say otherwise")
    if repeated:
        same = sum(not r.n_differing and r.again.finished for r in repeated.values())
        said.append(f"{len(repeated)} measured again, {same} with the same predictions")
        if excused := sum(r.excused for r in repeated.values()):
            said.append(f"{excused} differ and are excused: made elsewhere, or on a GPU")
    return "; ".join(said)


# It is of a record how many threads it is measured with.
for _option in verify.params:
    if isinstance(_option, click.Option) and _option.name == "threads":
        _option.hidden = True
