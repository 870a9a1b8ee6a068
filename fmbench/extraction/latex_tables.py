"""Reads tables in LaTeX, and removes LaTeX markup from the text of a cell."""

from __future__ import annotations

import functools
import logging
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from fmbench.errors import UserError
from fmbench.extraction.grid import (
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

_TABULARS = (
    "tabular", "tabular*", "tabularx", "tabulary", "longtable", "longtable*", "tblr", "array",
)  # fmt: skip
_LATEX_ENVIRONMENT = re.compile(
    r"\\(begin|end)\s*\{(" + "|".join(re.escape(name) for name in _TABULARS) + r")\}"
)
_LATEX_COMMENT = re.compile(r"((?:^|[^\\])(?:\\\\)*)%[^\n]*", re.MULTILINE)
_ROW_ENDS = ("\\", "tabularnewline", "cr")
# The first of these below the header's rows ends the header.
_RULES = {
    "midrule", "hline", "hhline", "Xhline", "thickhline", "specialrule", "endhead", "endfirsthead",
}  # fmt: skip
_MAX_DEPTH = 60  # of groups inside each other

# Macros by their arguments ("*": a star, "[": optional, "{": mandatory); pylatexenc must know them.
# Of these, the last argument is the text.
_TEXT_MACROS = {
    "{": "text mathbf mathrm mathit mathsf mathtt boldsymbol bm textnormal underline uline uwave "
    "dotuline hl textsubscript mbox hbox fbox url emph textbf textit textsc texttt textsf textrm "
    "textmd textup textsl best first second",
    "[{": "shortstack num tablenum si unit",
    "*[{": "makecell thead rothead acrshort gls",
    "*{": "operatorname ac",
    "{{": "href adjustbox texorpdfstring",
    "[{{": "textcolor colorbox rotatebox diagbox framebox qty",
    "{{{": "multicolumn resizebox",
    "{[{": "scalebox",
    "[[{": "makebox",
    "{[[{": "raisebox multirowcell",
    "[[[{{": "parbox",
    "[{[{": "SI",
    "[{[{[{": "multirow",
}
# Of these nothing is printed in the cell.
_SILENT_MACROS = {
    "": "hline centering raggedright raggedleft vskip hskip strut newpage bf it rm sc tt em sl sf "
    "bfseries itshape scshape ttfamily sffamily rmfamily mdseries upshape normalfont boldmath tiny "
    "scriptsize footnotesize small normalsize large Large LARGE huge Huge displaystyle textstyle "
    "left right big Big noindent relax protect ensuremath limits null thickhline endhead "
    "endfirsthead endfoot endlastfoot morecmidrules",
    "[": "toprule midrule bottomrule addlinespace footnotemark pagebreak",
    "{": "cline hhline tnote thanks label phantom hphantom vphantom noalign Xhline citenum "
    "onlinecite eqref pageref",
    "*{": "hspace vspace ref cref Cref autoref",
    "[{": "cmidrule arrayrulecolor footnote footnotetext color",
    "{{": "setlength",
    "[{{": "rule",
    "{{{": "specialrule",
    "*[{": "caption",
    "[[{": "footcite shortcite",
    "*[[{": "cite citep citet citealp citealt citeauthor citeyear parencite textcite autocite",
    "[{[[": "rowcolor cellcolor columncolor",
    "[{{{": "rowcolors",
}
_TEXT_NAMES = {name for names in _TEXT_MACROS.values() for name in names.split()}
_SILENT_NAMES = {name for names in _SILENT_MACROS.values() for name in names.split()}
_SYMBOLS = {
    "pm": " ± ", "textpm": " ± ", "percent": "%", "%": "%", "&": "&", "_": "_", "#": "#", "$": "$",
    "{": "{", "}": "}", ",": " ", ";": " ", ":": " ", "!": "", " ": " ", "/": "", "-": "", "@": "",
    "quad": " ", "qquad": " ", "hfill": " ", "textasciitilde": "~", "degree": "°", "ast": "*",
    "star": "", "dagger": "", "ddagger": "", "dag": "", "ddag": "", "S": "", "P": "",
    "textdagger": "", "textdaggerdbl": "", "textasteriskcentered": "", "uparrow": "↑",
    "downarrow": "↓", "checkmark": "✓", "times": "×", "approx": "≈", "sim": "~", "ell": "ℓ",
}  # fmt: skip


def find_latex_tables(text: str) -> list[Grid]:
    """Return the tables of a LaTeX text: each outermost ``tabular``, ``longtable``, ..."""
    text = _expand_own_macros(_LATEX_COMMENT.sub(r"\1", text))
    # pylatexenc has no such optional argument: \cmidrule(lr){2-3}
    text = re.sub(r"(?<=\w)\$\^\{?\+\}?\$(?=\w)", "+", text)  # Conv$^+$Net: no footnote
    text = re.sub(r"\\[vh]skip\s*-?[0-9.]+\s?(?:pt|mm|cm|in|ex|em)\b", " ", text)
    text = re.sub(r"(\\cmidrule\s*(?:\[[^\]\n]{0,50}\])?)\s*\([^()\n]{0,50}\)", r"\1", text)
    starts = find_line_starts(text)
    grids: list[Grid] = []
    depth, begin = 0, 0
    for tag in _LATEX_ENVIRONMENT.finditer(text):
        if tag[1] == "begin":
            begin = tag.start() if depth == 0 else begin
            depth += 1
        elif depth:
            depth -= 1
            if depth == 0 and not text[begin:].startswith(r"\begin{array}"):
                where = f"table {len(grids) + 1}"
                caption = _find_latex_caption(text, begin, tag.end())
                grid = _read_tabular(text, begin, tag.end(), caption, where, starts)
                add_grid(grids, grid)
    return grids


_DEFINITION = re.compile(
    r"\\(?:re)?newcommand\*?\s*\{?\\(?P<name>[A-Za-z]+)\}?\s*(?:\[(?P<n>[01])\])?"
    r"\s*\{(?P<body>(?:[^{}\n]|\{[^{}\n]*\}){0,200})\}"
)
_MAX_MACROS = 100


def _expand_own_macros(text: str) -> str:
    """Replace the macros that a text defines, with at most one argument, such as ``\\ours``."""
    defined = {match["name"]: match for match in _DEFINITION.finditer(text)}
    for name, match in list(defined.items())[:_MAX_MACROS]:
        if rf"\{name}" in match["body"] or len(text) > 2 * MAX_TABLE_CHARACTERS:
            continue
        # \g<1> is the argument; a macro without one has an empty group.
        body = match["body"].replace("\\", r"\\").replace("#1", r"\g<1>")
        argument = r"\s*\{([^{}\n]*)\}" if match["n"] == "1" else r"(?![A-Za-z])(?:\{\})?()"
        text = re.sub(rf"(?<!newcommand\{{)(?<!newcommand)\\{name}{argument}", body, text)
    return text


def _read_tabular(
    text: str, begin: int, end: int, caption: str, where: str, starts: list[int]
) -> Grid | None:
    source = text[begin:end]
    check_size(source, where)
    nodes = _parse_latex(source, where)
    if not nodes or not hasattr(nodes[0], "nodelist"):
        return None
    rows: list[list[tuple[Cell, int, int]]] = []
    places: list[int] = []
    n_header = 0
    for row_nodes, position, rule_before in _split_rows(nodes[0].nodelist):
        if rule_before and rows and not n_header:
            n_header = len(rows)
        rows.append([_read_latex_cell(cell) for cell in row_nodes])
        places.append(bisect_right(starts, begin + position))
    marked = [
        [
            (replace(cell, is_header=index < n_header), n_columns, n_rows)
            for cell, n_columns, n_rows in row
        ]
        for index, row in enumerate(rows)
    ]
    extent = (bisect_right(starts, begin), bisect_right(starts, end - 1))
    cells = _fill_multirows(marked)
    return build_grid(cells, caption=caption, where=where, lines=places, extent=extent)


def _fill_multirows(rows: Sequence[Sequence[tuple[Cell, int, int]]]) -> list[list[Cell]]:
    """Repeat each cell in the columns and rows that it spans.

    In LaTeX the cells below a \\multirow (above it, if its number is negative) are empty.
    """
    full = expand_spans([(cell, columns, 1) for cell, columns, _ in row] for row in rows)
    for index, row in enumerate(rows):
        start = 0
        for cell, n_columns, n_rows in row:
            end = start + max(n_columns, 1)
            step = 1 if n_rows > 0 else -1
            for target in range(index + step, index + n_rows, step):
                if 0 <= target < len(full):
                    for column in range(start, min(end, len(full[target]))):
                        if not full[target][column].text:
                            full[target][column] = replace(cell, repeats_above=True)
            start = end
    return full


def _split_rows(nodes: Sequence[Any]) -> Iterator[tuple[list[list[Any]], int, bool]]:
    """Yield the rows of a tabular: each cell's nodes, the position, whether a rule precedes."""
    cells: list[list[Any]] = [[]]
    position: int | None = None
    rule_before = False
    for node in nodes:
        kind = type(node).__name__
        if kind == "LatexSpecialsNode" and node.specials_chars == "&":
            cells.append([])
        elif kind == "LatexMacroNode" and node.macroname in _ROW_ENDS:
            if position is not None or len(cells) > 1:
                yield cells, position if position is not None else node.pos, rule_before
                rule_before = False
            cells, position = [[]], None
        elif kind == "LatexMacroNode" and node.macroname in _RULES:
            rule_before = True
        elif kind == "LatexCommentNode":
            continue
        else:
            is_silent = kind == "LatexMacroNode" and node.macroname in _SILENT_NAMES
            if (
                position is None
                and not is_silent
                and not (kind == "LatexCharsNode" and not node.chars.strip())
            ):
                text = node.chars if kind == "LatexCharsNode" else ""
                position = node.pos + len(text) - len(text.lstrip())
            cells[-1].append(node)
    if position is not None:
        yield cells, position, rule_before


def _read_latex_cell(nodes: list[Any]) -> tuple[Cell, int, int]:
    """Return a cell with the numbers of columns and rows that it spans (negative: upwards)."""
    spans = {"multicolumn": 1, "multirow": 1}
    texts: list[str] = []
    _collect_latex(nodes, texts, spans, 0)
    bold = [
        node for node in nodes if getattr(node, "macroname", "") in ("textbf", "bf", "bfseries")
    ]
    text = tidy("".join(texts))
    return Cell(text, is_bold=bool(bold)), abs(spans["multicolumn"]), spans["multirow"]


def _collect_latex(
    nodes: Sequence[Any], texts: list[str], spans: dict[str, int], depth: int
) -> None:
    """Append the plain text of nodes to ``texts``; note what multirow and multicolumn span."""
    if depth > _MAX_DEPTH:
        raise RecursionError
    script = ""  # "^" or "_" before a group or a letter
    for node in nodes:
        if node is None:
            continue
        kind = type(node).__name__
        before = len(texts)
        if kind == "LatexCharsNode":
            chars = node.chars
            if node.parsing_state.in_math_mode:
                chars = re.sub(r"_(\S)", r"\1", chars)
            script = _append_chars(chars, texts, script)
            continue
        if kind == "LatexSpecialsNode":
            texts.append(
                {"~": " ", "&": " ", "--": "–", "---": "—"}.get(
                    node.specials_chars, node.specials_chars
                )
            )
        elif kind in ("LatexGroupNode", "LatexMathNode", "LatexEnvironmentNode"):
            _collect_latex(node.nodelist or [], texts, spans, depth + 1)
        elif kind == "LatexMacroNode":
            _collect_macro(node, texts, spans, depth)
        if script:
            content = "".join(texts[before:])
            del texts[before:]
            texts.append(_read_script(script, content))
            script = ""


def _append_chars(chars: str, texts: list[str], script: str) -> str:
    """Append characters, of which ``^`` and ``_`` may end a piece; return that sign, or ""."""
    if script and chars:
        texts.append(_read_script(script, chars[0]))
        chars, script = chars[1:], ""
    if chars.endswith(("^", "_")):
        script, chars = chars[-1], chars[:-1]
    # Within the piece, one character after the sign: x^2 is a mark, as in 98.80^*.
    chars = re.sub(r"\^(\S)", lambda match: _read_script("^", match[1]), chars)
    texts.append(chars)
    return script


def _read_script(sign: str, content: str) -> str:
    """Return the text of a superscript or subscript; footnote marks are dropped, ± is kept."""
    if sign == "^" and (not content.strip() or is_footnote_mark(content)):
        return ""
    return content


def _collect_macro(node: Any, texts: list[str], spans: dict[str, int], depth: int) -> None:
    name = node.macroname
    arguments = list(node.nodeargd.argnlist or []) if node.nodeargd is not None else []
    if name in _ROW_ENDS:
        texts.append(" ")
    elif name in spans:
        number: list[str] = []
        _collect_latex([arguments[0 if name == "multicolumn" else 1]], number, {}, depth + 1)
        found = re.fullmatch(r"\s*([+-]?\d{1,4})\s*", "".join(number))
        spans[name] = (int(found[1]) or 1) if found else 1
        _collect_latex(arguments[-1:], texts, spans, depth + 1)
    elif name == "textsuperscript":
        content: list[str] = []
        _collect_latex(arguments[-1:], content, {}, depth + 1)
        texts.append(_read_script("^", "".join(content)))
    elif name in ("SI", "qty"):  # a number and its unit
        for argument in (arguments[1], arguments[-1]):
            _collect_latex([argument], texts, spans, depth + 1)
    elif name in _SYMBOLS:
        texts.append(_SYMBOLS[name])
    elif name in _SILENT_NAMES:
        return
    elif name in _TEXT_NAMES:
        _collect_latex(arguments[-1:], texts, spans, depth + 1)
    else:
        texts.append(_name_symbol(node))


def _name_symbol(node: Any) -> str:
    """Return the text of an accent, a Greek letter or a symbol; else the macro's own name."""
    from pylatexenc.latex2text import LatexNodes2Text

    # It warns of a macro whose arguments are missing, such as \frac alone; that hides nothing.
    logging.getLogger("pylatexenc.latex2text").setLevel(logging.ERROR)
    text = LatexNodes2Text(strict_latex_spaces=False).nodelist_to_text([node])
    text = text if isinstance(text, str) else ""
    if (
        not text.strip()
        and node.macroname.isalpha()
        and not (node.nodeargd and node.nodeargd.argnlist)
    ):
        return str(node.macroname) + node.macro_post_space
    return text + (node.macro_post_space if len(text.strip()) > 1 else "")


@functools.cache
def _latex_context() -> Any:
    from pylatexenc.latexwalker import get_default_latex_context_db
    from pylatexenc.macrospec import MacroSpec, std_environment

    context = get_default_latex_context_db()
    macros = [
        MacroSpec(name, arguments)
        for group in (_TEXT_MACROS, _SILENT_MACROS)
        for arguments, names in group.items()
        for name in names.split()
    ] + [MacroSpec("textsuperscript", "{"), MacroSpec("tabularnewline", "[")]
    environments = [
        std_environment("tabular", "[{"), std_environment("tabular*", "{[{"),
        std_environment("tabularx", "{[{"), std_environment("tabulary", "{[{"),
        std_environment("longtable", "[{"), std_environment("longtable*", "[{"),
        std_environment("tblr", "[{"), std_environment("array", "[{"),
    ]  # fmt: skip
    context.add_context_category("tables", macros=macros, environments=environments, prepend=True)
    return context


def _parse_latex(text: str, where: str) -> list[Any]:
    from pylatexenc.latexwalker import LatexWalker, LatexWalkerError

    if re.search(rf"(?:[{{$\[]\s*){{{_MAX_DEPTH}}}", text):
        raise UserError(f"{where} is nested too deeply: give the table as text")
    try:
        walker = LatexWalker(text, latex_context=_latex_context(), tolerant_parsing=True)
        nodes, _, _ = walker.get_latex_nodes()
    except (LatexWalkerError, RecursionError, ValueError, IndexError, AttributeError):
        raise UserError(f"{where} is not LaTeX that can be read: give the table as text") from None
    return list(nodes)


def clean_latex(text: str) -> str:
    """Return the text of a cell or caption without LaTeX markup, as one line."""
    texts: list[str] = []
    try:
        _collect_latex(_parse_latex(_protect_dollars(text), "a cell"), texts, {}, 0)
    except (UserError, RecursionError):
        return text  # not LaTeX after all: the text as it stands
    return tidy("".join(texts))


def _protect_dollars(text: str) -> str:
    """Return the text with single dollar and percent signs, which are no markup, escaped."""
    text = re.sub(r"(?<!\\)%", r"\\%", text)
    return (
        text if len(re.findall(r"(?<!\\)\$", text)) % 2 == 0 else re.sub(r"(?<!\\)\$", r"\\$", text)
    )


def _find_latex_caption(text: str, begin: int, end: int) -> str:
    """Return the caption of the float around a tabular, or of a longtable itself."""
    opened = text.rfind(r"\begin{table", 0, begin)
    if opened >= 0 and r"\end{table" not in re.sub(r"\\end\{table?u?l", "", text[opened:begin]):
        closed = text.find(r"\end{table", end)
        region = text[opened : closed if closed >= 0 else min(len(text), end + 5_000)]
    else:
        region = text[begin:end]
    found = re.search(r"\\caption(?:of\{table\})?\*?\s*(?:\[[^\]]{0,500}\])?\s*\{", region)
    if not found:
        return ""
    depth, position = 1, found.end()
    while position < min(len(region), found.end() + 5_000) and depth:
        depth += {"{": 1, "}": -1}.get(region[position], 0) if region[position - 1] != "\\" else 0
        position += 1
    return clean_latex(region[found.end() : position - 1])
