"""Builds what ``fmbench forensics`` prints: the answer first, then the figures and the stories."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fmbench.analysis.forensics.describe import describe_count, describe_share
from fmbench.analysis.forensics.findings import ForensicsFindings
from fmbench.analysis.summary import Status
from fmbench.report.mistakes import explain_with_mistakes
from fmbench.utils.document import (
    Block,
    Document,
    Heading,
    Items,
    Paragraph,
    format_document,
)
from fmbench.utils.table import COUNT, TEXT_FORMAT, Column, Table

WIDE = 100  # columns from which a terminal shows how many candidates were tried
MISSES, EXPLAINS = "does not explain", "explains"
# How the cells of the matrix begin, and with which words the story is then listed.
_ANSWERS = {"no: ": "", "yes: ": "", "may: ": "may explain ", "": "not decided: "}
# How the notes of the matrix begin that explain these words.
_WORDS = {"yes: ": "explains: ", "may: ": "may explain: "}
# The matrix names in words what stands beside each figure; here the notes explain it.
_SHORTER = (
    (" in common, two runs share ", ", two runs "),
    ("shuffled classes share as many with ", ""),
)


def build_findings_document(
    findings: ForensicsFindings, after: Sequence[Block] = (), data: Any = None
) -> Document:
    """Build the answer, what is printed, and each story with what it does not explain first.

    ``after``: blocks that follow. ``data``: what JSON has, by default the findings alone. CSV has
    the whole matrix of stories and sources, LaTeX what each story explains.
    """
    matrix = findings.build_table()
    stories = _build_stories_table(findings, matrix)
    blocks: list[Block] = [Paragraph(summarise_findings(findings), "bold")]
    if sentence := explain_with_mistakes(findings):
        blocks.append(Paragraph("".join(sentence.parts)))
        blocks += [Items(sentence.items)] if sentence.items else []
    if findings.printed:
        blocks.append(_build_printed_table(findings))
    blocks.append(stories)
    said = {block.text for block in blocks if isinstance(block, Paragraph)}
    if notes := [note for note in _list_notes(findings, matrix) if note not in said]:
        blocks += [Heading("Notes"), Items(tuple(notes))]
    blocks += after
    return Document(matrix.title, blocks, data or findings.as_dict(), stories)


def format_findings(findings: ForensicsFindings, width: int = 100) -> str:
    """Format the findings as text for a terminal of ``width`` columns."""
    return format_document(build_findings_document(findings), TEXT_FORMAT, width)


def summarise_findings(findings: ForensicsFindings) -> str:
    """Say in one line what was found: which story explains how much of what is printed."""
    n_printed, matrix = len(findings.printed), findings.matrix
    if findings.has_only_remarks:
        return "No claim about this model can be compared with a story."
    if not n_printed:
        return "The suite prints no figure of this model: there is nothing to explain."
    places = "the only printed place" if n_printed == 1 else f"the {n_printed} printed places"
    if not matrix.comparable:
        return f"A rehearsal: its figures are not compared with {places}."
    if findings.needs_no_mistake:
        return f"No mistake is needed: the correct procedure explains {places}."
    if findings.needs_no_story:
        return "The accuracy needs no mistake, and no run gives the other figures beside it."
    if not findings.n_compared:
        return f"Nothing is known yet about {places}: no story that can be compared is measured."
    n_open, n = len(matrix.open_sources), findings.n_compared
    needing = "" if n_open == n_printed else f" that need{'s' if n_open == 1 else ''} a story"
    top = matrix.top_story
    if top is None:
        compared = "1 story" if n == 1 else f"{n} stories"
        return f"{compared} compared; none explains anything in {places}."
    stories = "The only story" if n == 1 else f"The best of {n} stories"
    may = "explains" if top.outcome.has_enough_seeds else "may explain"
    reached = f"{len(top.explained)} of the {n_open} printed places"
    text = f"{stories} {may} {'the only printed place' if n_open == 1 else reached}{needing}"
    if pair := findings.best_pair:
        sure = pair.first.outcome.has_enough_seeds and pair.second.outcome.has_enough_seeds
        text += f"; two together {'' if sure else 'may '}explain {len(pair.explained)}"
    return f"{text}."


def _build_printed_table(findings: ForensicsFindings) -> Table:
    """Build the table of what is printed, and of how many stories explain it."""
    columns = [Column("place"), Column("printed")]
    counts = {count.source.where: count for count in findings.counts if count.n_stories}
    title = "What is printed"
    if counts and findings.matrix.comparable and not findings.needs_no_story:
        title = "What is printed, and how many stories explain it"
        columns += [
            Column("stories tried", COUNT), Column("explain it", COUNT),
            Column("with few seeds", COUNT), Column("as stated", COUNT),
            Column("candidates tried", COUNT, min_width=WIDE),
            Column("candidates explain it", COUNT, min_width=WIDE),
        ]  # fmt: skip
    rows = []
    for source in findings.printed:
        row: dict[str, Any] = {
            "place": source.where, "printed": source.title.removeprefix(f"{source.where}: "),
        }  # fmt: skip
        if count := counts.get(source.where):
            row |= {
                "stories tried": count.n_stories, "explain it": count.n_explaining,
                "with few seeds": count.n_with_few_seeds, "as stated": count.n_as_stated,
                "candidates tried": count.n_candidates,
                "candidates explain it": count.n_explaining_candidates,
            }  # fmt: skip
        rows.append({column.name: row.get(column.name) for column in columns})
    return Table(title, tuple(columns), rows)


def _build_stories_table(findings: ForensicsFindings, matrix: Table) -> Table:
    """Build the table of stories: beside each place, such as Table 3, what a story gives."""
    compares = EXPLAINS in matrix.names
    shown = [Column("story"), Column("n", COUNT)]
    shown += [Column(MISSES), Column(EXPLAINS)] if compares else [Column("gives")]
    names = [column.name for column in shown]
    details = [column for column in matrix.columns if column.name not in names]
    rows = []
    for row, texts in zip(matrix.rows, matrix.text_rows(), strict=True):
        cells = {
            source.where: texts[source.title] for source in findings.printed if texts[source.title]
        }
        if not findings.printed:
            cells = {"accuracy": texts["accuracy"]} if texts["accuracy"] else {}
        answers = _split_cells(cells) if compares else {"gives": _join_cells(cells)}
        if row["status"] != Status.MEASURED.value:
            answers[names[-1]] = row["status"]
        rows.append(
            {**{column.name: row[column.name] for column in details},
             "story": row["story"], "n": row["n"],
             **{name: answers[name] or None for name in names[2:]}}
        )  # fmt: skip
    hidden = [Column(column.name, column.kind, is_detail=True) for column in details]
    return Table(
        "The stories, and what each gives" if not compares else "The stories, the best first",
        (*shown, *hidden), rows,
    )  # fmt: skip


def _split_cells(cells: Mapping[str, str]) -> dict[str, str]:
    """Sort what a story gives for each place into what it misses and what it explains."""
    found: dict[str, dict[str, str]] = {begin: {} for begin in _ANSWERS}
    for where, text in cells.items():
        begin = next(begin for begin in _ANSWERS if text.startswith(begin))
        found[begin][where] = text.removeprefix(begin)
    listed = {
        begin: f"{_ANSWERS[begin]}{_join_cells(some)}" if some else ""
        for begin, some in found.items()
    }
    explained = (listed[begin] for begin in ("yes: ", "may: ", ""))
    return {MISSES: listed["no: "], EXPLAINS: "; ".join(filter(None, explained))}


def _join_cells(cells: Mapping[str, str]) -> str:
    """List places with what a story gives there; its n has a column of its own."""
    parts = []
    for where, text in cells.items():
        shorter = text.partition(", n = ")[0]
        for long, short in _SHORTER:
            shorter = shorter.replace(long, short)
        parts.append(f"{where}: {shorter}")
    return "; ".join(parts)


def _list_notes(findings: ForensicsFindings, matrix: Table) -> Iterator[str]:
    """List the notes of the matrix; the numbers of stories stand in a table already."""
    counts = {describe_count(count): count for count in findings.counts}
    for note in matrix.notes:
        if note not in counts:
            begin = next((begin for begin in _WORDS if note.startswith(begin)), "")
            yield f"{_WORDS.get(begin, '')}{note.removeprefix(begin)}"
        elif share := describe_share(counts[note]):
            yield f"{counts[note].source.where}: {share[0].lower()}{share[1:]}"
