"""The verbs that say what there is: the data, the runners, their recipes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fmbench.cli import common
from fmbench.cli.common import output, width
from fmbench.errors import UserError

if TYPE_CHECKING:
    from fmbench.registry import Runner
    from fmbench.summary import Summary


@click.command(epilog="Example: fmbench data --data ~/fashion-mnist")
@common.data
def data(data: Path | None) -> None:
    """Find or fetch the data, check it, and say what it is."""
    import numpy as np

    from fmbench import datasets
    from fmbench.downloads import fetch

    source = datasets.locate(data=data, fetch=fetch)
    dataset = datasets.load(source)
    lines = [f"{source.spec.title}: {source.folder}", f"found as: {source.origin}", ""]
    lines += [f"{name}  SHA-256 {source.spec.sha256[name]}  genuine" for name in datasets.FILES]
    lines.append("")
    for split in ("train", "test"):
        X, y = getattr(dataset, f"X_{split}"), getattr(dataset, f"y_{split}")
        counts = np.bincount(y, minlength=10)
        lines.append(
            f"{split}: X {X.dtype} {X.shape}, y {y.dtype} {y.shape}; images of each class:"
        )
        lines += [
            f"  {title:12} {count}"
            for title, count in zip(source.spec.classes, counts, strict=True)
        ]
    output("\n".join(lines))


@click.command("list", epilog="Example: fmbench list --results results/local")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@common.suite
@common.results
def list_runners(names: tuple[str, ...], suite_file: Path | None, results: Path) -> None:
    """List every row and runner: what was claimed, and what has been measured.

    With a NAME, as `fmbench run` takes it, only that; its code is not run.
    """
    from tabulate import tabulate

    from fmbench import plugins, registry, suites
    from fmbench.spelling import parse
    from fmbench.summary import known_summaries, reference

    suite = suites.read(suite_file)
    committed = reference(suite.path).rows
    known = registry.runners()
    mine = known_summaries(results, known)
    listed = [(row.runner, row.label, row.claimed or "") for row in suite.rows]
    listed += [(name, known[name].title, "") for name in known if name not in suite.runners]
    listed += [(name, f"installed: {entry.value}", "")
               for name, entry in plugins.entry_points().items()]  # fmt: skip
    shown = {name for name, _, _ in listed}
    listed += [(name, "asked for by name", "") for name in mine if name not in shown]
    if names:
        wanted = {str(parse(name)) for name in names}
        if unknown := sorted(wanted - {name for name, _, _ in listed}):
            near = registry.suggestion(unknown[0], [name for name, _, _ in listed])
            raise UserError(f"nothing called {unknown[0]!r} is listed or measured{near}")
        listed = [line for line in listed if line[0] in wanted]
    missing = {row.runner for row in suite.rows if not row.estimator}
    lines = [
        (
            name,
            label,
            claimed,
            _measured(committed.get(name)),
            _measured(mine.get(name)),
            *_kind(known.get(name), missing=name in missing),
        )
        for name, label, claimed in listed
    ]
    header = ("name", "label in the paper", "claimed", "reference", "yours", "cost", "device")
    columns = width()
    # What is left for the label beside the other columns, each as wide as its longest entry.
    others = sum(
        max(len(line[i]) for line in [header, *lines]) + 2 for i in range(len(header)) if i != 1
    )
    wrap = None if columns is None else [None, max(12, columns - others), *[None] * 5]
    output(tabulate(lines, header, tablefmt="simple", disable_numparse=True, maxcolwidths=wrap))


def _measured(summary: Summary | None) -> str:
    if summary is None:
        return ""
    if summary.mean is None:
        return summary.status
    spread = f" ± {100 * summary.sd:.2f}" if summary.n > 1 and summary.sd is not None else ""
    return f"{100 * summary.mean:.2f}{spread} (n={summary.n})"


def _kind(runner: Runner | None, *, missing: bool) -> tuple[str, str]:
    if runner is None:
        return "no runner yet" if missing else "", ""
    return runner.cost_in_words, "cpu, cuda" if runner.uses_gpu else "cpu"


@click.command(epilog="Examples: fmbench show lenet5; fmbench show ./my_model.py:make_model")
@click.argument("name")
@common.parameters
def show(name: str, parameters: tuple[str, ...]) -> None:
    """Show a runner's recipe: every hyperparameter with its origin, and parameter counts."""
    from tabulate import tabulate

    [entry] = common.entries([name], parameters)
    runner, given = entry.runner, entry.parameters
    once = "deterministic: one seed" if runner.deterministic else "stochastic: several seeds"
    device = "cpu or cuda" if runner.uses_gpu else "cpu"
    rows = [
        (n, given[n], "our choice", "given with -p")
        if n in given
        else (n, h.value, h.origin, h.why)
        for n, h in runner.hyperparameters.items()
    ]
    header = ("hyperparameter", "value", "origin", "where, or why")
    used = max([len(header[0]), *(len(row[0]) for row in rows)]) + 24 + len("our choice") + 6
    why = 60 if (columns := width()) is None else max(20, columns - used)
    text = [
        f"{entry.name}: {runner.title}",
        f"revision {runner.revision}; {once}; cost: {runner.cost_in_words}; device: {device}",
        "",
        tabulate(rows, header, tablefmt="simple", maxcolwidths=[None, 24, None, why],
                 disable_numparse=True, missingval="None"),
    ]  # fmt: skip
    if runner.source:
        text[1] = f"source {runner.source}; {text[1].partition('; ')[2]}"
    if runner.parameter_counts:
        from fmbench.networks import parameter_counts

        classifier = runner.build(runner.resolve(), seed=0, device="cpu")
        counts = parameter_counts(classifier.network())
        text += ["", "parameters, as built:"]
        text += [f"  {layer:12} {count:>10,}" for layer, count in counts.items()]
        text.append(f"  {'total':12} {sum(counts.values()):>10,}")
    flagged = [f"Reported beside it, as a flagged figure: {w}." for w in runner.flagged.values()]
    for note in (*flagged, *runner.notes):
        text += ["", click.wrap_text(note, width() or 100)]
    output("\n".join(text))


COMMANDS = (data, list_runners, show)
