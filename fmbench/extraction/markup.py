"""Finds tables in Markdown, HTML, separated values, reStructuredText and aligned text.

Each ``find_..._tables`` function takes a text and returns a list of :class:`Grid`: the cells
without markup, with cells that span several rows or columns repeated in each of them. What the
cells mean is decided in :mod:`fmbench.extraction.tables`. All input is hostile: sizes are bounded,
no file is included and nothing is fetched.
"""

from __future__ import annotations

import csv
import functools
import io
import itertools
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from fmbench.errors import UserError
from fmbench.extraction.grid import (
    MAX_CELL_CHARACTERS,
    MAX_CELLS,
    MAX_COLUMNS,
    MAX_ROWS,
    MAX_TABLE_CHARACTERS,
    Cell,
    Grid,
    add_grid,
    build_grid,
    check_size,
    expand_spans,
    find_line_starts,
    is_footnote_mark,
    tidy,
)
from fmbench.extraction.latex_tables import clean_latex
from fmbench.extraction.pasted import split_rows_of_words
from fmbench.extraction.text.split import is_wrapped_prose

_HTML_IN_CELL = re.compile(
    r"</?(?:a|abbr|b|big|br|center|cite|code|del|div|em|font|i|img|ins|kbd|mark|math|p|s|small|span"
    r"|strong|sub|sup|tt|u|var)\b[^<>]{0,2000}>|<!--|&(?:[A-Za-z]{2,12}|#\d{1,6}|#x[\dA-Fa-f]{1,5});"
)


def clean_markup(text: str) -> str:
    """Return the text of one cell without Markdown, HTML or LaTeX markup, as one line.

    Footnote marks that are written as superscripts are removed.
    """
    if _HTML_IN_CELL.search(text):
        text = _clean_html(text[: 4 * MAX_CELL_CHARACTERS])
    if re.search(r"\\[A-Za-z%&_#$'\"^`~=.({]|\$", text):
        text = clean_latex(text[: 4 * MAX_CELL_CHARACTERS])
    if re.search(r"\*\*|__|`|\]\(|~~|^[*_].*[*_]$", text.strip()):
        text = _clean_markdown(text[: 4 * MAX_CELL_CHARACTERS])
    return tidy(text)


# ---------------------------------------------------------------- Markdown

_MAX_LINE = 20_000  # characters of one line of a table
_DELIMITER_ROW = re.compile(r"^\s*(?:>\s*)*\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*$")


def find_markdown_tables(text: str) -> list[Grid]:
    """Return the tables in Markdown (with pipes and a row of dashes), in their order."""
    lines = text.split("\n")
    grids: list[Grid] = []
    index = 1
    while index < len(lines):
        if not (
            "|" in lines[index]
            and "|" in lines[index - 1]
            and _DELIMITER_ROW.match(" ".join(lines[index].split()))
        ):
            index += 1
            continue
        end = index + 1
        while end < len(lines) and lines[end].strip() and "|" in lines[end]:
            end += 1
        if end - index > MAX_ROWS:
            raise UserError(f"the table at line {index} has more than {MAX_ROWS} rows")
        if any(len(line) > _MAX_LINE for line in lines[index - 1 : end]):
            raise UserError(f"the table at line {index} has lines of over {_MAX_LINE:,} characters")
        grid = _read_markdown_table(lines, index - 1, end, f"table {len(grids) + 1}")
        add_grid(grids, grid)
        index = end + 1
    return grids


@functools.cache
def _markdown_parser() -> Any:
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark").enable(["table", "strikethrough"])


def _read_markdown_table(lines: list[str], start: int, end: int, where: str) -> Grid | None:
    block = [re.sub(r"^\s*(?:>\s*)*", "", line) for line in lines[start:end]]
    rows: list[list[Cell]] = []
    places: list[int] = []
    is_header = False
    for token in _markdown_parser().parse("\n".join(block)):
        if token.type in ("thead_open", "tbody_open"):
            is_header = token.type == "thead_open"
        elif token.type == "tr_open":
            rows.append([])
            places.append(start + (token.map[0] if token.map else 0) + 1)
        elif token.type == "inline" and rows:
            inline = _read_markdown_inline(token.children or [])
            rows[-1].append(
                Cell(clean_markup_of_inline(inline), is_header, _is_bold(token.children))
            )
    caption = _find_caption_near(lines, start, end)
    extent = (start + 1, end)
    return build_grid(rows, caption=caption, where=where, lines=places, extent=extent)


