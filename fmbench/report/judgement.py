"""Formats the judgement of ``fmbench judge``: for a terminal, as a table, or for a review."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from fmbench.analysis.verdicts import VerdictKind
from fmbench.datasets.specs import DEFAULT_DATASET
from fmbench.judging.documents import WITHOUT_FILE
from fmbench.judging.judgement import (
    FigureComparison,
    JudgedClaim,
    Judgement,
    ModelComparison,
    ReadInput,
    format_json,
)
from fmbench.judging.suite_builder import MAX_CANDIDATES, UNNAMED, list_candidates
from fmbench.metrics.registry import METRICS
from fmbench.report.commands import Commands
from fmbench.report.row_texts import (
    BY_SOURCE_PROTOCOL,
    TESTED,
    count_verdicts,
    format_source_protocol,
    name_verdict,
    shorten_verdict,
)
from fmbench.report.tables import compute_measured_accuracy
from fmbench.utils.formatting import join_words
from fmbench.utils.table import (
    COUNT,
    FORMATS,
    MEAN_SD,
    PRINTED_FIGURE,
    Column,
    MeanSd,
    Table,
)

if TYPE_CHECKING:
    from rich.console import Group
    from rich.text import Text

DEFAULT_WIDTH = 100  # where the output is no terminal
ABOVE = "above all that a third party has checked"
NO_MODEL = "no model of fmbench is matched"
IN_POINTS = "margin"  # the smallest margin with which the claim would be reproduced
MAX_SHOWN = 40  # claims of a PDF that are listed before the table


def format_judgement(
    judgement: Judgement, format_: str, width: int | None = None, *, colours: bool = False
) -> str:
    """Format a judgement in one of :data:`JUDGEMENT_FORMATS`.

    ``width`` and ``colours`` are for ``text``.
    """
    if format_ == "text":
        return format_text(judgement, width or DEFAULT_WIDTH, colours=colours)
    return JUDGEMENT_FORMATS[format_](judgement)


def format_text(judgement: Judgement, width: int, *, colours: bool = False) -> str:
    """Format a judgement for a terminal of ``width`` columns."""
    import io

    from rich.console import Console

    file = io.StringIO()
    console = Console(
        file=file, width=width, force_terminal=colours, color_system="standard" if colours else None
    )
    console.print(render_judgement(judgement, width), highlight=False, end="")
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines()) + "\n"


def _format_review(judgement: Judgement) -> str:
    from fmbench.report.review import write_review
    from fmbench.utils.environment import package_version

    remarks = [
        f"{claim.judged.label}: {claim.ladder.sentence}."
        for claim in judgement.claims
        if not claim.has_model and claim.ladder
    ]
    return write_review(
        _name_paper(judgement), judgement.rows, judgement.consistency, list_commands(judgement),
        made_with=f"fmbench {package_version()}", remarks=remarks, margin=judgement.margin,
    )  # fmt: skip


def _name_paper(judgement: Judgement) -> str:
    """Name what was judged: by the title of a suite, or by the names of the files."""
    names = [read.name for read in judgement.inputs if read.name not in WITHOUT_FILE]
    if [read.kind for read in judgement.inputs] == ["suite"]:
        return judgement.suite.title
    return join_words(names) or "the given text"


def _format_eval_results(judgement: Judgement) -> str:
    from datetime import UTC, datetime

    from fmbench.report.review import write_eval_results
    from fmbench.utils.environment import package_version

    return write_eval_results(
        judgement.rows, made_with=f"fmbench {package_version()}", today=datetime.now(UTC)
    )


def _use_table(name: str) -> Callable[[Judgement], str]:
    return lambda judgement: FORMATS[name](build_judgement_table(judgement))


JUDGEMENT_FORMATS: dict[str, Callable[[Judgement], str]] = {
    "text": lambda judgement: format_text(judgement, DEFAULT_WIDTH),
    **{name: _use_table(name) for name in FORMATS if name != "json"},
    "json": format_json,
    "review": _format_review,
    "eval-results": _format_eval_results,
}


# ---------------------------------------------------------------- as a table


def build_judgement_table(judgement: Judgement) -> Table:
    """Build one table of all claimed accuracies; everything else is in its notes."""
    columns = (
        Column("model"), Column("claimed", PRINTED_FIGURE), Column("measured", MEAN_SD),
        Column("n", COUNT), Column("verdict"), Column(IN_POINTS), Column("measured model"),
        Column("what would decide"), Column("found", is_detail=True),
    )  # fmt: skip
    rows = [
        {
            "model": claim.judged.label,
            "claimed": claim.judged.row.claimed,
            "measured": compute_measured_accuracy(claim.judged),
            "n": claim.judged.n or None,
            "verdict": describe_verdict(claim),
            IN_POINTS: format_margin(claim) or None,
            "measured model": name_measured(claim) or None,
            "what would decide": name_command(claim, judgement) or None,
            "found": str(claim.place) if claim.place else claim.judged.where,
        }
        for claim in judgement.claims
    ]
    notes = [
        *map(describe_input, judgement.inputs), explain_columns(judgement),
        *list_questions(judgement), *list_strangers(judgement), *list_contradictions(judgement),
        *_list_comparisons(judgement), *judgement.notes, summarise(judgement),
    ]  # fmt: skip
    return Table(judgement.suite.title, columns, rows, tuple(notes))


def explain_columns(judgement: Judgement) -> str:
    """Say what the columns hold, and by which rule the verdicts were decided."""
    return (
        f"Accuracies in percent of the test images; measured: {judgement.origin}, mean ± standard "
        f"deviation over n seeds; a claim is reproduced within {100 * judgement.margin:g} points; "
        f"{IN_POINTS}: the smallest number of points with which it would be reproduced."
    )


# ---------------------------------------------------------------- sentences, each of one line


def describe_input(read: ReadInput) -> str:
    """Say what was read: ``results.md: a Markdown table, 19 figures``."""
    parts = []
    if read.n_claims:
        parts.append(f"{read.n_claims} figure{'' if read.n_claims == 1 else 's'}")
    if read.n_matrices:
        n = read.n_matrices
        parts.append("1 confusion matrix" if n == 1 else f"{n} confusion matrices")
    return f"Read {read.name} as {read.kind}: {join_words(parts) or 'nothing'}"


def describe_verdict(claim: JudgedClaim) -> str:
    """Return the verdict on a claim in a few words."""
    if not claim.has_model:
        if claim.exceeds_checked:
            return f"{NO_MODEL}; {ABOVE}"
        return NO_MODEL
    words = shorten_verdict(claim.judged)
    protocol = claim.judged.source_protocol
    if protocol is not None and protocol.verdict.kind in TESTED:
        words += f"; {BY_SOURCE_PROTOCOL}: {format_source_protocol(claim.judged)}"
    return f"{words}; {ABOVE}" if claim.exceeds_checked else words


def format_margin(claim: JudgedClaim) -> str:
    """Return the smallest margin, in points, with which the claim would be reproduced."""
    delta = claim.judged.verdict.delta_star
    return "" if delta is None else f"{100 * delta:.2f}"


def name_measured(claim: JudgedClaim) -> str:
    """Name the runner that was measured, and its deciding parameters."""
    if not claim.has_model:
        return ""
    details = claim.configuration
    return f"{claim.judged.runner}: {details}" if details else claim.judged.runner


def name_command(claim: JudgedClaim, judgement: Judgement) -> str:
    """Return the command that would decide a claim; empty if none would, or it is decided."""
    if claim.seeds is None:
        return ""
    commands = Commands(judgement.results)
    return commands.run(claim.judged.runner, seeds=claim.seeds or None)


def list_questions(judgement: Judgement) -> Iterator[str]:
    """Ask which model a doubtful label means, with the option to type."""
    seen = set()
    for claim in judgement.questions:
        match = claim.match
        assert match is not None, "there is a question, so there is a match"
        if match.label in seen:
            continue
        seen.add(match.label)
        yield f"Which model is “{match.label}”? {_capitalise(match.why)}. Name it with one of:"
        for name in list_candidates(match)[:MAX_CANDIDATES]:
            yield f"  --map {shlex.quote(f'{match.label}={name}')}"


def list_strangers(judgement: Judgement) -> Iterator[str]:
    """Say of each claim without a model where its figure stands, and which rows are nearest."""
    for claim in judgement.claims:
        row = claim.judged
        if claim.has_model or row.row.claimed is None or claim.match_is_doubtful:
            continue
        parts = [f"{row.label}, {row.row.claimed}"]
        if claim.ladder:
            parts.append(claim.ladder.sentence.removesuffix("."))
        if claim.nearest:
            near = [f"{s.runner} ({100 * (s.mean or 0):.2f})" for s in claim.nearest]
            parts.append(f"nearest of what was measured: {join_words(near)}")
        if row.label.startswith(UNNAMED):
            parts.append("--model RUNNER says which runner it is")
        yield f"{parts[0]}: {'; '.join(parts[1:])}." if len(parts) > 1 else f"{parts[0]}."


def list_contradictions(judgement: Judgement) -> Iterator[str]:
    """Say in the words of ``fmbench check`` whether the figures can be true together."""
    result = judgement.consistency
    if result is None:
        return
    command = shlex.join(["fmbench", "check", *judgement.arguments])
    from fmbench.report.sentences import list_contradictions as list_lines

    if not result.contradictory:
        yield "The printed figures can be true together."
        return
    yield "Some printed figures cannot be true together, whatever the model:"
    yield from (f"  {line}" for line in list_lines(result))
    yield f"  `{command} --explain` names the reasons."
    if result.consistent_under:
        rules = " or ".join(f"--rounding {rule}" for rule in result.consistent_under)
        yield f"  They can be true together if the figures were rounded otherwise ({rules})."


def list_commands(judgement: Judgement) -> list[str]:
    """List the commands that repeat a judgement, or would decide what is open."""
    runs = [name_command(claim, judgement) for claim in judgement.claims]
    judge = shlex.join(["fmbench", "judge", *judgement.arguments])
    return [judge, *filter(None, dict.fromkeys(runs))]


def summarise(judgement: Judgement) -> str:
    """Sum up the judgement in one line."""
    claims = [claim for claim in judgement.claims if claim.judged.row.claimed]
    counts = count_verdicts([claim.judged for claim in claims])
    strangers = sum(not claim.has_model for claim in claims)
    parts = [
        f"{count} {name_verdict(kind, count)}"
        for kind, count in counts.items()
        if kind is not VerdictKind.NOT_RUN
    ]
    if not_run := counts.get(VerdictKind.NOT_RUN, 0) - strangers:
        parts.append(f"{not_run} not run")
    if strangers:
        parts.append(f"{strangers} without a model")
    n, sentences = len(claims), []
    if n:
        sentences.append(f"{n} claimed accurac{'y' if n == 1 else 'ies'}: {'; '.join(parts)}.")
    if judgement.contradictory:
        sentences.append("The printed figures contradict each other.")
    if exceeding := sum(claim.exceeds_checked for claim in claims):
        points = f"{100 * judgement.margin:g} points"
        sentences.append(
            f"{exceeding} {'is' if exceeding == 1 else 'are'} {ABOVE} by over {points}."
        )
    against = "Something speaks" if judgement.speaks_against else "Nothing speaks"
    return " ".join([*sentences, f"{against} against the claims."])


def _capitalise(text: str) -> str:
    return text[:1].upper() + text[1:]


# ---------------------------------------------------------------- other figures of a model


def build_comparison_table(model: ModelComparison) -> Table:
    """Build the table of a model's other figures, claimed beside measured, a line for a class."""
    metrics = list(dict.fromkeys(f.metric for f in model.figures if f.predicted_as is None))
    lines: dict[str, dict[str, str]] = {}
    for figure in model.figures:
        line = lines.setdefault(_name_line(figure), {})
        text = f"{figure.claimed} / {_format_measured(figure)}"
        name = figure.metric
        line[name] = f"{line[name]}, {text}" if name in line else text
    if any(f.predicted_as is not None for f in model.figures):
        metrics.append("cell")
    names = {name: METRICS[name].title for name in metrics}
    columns = (Column("class"), *(Column(title) for title in names.values()))
    rows = [
        {"class": name, **{title: line.get(metric) for metric, title in names.items()}}
        for name, line in lines.items()
    ]
    return Table(f"{model.label}: claimed / measured ({model.runner})", columns, rows)


