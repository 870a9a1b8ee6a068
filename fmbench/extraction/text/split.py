"""Splits running text into sentences, and leaves out what is no running text.

Rows of tables, LaTeX's and HTML's tables, formulas and the list of references are left out. Lines
of a log and items of a list stand alone; other lines are joined to paragraphs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from fmbench.extraction.text.mentions import FASHION, MAX_SENTENCE, clean_sentence, find_datasets

_SENTENCE_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+(?=[\"'(\[]*[A-Z])")
_ABBREVIATION = re.compile(
    r"(?:\b(?:al|e\.g|i\.e|figs?|tabs?|secs?|sect|eqs?|vs|approx|ca|acc|err|cf|resp|dr|prof|refs?|st"
    r"|max|min|avg|std|nos?|etc|[A-Z]))\.[\"')\]]*$",
    re.IGNORECASE,
)
_MAX_START = 500  # characters of a line that show what it is
_MAX_LINE = 20_000  # characters; a longer line is not prose
_HEADING = re.compile(r"^\s*(?:#{1,6}\s+\S|[0-9]{1,2}(?:\.[0-9]{1,2})*\.?\s+[A-Z][^.]{2,70}$)")
_REFERENCES = re.compile(
    r"^\W*(?:[0-9.]+\s*)?(?:references|bibliography|literature cited)\W*$", re.IGNORECASE
)
_RECORD = re.compile(
    r"^[^.|]{0,80}[:=]\s*-?[0-9][0-9.,]*(?:/[0-9,]+)?\s*%?\s*(?:\([^()]{0,40}\))?\W*$"
)
_EPOCH = r"\bepochs?[ :#=]*\[?[0-9]+"
_LOGGED_METRIC = (  # a line that ends with a metric, an equals sign or colon, and a figure
    r"(?:acc|err|kappa|f1|recall|precision)[^.]{0,40}[:=]\s*[0-9][0-9.,]*(?:/[0-9,]+)?\s*%?"
    r"\s*(?:\([^()]{0,40}\))?\W*$"
)
_TRAINING_LOG = re.compile(
    r"\bval_(?:loss|acc)|\bepoch[ :#=]*\[?[0-9]+ ?[/\]]|\bloss[:=] ?[0-9.]+ ?[-,|]? ?acc"
    r"|[0-9]+/[0-9]+ \[=",
    re.IGNORECASE,
)
_TEST_LINE = re.compile(r"^(?!.*\b(?:train|val))(?!.*[0-9]/[0-9]+ \[=).*\btest", re.IGNORECASE)
_LOG_LINE = re.compile(rf"{_RECORD.pattern}|^\W*{_EPOCH}|{_LOGGED_METRIC}", re.IGNORECASE)
_LABEL_AND_FIGURE = re.compile(
    r"^\s*\S.{0,90}?\s(?:[0-9]{1,3}[.,][0-9]+\s?%?|[0-9]{1,3}\s?%)(?:\s*[-\u00b1]\s*[0-9.,]+)?\s*$"
)
_WORTH_READING = re.compile(
    r"[0-9].{0,3}(?:%|percent|per cent|pct)|[0-9]?[.,][0-9]|[0-9] ?/ ?[0-9]|acc|error|kappa|mcc"
    r"|classified|mistaken|taken for",
    re.IGNORECASE,
)
_TABLE_ROW = re.compile(
    r"\t|^\s*[\u2500-\u257f|]|[0-9]%\|[^|]{0,200}\|"
    r"|^\s*[+|][-=+:|\s]{3,}$|\S {3,}\S.* {3,}\S|(?<!\\)&.*\\\\|^\s*</?t[drh]\b"
)
_SKIPPED_BLOCKS = (
    (re.compile(r"\\begin\{(?:tabular|table|longtable|thebibliography|equation|align)"),
     re.compile(r"\\end\{(?:tabular|table|longtable|thebibliography|equation|align)")),
    (re.compile(r"<table\b", re.I), re.compile(r"</table>", re.I)),
)  # fmt: skip


def is_training_log(line: str) -> bool:
    """Whether a line is one of a training log: figures of training or validation images."""
    return _TRAINING_LOG.search(line[:_MAX_START]) is not None and not _TEST_LINE.match(
        line[:_MAX_START]
    )


def is_log_line(line: str) -> bool:
    """Whether a line is one of a log or a list: it ends with a value, or begins with an epoch."""
    return _LOG_LINE.search(line[-_MAX_START:]) is not None


def _is_alone(line: str) -> bool:
    """Whether a line is a heading or a line of a log, so not joined with the next one."""
    return bool(_HEADING.match(line[:_MAX_START]) or is_log_line(line) or is_training_log(line))


def split_sentences(text: str) -> Iterator[tuple[str, str | None]]:
    """Yield the sentences that hold a number, each with the data set of the text before it."""
    heading: str | None = None
    for block in _split_blocks(text):
        if _HEADING.match(block):
            names = [mention.name for mention in find_datasets(clean_sentence(block))]
            heading = (FASHION if FASHION in names else names[-1]) if names else None
            continue
        context = heading
        for sentence in _split_block(block):
            if _WORTH_READING.search(sentence):
                yield sentence, context
            named = [mention.name for mention in find_datasets(sentence[:MAX_SENTENCE])]
            if named:
                context = FASHION if FASHION in named else named[-1]


def _split_block(block: str) -> Iterator[str]:
    """Split a paragraph into sentences; ``et al.`` and ``Fig.`` do not end one."""
    start = 0
    for match in _SENTENCE_END.finditer(block):
        if not _ABBREVIATION.search(block[max(start, match.start() - 12) : match.start()]):
            yield block[start : match.start()]
            start = match.end()
    yield block[start:]


def _split_blocks(text: str) -> Iterator[str]:
    """Join the lines of each paragraph; headings, items of lists and log lines stand alone.

    Rows of tables and the list of references are left out.
    """
    lines: list[str] = []
    skipped_until: re.Pattern[str] | None = None
    all_lines = [line[:_MAX_LINE] for line in text.splitlines()]
    is_pair = [_LABEL_AND_FIGURE.match(line[:_MAX_START]) is not None for line in all_lines]
    for i, line in enumerate(all_lines):
        if skipped_until is not None:
            if skipped_until.search(line):
                skipped_until = None
            continue
        if _REFERENCES.match(line):
            break
        begins = next((end for begin, end in _SKIPPED_BLOCKS if begin.search(line)), None)
        is_alone = _is_alone(line)
        is_row = begins is not None or _TABLE_ROW.search(line[:_MAX_START]) is not None
        if (
            is_pair[i] and not is_alone
        ):  # rows of a table in a PDF's text: several one after another
            is_row = is_row or any(is_pair[max(i - 1, 0) : i]) or any(is_pair[i + 1 : i + 2])
        is_item = re.match(r"\s*(?:[-*\u2022]\s|[0-9]{1,2}[.)]\s)", line) is not None
        if lines and (not line.strip() or is_alone or is_row or is_item):
            yield _join_lines(lines)
            lines = []
        if begins is not None:
            skipped_until = None if begins.search(line) else begins
        elif is_alone:
            yield line
        elif line.strip() and not is_row and not line.lstrip().startswith("$$"):
            lines.append(line)
    if lines:
        yield _join_lines(lines)


def _join_lines(lines: Sequence[str]) -> str:
    """Join lines of prose; a word that is broken at the end of a line becomes whole again."""
    text = "\n".join(line.strip() for line in lines)
    text = re.sub(r"(?<=[a-z])-\n(?=[a-z])", "", text)
    text = re.sub(r"(?<=\w)-\n(?=\w)", "-", text)
    return text.replace("\n", " ")