def _read_markdown_inline(tokens: Sequence[Any]) -> str:
    """Return the text of inline tokens; HTML tags are kept, for the HTML reader."""
    parts = []
    for token in tokens:
        if token.type in ("text", "code_inline", "html_inline", "text_special"):
            parts.append(token.content)
        elif token.type in ("softbreak", "hardbreak"):
            parts.append(" ")
        elif token.type == "image":
            parts.append(token.content)
    return "".join(parts)


def clean_markup_of_inline(text: str) -> str:
    """Return the text of Markdown's inline tokens without the HTML and LaTeX in it."""
    if _HTML_IN_CELL.search(text):
        text = _clean_html(text)
    if "$" in text or re.search(r"\\[A-Za-z]", text):
        text = clean_latex(text)
    return tidy(text)


def _is_bold(tokens: Sequence[Any] | None) -> bool:
    texts = [token for token in tokens or [] if token.type != "text" or token.content.strip()]
    return len(texts) > 1 and texts[0].type == "strong_open" and texts[-1].type == "strong_close"


def _clean_markdown(text: str) -> str:
    tokens = _markdown_parser().parseInline(tidy(text))
    return "".join(_read_markdown_inline(token.children or []) for token in tokens)


_CAPTION = re.compile(
    r"^\W{0,6}(?:(?:table|tab\.|tabelle|tableau|tabla|tabela)\s*[\divxlc]+\b|table\s*:|caption\s*:)",
    re.IGNORECASE,
)


_MAX_TITLE_LINES = 4
_MAX_TITLE = 400  # characters of a paragraph above a table that is read for how it was measured
_MAX_SHORT_TITLE = 90
_NO_TITLE = re.compile(r"[|\t&=]|[0-9]\.[0-9]|[0-9],[0-9]{1,2}(?![0-9])|:\s*[0-9]|\S {3,}\S")
_CROSS_VALIDATION = re.compile(r"cross[- ]?validat|\bfolds?\b|-fold\b", re.IGNORECASE)
_CHOICE = re.compile(r"hyper|select|\btun(?:e|ed|ing)\b|chos|search|\btest", re.IGNORECASE)


def _find_caption_near(lines: Sequence[str], start: int, end: int) -> str:
    """Return the line that names the table (``Table 3: ...``) just above or just below it."""
    above = [line for line in lines[max(0, start - 4) : start] if line.strip()]
    below = [line for line in lines[end : end + 3] if line.strip()]
    for line in [*reversed(above), *below[:1]]:
        if _CAPTION.match(line):
            return clean_markup(line.lstrip("#> "))
    if above and (above[-1].lstrip().startswith("#") or above[-1].rstrip().endswith(":")):
        return clean_markup(above[-1].lstrip("#> "))  # a heading, or "The results on ...:"
    paragraph = _find_paragraph_above(lines, start)
    return clean_markup(paragraph) if _is_title(paragraph) else ""


def _find_paragraph_above(lines: Sequence[str], start: int) -> str:
    """Return the paragraph that ends just above a table; empty if it is too long for a title."""
    end = start
    while end > max(0, start - 3) and not lines[end - 1].strip():
        end -= 1
    first = end
    while first > max(0, end - _MAX_TITLE_LINES - 1) and lines[first - 1].strip():
        first -= 1
    text = " ".join(line.strip() for line in lines[first:end])
    return text if end - first <= _MAX_TITLE_LINES and len(text) <= _MAX_TITLE else ""


def _is_title(text: str) -> bool:
    """Whether a paragraph is a title without a number, or says how the figures were measured."""
    if not text or _NO_TITLE.search(text):
        return False
    is_short = len(text) <= _MAX_SHORT_TITLE and text[-1] not in ".!?,;"
    return (is_short and not re.search(r"\btrained\b", text)) or (
        _CROSS_VALIDATION.search(text) is not None and not _CHOICE.search(text)
    )


# ---------------------------------------------------------------- HTML

_HTML_TABLE_TAG = re.compile(r"<(/?)table\b[^>]{0,5000}>", re.IGNORECASE)