def _name_line(figure: FigureComparison) -> str:
    """Name the class of a figure, or its average."""
    classes = DEFAULT_DATASET.classes
    if figure.class_ is None:
        return f"{figure.average} average" if figure.average else "all images"
    if figure.predicted_as is not None:
        return f"{classes[figure.class_]} as {classes[figure.predicted_as]}"
    return classes[figure.class_]


def _format_measured(figure: FigureComparison) -> str:
    metric = METRICS[figure.metric]
    if metric.is_count:
        return f"{sum(figure.measured) / len(figure.measured):.0f}"
    percent = figure.claimed.endswith("%")
    scale, decimals = (100, 1) if percent else (1, 3)
    return str(MeanSd.of([scale * value for value in figure.measured], decimals))


def _list_comparisons(judgement: Judgement) -> Iterator[str]:
    for model in judgement.comparisons:
        table = build_comparison_table(model)
        lines = [
            f"{row['class']}: "
            + ", ".join(f"{k} {v}" for k, v in row.items() if k != "class" and v)
            for row in table.text_rows()
        ]
        yield f"{table.title}: {'; '.join(lines)}."


# ---------------------------------------------------------------- in a terminal


def render_judgement(judgement: Judgement, width: int) -> Group:
    """Render a judgement for a terminal of ``width`` columns."""
    from rich.console import Group
    from rich.padding import Padding
    from rich.text import Text

    parts: list[object] = [*_render_inputs(judgement), Text()]
    if judgement.claims:
        parts += [_render_claims(judgement, width), Text()]
        parts += [Text(explain_columns(judgement), style="dim"), Text()]
    sections: list[tuple[str, Iterable[str]]] = [
        ("Doubtful names", list_questions(judgement)),
        ("Without a model", list_strangers(judgement)),
        ("Can the figures be true together?", list_contradictions(judgement)),
    ]
    if width < WIDE:
        sections.append(("What was measured", _list_measured(judgement)))
    sections.append(("What would decide", _list_deciding(judgement)))
    for title, lines in sections:
        found = list(lines)
        if found:
            parts.append(Text(title, style="bold"))
            for line in found:
                indent = 4 if line.startswith(" ") else 2
                parts.append(Padding(Text(line.strip()), (0, 0, 0, indent)))
            parts.append(Text())
    for model in judgement.comparisons:
        parts += [_render_comparison(model), Text()]
    parts.append(Text(summarise(judgement), style="bold"))
    if judgement.notes:
        parts += [Text(), *(Text(_hang(note, width), style="dim") for note in judgement.notes)]
    return Group(*parts)  # type: ignore[arg-type]


