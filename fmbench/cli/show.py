"""`fmbench show`: prints a runner's recipe."""

from __future__ import annotations

import click

from fmbench.cli import options
from fmbench.cli.output import find_terminal_width, print_output


@click.command(
    epilog="Examples: fmbench show lenet5; fmbench show knn; fmbench show ./my_model.py:make_model"
)
@click.argument("name")
@options.parameters
def show(name: str, parameters: tuple[str, ...]) -> None:
    """Show a runner's recipe: every hyperparameter with its origin, and parameter counts.

    NAME is a runner, what papers call it (`knn`, `SVC`), a label of the default suite, or a model
    of your own.
    """
    from tabulate import tabulate

    from fmbench.api import find_configurations
    from fmbench.suites.matching import describe_configuration

    [entry] = find_configurations([name], parameters)
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
    why = 60 if (columns := find_terminal_width()) is None else max(20, columns - used)
    text = [
        f"{entry.name}: {runner.title}",
        f"revision {runner.revision}; {once}; cost: {runner.cost_in_words}; device: {device}",
        "",
        tabulate(rows, header, tablefmt="simple", maxcolwidths=[None, 24, None, why],
                 disable_numparse=True, missingval="None"),
    ]  # fmt: skip
    if runner.source:
        text[1] = f"source {runner.source}; {text[1].partition('; ')[2]}"
    if in_words := describe_configuration(entry.name):
        text[1] += f"\nparameters: {in_words}"
    if runner.aliases:
        text[1] += f"\nalso called: {', '.join(runner.aliases)}"
    if runner.parameter_counts:
        from fmbench.models.nn.layers import count_parameters

        classifier = runner.build(runner.resolve(), seed=0, device="cpu")
        counts = count_parameters(classifier.network())
        text += ["", "parameters, as built:"]
        text += [f"  {layer:12} {count:>10,}" for layer, count in counts.items()]
        text.append(f"  {'total':12} {sum(counts.values()):>10,}")
    flagged = [
        f"Stored beside it, as the flagged figure {name}: {text}."
        for name, text in runner.flagged.items()
    ]
    for note in (*flagged, *runner.notes):
        text += ["", click.wrap_text(note, find_terminal_width() or 100)]
    print_output("\n".join(text))