def find_html_tables(text: str) -> list[Grid]:
    """Return the tables of an HTML text, in their order; of nested tables only the innermost."""
    starts = find_line_starts(text)
    grids: list[Grid] = []
    opened: re.Match[str] | None = None
    for tag in _HTML_TABLE_TAG.finditer(text):
        if not tag[1]:
            opened = tag
        elif opened is not None:
            piece, line = text[opened.start() : tag.end()], bisect_right(starts, opened.start())
            where = f"table {len(grids) + 1}"
            grid = _read_html_table(piece, line, where, text[: opened.start()][-2_000:])
            opened = None
            add_grid(grids, grid)
    return grids


def _read_html_table(text: str, line: int, where: str, before: str) -> Grid | None:
    check_size(text, where)
    if text.count("<") > MAX_CELLS:
        raise UserError(f"{where} has more than {MAX_CELLS:,} tags: give only the part that counts")
    table = _parse_html(_close_cells(text), where)
    rows: list[list[tuple[Cell, int, int]]] = []
    places: list[int] = []
    for row in table.find_all("tr"):
        cells: list[tuple[Cell, int, int]] = []
        in_head = row.find_parent("thead") is not None
        for cell in row.find_all(["td", "th"]):
            bold = cell.find(["b", "strong"])
            content = tidy(_read_html_element(cell))
            is_bold = bold is not None and tidy(bold.get_text()) == tidy(cell.get_text())
            # A <th> beside <td> cells heads its row, not a column.
            is_header = in_head or (cell.name == "th" and row.find("td") is None)
            spans = _read_span(cell.get("colspan")), _read_span(cell.get("rowspan"))
            cells.append((Cell(content, is_header, is_bold), *spans))
        rows.append(cells)
        places.append(line + (row.sourceline or 1) - 1)
    caption = table.find("caption") or table.find("figcaption")
    title = tidy(_read_html_element(caption)) if caption is not None else ""
    if not title:  # the caption of a <figure> around the table, or a line above it
        plain = re.sub(r"<[^<>]{0,2000}>", "\n", before).splitlines()
        title = _find_caption_near([*plain, ""], len(plain), len(plain))
    extent = (line, line + text.count("\n"))
    full = expand_spans(rows)
    return build_grid(full, caption=title, where=where, lines=places, extent=extent)


def _close_cells(text: str) -> str:
    """Write the end tags of cells and rows, which HTML lets one leave out."""
    text = re.sub(r"<(?=t[dh]\b)", "</td></th><", text, flags=re.IGNORECASE)
    text = re.sub(r"<(?=tr\b)", "</td></th></tr><", text, flags=re.IGNORECASE)
    return re.sub(r"<(?=(?:tbody|tfoot)\b)", "</td></th></tr></thead><", text, flags=re.IGNORECASE)


def _read_span(value: object) -> int:
    text = str(value or "1").strip()
    return (
        min(max(int(text), 1), MAX_ROWS)
        if text.isascii() and text.isdigit() and len(text) < 6
        else 1
    )


def _parse_html(text: str, where: str) -> Any:
    import warnings

    from bs4 import BeautifulSoup

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "looks like a file name": it is a cell's text
            return BeautifulSoup(text, "html.parser")
    except (RecursionError, AssertionError, ValueError):
        raise UserError(f"{where} is not HTML that can be read: give the table as text") from None


def _clean_html(text: str) -> str:
    return tidy(_read_html_element(_parse_html(text, "a cell")))


def _read_html_element(element: Any) -> str:
    """Return an element's text without footnote marks, scripts and doubled formulas."""
    parts: list[str] = []
    stack = [element]
    while stack:  # a loop, so that deep nesting cannot exhaust the stack
        node = stack.pop()
        if isinstance(node, str):
            if type(node).__name__ == "NavigableString":  # not a comment or a declaration
                parts.append(node)
        elif node.name in ("script", "style", "template"):
            continue
        elif node.name == "math" and node.get("alttext"):
            parts.append(clean_latex(f"${node['alttext']}$"))
        elif node.name == "annotation":
            continue
        elif node.name == "br":
            parts.append("" if parts and parts[-1].endswith("-") else " ")
        elif node.name == "img":
            parts.append(str(node.get("alt") or ""))
        elif node.name == "sup" and is_footnote_mark(node.get_text()):
            continue
        else:
            if node.name in ("p", "div", "li", "tr", "td"):
                stack.append(" ")
            stack.extend(reversed(node.contents))
    return "".join(parts)


