"""The command line: parse, call, print; nothing else."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from fmbench.errors import UserError

if TYPE_CHECKING:
    from fmbench.registry import Runner
    from fmbench.results import Results
    from fmbench.suites import Suite

DEFAULT_RESULTS = Path("results/local")
FAILED, CONTRADICTORY, BAD_INPUT, INTERRUPTED = 1, 1, 2, 130

_results = click.option(
    "--results",
    type=click.Path(path_type=Path, file_okay=False),
    default=DEFAULT_RESULTS,
    show_default=True,
    help="Folder of records and tables.",
)
_data = click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="Folder with the four Fashion-MNIST files; default: found or fetched.",
)
_suite = click.option(
    "--suite",
    "suite_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="TOML file of claims; default: Kayed et al. 2020.",
)
_quick = click.option(
    "--quick", is_flag=True, help="A small part of the data and few epochs: minutes, no verdicts."
)


class _Group(click.Group):
    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        command = super().get_command(ctx, name)
        if command is None:
            import difflib

            near = difflib.get_close_matches(name, self.commands, n=1)
            hint = (
                f": did you mean {near[0]}?" if near else f"; there are {', '.join(self.commands)}"
            )
            raise UserError(f"no command {name!r}{hint}")
        return command


@click.group(
    cls=_Group,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Example: fmbench run lenet5 --seeds 2",
)
@click.version_option(package_name="fmbench")
def cli() -> None:
    """Re-run the models behind reported Fashion-MNIST accuracies under one harness."""


@cli.command(epilog="Example: fmbench data --data ~/fashion-mnist")
@_data
def data(data: Path | None) -> None:
    """Find or fetch the data, check it, and say what it is."""
    import numpy as np

    from fmbench import datasets
    from fmbench.downloads import fetch

    source = datasets.locate(data=data, fetch=fetch)
    dataset = datasets.load(source)
    click.echo(f"{source.spec.title}: {source.folder}\nfound as: {source.origin}\n")
    for name in datasets.FILES:
        click.echo(f"{name}  SHA-256 {source.spec.sha256[name]}  genuine")
    click.echo()
    for split in ("train", "test"):
        X, y = getattr(dataset, f"X_{split}"), getattr(dataset, f"y_{split}")
        counts = np.bincount(y, minlength=10)
        click.echo(f"{split}: X {X.dtype} {X.shape}, y {y.dtype} {y.shape}; images of each class:")
        for title, count in zip(source.spec.classes, counts, strict=True):
            click.echo(f"  {title:12} {count}")


@cli.command("list", epilog="Example: fmbench list --results results/local")
@_suite
@_results
def list_runners(suite_file: Path | None, results: Path) -> None:
    """List every runner: what it stands for, what was claimed, what has been measured."""
    from tabulate import tabulate

    from fmbench import registry, suites
    from fmbench.cells import FULL, Cell
    from fmbench.records import Store
    from fmbench.summary import reference

    suite, committed = suites.read(suite_file), reference().rows
    known = registry.runners()
    names = [*suite.runners, *(name for name in known if name not in suite.runners)]
    have = Store(results).keys()
    lines = []
    for name in names:
        rows = [row for row in suite.rows if row.runner == name]
        runner, measured = known.get(name), committed.get(name)
        n_local = 0
        if runner:
            n_local = sum(Cell(runner, FULL, seed).key in have for seed in range(len(have)))
        lines.append(
            (
                name,
                rows[0].label if rows else (runner.title if runner else ""),
                (rows[0].claimed if rows else None) or "",
                f"{100 * measured.mean:.2f} (n={measured.n})" if measured and measured.mean else "",
                f"n={n_local}" if n_local else "",
                runner.cost_in_words if runner else "no runner yet",
                ("cpu, cuda" if runner.uses_gpu else "cpu") if runner else "",
            )
        )
    header = ("name", "label in the paper", "claimed", "reference", "yours", "cost", "device")
    click.echo(tabulate(lines, header, tablefmt="simple", disable_numparse=True))


@cli.command(epilog="Example: fmbench show lenet5")
@click.argument("name")
def show(name: str) -> None:
    """Show a runner's recipe: every hyperparameter with its origin, and parameter counts."""
    from tabulate import tabulate

    from fmbench import registry

    runner = registry.get(name)
    click.echo(f"{runner.name}: {runner.title}")
    click.echo(
        f"revision {runner.revision}; "
        + ("deterministic: one seed" if runner.deterministic else "stochastic: several seeds")
        + f"; cost: {runner.cost_in_words}; device: {'cpu or cuda' if runner.uses_gpu else 'cpu'}\n"
    )
    lines = [(n, h.value, h.origin, h.why) for n, h in runner.hyperparameters.items()]
    header = ("hyperparameter", "value", "origin", "where, or why")
    click.echo(
        tabulate(lines, header, tablefmt="simple", maxcolwidths=[None, 24, None, 60],
                 disable_numparse=True)
    )  # fmt: skip
    if runner.parameter_counts:
        from fmbench.networks import parameter_counts

        classifier = runner.build(runner.resolve(), seed=0, device="cpu")
        counts = parameter_counts(classifier.network())
        click.echo("\ntrainable parameters, as built:")
        for layer, count in counts.items():
            click.echo(f"  {layer:12} {count:>10,}")
        click.echo(f"  {'total':12} {sum(counts.values()):>10,}")
    for note in runner.notes:
        click.echo(f"\n{note}")


