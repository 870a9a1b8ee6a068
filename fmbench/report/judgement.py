"""Formats the judgement of ``fmbench judge``: for a terminal, as a table, or for a review."""

from __future__ import annotations

import shlex
import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from fmbench.analysis.verdicts import VerdictKind
from fmbench.consistency.check import NOT_DECIDED, ConsistencyResult
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
from fmbench.judging.suite_builder import MAX_CANDIDATES, list_candidates
from fmbench.metrics.registry import METRICS
from fmbench.report.commands import Commands
from fmbench.report.row_texts import (
    BY_SOURCE_PROTOCOL,
    TESTED,
    count_verdicts,
    describe_claim_kind,
    format_source_protocol,
    name_verdict,
    shorten_verdict,
)
from fmbench.report.tables import compute_measured_accuracy
from fmbench.suites.claims import UNNAMED
from fmbench.suites.matching import describe_configuration
from fmbench.utils.document import render_rows, render_to_text
from fmbench.utils.files import DEFAULT_RESULTS
from fmbench.utils.formatting import format_number_of, join_words
from fmbench.utils.printable import escape_unsafe
from fmbench.utils.rich_text import make_text
from fmbench.utils.table import (
    COUNT,
    DEFAULT_WIDTH,
    FORMATS,
    MEAN_SD,
    PRINTED_FIGURE,
    Column,
    ColumnKind,
    MeanSd,
    Table,
)

if TYPE_CHECKING:
    from rich.console import Group
    from rich.text import Text

ABOVE = "above every result that a third party has checked"
COMMAND = "    "  # before a line to copy, which is never wrapped
NO_MODEL = "no model is matched"
IN_POINTS = "needs margin"  # to be reproduced: the smallest that suffices
CHECK_OPTIONS = ("--as", "--column", "--rounding")  # of `fmbench check`
IMPORT_OPTIONS = ("--as", "--column", "--map", "--model")  # of `fmbench suite import`
DECIDES = "what would decide"
MAX_SHOWN = 40  # claims of a PDF that are listed before the table
MAX_STRANGERS = 12  # claims without a model of which a terminal says where they stand
MAX_NOTES = 8  # notes in a terminal
MAX_REASONS = 3  # contradictions inside one source
LONGEST_FIGURE = 8  # characters of a claimed figure beside a measured one


def format_judgement(
    judgement: Judgement, format_: str, width: int | None = None, *, colours: bool = False
) -> str:
    """Format a judgement in one of :data:`JUDGEMENT_FORMATS`.

    ``width`` and ``colours`` are for ``text``.
    """
    if format_ == "text":
        return format_text(judgement, width or DEFAULT_WIDTH, colours=colours)
    return escape_unsafe(JUDGEMENT_FORMATS[format_](judgement))


def format_text(judgement: Judgement, width: int, *, colours: bool = False) -> str:
    """Format a judgement for a terminal of ``width`` columns."""
    return render_to_text(render_judgement(judgement, width), width, colours=colours)


def _format_review(judgement: Judgement) -> str:
    from fmbench.report.review import write_review
    from fmbench.utils.environment import package_version

    remarks = dict.fromkeys(
        f"{name_model(claim)}: {claim.ladder.sentence}."
        for claim in judgement.claims
        if not claim.has_model and claim.ladder
    )
    return write_review(
        _name_paper(judgement), judgement.rows, judgement.consistency, list_commands(judgement),
        made_with=f"fmbench {package_version()}", remarks=list(remarks), margin=judgement.margin,
        facts=[describe_facts(claim) for claim in judgement.claims],
        reading=judgement.reading, impossible=[f"{figure}." for figure in judgement.impossible],
        printed=[
            f"an error rate of {claim.place.printed}"
            if claim.place and claim.place.is_error_rate
            else ""
            for claim in judgement.claims
        ],
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
        judgement.rows, made_with=f"fmbench {package_version()}", today=datetime.now(UTC),
        facts=[describe_facts(claim) for claim in judgement.claims],
    )  # fmt: skip


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
        Column(DECIDES), Column("found", is_detail=True),
    )  # fmt: skip
    rows = [
        {
            "model": claim.judged.label,
            "claimed": claim.printed or None,
            "measured": compute_measured_accuracy(claim.judged),
            "n": claim.judged.n or None,
            "verdict": describe_verdict(claim) + _hedge(claim),
            IN_POINTS: format_margin(claim) or None,
            "measured model": name_measured(claim) or None,
            DECIDES: say_what_decides(claim, judgement) or None,
            "found": str(claim.place) if claim.place else claim.judged.where,
        }
        for claim in judgement.claims
    ]
    notes = [
        *map(describe_input, judgement.inputs), explain_columns(judgement),
        *list_questions(judgement), *list_strangers(judgement), *list_impossible(judgement),
        *list_contradictions(judgement), *_list_comparisons(judgement), *judgement.notes,
        summarise(judgement),
    ]  # fmt: skip
    return Table(judgement.suite.title, columns, rows, tuple(notes))