# ---------------------------------------------------------------- separated values

_DELIMITERS = "\t;|,"


def find_separated_values(text: str) -> list[Grid]:
    """Return the table that a text of separated values (CSV, TSV, ...) is, or nothing.

    Lines before the table (a title, ``sep=;``, comments that start with ``#``) become its caption.

    Raises:
        UserError: the values seem to hold decimal commas and are separated by commas, too.
    """
    text = text.lstrip("\ufeff")
    best: tuple[float, list[list[str]], list[int]] | None = None
    for delimiter in _DELIMITERS:
        parsed = _parse_separated(text, delimiter)
        if parsed is not None and (best is None or parsed[0] > best[0]):
            best = parsed
    if best is None:
        return []
    _, rows, lines = best
    width = Counter(len(row) for row in rows).most_common(1)[0][0]
    start = next(index for index, row in enumerate(rows) if len(row) > 1)
    titles = [" ".join(row) for row in rows[:start]]
    caption = next((title for title in titles if _CAPTION.match(title)), " ".join(titles))
    body = rows[start:]
    if len(body[0]) == width - 1 and all(_ends_with_split_number(row) for row in body[1:]):
        raise UserError(
            f"line {lines[start]} has {width - 1} values and the next lines have {width}: put "
            "numbers with a decimal comma into quotes, or separate the values by semicolons"
        )
    if len(body[0]) == width - 1:  # as R writes it: the names of the rows have no heading
        body[0].insert(0, "")
    cells = [[clean_markup(cell) for cell in row] for row in body]
    extent = (1, text.count("\n") + 1)
    grid = build_grid(cells, caption=caption, where="table 1", lines=lines[start:], extent=extent)
    return [grid] if grid is not None else []


def _parse_separated(text: str, delimiter: str) -> tuple[float, list[list[str]], list[int]] | None:
    """Return how well the delimiter fits (0 to 1), the rows and their line numbers, or None."""
    if delimiter not in text:
        return None
    if delimiter == "," and not re.search(r"(?:^|[^\d\s]),|,\s*(?:[^\d\s]|$)", text, re.MULTILINE):
        return None  # all commas stand between digits: 61,706
    if delimiter in ",;" and is_wrapped_prose(text):
        return None
    rows: list[list[str]] = []
    lines: list[int] = []
    is_first = True
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=delimiter != "\t"
    )
    line = 1
    try:
        for row in reader:
            start, line = line, reader.line_num + 1
            declares = is_first and re.fullmatch(r"sep=.?", "".join(row).strip())
            is_first = False
            if declares or not any(cell.strip() for cell in row):
                continue
            if row[0].lstrip().startswith("#") and len(row) == 1:
                continue
            if len(rows) >= MAX_ROWS or len(row) > MAX_COLUMNS:
                return None
            rows.append(row)
            lines.append(start)
    except csv.Error:
        return None
    widths = Counter(len(row) for row in rows if len(row) > 1)
    if not widths or len(rows) < 2:
        return None
    count = widths.most_common(1)[0][1]
    share = count / len(rows)
    if (count < 2 < len(rows)) or (share < 0.8 and count + 2 < len(rows)):
        return None
    return share, rows, lines


def _ends_with_split_number(row: Sequence[str]) -> bool:
    pair = [cell.strip() for cell in row[-2:]]
    return (
        len(pair) == 2 and pair[0].isdigit() and re.fullmatch(r"\d{1,4} ?%?", pair[1]) is not None
    )


# ---------------------------------------------------------------- reStructuredText

_RST_GRID = re.compile(r"^[ \t]*\+[-=+]{3,}\+[ \t]*$")
_RST_SIMPLE = re.compile(r"^[ \t]*={2,}(?:[ \t]+={2,})+[ \t]*$")
_MAX_RST_LINES = 2_000
_RST_DIRECTIVE = re.compile(r"^[ \t]*\.\. (?:table|list-table|csv-table)::")