WIDE = 120  # columns from which the table names the measured model


def _hang(note: str, width: int) -> str:
    """Wrap a note as the entry of a list."""
    return textwrap.fill(
        note, width, initial_indent="- ", subsequent_indent="  ", break_on_hyphens=False
    )


def _render_inputs(judgement: Judgement) -> Iterator[Text]:
    from rich.text import Text

    for read in judgement.inputs:
        yield Text(describe_input(read))
        if read.kind.lower().startswith("pdf"):
            shown = read.claims[:MAX_SHOWN]
            yield from (Text(f"  {label or 'no name'}: {place}") for label, place in shown)
            if rest := len(read.claims) - len(shown):
                yield Text(f"  and {rest} more")


def _render_claims(judgement: Judgement, width: int) -> object:
    from rich.table import Table as RichTable
    from rich.text import Text

    wide = width >= WIDE
    grid = RichTable(box=None, padding=(0, 2 if wide else 1, 0, 0), header_style="bold",
                     pad_edge=False, show_edge=False)  # fmt: skip
    grid.add_column("", ratio=2, overflow="fold")
    grid.add_column("claimed", justify="right", no_wrap=True)
    grid.add_column("measured", no_wrap=True)
    grid.add_column("n", justify="right", no_wrap=True)
    grid.add_column("verdict", ratio=2, overflow="fold")
    grid.add_column(IN_POINTS, justify="right", no_wrap=True)
    if wide:
        grid.add_column("measured model", ratio=2, overflow="fold")
    for claim in judgement.claims:
        measured = compute_measured_accuracy(claim.judged)
        cells = [
            Text(claim.judged.label), Text(claim.judged.row.claimed or ""),
            Text(str(measured or ""), style="bold"), Text(str(claim.judged.n or "")),
            _render_verdict(claim), Text(format_margin(claim)),
        ]  # fmt: skip
        grid.add_row(*cells, *([Text(name_measured(claim), style="dim")] if wide else []))
    grid.expand = True
    return grid