def explain_columns(judgement: Judgement) -> str:
    """Say what the columns hold, and by which rule the verdicts were decided."""
    return (
        f"Accuracies in percent of the test images; measured: {judgement.origin}, mean ± standard "
        f"deviation over n seeds; a claim is reproduced within {100 * judgement.margin:g} points; "
        f"{IN_POINTS}: the smallest number of points within which it would be reproduced."
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


def _hedge(claim: JudgedClaim) -> str:
    """Say on which publication a verdict on other images rests, and what it would be otherwise."""
    if claim.as_today is None or claim.known is None:
        return ""
    return f", if quoted from {claim.known.publication}; on today's images: {claim.as_today.word}"


def describe_facts(claim: JudgedClaim) -> str:
    """Say which facts of a claim come from another publication; empty if there are none.

    Such as ``The same figure stands in Xiao et al. 2017, for the first release of the images. If it
    is quoted from there, it is the mean of 5 runs. If it was measured on today's images, the
    verdict would be: reproduced``.
    """
    if claim.known is None:
        return ""
    kind = describe_claim_kind(claim.judged)
    is_printed = claim.judged.row.mean_of == claim.judged.row.best_of == 1
    sentences = [claim.known.sentence.removesuffix(".")]
    if kind not in ("", "one run") and not (is_printed and not claim.judged.row.picked):
        sentences.append(f"If it is quoted from there, it is {kind}")
    if claim.as_today is not None:
        sentences.append(
            f"If it was measured on today's images, the verdict would be: {claim.as_today.word}"
        )
    return ". ".join(sentences)


def name_model(claim: JudgedClaim) -> str:
    """Name the model of a claim in a sentence."""
    label = claim.judged.label
    return f"A model without a name ({claim.judged.where})" if label.startswith(UNNAMED) else label


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


def say_what_decides(claim: JudgedClaim, judgement: Judgement) -> str:
    """Say what would decide an open claim: a command, or the name of its model."""
    if claim.match_is_doubtful:
        return "the model: --map"
    if not claim.has_model and claim.judged.label.startswith(UNNAMED):
        return "the model: --model"
    return name_command(claim, judgement)


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
            yield f"{COMMAND}--map {shlex.quote(f'{match.label}={name}')}"


def list_strangers(judgement: Judgement) -> Iterator[str]:
    """Say of each claim without a model where its figure stands, and which rows are nearest."""
    lines: dict[tuple[str, float | None], tuple[str, list[str]]] = {}
    for claim in judgement.claims:
        row = claim.judged
        if claim.has_model or row.row.claimed is None or claim.match_is_doubtful:
            continue
        if (row.label, row.claimed) in lines:  # 87.42 % and 0.8742
            continue
        parts = [claim.ladder.sentence] if claim.ladder else []
        if claim.nearest:
            near = [f"{_name_briefly(s.runner)} ({100 * (s.mean or 0):.2f})" for s in claim.nearest]
            parts.append(f"nearest of what was measured: {join_words(dict.fromkeys(near))}")
        if row.label.startswith(UNNAMED):
            parts.append("--model RUNNER says which runner it is")
        lines[row.label, row.claimed] = f"{row.label}, {claim.printed}", parts
    # What is the same for many figures is said once.
    places = [parts[0].partition(" is lower ")[2] for _, parts in lines.values() if parts]
    common = {place for place, n in Counter(places).items() if place and n > 1}
    for name, parts in lines.values():
        if parts and parts[0].partition(" is lower ")[2] in common:
            parts = parts[1:]
        yield f"{name}: {'; '.join(parts)}." if parts else f"{name}."
    for place in dict.fromkeys(places):
        if place in common:
            yield f"{places.count(place)} of these figures are lower {place}."


def _name_briefly(runner: str) -> str:
    """Name a runner; of an estimator with parameters only the class and what decides."""
    name, _, parameters = runner.partition(" ")
    if ":" not in name:
        return runner
    details = describe_configuration(runner) or parameters
    return ", ".join(filter(None, [name.rpartition(":")[2], details]))


def list_impossible(judgement: Judgement) -> list[str]:
    """Name each printed accuracy that cannot be true."""
    return [f"{figure}." for figure in judgement.impossible]


def list_contradictions(judgement: Judgement) -> Iterator[str]:
    """Say in the words of ``fmbench check`` whether the figures can be true together."""
    result = judgement.consistency
    if result is None:
        return
    from fmbench.report.sentences import list_contradictions as list_lines

    if result.contradictory:
        yield "Some printed figures cannot be true together, whatever the model predicts:"
        reasons = _find_reasons(result)
        for line in list_lines(result):
            yield f"  {line.removesuffix('.')}{reasons.get(line, '')}."
        if result.consistent_under:
            rules = " or ".join(f"--rounding {rule}" for rule in result.consistent_under)
            yield f"  They can be true together if the figures were rounded otherwise ({rules})."
        if all(line not in reasons for line in list_lines(result)):
            yield "  To name the reasons:"
            yield f"{COMMAND}{name_check(judgement)}"
    else:
        n = len(result.figures) - len(result.not_checked)
        checked = "1 figure was checked" if n == 1 else f"{n} figures were checked"
        yield f"Nothing contradicts another figure of its model ({checked})."
    if not result.complete or NOT_DECIDED in result.not_checked.values():
        yield "  `judge` ended its search before everything was decided. This searches longer:"
        yield f"{COMMAND}{name_check(judgement)}"
    unnamed = sum(source.of is None or source.of.startswith(UNNAMED) for source in result.sources)
    if unnamed and len({source.of for source in result.sources}) > 1:
        yield (
            "  Figures without a name are not compared with those of a model that has one; "
            "--model RUNNER says whose they are."
        )


def _find_reasons(result: ConsistencyResult) -> dict[str, str]:
    """Find the figures that make a source impossible alone, by the line that says so."""
    from fmbench.consistency.explain import describe_conflict, describe_source

    reasons = {}
    for source in result.sources:
        inside = [c for c in result.conflicts if set(c.members) <= set(source.figures)]
        if source.possible is False and inside:
            texts = [describe_conflict(conflict, result) for conflict in inside[:MAX_REASONS]]
            reasons[f"{describe_source(source, result)}."] = f": {'; '.join(texts)}"
    return reasons


def name_check(judgement: Judgement) -> str:
    """Return the command that explains the contradictions of the same figures."""
    options, words = list(judgement.options), [*judgement.arguments]
    is_document = len(words) == 1 and not {"--map", "--model"} & set(options)
    if is_document:
        kept = [o for i in _find_options(options, CHECK_OPTIONS) for o in options[i : i + 2]]
        return shlex.join(["fmbench", "check", *words, *kept, "--explain"])
    kept = [o for i in _find_options(options, IMPORT_OPTIONS) for o in options[i : i + 2]]
    rounding = [o for i in _find_options(options, ("--rounding",)) for o in options[i : i + 2]]
    return " && ".join(
        [
            shlex.join(["fmbench", "suite", "import", *words, *kept, "-o", "claims.toml"]),
            shlex.join(["fmbench", "check", "claims.toml", *rounding, "--explain"]),
        ]
    )


def _find_options(options: Sequence[str], names: Sequence[str]) -> list[int]:
    """Find the positions of some options; every other word is the value of an option."""
    return [i for i in range(0, len(options), 2) if options[i] in names]


def list_commands(judgement: Judgement) -> list[str]:
    """List the commands that repeat a judgement, or would decide what is open."""
    runs = [name_command(claim, judgement) for claim in judgement.claims]
    judge = shlex.join(["fmbench", "judge", *judgement.arguments, *judgement.options])
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
    if n_impossible := len(judgement.impossible):
        accuracies = "1 accuracy" if n_impossible == 1 else f"{n_impossible} accuracies"
        sentences.append(f"{accuracies} of the document cannot be true.")
    if judgement.contradictory:
        sentences.append("The printed figures contradict each other.")
    if exceeding := sum(claim.exceeds_checked for claim in claims):
        points = f"{100 * judgement.margin:g} points"
        verb = "is" if exceeding == 1 else "are"
        sentences.append(f"{exceeding} {verb} more than {points} {ABOVE}.")
    return " ".join([*sentences, f"{_capitalise(judgement.answer)}."])


def _capitalise(text: str) -> str:
    return text[:1].upper() + text[1:]


# ---------------------------------------------------------------- other figures of a model


def build_comparison_tables(model: ModelComparison) -> list[Table]:
    """Build the tables of a model's figures other than accuracy: claimed beside measured.

    The first has a line for each class, or average, and a column for each metric. The second has a
    line for each figure of another kind.
    """
    title = f"{model.label}: claimed / measured ({model.runner})"
    by_class = {f.metric for f in model.figures if f.class_ is not None and f.predicted_as is None}
    lines: dict[str, dict[str, str]] = {}
    others: list[dict[str, str]] = []
    for figure in model.figures:
        text = f"{_shorten_figure(figure.claimed)} / {_format_measured(figure)}"
        name = METRICS[figure.metric].title
        if figure.metric in by_class and figure.predicted_as is None:
            line = lines.setdefault(_name_line(figure), {})
            line[name] = f"{line[name]}, {text}" if name in line else text
        else:
            of = "" if figure.class_ is figure.average is None else f"{_name_line(figure)}, "
            others.append({"figure": f"{of}{name}", "claimed / measured": text})
    tables = []
    if lines:
        names = list(dict.fromkeys(name for line in lines.values() for name in line))
        columns = (Column("class"), *map(Column, names))
        rows = [{"class": c, **{n: line.get(n) for n in names}} for c, line in lines.items()]
        tables.append(Table(title, columns, rows))
    if others:
        columns = (Column("figure"), Column("claimed / measured"))
        tables.append(Table("" if lines else title, columns, others))
    return tables


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


def _shorten_figure(printed: str) -> str:
    """Round a figure with many decimals, such as one of a JSON file, to four."""
    text = printed.removesuffix("%")
    if len(text) <= LONGEST_FIGURE or "." not in text:
        return printed
    return f"{float(text):.4f}" + printed[len(text) :]


def _list_comparisons(judgement: Judgement) -> Iterator[str]:
    for model in judgement.comparisons:
        lines = [
            f"{first}: " + ", ".join(f"{k} {v}" if rest[1:] else v for k, v in rest if v)
            for table in build_comparison_tables(model)
            for (_, first), *rest in (list(row.items()) for row in table.text_rows())
        ]
        title = f"{model.label}: claimed / measured ({model.runner})"
        yield f"{title}: {'; '.join(lines)}."


# ---------------------------------------------------------------- in a terminal


def render_judgement(judgement: Judgement, width: int) -> Group:
    """Render a judgement for a terminal of ``width`` columns."""
    from rich.console import Group
    from rich.text import Text

    parts: list[object] = [*_render_inputs(judgement, width), Text()]
    if judgement.claims:
        parts += [_render_claims(judgement, width), Text()]
        parts += [make_text(explain_columns(judgement), "dim"), Text()]
    sections: list[tuple[str, Iterable[str]]] = [
        ("Doubtful names", list_questions(judgement)),
        ("Without a model", _shorten_list(list_strangers(judgement), MAX_STRANGERS, "claims")),
        ("Accuracies that cannot be true", list_impossible(judgement)),
        ("Can the figures be true together?", list_contradictions(judgement)),
    ]
    if width < WIDE:
        sections.append(("What was measured", _list_measured(judgement)))
    sections.append(("What would decide", _list_deciding(judgement)))
    for title, lines in sections:
        found = list(lines)
        if found:
            parts.append(Text(title, style="bold"))
            parts += map(_render_line, found)
            parts.append(Text())
    for model in judgement.comparisons:
        parts += [_render_comparison(model, width), Text()]
    parts.append(make_text(summarise(judgement), "bold"))
    if judgement.notes:
        notes = _shorten_list(judgement.notes, MAX_NOTES, "notes")
        parts += [Text(), *(make_text(_hang(note, width), "dim") for note in notes)]
    return Group(*parts)  # type: ignore[arg-type]


WIDE = 120  # columns from which the table names the measured model
NARROW = 72  # columns from which it shows the margin and what would decide


def _shorten_list(lines: Iterable[str], most: int, what: str) -> list[str]:
    """Return the first lines; the rest is only counted."""
    found = list(lines)
    if (rest := len(found) - most) <= 1:
        return found
    return [*found[:most], f"{rest} more {what}: see --json"]


def _render_line(line: str) -> object:
    """Render a line with its indentation; a command is not wrapped, so that it can be copied."""
    from rich.padding import Padding

    if line.startswith(COMMAND):
        command = make_text(f"  {line}")
        command.no_wrap, command.overflow = True, "ignore"
        return command
    return Padding(make_text(line.strip()), (0, 0, 0, 4 if line.startswith(" ") else 2))


def _hang(note: str, width: int, begin: str = "- ", indent: str = "  ") -> str:
    """Wrap a note as the entry of a list: ``begin`` is before it, ``indent`` before the rest."""
    return textwrap.fill(
        note, width, initial_indent=begin, subsequent_indent=indent, break_on_hyphens=False
    )


def _render_inputs(judgement: Judgement, width: int) -> Iterator[Text]:
    for read in judgement.inputs:
        yield make_text(describe_input(read))
        if read.kind.lower().startswith("pdf"):
            lines = list_places(read.claims)
            shown = lines[:MAX_SHOWN]
            yield from (make_text(_hang(line, width, "  ", "    ")) for line in shown)
            if rest := len(lines) - len(shown):
                yield make_text(f"  and {rest} more")


def list_places(claims: Sequence[tuple[str, str]]) -> list[str]:
    """Say where each figure stands; those of a table without names take one line."""
    lines = []
    for (label, table), group in groupby(claims, lambda claim: (claim[0], _cut_row(claim[1]))):
        places = [place for _, place in group]
        if label or len(places) == 1 or not table:
            lines += [f"{label or 'no name'}: {place}" for place in places]
        else:
            lines.append(f"no name: {table}, {format_number_of(len(places), 'figure')}")
    return lines


def _cut_row(place: str) -> str:
    """Return the table of a place: ``page 8, table 1`` of ``page 8, table 1, row 2: 0.76``."""
    table, is_row, _ = place.partition(", row ")
    return table if is_row else ""


def _render_claims(judgement: Judgement, width: int) -> object:
    wide = width >= WIDE
    deciding = [say_what_decides(claim, judgement) for claim in judgement.claims]
    columns = [
        Column("model"), Column("claimed", PRINTED_FIGURE),
        Column("measured", MEAN_SD, style=lambda value: "bold"), Column("n", COUNT, min_width=50),
        Column("verdict", VERDICT, style=_choose_verdict_style),
        Column(IN_POINTS, POINTS_TEXT, min_width=NARROW),
    ]  # fmt: skip
    columns += [Column(DECIDES, min_width=NARROW)] if any(deciding) else []
    columns.append(Column("measured model", min_width=WIDE, style=lambda value: "dim"))
    repeated = Counter(claim.judged.label for claim in judgement.claims)
    rows = []
    for claim, decides in zip(judgement.claims, deciding, strict=True):
        row = claim.judged
        label = f"{row.label} ({row.where})" if repeated[row.label] > 1 else row.label
        rows.append(
            {
                "model": label,
                "claimed": claim.printed or None,
                "measured": compute_measured_accuracy(row),
                "n": row.n or None,
                "verdict": claim,
                IN_POINTS: format_margin(claim) or None,
                DECIDES: "a run: below" if decides.startswith("fmbench") and not wide else decides,
                "measured model": name_measured(claim) or None,
            }
        )
    return render_rows(Table("", tuple(columns), rows), width)


def _format_marked_verdict(claim: JudgedClaim) -> str:
    mark = claim.judged.verdict.kind.style.mark if claim.has_model else "?"
    return f"{mark} {describe_verdict(claim)}"


def _choose_verdict_style(claim: JudgedClaim) -> str:
    return claim.judged.verdict.kind.style.terminal_style if claim.has_model else "yellow"


VERDICT = ColumnKind("verdict", _format_marked_verdict)
POINTS_TEXT = ColumnKind("points", align="right")


def _render_comparison(model: ModelComparison, width: int) -> object:
    from rich.console import Group

    parts: list[object] = []
    for table in build_comparison_tables(model):
        parts += [make_text(table.printed_title, "bold")] if table.title else []
        parts.append(render_rows(table, width))
    return Group(*parts)  # type: ignore[arg-type]


def _list_measured(judgement: Judgement) -> list[str]:
    """Name each configuration that was measured, once."""
    measured = [claim for claim in judgement.claims if claim.has_model]
    return list(dict.fromkeys(filter(None, map(name_measured, measured))))


def _list_deciding(judgement: Judgement) -> list[str]:
    """Name the command that would decide each open claim, and how to judge by its result."""
    found: dict[str, list[str]] = {}
    for claim in judgement.claims:
        if command := name_command(claim, judgement):
            found.setdefault(command, []).append(claim.judged.label)
    lines = [
        line
        for command, labels in found.items()
        for line in (f"{join_words(labels, MAX_CANDIDATES)}:", f"{COMMAND}{command}")
    ]
    if lines and judgement.results is None:
        lines.append(
            f"`fmbench run` writes to {DEFAULT_RESULTS}, unless you name another folder; `judge` "
            f"compares with these runs if you add --results {DEFAULT_RESULTS}."
        )
    return lines