def find_rst_tables(text: str) -> list[Grid]:
    """Return the tables of reStructuredText: grid, simple, ``list-table`` and ``csv-table``.

    Nothing is included from files or addresses.
    """
    lines = text.split("\n")
    grids: list[Grid] = []
    for start, end in _find_rst_blocks(lines):
        block = "\n".join(lines[start:end])
        where = f"table {len(grids) + 1}"
        check_size(block, where)
        if end - start > _MAX_RST_LINES:
            raise UserError(f"{where} has more than {_MAX_RST_LINES:,} lines: give it as CSV")
        for table in _parse_rst(block, where):
            grid = _read_rst_table(table, where, lines, start, end)
            add_grid(grids, grid)
            where = f"table {len(grids) + 1}"
    return grids


def _find_rst_blocks(lines: Sequence[str]) -> Iterator[tuple[int, int]]:
    index = 0
    while index < len(lines):
        line, end = lines[index], index + 1
        if _RST_DIRECTIVE.match(line):
            indent = len(line) - len(line.lstrip())
            while end < len(lines) and (
                not lines[end].strip() or len(lines[end]) - len(lines[end].lstrip()) > indent
            ):
                end += 1
            yield index, end
        elif _RST_GRID.match(line):
            while end < len(lines) and lines[end].lstrip().startswith(("+", "|")):
                end += 1
            # Longer ones are slow; they are drawn like those that SQL clients print.
            if end - index <= _MAX_RST_LINES and _is_rst_grid(lines[index:end]):
                yield index, end
        elif _RST_SIMPLE.match(line):
            # The table ends with the first rule before a blank line or the end of the text.
            is_rule = True
            while end < len(lines) and end - index <= _MAX_RST_LINES:
                if is_rule and end > index + 1 and not lines[end].strip():
                    break
                is_rule = _RST_SIMPLE.match(lines[end]) is not None
                end += 1
            if is_rule and end > index + 2:
                yield index, end
        index = end


def _is_rst_grid(block: Sequence[str]) -> bool:
    """Whether the rules stand between all rows, not only around the header as in SQL clients."""
    rules = [index for index, line in enumerate(block) if re.match(r"\s*\+[-=]", line)]
    has_header = any("+=" in block[index] for index in rules)
    gaps = [b - a for a, b in itertools.pairwise(rules)]
    return len(rules) > 1 and (has_header or all(gap == 2 for gap in gaps))


def _parse_rst(block: str, where: str) -> list[Any]:
    import textwrap

    from docutils import nodes
    from docutils.core import publish_doctree
    from docutils.utils import DataError, SystemMessage

    settings = {
        "report_level": 5, "halt_level": 5, "file_insertion_enabled": False, "raw_enabled": False,
        "_disable_config": True, "warning_stream": False, "line_length_limit": MAX_TABLE_CHARACTERS,
        "smart_quotes": False, "syntax_highlight": "none", "math_output": "LaTeX",
    }  # fmt: skip
    try:
        tree = publish_doctree(textwrap.dedent(block), settings_overrides=settings)
    except (RecursionError, SystemMessage, DataError, ValueError):
        raise UserError(f"{where} is not a table that can be read: give it as CSV") from None
    return list(tree.findall(nodes.table))


def _read_rst_table(
    table: Any, where: str, lines: Sequence[str], start: int, end: int
) -> Grid | None:
    from docutils import nodes

    rows: list[list[tuple[Cell, int, int]]] = []
    for row in table.findall(nodes.row):
        is_header = isinstance(row.parent, nodes.thead)
        cells = []
        for entry in row.findall(nodes.entry):
            text, bold = _read_rst_entry(entry)
            spans = entry.get("morecols", 0) + 1, entry.get("morerows", 0) + 1
            cells.append((Cell(text, is_header, bold), *spans))
        rows.append(cells)
    title = next(iter(table.findall(nodes.title)), None)
    caption = title.astext() if title is not None else _find_caption_near(lines, start, end)
    full = expand_spans(rows)
    return build_grid(full, caption=caption, where=where, extent=(start + 1, end))