def _render_verdict(claim: JudgedClaim) -> Text:
    from rich.text import Text

    style = claim.judged.verdict.kind.style
    if not claim.has_model:
        return Text(f"? {describe_verdict(claim)}", style="yellow")
    return Text.assemble(
        (f"{style.mark} ", style.terminal_style), (describe_verdict(claim), style.terminal_style)
    )


def _render_comparison(model: ModelComparison) -> object:
    from rich.console import Group
    from rich.table import Table as RichTable
    from rich.text import Text

    table = build_comparison_table(model)
    grid = RichTable(box=None, padding=(0, 1, 0, 0), header_style="bold", pad_edge=False)
    for i, column in enumerate(table.columns):
        grid.add_column(column.name, no_wrap=bool(i))
    for row in table.text_rows():
        grid.add_row(*map(Text, row.values()))
    return Group(Text(table.title, style="bold"), grid)


def _list_measured(judgement: Judgement) -> list[str]:
    """Name each configuration that was measured, once."""
    measured = [claim for claim in judgement.claims if claim.has_model]
    return list(dict.fromkeys(filter(None, map(name_measured, measured))))


def _list_deciding(judgement: Judgement) -> list[str]:
    """Name the command that would decide each open claim."""
    found: dict[str, list[str]] = {}
    for claim in judgement.claims:
        if command := name_command(claim, judgement):
            found.setdefault(command, []).append(claim.judged.label)
    return [f"{command}  ({join_words(labels)})" for command, labels in found.items()]