@cli.command(
    epilog="Examples: fmbench run --all; fmbench run lenet5 --seeds 2; fmbench run svc-rbf -j 1"
)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--all", "run_all", is_flag=True,
              help="Every row of the suite that has a runner, but those by name only.")  # fmt: skip
@_suite
@_quick
@click.option(
    "--seeds",
    type=click.IntRange(1, 10_000),
    help="Seeds of each stochastic runner; deterministic ones run once.  [default: 5; quick: 2]",
)
@click.option(
    "-j", "--jobs", type=click.IntRange(1, 1024), help="Cells at a time.  [default: cores]"
)
@click.option(
    "--threads", type=click.IntRange(1, 1024), default=1, show_default=True,
    help="Threads of each cell.",
)  # fmt: skip
@click.option(
    "--timeout", type=click.FloatRange(0, min_open=True), default=6 * 3600, show_default=True,
    help="Seconds after which a cell is ended.",
)  # fmt: skip
@click.option(
    "--memory", type=click.FloatRange(0, min_open=True), default=8.0, show_default=True,
    help="GB of resident memory above which a cell is ended.",
)  # fmt: skip
@click.option(
    "--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True,
    help="Where the neural rows run.",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Run again what is finished.")
@click.option("--refresh", is_flag=True, help="Run again what was measured with other versions.")
@_results
@_data
def run(
    names: tuple[str, ...],
    run_all: bool,
    suite_file: Path | None,
    quick: bool,
    seeds: int | None,
    jobs: int | None,
    threads: int,
    timeout: float,
    memory: float,
    device: str,
    force: bool,
    refresh: bool,
    results: Path,
    data: Path | None,
) -> None:
    """Measure runners, then print and write the table. Finished cells are not run again."""
    from fmbench import datasets, environment, execution, suites
    from fmbench.cells import FULL, QUICK, Cell, seeds_of
    from fmbench.downloads import fetch
    from fmbench.progress import Estimate, watching
    from fmbench.records import Store
    from fmbench.results import read
    from fmbench.summary import reference

    suite = suites.read(suite_file)
    runners = _chosen(names, run_all, suite)
    protocol = QUICK if quick else FULL
    n_seeds = seeds or (2 if quick else 5)
    store = Store(results)
    store.prepare()
    source = datasets.locate(data=data, fetch=fetch)
    datasets.verify(source.spec, source.folder)  # wrong data is the user's error, not a cell's
    cells = [Cell(r, protocol, seed) for r in runners for seed in seeds_of(r, n_seeds)]
    contents = store.read()
    for broken in contents.broken:
        _say(f"set aside {store.set_aside(broken)}: {broken.why}")
    estimate = Estimate(contents, reference().fit_seconds)
    todo = execution.in_order(
        execution.pending(cells, contents, force=force, refresh=refresh), estimate
    )
    for cell in todo:
        if why := contents.stale(cell):
            _say(f"{cell.name} is stale ({why}) and is measured again")
    neural = any(cell.runner.uses_gpu for cell in todo)
    limits = execution.Limits(
        timeout=timeout,
        memory=int(memory * 2**30),
        threads=threads,
        jobs=jobs or max(1, environment.n_cores() // threads),
        device=environment.resolve_device(device) if neural or device == "cuda" else "cpu",
    )
    if not todo:
        _say(f"nothing to do: {len(cells)} cells are measured already (--force runs them again)")
    failed = interrupted = False
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a scheduler's Ctrl-C
    try:
        with watching(todo, limits.jobs, estimate, n_planned=len(cells)) as observer:
            records = execution.run(todo, store, source, limits, observer) if todo else []
            failed = any(not record.finished for record in records)
    except KeyboardInterrupt:
        interrupted = True
        _say("interrupted: what is finished is kept, the same command goes on from here")
    outcome = read(results, suite, protocol, source.folder)
    # With nothing measured the tables are as they were; scoring every metric anew takes seconds.
    written = outcome.write(only_missing=not todo)
    _print_table(outcome, 3)
    if written:
        _say(f"written: {', '.join(str(path) for path in written)}")
    sys.exit(INTERRUPTED if interrupted else FAILED if failed else _complain(outcome))


@cli.command(epilog="Examples: fmbench table; fmbench table --format csv > table3.csv")
@click.option("--format", "format_", type=click.Choice(["md", "csv", "json"]), default="md",
              show_default=True)  # fmt: skip
@click.option("--table", "number", type=click.Choice(["1", "2", "3"]), default="3",
              show_default=True, help="Which of the paper's tables.")  # fmt: skip
@click.option("--write", is_flag=True, help="Also write all tables into the results folder.")
@_quick
@_suite
@_results
@_data
def table(
    format_: str,
    number: str,
    write: bool,
    quick: bool,
    suite_file: Path | None,
    results: Path,
    data: Path | None,
) -> None:
    """Print claimed beside measured. Nothing is run."""
    from fmbench import suites, tables
    from fmbench.cells import FULL, QUICK
    from fmbench.results import check_writable, read

    outcome = read(results, suites.read(suite_file), QUICK if quick else FULL, data)
    if write:
        results.mkdir(parents=True, exist_ok=True)
        check_writable(results)
        for path in outcome.write():
            _say(f"written: {path}")
    if format_ == "md":
        _print_table(outcome, int(number))
    else:
        click.echo(tables.FORMATS[format_](outcome.table(int(number))), nl=False)
    sys.exit(_complain(outcome))


@cli.command(epilog="Examples: fmbench check; fmbench check claims.toml --json")
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--rounding", type=click.Choice(["nearest", "truncated"]), default="nearest",
    show_default=True, help="How the figures were shortened.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the findings for a program.")
def check(file: Path | None, rounding: str, as_json: bool) -> None:
    """Can the reported figures be true together? Arithmetic alone; nothing is run.

    FILE is a TOML file with [test_set] and [[reported]] figures; without it, Kayed et al. 2020.
    Exit status: 0 consistent, 1 contradictory, 2 bad input.
    """
    import json

    from fmbench import explain, suites
    from fmbench.consistency import judge
    from fmbench.solver import hush

    suite = suites.read(file)
    hush()
    findings = judge(suite, rounding)
    if as_json:
        click.echo(json.dumps(findings.as_json()))
    else:
        click.echo(explain.as_text(findings), nl=False)
    sys.exit(CONTRADICTORY if findings.contradictory else 0)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Entry point. Errors of the user are one line on stderr and status 2."""
    try:
        cli.main(arguments, prog_name="fmbench", standalone_mode=False)
    except UserError as error:
        _say(f"error: {error}")
        sys.exit(BAD_INPUT)
    except click.ClickException as error:
        _say(f"error: {' '.join(error.format_message().split())}")
        sys.exit(BAD_INPUT)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(INTERRUPTED)
    except BrokenPipeError:  # `fmbench table | head`
        sys.stderr.close()
        sys.exit(0)
    sys.exit(0)


def _chosen(names: tuple[str, ...], run_all: bool, suite: Suite) -> list[Runner]:
    from fmbench import registry

    if run_all == bool(names):
        raise UserError("name the runners to run, or --all, not both; `fmbench list` shows them")
    if names:
        return [registry.get(name) for name in dict.fromkeys(names)]
    known = registry.runners()
    return [known[n] for n in suite.runners if n in known and not known[n].by_name_only]


def _print_table(outcome: Results, number: int) -> None:
    from fmbench.tables import FORMATS

    click.echo(FORMATS["md"](outcome.table(number)), nl=False)


def _complain(outcome: Results) -> int:
    """Say what of the records needs attention; returns the exit status."""
    if line := outcome.differences():
        _say(line)
    for broken in outcome.broken:
        _say(f"left out {broken.path}: {broken.why}; `fmbench run` measures its cell again")
    return BAD_INPUT if outcome.broken else 0


def _say(text: Any) -> None:
    click.echo(f"fmbench: {text}", err=True)