def _read_rst_entry(entry: Any) -> tuple[str, bool]:
    """Return the text of a cell without footnote marks, and whether it is bold."""
    from docutils import nodes

    dropped = (nodes.footnote_reference, nodes.citation_reference, nodes.system_message)
    parts = []
    for node in entry.findall(nodes.Text):
        if not any(isinstance(parent, dropped) for parent in _parents(node, entry)):
            in_math = isinstance(node.parent, nodes.math)
            is_mark = isinstance(node.parent, nodes.superscript) and is_footnote_mark(str(node))
            # A reference to a footnote outside the table cannot be resolved.
            is_mark = is_mark or re.fullmatch(r"\[[\w#*.-]+\]_", str(node)) is not None
            parts.append("" if is_mark else f"${node}$" if in_math else str(node))
    strong = [str(node.astext()) for node in entry.findall(nodes.strong)]
    text = "".join(parts)
    # |name| without a definition is no markup of this cell alone.
    return clean_markup_of_inline(text), bool(strong) and tidy("".join(strong)) == tidy(text)


def _parents(node: Any, top: Any) -> Iterator[Any]:
    while node is not None and node is not top:
        yield node
        node = node.parent


# ---------------------------------------------------------------- text aligned with blanks

# The characters of which tables in a terminal are drawn; the rest of the block are corners.
_VERTICAL, _HORIZONTAL = "│┃┆┇┊┋║╎╏", "─━┄┅┈┉═╌╍"
_BOX_CHARACTERS = {
    number: "|" if chr(number) in _VERTICAL else "-" if chr(number) in _HORIZONTAL else "+"
    for number in range(0x2500, 0x2580)
}
_RULE_LINE = re.compile(r"(?=.*[-=_+]{3})[\s|+:=_*-]*+$")


def find_aligned_columns(text: str) -> list[Grid]:
    """Return the tables whose columns are aligned with blanks, or drawn with lines of characters.

    Such are printed in a terminal (pandas, tabulate, rich, SQL clients) or pasted from a PDF. A
    table is a block of lines without a blank line; it needs two columns and two rows.
    """
    lines = text.translate(_BOX_CHARACTERS).split("\n")
    grids: list[Grid] = []
    for start, end in _find_blocks(lines):
        grid = _read_block(lines, start, end, f"table {len(grids) + 1}")
        add_grid(grids, grid)
    return grids


_FRAME_START = re.compile(r"^\s*\+[-=+]{3,}\+\s*$")


def _is_drawn(line: str) -> bool:
    return line.lstrip().startswith(("|", "+-", "+="))


def _find_blocks(lines: Sequence[str]) -> Iterator[tuple[int, int]]:
    start = -1
    for index, line in enumerate([*lines, ""]):
        begins_frame = _FRAME_START.match(line) is not None
        if start >= 0 and begins_frame and not any(map(_is_drawn, lines[start:index])):
            yield start, index  # a drawn table begins below other lines
            start = -1
        if line.strip() and start < 0:
            start = index
        elif not line.strip() and start >= 0:
            yield start, index
            start = -1


def _read_block(lines: Sequence[str], start: int, end: int, where: str) -> Grid | None:
    if end - start > 2 * MAX_ROWS or any(len(line) > _MAX_LINE for line in lines[start:end]):
        return None
    body = list(range(start, end))
    caption = _find_caption_near(lines, start, end)
    if _CAPTION.match(lines[start]) and len(body) > 1:  # "Table 3. ..." without a blank line
        caption, body = clean_markup(lines[start]), body[1:]
    rules = [index for index in body if _RULE_LINE.match(lines[index])]
    body = [index for index in body if index not in set(rules)]
    if len(body) > 2 and rules and _is_title_of_columns(lines[body[0]], lines[body[1]]):
        caption, body = caption or clean_markup(lines[body[0]]), body[1:]
    if len(body) < 2:
        return None
    tabs = {lines[index].count("\t") for index in body}
    texts = [lines[index].expandtabs(8) for index in body]
    if all(_NAME_AND_VALUE.fullmatch(text) for text in texts):
        return None  # single blanks that stand below each other by chance
    if all(line.count("|") >= 1 for line in texts):
        rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in texts]
        if len({len(row) for row in rows}) > 1:
            return None
    elif len(tabs) == 1 and tabs != {0}:
        rows = [[cell.strip() for cell in lines[index].split("\t")] for index in body]
    else:
        rows = split_rows_of_words(texts) or _split_below_groups(texts) or _split_at_gaps(texts)
    if not 2 <= min(map(len, rows)) <= max(map(len, rows)) <= MAX_COLUMNS or len(rows) > MAX_ROWS:
        return None
    header_end = next((index for index in rules if index > body[0]), None)
    cells = [
        [Cell(clean_markup(cell), header_end is not None and line < header_end) for cell in row]
        for line, row in zip(body, rows, strict=True)
    ]
    places = [index + 1 for index in body]
    return build_grid(cells, caption=caption, where=where, lines=places, extent=(start + 1, end))


_GAP = re.compile(r"\S {2,}\S")
_NAME_AND_VALUE = re.compile(
    r"\s*(?:[^\s=|]+ )+= ?[-+]?[0-9][0-9.,]* ?%?\s*"
)  # Test accuracy = 0.89


def _is_title_of_columns(line: str, following: str) -> bool:
    """Whether a line of words stands without a blank line above heads that blanks separate."""
    is_title = re.fullmatch(r"[^\W\d_](?:[^|\t0-9]){2,80}", line.rstrip()) is not None
    return is_title and not _GAP.search(line) and _GAP.search(following) is not None


def _split_at_gaps(lines: Sequence[str]) -> list[list[str]]:
    """Return the lines split where at least two columns of characters are blank in all lines.

    One blank column is enough between a head with figures below it and what stands to its left, as
    pandas prints. Where the lines are not aligned with each other, each is split at two or more
    blanks, if all have the same number of parts.
    """
    columns = _find_columns(lines)
    aligned = [[line[a:b].strip() for a, b in columns] for line in lines]
    split = [re.split(r"\s{2,}", line.strip()) for line in lines]
    same = {len(parts) for parts in split}
    if len(same) == 1 and same.pop() > len(columns):
        return split
    return aligned


_PIECE = re.compile(r"\S+(?: \S+)*")
_MAX_APART = 3  # characters between the name of a group and a column that belongs to it


def _split_below_groups(lines: Sequence[str]) -> list[list[str]] | None:
    """Split a table whose first line names groups of columns, and the second line the columns.

    The name of a group may stand above the gap between its columns. None: it is no such table.
    """
    groups = [(m.start(), m.end(), m[0]) for m in _PIECE.finditer(lines[0])]
    heads = _PIECE.findall(lines[1])
    if (
        len(lines) < 3
        or not lines[0].startswith("  ")
        or lines[1].startswith(" ")
        or not 0 < len(groups) < len(heads)
        or any(re.search(r"[0-9]", head[-1:]) for head in heads)
        or not re.search(r"[0-9]", lines[2])
    ):
        return None
    columns = _find_columns(lines[1:])
    if len(columns) != len(heads):
        return None
    names = [""]
    for a, b in columns[1:]:
        spans = [m.span() for line in lines[1:] for m in _PIECE.finditer(line[a:b])]
        start, end = a + min(first for first, _ in spans), a + max(last for _, last in spans)
        near = min((max(first - end, start - last), name) for first, last, name in groups)
        names.append(near[1] if near[0] <= _MAX_APART else "")
    return [names, *([line[a:b].strip() for a, b in columns] for line in lines[1:])]


def _find_columns(lines: Sequence[str]) -> list[tuple[int, int]]:
    """Find the columns of lines that are aligned by blanks: the first and last place of each."""
    width = max(len(line) for line in lines)
    padded = [line.ljust(width) for line in lines]
    is_blank = [all(line[p].isspace() for line in padded) for p in range(width)]
    cuts = [0]
    for position in range(1, width):
        if not is_blank[position - 1] or is_blank[position] or all(is_blank[:position]):
            continue
        if is_blank[position - 2 : position] == [True, True] or _is_column_of_figures(
            [line[cuts[-1] :] for line in padded], position - cuts[-1], is_blank[cuts[-1] :]
        ):
            cuts.append(position)
    return list(zip(cuts, [*cuts[1:], width], strict=True))


def _is_column_of_figures(lines: Sequence[str], start: int, is_blank: Sequence[bool]) -> bool:
    """Whether a head, and below it only numbers, stand from ``start`` to the next blank column."""
    end = start
    while end < len(is_blank) and not is_blank[end]:
        end += 1
    head, *cells = (line[start:end].strip() for line in lines)
    numbers = [re.fullmatch(r"[-+<>~≈]?[\d.,]*\d ?%?|-|NaN|", cell) for cell in cells]
    is_complete = all(re.search(r"[^\s±+/(~-]$", line[:start].rstrip()) for line in lines)
    return bool(head[:1].isalpha() and is_complete and any(cells) and all(numbers))
